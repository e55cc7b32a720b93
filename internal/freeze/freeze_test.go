package freeze_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/freeze"
	"github.com/towpath-dev/towpath/internal/window"
)

func cron(zone, schedule string, duration time.Duration) platformv1alpha1.FreezeWindow {
	return platformv1alpha1.FreezeWindow{Name: "w", Reason: "r", TimeZone: zone, Schedule: schedule, DurationSeconds: int32(duration / time.Second)}
}

func once(zone, from, until string) platformv1alpha1.FreezeWindow {
	return platformv1alpha1.FreezeWindow{Name: "w", Reason: "r", TimeZone: zone, From: from, Until: until}
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// In 2026, clocks go forward in Berlin on 29 March at 02:00 (01:00Z) and back on 25 October at 03:00 (01:00Z); in New
// York forward on 8 March at 02:00 (07:00Z) and back on 1 November at 02:00 (06:00Z); on Lord Howe Island by half an
// hour, back on 5 April at 02:00 (15:00Z the day before).
func TestAt(t *testing.T) {
	for name, tc := range map[string]struct {
		window      platformv1alpha1.FreezeWindow
		from, until string // the first moment in it, and the first after it
	}{
		"every night":                        {cron("UTC", "0 22 * * *", 8*time.Hour), "2026-06-01T22:00:00Z", "2026-06-02T06:00:00Z"},
		"every night in summer":              {cron("Europe/Berlin", "0 22 * * *", 8*time.Hour), "2026-06-01T20:00:00Z", "2026-06-02T04:00:00Z"},
		"every night in winter":              {cron("Europe/Berlin", "0 22 * * *", 8*time.Hour), "2026-12-01T21:00:00Z", "2026-12-02T05:00:00Z"},
		"a night that loses an hour":         {cron("Europe/Berlin", "0 22 * * *", 8*time.Hour), "2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z"},
		"a night that gains an hour":         {cron("Europe/Berlin", "0 22 * * *", 8*time.Hour), "2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z"},
		"the weekend of a change":            {cron("Europe/Berlin", "0 18 * * 5", 62*time.Hour), "2026-03-27T17:00:00Z", "2026-03-30T06:00:00Z"},
		"a start that the day does not have": {cron("Europe/Berlin", "30 2 * * *", time.Hour), "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"},
		"an end that the day does not have":  {cron("Europe/Berlin", "30 1 * * *", time.Hour), "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},
		"a start that the day has twice":     {cron("Europe/Berlin", "30 2 * * *", time.Hour), "2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"},
		"an end that the day has twice":      {cron("Europe/Berlin", "30 1 * * *", time.Hour), "2026-10-24T23:30:00Z", "2026-10-25T01:30:00Z"},
		"New York, forward":                  {cron("America/New_York", "30 2 * * 0", time.Hour), "2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z"},
		"New York, back":                     {cron("America/New_York", "30 1 * * 0", time.Hour), "2026-11-01T05:30:00Z", "2026-11-01T07:30:00Z"},
		"half an hour, back":                 {cron("Australia/Lord_Howe", "45 1 * * *", 15*time.Minute), "2026-04-04T14:45:00Z", "2026-04-04T15:30:00Z"},
		"windows that meet":                  {cron("UTC", "0 0,8 1 * *", 8*time.Hour), "2026-06-01T00:00:00Z", "2026-06-01T16:00:00Z"},
		"once":                               {once("Europe/Berlin", "2026-12-20T18:00", "2027-01-04T08:00"), "2026-12-20T17:00:00Z", "2027-01-04T07:00:00Z"},
		"once, over a change":                {once("Europe/Berlin", "2026-10-24T18:00", "2026-10-26T08:00"), "2026-10-24T16:00:00Z", "2026-10-26T07:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			windows := []platformv1alpha1.FreezeWindow{tc.window}
			from, until := at(t, tc.from), at(t, tc.until)
			if wrong := freeze.Check(windows); len(wrong) > 0 {
				t.Fatal(wrong)
			}
			for _, open := range []time.Time{from, from.Add((until.Sub(from)) / 2), until.Add(-time.Second)} {
				if got := freeze.At(windows, open); got == nil || got.Broken != nil || !got.Until.Equal(until) {
					t.Errorf("at %s it is %+v, and not open until %s", open, got, tc.until)
				}
			}
			for _, shut := range []time.Time{from.Add(-time.Second), until} {
				if got := freeze.At(windows, shut); got != nil {
					t.Errorf("at %s it is open until %s", shut, got.Until)
				}
			}
		})
	}
}

func TestAt_TheWindowThatClosesLast(t *testing.T) {
	windows := []platformv1alpha1.FreezeWindow{
		once("UTC", "2026-12-20T00:00", "2026-12-22T00:00"), once("UTC", "2026-12-21T00:00", "2026-12-27T00:00"), once("UTC", "2026-12-21T00:00", "2026-12-23T00:00"),
	}
	windows[1].Name = "last"
	if got := freeze.At(windows, at(t, "2026-12-21T12:00:00Z")); got == nil || got.Window.Name != "last" {
		t.Errorf("it is %+v", got)
	}
}

func TestCheck_RefusesWhatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		window platformv1alpha1.FreezeWindow
		want   string
		open   bool // it cannot be read, and counts as open
	}{
		"an unknown zone":             {cron("Europe/Atlantis", "0 22 * * *", time.Hour), `timeZone "Europe/Atlantis" is not known`, true},
		"the zone of the machine":     {cron("Local", "0 22 * * *", time.Hour), "must name a zone", true},
		"a path":                      {cron("../../etc/passwd", "0 22 * * *", time.Hour), "is not known", true},
		"a zone in the schedule":      {cron("UTC", "TZ=Asia/Tokyo 0 22 * * *", time.Hour), "must not name a zone", true},
		"no schedule":                 {cron("UTC", "at night", time.Hour), "no cron schedule", true},
		"a descriptor":                {cron("UTC", "@every 1h", time.Hour), "no cron schedule", true},
		"six fields":                  {cron("UTC", "0 0 22 * * *", time.Hour), "no cron schedule", true},
		"a day that never comes":      {cron("UTC", "0 0 30 2 *", time.Hour), "never comes", false},
		"a day as long as the day":    {cron("UTC", "0 0 * * *", 24*time.Hour), "never closes", true},
		"each minute for a minute":    {cron("UTC", "* * * * *", time.Minute), "never closes", true},
		"an hour that no clock shows": {once("Europe/Berlin", "2027-03-28T02:10", "2027-03-28T02:50"), "no time passes", false},
		"an end before its start":     {once("UTC", "2026-12-21T00:00", "2026-12-20T00:00"), "must be after from", false},
		"a day that does not exist":   {once("UTC", "2026-02-30T00:00", "2026-12-20T00:00"), "must be times", true},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := freeze.Check([]platformv1alpha1.FreezeWindow{tc.window})
			if len(wrong) != 1 || !strings.Contains(wrong[0].Err.Error(), tc.want) {
				t.Fatalf("got %v, want %s", wrong, tc.want)
			}
			if invalid, ok := errors.AsType[*window.Error](wrong[0].Err); !ok || invalid.Field == "" {
				t.Errorf("%v names no field", wrong)
			}
			if got := freeze.At([]platformv1alpha1.FreezeWindow{tc.window}, at(t, "2026-12-20T12:00:00Z")); (got != nil) != tc.open {
				t.Errorf("it is %+v", got)
			}
		})
	}
	good := cron("UTC", "0 0 29 2 *", 24*time.Hour)
	if wrong := freeze.Check([]platformv1alpha1.FreezeWindow{good}); len(wrong) > 0 {
		t.Errorf("29 February comes: %v", wrong)
	}
}

