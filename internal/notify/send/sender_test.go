package send_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/notify/send"
	"github.com/towpath-dev/towpath/internal/outbound"
)

const (
	// canary stands where something is secret.
	canary = "s3cr3t-canary"
	key    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	other  = "whsec_b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXk="
)

var now = time.Date(2026, 11, 20, 9, 14, 0, 0, time.UTC)

// alert is one that fires.
func alert(threshold string) notify.Alert {
	return notify.Alert{
		Key:      notify.Key{UID: "5f0c2b6e", Period: "2026-11", Threshold: threshold, Basis: notify.Actual},
		Sequence: 1, Status: notify.Firing, Severity: notify.Critical, Team: "shop", Namespace: "team-shop", Name: "monthly",
		Title: threshold + " of shop's budget are spent", Text: "checkout in prod took 212.40 USD more since checkout-prod-12.",
		Spent: "812.40", Forecast: "1240.00", Limit: "1000.00", Currency: "USD", Labels: map[string]string{"component": "checkout"},
		Link: "https://towpath.example/budgets/team-shop/monthly", StartsAt: now, EndsAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
	}
}

// request is one that a receiver got.
type request struct {
	Method, Path string
	Header       http.Header
	Body         []byte
}

// receiver is a server with a certificate of its own, that keeps what it got.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex
	requests []request
}

// receive starts one. The answer is by the number of the request, from 0; nil for "ok".
func receive(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
		body, _ := io.ReadAll(got.Body)
		r.mu.Lock()
		n := len(r.requests)
		r.requests = append(r.requests, request{got.Method, got.URL.Path, got.Header.Clone(), body})
		r.mu.Unlock()
		if answer == nil {
			_, _ = io.WriteString(w, "ok")
			return
		}
		answer(w, got, n)
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// target is one at the receiver, with a secret in its path.
func (r *receiver) target(kind notify.Kind) send.Target {
	t := send.Target{
		Key: "team-shop/ops", Name: "ops", Kind: kind, URL: send.Secret(r.URL + "/services/" + canary),
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}),
	}
	if kind == notify.Webhook {
		t.SigningKeys = []send.Secret{key}
	}
	return t
}

// sender is one that may reach this machine.
func sender(t *testing.T, change func(*send.Options)) (*send.Sender, *testingclock.FakePassiveClock) {
	t.Helper()
	rules, err := outbound.NewRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	clock := testingclock.NewFakePassiveClock(now)
	options := send.Options{Rules: rules, Clock: clock, Source: "https://towpath.example/"}
	if change != nil {
		change(&options)
	}
	return send.New(options), clock
}

// silent checks that an error holds no secret.
func silent(t *testing.T, err error) {
	t.Helper()
	for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		if strings.Contains(text, canary) || strings.Contains(text, key[:12]) || strings.Contains(text, "/services") {
			t.Errorf("it says a secret: %s", text)
		}
	}
}

