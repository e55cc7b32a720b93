// Package freeze tells when windows of time are open in which nothing may be released. It is pure: the time comes in.
//
// The times of a window are those of clocks on the wall. What begins at 02:30 begins when the clocks are put forward on
// a day that has no 02:30, and the first time on one that has two; what ends then ends the second time. So a window
// comes each time it should, and covers all that clocks show of it.
package freeze

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the zones are the same wherever the manager runs

	"github.com/robfig/cron/v3"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// layout is that of from and until.
	layout = "2006-01-02T15:04"
	// maxStarts is after how many starts in a row a window that never closed in between is said never to close.
	maxStarts = 20_000
)

// Active is a window that is open.
type Active struct {
	Window *platformv1alpha1.FreezeWindow
	// Until is when it closes; zero where that is not known.
	Until time.Time
	// Broken says why the window cannot be read. It counts as open.
	Broken error
}

// At returns the window that is open at a time and closes last, nil for none. One that cannot be read is open: a freeze
// that nobody can read must not let anything through.
func At(windows []platformv1alpha1.FreezeWindow, now time.Time) *Active {
	var last *Active
	for i := range windows {
		w := &windows[i]
		until, open, err := openUntil(w, now)
		switch {
		case err != nil:
			return &Active{Window: w, Broken: err}
		case open && (last == nil || until.After(last.Until)):
			last = &Active{Window: w, Until: until}
		}
	}
	return last
}

// Error is what is wrong with a field of a window.
type Error struct {
	Field, Message string
}

func (e *Error) Error() string { return e.Message }

func wrong(field, format string, args ...any) *Error {
	return &Error{Field: field, Message: fmt.Sprintf(format, args...)}
}

// Check says what is wrong with a window, as an Error: a zone or a schedule that cannot be read, or one that never opens
// or never closes.
func Check(w *platformv1alpha1.FreezeWindow) error {
	t, err := read(w)
	if err != nil {
		return err
	}
	if t.schedule == nil {
		if !t.from.Before(t.until) {
			return wrong("until", "until (%s) must be after from (%s)", w.Until, w.From)
		}
		return nil
	}
	start := t.schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if start.IsZero() {
		return wrong("schedule", "schedule %q never comes", w.Schedule)
	}
	for range maxStarts {
		next := t.schedule.Next(start)
		if next.IsZero() || next.After(start.Add(t.duration)) {
			return nil
		}
		start = next
	}
	return wrong("durationSeconds", "a window of %s that begins by schedule %q never closes: it begins again before it ends", t.duration, w.Schedule)
}

// times are those of a window: on the wall, so as if they were in UTC.
type times struct {
	zone        *time.Location
	schedule    cron.Schedule
	duration    time.Duration
	from, until time.Time
}

func read(w *platformv1alpha1.FreezeWindow) (times, error) {
	var t times
	var err error
	if strings.EqualFold(w.TimeZone, "local") {
		return t, wrong("timeZone", "timeZone must name a zone, such as Europe/Berlin")
	}
	if t.zone, err = time.LoadLocation(w.TimeZone); err != nil {
		return t, wrong("timeZone", "timeZone %q is not known: it must be a name of the IANA database, such as Europe/Berlin", w.TimeZone)
	}
	if w.Schedule == "" {
		var errFrom, errUntil error
		t.from, errFrom = time.Parse(layout, w.From)
		t.until, errUntil = time.Parse(layout, w.Until)
		if err := errors.Join(errFrom, errUntil); err != nil {
			field := "from"
			if errFrom == nil {
				field = "until"
			}
			return t, wrong(field, "from and until must be times such as 2026-12-20T18:00: %v", err)
		}
		return t, nil
	}
	if strings.Contains(w.Schedule, "=") {
		return t, wrong("schedule", "schedule %q must not name a zone: timeZone does", w.Schedule)
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	if t.schedule, err = parser.Parse(w.Schedule); err != nil {
		return t, wrong("schedule", "schedule %q is no cron schedule of five fields: %v", w.Schedule, err)
	}
	t.duration = time.Duration(w.DurationSeconds) * time.Second
	return t, nil
}

// openUntil says whether a window is open, and when it closes.
func openUntil(w *platformv1alpha1.FreezeWindow, now time.Time) (until time.Time, open bool, err error) {
	t, err := read(w)
	if err != nil {
		return time.Time{}, false, err
	}
	covers := func(from, to time.Time) bool {
		until = instant(to, t.zone, true)
		return !now.Before(instant(from, t.zone, false)) && now.Before(until)
	}
	if t.schedule == nil {
		return until, covers(t.from, t.until), nil
	}
	// The clocks may have been moved in between: half a day more on either side finds every start that matters.
	clock := onTheWall(now, t.zone)
	start := t.schedule.Next(clock.Add(-t.duration - 12*time.Hour))
	for range maxStarts {
		if start.IsZero() || start.After(clock.Add(12*time.Hour)) {
			break
		}
		end := start.Add(t.duration)
		if !open && covers(start, end) {
			open = true
		}
		if open {
			// One that begins before another ends goes on in it.
			if from := instant(start, t.zone, false); !from.After(until) {
				if to := instant(end, t.zone, true); to.After(until) {
					until = to
				}
			}
		}
		start = t.schedule.Next(start)
	}
	return until, open, nil
}

// onTheWall is what clocks show, as if that were UTC.
func onTheWall(t time.Time, zone *time.Location) time.Time {
	l := t.In(zone)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)
}

// instant is when clocks show a time: the first or the last moment where they do so twice, and when they are moved
// where they never do.
func instant(wall time.Time, zone *time.Location, last bool) time.Time {
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	// The offsets in force around it; clocks are not moved twice within two days.
	before, after := wall.Add(-offset(wall.Add(-24*time.Hour))), wall.Add(-offset(wall.Add(24*time.Hour)))
	shows := func(t time.Time) bool { return onTheWall(t, zone).Equal(wall) }
	switch {
	case shows(before) && (!last || !shows(after)):
		return before
	case shows(after):
		return after
	}
	_, moved := after.In(zone).ZoneBounds()
	return moved
}
