package s3location_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5" //nolint:gosec // ETags of S3 are such
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/awskeys"
	"github.com/towpath-dev/towpath/internal/cost/source/focus"
	"github.com/towpath-dev/towpath/internal/cost/source/focus/s3location"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/outbound"
)

var now = time.Date(2026, time.November, 29, 12, 0, 0, 0, time.UTC)

const head = "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ServiceName,ChargePeriodStart,BillingPeriodStart,ServiceProviderName,Tags\n"

// row is a charge of a day of November.
func row(day int, amount string) string {
	return fmt.Sprintf("%s,%s,USD,Usage,Compute,2026-11-%02dT00:00:00Z,2026-11-01T00:00:00Z,AWS,\"{\"\"team\"\":\"\"shop\"\"}\"\n", amount, amount, day)
}

// server is shaped like S3 with the bucket bills, and gives two keys a page.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	objects map[string]string
	handle  func(w http.ResponseWriter, r *http.Request) bool
	pages   int
	parts   []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{objects: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.handle != nil && s.handle(w, r):
		case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"):
			fail(w, http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
		case r.URL.Path == "/bills" || r.URL.Path == "/bills/":
			s.list(w, r)
		case strings.HasPrefix(r.URL.Path, "/bills/"):
			s.get(w, r)
		default:
			fail(w, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message><RequestId>1</RequestId></Error>`, code, message)
}

func etag(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // as above
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	s.pages++
	query := r.URL.Query()
	var keys []string
	for key := range s.objects {
		if strings.HasPrefix(key, query.Get("prefix")) && key > query.Get("continuation-token") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	const page = 2
	more := ""
	if len(keys) > page {
		keys = keys[:page]
		more = "<NextContinuationToken>" + keys[page-1] + "</NextContinuationToken>"
	}
	var b strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&b, `<Contents><Key>%s</Key><LastModified>2026-11-29T04:01:00.000Z</LastModified><ETag>%s</ETag><Size>%d</Size></Contents>`, key, etag(s.objects[key]), len(s.objects[key]))
	}
	w.Header().Set("Content-Type", "application/xml")
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bills</Name><KeyCount>%d</KeyCount>`+
		`<IsTruncated>%t</IsTruncated>%s%s</ListBucketResult>`, len(keys), more != "", more, b.String())
}

func (s *server) get(w http.ResponseWriter, r *http.Request) {
	text, ok := s.objects[strings.TrimPrefix(r.URL.Path, "/bills/")]
	if !ok {
		fail(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	s.parts = append(s.parts, r.Header.Get("Range"))
	w.Header().Set("ETag", etag(text))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
}

// reading is a history with what is read into it.
type reading struct {
	t       *testing.T
	store   history.Store
	options s3location.Options
	task    source.Task
}

func newReading(t *testing.T, s *server) *reading {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	keys, err := awskeys.Parse([]byte("accessKeyID: AKIDEXAMPLE\nsecretAccessKey: wJalrXUtnFEMI\n"))
	if err != nil {
		t.Fatal(err)
	}
	provider, err := awskeys.Provider(t.Context(), keys, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := outbound.NewRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return &reading{t: t, store: store, options: s3location.Options{
		Bucket: "bills", Prefix: "focus/", Region: "us-east-1", Endpoint: s.URL, PathStyle: true, Credentials: provider, Client: rules.Client(nil, time.Minute),
		Backoff: retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil }),
	}, task: source.Task{
		Source: "bills", Now: now, Backfill: 60, Settle: 48 * time.Hour, Attribution: source.DefaultAttribution("shop"),
	}}
}

func (r *reading) read() (source.Outcome, error) {
	reader := &focus.Source{Place: "s3", Open: func(context.Context) (focus.Location, error) { return s3location.New(r.options), nil }}
	outcome, err := reader.Import(r.t.Context(), r.store, r.task)
	r.task.Cursor = outcome.Cursor
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

func packed(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func TestImport_ReadsAllPagesAndOnlyBills(t *testing.T) {
	s := newServer(t)
	s.objects = map[string]string{
		"focus/billing_period=2026-11/a.csv": head + row(1, "1") + row(2, "2"), "focus/billing_period=2026-11/b.csv.gz": packed(head + row(3, "4")),
		"focus/billing_period=2026-11/manifest.json": "{}", "focus/_tmp/c.csv": "x", "focus/.d.csv": "x", "focus/folder/": "", "else/e.csv": "x",
	}
	r := newReading(t, s)
	if outcome := r.mustRead("7"); outcome.Rows != 3 || s.pages < 3 {
		t.Errorf("%d pages, %+v", s.pages, outcome)
	}
	s.parts = nil
	if outcome := r.mustRead("7"); outcome.Rows != 0 || len(s.parts) != 0 {
		t.Errorf("what has not changed is read again: %v", s.parts)
	}
	s.objects["focus/billing_period=2026-11/a.csv"] = head + row(1, "9")
	r.mustRead("13")
}

func TestImport_ReadsLargeObjectsByParts(t *testing.T) {
	s := newServer(t)
	var b strings.Builder
	b.WriteString(head)
	for b.Len() < 9<<20 {
		b.WriteString(row(1, "1"))
	}
	s.objects["focus/a.csv"] = b.String()
	r := newReading(t, s)
	r.mustRead(fmt.Sprint((b.Len() - len(head)) / len(row(1, "1"))))
	want := []string{"bytes=0-4194303", "bytes=4194304-8388607", fmt.Sprintf("bytes=8388608-%d", b.Len()-1)}
	if !slices.Equal(s.parts, want) {
		t.Errorf("it asks for %v", s.parts)
	}
}

func TestImport_TriesAgainWhereAServerIsBusy(t *testing.T) {
	s := newServer(t)
	s.objects["focus/a.csv"] = head + row(1, "1")
	failures := 2
	s.handle = func(w http.ResponseWriter, _ *http.Request) bool {
		if failures--; failures >= 0 {
			fail(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
			return true
		}
		return false
	}
	newReading(t, s).mustRead("1")
}

func TestImport_SaysWhatIsWrong(t *testing.T) {
	always := func(status int, code, message string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			fail(w, status, code, message)
			return true
		}
	}
	for name, c := range map[string]struct {
		handle func(w http.ResponseWriter, r *http.Request) bool
		change func(*s3location.Options)
		reason source.Reason
		texts  []string
	}{
		"no rights":         {handle: always(http.StatusForbidden, "AccessDenied", "Access Denied"), reason: source.CredentialsRefused, texts: []string{"Access Denied", "s3:ListBucket"}},
		"another key":       {handle: always(http.StatusForbidden, "SignatureDoesNotMatch", "wrong"), reason: source.CredentialsRefused, texts: []string{"the secret key", "clock"}[1:]},
		"another clock":     {handle: always(http.StatusForbidden, "RequestTimeTooSkewed", "wrong"), reason: source.CredentialsRefused, texts: []string{"clock"}},
		"asked too often":   {handle: always(http.StatusServiceUnavailable, "SlowDown", "slow"), reason: source.Throttled, texts: []string{"SlowDown"}},
		"down":              {handle: always(http.StatusInternalServerError, "InternalError", "oops"), reason: source.NotReachable, texts: []string{"InternalError"}},
		"no such bucket":    {change: func(o *s3location.Options) { o.Bucket = "other" }, reason: source.SourceInvalid, texts: []string{"NoSuchBucket", "Correct bucket"}},
		"too many keys":     {change: func(o *s3location.Options) { o.MaxKeys = 1 }, reason: source.SourceInvalid, texts: []string{"more than 1 keys", "longer prefix"}},
		"no bills":          {change: func(o *s3location.Options) { o.Prefix = "none/" }, reason: source.SourceInvalid, texts: []string{"no bills"}},
		"a forbidden place": {change: func(o *s3location.Options) { o.Client = outbound.Rules{}.Client(nil, time.Minute) }, reason: source.SourceInvalid, texts: []string{"loopback"}},
		"pages in a circle": {change: func(o *s3location.Options) { o.MaxKeys = 20 }, handle: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/xml")
			_, _ = fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bills</Name><KeyCount>1</KeyCount>`+
				`<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken><Contents><Key>focus/a.csv</Key><Size>1</Size></Contents></ListBucketResult>`)
			return true
		}, reason: source.Incomplete, texts: []string{"bucket bills", "one before it"}},
		"gone meanwhile": {handle: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") == "" {
				return false
			}
			fail(w, http.StatusNotFound, "NoSuchKey", "gone")
			return true
		}, reason: source.Incomplete, texts: []string{"focus/a.csv", "it changed, or went"}},
		"changed meanwhile": {handle: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") == "" {
				return false
			}
			fail(w, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
			return true
		}, reason: source.Incomplete, texts: []string{"focus/a.csv", "it changed, or went"}},
		"cut off": {handle: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") == "" {
				return false
			}
			w.Header().Set("ETag", etag(head+row(1, "1")+row(2, "1")))
			w.Header().Set("Content-Range", "bytes 0-9/10")
			w.Header().Set("Content-Length", "500")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = fmt.Fprint(w, head+row(1, "1"))
			return true
		}, reason: source.Incomplete, texts: []string{"cut off after"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.objects["focus/a.csv"], s.objects["focus/b.csv"] = head+row(1, "1")+row(2, "1"), head+row(1, "1")
			s.handle = c.handle
			r := newReading(t, s)
			if c.change != nil {
				c.change(&r.options)
			}
			_, err := r.read()
			if !is(err, c.reason, c.texts...) {
				t.Errorf("it says %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "AKIDEXAMPLE") || strings.Contains(err.Error(), "wJalr") || strings.Contains(err.Error(), "Signature=")) {
				t.Errorf("it shows credentials: %v", err)
			}
			if got := r.cost(); got != "" {
				t.Errorf("something counts: %s", got)
			}
		})
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
