// Command licences holds the modules that are linked into Towpath's binaries to a list of licences.
//
//	go -C hack/tools run ./licences [-print] [-platforms linux/amd64,windows/arm64] ../.. ./cmd/manager ./cmd/towpath
//
// What is linked differs by platform: without -platforms it is this one. With -texts it writes besides, for each platform, all that
// has to be passed on with the binaries, to the file whose name has the platform in place of "%".
//
// It reads each module's licence itself rather than believe a registry. A module that has none, or one that is not on the
// list, is an error. Files that it cannot judge are read when they come, and listed in reviewed.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licences that let a binary under Apache-2.0 be shipped with no other duty than to name them.
var allowed = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "Unlicense", "CC0-1.0"}

// enough is how much of a file must be known text, in percent: what is left is names and years.
const enough = 60

// options are what the flags say.
type options struct {
	folder              string
	packages, platforms []string
	texts               string
	show                bool
}

func main() {
	var o options
	flag.BoolVar(&o.show, "print", false, "print each module with its licences")
	platforms := flag.String("platforms", runtime.GOOS+"/"+runtime.GOARCH, "what the binaries are built for")
	flag.StringVar(&o.texts, "texts", "", `file to write for each platform, such as build/licences/%/THIRD_PARTY_LICENSES.txt`)
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: licences [-print] [-platforms OS/ARCH,...] [-texts FILE] MODULE-FOLDER PACKAGE...")
		os.Exit(2)
	}
	o.folder, o.packages, o.platforms = flag.Arg(0), flag.Args()[1:], strings.Split(*platforms, ",")
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.texts != "" && len(o.platforms) > 1 && !strings.Contains(o.texts, platformMark) {
		return fmt.Errorf("-texts %s is one file for several platforms: write %s where the platform stands", o.texts, platformMark)
	}
	all := map[string]module{}
	for _, platform := range o.platforms {
		modules, err := linked(o.folder, platform, o.packages)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		for _, m := range modules {
			if known, ok := all[m.name]; ok {
				maps.Copy(known.packages, m.packages)
				continue
			}
			m.packages = maps.Clone(m.packages)
			all[m.name] = m
		}
		if o.texts == "" {
			continue
		}
		if err := writeTexts(o.texts, o.folder, platform, o.packages, modules); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
	}
	var errs []error
	for _, m := range sorted(all) {
		found, err := licences(m)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
		}
		if o.show {
			fmt.Println(m.name, strings.Join(found, ", "))
		}
	}
	if len(errs) == 0 && !o.show && o.texts == "" {
		fmt.Printf("%d modules for %s, each under one of %s\n", len(all), strings.Join(o.platforms, ", "), strings.Join(allowed, ", "))
	}
	return errors.Join(errs...)
}

// licences are those of a module, and of what it has from others.
func licences(m module) ([]string, error) {
	var errs []error
	of, isPart := parts[m.name]
	for _, name := range slices.Sorted(maps.Keys(m.packages)) {
		if isPart && !slices.Contains(of.packages, name) {
			errs = append(errs, fmt.Errorf("package %s is under the licence of %s, or was not read", name, of.other))
		}
	}
	all, err := m.texts(of.other)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	// A licence within a module is that of a part of it.
	own := false
	for _, t := range all {
		if !t.isLicence() {
			continue
		}
		kinds, err := judge(t)
		if err != nil {
			errs = append(errs, err)
		}
		for _, kind := range kinds {
			found[kind] = true
			own = own || !strings.Contains(t.path, "/")
		}
	}
	if !own {
		errs = append(errs, errors.New("it has no licence that is known"))
	}
	return slices.Sorted(maps.Keys(found)), errors.Join(errs...)
}

// judge tells which licences a text is.
func judge(t text) ([]string, error) {
	if as, ok := wasReviewed(t.content); ok {
		return []string{as}, nil
	}
	var found []string
	var errs []error
	cover := licensecheck.Scan(t.content)
	if cover.Percent < enough {
		errs = append(errs, fmt.Errorf("%s is a licence to %.0f%% alone", t.path, cover.Percent))
	}
	for _, match := range cover.Match {
		found = append(found, match.ID)
		if !slices.Contains(allowed, match.ID) {
			errs = append(errs, fmt.Errorf("%s is %s, which is not on the list", t.path, match.ID))
		}
	}
	return found, errors.Join(errs...)
}
