package sleep_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/sleep"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func cron(name, zone, schedule string, duration time.Duration) platformv1alpha1.SleepWindow {
	return platformv1alpha1.SleepWindow{Name: name, TimeZone: zone, Schedule: schedule, DurationSeconds: int32(duration / time.Second)}
}

func once(name, zone, from, until string) platformv1alpha1.SleepWindow {
	return platformv1alpha1.SleepWindow{Name: name, TimeZone: zone, From: from, Until: until}
}

// class has its environments sleep in windows, all at the same moment.
func class(windows ...platformv1alpha1.SleepWindow) *platformv1alpha1.ClassSleep {
	return &platformv1alpha1.ClassSleep{Windows: windows, SpreadSeconds: new(int32)}
}

func plan(windows ...platformv1alpha1.SleepWindow) sleep.Plan {
	return sleep.Plan{UID: "e", Class: class(windows...)}
}

// In 2026, clocks go forward in Berlin on 29 March at 02:00 (01:00Z) and back on 25 October at 03:00 (01:00Z); in New
// York forward on 8 March at 02:00 (07:00Z) and back on 1 November at 02:00 (06:00Z); on Lord Howe Island by half an
// hour, back on 5 April at 02:00 (15:00Z the day before) and forward on 4 October at 02:00 (15:30Z the day before); in
// Santiago at midnight, back on 5 April (03:00Z) and forward on 6 September (04:00Z). In Kolkata never.
func TestAt_Windows(t *testing.T) {
	night := 12 * time.Hour
	for name, tc := range map[string]struct {
		windows     []platformv1alpha1.SleepWindow
		from, until string // the first moment asleep, and the first awake
	}{
		"a night in winter":                   {[]platformv1alpha1.SleepWindow{cron("n", "Europe/Berlin", "0 20 * * *", night)}, "2026-01-10T19:00:00Z", "2026-01-11T07:00:00Z"},
		"a night in summer":                   {[]platformv1alpha1.SleepWindow{cron("n", "Europe/Berlin", "0 20 * * *", night)}, "2026-07-10T18:00:00Z", "2026-07-11T06:00:00Z"},
		"the night that loses an hour":        {[]platformv1alpha1.SleepWindow{cron("n", "Europe/Berlin", "0 20 * * *", night)}, "2026-03-28T19:00:00Z", "2026-03-29T06:00:00Z"},
		"the night that gains an hour":        {[]platformv1alpha1.SleepWindow{cron("n", "Europe/Berlin", "0 20 * * *", night)}, "2026-10-24T18:00:00Z", "2026-10-25T07:00:00Z"},
		"New York, forward":                   {[]platformv1alpha1.SleepWindow{cron("n", "America/New_York", "0 20 * * *", night)}, "2026-03-08T01:00:00Z", "2026-03-08T12:00:00Z"},
		"New York, back":                      {[]platformv1alpha1.SleepWindow{cron("n", "America/New_York", "0 20 * * *", night)}, "2026-11-01T00:00:00Z", "2026-11-01T13:00:00Z"},
		"Lord Howe, half an hour back":        {[]platformv1alpha1.SleepWindow{cron("n", "Australia/Lord_Howe", "0 20 * * *", night)}, "2026-04-04T09:00:00Z", "2026-04-04T21:30:00Z"},
		"Lord Howe, half an hour forward":     {[]platformv1alpha1.SleepWindow{cron("n", "Australia/Lord_Howe", "0 20 * * *", night)}, "2026-10-03T09:30:00Z", "2026-10-03T21:00:00Z"},
		"Santiago, back at midnight":          {[]platformv1alpha1.SleepWindow{cron("n", "America/Santiago", "0 20 * * *", night)}, "2026-04-04T23:00:00Z", "2026-04-05T12:00:00Z"},
		"Santiago, no midnight":               {[]platformv1alpha1.SleepWindow{cron("n", "America/Santiago", "0 0 * * *", 6*time.Hour)}, "2026-09-06T04:00:00Z", "2026-09-06T09:00:00Z"},
		"Kolkata, that knows none":            {[]platformv1alpha1.SleepWindow{cron("n", "Asia/Kolkata", "0 20 * * *", night)}, "2026-03-28T14:30:00Z", "2026-03-29T02:30:00Z"},
		"it ends in the hour that is skipped": {[]platformv1alpha1.SleepWindow{cron("n", "Europe/Berlin", "30 22 * * *", 4*time.Hour)}, "2026-03-28T21:30:00Z", "2026-03-29T01:00:00Z"},
		"it ends in the hour that is twice":   {[]platformv1alpha1.SleepWindow{cron("n", "Europe/Berlin", "30 22 * * *", 4*time.Hour)}, "2026-10-24T20:30:00Z", "2026-10-25T01:30:00Z"},
		"nights and a weekend": {[]platformv1alpha1.SleepWindow{cron("n", "Europe/Berlin", "0 20 * * 1-5", night), cron("w", "Europe/Berlin", "0 0 * * 6", 48*time.Hour)},
			"2026-06-05T18:00:00Z", "2026-06-07T22:00:00Z"},
		"a weekend over a change": {[]platformv1alpha1.SleepWindow{cron("n", "Europe/Berlin", "0 20 * * 1-5", night), cron("w", "Europe/Berlin", "0 20 * * 5", 60*time.Hour)},
			"2026-10-23T18:00:00Z", "2026-10-26T07:00:00Z"},
		"windows that meet": {[]platformv1alpha1.SleepWindow{cron("a", "UTC", "0 18 * * *", 4*time.Hour), cron("b", "UTC", "0 22 * * *", 8*time.Hour)},
			"2026-06-01T18:00:00Z", "2026-06-02T06:00:00Z"},
		"windows that meet over zones": {[]platformv1alpha1.SleepWindow{cron("a", "America/New_York", "0 20 * * *", 4*time.Hour), cron("b", "Europe/Berlin", "0 6 * * *", 2*time.Hour)},
			"2026-06-02T00:00:00Z", "2026-06-02T06:00:00Z"},
		"one within another": {[]platformv1alpha1.SleepWindow{cron("a", "UTC", "0 18 * * *", 12*time.Hour), cron("b", "UTC", "0 22 * * *", time.Hour)},
			"2026-06-01T18:00:00Z", "2026-06-02T06:00:00Z"},
		"every hour of a weekend": {[]platformv1alpha1.SleepWindow{cron("h", "UTC", "0 * * * 6,0", time.Hour)}, "2026-06-06T00:00:00Z", "2026-06-08T00:00:00Z"},
		"a holiday":               {[]platformv1alpha1.SleepWindow{once("h", "Europe/Berlin", "2026-12-24T14:00", "2026-12-27T08:00")}, "2026-12-24T13:00:00Z", "2026-12-27T07:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(tc.windows...)
			if err := sleep.Check(p.Class); err != nil {
				t.Fatal(err)
			}
			from, until := at(t, tc.from), at(t, tc.until)
			for _, asleep := range []time.Time{from, from.Add(until.Sub(from) / 2), until.Add(-time.Second)} {
				if got := sleep.At(p, asleep); !got.Asleep || !got.Until.Equal(until) || got.Window == "" {
					t.Errorf("at %s it is %+v, and not asleep until %s", asleep, got, tc.until)
				}
			}
			if got := sleep.At(p, from.Add(-time.Second)); got.Asleep || !got.Until.Equal(from) {
				t.Errorf("a second before it is %+v, and not awake until %s", got, tc.from)
			}
			if got := sleep.At(p, until); got.Asleep || got.Until.Equal(until) {
				t.Errorf("then it is %+v, and not awake", got)
			}
		})
	}
}

