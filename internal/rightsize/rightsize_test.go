package rightsize_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/rightsize"
)

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func amount(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func resources(cpu, memory string) rightsize.Resources {
	return rightsize.Resources{CPU: amount(cpu), Memory: amount(memory)}
}

func prices(t *testing.T) *cost.Prices {
	t.Helper()
	list, err := cost.Load([]byte(`{currency: EUR, cpuCoreHour: "0.10", memoryGiBHour: "0.01", tiers: {Production: {cpuCoreHour: "0.20"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// said are hints in one line each.
func said(hints []rightsize.Hint) []string {
	var lines []string
	for i := range hints {
		h := &hints[i]
		line := strings.TrimSpace(fmt.Sprintf("%s %s %s", h.Kind, h.Environment, h.Component)) + ": " + h.Text
		if h.Saves != nil {
			line += " = " + h.Saves.String() + " " + h.Currency
		}
		lines = append(lines, line)
	}
	return lines
}

func TestRequests(t *testing.T) {
	week := 7 * 24 * time.Hour
	container := func(change func(*rightsize.Container)) rightsize.Container {
		c := rightsize.Container{
			Environment: "prod", Component: "checkout", Name: "app", Tier: platformv1alpha1.TierProduction, Pods: 2, Request: resources("1", "2"),
			Usage: &rightsize.Usage{Resources: resources("0.4", "1"), Samples: 2016, Window: week},
		}
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		change func(*rightsize.Container)
		want   string
	}{
		// 0.54 cores × 0.20 × 730 × 2 + 0.85 GiB × 0.01 × 730 × 2
		"less is enough": {
			func(*rightsize.Container) {},
			"Rightsize prod checkout: container app may ask for cpu 460m instead of 1000m and memory 1178Mi instead of 2048Mi, in 2 pods (90th percentile of cores and 95th of memory in 7 days, and 15 %) = 170.09 EUR",
		},
		"a sample": {
			func(c *rightsize.Container) { c.Usage.Window, c.Usage.Samples = 0, 1; c.Request.Memory = amount("1") },
			"Rightsize prod checkout: container app may ask for cpu 460m instead of 1000m, in 2 pods (of one sample of each pod, just now: look again at a busy hour, or give --prometheus) = 157.68 EUR",
		},
		"no less than the least": {
			func(c *rightsize.Container) {
				c.Usage.Resources, c.Request = resources("0.001", "0.001"), resources("0.1", "0.25")
			},
			"Rightsize prod checkout: container app may ask for cpu 25m instead of 100m, in 2 pods (90th percentile of cores and 95th of memory in 7 days, and 15 %) = 21.9 EUR",
		},
		"too little memory": {
			func(c *rightsize.Container) { c.Request.Memory = amount("0.5") },
			"Rightsize prod checkout: container app uses more memory than it asks for: 1024Mi of 512Mi; ask for 1178Mi, or its node may end it (90th percentile of cores and 95th of memory in 7 days, and 15 %)",
		},
		"autoscaled": {
			func(c *rightsize.Container) { c.Autoscaled = true },
			"Rightsize prod checkout: container app uses less than it asks for, but an autoscaler counts its pods by that: look at its target first (90th percentile of cores and 95th of memory in 7 days, and 15 %)",
		},
		"it fits":          {func(c *rightsize.Container) { c.Usage.Resources = resources("0.8", "1.6") }, ""},
		"not known":        {func(c *rightsize.Container) { c.Usage = nil }, ""},
		"nothing runs":     {func(c *rightsize.Container) { c.Pods = 0 }, ""},
		"it asks for none": {func(c *rightsize.Container) { c.Request = resources("0", "1.2") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(said(rightsize.Hints(rightsize.Input{Now: now, Prices: prices(t), Containers: []rightsize.Container{container(c.change)}})), "\n")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEnvironments(t *testing.T) {
	in := rightsize.Input{Now: now, Prices: cost.DefaultPrices(), IdleAfter: 30 * 24 * time.Hour, Unknown: "no metrics are served", Environments: []rightsize.Environment{
		{Name: "dev", Tier: platformv1alpha1.TierDevelopment, SleepKnown: true, LastChange: now, Monthly: map[string]decimal.Decimal{"USD": amount("168")}},
		{Name: "sleepy", Tier: platformv1alpha1.TierDevelopment, SleepKnown: true, Sleeps: true, LastChange: now, Monthly: map[string]decimal.Decimal{"USD": amount("168")}},
		{Name: "hidden", Tier: platformv1alpha1.TierDevelopment, LastChange: now},
		{Name: "prod", Tier: platformv1alpha1.TierProduction, SleepKnown: true, LastChange: now.AddDate(0, -6, 0), Monthly: map[string]decimal.Decimal{"USD": amount("900")}},
		{Name: "old", Tier: platformv1alpha1.TierStaging, SleepKnown: true, Created: now.AddDate(0, 0, -40), Monthly: map[string]decimal.Decimal{"USD": amount("50")}},
		{Name: "pr-7", Tier: platformv1alpha1.TierPreview, Preview: true, Expires: true, LastChange: now.AddDate(0, 0, -31), Monthly: map[string]decimal.Decimal{"USD": amount("9")}},
		{Name: "pr-8", Tier: platformv1alpha1.TierPreview, Preview: true, LastChange: now, Monthly: map[string]decimal.Decimal{"USD": amount("9")}},
	}}
	want := []string{
		"Sleep dev: it never sleeps: nights from 20:00 to 07:00 and weekends are 61 % of the week; at most so much of its cost, since volumes do not sleep = 103 USD",
		"Idle old: nothing was released here for 40 days: if nobody uses it, delete it, or have it sleep always = 50 USD",
		"Preview pr-7: nothing was released to this preview for 31 days: close its pull request, or towpath env delete-preview = 9 USD",
		"Unknown: no requests were looked at: no metrics are served",
		"Preview pr-8: this preview has no end: have its class give it a lifetime",
	}
	if diff := cmp.Diff(want, said(rightsize.Hints(in))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := rightsize.Hints(rightsize.Input{Now: now}); got == nil || len(got) > 0 {
		t.Errorf("of nothing: %#v", got)
	}
}

func TestPercentile(t *testing.T) {
	of := func(texts ...string) []decimal.Decimal {
		var list []decimal.Decimal
		for _, text := range texts {
			list = append(list, amount(text))
		}
		return list
	}
	for _, c := range []struct {
		samples []decimal.Decimal
		p, want string
	}{
		{of("3", "1", "2", "10", "4", "5", "6", "7", "8", "9"), "0.9", "9"}, {of("3", "1", "2", "10", "4", "5", "6", "7", "8", "9"), "0.95", "10"},
		{of("7"), "0.9", "7"}, {of("1", "2"), "0", "1"}, {of("1", "2"), "1", "2"},
	} {
		if got, ok := rightsize.Percentile(c.samples, amount(c.p)); !ok || got.String() != c.want {
			t.Errorf("percentile %s of %v is %s", c.p, c.samples, got)
		}
	}
	if _, ok := rightsize.Percentile(nil, amount("0.9")); ok {
		t.Error("there is one of nothing")
	}
}
