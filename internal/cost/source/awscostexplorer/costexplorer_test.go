package awscostexplorer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/google/go-cmp/cmp"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/awscostexplorer"
	"github.com/towpath-dev/towpath/internal/cost/source/awskeys"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/outbound"
)

var now = time.Date(2026, time.November, 29, 12, 0, 0, 0, time.UTC)

// request is what Cost Explorer is asked.
type request struct {
	TimePeriod    struct{ Start, End string }
	Granularity   string
	Metrics       []string
	GroupBy       []struct{ Type, Key string }
	Filter        map[string]any
	NextPageToken string
}

// usage says whether it asks for what was used.
func (r *request) usage() bool { return r.Filter["Not"] != nil }

// server is shaped like Cost Explorer.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []request
	answer func(w http.ResponseWriter, r *request)
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var asked request
		if r.Header.Get("X-Amz-Target") != "AWSInsightsIndexService.GetCostAndUsage" || json.NewDecoder(r.Body).Decode(&asked) != nil ||
			!strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") {
			fail(w, http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid.")
			return
		}
		s.asked = append(s.asked, asked)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		s.answer(w, &asked)
	}))
	t.Cleanup(s.Close)
	return s
}

// take are the requests since the last time.
func (s *server) take() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.asked
	s.asked = nil
	return all
}

// fail answers as AWS does where something is wrong.
func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"__type":"com.amazonaws.ce#%s","message":%q}`, code, message)
}

// day is a day of an answer, with groups as "team$shop|Amazon S3|1.50|1.25".
func day(date string, estimated bool, groups ...string) string {
	start, _ := time.Parse(time.DateOnly, date)
	var all []string
	for _, group := range groups {
		parts := strings.Split(group, "|")
		all = append(all, fmt.Sprintf(`{"Keys":[%q,%q],"Metrics":{"UnblendedCost":{"Amount":%q,"Unit":"USD"},"NetAmortizedCost":{"Amount":%q,"Unit":"USD"}}}`,
			parts[0], parts[1], parts[2], parts[3]))
	}
	return fmt.Sprintf(`{"TimePeriod":{"Start":%q,"End":%q},"Total":{},"Groups":[%s],"Estimated":%t}`,
		date, start.AddDate(0, 0, 1).Format(time.DateOnly), strings.Join(all, ","), estimated)
}

// page is an answer.
func page(next string, days ...string) string {
	token := ""
	if next != "" {
		token = fmt.Sprintf(`,"NextPageToken":%q`, next)
	}
	return `{"GroupDefinitions":[{"Type":"TAG","Key":"team"},{"Type":"DIMENSION","Key":"SERVICE"}],"ResultsByTime":[` +
		strings.Join(days, ",") + `],"DimensionValueAttributes":[]` + token + `}`
}

// each answers with the same for each day that is asked for.
func each(r *request, make func(date string) string) string {
	start, _ := time.Parse(time.DateOnly, r.TimePeriod.Start)
	end, _ := time.Parse(time.DateOnly, r.TimePeriod.End)
	var days []string
	for ; start.Before(end); start = start.AddDate(0, 0, 1) {
		days = append(days, make(start.Format(time.DateOnly)))
	}
	return page("", days...)
}

// reading is a history with what is read into it.
type reading struct {
	t      *testing.T
	store  history.Store
	reader *awscostexplorer.Source
	task   source.Task
	spent  int
	most   int
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
	r := &reading{t: t, store: store, most: 100, reader: &awscostexplorer.Source{
		Region: "us-east-1", Endpoint: s.URL, TeamTag: "team", Reread: 3, Credentials: provider, Client: rules.Client(nil, time.Minute),
		Backoff: retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil }),
	}, task: source.Task{
		Source: "aws", Now: now, Backfill: 5, Settle: 24 * time.Hour, Attribution: source.DefaultAttribution("shop", "bank"),
	}}
	r.task.Spend = func(context.Context) error {
		if r.spent >= r.most {
			return &source.Failure{Reason: source.RequestLimitReached, Err: errors.New("enough for today")}
		}
		r.spent++
		return nil
	}
	return r
}

func (r *reading) read() (source.Outcome, error) {
	outcome, err := r.reader.Import(r.t.Context(), r.store, r.task)
	r.task.Cursor = outcome.Cursor
	return outcome, err
}

func (r *reading) mustRead() source.Outcome {
	r.t.Helper()
	outcome, err := r.read()
	if err != nil {
		r.t.Fatal(err)
	}
	return outcome
}

// figures are the sums of days before today, as text.
func (r *reading) figures(days history.Day) string {
	r.t.Helper()
	today := history.DayOf(now)
	sums, err := r.store.Sum(r.t.Context(), history.Query{From: today - days, To: today + 1, At: now, GroupBy: []history.Dimension{
		history.ByDay, history.ByTeam, history.ByCategory, history.ByService,
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range sums {
		open := ""
		if s.Provisional {
			open = " provisional"
		}
		fmt.Fprintf(&b, "%s team=%s %s %q billed %s effective %s %s%s\n", s.Day, s.Team, s.Category, s.Service, s.Billed, s.Effective, s.Currency, open)
	}
	return b.String()
}

func TestImport_ReadsBillAndPurchasesByTeamAndService(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, r *request) {
		switch {
		case r.usage() && r.NextPageToken == "":
			_, _ = fmt.Fprint(w, page("2", day("2026-11-27", false, "team$shop|Amazon S3|1.5|1.25", "team$|Amazon S3|0.0000000001|0", "team$Shop|AWS Lambda|-0.5|-0.5"), day("2026-11-28", true)))
		case r.usage():
			_, _ = fmt.Fprint(w, page("", day("2026-11-27", false, "team$ghost|Amazon S3|7|7"), day("2026-11-28", true, "team$bank|Amazon S3|2|2")))
		default:
			_, _ = fmt.Fprint(w, page("", day("2026-11-27", false, "team$|Tax|9|9", "team$|Credit|-3|-3", "team$shop|SavingsPlanRecurringFee|4|1", "team$|Usage|0|0")))
		}
	}
	r := newReading(t, s)
	outcome := r.mustRead()
	want := `2026-11-27 team= Credit "Credit" billed -3 effective -3 USD
