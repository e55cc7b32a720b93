package spending_test

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/spending"
)

var (
	now   = time.Date(2026, time.November, 16, 9, 30, 0, 0, time.UTC)
	today = forecast.DayOf(now)
)

func money(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// monthly is a limit of team shop.
func monthly(amount string, enforcement platformv1alpha1.Enforcement) spending.Limit {
	limit, err := spending.OfTeam("shop", &platformv1alpha1.SpendingLimit{
		Name: "monthly", Amount: platformv1alpha1.Amount(amount), Currency: "USD", Enforcement: enforcement,
	}, nil, today)
	if err != nil {
		panic(err)
	}
	return limit
}

// each is a day's cost on so many days, the last of which is so many before today; these are settled.
func each(amount string, days, before int) spending.Ledger {
	ledger := spending.Ledger{Source: platformv1alpha1.CostFromBills}
	for i := range days {
		ledger.Points = append(ledger.Points, forecast.Point{Day: today - forecast.Day(before+i), Usage: money(amount)})
	}
	return ledger
}

func change(component, before, after string) spending.Change {
	return spending.Change{
		Place: spending.Place{Component: component, Environment: "prod"}, Namespace: "team-shop", Release: component + "-prod-2",
		Tier: platformv1alpha1.TierProduction, Before: money(before), After: money(after), Currency: "USD",
	}
}

func running(component string, number int64, monthly string, since forecast.Day) spending.Running {
	return spending.Running{
		Place: spending.Place{Component: component, Environment: "prod"}, Release: fmt.Sprintf("%s-prod-%d", component, number), Number: number,
		Since: since, Known: true, Monthly: money(monthly), Currency: "USD",
	}
}

func reckon(t *testing.T, limit spending.Limit, ledger spending.Ledger, runs ...spending.Running) spending.Figures {
	t.Helper()
	f, err := spending.Reckon(limit, ledger, runs, nil, nil, today)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheForecastCountsWhatTheDaysDoNotShowYet(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ledger          spending.Ledger
		runs            []spending.Running
		expected, added string
	}{
		// 30 days of November by 10 each.
		"nothing new": {each("10", 60, 2), []spending.Running{running("a", 1, "304.1667", today-40)}, "300", "0"},
		// 730 a month are 24 a day; of November 16 to 30 are left, and of the 15th nothing is recorded.
		"a Release of today":      {each("10", 60, 2), []spending.Running{running("a", 1, "730", today)}, "660", "360"},
		"one of yesterday":        {each("10", 60, 2), []spending.Running{running("a", 1, "730", today-1)}, "684", "384"},
		"one that days do show":   {each("10", 60, 2), []spending.Running{running("a", 1, "730", today-2)}, "300", "0"},
		"one in another's place":  {each("10", 60, 2), []spending.Running{running("a", 1, "365", today-40), running("a", 2, "730", today)}, "480", "180"},
		"one that costs less":     {each("10", 60, 2), []spending.Running{running("a", 1, "730", today-40), running("a", 2, "365", today)}, "140", "-180"},
		"two of one day":          {each("10", 60, 2), []spending.Running{running("a", 1, "730", today-40), running("a", 2, "365", today), running("a", 3, "730", today)}, "300", "0"},
		"what was before is gone": {each("10", 60, 2), []spending.Running{running("a", 7, "730", today)}, "300", "0"},
		// Without any day the estimates of all that runs count, for the 15 days that are left.
		"no history": {spending.Ledger{}, []spending.Running{running("a", 1, "730", today-40), running("b", 1, "73", today)}, "396", "396"},
		"nothing":    {spending.Ledger{}, nil, "0", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			f := reckon(t, monthly("5000", platformv1alpha1.EnforceAlert), tc.ledger, tc.runs...)
			if !f.Expected.Round(2).Equal(money(tc.expected)) || !f.Added.Round(2).Equal(money(tc.added)) {
				t.Errorf("expected %s and added %s, want %s and %s: %s", f.Expected, f.Added, tc.expected, tc.added, f.Note)
			}
		})
	}
}

