package opencost_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/opencost"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/showback"
)

var now = time.Date(2026, time.November, 29, 12, 0, 0, 0, time.UTC)

// server is shaped like OpenCost: it answers for one day with what the spec says of it.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []url.Values
	// answer answers for a day, as 2026-11-28.
	answer func(w http.ResponseWriter, day string)
	// behind is how far its clock is.
	behind time.Duration
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.URL.Path != "/allocation" {
			http.NotFound(w, r)
			return
		}
		s.asked = append(s.asked, r.URL.Query())
		w.Header().Set("Date", now.Add(-s.behind).Format(http.TimeFormat))
		s.answer(w, r.URL.Query().Get("window")[:10])
	}))
	t.Cleanup(s.Close)
	return s
}

// days are the days that were asked for since the last time.
func (s *server) days() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, query := range s.asked {
		all = append(all, query.Get("window")[:10])
	}
	s.asked = nil
	return all
}

// reading is a history with what is read into it.
type reading struct {
	t      *testing.T
	store  history.Store
	reader *opencost.Source
	task   source.Task
}

func newReading(t *testing.T, s *server) *reading {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "history.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := outbound.NewRules("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{t: t, store: store, reader: &opencost.Source{
		URL: u, Client: rules.Client(nil, time.Minute), Currency: "USD",
		Namespaces: map[string]source.Owner{"shop-prod": {Team: "shop", Environment: "prod"}},
	}, task: source.Task{
		Source: "cluster", Now: now, Backfill: 3, Settle: 24 * time.Hour, Attribution: source.DefaultAttribution("shop", "bank"),
	}}
	r.task.Keep = func(_ context.Context, cursor string) error {
		r.task.Cursor = cursor
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

// figures are the sums of a day as text.
func (r *reading) figures(day history.Day) string {
	r.t.Helper()
	sums, err := r.store.Sum(r.t.Context(), history.Query{From: day, To: day + 1, At: now, GroupBy: []history.Dimension{
		history.ByTeam, history.ByEnvironment, history.ByComponent, history.ByService,
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	for _, s := range sums {
		fmt.Fprintf(&b, "%s/%s/%s %s %s %s provisional=%t\n", s.Team, s.Environment, s.Component, s.Service, s.Effective, s.Currency, s.Provisional)
	}
	return b.String()
}

// allocations is an answer for a day: names with what stands in each.
func allocations(day string, all ...string) string {
	var sets []string
	for _, one := range all {
		name, costs, _ := strings.Cut(one, " ")
		sets = append(sets, fmt.Sprintf(`%q:{"name":%q,"properties":{"cluster":"one"},"window":{"start":"%sT00:00:00Z","end":"%sT23:59:59Z"},"start":"%sT00:00:00Z",`+
			`"minutes":1440.0,"cpuEfficiency":null,%s}`, name, name, day, day, day, costs))
	}
	return `{"code":200,"status":"success","data":[{` + strings.Join(sets, ",") + `}],"message":""}`
}

const none = "/__unallocated__/__unallocated__/__unallocated__/__unallocated__/__unallocated__/__unallocated__"

func TestImport_AllocatesByLabelsThenByNamespaceAndKeepsIdleApart(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, day string) {
		_, _ = fmt.Fprint(w, allocations(day,
			// label: team, environment and component of Towpath, then the plain ones.
			`shop-prod/shop/shop/prod/prod/checkout/checkout "cpuCost":1.25,"cpuCostAdjustment":-0.25,"ramCost":0.5,"gpuCost":0,"pvCost":0.125,"networkCost":0.0625,"loadBalancerCost":0,"sharedCost":0,"externalCost":0,"totalCost":1.6875`,
			`shop-prod`+none+` "cpuCost":2,"totalCost":2`,
			`elsewhere/ghost/ghost`+strings.Repeat("/__unallocated__", 4)+` "cpuCost":3,"totalCost":3`,
			`kube-system`+none+` "ramCost":4,"totalCost":4.5`,
			`__idle__ "cpuCost":5,"ramCost":6,"totalCost":11`,
			`__unmounted__`+none+` "pvCost":7,"totalCost":7`,
		))
	}
	r := newReading(t, s)
	outcome := r.mustRead()
	want := `// Idle CPU 5 USD provisional=false
// Idle Memory 6 USD provisional=false
// CPU 3 USD provisional=false
// Memory 4 USD provisional=false
// Other 0.5 USD provisional=false
// Unmounted Storage 7 USD provisional=false
shop/prod/ CPU 2 USD provisional=false
shop/prod/checkout CPU 1 USD provisional=false
shop/prod/checkout Memory 0.5 USD provisional=false
shop/prod/checkout Network 0.0625 USD provisional=false
shop/prod/checkout Storage 0.125 USD provisional=false
`
	got := r.figures(history.Date(2026, time.November, 27))
	if sorted(got) != sorted(want) {
		t.Error(cmp.Diff(sorted(want), sorted(got)))
	}
	if !cmp.Equal(outcome.UnknownTeams, []string{"ghost"}) || outcome.Rows != 24 || outcome.Warnings != nil {
		t.Errorf("it says %+v", outcome)
	}
	query := s.asked[0]
	if query.Get("aggregate") != "namespace,label:platform_towpath_dev_team,label:team,label:platform_towpath_dev_environment,label:environment,"+
		"label:platform_towpath_dev_component,label:component" || query.Get("step") != "1d" || query.Get("shareIdle") != "false" ||
		query.Get("window") != "2026-11-26T00:00:00Z,2026-11-27T00:00:00Z" {
		t.Errorf("it asks for %v", query)
	}
}

// TestImport_LetsNoLabelShiftCosts has labels in the namespace of a team name another one, none that exists, and what idle cost is
// called by.
func TestImport_LetsNoLabelShiftCosts(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, day string) {
		_, _ = fmt.Fprint(w, allocations(day,
			`shop-prod/__unallocated__/bank`+strings.Repeat("/__unallocated__", 3)+`/ledger "cpuCost":1,"totalCost":1`,
			`shop-prod/bank`+strings.Repeat("/__unallocated__", 5)+` "ramCost":2,"totalCost":2`,
			`shop-prod/ghost`+strings.Repeat("/__unallocated__", 5)+` "pvCost":4,"totalCost":4`,
			`shop-prod/shop`+strings.Repeat("/__unallocated__", 4)+`/a__idle__b "networkCost":8,"totalCost":8`,
			`elsewhere/__unallocated__/bank`+strings.Repeat("/__unallocated__", 4)+` "cpuCost":16,"totalCost":16`,
			`one/__idle__ "cpuCost":32,"totalCost":32`,
		))
	}
	r := newReading(t, s)
	r.task.Backfill = 0
	outcome := r.mustRead()
	want := `// Idle CPU 32 USD provisional=true
bank// CPU 16 USD provisional=true
shop//a__idle__b Network 8 USD provisional=true
shop/prod/ CPU 1 USD provisional=true
shop/prod/ Memory 2 USD provisional=true
shop/prod/ Storage 4 USD provisional=true
`
	if got := r.figures(history.DayOf(now)); sorted(got) != sorted(want) {
		t.Error(cmp.Diff(sorted(want), sorted(got)))
	}
	if len(outcome.UnknownTeams) > 0 {
		t.Errorf("it says %+v", outcome)
	}
}

// TestImport_IsShownAsIdleInReports has a report made of what was read.
func TestImport_IsShownAsIdleInReports(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, day string) {
		_, _ = fmt.Fprint(w, allocations(day, `shop-prod`+none+` "cpuCost":2,"totalCost":2`, `__idle__ "cpuCost":5,"ramCost":6,"totalCost":11`,
			`kube-system`+none+` "ramCost":4,"totalCost":4`))
	}
	r := newReading(t, s)
	r.task.Backfill = 0
	r.mustRead()
	month, today := showback.MonthOf(now), history.DayOf(now)
	sums, err := r.store.Sum(t.Context(), history.Query{From: month.Begin(), To: month.End(), At: now, GroupBy: showback.GroupBy})
	if err != nil {
		t.Fatal(err)
	}
	book := &showback.Book{Month: month, Now: now, Source: platformv1alpha1.CostsFromBills, First: today, Last: today, Sums: sums}
	report, err := showback.Open(book, nil).Report("shop")
	if err != nil || report == nil {
		t.Fatal(report, err)
	}
	got := map[platformv1alpha1.CostKind][]string{}
	for _, row := range report.Rows {
		got[row.Kind] = append(got[row.Kind], string(row.Effective))
	}
	want := map[platformv1alpha1.CostKind][]string{
		platformv1alpha1.CostOwn: {"2"}, platformv1alpha1.CostIdle: {"11"}, platformv1alpha1.CostShared: {"4"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func sorted(text string) string {
	all := strings.Split(text, "\n")
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func TestImport_AsksForDaysThatAreNotFinalAlone(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, day string) {
		_, _ = fmt.Fprint(w, allocations(day, `shop-prod`+none+` "cpuCost":2,"totalCost":2`))
	}
	r := newReading(t, s)
	r.mustRead()
	if diff := cmp.Diff([]string{"2026-11-26", "2026-11-27", "2026-11-28", "2026-11-29"}, s.days()); diff != "" {
		t.Error(diff)
	}
	if got := r.figures(history.DayOf(now) - 1); got != "shop/prod/ CPU 2 USD provisional=true\n" {
		t.Errorf("a day that is not final: %s", got)
	}
	r.mustRead()
	if diff := cmp.Diff([]string{"2026-11-28", "2026-11-29"}, s.days()); diff != "" {
		t.Errorf("the next time: %s", diff)
	}
	if got := r.figures(history.DayOf(now) - 2); got != "shop/prod/ CPU 2 USD provisional=false\n" {
		t.Errorf("a day that is: %s", got)
	}
}

func TestImport_GoesOnWhereItFailed(t *testing.T) {
	s, broken := newServer(t), true
	s.answer = func(w http.ResponseWriter, day string) {
		if day == "2026-11-28" && broken {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = fmt.Fprint(w, `{"code":500,"message":"querying prometheus: i/o timeout"}`)
			return
		}
		_, _ = fmt.Fprint(w, allocations(day, `shop-prod`+none+` "cpuCost":2,"totalCost":2`))
	}
	r := newReading(t, s)
	_, err := r.read()
	if !is(err, source.NotReachable, "answers 500 for 2026-11-28", "i/o timeout", "Look at the log of OpenCost") {
		t.Errorf("it says %v", err)
	}
	s.days()
	broken = false
	r.mustRead()
	if diff := cmp.Diff([]string{"2026-11-28", "2026-11-29"}, s.days()); diff != "" {
		t.Error(diff)
	}
}

func TestImport_KeepsWhatWasWhereOpenCostHasForgotten(t *testing.T) {
	s, kept := newServer(t), true
	s.answer = func(w http.ResponseWriter, day string) {
		if !kept {
			_, _ = fmt.Fprint(w, `{"code":200,"data":[{}]}`)
			return
		}
		_, _ = fmt.Fprint(w, allocations(day, `shop-prod`+none+` "cpuCost":2,"totalCost":2`))
	}
	r := newReading(t, s)
	r.mustRead()
	kept, r.task.Cursor = false, ""
	if outcome := r.mustRead(); len(outcome.Warnings) != 1 || !strings.Contains(outcome.Warnings[0], "of 4 days OpenCost knows nothing") {
		t.Errorf("it warns of %q", outcome.Warnings)
	}
	if got := r.figures(history.DayOf(now) - 2); got != "shop/prod/ CPU 2 USD provisional=false\n" {
		t.Error(got)
	}
}

func TestImport_FindsTheChargesOfATeamThatExistsNow(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, day string) {
		_, _ = fmt.Fprint(w, allocations(day, `elsewhere/ghost/ghost`+strings.Repeat("/__unallocated__", 4)+` "cpuCost":3,"totalCost":3`))
	}
	r := newReading(t, s)
	r.mustRead()
	s.days()
	r.task.Attribution = source.DefaultAttribution("ghost")
	if outcome := r.mustRead(); len(outcome.UnknownTeams) != 0 || len(s.days()) != 4 {
		t.Errorf("it says %+v", outcome)
	}
	if got := r.figures(history.DayOf(now) - 3); got != "ghost// CPU 3 USD provisional=false\n" {
		t.Error(got)
	}
}

func TestImport_TakesAmountsThatAreNoneForZeroAndSaysSo(t *testing.T) {
	s := newServer(t)
	s.answer = func(w http.ResponseWriter, day string) {
		_, _ = fmt.Fprint(w, allocations(day, `shop-prod`+none+` "cpuCost":NaN,"ramCost":null,"pvCost":-Infinity,"networkCost":1e-3,"totalCost":NaN`))
	}
	r := newReading(t, s)
	r.task.Backfill = 1
	if outcome := r.mustRead(); len(outcome.Warnings) != 1 || !strings.Contains(outcome.Warnings[0], "6 amounts of OpenCost are no numbers") {
		t.Errorf("it warns of %q", outcome.Warnings)
	}
	if got := r.figures(history.DayOf(now)); got != "shop/prod/ Network 0.001 USD provisional=true\n" {
		t.Error(got)
	}
}

func TestImport_GoesByTheClockThatIsBehind(t *testing.T) {
	s := newServer(t)
	s.behind = 36 * time.Hour
	s.answer = func(w http.ResponseWriter, day string) {
		_, _ = fmt.Fprint(w, allocations(day, `shop-prod`+none+` "cpuCost":2,"totalCost":2`))
	}
	r := newReading(t, s)
	if outcome := r.mustRead(); len(outcome.Warnings) != 1 || !strings.Contains(outcome.Warnings[0], "36h0m0s behind ours") {
		t.Errorf("it warns of %q", outcome.Warnings)
	}
	if got := r.figures(history.DayOf(now) - 2); got != "shop/prod/ CPU 2 USD provisional=true\n" {
		t.Errorf("a day that is over here, and not there: %s", got)
	}
}

func TestImport_SaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, string)
		reason source.Reason
		texts  []string
	}{
		"an error in an answer of 200": {
			func(w http.ResponseWriter, _ string) { _, _ = fmt.Fprint(w, `{"code":400,"message":"invalid window"}`) },
			source.NotReachable, []string{"answers 400", "invalid window"},
		},
		"a long text": {
			func(w http.ResponseWriter, _ string) {
				_, _ = fmt.Fprintf(w, `{"code":400,"message":"a\u0000%s"}`, strings.Repeat("ü", 400))
			},
			source.NotReachable, []string{"answers 400", ": a" + strings.Repeat("ü", 149) + "…"},
		},
		"no rights": {
			func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusForbidden) },
			source.CredentialsRefused, []string{"answers 403", "towpath-costsources"},
		},
		"too often": {
			func(w http.ResponseWriter, _ string) {
				w.Header().Set("Retry-After", "120")
				w.WriteHeader(http.StatusTooManyRequests)
			},
			source.Throttled, []string{"answers 429"},
		},
		"a redirect": {
			func(w http.ResponseWriter, _ string) {
				w.Header().Set("Location", "http://169.254.169.254/")
				w.WriteHeader(http.StatusFound)
			},
			source.SourceInvalid, []string{"answers 302", "must be OpenCost's API"},
		},
		"a window that goes on after the day": {
			func(w http.ResponseWriter, day string) {
				text := allocations(day, `a`+none+` "cpuCost":2,"totalCost":2`)
				_, _ = fmt.Fprint(w, strings.ReplaceAll(text, `"end":"`+day+`T23:59:59Z"`, `"end":"2027-01-01T00:00:00Z"`))
			},
			source.BillInvalid, []string{"of a window that ends at 2027-01-01T00:00:00Z"},
		},
		"two sets of one day": {
			func(w http.ResponseWriter, day string) {
				text := allocations(day, `a`+none+` "cpuCost":2,"totalCost":2`)
				begin, end := strings.Index(text, `"data":[`)+len(`"data":[`), strings.LastIndex(text, "]")
				_, _ = fmt.Fprint(w, text[:end]+","+text[begin:])
			},
			source.BillInvalid, []string{"it is there twice for the same window"},
		},
		"a page": {
			func(w http.ResponseWriter, _ string) { _, _ = fmt.Fprint(w, `<html>`) },
			source.BillInvalid, []string{"is not what OpenCost answers"},
		},
		"no data": {
			func(w http.ResponseWriter, _ string) { _, _ = fmt.Fprint(w, `{"code":200}`) },
			source.BillInvalid, []string{"the answer has no data"},
		},
		"cut off within": {
			func(w http.ResponseWriter, day string) {
				text := allocations(day, `a`+none+` "cpuCost":2,"totalCost":2`)
				_, _ = fmt.Fprint(w, text[:len(text)/2])
			},
			source.Incomplete, []string{"was cut off after"},
		},
		"cut off by the connection": {
			func(w http.ResponseWriter, _ string) {
				w.Header().Set("Content-Length", "1000")
				_, _ = fmt.Fprint(w, `{"code":200,"data":[{`)
			},
			source.Incomplete, []string{"was cut off after 21 bytes"},
		},
		"another day": {
			func(w http.ResponseWriter, _ string) {
				_, _ = fmt.Fprint(w, allocations("2026-10-01", `a`+none+` "cpuCost":2,"totalCost":2`))
			},
			source.BillInvalid, []string{"of a window that begins at 2026-10-01T00:00:00Z"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.answer = c.answer
			r := newReading(t, s)
			_, err := r.read()
			if !is(err, c.reason, c.texts...) {
				t.Errorf("it says %v", err)
			}
			if name == "too often" && !err.(*source.Failure).NotBefore.Equal(now.Add(2*time.Minute)) { //nolint:errorlint // it is at the top
				t.Errorf("it does not wait: %+v", err)
			}
			if got := r.figures(history.DayOf(now) - 3); got != "" {
				t.Errorf("something counts: %s", got)
			}
		})
	}
}

func TestImport_AsksNoAddressThatMustNotBe(t *testing.T) {
	for _, address := range []string{"http://169.254.169.254", "http://127.0.0.1:1"} {
		s := newServer(t)
		r := newReading(t, s)
		r.reader.URL, _ = url.Parse(address)
		r.reader.Client = outbound.Rules{}.Client(nil, time.Minute)
		if _, err := r.read(); !is(err, source.SourceInvalid, "address") {
			t.Errorf("%s: it says %v", address, err)
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
