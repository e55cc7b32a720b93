package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"
)

const commitDate = "2026-01-02T05:04:05+02:00"

// made describes the binary of this test, which is a Go binary with dependencies, copied to where goreleaser has them.
func made(t *testing.T) (binary string, content []byte) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	binary = filepath.Join(folder, "towpath")
	if err := os.WriteFile(binary, program, 0o755); err != nil {
		t.Fatal(err)
	}
	document := filepath.Join(folder, "towpath-linux-amd64.spdx.json")
	if err := run("v1.2.3", commitDate, binary, document); err != nil {
		t.Fatal(err)
	}
	content, err = os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return binary, content
}

// What SPDX 2.3 wants of each document: clauses 6, 7 and 11.
func TestSBOMIsWhatSPDXWants(t *testing.T) {
	_, content := made(t)
	document, err := spdxjson.Read(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(document); err != nil {
		t.Error(err)
	}

	var raw struct {
		SPDXVersion, DataLicense, SPDXID, Name, DocumentNamespace string
		CreationInfo                                              struct {
			Created  string
			Creators []string
		}
		Packages      []map[string]any
		Relationships []map[string]string
	}
	if err := json.Unmarshal(content, &raw); err != nil {
		t.Fatal(err)
	}
	if raw.SPDXVersion != "SPDX-2.3" || raw.DataLicense != "CC0-1.0" || raw.SPDXID != "SPDXRef-DOCUMENT" || raw.Name != "towpath-linux-amd64-v1.2.3" {
		t.Errorf("the document begins %+v", raw)
	}
	if !regexp.MustCompile(`^https://[^#]+$`).MatchString(raw.DocumentNamespace) {
		t.Errorf("its namespace is %q", raw.DocumentNamespace)
	}
	if _, err := time.Parse("2006-01-02T15:04:05Z", raw.CreationInfo.Created); err != nil {
		t.Errorf("it was created at %q", raw.CreationInfo.Created)
	}
	for _, creator := range raw.CreationInfo.Creators {
		if !regexp.MustCompile(`^(Person|Organization|Tool): \S`).MatchString(creator) {
			t.Errorf("its creator is %q", creator)
		}
	}
	ids := map[string]bool{}
	for _, p := range raw.Packages {
		id, _ := p["SPDXID"].(string)
		if !regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`).MatchString(id) || ids[id] {
			t.Errorf("the identifier %q is none, or stands twice", id)
		}
		ids[id] = true
		if p["name"] == "" || p["downloadLocation"] == "" || p["filesAnalyzed"] != false {
			t.Errorf("%s lacks what every package has: %v", id, p)
		}
	}
	if len(raw.Relationships) != len(raw.Packages) {
		t.Errorf("%d packages have %d relations", len(raw.Packages), len(raw.Relationships))
	}
	for _, r := range raw.Relationships {
		from := r["spdxElementId"]
		if !ids[r["relatedSpdxElement"]] || !ids[from] && (from != "SPDXRef-DOCUMENT" || r["relationshipType"] != "DESCRIBES") {
			t.Errorf("a relation leads nowhere: %v", r)
		}
	}
}

// Every module that the compiler has written into the binary is there with its version, and the binary with its checksum.
func TestSBOMHoldsEveryModule(t *testing.T) {
	binary, content := made(t)
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) == 0 {
		t.Fatal("this test's binary has no dependencies to look for")
	}
	for _, m := range info.Deps {
		if want := `"referenceLocator": "pkg:golang/` + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B") + `"`; !bytes.Contains(content, []byte(want)) {
			t.Errorf("it lacks %s", want)
		}
	}
	if want := `"pkg:golang/stdlib@` + strings.TrimPrefix(info.GoVersion, "go") + `"`; !bytes.Contains(content, []byte(want)) {
		t.Errorf("it lacks %s", want)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(program)
	if !bytes.Contains(content, []byte(`"checksumValue": "`+hex.EncodeToString(sum[:])+`"`)) {
		t.Error("it lacks the binary's checksum")
	}
}

func TestSBOMIsReproducible(t *testing.T) {
	_, first := made(t)
	_, second := made(t)
	if !bytes.Equal(first, second) {
		t.Error("two documents of one binary differ")
	}
}

func TestSBOMIsRefused(t *testing.T) {
	script := filepath.Join(t.TempDir(), "towpath")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	document := filepath.Join(t.TempDir(), "towpath.spdx.json")
	if err := run("v1.2.3", commitDate, script, document); err == nil {
		t.Error("a script has modules")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := run("v1.2.3", "unknown", self, document); err == nil {
		t.Error("a document has no date")
	}
	if err := run("v1.2.3", commitDate, script+"-absent", document); err == nil {
		t.Error("what is not there has modules")
	}
}
