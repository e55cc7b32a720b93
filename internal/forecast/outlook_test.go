package forecast_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/forecast"
)

func day(date string) forecast.Day {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic(err)
	}
	return forecast.DayOf(t)
}

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

// usage makes points from a day on, of what a function says of each.
func usage(from string, days int, of func(i int) float64) []forecast.Point {
	var points []forecast.Point
	for i := range days {
		points = append(points, forecast.Point{Day: day(from) + forecast.Day(i), Usage: decimal.NewFromFloat(of(i)).Round(4)})
	}
	return points
}

func constant(v float64) func(int) float64 { return func(int) float64 { return v } }

// noisy is a level with weekends and noise that is always the same.
func noisy(level, noise float64) func(int) float64 {
	random := rand.New(rand.NewPCG(7, 7))
	return func(i int) float64 {
		v := level * (1 + noise*random.NormFloat64())
		if i%7 >= 5 {
			v *= 0.6
		}
		return v
	}
}

func must(t *testing.T, points []forecast.Point, period forecast.Period, today forecast.Day) forecast.Outlook {
	t.Helper()
	o, err := forecast.LookAhead(points, period, today)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func want(t *testing.T, what string, got decimal.Decimal, expected string) {
	t.Helper()
	if !got.Equal(dec(expected)) {
		t.Errorf("%s is %s, and should be %s", what, got, expected)
	}
}

func TestPeriods(t *testing.T) {
	for _, tc := range []struct {
		name        string
		period      forecast.Period
		from, until string
		days        int
	}{
		{"month", forecast.Month(day("2026-02-28")), "2026-02-01", "2026-03-01", 28},
		{"leap month", forecast.Month(day("2028-02-29")), "2028-02-01", "2028-03-01", 29},
		{"december", forecast.Month(day("2026-12-31")), "2026-12-01", "2027-01-01", 31},
		{"quarter", forecast.Quarter(day("2026-11-15")), "2026-10-01", "2027-01-01", 92},
		{"first quarter", forecast.Quarter(day("2026-01-01")), "2026-01-01", "2026-04-01", 90},
		{"year", forecast.Year(day("2026-07-07")), "2026-01-01", "2027-01-01", 365},
	} {
		if tc.period.From.String() != tc.from || tc.period.Until.String() != tc.until || tc.period.Days() != tc.days {
			t.Errorf("%s: %s until %s, %d days", tc.name, tc.period.From, tc.period.Until, tc.period.Days())
		}
	}
	if got := forecast.DayOf(time.Date(2026, 3, 1, 0, 30, 0, 0, time.FixedZone("CET", 3600))); got != day("2026-02-28") {
		t.Errorf("half past midnight in Berlin is %s in UTC", got)
	}
	if got := forecast.DayOf(time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC)); got != -1 {
		t.Errorf("the day before the first is %d", got)
	}
}

func TestAConstantCostGoesOn(t *testing.T) {
	o := must(t, usage("2026-08-01", 102, constant(10)), forecast.Month(day("2026-11-11")), day("2026-11-11"))
	if o.Basis != forecast.Backtest {
		t.Fatalf("the basis is %s: %s", o.Basis, o.Note)
	}
	want(t, "spent", o.Spent, "100")
	want(t, "the total", o.Total, "300")
	want(t, "the lower end", o.Low, "300")
	want(t, "the upper end", o.High, "300")
	if len(o.Days) != 20 || o.Days[0].Day != day("2026-11-11") {
		t.Errorf("%d days are left, from %s", len(o.Days), o.Days[0].Day)
	}
}

