package github_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/github"
)

const token = "correct-horse-battery-staple"

var sha = strings.Repeat("ab", 20)

// forge answers every question with a status and a text, and notes what it was asked.
func forge(t *testing.T, status int, answer string) (*github.Job, *[]*http.Request) {
	t.Helper()
	asked := &[]*http.Request{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return &github.Job{EventName: "push", API: server.URL + "/api/v3", Repository: "shop/checkout", Token: token, Client: server.Client()}, asked
}

func TestPullRequest_OfAPush(t *testing.T) {
	const another = `{"number":3,"title":"into a branch","merged_at":"2026-11-19T09:00:00Z","base":{"ref":"fix"}},` +
		`{"number":4,"title":"still open","merged_at":null,"base":{"ref":"main"}},{"number":9,"title":"later","merged_at":"2026-11-21T09:00:00Z","base":{"ref":"main"}},`
	job, asked := forge(t, http.StatusOK, `[`+another+`{"number":7,"title":"Add $(id) ${{ secrets.X }}\n::set-output name=x::y","created_at":"2026-11-18T09:00:00Z",`+
		`"merged_at":"2026-11-20T10:14:00+01:00","merge_commit_sha":"`+sha+`","base":{"ref":"main"}}]`)
	got, err := job.PullRequest(t.Context(), sha, "main")
	if err != nil || got == nil || got.Number != 7 || got.Title != "Add $(id) ${{ secrets.X }} ::set-output name=x::y" || got.OpenedAt == nil || got.MergedAt.UTC().Hour() != 9 {
		t.Fatalf("%+v, %v", got, err)
	}
	r := (*asked)[0]
	if r.URL.Path != "/api/v3/repos/shop/checkout/commits/"+sha+"/pulls" || r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("Accept") != "application/vnd.github+json" {
		t.Errorf("it asks %s with %v", r.URL, r.Header)
	}
	// Of a commit that is the merge of none, the first that brought it.
	job, _ = forge(t, http.StatusOK, `[`+another+`{"number":5,"title":"first","merged_at":"2026-11-19T09:00:00Z","base":{"ref":"main"}}]`)
	if got, err := job.PullRequest(t.Context(), sha, "main"); err != nil || got.Number != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	job, _ = forge(t, http.StatusOK, `[]`)
	if got, err := job.PullRequest(t.Context(), sha, "main"); err != nil || got != nil {
		t.Errorf("of what nobody asked for: %+v, %v", got, err)
	}
}

func TestPullRequest_IsBounded(t *testing.T) {
	title, err := json.Marshal(strings.Repeat("ä\u202e\x1b", 5000))
	if err != nil {
		t.Fatal(err)
	}
	job, _ := forge(t, http.StatusOK, `[{"number":7,"title":`+string(title)+`,"merged_at":"2026-11-20T09:14:00Z","base":{"ref":"main"}}]`)
	got, err := job.PullRequest(t.Context(), sha, "main")
	if err != nil || len(got.Title) > 256 || !utf8.ValidString(got.Title) || strings.ContainsAny(got.Title, "\u202e\x1b") {
		t.Errorf("%+v, %v", got, err)
	}
	job, _ = forge(t, http.StatusOK, `[`+strings.Repeat(" ", 5<<20)+`]`)
	if got, err := job.PullRequest(t.Context(), sha, "main"); got != nil || err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPullRequest_SaysWhyItIsNotKnown(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		answer string
		change func(*github.Job)
		want   string
	}{
		"without the right":       {http.StatusForbidden, `{"message":"Resource not accessible by integration"}`, nil, "answers with 403: the token needs the permission pull-requests: read"},
		"of no such commit":       {http.StatusUnprocessableEntity, `{}`, nil, "answers with 422"},
		"that leads elsewhere":    {http.StatusFound, "", nil, "answers with 302"},
		"that is no JSON":         {http.StatusOK, "<html>", nil, "what GitHub answers cannot be read"},
		"without TLS":             {http.StatusOK, "[]", func(j *github.Job) { j.API = "http://api.github.example" }, "must be an address that begins with https://"},
		"of a path":               {http.StatusOK, "[]", func(j *github.Job) { j.Repository = "shop/../../x" }, "must be owner/name"},
		"of a folder above":       {http.StatusOK, "[]", func(j *github.Job) { j.Repository = "shop/.." }, "must be owner/name"},
		"that nobody hears":       {http.StatusOK, "[]", func(j *github.Job) { j.API = "https://127.0.0.1:1" }, "does not say which pull request"},
		"whose server is unknown": {http.StatusOK, "[]", func(j *github.Job) { j.Client = nil }, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			job, asked := forge(t, tt.status, tt.answer)
			if tt.change != nil {
				tt.change(job)
			}
			got, err := job.PullRequest(t.Context(), sha, "main")
			if got != nil || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), token) {
				t.Errorf("%+v, %v, want %s", got, err, tt.want)
			}
			if len(*asked) > 1 {
				t.Errorf("it asks %d times", len(*asked))
			}
		})
	}
	job, asked := forge(t, http.StatusOK, "[]")
	job.Token = ""
	if got, err := job.PullRequest(t.Context(), sha, "main"); got != nil || err != nil || len(*asked) > 0 {
		t.Errorf("without a token it asks %d times: %+v, %v", len(*asked), got, err)
	}
}

func TestPullRequest_OfAnEvent(t *testing.T) {
	event := func(text string) *github.Job {
		return &github.Job{EventName: "pull_request", Token: token, Event: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	}
	got, err := event(`{"action":"closed","pull_request":{"number":7,"title":"Fix","created_at":"2026-11-19T09:00:00Z","merged_at":"2026-11-20T09:14:00Z"}}`).PullRequest(t.Context(), sha, "fix")
	if err != nil || got.Number != 7 || got.Title != "Fix" || got.OpenedAt == nil || got.MergedAt == nil {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "{}", `{"pull_request":{"number":0}}`, `{"pull_request":7}`} {
		if got, err := event(text).PullRequest(t.Context(), sha, "fix"); err == nil || got != nil {
			t.Errorf("of %q: %+v, %v", text, got, err)
		}
	}
}