func TestAPendingReleaseCountsAndWhatTakesItsPlaceIsJudgedAgainstIt(t *testing.T) {
	t.Parallel()
	waits := running("a", 2, "1460", today)
	waits.Pending = true
	runs := []spending.Running{running("a", 1, "730", today-40), waits}
	if f := reckon(t, monthly("5000", ""), each("10", 60, 2), runs...); !f.Added.Round(2).Equal(money("360")) {
		t.Errorf("a Release that waits adds %s, want 360", f.Added)
	}
	next := change("a", "1460", "2190")
	f, err := spending.Reckon(monthly("5000", ""), each("10", 60, 2), runs, nil, &next, today)
	if err != nil || !f.Added.Round(2).Equal(money("360")) {
		t.Errorf("what was let in and is yet to be applied must count: it adds %s, %v", f.Added, err)
	}
}

func TestAmountsOfAnotherCurrencyAreNamedAndNotAdded(t *testing.T) {
	t.Parallel()
	euros := running("b", 1, "730", today)
	euros.Currency = "EUR"
	unknown := running("c", 1, "0", today)
	unknown.Known = false
	f := reckon(t, monthly("5000", ""), each("10", 60, 2), running("a", 1, "730", today), euros, unknown)
	if !f.Expected.Round(2).Equal(money("660")) || !strings.Contains(f.Note, "no estimate in USD: b in prod, c in prod") {
		t.Errorf("expected %s: %s", f.Expected, f.Note)
	}
	c := change("a", "0", "1")
	c.Currency = "EUR"
	v := spending.Judge([]spending.Figures{reckon(t, monthly("5000", ""), each("10", 60, 2))}, c, today)
	if v.Decision != spending.Deny || !strings.Contains(v.Message, "nothing is converted") {
		t.Errorf("a change in another currency: %+v", v)
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	ask, deny := platformv1alpha1.EnforceApproval, platformv1alpha1.EnforceDeny
	back, approved, broken, other := change("a", "0", "730"), change("a", "0", "730"), change("a", "0", "730"), change("a", "0", "730")
	back.Back, approved.ApprovedBy, broken.BreakGlassBy, other.Environment = true, "olga", "olga", "dev"
	onlyProd := monthly("600", deny)
	onlyProd.Scope.Environments = []string{"prod"}
	for name, tc := range map[string]struct {
		limits   []spending.Limit
		change   spending.Change
		decision spending.Decision
		says     string
	}{
		// The forecast is 300, and 730 a month add 360 in the 15 days that are left.
		"it fits":                           {[]spending.Limit{monthly("660", deny)}, change("a", "0", "730"), spending.Allow, ""},
		"a cent too much":                   {[]spending.Limit{monthly("659.99", deny)}, change("a", "0", "730"), spending.Deny, "659.99 USD for 2026-11, and the forecast is 300.00 USD without it (80 % interval"},
		"it asks":                           {[]spending.Limit{monthly("600", ask)}, change("a", "0", "730"), spending.RequireApproval, "waits for an approval"},
		"it was approved":                   {[]spending.Limit{monthly("600", ask)}, approved, spending.Allow, "olga approved it"},
		"an approval opens no denial":       {[]spending.Limit{monthly("600", deny)}, approved, spending.Deny, ""},
		"the glass was broken":              {[]spending.Limit{monthly("600", deny)}, broken, spending.Allow, "olga let it in"},
		"the strictest decides":             {[]spending.Limit{monthly("600", ask), monthly("600", deny), monthly("600", ask)}, change("a", "0", "730"), spending.Deny, ""},
		"it only alerts":                    {[]spending.Limit{monthly("1", platformv1alpha1.EnforceAlert)}, change("a", "0", "730"), spending.Allow, ""},
		"a reduction passes":                {[]spending.Limit{monthly("1", deny)}, change("a", "731", "730"), spending.Allow, ""},
		"the same passes":                   {[]spending.Limit{monthly("1", deny)}, change("a", "730", "730"), spending.Allow, ""},
		"a rollback passes":                 {[]spending.Limit{monthly("1", deny)}, back, spending.Allow, ""},
		"what is above already stays out":   {[]spending.Limit{monthly("100", deny)}, change("a", "0", "0.01"), spending.Deny, ""},
		"another environment is no concern": {[]spending.Limit{onlyProd}, other, spending.Allow, ""},
		"its own is":                        {[]spending.Limit{onlyProd}, change("a", "0", "730"), spending.Deny, "a in prod adds 730.00 USD a month"},
	} {
		t.Run(name, func(t *testing.T) {
			var figures []spending.Figures
			for _, l := range tc.limits {
				figures = append(figures, reckon(t, l, each("10", 60, 2)))
			}
			v := spending.Judge(figures, tc.change, today)
			if v.Decision != tc.decision || !strings.Contains(v.Message, tc.says) {
				t.Errorf("it is %s, want %s: %s", v.Decision, tc.decision, v.Message)
			}
			if v.Decision == spending.Deny && !strings.Contains(v.Message, "ask the platform team to raise spec.spending.limits[monthly] of Team shop") {
				t.Errorf("it does not say what to do: %s", v.Message)
			}
		})
	}
}

// store holds reservations as an API server does: who writes must have read the last ones.
type store struct {
	version  int
	reserved []spending.Reservation
}

// TestConcurrentChangesNeverAddUpToMoreThanTheLimit has changers read, judge, write and make their Releases in any order, with a cache that
// lags behind, and looks at what was let in.
func TestConcurrentChangesNeverAddUpToMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	for seed := range int64(100) {
		random := rand.New(rand.NewSource(seed)) //nolint:gosec // repeatable
		limit := monthly("1020", platformv1alpha1.EnforceDeny)
		limit.Type = platformv1alpha1.PeriodCustom // this month alone
		books := []spending.Book{{Limit: limit, Ledger: each("10", 60, 2)}}
		// 730 a month add 360 each: of any number two fit, above 300 that are expected.
		const changers = 5
		type changer struct {
			change  spending.Change
			version int
			read    []spending.Reservation
			state   int
		}
		var all [changers]changer
		for i := range all {
			all[i].change = change(fmt.Sprintf("c%d", i), "0", "730")
		}
		var at store
		var made, cached []spending.Running
		admitted, clock := 0, now
		for step := 0; step < 400; step++ {
			c := &all[random.Intn(changers)]
			switch c.state {
			case 0: // it reads past the cache
				c.version, c.read, c.state = at.version, at.reserved, 1
			case 1: // it judges by the cache, and writes
				v, next, err := spending.Admit(books, cached, c.read, c.change, clock)
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case v.Decision != spending.Allow:
					c.state = 0
				case at.version != c.version:
					c.state = 0 // a conflict
				default:
					at.version++
					at.reserved, c.state = next, 2
					admitted++
				}
			case 2: // it makes its Release, as a rule
				c.state = 3
				r := running(c.change.Component, 2, "730", today)
				r.Number, r.Pending = 1, true
				made = append(made, r)
			}
			if random.Intn(3) == 0 {
				cached = append([]spending.Running(nil), made...)
			}
			clock = clock.Add(time.Duration(random.Intn(1000)) * time.Millisecond)
		}
		if admitted != 2 {
			t.Fatalf("seed %d: %d changes were let in, want 2", seed, admitted)
		}
	}
}