2026-11-27 team= Tax "Tax" billed 9 effective 9 USD
2026-11-27 team= Usage "Amazon S3" billed 7.0000000001 effective 7 USD
2026-11-27 team=shop Purchase "SavingsPlanRecurringFee" billed 4 effective 1 USD
2026-11-27 team=shop Usage "AWS Lambda" billed -0.5 effective -0.5 USD
2026-11-27 team=shop Usage "Amazon S3" billed 1.5 effective 1.25 USD
2026-11-28 team=bank Usage "Amazon S3" billed 2 effective 2 USD provisional
`
	if diff := cmp.Diff(want, r.figures(10)); diff != "" {
		t.Error(diff)
	}
	if !cmp.Equal(outcome.UnknownTeams, []string{"ghost"}) || outcome.Rows != 8 {
		t.Errorf("it says %+v", outcome)
	}
	asked := s.take()
	if len(asked) != 3 || r.spent != 3 {
		t.Fatalf("it sent %d requests, and counted %d", len(asked), r.spent)
	}
	first := asked[0]
	if first.TimePeriod.Start != "2026-11-24" || first.TimePeriod.End != "2026-11-30" || first.Granularity != "DAILY" ||
		!cmp.Equal(first.Metrics, []string{"UnblendedCost", "NetAmortizedCost"}) || len(first.GroupBy) != 2 || first.GroupBy[0].Key != "team" || first.GroupBy[1].Key != "SERVICE" {
		t.Errorf("it asks %+v", first)
	}
}

func TestImport_AsksForNoDayThatIsFinalButTheLast(t *testing.T) {
	s, closed := newServer(t), "2026-11-26"
	s.answer = func(w http.ResponseWriter, r *request) {
		_, _ = fmt.Fprint(w, each(r, func(date string) string { return day(date, date > closed, "team$shop|Amazon S3|1|1") }))
	}
	r := newReading(t, s)
	r.task.Backfill = 30
	r.mustRead()
	s.take()
	r.mustRead()
	if asked := s.take(); len(asked) != 2 || asked[0].TimePeriod.Start != "2026-11-26" {
		t.Errorf("it asks %+v", asked)
	}
	if got := r.figures(3); !strings.Contains(got, "2026-11-27 team=shop Usage \"Amazon S3\" billed 2 effective 2 USD provisional\n") ||
		!strings.Contains(got, "2026-11-26 team=shop Usage \"Amazon S3\" billed 2 effective 2 USD\n") {
		t.Errorf("what is estimated, and what is not: %s", got)
	}
	closed = "2026-11-10" // a month is opened again
	r.mustRead()
	if got := s.take()[0].TimePeriod.Start; got != "2026-11-26" {
		t.Errorf("it asks from %s on", got)
	}
}

// TestImport_AsksForAMonthUntilItIsClosed has November still estimated when its first days are before the backfill.
func TestImport_AsksForAMonthUntilItIsClosed(t *testing.T) {
	s, closed := newServer(t), "2026-10-31"
	s.answer = func(w http.ResponseWriter, r *request) {
		_, _ = fmt.Fprint(w, each(r, func(date string) string { return day(date, date > closed, "team$shop|Amazon S3|1|1") }))
	}
	r := newReading(t, s)
	r.task.Backfill = 30
	r.mustRead()
	r.task.Now = time.Date(2026, time.December, 5, 12, 0, 0, 0, time.UTC)
	r.mustRead()
	closed = "2026-12-03"
	r.task.Now = time.Date(2026, time.December, 6, 12, 0, 0, 0, time.UTC)
	s.take()
	r.mustRead()
	if got := s.take()[0].TimePeriod.Start; got != "2026-11-01" {
		t.Errorf("it asks from %s on", got)
	}
	for _, on := range []string{"2026-11-01", "2026-11-04", "2026-11-27"} {
		if got := r.figures(28); !strings.Contains(got, on+" team=shop Usage \"Amazon S3\" billed 2 effective 2 USD\n") {
			t.Errorf("%s is still an estimate: %s", on, got)
		}
	}
}

func TestImport_TellsADayThatCostNothingFromOneThatIsNotKnown(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, r *request) {
		_, _ = fmt.Fprint(w, each(r, func(date string) string { return day(date, date > "2026-11-26") }))
	}
	r := newReading(t, s)
	r.mustRead()
	want := `2026-11-24 team= Usage "" billed 0 effective 0 USD
