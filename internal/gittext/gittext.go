// Package gittext makes texts fit to be shown that anybody who pushes could write: names of files, authors, titles. It is pure.
package gittext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is a text in one line: valid UTF-8, without characters that do not print or that turn around what follows, and of at most so
// many bytes.
func Line(text string, limit int) string {
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

// File is the path of a file: what does not print becomes one sign, and nothing is cut off, so that a path which is longer than may
// be is none.
func File(path string) (string, bool) {
	const maxFile = 512
	path = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(path, "\uFFFD"))
	return path, len(path) <= maxFile
}