func TestARaiseMustFitIntoTheNextPeriodToo(t *testing.T) {
	t.Parallel()
	// On the last day of a month a raise adds one day of it, and then all of the next month.
	last := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)
	limit, err := spending.OfTeam("shop", &platformv1alpha1.SpendingLimit{Name: "monthly", Amount: "5000", Currency: "USD"}, nil, forecast.DayOf(last))
	if err != nil {
		t.Fatal(err)
	}
	books := []spending.Book{{Limit: limit}}
	v, reserved, err := spending.Admit(books, nil, nil, change("a", "0", "148000"), last)
	if err != nil || v.Decision != spending.Deny || len(reserved) != 0 || !strings.Contains(v.Message, "5000.00 USD for 2026-12") {
		t.Errorf("a raise that fits into one day alone: %+v, %v", v, err)
	}
	text, err := spending.Over(books[0], nil, change("a", "0", "148000"), forecast.DayOf(last))
	if err != nil || !strings.Contains(text, "5000.00 USD for 2026-12") || !strings.HasSuffix(text, "% over: it will not be let in") {
		t.Errorf("whoever makes it is told before: %q, %v", text, err)
	}
	if text, err = spending.Over(books[0], nil, change("a", "0", "4000"), forecast.DayOf(last)); text != "" || err != nil {
		t.Errorf("one that fits: %q, %v", text, err)
	}
	if v, _, err = spending.Admit(books, nil, nil, change("a", "0", "4000"), last); err != nil || v.Decision != spending.Allow {
		t.Errorf("one that fits: %+v, %v", v, err)
	}
	books[0].Limit.Type = platformv1alpha1.PeriodCustom
	if v, _, err = spending.Admit(books, nil, nil, change("a", "0", "148000"), last); err != nil || v.Decision != spending.Allow {
		t.Errorf("there is no period after one that comes once: %+v, %v", v, err)
	}
}

