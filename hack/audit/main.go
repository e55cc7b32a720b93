// Command audit compares what the roles in config/rbac give the manager and the appliers with what these used in
// the suites: no right without a use, no use without a right.
//
//	audit -unused FILE DIR
//
// DIR holds what the suites left (test/framework.RecordRights). FILE excuses rights that no suite uses, each with
// the reason.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	unused := flag.String("unused", "", "file of the rights that no suite uses, with the reasons")
	flag.Parse()
	if flag.NArg() != 1 || *unused == "" {
		fmt.Fprintln(os.Stderr, "usage: audit -unused FILE DIR")
		os.Exit(2)
	}
	if err := run(*unused, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

func run(unusedPath, dir string) error {
	data, err := os.ReadFile(unusedPath)
	if err != nil {
		return err
	}
	var excuses []excuse
	if err := yaml.UnmarshalStrict(data, &excuses); err != nil {
		return fmt.Errorf("%s: %w", unusedPath, err)
	}
	uses, err := readUses(dir)
	if err != nil {
		return err
	}
	rights, err := given()
	if err != nil {
		return err
	}
	problems := compare(rights, uses, excuses)
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d problems: see config/rbac and %s", len(problems), unusedPath)
	}
	fmt.Printf("%d rights, %d uses, %d excuses: nothing is unused, nothing is missing\n", len(rights), len(uses), len(excuses))
	return nil
}

// readUses reads what all suites left. An empty folder is an error: comparing with nothing shows nothing.
func readUses(dir string) ([]use, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.tsv"))
	if err != nil {
		return nil, err
	}
	var uses []use
	seen := map[use]bool{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimRight(line, "\n"); line == "" {
				continue
			}
			u, err := parseUse(line)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			if !seen[u] {
				seen[u] = true
				uses = append(uses, u)
			}
		}
	}
	if len(uses) == 0 {
		return nil, errors.New(dir + " holds no uses: run make test-integration first")
	}
	return uses, nil
}