func TestAt_WhatMakesNoSensePutsNothingToSleep(t *testing.T) {
	for name, tc := range map[string]struct {
		windows []platformv1alpha1.SleepWindow
		want    string
	}{
		"an unknown zone":             {[]platformv1alpha1.SleepWindow{cron("w", "Europe/Atlantis", "* * * * *", time.Hour)}, `[w]: timeZone "Europe/Atlantis" is not known`},
		"the zone of the machine":     {[]platformv1alpha1.SleepWindow{cron("w", "Local", "0 0 * * *", time.Hour)}, "must name a zone"},
		"no schedule":                 {[]platformv1alpha1.SleepWindow{cron("w", "UTC", "at night", time.Hour)}, "no cron schedule"},
		"a day that never comes":      {[]platformv1alpha1.SleepWindow{cron("w", "UTC", "0 0 30 2 *", time.Hour)}, "never comes"},
		"a window without end":        {[]platformv1alpha1.SleepWindow{cron("w", "UTC", "0 0 * * *", 24*time.Hour)}, "never closes"},
		"each minute":                 {[]platformv1alpha1.SleepWindow{cron("w", "UTC", "*/2 * * * *", time.Minute)}, "comes too often"},
		"an hour that no clock shows": {[]platformv1alpha1.SleepWindow{once("w", "Europe/Berlin", "2027-03-28T02:10", "2027-03-28T02:50")}, "no time passes"},
		"an end before its start":     {[]platformv1alpha1.SleepWindow{once("w", "UTC", "2026-12-21T00:00", "2026-12-20T00:00")}, "must be after from"},
		"no end together":             {[]platformv1alpha1.SleepWindow{cron("a", "UTC", "0 0 * * *", 12*time.Hour), cron("b", "UTC", "0 12 * * *", 12*time.Hour)}, "together with the others it never closes"},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(tc.windows...)
			if err := sleep.Check(p.Class); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the class says %v, not %s", err, tc.want)
			}
			for hour := range 24 {
				if got := sleep.At(p, time.Date(2026, 12, 20, hour, 0, 30, 0, time.UTC)); got.Asleep {
					t.Errorf("at %d it is %+v", hour, got)
				}
			}
			own := sleep.Plan{UID: "e", Class: class(cron("night", "UTC", "0 20 * * *", 8*time.Hour)), Own: &platformv1alpha1.EnvironmentSleep{Windows: tc.windows}}
			if got := sleep.At(own, at(t, "2026-06-01T22:00:00Z")); got.Wrong == nil || !got.Asleep || got.Window != "night" {
				t.Errorf("as the Environment's own, beside one of the class, it is %+v", got)
			}
			if got := sleep.At(own, at(t, "2026-06-01T12:00:00Z")); got.Asleep {
				t.Errorf("as the Environment's own, by day it is %+v", got)
			}
		})
	}
}

