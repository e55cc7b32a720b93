package httplocation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
	"github.com/towpath-dev/towpath/internal/cost/source/focus/httplocation"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/outbound"
)

var now = time.Date(2026, time.November, 29, 12, 0, 0, 0, time.UTC)

const head = "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ServiceName,ChargePeriodStart,BillingPeriodStart,ServiceProviderName,Tags\n"

// bill is a bill of November with one charge a day, of so many days.
func bill(days int, amount string) string {
	var b strings.Builder
	b.WriteString(head)
	for day := 1; day <= days; day++ {
		fmt.Fprintf(&b, "%s,%s,USD,Usage,Compute,2026-11-%02dT00:00:00Z,2026-11-01T00:00:00Z,AWS,\"{\"\"team\"\":\"\"shop\"\"}\"\n", amount, amount, day)
	}
	return b.String()
}

// server gives files in one of several ways.
type server struct {
	*httptest.Server
	mu sync.Mutex
	// files are by path.
	files map[string]string
	// handle answers instead, where it is set; false: it did not.
	handle func(w http.ResponseWriter, r *http.Request) bool
	ranges int
	gets   int
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{files: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Method == http.MethodGet {
			s.gets++
		}
		if r.Header.Get("Range") != "" {
			s.ranges++
		}
		if s.handle != nil && s.handle(w, r) {
			return
		}
		text, ok := s.files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", strconv.Quote(fmt.Sprint(crc32.ChecksumIEEE([]byte(text)))))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}))
	t.Cleanup(s.Close)
	return s
}

// reading is a history with what is read into it.
type reading struct {
	t      *testing.T
	store  history.Store
	urls   []string
	dir    string
	max    int64
	header map[string]string
	rules  outbound.Rules
	task   source.Task
}

func newReading(t *testing.T, urls ...string) *reading {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	rules, err := outbound.NewRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return &reading{t: t, store: store, urls: urls, dir: t.TempDir(), rules: rules, task: source.Task{
		Source: "bills", Now: now, Backfill: 60, Settle: 48 * time.Hour, Attribution: source.DefaultAttribution("shop"),
	}}
}

func (r *reading) read() (source.Outcome, error) {
	options := httplocation.Options{Dir: r.dir, MaxBytes: r.max, Now: now, Endpoint: func(*url.URL) (*http.Client, map[string]string, error) {
		return r.rules.Client(nil, time.Minute), r.header, nil
	}}
	for _, raw := range r.urls {
		u, err := url.Parse(raw)
		if err != nil {
			r.t.Fatal(err)
		}
		options.URLs = append(options.URLs, u)
	}
	reader := &focus.Source{Place: strings.Join(r.urls, " "), Open: func(context.Context) (focus.Location, error) { return httplocation.New(options) }}
	outcome, err := reader.Import(r.t.Context(), r.store, r.task)
	r.task.Cursor = outcome.Cursor
	if left, _ := os.ReadDir(r.dir); len(left) > 0 {
		r.t.Errorf("files are left: %v", left)
	}
	return outcome, err
}

// cost is what November cost.
func (r *reading) cost() string {
	r.t.Helper()
	sums, err := r.store.Sum(r.t.Context(), history.Query{From: history.Date(2026, time.November, 1), To: history.Date(2026, time.December, 1), At: now})
	if err != nil {
		r.t.Fatal(err)
	}
	if len(sums) == 0 {
		return ""
	}
	return sums[0].Effective.String()
}

func (r *reading) mustRead(want string) source.Outcome {
	r.t.Helper()
	outcome, err := r.read()
	if err != nil {
		r.t.Fatal(err)
	}
	if got := r.cost(); got != want {
		r.t.Errorf("November cost %s, not %s", got, want)
	}
	return outcome
}

func TestImport_ReadsPartsWhereAServerGivesThem(t *testing.T) {
	s := newServer(t)
	s.files["/a/november.csv"] = bill(28, "1.5")
	r := newReading(t, s.URL+"/a/november.csv")
	r.mustRead("42")
	if s.ranges == 0 || s.ranges != s.gets {
		t.Errorf("of %d requests %d were for parts", s.gets, s.ranges)
	}
	s.gets = 0
	if outcome := r.mustRead("42"); outcome.Rows != 0 || s.gets != 0 {
		t.Errorf("what has not changed is fetched again: %d", s.gets)
	}
	s.files["/a/november.csv"] = bill(28, "2.5")
	r.mustRead("70")
}

func TestImport_FetchesWhereAServerGivesNoParts(t *testing.T) {
	for name, handle := range map[string]func(s *server) func(w http.ResponseWriter, r *http.Request) bool{
		"with a time of change": func(s *server) func(w http.ResponseWriter, r *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Last-Modified", now.Format(http.TimeFormat))
				w.Header().Set("Content-Length", strconv.Itoa(len(s.files[r.URL.Path])))
				if r.Method == http.MethodGet {
					_, _ = fmt.Fprint(w, s.files[r.URL.Path])
				}
				return true
			}
		},
		"with nothing to tell a version by": func(s *server) func(w http.ResponseWriter, r *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodHead {
					w.WriteHeader(http.StatusMethodNotAllowed)
					return true
				}
				_, _ = fmt.Fprint(w, s.files[r.URL.Path][:10])
				w.(http.Flusher).Flush() // so that its length is not said //nolint:errcheck // it is one
				_, _ = fmt.Fprint(w, s.files[r.URL.Path][10:])
				return true
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.files["/a.csv"] = bill(28, "1.5")
			s.handle = handle(s)
			r := newReading(t, s.URL+"/a.csv")
			r.mustRead("42")
			if outcome := r.mustRead("42"); outcome.Rows != 0 {
				t.Errorf("what has not changed is read again: %+v", outcome)
			}
		})
	}
}

