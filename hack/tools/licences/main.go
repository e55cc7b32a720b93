// Command licences holds the modules that are linked into Towpath's binaries to a list of licences.
//
//	go -C hack/tools run ./licences [-print] ../.. ./cmd/manager ./cmd/towpath
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
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licences that let a binary under Apache-2.0 be shipped with no other duty than to name them.
var allowed = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "0BSD", "Unlicense", "CC0-1.0"}

// enough is how much of a file must be known text, in percent: what is left is names and years.
const enough = 60

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-._].*)?$`)

func main() {
	show := flag.Bool("print", false, "print each module with its licences")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: licences [-print] MODULE-FOLDER PACKAGE...")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Args()[1:], *show); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder string, packages []string, show bool) error {
	list := exec.Command("go", append([]string{"list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}} {{$.ImportPath}} {{.Dir}}{{end}}{{end}}"}, packages...)...)
	list.Dir, list.Stderr = folder, os.Stderr
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	modules := map[string]string{}
	var errs []error
	for line := range strings.Lines(string(out)) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(fields) != 3 {
			continue
		}
		name, linked, dir := fields[0], fields[1], fields[2]
		modules[name] = dir
		if of, ok := parts[name]; ok && !slices.Contains(of.packages, linked) {
			errs = append(errs, fmt.Errorf("%s: package %s is under the licence of %s, or was not read", name, linked, of.other))
		}
	}
	if len(modules) == 0 {
		return errors.New("no module was found")
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		found, err := licences(modules[name], parts[name].other)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		if show {
			fmt.Println(name, strings.Join(found, ", "))
		}
	}
	if len(errs) == 0 && !show {
		fmt.Printf("%d modules, each under one of %s\n", len(modules), strings.Join(allowed, ", "))
	}
	return errors.Join(errs...)
}

// licences are those of the module in a folder, without a file that is about packages which are not linked.
func licences(dir, without string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	var errs []error
	for _, entry := range entries {
		// A file in Go of such a name is code: go-openapi/spec has the type of a licence in one.
		if entry.IsDir() || entry.Name() == without || filepath.Ext(entry.Name()) == ".go" || !licenceFile.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		if as, ok := wasReviewed(text); ok {
			found[as] = true
			continue
		}
		cover := licensecheck.Scan(text)
		if cover.Percent < enough {
			errs = append(errs, fmt.Errorf("%s is a licence to %.0f%% alone", entry.Name(), cover.Percent))
		}
		for _, match := range cover.Match {
			found[match.ID] = true
			if !slices.Contains(allowed, match.ID) {
				errs = append(errs, fmt.Errorf("%s is %s, which is not on the list", entry.Name(), match.ID))
			}
		}
	}
	if len(found) == 0 {
		errs = append(errs, errors.New("it has no licence that is known"))
	}
	return slices.Sorted(maps.Keys(found)), errors.Join(errs...)
}
