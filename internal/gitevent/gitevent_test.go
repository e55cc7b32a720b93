package gitevent_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/gitevent"
)

const (
	secret = "a-secret-of-the-webhook"
	sha    = "3f2c81d09a4b3f2c81d09a4b3f2c81d09a4b3f2c"
)

var now = time.Date(2026, time.November, 30, 9, 0, 0, 0, time.UTC)

// The bodies have the fields that are read, in the shapes that the forges' documentation shows, beside others that are not.
const (
	pushed = `{"ref":"refs/heads/main","before":"0000000000000000000000000000000000000000","after":"` + sha + `","deleted":false,
 "repository":{"id":1,"full_name":"shop/checkout","clone_url":"https://git.example/shop/checkout.git","ssh_url":"git@git.example:shop/checkout.git","html_url":"https://git.example/shop/checkout"},
 "commits":[{"id":"` + sha + `","message":"$(reboot)","added":["a"]}]}`
	merged = `{"action":"closed","number":12,"pull_request":{"number":12,"title":"Add a cart\u001b[31m","merged":true,"merge_commit_sha":"` + sha + `",
 "base":{"ref":"main"},"created_at":"2026-11-28T08:00:00Z","merged_at":"2026-11-30T08:59:00+01:00"},
 "repository":{"clone_url":"https://git.example/shop/checkout.git"}}`
	labPushed = `{"object_kind":"push","ref":"refs/heads/release/1.2","after":"` + sha + `","checkout_sha":"` + sha + `",
 "project":{"git_http_url":"https://lab.example/group/sub/checkout.git","git_ssh_url":"git@lab.example:group/sub/checkout.git","web_url":"https://lab.example/group/sub/checkout"}}`
	labMerged = `{"object_kind":"merge_request","project":{"git_http_url":"https://lab.example/group/checkout.git"},
 "object_attributes":{"iid":7,"title":"Add a cart","action":"merge","state":"merged","merge_commit_sha":null,"target_branch":"main",
 "created_at":"2026-11-28 08:00:00 UTC","updated_at":"2026-11-30 08:58:00 UTC","last_commit":{"id":"` + sha + `"}}}`
)

func sign(body string) string {
	h := hmac.New(sha256.New, []byte(secret))
	_, _ = h.Write([]byte(body))
	return hex.EncodeToString(h.Sum(nil))
}

type headers map[string]string

func (h headers) get(name string) string { return h[name] }

func read(h headers, body string) (gitevent.Event, error) {
	return gitevent.Read(h.get, []byte(body), []byte(secret), now)
}

func ours(body string, at time.Time) headers {
	signature, timestamp := gitevent.Sign([]byte(secret), []byte(body), at)
	return headers{"X-Towpath-Signature": signature, "X-Towpath-Timestamp": timestamp}
}

