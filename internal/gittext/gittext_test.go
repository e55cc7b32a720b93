package gittext_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/towpath-dev/towpath/internal/gittext"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"  Add a cart\r\n":                    "Add a cart",
		"one\ntwo\tthree":                     "one two three",
		"\x1b[31mred\x1b[0m":                  "[31mred[0m",
		"safe\u202Egnp.exe":                   "safegnp.exe",
		"caf\xe9":                             "caf\uFFFD",
		"$(id) `id` ${{ github.token }} ';--": "$(id) `id` ${{ github.token }} ';--",
		"":                                    "",
	} {
		if got := gittext.Line(text, 60); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{strings.Repeat("é", 100), strings.Repeat("日本", 5000), "a" + strings.Repeat("€", 50)} {
		if got := gittext.Line(text, 60); len(got) > 60 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("%.20q… becomes %q", text, got)
		}
	}
}

func TestFile(t *testing.T) {
	if got, ok := gittext.File("a\nb/\xff\u202e.go"); got != "a\uFFFDb/\uFFFD\uFFFD.go" || !ok {
		t.Errorf("it is %q", got)
	}
	if _, ok := gittext.File(strings.Repeat("x", 513)); ok {
		t.Error("a path that is too long is shown")
	}
}
