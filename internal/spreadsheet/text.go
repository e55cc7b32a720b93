// Package spreadsheet has texts that others wrote pass through a spreadsheet as texts.
package spreadsheet

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is a text that no spreadsheet takes for a formula, also behind white space and characters that are not shown, and in the wide forms
// of letters: such a one begins with an apostrophe. All others stay as they are.
func Text(text string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(text, func(letter rune) bool {
		return unicode.IsSpace(letter) || unicode.IsControl(letter) || unicode.Is(unicode.Cf, letter)
	}))
	if strings.ContainsRune("=+-@＝＋－＠", first) || strings.ContainsAny(text, "\t\r") {
		return "'" + text
	}
	return text
}