func TestDeliver_ByAnswer(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "you asked for "+r.URL.String()+" with "+r.Header.Get("webhook-signature")+r.Header.Get("Authorization"))
	}
	say := func(code int, header ...string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			echo(w, r)
		}
	}
	words := func(code int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	all := []notify.Kind{notify.Slack, notify.Alertmanager, notify.Webhook}
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		kinds  []notify.Kind
		want   notify.Result
		err    string
	}{
		"200":                            {say(200), all, notify.Result{Delivered: 2}, ""},
		"202":                            {say(202), all, notify.Result{Delivered: 2}, ""},
		"204":                            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, all, notify.Result{Delivered: 2}, ""},
		"400 of one message":             {say(400), []notify.Kind{notify.Slack, notify.Alertmanager}, notify.Result{Failed: 2, Refusal: notify.RefusedAlert}, "it answers 400 Bad Request"},
		"400 of a webhook":               {say(400), []notify.Kind{notify.Webhook}, notify.Result{Failed: 1, Refusal: notify.RefusedAlert}, "it answers 400 Bad Request"},
		"401":                            {say(401), all, notify.Result{Failed: 2, Refusal: notify.RefusedTarget}, "it answers 401 Unauthorized"},
		"403 by Slack":                   {words(403, "invalid_token\n"), []notify.Kind{notify.Slack}, notify.Result{Failed: 2, Refusal: notify.RefusedTarget}, "403 Forbidden (invalid_token)"},
		"404 by Slack":                   {words(404, "channel_not_found"), []notify.Kind{notify.Slack}, notify.Result{Failed: 2, Refusal: notify.RefusedTarget}, "404 Not Found (channel_not_found)"},
		"410":                            {say(410), all, notify.Result{Failed: 2, Refusal: notify.RefusedTarget}, "410 Gone"},
		"413":                            {say(413), []notify.Kind{notify.Slack}, notify.Result{Failed: 2, Refusal: notify.RefusedAlert}, "413"},
		"408":                            {say(408), []notify.Kind{notify.Slack}, notify.Result{Failed: 2}, "408 Request Timeout"},
		"429 for seconds":                {say(429, "Retry-After", "17"), []notify.Kind{notify.Slack}, notify.Result{Failed: 2, RetryAfter: 17 * time.Second}, "429 Too Many Requests"},
		"429 of a webhook":               {say(429, "Retry-After", "17"), []notify.Kind{notify.Webhook}, notify.Result{Failed: 1, RetryAfter: 17 * time.Second}, "429 Too Many Requests"},
		"429 without more":               {say(429), []notify.Kind{notify.Slack}, notify.Result{Failed: 2}, "429"},
		"429 until a time by its clock":  {say(429, "Date", now.Add(-time.Hour).Format(http.TimeFormat), "Retry-After", now.Add(-59*time.Minute).Format(http.TimeFormat)), []notify.Kind{notify.Slack}, notify.Result{Failed: 2, RetryAfter: time.Minute}, "429"},
		"429 until a time that is over":  {say(429, "Date", now.Format(http.TimeFormat), "Retry-After", now.Add(-time.Hour).Format(http.TimeFormat)), []notify.Kind{notify.Slack}, notify.Result{Failed: 2}, "429"},
		"429 for ever":                   {say(429, "Retry-After", "99999999999999999999"), []notify.Kind{notify.Slack}, notify.Result{Failed: 2, RetryAfter: 24 * time.Hour}, "429"},
		"429 for very long":              {say(429, "Retry-After", "9223372036854775807"), []notify.Kind{notify.Slack}, notify.Result{Failed: 2, RetryAfter: 24 * time.Hour}, "429"},
		"429 with nonsense":              {say(429, "Retry-After", "-5"), []notify.Kind{notify.Slack}, notify.Result{Failed: 2}, "429"},
		"500":                            {say(500), []notify.Kind{notify.Alertmanager}, notify.Result{Failed: 2}, "500 Internal Server Error"},
		"503 for seconds":                {say(503, "Retry-After", "120"), []notify.Kind{notify.Alertmanager}, notify.Result{Failed: 2, RetryAfter: 2 * time.Minute}, "503 Service Unavailable"},
		"a code that nobody knows":       {say(599), []notify.Kind{notify.Alertmanager}, notify.Result{Failed: 2}, "it answers 599:"},
		"a redirect to the same place":   {say(307, "Location", "/services/"+canary+"/b"), all, notify.Result{Failed: 2, Refusal: notify.RefusedTarget}, "307 Temporary Redirect, a redirect, which is not followed"},
		"a redirect inside":              {say(302, "Location", "http://127.0.0.1:1/"+canary), all, notify.Result{Failed: 2, Refusal: notify.RefusedTarget}, "redirect"},
		"a redirect to metadata":         {say(308, "Location", "http://169.254.169.254/"+canary), all, notify.Result{Failed: 2, Refusal: notify.RefusedTarget}, "redirect"},
		"a clock that is wrong":          {say(400, "Date", now.Add(12*time.Minute).Format(http.TimeFormat)), []notify.Kind{notify.Webhook}, notify.Result{Failed: 1, Refusal: notify.RefusedAlert}, "its clock differs from ours by 12m0s"},
		"a body that is compressed much": {say(400, "Content-Encoding", "gzip"), []notify.Kind{notify.Slack}, notify.Result{Failed: 2, Refusal: notify.RefusedAlert}, "400 Bad Request"},
	} {
		for _, kind := range tc.kinds {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				server := receive(t, func(w http.ResponseWriter, r *http.Request, _ int) {
					if w.Header().Get("Date") == "" {
						w.Header().Set("Date", now.Format(http.TimeFormat))
					}
					tc.answer(w, r)
				})
				s, _ := sender(t, nil)
				result, err := s.Deliver(t.Context(), server.target(kind), []notify.Alert{alert("80%"), alert("100%")})
				want := ""
				if tc.err != "" {
					want = "target ops at 127.0.0.1: "
				}
				if result != tc.want || (err != nil) != (want != "") || err != nil && (!strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error()+":", tc.err)) {
					t.Errorf("it is %+v, %v\nwant %+v, %s", result, err, tc.want, tc.err)
				}
				silent(t, err)
			})
		}
	}
}

