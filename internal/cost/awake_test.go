package cost_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/sleep"
)

func TestAwakeBy(t *testing.T) {
	window := func(schedule string, hours int32) []platformv1alpha1.SleepWindow {
		return []platformv1alpha1.SleepWindow{{Name: "w", TimeZone: "Europe/Berlin", Schedule: schedule, DurationSeconds: hours * 3600}}
	}
	for name, tc := range map[string]struct {
		plan  sleep.Plan
		share string
	}{
		"never":           {sleep.Plan{}, "1"},
		"five nights":     {nights(), "0.67259"}, // 113 of 168 hours; the last night reaches into the next year
		"half of each":    {sleep.Plan{Class: &platformv1alpha1.ClassSleep{Windows: window("0 0 * * *", 12)}}, "0.5"},
		"all of it":       {sleep.Plan{Own: &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways}}, "0"},
		"not production":  {sleep.Plan{Tier: platformv1alpha1.TierProduction, Own: &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways}}, "1"},
		"windows of both": {sleep.Plan{Class: &platformv1alpha1.ClassSleep{Windows: window("0 0 * * *", 6)}, Own: &platformv1alpha1.EnvironmentSleep{Windows: window("0 12 * * *", 6)}}, "0.5"},
		"once alone":      {sleep.Plan{Class: &platformv1alpha1.ClassSleep{Windows: nights().Class.Windows[1:]}}, "1"},
		"far too often":   {sleep.Plan{Class: &platformv1alpha1.ClassSleep{Windows: []platformv1alpha1.SleepWindow{{Name: "w", TimeZone: "UTC", Schedule: "*/30 * * * *", DurationSeconds: 900}}}}, "0.5"},
	} {
		t.Run(name, func(t *testing.T) {
			awake := cost.AwakeBy(tc.plan)
			if share := awake.Share(); share.Sub(amount(tc.share)).Abs().GreaterThan(amount("0.001")) {
				t.Errorf("awake %s of the time, want %s", share, tc.share)
			}
			if always := awake.Always(); always != (tc.share == "1") {
				t.Errorf("it says that it is always awake: %t", always)
			}
		})
	}
}

func TestSleepIsTakenOffWhatSleeps(t *testing.T) {
	objects := parsed(
		`{apiVersion: apps/v1, kind: Deployment, spec: {template: `+one+`}}`,
		`{apiVersion: apps/v1, kind: DaemonSet, spec: {template: `+one+`}}`,
		`{apiVersion: apps/v1, kind: StatefulSet, spec: {template: `+one+`, volumeClaimTemplates: [{spec: {resources: {requests: {storage: 10Gi}}}}]}}`,
		`{apiVersion: batch/v1, kind: CronJob, metadata: {name: night}, spec: {schedule: "0 2 * * *", jobTemplate: {spec: {template: `+one+`}}}}`,
		`{apiVersion: batch/v1, kind: CronJob, metadata: {name: noon}, spec: {schedule: "0 14 * * *", jobTemplate: {spec: {template: `+one+`}}}}`)
	half := sleep.Plan{Class: &platformv1alpha1.ClassSleep{Windows: []platformv1alpha1.SleepWindow{{Name: "w", TimeZone: "UTC", Schedule: "0 0 * * *", DurationSeconds: 12 * 3600}}}}
	got, err := cost.Of(cost.Input{Objects: objects, Prices: prices(t, easy), Awake: cost.AwakeBy(half)})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"Deployment/x": "0.055", "DaemonSet/x": "0.11", "StatefulSet/x": "0.065", "CronJob/night": "0", "CronJob/noon": "0.0003819444"}
	for _, o := range got.Objects {
		if id := o.Kind + "/" + o.Name; !o.Hourly.Expected.Equal(amount(want[id])) {
			t.Errorf("%s costs %s, want %s", id, o.Hourly.Expected, want[id])
		}
	}
	if said := strings.Join(got.Assumptions, "\n"); said != "sleep is taken off by the windows that come again: awake 50 % of the time" {
		t.Errorf("it says %q", said)
	}
	holds(t, got)
}

// Starts are counted by bits; the cron library looks for each of them.
func TestRunsAreThoseOfTheCronLibrary(t *testing.T) {
	from := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	until := from.Add(52 * 7 * 24 * time.Hour)
	random := rand.New(rand.NewPCG(5, 6))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	for range 60 {
		schedule := strings.Join([]string{
			pick("0", "*/20", "5,35", "59"), pick("*", "3", "*/6", "9-17", "0,23"), pick("*", "*", "1", "29-31", "*/10"), pick("*", "*", "2", "3-11"), pick("*", "*", "1-5", "0", "6,7"),
		}, " ")
		schedule = strings.Replace(schedule, "6,7", "0,6", 1)
		plan, asleep := sleep.Plan{}, func(time.Time) bool { return false }
		if random.IntN(2) == 0 {
			plan = nights()
			asleep = func(at time.Time) bool {
				spread := int32(0)
				p := nights()
				p.Class.Windows, p.Class.SpreadSeconds = p.Class.Windows[:1], &spread
				return sleep.At(p, at).Asleep
			}
		}
		parsedSchedule, err := cron.ParseStandard(schedule)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(0)
		for at := parsedSchedule.Next(from.Add(-time.Second)); !at.IsZero() && at.Before(until); at = parsedSchedule.Next(at) {
			if !asleep(at) {
				want++
			}
		}
		got, err := cost.Of(cost.Input{
			Objects: parsed(fmt.Sprintf(`{apiVersion: batch/v1, kind: CronJob, metadata: {annotations: {platform.towpath.dev/typical-duration: 1h}}, spec: {schedule: %q, jobTemplate: {spec: {template: {spec: {containers: [{resources: {requests: {cpu: 1, memory: 0}}}]}}}}}}`, schedule)),
			Prices:  prices(t, `{currency: EUR, cpuCoreHour: "1", memoryGiBHour: "1"}`), Awake: cost.AwakeBy(plan),
		})
		if err != nil {
			t.Fatal(err)
		}
		runs := got.Hourly.Expected.Mul(decimal.NewFromInt(52 * 7 * 24)).Round(3)
		if !runs.Equal(decimal.NewFromInt(want)) {
			t.Errorf("%s, asleep at night: %t: %s runs a year, want %d", schedule, plan.Class != nil, runs, want)
		}
	}
}
