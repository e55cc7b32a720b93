package send_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/notify/send"
)

var update = flag.Bool("update", false, "write what is sent into testdata")

// delivered sends alerts, and returns what the receiver got.
func delivered(t *testing.T, kind notify.Kind, change func(*send.Target), alerts ...notify.Alert) []request {
	t.Helper()
	server := receive(t, nil)
	s, _ := sender(t, nil)
	target := server.target(kind)
	if change != nil {
		change(&target)
	}
	if result, err := s.Deliver(t.Context(), target, alerts); err != nil || result != (notify.Result{Delivered: len(alerts)}) {
		t.Fatalf("it is %+v, %v", result, err)
	}
	return server.got()
}

// golden compares with testdata, and with the guide, which shows the same.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, got, "", "  "); err != nil {
		t.Fatal(err)
	}
	text := append(bytes.TrimSpace(indented.Bytes()), '\n')
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s is now\n%s", name, text)
	}
	guide, err := os.ReadFile("../../../docs/guides/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(guide, want) {
		t.Errorf("docs/guides/alerts.md does not show %s as it is", file)
	}
}

func resolved(threshold string) notify.Alert {
	a := alert(threshold)
	a.Status, a.EndsAt, a.Title, a.Text = notify.Resolved, now.Add(time.Hour), "The forecast is below "+threshold+" of shop's budget again", ""
	a.Basis, a.Severity = notify.Forecast, notify.Warning
	return a
}

func TestSlack(t *testing.T) {
	got := delivered(t, notify.Slack, nil, alert("80%"), resolved("100%"))
	if len(got) != 1 || got[0].Method != http.MethodPost || got[0].Path != "/services/"+canary || got[0].Header.Get("Content-Type") != "application/json" {
		t.Fatalf("it got %+v", got)
	}
	golden(t, "slack.json", got[0].Body)
}

// Amounts are of as many places as their currency has; what is no amount stays what it is.
func TestSlack_RoundsMoney(t *testing.T) {
	for _, c := range []struct{ spent, forecast, limit, currency, want string }{
		{"3836.3095", "4627.835", "4000", "USD", "spent 3836.31 USD · forecast 4627.84 USD · limit 4000.00 USD"},
		{"1200.5", "", "100000", "JPY", "spent 1201 JPY · limit 100000 JPY"},
		{"1.23456", "2", "3.1", "KWD", "spent 1.235 KWD · forecast 2.000 KWD · limit 3.100 KWD"},
		{"-0.004", "much", "1e1000000", "EUR", "spent 0.00 EUR · forecast much EUR · limit 1e1000000 EUR"},
		{"5", "", "", "", "spent 5.00"},
	} {
		a := alert("80%")
		a.Spent, a.Forecast, a.Limit, a.Currency = c.spent, c.forecast, c.limit, c.currency
		if got := string(delivered(t, notify.Slack, nil, a)[0].Body); !strings.Contains(got, `\n`+c.want+" ·") {
			t.Errorf("%q is not in %s", c.want, got)
		}
	}
}

