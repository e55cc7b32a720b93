// Package window does the arithmetic of windows of time that come again by a schedule, or once. It is pure: the time
// comes in.
//
// The times of a window are those of clocks on the wall. What begins at 02:30 begins when the clocks are put forward on
// a day that has no 02:30, and the first time on one that has two; what ends then ends the second time. So a window
// comes each time it should, and covers all that clocks show of it.
package window

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the zones are the same wherever the manager runs

	"github.com/robfig/cron/v3"
)

const (
	// layout is that of From and Until.
	layout = "2006-01-02T15:04"
	// maxStarts is after how many starts in a row a window that never closed in between is said never to close.
	maxStarts = 20_000
	// shift is more than clocks are ever moved: what lies so much further off cannot matter.
	shift = 12 * time.Hour
)

// Window is one as people write it.
type Window struct {
	// TimeZone is a name of the IANA database.
	TimeZone string
	// Schedule is when it begins, as in cron, and Duration how long it lasts.
	Schedule string
	Duration time.Duration
	// From and Until are when one begins and ends that comes once. They count where there is no Schedule.
	From, Until string
}

// Times are those of a window, read: on the wall, so as if they were in UTC.
type Times struct {
	window      Window
	zone        *time.Location
	schedule    cron.Schedule
	duration    time.Duration
	from, until time.Time
}

// Error is what is wrong with a field of a window.
type Error struct {
	Field, Message string
}

func (e *Error) Error() string { return e.Message }

func wrong(field, format string, args ...any) error {
	return &Error{Field: field, Message: fmt.Sprintf(format, args...)}
}

// Read reads a window, or says by an Error what cannot be read of it.
func Read(w Window) (*Times, error) {
	t := &Times{window: w}
	var err error
	if strings.EqualFold(w.TimeZone, "local") {
		return nil, wrong("timeZone", "timeZone must name a zone, such as Europe/Berlin")
	}
	if t.zone, err = time.LoadLocation(w.TimeZone); err != nil {
		return nil, wrong("timeZone", "timeZone %q is not known: it must be a name of the IANA database, such as Europe/Berlin", w.TimeZone)
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
			return nil, wrong(field, "from and until must be times such as 2026-12-20T18:00: %v", err)
		}
		return t, nil
	}
	if strings.Contains(w.Schedule, "=") {
		return nil, wrong("schedule", "schedule %q must not name a zone: timeZone does", w.Schedule)
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	if t.schedule, err = parser.Parse(w.Schedule); err != nil {
		return nil, wrong("schedule", "schedule %q is no cron schedule of five fields: %v", w.Schedule, err)
	}
	t.duration = w.Duration
	return t, nil
}

// Check says what is wrong with a window, as an Error: a zone or a schedule that cannot be read, or one that never opens or never
// closes.
func Check(w Window) error {
	t, err := Read(w)
	if err != nil {
		return err
	}
	return t.Check(maxStarts)
}

// Check says whether a window that was read never opens or never closes, as far as so many starts show.
func (t *Times) Check(starts int) error {
	if t.schedule == nil {
		if !t.from.Before(t.until) {
			return wrong("until", "until (%s) must be after from (%s)", t.window.Until, t.window.From)
		}
		if from, until, _ := t.Span(time.Time{}); !from.Before(until) {
			return wrong("until", "no time passes between from (%s) and until (%s): clocks are put forward then", t.window.From, t.window.Until)
		}
		return nil
	}
	start := t.schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if start.IsZero() {
		return wrong("schedule", "schedule %q never comes", t.window.Schedule)
	}
	for range starts {
		next := t.schedule.Next(start)
		if next.IsZero() || next.After(start.Add(t.duration)) {
			return nil
		}
		start = next
	}
	return wrong("durationSeconds", "a window of %s that begins by schedule %q never closes: it begins again before it ends", t.duration, t.window.Schedule)
}

// Often says whether a window begins more than so many times within its duration and a day.
func (t *Times) Often(most int) bool {
	if t.schedule == nil {
		return false
	}
	start := t.schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	end := start.Add(t.duration + 24*time.Hour)
	for range most {
		if start = t.schedule.Next(start); start.IsZero() || !start.Before(end) {
			return false
		}
	}
	return true
}

// Span says whether a window is open, since when, and when it closes. One that begins before another ends goes on in
// it, as far as the next half a day shows; and so does the beginning, as far as a window and half a day back.
func (t *Times) Span(now time.Time) (from, until time.Time, open bool) {
	if t.schedule == nil {
		from, until = instant(t.from, t.zone, false), instant(t.until, t.zone, true)
		return from, until, !now.Before(from) && now.Before(until)
	}
	clock := onTheWall(now, t.zone)
	start := t.schedule.Next(clock.Add(-t.duration - shift))
	for range maxStarts {
		if start.IsZero() || start.After(clock.Add(shift)) {
			break
		}
		begins, ends := instant(start, t.zone, false), instant(start.Add(t.duration), t.zone, true)
		if begins.After(until) || from.IsZero() {
			if from.IsZero() || !now.Before(until) {
				from, until = begins, ends
			} else {
				break // what lies around the time is complete
			}
		} else if ends.After(until) {
			until = ends
		}
		start = t.schedule.Next(start)
	}
	return from, until, !from.IsZero() && !now.Before(from) && now.Before(until)
}

// MostMeets is how many windows that meet are followed; then they are said never to close.
const MostMeets = 64

// Last follows windows that go on for one another: of those that are open at a time, and of those that are open when these
// have closed, and so on, which closes last, and when. The time is zero where no end was found; -1 says that none is open.
func Last(all []*Times, now time.Time) (which int, until time.Time) {
	which, until = longest(all, now)
	for meets := 0; which >= 0; meets++ {
		next, closes := longest(all, until)
		if next < 0 {
			break
		}
		if which, until = next, closes; meets == MostMeets {
			return which, time.Time{}
		}
	}
	return which, until
}

// longest is which of the windows that are open at a time closes last, and when; -1 for none.
func longest(all []*Times, now time.Time) (which int, until time.Time) {
	which = -1
	for i, times := range all {
		if _, closes, open := times.Span(now); open && (which < 0 || closes.After(until)) {
			which, until = i, closes
		}
	}
	return which, until
}

// Endless is the first of the windows that never closes together with the others; -1 where each does.
func Endless(all []*Times) int {
	for i, times := range all {
		next := times.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if next.IsZero() {
			continue
		}
		if open, until := Last(all, next); open >= 0 && until.IsZero() {
			return i
		}
	}
	return -1
}

// NeverCloses is what is wrong with a window that is Endless.
const NeverCloses = "together with the others it never closes"

// Next is when a window begins next after a time; zero for never. It may be open already.
func (t *Times) Next(now time.Time) time.Time {
	if t.schedule == nil {
		if from := instant(t.from, t.zone, false); from.After(now) {
			return from
		}
		return time.Time{}
	}
	start := t.schedule.Next(onTheWall(now, t.zone).Add(-shift))
	for range maxStarts {
		if start.IsZero() {
			break
		}
		if begins := instant(start, t.zone, false); begins.After(now) {
			return begins
		}
		start = t.schedule.Next(start)
	}
	return time.Time{}
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
