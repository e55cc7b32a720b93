package delivery

import (
	"fmt"
	"strings"
	"unicode"
)

// The trailers of a commit. Each stands once, but for those of people.
const (
	TrailerComponent   = "Towpath-Component"
	TrailerEnvironment = "Towpath-Environment"
	TrailerRelease     = "Towpath-Release"
	TrailerReleaseUID  = "Towpath-Release-UID"
	TrailerImage       = "Towpath-Image"
	TrailerCommit      = "Towpath-Commit"
	TrailerAuthor      = "Authored-by"
	TrailerApprover    = "Approved-by"
)

const (
	maxValue   = 512
	maxPeople  = 64
	maxSummary = 200
)

// Message is that of the commit of a Release. Nothing in it that people wrote can begin a line, so no text can pose as a
// trailer, whoever reads them and however.
func Message(r Release) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Release %s\n\n%s, %s.\n", OneLine(r.Name, maxValue), r.Target.words(), OneLine(r.Cause, maxValue))
	if summary := OneLine(r.Summary, maxSummary); summary != "" {
		fmt.Fprintf(&b, "\n> %s\n", summary)
	}
	b.WriteByte('\n')
	r.trailers(&b)
	trailer(&b, TrailerRelease, r.Name)
	trailer(&b, TrailerReleaseUID, r.UID)
	trailer(&b, TrailerImage, r.Image)
	trailer(&b, TrailerCommit, r.Commit)
	people(&b, TrailerAuthor, r.Authors)
	people(&b, TrailerApprover, r.Approvers)
	return b.String()
}

// RemovalMessage is that of the commit which removes a Target.
func RemovalMessage(t Target) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Remove %s from %s\n\n%s is gone.\n\n", OneLine(t.Component.Name, maxValue), OneLine(t.Environment.Name, maxValue), t.words())
	t.trailers(&b)
	return b.String()
}

func (t Target) words() string { return OneLine(t.String(), 2*maxValue) }

func (t Target) trailers(b *strings.Builder) {
	trailer(b, TrailerComponent, t.Component.Namespace+"/"+t.Component.Name)
	trailer(b, TrailerEnvironment, t.Environment.Name)
}

func people(b *strings.Builder, key string, names []string) {
	seen := map[string]bool{}
	for _, name := range names {
		if name = OneLine(name, maxValue); !seen[name] && len(seen) < maxPeople {
			seen[name] = true
			trailer(b, key, name)
		}
	}
}

func trailer(b *strings.Builder, key, value string) {
	if value = OneLine(value, maxValue); value != "" {
		fmt.Fprintf(b, "%s: %s\n", key, value)
	}
}

// OneLine is a text in one line of at most so many characters: whatever breaks a line, moves a cursor, turns the direction of
// writing or cannot be seen becomes a space, and several spaces one.
func OneLine(text string, limit int) string {
	var b strings.Builder
	count, space := 0, false
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			space = count > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			count++
			space = false
		}
		if count >= limit {
			return strings.TrimRight(b.String(), " ") + "…"
		}
		b.WriteRune(r)
		count++
	}
	return b.String()
}

// Trailers reads the trailers of a message, those of Git's own reading: lines of the last paragraph.
func Trailers(message string) map[string][]string {
	message = strings.TrimRight(message, "\n")
	all := map[string][]string{}
	at := strings.LastIndex(message, "\n\n")
	if at < 0 {
		return all
	}
	for line := range strings.SplitSeq(message[at+2:], "\n") {
		if key, value, found := strings.Cut(line, ": "); found {
			all[key] = append(all[key], value)
		}
	}
	return all
}