func TestSlack_MeansNothingButItself(t *testing.T) {
	a := alert("80%")
	a.Team = "<!channel> & co"
	a.Title = "<!here> *bold* <https://evil.example|click> &amp; @channel \u202e\x00" + strings.Repeat("<", 1000)
	a.Text = strings.Repeat("&ü", 3000)
	a.Link = "https://towpath.example/a|b><!channel>"
	var many []notify.Alert
	for range 10 {
		many = append(many, a)
	}
	var body struct {
		Text   string
		Blocks []struct {
			Type string
			Text struct{ Type, Text string }
		}
	}
	if err := json.Unmarshal(delivered(t, notify.Slack, nil, many...)[0].Body, &body); err != nil {
		t.Fatal(err)
	}
	if len(body.Blocks) != 11 || body.Blocks[0].Type != "header" || body.Blocks[0].Text.Type != "plain_text" || utf8.RuneCountInString(body.Blocks[0].Text.Text) > 150 {
		t.Errorf("the first of %d blocks is %+v", len(body.Blocks), body.Blocks[0])
	}
	texts := []string{body.Text}
	for _, b := range body.Blocks[1:] {
		texts = append(texts, b.Text.Text)
		if utf8.RuneCountInString(b.Text.Text) > 3000 || b.Text.Type != "mrkdwn" {
			t.Errorf("a block of %s has %d characters", b.Text.Type, utf8.RuneCountInString(b.Text.Text))
		}
	}
	for _, text := range texts {
		for _, bad := range []string{"<!", "<https://evil", "@channel", "\u202e", "\x00", "a|b", "&amp;amp ", "\ufffd"} {
			if strings.Contains(text, bad) {
				t.Errorf("it has %q", bad)
			}
		}
		if n := strings.Count(text, "<"); n != strings.Count(text, "<https://towpath.example/a%7Cb%3E%3C") {
			t.Errorf("there are %d that begin a link", n)
		}
	}
	if len(body.Text) > 40000 {
		t.Errorf("the text has %d bytes", len(body.Text))
	}
	for _, link := range []string{"javascript:alert(1)", "towpath.example", "https://u:p@towpath.example", "https://a.example/" + strings.Repeat("a", 2000), "\x00"} {
		a.Link = link
		if got := string(delivered(t, notify.Slack, nil, a)[0].Body); strings.Contains(got, "<http") || strings.Contains(got, "<java") {
			t.Errorf("%q is a link: %.200s", link, got)
		}
	}
}

func TestAlertmanager(t *testing.T) {
	base := delivered(t, notify.Alertmanager, nil, alert("80%"), resolved("100%"))
	golden(t, "alertmanager.json", base[0].Body)
	for given, want := range map[string]string{
		"": "/api/v2/alerts", "/": "/api/v2/alerts", "/alertmanager/": "/alertmanager/api/v2/alerts", "/am/api/v2/alerts": "/am/api/v2/alerts", "/am/api/v2/alerts/": "/am/api/v2/alerts/",
	} {
		got := delivered(t, notify.Alertmanager, func(target *send.Target) {
			target.URL, target.Bearer = send.Secret(strings.TrimSuffix(string(target.URL), "/services/"+canary)+given), canary
		}, alert("80%"))
		if got[0].Path != want || got[0].Header.Get("Authorization") != "Bearer "+canary {
			t.Errorf("%s: it asks %s as %s", given, got[0].Path, got[0].Header.Get("Authorization"))
		}
	}
}

func TestAlertmanager_WithAPassword(t *testing.T) {
	got := delivered(t, notify.Alertmanager, func(target *send.Target) { target.Username, target.Password = "ops", canary }, alert("80%"))
	if user, password, _ := (&http.Request{Header: got[0].Header}).BasicAuth(); user != "ops" || password != canary {
		t.Errorf("it sends %q, %q", user, password)
	}
	if got := delivered(t, notify.Slack, func(target *send.Target) { target.Username, target.Password = "ops", canary }, alert("80%")); got[0].Header.Get("Authorization") != "" {
		t.Error("Slack gets it")
	}
}

// postable is what Alertmanager's API declares.
type postable struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	GeneratorURL        string
}

func TestAlertmanager_TakesWhateverNamesAre(t *testing.T) {
	a := alert("80%")
	a.Labels = map[string]string{"app.kubernetes.io/name": "checkout", "9": "nine", "": "none", "team": "forged", "severity": "info", "zone": "", "long": strings.Repeat("ä", 1000), "odd": "a\x00b\xff"}
	a.Link = "no link"
	// A day that is over: it stands for a while, or nobody would hear of it.
	a.StartsAt, a.EndsAt = now.Add(time.Hour), now.Add(-time.Hour)
	decoder := json.NewDecoder(bytes.NewReader(delivered(t, notify.Alertmanager, nil, a)[0].Body))
	decoder.DisallowUnknownFields()
	var got []postable
	if err := decoder.Decode(&got); err != nil || len(got) != 1 {
		t.Fatalf("it is %v, %v", got, err)
	}
	labels := got[0].Labels
	if labels["app_kubernetes_io_name"] != "checkout" || labels["_9"] != "nine" || labels["_"] != "none" || labels["team"] != "shop" || labels["severity"] != "critical" ||
		utf8.RuneCountInString(labels["long"]) > 256 || labels["odd"] != "ab" || got[0].GeneratorURL != "" {
		t.Errorf("it is %+v", got[0])
	}
	if _, found := labels["zone"]; found {
		t.Error("an empty label is sent")
	}
	if !got[0].EndsAt.After(now) || got[0].StartsAt.After(got[0].EndsAt) {
		t.Errorf("it is from %s to %s", got[0].StartsAt, got[0].EndsAt)
	}
}