// TestDeliver_ReadsNoBodyWithoutEnd counts what the receiver could write: what lies in buffers, and no more.
func TestDeliver_ReadsNoBodyWithoutEnd(t *testing.T) {
	for _, code := range []int{http.StatusOK, http.StatusBadRequest, http.StatusServiceUnavailable} {
		var written atomic.Int64
		done := make(chan struct{})
		server := receive(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			defer close(done)
			w.WriteHeader(code)
			for r.Context().Err() == nil {
				n, err := io.WriteString(w, strings.Repeat(canary, 1000))
				if written.Add(int64(n)); err != nil {
					return
				}
			}
		})
		s, _ := sender(t, nil)
		_, err := s.Deliver(t.Context(), server.target(notify.Slack), []notify.Alert{alert("80%")})
		if (err == nil) != (code == http.StatusOK) {
			t.Errorf("%d: it says %v", code, err)
		}
		silent(t, err)
		<-done
		if written.Load() > 32<<20 {
			t.Errorf("%d: it wrote %d bytes", code, written.Load())
		}
	}
}

func TestDeliver_ASlowBodyDoesNotUndoASuccess(t *testing.T) {
	for _, code := range []int{200, 503} {
		server := receive(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			w.WriteHeader(code)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		s, _ := sender(t, func(o *send.Options) { o.Timeout = time.Second })
		result, err := s.Deliver(t.Context(), server.target(notify.Slack), []notify.Alert{alert("80%")})
		if result.Delivered != map[int]int{200: 1}[code] || (err == nil) != (code == 200) {
			t.Errorf("%d: it is %+v, %v", code, result, err)
		}
		silent(t, err)
	}
}

func TestDeliver_ASlowReceiverIsLeft(t *testing.T) {
	server := receive(t, func(_ http.ResponseWriter, r *http.Request, _ int) {
		<-r.Context().Done()
		// To return would be to answer 200, which arrives now and then while the connection is being closed.
		panic(http.ErrAbortHandler)
	})
	s, _ := sender(t, func(o *send.Options) { o.Timeout = 50 * time.Millisecond })
	result, err := s.Deliver(t.Context(), server.target(notify.Webhook), []notify.Alert{alert("80%"), alert("100%")})
	if result != (notify.Result{Failed: 1}) || err == nil || !strings.HasSuffix(err.Error(), "does not answer in time") {
		t.Errorf("it is %+v, %v", result, err)
	}
	silent(t, err)
	s, _ = sender(t, func(o *send.Options) { o.Budget = 50 * time.Millisecond })
	result, err = s.Deliver(t.Context(), server.target(notify.Webhook), []notify.Alert{alert("80%"), alert("100%")})
	if result != (notify.Result{Failed: 1}) || err == nil || !strings.HasSuffix(err.Error(), "does not answer in time") {
		t.Errorf("it is %+v, %v", result, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := len(server.got())
	result, err = s.Deliver(ctx, server.target(notify.Webhook), []notify.Alert{alert("80%")})
	if result != (notify.Result{}) || err == nil || len(server.got()) != before {
		t.Errorf("with no time left it is %+v, %v", result, err)
	}
}

func TestDeliver_AConnectionThatFailsSaysNoSecret(t *testing.T) {
	hostile := map[string]func(net.Conn){
		"hangs up":                   func(net.Conn) {},
		"talks of something else":    func(c net.Conn) { _, _ = io.WriteString(c, "220 smtp "+canary+"\r\n") },
		"has a status that is none":  func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 "+canary+"\r\n\r\n") },
		"has a header that is none":  func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+canary+"\r\n\r\n") },
		"has headers without end":    func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nA: "+strings.Repeat(canary, 20000)) },
		"names itself in its status": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 418 "+canary+"\r\n\r\n") },
		"redirects to what is no URL": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://"+canary+"\x7f\r\n\r\n")
		},
		"switches to another protocol": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 101 "+canary+"\r\n\r\n") },
	}
	for name, talk := range hostile {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = listener.Close() })
			go func() {
				for {
					connection, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = connection.Read(make([]byte, 64<<10))
					talk(connection)
					_ = connection.Close()
				}
			}()
			s, _ := sender(t, nil)
			for _, scheme := range []string{"http", "https"} {
				result, err := s.Deliver(t.Context(), send.Target{
					Key: scheme, Name: "ops", Kind: notify.Slack, URL: send.Secret(scheme + "://" + listener.Addr().String() + "/services/" + canary),
				}, []notify.Alert{alert("80%")})
				if result.Delivered != 0 || err == nil || !strings.HasPrefix(err.Error(), "target ops at 127.0.0.1: ") {
					t.Errorf("%s: it is %+v, %v", scheme, result, err)
				}
				silent(t, err)
			}
		})
	}
}

