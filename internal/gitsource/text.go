package gitsource

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// merged are the ways in which forges write the number of a pull request into the message of a commit that merges it.
var merged = []*regexp.Regexp{
	regexp.MustCompile(`^Merge pull request #([1-9][0-9]{0,9}) from `),     // GitHub
	regexp.MustCompile(`^Merge pull request '.*' \(#([1-9][0-9]{0,9})\) `), // Gitea
	regexp.MustCompile(` \(#([1-9][0-9]{0,9})\)$`),                         // both, squashed
}

// numbered finds GitLab's, which stands in a line of its own.
var numbered = lazyregexp.New(`(?m)^See merge request [^\s!]*!([1-9][0-9]{0,9})$`)

// pullRequest is the number that a message says; 0 for none. Whoever committed wrote it.
func pullRequest(message string) int64 {
	first, _, _ := strings.Cut(message, "\n")
	for _, form := range merged {
		if m := form.FindStringSubmatch(strings.TrimSpace(first)); m != nil {
			return number(m[1])
		}
	}
	if m := numbered().FindStringSubmatch(message); m != nil {
		return number(m[1])
	}
	return 0
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