func TestWebhook(t *testing.T) {
	got := delivered(t, notify.Webhook, func(target *send.Target) { target.SigningKeys = []send.Secret{other, key}; target.Bearer = canary }, alert("80%"), resolved("100%"))
	if len(got) != 2 {
		t.Fatalf("it got %d", len(got))
	}
	golden(t, "cloudevent.json", got[0].Body)
	for i, want := range []struct {
		kind, id string
		at       time.Time
	}{{"dev.towpath.alert.firing", alert("80%").ID(), now}, {"dev.towpath.alert.resolved", resolved("100%").ID(), now.Add(time.Hour)}} {
		r := got[i]
		if r.Header.Get("Content-Type") != "application/cloudevents+json" || r.Header.Get("Authorization") != "Bearer "+canary || r.Header.Get("webhook-timestamp") != "1795166040" {
			t.Errorf("its headers are %v", r.Header)
		}
		var e event.Event
		if err := json.Unmarshal(r.Body, &e); err != nil || e.Validate() != nil {
			t.Fatalf("it is no CloudEvent: %v, %v", err, e.Validate())
		}
		if e.SpecVersion() != "1.0" || e.Type() != want.kind || e.ID() != want.id || r.Header.Get("webhook-id") != want.id ||
			e.Source() != "https://towpath.example/teams/shop" || e.Subject() != "team-shop/monthly" || !e.Time().Equal(want.at) {
			t.Errorf("the event is %s", e)
		}
		for _, secret := range []string{key, other} {
			verifier, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := verifier.VerifyIgnoringTimestamp(r.Body, r.Header); err != nil {
				t.Error(err)
			}
			for _, forge := range []func(*request){
				func(r *request) { r.Body = bytes.Replace(r.Body, []byte("812.40"), []byte("12.40"), 1) },
				func(r *request) { r.Header.Set("webhook-id", "alert_0") },
				func(r *request) { r.Header.Set("webhook-timestamp", "1795166041") },
			} {
				forged := request{Header: r.Header.Clone(), Body: bytes.Clone(r.Body)}
				forge(&forged)
				if verifier.VerifyIgnoringTimestamp(forged.Body, forged.Header) == nil && (i == 0 || !bytes.Equal(forged.Body, r.Body) || forged.Header.Get("webhook-id") != want.id) {
					t.Errorf("what is forged passes: %v %s", forged.Header, forged.Body)
				}
			}
		}
	}
}

// TestWebhook_ByTheClockOfNow has the library of receivers check the time too.
func TestWebhook_ByTheClockOfNow(t *testing.T) {
	for skew, want := range map[time.Duration]bool{0: true, -10 * time.Minute: false, 10 * time.Minute: false} {
		server := receive(t, func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusNoContent) })
		s, clock := sender(t, nil)
		clock.SetTime(time.Now().Add(skew))
		if _, err := s.Deliver(t.Context(), server.target(notify.Webhook), []notify.Alert{alert("80%")}); err != nil {
			t.Fatal(err)
		}
		verifier, err := standardwebhooks.NewWebhook(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.Verify(server.got()[0].Body, server.got()[0].Header); (err == nil) != want {
			t.Errorf("with a clock that is %s wrong it says %v", skew, err)
		}
	}
}