func TestDeliver_GivesNoMoreThanTheRate(t *testing.T) {
	server := receive(t, nil)
	s, clock := sender(t, func(o *send.Options) { o.Burst = 2; o.Rate = 0.5 })
	target := server.target(notify.Webhook)
	result, err := s.Deliver(t.Context(), target, []notify.Alert{alert("1%"), alert("2%"), alert("3%")})
	if result != (notify.Result{Delivered: 2, RetryAfter: 2 * time.Second}) || err == nil || len(server.got()) != 2 {
		t.Fatalf("it is %+v, %v", result, err)
	}
	clock.SetTime(now.Add(time.Second))
	if result, err := s.Deliver(t.Context(), target, []notify.Alert{alert("3%")}); result != (notify.Result{RetryAfter: time.Second}) || err == nil {
		t.Errorf("a second later it is %+v, %v", result, err)
	}
	another := target
	another.Key = "team-cart/ops"
	if result, err := s.Deliver(t.Context(), another, []notify.Alert{alert("3%")}); result.Delivered != 1 || err != nil {
		t.Errorf("another target gets %+v, %v", result, err)
	}
	clock.SetTime(now.Add(2 * time.Second))
	if result, err := s.Deliver(t.Context(), target, []notify.Alert{alert("3%")}); result.Delivered != 1 || err != nil {
		t.Errorf("two seconds later it is %+v, %v", result, err)
	}
}

func TestDeliver_KeepsToTheRateTogether(t *testing.T) {
	server := receive(t, nil)
	s, _ := sender(t, func(o *send.Options) { o.Burst = 5 })
	var wait sync.WaitGroup
	var delivered atomic.Int32
	for i := range 20 {
		wait.Go(func() {
			result, _ := s.Deliver(t.Context(), server.target(notify.Slack), []notify.Alert{alert(fmt.Sprint(i))})
			delivered.Add(int32(result.Delivered))
		})
	}
	wait.Wait()
	if delivered.Load() != 5 || len(server.got()) != 5 {
		t.Errorf("%d were delivered, and it got %d", delivered.Load(), len(server.got()))
	}
}

