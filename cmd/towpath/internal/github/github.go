// Package github tells by which pull request a commit came, by what GitHub Actions gives to a job. Titles are written by whoever opens a
// request: nothing of an answer is run, and all of it is bounded.
package github

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/gittext"
)

const (
	// maxAnswer is how many bytes of an answer are read, and maxEvent of an event: GitHub's have 25 MB at most.
	maxAnswer, maxEvent = 4 << 20, 32 << 20
	timeout             = 15 * time.Second
	// maxTitle is as much of a title as a Build may have, in bytes.
	maxTitle = 256
)

// Job is what GitHub Actions says to a job, by variables of the environment.
type Job struct {
	// EventName is GITHUB_EVENT_NAME.
	EventName string
	// Event opens the file that GITHUB_EVENT_PATH names. It is asked for events of pull requests alone.
	Event func() (io.ReadCloser, error)
	// API is GITHUB_API_URL, and Repository GITHUB_REPOSITORY, as owner/name.
	API, Repository string
	// Token is GITHUB_TOKEN; where it is empty, the API is not asked. It goes to API alone, and into no message.
	Token string
	// Client asks; nil for one that trusts what the system does.
	Client *http.Client
}

// PullRequest is one that GitHub knows.
type PullRequest struct {
	Number int64
	// Title fits into a Build.
	Title              string
	OpenedAt, MergedAt *time.Time
}

// answered is a pull request as GitHub writes it.
type answered struct {
	Number      int64      `json:"number"`
	Title       string     `json:"title"`
	CreatedAt   *time.Time `json:"created_at"`
	MergedAt    *time.Time `json:"merged_at"`
	MergeCommit string     `json:"merge_commit_sha"`
	Base        struct {
		Ref string `json:"ref"`
	} `json:"base"`
}

func (a *answered) request() *PullRequest {
	return &PullRequest{Number: a.Number, Title: gittext.Line(strings.TrimSpace(a.Title), maxTitle), OpenedAt: a.CreatedAt, MergedAt: a.MergedAt}
}

// PullRequest is the one by which a commit came to a branch, or to which the event of the job belongs; nil where there is none, or nobody
// gave the token with which to ask.
func (j *Job) PullRequest(ctx context.Context, sha, branch string) (*PullRequest, error) {
	if j.EventName == "pull_request" || j.EventName == "pull_request_target" {
		return j.ofEvent()
	}
	if j.Token == "" || branch == "" {
		return nil, nil
	}
	all, err := j.ask(ctx, sha)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a answered) bool { return a.Number < 1 || a.MergedAt == nil || a.Base.Ref != branch })
	if len(all) == 0 {
		return nil, nil
	}
	// A commit may have come to the branch once more by a later request: the one that it is the merge of counts, else the first.
	found := slices.MinFunc(all, func(a, b answered) int {
		return cmp.Or(is(b.MergeCommit == sha)-is(a.MergeCommit == sha), a.MergedAt.Compare(*b.MergedAt), cmp.Compare(a.Number, b.Number))
	})
	return found.request(), nil
}

func is(so bool) int {
	if so {
		return 1
	}
	return 0
}

// ofEvent reads the file of the event.
func (j *Job) ofEvent() (*PullRequest, error) {
	file, err := j.Event()
	if err != nil {
		return nil, fmt.Errorf("the event of GitHub cannot be read: %w", err)
	}
	defer func() { _ = file.Close() }() // it was read alone
	var event struct {
		PullRequest *answered `json:"pull_request"`
	}
	if err := read(file, maxEvent, &event); err != nil {
		return nil, fmt.Errorf("the event of GitHub cannot be read: %w", err)
	}
	if event.PullRequest == nil || event.PullRequest.Number < 1 {
		return nil, errors.New("the event of GitHub names no pull request")
	}
	return event.PullRequest.request(), nil
}

// names are what owners and repositories are called.
var names = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$`)

// ask asks the API which pull requests a commit belongs to.
func (j *Job) ask(ctx context.Context, sha string) ([]answered, error) {
	api, err := url.Parse(j.API)
	if err != nil || api.Scheme != "https" || api.Host == "" || api.User != nil {
		return nil, fmt.Errorf("GITHUB_API_URL %q must be an address that begins with https://", gittext.Line(j.API, maxTitle))
	}
	if owner, name, _ := strings.Cut(j.Repository, "/"); !names.MatchString(j.Repository) || owner == ".." || owner == "." || name == ".." || name == "." {
		return nil, fmt.Errorf("GITHUB_REPOSITORY %q must be owner/name", gittext.Line(j.Repository, maxTitle))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, api.JoinPath("repos", j.Repository, "commits", sha, "pulls").String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	request.Header.Set("Authorization", "Bearer "+j.Token)
	client := http.Client{}
	if j.Client != nil {
		client = *j.Client
	}
	// The token is for this address, and for no other.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("GitHub does not say which pull request the commit is of: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read alone
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GitHub does not say which pull request the commit is of, and answers with %d: the token needs the permission pull-requests: read", response.StatusCode)
	}
	var all []answered
	if err := read(response.Body, maxAnswer, &all); err != nil {
		return nil, fmt.Errorf("what GitHub answers cannot be read: %w", err)
	}
	return all, nil
}

// read decodes what has a bounded length.
func read(from io.Reader, limit int64, into any) error {
	text, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return err
	}
	if int64(len(text)) > limit {
		return fmt.Errorf("it has more than %d bytes", limit)
	}
	return json.Unmarshal(text, into)
}