func TestWhatCannotBeRightIsRefused(t *testing.T) {
	today := day("2026-11-10")
	good := usage("2026-11-01", 5, constant(1))
	with := func(p forecast.Point) []forecast.Point { return append(append([]forecast.Point{}, good...), p) }
	for name, tc := range map[string]struct {
		points []forecast.Point
		says   string
	}{
		"a day twice":     {with(forecast.Point{Day: day("2026-11-03")}), "2026-11-03 comes twice"},
		"a day to come":   {with(forecast.Point{Day: day("2026-11-11")}), "2026-11-11 lies after today"},
		"too much":        {with(forecast.Point{Day: today, Usage: dec("1e300")}), "usage of 2026-11-10"},
		"beyond numbers":  {with(forecast.Point{Day: today, Taxes: decimal.New(1, math.MaxInt32)}), "taxes of 2026-11-10"},
		"below all digit": {with(forecast.Point{Day: today, Credits: decimal.New(1, math.MinInt32)}), "credits of 2026-11-10"},
	} {
		_, err := forecast.LookAhead(tc.points, forecast.Month(today), today)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := forecast.FindAnomalies(tc.points, today, forecast.Limits{}); err == nil {
			t.Errorf("%s: anomalies were looked for", name)
		}
	}
	if _, err := forecast.LookAhead(good, forecast.Period{From: today, Until: today}, today); err == nil {
		t.Error("a period of no day was taken")
	}
	if _, err := forecast.FindAnomalies(good, today, forecast.Limits{Percent: -1}); err == nil {
		t.Error("a limit below zero was taken")
	}
}

func TestShortHistoriesSayWhatTheyCan(t *testing.T) {
	today := day("2026-11-10")
	month := forecast.Month(today)
	for _, tc := range []struct {
		name     string
		points   []forecast.Point
		basis    forecast.Basis
		total    string
		interval bool
	}{
		{"none", nil, forecast.Nothing, "0", false},
		{"provisional alone", []forecast.Point{{Day: today, Usage: dec("3"), Provisional: true}}, forecast.Nothing, "0", false},
		{"one day", usage("2026-11-09", 1, constant(10)), forecast.Few, "220", false},
		{"five days", usage("2026-11-05", 5, constant(10)), forecast.Few, "260", false},
		{"four weeks", usage("2026-10-13", 28, constant(10)), forecast.Few, "300", false},
		{"zeros", usage("2026-08-01", 101, constant(0)), forecast.Backtest, "0", true},
	} {
		o := must(t, tc.points, month, today)
		if o.Basis != tc.basis || o.Note == "" || o.HasTotal() != (tc.basis != forecast.Nothing) || o.HasInterval() != tc.interval {
			t.Errorf("%s: the basis is %s: %s", tc.name, o.Basis, o.Note)
		}
		want(t, tc.name+": the total", o.Total, tc.total)
	}
	if o := must(t, nil, month, today); !strings.Contains(o.Note, "No day is settled") {
		t.Errorf("without a day it says %q", o.Note)
	}
}

func TestPurchasesTaxesAndCreditsAreKeptApart(t *testing.T) {
	points := usage("2026-07-01", 140, constant(10)) // to 2026-11-17
	for i := range points {
		switch points[i].Day {
		case day("2026-08-02"), day("2026-09-02"), day("2026-10-02"):
			points[i].Taxes = dec("30")
		case day("2026-11-03"):
			points[i].Purchases = dec("500")
			points[i].Credits = dec("-100")
		case day("2026-11-04"):
			points[i].Taxes = dec("12")
		}
	}
	o := must(t, points, forecast.Month(day("2026-11-18")), day("2026-11-18"))
	want(t, "usage", o.Usage, "170")
	want(t, "purchases", o.Purchases, "500")
	want(t, "taxes", o.Taxes, "12")
	want(t, "credits", o.Credits, "-100")
	want(t, "spent", o.Spent, "582")
	want(t, "what recurs: the rest of the taxes, not the purchase that came once", o.Recurring, "18")
	want(t, "the total: neither purchases nor credits go on", o.Total, "730")

	o = must(t, points, forecast.Quarter(day("2026-11-18")), day("2026-11-18"))
	want(t, "what recurs in a quarter: the rest of this month, and the next", o.Recurring, "48")

	for i := range points {
		if points[i].Day == day("2026-09-02") {
			points[i].Taxes = decimal.Zero
		}
	}
	o = must(t, points, forecast.Month(day("2026-11-18")), day("2026-11-18"))
	want(t, "what recurs where a month had none", o.Recurring, "0")
}