func TestDeliver_ForgetsTargetsThatAreIdle(t *testing.T) {
	server := receive(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 0 {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	s, clock := sender(t, nil)
	target := server.target(notify.Slack)
	target.URL, target.CA = send.Secret(strings.Replace(string(target.URL), "https", "http", 1)), nil
	if _, err := s.Deliver(t.Context(), server.target(notify.Slack), []notify.Alert{alert("80%")}); err == nil {
		t.Fatal("it is delivered")
	}
	for i := range 1100 {
		clock.SetTime(now.Add(time.Duration(i+1) * time.Second))
		target.Key = fmt.Sprint(i)
		_, _ = s.Deliver(t.Context(), target, []notify.Alert{alert("80%")})
	}
	if n := s.Gates(); n > 200 {
		t.Errorf("it remembers %d", n)
	}
	if result, _ := s.Deliver(t.Context(), server.target(notify.Slack), []notify.Alert{alert("80%")}); result.RetryAfter != 2500*time.Second {
		t.Errorf("it forgot that one wants to be left in peace: %+v", result)
	}
}

func TestDeliver_LeavesWhoAskedForIt(t *testing.T) {
	server := receive(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 0 {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	s, clock := sender(t, nil)
	for after, want := range []notify.Result{{Failed: 1, RetryAfter: time.Minute}, {RetryAfter: 59 * time.Second}} {
		clock.SetTime(now.Add(time.Duration(after) * time.Second))
		if result, err := s.Deliver(t.Context(), server.target(notify.Slack), []notify.Alert{alert("1%")}); result != want || err == nil {
			t.Errorf("it is %+v, %v, want %+v", result, err, want)
		}
	}
	if len(server.got()) != 1 {
		t.Errorf("it was asked %d times", len(server.got()))
	}
	clock.SetTime(now.Add(time.Minute))
	if result, err := s.Deliver(t.Context(), server.target(notify.Slack), []notify.Alert{alert("1%")}); result.Delivered != 1 || err != nil {
		t.Errorf("after it, it is %+v, %v", result, err)
	}
}

// TestDeliver_UntilAllIsThere goes through the outbox, as a controller does, with a receiver that fails in several ways first.
func TestDeliver_UntilAllIsThere(t *testing.T) {
	server := receive(t, func(w http.ResponseWriter, r *http.Request, n int) {
		switch n {
		case 0:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
		case 3:
			panic(http.ErrAbortHandler)
		case 4:
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, r.URL.String())
		}
	})
	s, clock := sender(t, nil)
	rules := notify.Defaults()
	var items []notify.Item
	for _, threshold := range []string{"50%", "80%", "100%"} {
		items = notify.Enqueue(items, []notify.Alert{alert(threshold)}, []string{"ops"}, rules, now)
	}
	destinations := []notify.Destination{{Name: "ops", Kind: notify.Webhook, Revision: "7"}}
	for range 50 {
		batches, next := notify.Plan(items, destinations, rules, clock.Now())
		if len(batches) == 0 && next.IsZero() {
			break
		}
		if len(batches) == 0 {
			clock.SetTime(next)
			continue
		}
		result, err := s.Deliver(t.Context(), server.target(notify.Webhook), batches[0].Alerts)
		items = notify.Record(items, batches[0], result, err, rules, clock.Now())
		kept, err := json.Marshal(items)
		if err != nil || strings.Contains(string(kept), canary) || strings.Contains(string(kept), "services") || strings.Contains(string(kept), "whsec") {
			t.Fatalf("what is kept holds a secret: %s", kept)
		}
	}
	var order []string
	ids := map[string]int{}
	for n, r := range server.got() {
		ids[r.Header.Get("webhook-id")]++
		if n == 1 || n > 4 {
			var event struct{ Data struct{ Threshold string } }
			if err := json.Unmarshal(r.Body, &event); err != nil {
				t.Fatal(err)
			}
			order = append(order, event.Data.Threshold)
		}
	}
	if fmt.Sprint(order) != "[50% 80% 100%]" || len(ids) != 3 {
		t.Errorf("it got %v, and %d IDs", order, len(ids))
	}
	if clock.Now().Before(now.Add(10 * time.Minute)) {
		t.Errorf("it was asked again at %s", clock.Now())
	}
	for _, item := range items {
		if item.Deliveries[0].Progress != notify.Delivered {
			t.Errorf("it is %+v", item)
		}
	}
}
