package docs_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var testLink = regexp.MustCompile(`\[[^\]]+\]\(([^)]+)\)`)

// A row of the threat model names tests that exist, or says that nothing holds.
func TestThreatsHaveTests(t *testing.T) {
	rows, boundary, seen := 0, "", map[string]bool{}
	for line := range strings.Lines(read(t, "threat-model.md")) {
		if strings.HasPrefix(line, "## ") {
			boundary = strings.TrimSpace(line)
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 4 || !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| | ") {
			continue
		}
		rows++
		kind, threat, shown := strings.TrimSpace(cells[0]), cells[1], testLink.FindAllStringSubmatch(cells[3], -1)
		seen[kind] = true
		if !slices.Contains([]string{"S", "T", "R", "I", "D", "E"}, kind) {
			t.Errorf("%s: %s is none of STRIDE", boundary, kind)
		}
		if held := !strings.HasPrefix(cells[2], "*Not held*: "); held != (len(shown) > 0) {
			t.Errorf("%s: %s: what is held is shown by a test, and what is not says so", boundary, threat)
		}
		for _, link := range shown {
			if !strings.HasSuffix(link[1], "_test.go") {
				t.Errorf("%s: %s: %s is no test", boundary, threat, link[1])
			} else if _, err := os.Stat(link[1]); err != nil {
				t.Errorf("%s: %s: %v", boundary, threat, err)
			}
		}
	}
	if rows < 40 || len(seen) != 6 {
		t.Errorf("there are %d rows, of %v: does the test still see them?", rows, slices.Sorted(maps.Keys(seen)))
	}
}

var attackTest = regexp.MustCompile("`([a-z_/]+(?:_test\\.go)?)`")

// The attacks of security.md name files of test/tenancy, or paths.
func TestAttacksHaveTests(t *testing.T) {
	_, text, found := strings.Cut(read(t, "security.md"), "\n| attack | wall | test |\n")
	if !found {
		t.Fatal("security.md has no table of attacks")
	}
	text, _, _ = strings.Cut(text, "\n\n")
	rows := 0
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 {
			continue
		}
		rows++
		tests := attackTest.FindAllStringSubmatch(cells[2], -1)
		if len(tests) == 0 {
			t.Errorf("%s: no test", cells[0])
		}
		for _, test := range tests {
			path := filepath.Join("..", test[1])
			if !strings.Contains(test[1], "/") {
				path = filepath.Join("..", "test", "tenancy", test[1])
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", cells[0], err)
			}
		}
	}
	if rows < 30 {
		t.Errorf("there are %d rows: does the test still see them?", rows)
	}
}
