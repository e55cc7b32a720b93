// Package gitevent reads what repositories tell by webhooks, once it is proved who tells it. It is pure.
//
// An event says that something was pushed, and nothing that it says is taken for true: who hears of it asks the repository itself.
package gitevent

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/gittext"
)

const (
	// MaxBody is how many bytes an event may have.
	MaxBody = 1 << 20
	// maxDepth is how deep its JSON may be.
	maxDepth = 32
	// window is by how much the time of a generic event may be off.
	window = 5 * time.Minute
	// minSecret is how many bytes a secret has at least: shorter ones can be guessed from one event.
	minSecret = 16
)

// The errors of events.
var (
	// ErrUnproved says that it is not shown who sends the event.
	ErrUnproved = errors.New("the signature does not hold")
	// ErrMalformed says that the event cannot be read.
	ErrMalformed = errors.New("the body is not the JSON of an event")
	// ErrWeak says that the secret is too short to prove anything.
	ErrWeak = fmt.Errorf("the secret must have at least %d characters", minSecret)
)

// Event is something that a repository tells.
type Event struct {
	// Repositories are the addresses by which the sender knows the repository.
	Repositories []string
	// SHA is the commit that is new on Branch, on which Tag was set, or which is the newest of a pull request that is open. At most one of them is
	// there, and SHA is empty for an event of anything else.
	SHA, Branch, Tag string
	// Pull is the pull request that was merged into Branch, or is open where there are neither Branch nor Tag; nil for none.
	Pull *Pull
	// Delivery tells this event from another one with the same body, where the sender says: a branch may come to be where it was before.
	// One that is played again has the same. It is empty where bodies themselves differ each time, as those of GitHub and Gitea do.
	Delivery string
}

// Pull is a pull request. Its times are as the sender says, zero where it does not.
type Pull struct {
	Number             int64
	Title              string
	OpenedAt, MergedAt time.Time
}

// Header gives the first value of a header.
type Header func(name string) string

// The headers by which senders prove who they are. Gitea sends GitHub's as well, so its own comes first.
const (
	headerGitea     = "X-Gitea-Signature"
	headerGitHub    = "X-Hub-Signature-256"
	headerGitLab    = "X-Gitlab-Token"
	headerGeneric   = "X-Towpath-Signature"
	headerTimestamp = "X-Towpath-Timestamp"
)

// deliveriesGitLab are the headers by which GitLab tells one event from another; the first stays the same where it tries again. They are signed no
// less than its body: who knows the token may say anything.
var deliveriesGitLab = []string{"Idempotency-Key", "X-Gitlab-Event-UUID"}

// Read verifies an event and reads it. Nothing of the body is looked at before it is proved who sent it.
func Read(header Header, body, secret []byte, now time.Time) (Event, error) {
	if len(secret) < minSecret {
		return Event{}, ErrWeak
	}
	var parse func([]byte) (Event, error)
	delivery := ""
	switch {
	case header(headerGeneric) != "":
		if !timely(header(headerTimestamp), now) || !signed(secret, strings.TrimPrefix(header(headerGeneric), "sha256="), []byte(header(headerTimestamp)+"."), body) {
			return Event{}, ErrUnproved
		}
		parse, delivery = generic, header(headerTimestamp)
	case header(headerGitea) != "":
		if !signed(secret, header(headerGitea), body) {
			return Event{}, ErrUnproved
		}
		parse = func(body []byte) (Event, error) { return github(header("X-Gitea-Event"), body) }
	case header(headerGitHub) != "":
		signature, ok := strings.CutPrefix(header(headerGitHub), "sha256=")
		if !ok || !signed(secret, signature, body) {
			return Event{}, ErrUnproved
		}
		parse = func(body []byte) (Event, error) { return github(header("X-GitHub-Event"), body) }
	case header(headerGitLab) != "":
		if !equal(secret, []byte(header(headerGitLab))) {
			return Event{}, ErrUnproved
		}
		parse, delivery = gitlab, first(header, deliveriesGitLab)
	default:
		return Event{}, ErrUnproved
	}
	if len(body) > MaxBody || tooDeep(body) {
		return Event{}, ErrMalformed
	}
	event, err := parse(body)
	if err != nil {
		return Event{}, ErrMalformed
	}
	event.Delivery = delivery
	return event.bounded(now), nil
}

