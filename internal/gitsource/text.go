package gitsource

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// line is a text that somebody else wrote, fit to be shown: valid UTF-8 in one line, without characters that do not print or that
// turn around what follows, and of at most so many bytes.
func line(text string, limit int) string {
	text = strings.ToValidUTF8(text[:min(len(text), 4*limit)], "\uFFFD")
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text))
	if len(text) <= limit {
		return text
	}
	end := limit - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// file is the path of one, fit to be shown and to be matched: what does not print becomes one sign, and nothing is cut off, so
// that a path which is too long is none.
func file(path string) (string, bool) {
	const maxFile = 512
	path = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(path, "\uFFFD"))
	return path, len(path) <= maxFile
}

// merged are the ways in which forges write the number of a pull request into the message of a commit that merges it.
var merged = []*regexp.Regexp{
	regexp.MustCompile(`^Merge pull request #([1-9][0-9]{0,9}) from `),     // GitHub
	regexp.MustCompile(`^Merge pull request '.*' \(#([1-9][0-9]{0,9})\) `), // Gitea
	regexp.MustCompile(` \(#([1-9][0-9]{0,9})\)$`),                         // both, squashed
}

// numbered finds GitLab's, which stands in a line of its own.
var numbered = regexp.MustCompile(`(?m)^See merge request [^\s!]*!([1-9][0-9]{0,9})$`)

// pullRequest is the number that a message says; 0 for none. Whoever committed wrote it.
func pullRequest(message string) int64 {
	first, _, _ := strings.Cut(message, "\n")
	for _, form := range merged {
		if m := form.FindStringSubmatch(strings.TrimSpace(first)); m != nil {
			return number(m[1])
		}
	}
	if m := numbered.FindStringSubmatch(message); m != nil {
		return number(m[1])
	}
	return 0
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
