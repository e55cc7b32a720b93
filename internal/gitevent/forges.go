package gitevent

import (
	"encoding/json"
	"slices"
	"time"
)

// github reads an event of GitHub, or of Gitea, which has the same shapes.
func github(kind string, body []byte) (Event, error) {
	var e struct {
		Ref, After string
		Action     string
		Repository struct {
			CloneURL string `json:"clone_url"`
			SSHURL   string `json:"ssh_url"`
			HTMLURL  string `json:"html_url"`
		}
		PullRequest struct {
			Number int64
			Title  string
			Merged bool
			SHA    string `json:"merge_commit_sha"`
			Base   struct{ Ref string }
			Head   struct{ SHA string }
			Opened moment `json:"created_at"`
			At     moment `json:"merged_at"`
		} `json:"pull_request"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, err
	}
	out := Event{Repositories: []string{e.Repository.CloneURL, e.Repository.SSHURL, e.Repository.HTMLURL}}
	switch pull := e.PullRequest; {
	case kind == "push":
		out.SHA = e.After
		out.named(e.Ref)
	case kind == "pull_request" && slices.Contains([]string{"opened", "reopened", "synchronize", "synchronized"}, e.Action):
		out.SHA, out.Pull = pull.Head.SHA, &Pull{Number: pull.Number, Title: pull.Title, OpenedAt: time.Time(pull.Opened)}
	case kind == "pull_request" && e.Action == "closed" && pull.Merged:
		out.Branch, out.SHA = pull.Base.Ref, pull.SHA
		out.Pull = &Pull{Number: pull.Number, Title: pull.Title, OpenedAt: time.Time(pull.Opened), MergedAt: time.Time(pull.At)}
	}
	return out, nil
}

// gitlab reads an event of GitLab.
func gitlab(body []byte) (Event, error) {
	var e struct {
		Kind       string `json:"object_kind"`
		Ref, After string
		Project    struct {
			HTTP string `json:"git_http_url"`
			SSH  string `json:"git_ssh_url"`
			Web  string `json:"web_url"`
		}
		Attributes struct {
			Number int64 `json:"iid"`
			Title  string
			Action string
			SHA    string `json:"merge_commit_sha"`
			// Before is there where an update brings commits.
			Before string `json:"oldrev"`
			Branch string `json:"target_branch"`
			Opened moment `json:"created_at"`
			// Older servers do not say when it was merged, but when it was last changed, which is by that.
			At      moment `json:"merged_at"`
			Changed moment `json:"updated_at"`
			// Last is the newest commit of the request; without a merge commit, it is the one that comes to the branch.
			Last struct{ ID string } `json:"last_commit"`
		} `json:"object_attributes"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return Event{}, err
	}
	out := Event{Repositories: []string{e.Project.HTTP, e.Project.SSH, e.Project.Web}}
	switch a := e.Attributes; {
	case e.Kind == "push", e.Kind == "tag_push":
		out.SHA = e.After
		out.named(e.Ref)
	case e.Kind == "merge_request" && (a.Action == "open" || a.Action == "reopen" || a.Action == "update" && a.Before != ""):
		out.SHA, out.Pull = a.Last.ID, &Pull{Number: a.Number, Title: a.Title, OpenedAt: time.Time(a.Opened)}
	case e.Kind == "merge_request" && a.Action == "merge":
		out.Branch, out.SHA = a.Branch, a.SHA
		if out.SHA == "" {
			out.SHA = a.Last.ID
		}
		out.Pull = &Pull{Number: a.Number, Title: a.Title, OpenedAt: time.Time(a.Opened), MergedAt: time.Time(a.At)}
		if out.Pull.MergedAt.IsZero() {
			out.Pull.MergedAt = time.Time(a.Changed)
		}
	}
	return out, nil
}

// moment is a time in one of the forms that forges write. What is none of them is no time, and no error.
type moment time.Time

// UnmarshalJSON reads one.
func (m *moment) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) != nil {
		return nil //nolint:nilerr // an event without this time is one all the same
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700"} {
		if at, err := time.Parse(form, text); err == nil {
			*m = moment(at)
			return nil
		}
	}
	return nil
}