func TestAt_FollowsWindowsThatMeet(t *testing.T) {
	hours := func(name, schedule string, n int32) platformv1alpha1.FreezeWindow {
		return platformv1alpha1.FreezeWindow{Name: name, TimeZone: "UTC", Schedule: schedule, DurationSeconds: n * 3600}
	}
	morning, noon, night := hours("morning", "0 8 * * *", 4), hours("noon", "0 12 * * *", 8), hours("night", "0 19 * * *", 14)
	at := time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)
	active := freeze.At([]platformv1alpha1.FreezeWindow{noon, morning}, at)
	if active == nil || active.Window.Name != "morning" || !active.Until.Equal(at.Add(11*time.Hour)) {
		t.Errorf("what is open is %+v", active)
	}
	if wrong := freeze.Check([]platformv1alpha1.FreezeWindow{noon, morning}); len(wrong) > 0 {
		t.Errorf("it says %v", wrong)
	}
	always := []platformv1alpha1.FreezeWindow{{Name: "broken", TimeZone: "Atlantis", Schedule: "0 0 * * *", DurationSeconds: 60}, morning, noon, night}
	if wrong := freeze.Check(always); len(wrong) != 2 || wrong[0].Name != "broken" || wrong[1].Name != "morning" || wrong[1].Err.Error() != window.NeverCloses {
		t.Errorf("it says %v", wrong)
	}
	if active := freeze.At(always[1:], at); active == nil || !active.Until.IsZero() {
		t.Errorf("what is open is %+v, and has no end", active)
	}
}

