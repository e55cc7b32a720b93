package source_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
)

func TestOwner(t *testing.T) {
	attribution := source.DefaultAttribution("shop", "bank")
	for name, tc := range map[string]struct {
		tags    map[string]string
		want    source.Owner
		unknown string
	}{
		"no tags":                {nil, source.Owner{}, ""},
		"Towpath's labels":       {map[string]string{"platform.towpath.dev/team": "shop", "platform.towpath.dev/environment": "prod", "platform.towpath.dev/component": "checkout", "team": "bank"}, source.Owner{Team: "shop", Environment: "prod", Component: "checkout"}, ""},
		"tags that most have":    {map[string]string{"team": "bank", "environment": "Prod"}, source.Owner{Team: "bank", Environment: "prod"}, ""},
		"in capitals":            {map[string]string{"team": " SHOP "}, source.Owner{Team: "shop"}, ""},
		"an empty first one":     {map[string]string{"platform.towpath.dev/team": " ", "team": "bank"}, source.Owner{Team: "bank"}, ""},
		"a team that is not":     {map[string]string{"team": "Gone", "component": "x"}, source.Owner{}, "gone"},
		"a place without team":   {map[string]string{"environment": "prod"}, source.Owner{}, ""},
		"what no database takes": {map[string]string{"team": "sh\x00op", "component": "che\xffck\x00out", "environment": "\x00"}, source.Owner{Team: "shop", Component: "che\uFFFDckout"}, ""},
		"a tag without end":      {map[string]string{"team": strings.Repeat("x", 300)}, source.Owner{}, ""},
	} {
		got, unknown := attribution.Owner(func(key string) string { return tc.tags[key] })
		if got != tc.want || unknown != tc.unknown {
			t.Errorf("%s: %+v, unknown %q", name, got, unknown)
		}
	}
}

func TestPeriodOf(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for want, start := range map[string]time.Time{
		"2026-11":    time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC),
		"2026-10-31": time.Date(2026, time.November, 1, 0, 0, 0, 0, zone),
		"2026-11-15": time.Date(2026, time.November, 15, 0, 0, 0, 0, time.UTC),
	} {
		if got := source.PeriodOf(start); got != want {
			t.Errorf("%s is %s, want %s", start, got, want)
		}
	}
}

// charge is one of the first of November.
func charge(effective string, change ...func(*source.Charge)) *source.Charge {
	c := &source.Charge{
		Period: "2026-11", Day: history.Date(2026, time.November, 1), Service: "Compute", Category: history.Usage, Currency: "USD",
		Effective: source.AmountOf(decimal.RequireFromString(effective)),
	}
	for _, each := range change {
		each(c)
	}
	return c
}

func figures(l *source.Ledger) string {
	var b strings.Builder
	for _, period := range l.Periods() {
		for f, err := range l.Figures(period) {
			if err != nil {
				fmt.Fprintln(&b, err)
				continue
			}
			fmt.Fprintln(&b, period, f.Day, f.Team, f.Currency, f.Effective, f.Settles.Format(time.DateOnly))
		}
	}
	return b.String()
}

func TestLedger_AddsWhatBelongsTogether(t *testing.T) {
	l := source.NewLedger(0)
	noon := time.Date(2026, time.November, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []*source.Charge{
		charge("1"), charge("2", func(c *source.Charge) { c.Settles = noon }), charge("-0.5"),
		charge("4", func(c *source.Charge) { c.Currency = "EUR" }),
		charge("8", func(c *source.Charge) { c.Day-- }),
		charge("16", func(c *source.Charge) { c.Period = "2026-10" }),
		charge("32", func(c *source.Charge) { c.Team = "shop" }),
	} {
		if err := l.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	const want = `2026-10 2026-11-01  USD 16 0001-01-01
2026-11 2026-10-31  USD 8 0001-01-01
2026-11 2026-11-01  EUR 4 0001-01-01
2026-11 2026-11-01  USD 2.5 2026-11-04
2026-11 2026-11-01 shop USD 32 0001-01-01
`
	if diff := cmp.Diff(want, figures(l)); diff != "" {
		t.Error(diff)
	}
	// Whoever stores it may look twice.
	if diff := cmp.Diff(want, figures(l)); diff != "" {
		t.Error(diff)
	}
}

func TestLedger_RefusesWhatCannotBe(t *testing.T) {
	l := source.NewLedger(1)
	if err := l.Add(charge("1")); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]*source.Charge{
		"code of ISO 4217": charge("1", func(c *source.Charge) { c.Currency = "XXX" }),
		"Adjustment, not":  charge("1", func(c *source.Charge) { c.Category = "Refund" }),
		"billing period":   charge("1", func(c *source.Charge) { c.Period = "" }),
		"more than 1":      charge("1", func(c *source.Charge) { c.Team = "shop" }),
		"more than 1 diff": charge("1", func(c *source.Charge) { c.Day++ }),
	} {
		if err := l.Add(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it says %v, want %q", err, want)
		}
	}
	if got := figures(l); got != "2026-11 2026-11-01  USD 1 0001-01-01\n" {
		t.Errorf("it holds %s", got)
	}
}

func TestLedger_RefusesAmountsThatAreTooLarge(t *testing.T) {
	l := source.NewLedger(0)
	l.Convert(source.Conversions{"JPY": {To: "USD", Rate: decimal.RequireFromString("1000")}})
	if err := l.Add(charge("999999999999.99")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*source.Charge{
		"a trillion":        charge("1000000000000", func(c *source.Charge) { c.Team = "shop" }),
		"less than nothing": charge("-1e16", func(c *source.Charge) { c.Team = "shop" }),
		"billed":            charge("1", func(c *source.Charge) { c.Billed = source.AmountOf(decimal.New(1, 300)) }),
		"converted":         charge("1000000000", func(c *source.Charge) { c.Currency = "JPY" }),
		"the sum":           charge("1"),
	} {
		if err := l.Add(c); err == nil || !strings.Contains(err.Error(), "less than a trillion USD") {
			t.Errorf("%s: it says %v", name, err)
		}
	}
	if got := figures(l); strings.Count(got, "\n") != 1 || !strings.Contains(got, "USD 999999999999.99 ") {
		t.Errorf("it holds %s", got)
	}
}