func TestProvisionalDaysCountAsSpentAndTeachNothing(t *testing.T) {
	points := usage("2026-08-01", 102, constant(10)) // to 2026-11-10
	points = append(points,
		forecast.Point{Day: day("2026-11-11"), Usage: dec("4"), Provisional: true},
		forecast.Point{Day: day("2026-11-12"), Usage: dec("999"), Provisional: true})
	o := must(t, points, forecast.Month(day("2026-11-12")), day("2026-11-12"))
	want(t, "spent", o.Spent, "1103")
	want(t, "the provisional part", o.Provisional, "1003")
	want(t, "what the first provisional day may grow by", o.Days[0].Amount, "6")
	want(t, "what the second may", o.Days[1].Amount, "0")
	want(t, "the next day, of which they teach nothing", o.Days[2].Amount, "10")
	want(t, "the total", o.Total, "1289")
}

func TestGapsAreEstimatedAndNamed(t *testing.T) {
	all := usage("2026-08-01", 102, constant(10))
	var points []forecast.Point
	for _, p := range all {
		if p.Day != day("2026-11-05") && p.Day != day("2026-09-09") && p.Day < day("2026-11-10") {
			points = append(points, p)
		}
	}
	o := must(t, points, forecast.Month(day("2026-11-11")), day("2026-11-11"))
	if diff := cmp.Diff([]forecast.Day{day("2026-11-05"), day("2026-11-10")}, o.Missing); diff != "" {
		t.Errorf("the missing days: %s", diff)
	}
	if !strings.Contains(o.Note, "2026-11-05") {
		t.Errorf("the note does not name the first: %s", o.Note)
	}
	want(t, "spent", o.Spent, "80")
	want(t, "the total", o.Total, "300")
}

func TestCreditsMayExceedCosts(t *testing.T) {
	o := must(t, usage("2026-08-01", 102, constant(-10)), forecast.Month(day("2026-11-11")), day("2026-11-11"))
	want(t, "the total", o.Total, "-300")
}

func TestAPeriodThatIsOverIsSpent(t *testing.T) {
	points := usage("2026-08-01", 102, constant(10))
	o := must(t, points, forecast.Month(day("2026-10-01")), day("2026-11-11"))
	if o.Basis != forecast.Over || len(o.Days) > 0 {
		t.Errorf("the basis is %s, and %d days are left", o.Basis, len(o.Days))
	}
	want(t, "the total", o.Total, "310")
	want(t, "the upper end", o.High, "310")
}

func TestAPeriodMayBeToCome(t *testing.T) {
	points := usage("2026-08-01", 102, constant(10))
	o := must(t, points, forecast.Month(day("2026-12-01")), day("2026-11-11"))
	want(t, "spent", o.Spent, "0")
	want(t, "the total", o.Total, "310")
	o = must(t, points, forecast.Year(day("2026-12-01")), day("2026-11-11"))
	want(t, "the year's total", o.Total, "1530")
}

func TestAStepIsTakenOverWithinDays(t *testing.T) {
	base := noisy(100, 0.03)
	points := usage("2026-06-01", 163, func(i int) float64 { // Mondays first; to 2026-11-10
		v := base(i)
		if i >= 157 {
			v *= 2
		}
		return v
	})
	o := must(t, points, forecast.Month(day("2026-11-11")), day("2026-11-11"))
	actual := 0.0
	for i := 163; i < 183; i++ {
		actual += 200
		if i%7 >= 5 {
			actual -= 80
		}
	}
	actual += o.Spent.InexactFloat64()
	if got := o.Total.InexactFloat64(); math.Abs(got-actual) > 0.1*actual {
		t.Errorf("six days after a step, %.0f is forecast, and %.0f would be right", got, actual)
	}
}

