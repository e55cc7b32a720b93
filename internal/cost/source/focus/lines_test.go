package focus

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzLines holds our reading of CSV to the standard library's: what both read, they read the same, and ours reads nothing that the
// standard library refuses.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "\"a\",\"b \"\"c\"\"\"\r\n", "a,\"b\nc\"\n", "\n\na\n", "a,,\n,\n", "a\"b\n", "\"a\"b\n", "\"\"\"\"\n", "\"a\n", "a", "\r\n", "\"\",\"\"\n",
	} {
		f.Add(seed, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		from := newLines(iotest.DataErrReader(io.MultiReader(strings.NewReader(text))), Limits{}.orDefault())
		from.buffer = make([]byte, max(1, size))
		theirs := csv.NewReader(strings.NewReader(text))
		theirs.FieldsPerRecord = -1
		for {
			got, err := from.next()
			if errors.Is(err, errEnds) || errors.Is(err, errQuote) {
				return
			}
			want, theirErr := theirs.Read()
			if errors.Is(err, io.EOF) != errors.Is(theirErr, io.EOF) || (err == nil) != (theirErr == nil) {
				t.Fatalf("%q: %v, and encoding/csv says %v", text, err, theirErr)
			}
			if err != nil {
				return
			}
			if len(got) != len(want) {
				t.Fatalf("%q: %q, want %q", text, got, want)
			}
			for i := range got {
				// encoding/csv makes \r\n within a cell \n.
				if cell := bytes.ReplaceAll(got[i], []byte("\r\n"), []byte("\n")); string(cell) != want[i] {
					t.Fatalf("%q: cell %d is %q, want %q", text, i, cell, want[i])
				}
			}
		}
	})
}

func TestParseMoment(t *testing.T) {
	const want = "2026-11-01T00:00:00Z"
	for _, text := range []string{
		want, "2026-11-01", "2026-11-01 00:00:00", "2026-11-01 00:00:00.000 UTC", "2026-11-01T00:00:00.000000000Z", "2026-11-01T01:00:00+01:00",
		"2026-11-01 00:00:00+00", "2026-11-01 00:00:00 +0000 UTC", "2026-11-01T00:00Z", "2026-11-01T00:00:00", " 2026-11-01 ", "2026/11/01", "20261101",
		"1793491200", "1793491200000", "1793491200000000", "1793491200000000000",
	} {
		if got, err := parseMoment([]byte(text)); err != nil || got.Format("2006-01-02T15:04:05Z07:00") != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yesterday", "11/01/2026", "01.11.2026", "2026-13-01", "2026-02-30", "0", "99999999999999999999", strings.Repeat("1", 100)} {
		if got, err := parseMoment([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
