// Command sbom says what a Go binary is made of, as SPDX 2.3: the modules that the compiler has written into it, and the
// standard library. The binary's name there is that of the document.
//
//	sbom -version v1.2.3 -created 2026-01-02T03:04:05Z build/cli/towpath build/release/towpath-linux-amd64.spdx.json
//
// It is ours, since what there is for this writes the time and a random number into each document: no build could then be
// compared with another. Reading and checking are SPDX's own library.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"
)

func main() {
	version := flag.String("version", "dev", "version of what was built")
	created := flag.String("created", "", "date of the commit, in RFC 3339")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "sbom: name a binary, and the file NAME.spdx.json to write")
		os.Exit(2)
	}
	if err := run(*version, *created, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(version, created, path, to string) error {
	date, err := time.Parse(time.RFC3339, created)
	if err != nil {
		return fmt.Errorf("the date of the commit: %w", err)
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	name := strings.TrimSuffix(filepath.Base(to), ".spdx.json")
	sum := sha256.Sum256(binary)
	var text bytes.Buffer
	if err := spdxjson.Write(document(name, version, hex.EncodeToString(sum[:]), date, info), &text, spdxjson.Indent("  ")); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(to, text.Bytes(), 0o644) //nolint:gosec // public
}

const unknown = "NOASSERTION"

// document describes one binary. Its name in the world holds the binary's checksum: another binary has another document.
func document(name, version, sum string, created time.Time, info *debug.BuildInfo) *spdx.Document {
	root := module(info.Main.Path, version, "")
	root.PackageName, root.PackageFileName = name, name
	root.PackageSPDXIdentifier = identifier("binary", name)
	root.PrimaryPackagePurpose = "APPLICATION"
	root.PackageLicenseDeclared = "Apache-2.0"
	root.PackageChecksums = []common.Checksum{{Algorithm: common.SHA256, Value: sum}}

	packages := []*spdx.Package{root, module("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		packages = append(packages, module(m.Path, m.Version, m.Sum))
	}
	relations := []*spdx.Relationship{relation("DOCUMENT", root.PackageSPDXIdentifier, common.TypeRelationshipDescribe)}
	for _, p := range packages[1:] {
		relations = append(relations, relation(root.PackageSPDXIdentifier, p.PackageSPDXIdentifier, common.TypeRelationshipContains))
	}
	return &spdx.Document{
		SPDXVersion:       spdx.Version,
		DataLicense:       spdx.DataLicense,
		SPDXIdentifier:    "DOCUMENT",
		DocumentName:      name + "-" + version,
		DocumentNamespace: "https://github.com/towpath-dev/towpath/spdx/" + name + "-" + sum,
		CreationInfo: &spdx.CreationInfo{
			Created:  created.UTC().Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Organization", Creator: "Towpath"}, {CreatorType: "Tool", Creator: "towpath-hack-release-sbom"}},
		},
		Packages:      packages,
		Relationships: relations,
	}
}

// module describes a module of Go. Its checksum is go.sum's, which is no plain one of a file, so it stands as a remark.
func module(path, version, sum string) *spdx.Package {
	p := &spdx.Package{
		PackageName:               path,
		PackageSPDXIdentifier:     identifier("module", path+"-"+version),
		PackageVersion:            version,
		PackageDownloadLocation:   unknown,
		IsFilesAnalyzedTagPresent: true,
		PackageLicenseConcluded:   unknown,
		PackageLicenseDeclared:    unknown,
		PackageCopyrightText:      unknown,
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: "purl", Locator: "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B"),
		}},
	}
	if sum != "" {
		p.PackageSourceInfo = "go.sum: " + sum
	}
	return p
}

var notOfIdentifiers = regexp.MustCompile(`[^A-Za-z0-9.-]`)

// identifier is unique as long as no two modules differ in such characters alone.
func identifier(kind, name string) common.ElementID {
	return common.ElementID(kind + "-" + notOfIdentifiers.ReplaceAllStringFunc(name, func(c string) string { return fmt.Sprintf("-%x-", c) }))
}

func relation(from, to common.ElementID, kind string) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.MakeDocElementID("", string(from)), RefB: common.MakeDocElementID("", string(to)), Relationship: kind}
}