func TestWhatCannotBeEstimatedIsHeldBackByWhatBlocks(t *testing.T) {
	t.Parallel()
	unknown := spending.Change{Place: spending.Place{Component: "a", Environment: "prod"}, Namespace: "team-shop", Release: "a-prod-2", Unknown: true}
	for enforcement, want := range map[platformv1alpha1.Enforcement]spending.Decision{
		platformv1alpha1.EnforceAlert: spending.Allow, platformv1alpha1.EnforceApproval: spending.RequireApproval, platformv1alpha1.EnforceDeny: spending.Deny,
	} {
		v, reserved, err := spending.Admit([]spending.Book{{Limit: monthly("5000", enforcement)}}, nil, nil, unknown, now)
		if err != nil || v.Decision != want || len(reserved) != 0 || want != spending.Allow && (!strings.Contains(v.Message, "cannot be estimated") || !strings.Contains(v.Message, "towpath cost -f")) {
			t.Errorf("%s: %+v, %v", enforcement, v, err)
		}
	}
	unknown.Back = true
	if v, _, _ := spending.Admit([]spending.Book{{Limit: monthly("5000", platformv1alpha1.EnforceDeny)}}, nil, nil, unknown, now); v.Decision != spending.Allow {
		t.Errorf("a rollback: %+v", v)
	}
}

func TestRoomIsKeptAndGivenBack(t *testing.T) {
	t.Parallel()
	kept, err := spending.Reserve(nil, change("a", "0", "730"), now)
	if err != nil || len(kept) != 1 || !kept[0].Monthly.Equal(money("730")) {
		t.Fatalf("%+v %v", kept, err)
	}
	none, there := func(string, string) bool { return false }, func(_, release string) bool { return release == "a-prod-2" }
	if got := spending.Settle(kept, none, now.Add(spending.ReservedFor-time.Second)); len(got) != 1 {
		t.Error("room is given back while the Release may still be made")
	}
	if got := spending.Settle(kept, none, now.Add(spending.ReservedFor)); len(got) != 0 {
		t.Error("room is kept for ever")
	}
	if got := spending.Settle(kept, there, now); len(got) != 0 {
		t.Error("room is kept beside the Release")
	}
	for i := range 100 {
		kept, err = spending.Reserve(kept, change(fmt.Sprintf("c%d", i), "0", "1"), now)
	}
	if len(kept) != spending.MostReservations || err == nil {
		t.Errorf("%d are kept: %v", len(kept), err)
	}
}

// TestWhatIsAdmittedStaysWithin draws figures and changes, and holds every verdict to what it means.
func TestWhatIsAdmittedStaysWithin(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewSource(7)) //nolint:gosec // repeatable
	amount := func(most int) string { return decimal.New(int64(random.Intn(most*100)), -2).String() }
	for range 2000 {
		limit := monthly(decimal.New(int64(1+random.Intn(100000)), -2).String(), platformv1alpha1.EnforceDeny)
		c := change("a", amount(500), amount(500))
		f := reckon(t, limit, each(amount(50), 1+random.Intn(60), random.Intn(4)), running("b", 1, amount(900), today-forecast.Day(random.Intn(5))))
		v := spending.Judge([]spending.Figures{f}, c, today)
		left := decimal.NewFromInt(15)
		with := f.Expected.Add(spending.PerDay(c.Raises()).Mul(left))
		switch {
		case !c.Raises().IsPositive() && v.Decision != spending.Allow:
			t.Fatalf("a reduction is held up: %+v", v)
		case c.Raises().IsPositive() && (v.Decision == spending.Allow) != with.LessThanOrEqual(limit.Amount):
			t.Fatalf("%s with it, of %s: %+v", with, limit.Amount, v)
		}
	}
}