func TestRead_KnowsWhatWasPushed(t *testing.T) {
	own := `{"repository":"https://git.example/shop/checkout","branch":"main","sha":"` + sha + `"}`
	for name, c := range map[string]struct {
		headers      headers
		body, branch string
		repository   string
	}{
		"GitHub":  {headers{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign(pushed)}, pushed, "main", "ssh://git@git.example/shop/checkout"},
		"Gitea":   {headers{"X-Gitea-Event": "push", "X-GitHub-Event": "push", "X-Gitea-Signature": sign(pushed), "X-Hub-Signature-256": "sha256=" + sign(pushed)}, pushed, "main", "https://inside.svc/Shop/Checkout.git"},
		"GitLab":  {headers{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": secret}, labPushed, "release/1.2", "https://lab.example/group/sub/checkout"},
		"generic": {ours(own, now.Add(-4*time.Minute)), own, "main", "https://git.example/shop/checkout.git/"},
	} {
		e, err := read(c.headers, c.body)
		if err != nil || e.Branch != c.branch || e.SHA != sha || e.Pull != nil || !e.Names(c.repository) || e.Names("https://git.example/shop/orders") || e.Names("") {
			t.Errorf("%s: it is %+v (%v)", name, e, err)
		}
	}
}

// A branch may come to be where it was before: the body is the same then, and the event is another one.
func TestRead_TellsEventsWithTheSameBodyApart(t *testing.T) {
	own := `{"repository":"https://git.example/shop/checkout","branch":"main","sha":"` + sha + `"}`
	lab := headers{"X-Gitlab-Token": secret, "X-Gitlab-Event-UUID": "13792a34", "Idempotency-Key": "f5e57f2e"}
	for name, c := range map[string]struct {
		headers        headers
		body, delivery string
	}{
		"generic":                     {ours(own, now), own, "1796029200"},
		"generic, a second later":     {ours(own, now.Add(time.Second)), own, "1796029201"},
		"GitLab":                      {lab, labPushed, "f5e57f2e"},
		"GitLab of an earlier day":    {headers{"X-Gitlab-Token": secret, "X-Gitlab-Event-UUID": "13792a34"}, labPushed, "13792a34"},
		"GitHub, which signs no more": {headers{"X-GitHub-Delivery": "72d3162e", "X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign(pushed)}, pushed, ""},
	} {
		if e, err := read(c.headers, c.body); err != nil || e.Delivery != c.delivery {
			t.Errorf("%s: it is %q, want %q (%v)", name, e.Delivery, c.delivery, err)
		}
	}
}

func TestRead_KnowsWhatWasMerged(t *testing.T) {
	e, err := read(headers{"X-GitHub-Event": "pull_request", "X-Hub-Signature-256": "sha256=" + sign(merged)}, merged)
	want := gitevent.Pull{Number: 12, Title: "Add a cart[31m", OpenedAt: now.AddDate(0, 0, -2).Add(-time.Hour), MergedAt: now.Add(-time.Hour - time.Minute)}
	if err != nil || e.Branch != "main" || e.SHA != sha || e.Pull == nil || *e.Pull != want {
		t.Errorf("of GitHub it is %+v %+v (%v)", e, e.Pull, err)
	}
	e, err = read(headers{"X-Gitlab-Token": secret}, labMerged)
	want = gitevent.Pull{Number: 7, Title: "Add a cart", OpenedAt: now.AddDate(0, 0, -2).Add(-time.Hour), MergedAt: now.Add(-2 * time.Minute)}
	if err != nil || e.Branch != "main" || e.SHA != sha || e.Pull == nil || *e.Pull != want {
		t.Errorf("of GitLab it is %+v %+v (%v)", e, e.Pull, err)
	}
	closed := strings.Replace(merged, `"merged":true`, `"merged":false`, 1)
	if e, err = read(headers{"X-GitHub-Event": "pull_request", "X-Hub-Signature-256": "sha256=" + sign(closed)}, closed); err != nil || e.Branch != "" || e.Pull != nil {
		t.Errorf("of one that was only closed it is %+v (%v)", e, err)
	}
	future := strings.NewReplacer("2026-11-28T", "1970-01-01T", "2026-11-30T", "2036-11-30T").Replace(merged)
	if e, err = read(headers{"X-GitHub-Event": "pull_request", "X-Hub-Signature-256": "sha256=" + sign(future)}, future); err != nil || !e.Pull.OpenedAt.IsZero() || !e.Pull.MergedAt.IsZero() {
		t.Errorf("of impossible times it is %+v (%v)", e.Pull, err)
	}
}

func TestRead_KnowsTagsAndOpenRequests(t *testing.T) {
	opened := strings.NewReplacer(`"closed"`, `"opened"`, `"merged":true`, `"merged":false`, `"base":`, `"head":{"sha":"`+sha+`","ref":"main"},"base":`).Replace(merged)
	labOpened := strings.Replace(labMerged, `"action":"merge"`, `"action":"update","oldrev":"`+strings.Repeat("ab", 20)+`"`, 1)
	request := &gitevent.Pull{Number: 12, Title: "Add a cart[31m", OpenedAt: now.AddDate(0, 0, -2).Add(-time.Hour)}
	tag := strings.Replace(pushed, "refs/heads/main", "refs/tags/v1/$(reboot)", 1)
	labTag := strings.NewReplacer(`"push"`, `"tag_push"`, "refs/heads/release/1.2", "refs/tags/v1/$(reboot)").Replace(labPushed)
	own := `{"repository":"https://git.example/shop/checkout","tag":"v1/$(reboot)","sha":"` + sha + `"}`
	ownRequest := `{"repository":"https://git.example/shop/checkout","pullRequest":12,"sha":"` + sha + `"}`
	lab := headers{"X-Gitlab-Token": secret}
	hub := func(kind, body string) headers {
		return headers{"X-GitHub-Event": kind, "X-Hub-Signature-256": "sha256=" + sign(body)}
	}
	synchronized := strings.Replace(opened, `"opened"`, `"synchronized"`, 1)
	for name, c := range map[string]struct {
		headers headers
		body    string
		tag     string
		pull    *gitevent.Pull
	}{
		"a tag of GitHub":        {hub("push", tag), tag, "v1/$(reboot)", nil},
		"a tag of GitLab":        {lab, labTag, "v1/$(reboot)", nil},
		"a tag of our own":       {ours(own, now), own, "v1/$(reboot)", nil},
		"a request of GitHub":    {hub("pull_request", opened), opened, "", request},
		"a request of Gitea":     {headers{"X-Gitea-Event": "pull_request", "X-Gitea-Signature": sign(synchronized)}, synchronized, "", request},
		"a request of GitLab":    {lab, labOpened, "", &gitevent.Pull{Number: 7, Title: "Add a cart", OpenedAt: request.OpenedAt}},
		"a request of our own":   {ours(ownRequest, now), ownRequest, "", &gitevent.Pull{Number: 12}},
		"what changes no commit": {lab, strings.Replace(labMerged, `"merge"`, `"update"`, 1), "", nil},
		"a tag that is deleted":  {hub("push", strings.ReplaceAll(tag, sha, strings.Repeat("0", 40))), strings.ReplaceAll(tag, sha, strings.Repeat("0", 40)), "", nil},
	} {
		e, err := read(c.headers, c.body)
		if err != nil || e.Branch != "" || e.Tag != c.tag || (e.Pull == nil) != (c.pull == nil) || e.Pull != nil && *e.Pull != *c.pull || (e.SHA == sha) != (c.tag != "" || c.pull != nil) {
			t.Errorf("%s: it is %+v %+v (%v)", name, e, e.Pull, err)
		}
	}
}

func TestRead_TakesNothingThatIsNotProved(t *testing.T) {
	own := `{"repository":"https://git.example/shop/checkout","branch":"main","sha":"` + sha + `"}`
	late, other := ours(own, now.Add(-6*time.Minute)), ours(own, now)
	other["X-Towpath-Timestamp"] = "1796029201"
	for name, h := range map[string]headers{
		"none":                          {"X-GitHub-Event": "push"},
		"of another body":               {"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign(own+" ")},
		"by SHA-1":                      {"X-GitHub-Event": "push", "X-Hub-Signature": "sha1=" + sign(own)},
		"without its kind":              {"X-GitHub-Event": "push", "X-Hub-Signature-256": sign(own)},
		"empty":                         {"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256="},
		"no hexadecimal":                {"X-Gitea-Event": "push", "X-Gitea-Signature": "xyz"},
		"half a token":                  {"X-Gitlab-Token": secret[:10]},
		"another token":                 {"X-Gitlab-Token": strings.ToUpper(secret)},
		"an old one":                    late,
		"of another time":               other,
		"Gitea's wrong, GitHub's right": {"X-Gitea-Signature": sign("x"), "X-Hub-Signature-256": "sha256=" + sign(own)},
	} {
		if e, err := read(h, own); !errors.Is(err, gitevent.ErrUnproved) || e.Branch != "" {
			t.Errorf("%s: it is %+v (%v)", name, e, err)
		}
	}
	short := headers{"X-Gitlab-Token": "short"}
	if _, err := gitevent.Read(short.get, []byte(own), []byte("short"), now); !errors.Is(err, gitevent.ErrWeak) {
		t.Errorf("with a short secret it says %v", err)
	}
	if _, err := gitevent.Read(headers{}.get, []byte(own), nil, now); err == nil {
		t.Error("without a secret it passes")
	}
}

func TestRead_BoundsWhatIsProved(t *testing.T) {
	for name, body := range map[string]string{
		"deep":     `{"ref":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"no JSON":  `ref=main`,
		"a list":   `[]`,
		"too long": `{"ref":"` + strings.Repeat("x", gitevent.MaxBody) + `"}`,
		"cut off":  pushed[:100],
	} {
		if _, err := read(headers{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign(body)}, body); !errors.Is(err, gitevent.ErrMalformed) {
			t.Errorf("%s: it says %v", name, err)
		}
	}
	for name, body := range map[string]string{
		"a tag":            strings.Replace(pushed, "refs/heads/main", "refs/tags/v1", 1),
		"a deleted branch": strings.Replace(pushed, `"after":"`+sha, `"after":"0000000000000000000000000000000000000000`, 1),
		"no commit":        strings.Replace(pushed, `"after":"`+sha, `"after":"$(reboot)`, 1),
		"brackets in text": strings.Replace(pushed, "$(reboot)", strings.Repeat(`[{\"`, 50), 1),
	} {
		e, err := read(headers{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign(body)}, body)
		if err != nil || (e.Branch == "") == (name == "brackets in text") {
			t.Errorf("%s: it is %+v (%v)", name, e, err)
		}
	}
	ping := `{"zen":"Keep it logically awesome.","hook_id":1}`
	if e, err := read(headers{"X-GitHub-Event": "ping", "X-Hub-Signature-256": "sha256=" + sign(ping)}, ping); err != nil || e.Branch != "" {
		t.Errorf("a ping is %+v (%v)", e, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, body := range []string{pushed, merged, labPushed, labMerged, "{}", "[", `{"ref":"\ud800"}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, h := range []headers{
			{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign(body)},
			{"X-Gitea-Event": "pull_request", "X-Gitea-Signature": sign(body)},
			{"X-Gitlab-Token": secret}, ours(body, now),
		} {
			e, err := read(h, body)
			if err == nil && (e.Branch == "") != (e.SHA == "") {
				t.Errorf("%q is %+v", body, e)
			}
		}
	})
}