2026-11-25 team= Usage "" billed 0 effective 0 USD
2026-11-26 team= Usage "" billed 0 effective 0 USD
`
	if diff := cmp.Diff(want, r.figures(10)); diff != "" {
		t.Error(diff)
	}
}

func TestImport_TriesAgainAFewTimesAndCountsEach(t *testing.T) {
	s, failures := newServer(t), 2
	s.answer = func(w http.ResponseWriter, r *request) {
		if failures--; failures >= 0 {
			fail(w, http.StatusBadRequest, "LimitExceededException", "Rate exceeded")
			return
		}
		_, _ = fmt.Fprint(w, each(r, func(date string) string { return day(date, false) }))
	}
	r := newReading(t, s)
	r.mustRead()
	if r.spent != 4 {
		t.Errorf("%d requests were counted", r.spent)
	}
	failures = 1000
	before := r.spent
	_, err := r.read()
	if !is(err, source.Throttled, "LimitExceededException", "Rate exceeded", "tried again later") || r.spent-before != 4 {
		t.Errorf("after %d requests it says %v", r.spent-before, err)
	}
}

func TestImport_CountsNothingWhereItMaySendNoMore(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, r *request) {
		_, _ = fmt.Fprint(w, page("more"+r.NextPageToken, day("2026-11-27", false, "team$shop|Amazon S3|1|1")))
	}
	r := newReading(t, s)
	r.most = 5
	_, err := r.read()
	if !is(err, source.RequestLimitReached, "enough for today") || len(s.take()) != 5 {
		t.Errorf("it says %v", err)
	}
	if got := r.figures(10); got != "" {
		t.Errorf("something counts: %s", got)
	}
}

func TestImport_SaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *request)
		reason source.Reason
		texts  []string
	}{
		"no data": {func(w http.ResponseWriter, _ *request) {
			fail(w, http.StatusBadRequest, "DataUnavailableException", "Data is not available. Please try to adjust the time period.")
		}, source.NotReachable, []string{"DataUnavailableException", "Open Cost Explorer once"}},
		"no rights": {func(w http.ResponseWriter, _ *request) {
			fail(w, http.StatusBadRequest, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/x is not authorized to perform: ce:GetCostAndUsage")
		}, source.CredentialsRefused, []string{"AccessDeniedException", "needs ce:GetCostAndUsage"}},
		"an expired token": {func(w http.ResponseWriter, _ *request) {
			fail(w, http.StatusBadRequest, "ExpiredTokenException", "The security token included in the request is expired")
		}, source.CredentialsRefused, []string{"expired"}},
		"another clock": {func(w http.ResponseWriter, _ *request) {
			fail(w, http.StatusForbidden, "InvalidSignatureException", "Signature not yet current: 20261129T120000Z is still later than 20261128T115000Z")
		}, source.CredentialsRefused, []string{"not yet current", "the clock of the manager's node is wrong"}},
		"no such tag": {func(w http.ResponseWriter, _ *request) {
			fail(w, http.StatusBadRequest, "ValidationException", "Invalid tag key")
		}, source.SourceInvalid, []string{"Invalid tag key", "teamTag"}},
		"a bill that changed": {func(w http.ResponseWriter, _ *request) {
			fail(w, http.StatusBadRequest, "RequestChangedException", "Your request parameters changed between pages.")
		}, source.Incomplete, []string{"tried again"}},
		"a server that is down": {func(w http.ResponseWriter, _ *request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}, source.NotReachable, []string{"Cost Explorer"}},
		"an answer that is cut off": {func(w http.ResponseWriter, r *request) {
			text := each(r, func(date string) string { return day(date, false, "team$shop|Amazon S3|1|1") })
			_, _ = fmt.Fprint(w, text[:len(text)/2])
		}, source.Incomplete, []string{"cut off"}},
		"another day": {func(w http.ResponseWriter, _ *request) {
			_, _ = fmt.Fprint(w, page("", day("2026-10-01", false)))
		}, source.BillInvalid, []string{"the answer is about 2026-10-01"}},
		"no number": {func(w http.ResponseWriter, _ *request) {
			_, _ = fmt.Fprint(w, page("", day("2026-11-27", false, "team$shop|Amazon S3|NaN|1")))
		}, source.BillInvalid, []string{"2026-11-27, group team$shop, Amazon S3", `UnblendedCost "NaN"`}},
		"another group": {func(w http.ResponseWriter, _ *request) {
			_, _ = fmt.Fprint(w, page("", day("2026-11-27", false, "env$prod|Amazon S3|1|1")))
		}, source.BillInvalid, []string{"begins with team$"}},
		"pages in a circle": {func(w http.ResponseWriter, _ *request) {
			_, _ = fmt.Fprint(w, page("again"))
		}, source.Incomplete, []string{"one before it"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.answer = c.answer
			r := newReading(t, s)
			_, err := r.read()
			if !is(err, c.reason, c.texts...) {
				t.Errorf("it says %v", err)
			}
			if err != nil && (strings.Contains(err.Error(), "AKIDEXAMPLE") || strings.Contains(err.Error(), "wJalr") || strings.Contains(err.Error(), "Signature=")) {
				t.Errorf("it shows credentials: %v", err)
			}
			if got := r.figures(10); got != "" {
				t.Errorf("something counts: %s", got)
			}
		})
	}
}

func TestImport_CountsNothingTwice(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, r *request) {
		if r.usage() {
			_, _ = fmt.Fprint(w, page("", day("2026-11-27", false, "team$shop|Amazon S3|1|1")))
			return
		}
		_, _ = fmt.Fprint(w, page(""))
	}
	r := newReading(t, s)
	r.mustRead()
	r.task.Cursor = "" // as after a crash before it was stored
	r.mustRead()
	if diff := cmp.Diff("2026-11-27 team=shop Usage \"Amazon S3\" billed 1 effective 1 USD\n", r.figures(10)); diff != "" {
		t.Error(diff)
	}
}

func TestImport_ReachesNoAddressThatMustNotBe(t *testing.T) {
	s := newServer(t)
	r := newReading(t, s)
	r.reader.Client = outbound.Rules{}.Client(nil, time.Minute)
	if _, err := r.read(); !is(err, source.SourceInvalid, "127.0.0.1 leads to a loopback address") || len(s.take()) != 0 {
		t.Errorf("it says %v", err)
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
