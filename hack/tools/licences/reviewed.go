package main

import (
	"crypto/sha256"
	"encoding/hex"
)

// notLinked is the licence of what is in a module and in no binary.
const notLinked = "none of a binary"

// reviewed are files that look like licences and that no tool can judge, as they were read when the module came: by the SHA-256 of the file, so
// that a version with another text is an error until somebody has read that. What each of them names and a binary holds is, where it
// is a module, judged as one besides.
var reviewed = map[string]string{
	// modernc.org/sqlite v1.61.1, LICENSE-SQLITE: SQLite's dedication to the public domain.
	"8438c9c89b849131ead81d5435cb97fcf052df5b0b286dda8a2d4c29e6cb3fd0": "public-domain",
	// modernc.org/sqlite v1.61.1, LICENSE-3RD-PARTY.md: a list of all modules in its graph. What is linked is MIT, BSD-3-Clause or in the
	// public domain; MPL-2.0 is that of hashicorp/golang-lru, which is "not compiled into anything".
	"4194f8e7119be72babd499db4f6f1f7547e36e8a7bffcb2b9c8df241b8f1576a": "MIT, BSD-3-Clause, public-domain",
	// modernc.org/libc v1.79.0, LICENSE-3RD-PARTY.md: Go (BSD-3-Clause), musl with its list of authors, go-netdb, nixpkgs (MIT).
	"f597097efe3d97021f89170746bd3a0fb9a8b6fb26b82043ed68a4e0283bee6c": "MIT, BSD-3-Clause",
	// modernc.org/memory v1.12.1, LICENSE-LOGO: where a picture is from, which no binary holds.
	"5ae5bee3072a841376451b48d8cfcec7188e10543926d5870828d36c8a750dc5": notLinked,
	// github.com/cyphar/filepath-securejoin v0.6.1, COPYING.md: which of its files are under BSD-3-Clause, and which under MPL-2.0.
	"83e36e42b3dacc3d447eca3049848b3e2ff66b6e1768a6a3cf3f27a57079bda4": "BSD-3-Clause, for the packages in parts",
	// github.com/opencontainers/go-digest v1.0.0, LICENSE.docs: CC-BY-SA-4.0 for its documentation, which no binary holds; its README says that
	// code is under Apache-2.0.
	"a1d1adec3ba691ef6e377a78bbe9e9e2501f2f4a1723d08857da1ac6564e4fed": notLinked,
}

// part is a module of which only some packages are under the licence that counts.
type part struct {
	// other is the file with the licence of the rest.
	other string
	// packages are those that may be linked.
	packages []string
}

// parts are the modules, with their versions, that were read so.
var parts = map[string]part{
	// Each file says at its beginning which licence it is under. What is below pathrs-lite is under MPL-2.0.
	"github.com/cyphar/filepath-securejoin@v0.6.1": {
		other:    "LICENSE.MPL-2.0",
		packages: []string{"github.com/cyphar/filepath-securejoin", "github.com/cyphar/filepath-securejoin/internal/consts"},
	},
}

// wasReviewed is what a file was found to be by whoever read it.
func wasReviewed(text []byte) (string, bool) {
	sum := sha256.Sum256(text)
	found, ok := reviewed[hex.EncodeToString(sum[:])]
	return found, ok
}