// first is the first of some headers that is there; empty for none.
func first(header Header, names []string) string {
	for _, name := range names {
		if value := header(name); value != "" {
			return value
		}
	}
	return ""
}

// Sign is the signature of a generic event: an HMAC of its time, in seconds since 1970, a dot, and the body.
func Sign(secret, body []byte, at time.Time) (signature, timestamp string) {
	timestamp = strconv.FormatInt(at.Unix(), 10)
	return "sha256=" + hex.EncodeToString(mac(secret, []byte(timestamp+"."), body)), timestamp
}

func mac(secret []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, secret)
	for _, part := range parts {
		_, _ = h.Write(part)
	}
	return h.Sum(nil)
}

func signed(secret []byte, signature string, parts ...[]byte) bool {
	given, err := hex.DecodeString(signature)
	return err == nil && hmac.Equal(given, mac(secret, parts...))
}

// equal compares in a time that tells nothing, not even the length.
func equal(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func timely(text string, now time.Time) bool {
	seconds, err := strconv.ParseInt(text, 10, 64)
	return err == nil && now.Sub(time.Unix(seconds, 0)).Abs() <= window
}

// tooDeep counts brackets outside of strings: JSON that is deeper than any event costs a parser its stack.
func tooDeep(body []byte) bool {
	depth, inside, escaped := 0, false, false
	for _, b := range body {
		switch {
		case escaped:
			escaped = false
		case inside:
			escaped = b == '\\'
			inside = b != '"'
		case b == '"':
			inside = true
		case b == '{' || b == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return false
}

// bounded leaves out what is no commit, and makes the rest fit to be shown.
func (e Event) bounded(now time.Time) Event {
	if !isSHA(e.SHA) || e.Branch == "" && e.Tag == "" && (e.Pull == nil || e.Pull.Number < 1) {
		e.SHA, e.Branch, e.Tag, e.Pull = "", "", "", nil
	}
	if e.Pull != nil {
		e.Pull.Title = gittext.Line(e.Pull.Title, 256)
		e.Pull.OpenedAt, e.Pull.MergedAt = believed(e.Pull.OpenedAt, now), believed(e.Pull.MergedAt, now)
		if e.Pull.Number < 1 {
			e.Pull = nil
		}
	}
	return e
}

// believed leaves out a time that is to come, but for clocks that differ, or before there was Git to speak of.
func believed(at, now time.Time) time.Time {
	if at.Year() < 2000 || at.After(now.Add(window)) {
		return time.Time{}
	}
	return at.UTC()
}

func isSHA(text string) bool {
	data, err := hex.DecodeString(text)
	return err == nil && (len(data) == 20 || len(data) == 32) && strings.ToLower(text) == text && !bytes.Equal(data, make([]byte, len(data)))
}

// Names says whether the sender means a repository. Hosts are not compared: a server has one name inside and another outside, and the
// secret proves that it is the one that is meant.
func (e Event) Names(repository string) bool {
	want := path(repository)
	for _, r := range e.Repositories {
		if want != "" && path(r) == want {
			return true
		}
	}
	return false
}

// path is that of an address: https://host/path, ssh://user@host/path or user@host:path, in one spelling.
func path(address string) string {
	rest := address
	if _, after, ok := strings.Cut(address, "://"); ok {
		_, rest, _ = strings.Cut(after, "/")
	} else if _, after, ok := strings.Cut(address, ":"); ok {
		rest = after
	}
	return strings.ToLower(strings.Trim(strings.TrimSuffix(strings.TrimRight(rest, "/"), ".git"), "/"))
}

// named gives an event the branch or the tag of a ref.
func (e *Event) named(ref string) {
	if branch, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		e.Branch = branch
	} else if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		e.Tag = tag
	}
}

// generic reads an event of our own: {"repository": "https://…", "branch": "main", "sha": "…"}, with "tag" or "pullRequest", its number, in place of the
// branch.
func generic(body []byte) (Event, error) {
	var e struct {
		Repository, Branch, Tag, SHA string
		PullRequest                  int64
	}
	err := json.Unmarshal(body, &e)
	out := Event{Repositories: []string{e.Repository}, Branch: e.Branch, SHA: e.SHA}
	if e.Branch == "" {
		out.Tag = e.Tag
	}
	if out.Branch == "" && out.Tag == "" && e.PullRequest > 0 {
		out.Pull = &Pull{Number: e.PullRequest}
	}
	return out, err
}