func TestValidate_NamesWindowAndField(t *testing.T) {
	night := cron("night", "Europe/Berlin", "0 20 * * *", 8*time.Hour)
	for name, tc := range map[string]struct {
		window platformv1alpha1.SleepWindow
		want   string
	}{
		"an unknown zone":         {cron("w", "Europe/Atlantis", "0 0 * * *", time.Hour), `spec.sleep.windows[w].timeZone: Invalid value: timeZone "Europe/Atlantis" is not known`},
		"the zone of the machine": {cron("w", "Local", "0 0 * * *", time.Hour), "spec.sleep.windows[w].timeZone: Invalid value: timeZone must name a zone"},
		"no schedule":             {cron("w", "UTC", "at night", time.Hour), `spec.sleep.windows[w].schedule: Invalid value: schedule "at night" is no cron schedule`},
		"a zone in the schedule":  {cron("w", "UTC", "TZ=Asia/Tokyo 0 0 * * *", time.Hour), "spec.sleep.windows[w].schedule: Invalid value: schedule"},
		"a day that never comes":  {cron("w", "UTC", "0 0 30 2 *", time.Hour), `spec.sleep.windows[w].schedule: Invalid value: schedule "0 0 30 2 *" never comes`},
		"a window without end":    {cron("w", "UTC", "0 0 * * *", 24*time.Hour), "spec.sleep.windows[w].durationSeconds: Invalid value: a window of 24h0m0s"},
		"each minute":             {cron("w", "UTC", "*/2 * * * *", time.Minute), `spec.sleep.windows[w].schedule: Invalid value: schedule "*/2 * * * *" comes too often`},
		"a day that is none":      {once("w", "UTC", "2026-02-30T00:00", "2026-03-20T00:00"), "spec.sleep.windows[w].from: Invalid value"},
		"an end that is none":     {once("w", "UTC", "2026-02-20T00:00", "2026-02-30T00:00"), "spec.sleep.windows[w].until: Invalid value"},
		"an end before its start": {once("w", "UTC", "2026-12-21T00:00", "2026-12-20T00:00"), "spec.sleep.windows[w].until: Invalid value: until (2026-12-20T00:00) must be after from"},
		"no end together":         {cron("w", "Europe/Berlin", "0 4 * * *", 16*time.Hour), "Invalid value: together with the others it never closes"},
	} {
		t.Run(name, func(t *testing.T) {
			errs := sleep.Validate([]platformv1alpha1.SleepWindow{night, tc.window}, field.NewPath("spec", "sleep", "windows"))
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), tc.want) {
				t.Errorf("it says %v, want %s alone", errs, tc.want)
			}
			if sleep.Check(class(night, tc.window)) == nil {
				t.Error("what is refused shows in no condition of a class that has it already")
			}
		})
	}
	t.Run("each wrong one", func(t *testing.T) {
		errs := sleep.Validate([]platformv1alpha1.SleepWindow{cron("a", "Atlantis", "0 0 * * *", time.Hour), night, cron("b", "UTC", "0 0 30 2 *", time.Hour)}, field.NewPath("windows"))
		if len(errs) != 2 || errs[0].Field != "windows[a].timeZone" || errs[1].Field != "windows[b].schedule" {
			t.Errorf("it says %v", errs)
		}
	})
	t.Run("good ones", func(t *testing.T) {
		good := []platformv1alpha1.SleepWindow{night, once("past", "UTC", "2020-01-01T00:00", "2020-01-02T00:00"), cron("weekend", "Asia/Kolkata", "0 20 * * 5", 59*time.Hour)}
		if errs := sleep.Validate(good, field.NewPath("windows")); len(errs) > 0 {
			t.Errorf("it says %v", errs)
		}
	})
}