func TestImport_HasAnotherListTakeThePlaceOfWhatTheOldOneSaid(t *testing.T) {
	s := newServer(t)
	s.files["/v1/november.csv"], s.files["/v2/november.csv"] = bill(28, "1.5"), bill(28, "2.5")
	r := newReading(t, s.URL+"/v1/november.csv")
	r.mustRead("42")
	r.urls = []string{s.URL + "/v2/november.csv"}
	r.mustRead("70")
}

func TestImport_SendsHeadersAndFollowsNoRedirect(t *testing.T) {
	s := newServer(t)
	s.files["/a.csv"] = bill(28, "1.5")
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "Bearer x" {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	r := newReading(t, s.URL+"/a.csv")
	if _, err := r.read(); !is(err, source.CredentialsRefused, "answers 401 for /a.csv", "towpath-costsources") {
		t.Errorf("it says %v", err)
	}
	r.header = map[string]string{"Authorization": "Bearer x"}
	r.mustRead("42")
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		return true
	}
	if _, err := r.read(); !is(err, source.SourceInvalid, "answers 302", "Redirects are not followed") {
		t.Errorf("it says %v", err)
	}
	r.rules = outbound.Rules{}
	if _, err := r.read(); !is(err, source.SourceInvalid, "leads to a loopback address") {
		t.Errorf("it says %v", err)
	}
}

func TestImport_CountsNothingOfWhatIsNotWhole(t *testing.T) {
	whole := bill(28, "1.5")
	for name, c := range map[string]struct {
		handle func(w http.ResponseWriter, r *http.Request) bool
		max    int64
		reason source.Reason
		texts  []string
	}{
		"fetched, and cut off": {handle: func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Last-Modified", now.Format(http.TimeFormat))
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			if r.Method == http.MethodGet {
				_, _ = fmt.Fprint(w, whole[:len(whole)/2])
			}
			return true
		}, reason: source.Incomplete, texts: []string{"/a.csv", "cut off after " + strconv.Itoa(len(whole)/2) + " bytes"}},
		"a part, and cut off": {handle: func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("ETag", `"a"`)
			w.Header().Set("Accept-Ranges", "bytes")
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusPartialContent)
				_, _ = fmt.Fprint(w, whole[:len(whole)/2])
			}
			return true
		}, reason: source.Incomplete, texts: []string{"/a.csv", "cut off"}},
		"another version by then": {handle: func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("ETag", strconv.Quote(r.Method))
			w.Header().Set("Accept-Ranges", "bytes")
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusPartialContent)
				_, _ = fmt.Fprint(w, whole)
				return true
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			return true
		}, reason: source.Incomplete, texts: []string{"changed while it was read"}},
		"a lie about parts": {handle: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("ETag", `"a"`)
			w.Header().Set("Accept-Ranges", "bytes")
			w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
			_, _ = fmt.Fprint(w, whole)
			return true
		}, reason: source.SourceInvalid, texts: []string{"gives all of it"}},
		"too large": {handle: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return true
			}
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
			return true
		}, max: 1 << 10, reason: source.BillInvalid, texts: []string{"more than 1024 bytes"}},
		"too often": {handle: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		}, reason: source.Throttled, texts: []string{"answers 429"}},
		"down": {handle: func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}, reason: source.NotReachable, texts: []string{"answers 502"}},
		"not there": {handle: func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusNotFound)
			return true
		}, reason: source.SourceInvalid, texts: []string{"answers 404 for /a.csv"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.handle = c.handle
			r := newReading(t, s.URL+"/a.csv")
			r.max = c.max
			if _, err := r.read(); !is(err, c.reason, c.texts...) {
				t.Errorf("it says %v", err)
			}
			if got := r.cost(); got != "" {
				t.Errorf("something counts: %s", got)
			}
		})
	}
}

func TestNew_WantsNamesOfBillsEachOnce(t *testing.T) {
	for raw, want := range map[string]string{"http://a.b/c": "does not end in", "http://a.b/c.csv": "stands in the list twice"} {
		var urls []*url.URL
		for _, one := range strings.Fields(raw) {
			u, err := url.Parse(one)
			if err != nil {
				t.Fatal(err)
			}
			urls = append(urls, u, u)
		}
		if _, err := httplocation.New(httplocation.Options{URLs: urls}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: it says %v", raw, err)
		}
	}
}

// is says whether an error is a failure of a reason, with texts.
func is(err error, reason source.Reason, texts ...string) bool {
	failure, ok := errors.AsType[*source.Failure](err)
	if !ok || failure.Reason != reason {
		return false
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			return false
		}
	}
	return true
}