// Of several windows that are open, one that forbids to break the glass is enough, whichever closes last; one that has yet to
// open forbids nothing.
func TestAt_SaysWhichWindowForbidsToBreakTheGlass(t *testing.T) {
	named := func(name string, w platformv1alpha1.FreezeWindow, forbids bool) platformv1alpha1.FreezeWindow {
		if w.Name = name; forbids {
			w.BreakGlass = platformv1alpha1.BreakGlassForbidden
		}
		return w
	}
	const now = "2026-12-21T12:00:00Z"
	for name, tc := range map[string]struct {
		windows []platformv1alpha1.FreezeWindow
		forbids string
		until   string
	}{
		"one alone":                            {[]platformv1alpha1.FreezeWindow{named("audit", once("UTC", "2026-12-20T00:00", "2026-12-22T00:00"), true)}, "audit", "2026-12-22T00:00:00Z"},
		"one that allows it closes later":      {[]platformv1alpha1.FreezeWindow{named("audit", once("UTC", "2026-12-20T00:00", "2026-12-22T00:00"), true), named("xmas", once("UTC", "2026-12-21T00:00", "2026-12-27T00:00"), false)}, "audit", "2026-12-22T00:00:00Z"},
		"one that allows it follows":           {[]platformv1alpha1.FreezeWindow{named("audit", once("UTC", "2026-12-20T00:00", "2026-12-22T00:00"), true), named("xmas", once("UTC", "2026-12-22T00:00", "2026-12-27T00:00"), false)}, "audit", "2026-12-22T00:00:00Z"},
		"one that forbids it follows":          {[]platformv1alpha1.FreezeWindow{named("xmas", once("UTC", "2026-12-20T00:00", "2026-12-22T00:00"), false), named("audit", once("UTC", "2026-12-22T00:00", "2026-12-27T00:00"), true)}, "", ""},
		"two that forbid it and meet":          {[]platformv1alpha1.FreezeWindow{named("audit", once("UTC", "2026-12-20T00:00", "2026-12-22T00:00"), true), named("move", once("UTC", "2026-12-22T00:00", "2026-12-24T00:00"), true), named("xmas", once("UTC", "2026-12-21T00:00", "2026-12-27T00:00"), false)}, "audit", "2026-12-24T00:00:00Z"},
		"one that cannot be read, and allows":  {[]platformv1alpha1.FreezeWindow{named("torn", cron("Europe/Atlantis", "0 22 * * *", time.Hour), false), named("audit", once("UTC", "2026-12-20T00:00", "2026-12-22T00:00"), true)}, "audit", "2026-12-22T00:00:00Z"},
		"one that cannot be read, and forbids": {[]platformv1alpha1.FreezeWindow{named("xmas", once("UTC", "2026-12-21T00:00", "2026-12-27T00:00"), false), named("torn", cron("Europe/Atlantis", "0 22 * * *", time.Hour), true)}, "torn", ""},
		"none":                                 {[]platformv1alpha1.FreezeWindow{named("xmas", once("UTC", "2026-12-21T00:00", "2026-12-27T00:00"), false)}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := freeze.At(tc.windows, at(t, now))
			forbids, until := "", ""
			if got != nil && got.Forbids != nil {
				forbids = got.Forbids.Name
				if !got.ForbidsUntil.IsZero() {
					until = got.ForbidsUntil.UTC().Format(time.RFC3339)
				}
			}
			if forbids != tc.forbids || until != tc.until {
				t.Errorf("%q forbids it until %q, wanted %q until %q", forbids, until, tc.forbids, tc.until)
			}
		})
	}
}