func TestAt_OwnSleep(t *testing.T) {
	noon := cron("noon", "UTC", "0 12 * * *", time.Hour)
	night := cron("night", "UTC", "0 20 * * *", 8*time.Hour)
	always := &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways}
	added := &platformv1alpha1.EnvironmentSleep{Windows: []platformv1alpha1.SleepWindow{noon}}
	allowed, forbidden := class(night), class(night)
	allowed.OwnSleep, forbidden.OwnSleep = platformv1alpha1.OwnSleepAllowed, platformv1alpha1.OwnSleepForbidden
	for name, tc := range map[string]struct {
		plan   sleep.Plan
		asleep bool
		wrong  bool
	}{
		"a window is added":               {sleep.Plan{Class: class(night), Own: added}, true, false},
		"without a class's sleep":         {sleep.Plan{Own: added}, true, false},
		"always":                          {sleep.Plan{Own: always}, true, false},
		"the class forbids it":            {sleep.Plan{Class: forbidden, Own: added}, false, true},
		"always, and the class forbids":   {sleep.Plan{Class: forbidden, Own: always}, false, true},
		"in production":                   {sleep.Plan{Tier: platformv1alpha1.TierProduction, Class: class(night), Own: always}, false, true},
		"in production, allowed":          {sleep.Plan{Tier: platformv1alpha1.TierProduction, Class: allowed, Own: always}, true, false},
		"in production, and none of ours": {sleep.Plan{Tier: platformv1alpha1.TierProduction}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			tc.plan.UID = "e"
			if got := sleep.At(tc.plan, at(t, "2026-06-01T12:30:00Z")); got.Asleep != tc.asleep || (got.Wrong != nil) != tc.wrong {
				t.Errorf("it is %+v", got)
			}
		})
	}
}

func TestAt_Woken(t *testing.T) {
	night := cron("night", "UTC", "0 20 * * *", 12*time.Hour)
	evening := at(t, "2026-06-01T22:00:00Z")
	for name, tc := range map[string]struct {
		until, seen time.Time
		longest     int32
		own         *platformv1alpha1.EnvironmentSleep
		want        sleep.State
	}{
		"for two hours":                    {evening.Add(2 * time.Hour), evening, 28800, nil, sleep.State{Until: at(t, "2026-06-02T00:00:00Z"), Woken: true}},
		"until after the night":            {at(t, "2026-06-02T10:00:00Z"), evening, 86400, nil, sleep.State{Until: at(t, "2026-06-02T20:00:00Z"), Woken: true}},
		"for longer than the class allows": {evening.Add(24 * time.Hour), evening, 3600, nil, sleep.State{Until: at(t, "2026-06-01T23:00:00Z"), Woken: true}},
		"for ever":                         {at(t, "2099-01-01T00:00:00Z"), evening.Add(-9 * time.Hour), 28800, nil, sleep.State{Asleep: true, Until: at(t, "2026-06-02T08:00:00Z"), Window: "night"}},
		"and the time is over":             {evening, evening.Add(-time.Hour), 28800, nil, sleep.State{Asleep: true, Until: at(t, "2026-06-02T08:00:00Z"), Window: "night"}},
		"one that always sleeps": {evening.Add(time.Hour), evening, 28800, &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways},
			sleep.State{Until: at(t, "2026-06-01T23:00:00Z"), Woken: true}},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(night)
			p.Class.MaxWakeSeconds, p.WakeUntil, p.SeenAt, p.Own = tc.longest, tc.until, tc.seen, tc.own
			got := sleep.At(p, evening)
			if got.Asleep != tc.want.Asleep || !got.Until.Equal(tc.want.Until) || got.Woken != tc.want.Woken || got.Window != tc.want.Window || got.Wrong != nil {
				t.Errorf("it is %+v, not %+v", got, tc.want)
			}
		})
	}
}