func TestTheEndOfAMonthIsForeseen(t *testing.T) {
	base := noisy(100, 0.03)
	points := usage("2026-01-05", 310, func(i int) float64 {
		d := (day("2026-01-05") + forecast.Day(i)).Time()
		if d.AddDate(0, 0, 1).Day() == 1 {
			return 3 * base(i)
		}
		return base(i)
	})
	o := must(t, points, forecast.Month(day("2026-11-11")), day("2026-11-11"))
	if last := o.Days[len(o.Days)-1].Amount.InexactFloat64(); !o.Adjusted || last < 200 {
		t.Errorf("the month's last day is forecast as %.0f (adjusted: %t)", last, o.Adjusted)
	}
}

// TestProperties draws series, and holds what is true of every one of them.
func TestProperties(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 3))
		var points []forecast.Point
		today := day("2026-11-20")
		for d := today - forecast.Day(random.IntN(420)); d <= today; d++ {
			if random.IntN(20) == 0 {
				continue
			}
			points = append(points, forecast.Point{
				Day: d, Usage: decimal.NewFromFloat(100 * random.NormFloat64()).Round(int32(random.IntN(8))), Taxes: decimal.New(random.Int64N(100), -2),
				Credits: decimal.New(-random.Int64N(100), -2), Provisional: d >= today-1,
			})
		}
		for _, period := range []forecast.Period{forecast.Month(today), forecast.Quarter(today), forecast.Year(today), {From: today - 10, Until: today + 25}} {
			o := must(t, points, period, today)
			holds(t, &o)
			if !o.Spent.Equal(o.Usage.Add(o.Purchases).Add(o.Taxes).Add(o.Credits)) {
				t.Fatalf("seed %d: the parts of %s do not sum up", seed, o.Spent)
			}
			random.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
			again := must(t, points, period, today)
			if a, b := fmt.Sprint(o), fmt.Sprint(again); a != b {
				t.Fatalf("seed %d: in another order of the days it is\n%s\nand not\n%s", seed, b, a)
			}
		}
	}
}

// holds checks what is true of every Outlook.
func holds(t *testing.T, o *forecast.Outlook) {
	t.Helper()
	if !o.HasTotal() {
		return
	}
	sum := o.Spent.Add(o.Recurring)
	for _, d := range o.Days {
		if !o.Period.Holds(d.Day) {
			t.Fatalf("%s is not in the period", d.Day)
		}
		sum = sum.Add(d.Amount)
	}
	if !sum.Equal(o.Total) {
		t.Fatalf("the total is %s, and its parts sum to %s", o.Total, sum)
	}
	if o.HasInterval() && (o.Low.GreaterThan(o.Total) || o.High.LessThan(o.Total)) {
		t.Fatalf("%s is not between %s and %s", o.Total, o.Low, o.High)
	}
}

func FuzzSeries(f *testing.F) {
	f.Add([]byte("\x01\x02\x03"), int64(1), int32(-2))
	f.Add([]byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), int64(-100000), int32(10))
	f.Add([]byte("abcdefgabcdefgabcdefgabcdefg\x00\xff\x00abcdefgabcdefgabcdefgabcdefgabcdefgabcdefg"), int64(999999), int32(300))
	f.Fuzz(func(t *testing.T, values []byte, scale int64, exponent int32) {
		if len(values) > 500 {
			return
		}
		today := day("2026-11-20")
		var points []forecast.Point
		for i, v := range values {
			if v == 0xff {
				continue
			}
			points = append(points, forecast.Point{
				Day: today - forecast.Day(i), Usage: decimal.New(scale*int64(v), exponent), Provisional: v == 0xfe,
			})
		}
		o, err := forecast.LookAhead(points, forecast.Quarter(today), today)
		a, errA := forecast.FindAnomalies(points, today, forecast.Limits{Percent: int(scale & 63)})
		if (err == nil) != (errA == nil) {
			t.Fatalf("one refuses what the other takes: %v, %v", err, errA)
		}
		if err != nil {
			return
		}
		holds(t, &o)
		for _, found := range a.Found {
			if found.From > found.Until || !found.Amount.Equal(found.Actual.Sub(found.Expected)) {
				t.Fatalf("%+v makes no sense", found)
			}
		}
	})
}
