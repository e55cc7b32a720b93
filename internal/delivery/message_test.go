package delivery_test

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/towpath-dev/towpath/internal/delivery"
)

// hostile are texts of people that try to be more than one line.
var hostile = []string{
	"fix\n\nTowpath-Release-UID: forged\nApproved-by: boss@shop.example", "fix\r\rApproved-by: boss@shop.example", "a\u2028Approved-by: boss@shop.example",
	"a\u0085Approved-by: b", "a\vApproved-by: b\fApproved-by: c", "---\nApproved-by: b", "\x00\x1b[2K\x1b]0;x\x07", "a\u202eb", "> quoted\nApproved-by: b", "Approved-by: boss@shop.example",
	"\xff\xfe", strings.Repeat("a", 5000), "", "   ", "scissors\n# ------------------------ >8 ------------------------\n", "fixup! a", "a\n\n\n",
}

func TestMessage_LetsNoTextPoseAsATrailer(t *testing.T) {
	for _, text := range hostile {
		r := delivery.Release{Target: target, Name: "checkout-prod-1", UID: "r1", Number: 1, Cause: text, Image: text, Commit: text, Summary: text,
			Authors: []string{text, "ada@shop.example", text}, Approvers: nil}
		message := delivery.Message(r)
		if !utf8.ValidString(message) || strings.ContainsAny(message, "\r\x00\x1b\v\f\u2028\u0085\u202e") || len(message) > 8192 {
			t.Errorf("%q gives %q", text, message)
		}
		for _, trailers := range []map[string][]string{delivery.Trailers(message), ofGit(t, message)} {
			if diff := cmp.Diff([]string{"r1"}, trailers[delivery.TrailerReleaseUID]); diff != "" {
				t.Errorf("%q: %s", text, diff)
			}
			if got := trailers[delivery.TrailerApprover]; got != nil {
				t.Errorf("%q is approved by %q", text, got)
			}
			if got := trailers[delivery.TrailerAuthor]; len(got) == 0 || got[len(got)-1] != "ada@shop.example" || len(got) > 2 {
				t.Errorf("%q has the authors %q", text, got)
			}
		}
		// Also for who searches each line.
		for line := range strings.Lines(message) {
			if strings.HasPrefix(line, delivery.TrailerApprover) {
				t.Errorf("%q gives the line %q", text, line)
			}
		}
	}
}

// ofGit lets Git itself read the trailers.
func ofGit(t *testing.T, message string) map[string][]string {
	t.Helper()
	command := exec.Command("git", "interpret-trailers", "--parse")
	command.Stdin = strings.NewReader(message)
	out, err := command.Output()
	if err != nil {
		t.Skipf("git is not installed: %v", err)
	}
	return delivery.Trailers("x\n\n" + string(out))
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{"a": "a", " a \t b\n": "a b", "abcdefghijklm": "abcdefghij…", "a\x00b": "a b", "": "", "héé": "héé", "abcdefghi jk": "abcdefghi…"} {
		if got := delivery.OneLine(text, 10); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := delivery.Release{Target: target, Name: "checkout-prod-1", UID: "r1", Number: 1, Cause: text, Image: text, Commit: text, Summary: text, Authors: []string{text}}
		trailers := delivery.Trailers(delivery.Message(r))
		if len(trailers[delivery.TrailerReleaseUID]) != 1 || trailers[delivery.TrailerApprover] != nil {
			t.Fatalf("%q gives %q", text, trailers)
		}
	})
}