// What is said to change next does so then, and not before; nobody sleeps outside of a window.
func TestAt_IsTrueToItself(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"}
	for range 500 {
		var windows []platformv1alpha1.SleepWindow
		for i := range 1 + random.IntN(3) {
			windows = append(windows, cron(fmt.Sprintf("w%d", i), zones[random.IntN(len(zones))],
				fmt.Sprintf("%d %d * * %d-%d", random.IntN(60), random.IntN(24), random.IntN(3), 3+random.IntN(4)), time.Duration(1+random.IntN(20*60))*time.Minute))
		}
		spread := int32(random.IntN(600))
		p := sleep.Plan{UID: types.UID(fmt.Sprint(random.Uint64())), Class: &platformv1alpha1.ClassSleep{Windows: windows, SpreadSeconds: &spread}}
		if sleep.Check(p.Class) != nil {
			continue
		}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.IntN(365*24*60)) * time.Minute)
		state := sleep.At(p, now)
		if state.Asleep {
			plain := p
			plain.Class = class(windows...)
			if !sleep.At(plain, now).Asleep {
				t.Fatalf("%+v: at %s it sleeps, and no window is open", windows, now)
			}
		}
		for range 6 {
			if state.Until.IsZero() || !state.Until.After(now) {
				t.Fatalf("%+v: at %s it is %+v", windows, now, state)
			}
			between := now.Add(time.Duration(random.Int64N(int64(state.Until.Sub(now)))))
			for _, same := range []time.Time{between, state.Until.Add(-time.Second)} {
				if same.Before(now) {
					continue
				}
				if got := sleep.At(p, same); got.Asleep != state.Asleep || !got.Until.Equal(state.Until) {
					t.Fatalf("%+v: at %s it is %+v, and at %s %+v", windows, now, state, same, got)
				}
			}
			next := sleep.At(p, state.Until)
			if next.Asleep == state.Asleep {
				t.Fatalf("%+v: at %s it is %+v, and then %+v", windows, now, state, next)
			}
			now, state = state.Until, next
		}
	}
}

func TestDelay_IsEvenAndStable(t *testing.T) {
	const spread, buckets, environments = 5 * time.Minute, 10, 5000
	var counts [buckets]int
	for i := range environments {
		uid := types.UID(fmt.Sprintf("0b6cf2a4-7d43-4c1b-9a52-%012x", i))
		delay := sleep.Delay(uid, spread)
		if delay < 0 || delay >= spread || delay%time.Second != 0 || delay != sleep.Delay(uid, spread) {
			t.Fatalf("%s waits %s", uid, delay)
		}
		counts[delay*buckets/spread]++
	}
	for i, n := range counts {
		if n < environments/buckets*8/10 || n > environments/buckets*12/10 {
			t.Errorf("%d of %d in part %d of %d: %v", n, environments, i, buckets, counts)
		}
	}
	if sleep.Delay("e", 0) != 0 {
		t.Error("without a spread somebody waits")
	}
}

// A short window is not spread away.
func TestAt_SpreadIsAQuarterOfTheWindowAtMost(t *testing.T) {
	spread := int32(3600)
	for i := range 200 {
		p := sleep.Plan{UID: types.UID(fmt.Sprint(i)), Class: &platformv1alpha1.ClassSleep{Windows: []platformv1alpha1.SleepWindow{cron("w", "UTC", "0 12 * * *", 20*time.Minute)}, SpreadSeconds: &spread}}
		if got := sleep.At(p, at(t, "2026-06-01T12:10:00Z")); !got.Asleep || got.Until.Before(at(t, "2026-06-01T12:15:00Z")) || got.Until.After(at(t, "2026-06-01T12:20:00Z")) {
			t.Fatalf("in the middle it is %+v", got)
		}
	}
}
