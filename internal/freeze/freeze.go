// Package freeze tells when windows of time are open in which nothing may be released. It is pure: the time comes in.
// How windows go by clocks says package window.
package freeze

import (
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/window"
)

// Active is a window that is open.
type Active struct {
	Window *platformv1alpha1.FreezeWindow
	// Until is when it closes; zero where that is not known.
	Until time.Time
	// Broken says why the window cannot be read. It counts as open.
	Broken error
}

// At returns the window that is open at a time and closes last, nil for none; until is when those close that go on for one
// another. One that cannot be read is open: a freeze that nobody can read must not let anything through.
func At(windows []platformv1alpha1.FreezeWindow, now time.Time) *Active {
	all := make([]*window.Times, len(windows))
	for i := range windows {
		var err error
		if all[i], err = window.Read(of(&windows[i])); err != nil {
			return &Active{Window: &windows[i], Broken: err}
		}
	}
	open, until := window.Longest(all, now)
	if open < 0 {
		return nil
	}
	last := &Active{Window: &windows[open], Until: until}
	for range mostMeets {
		next, until := window.Longest(all, last.Until)
		if next < 0 {
			return last
		}
		last = &Active{Window: &windows[next], Until: until}
	}
	last.Until = time.Time{} // no end was found
	return last
}

// mostMeets is how many windows that meet are followed; then they are said never to close.
const mostMeets = 64

// Endless is the first of the windows that never closes together with the others, empty where each does. Those that cannot
// be read are left out: Check says so of them.
func Endless(windows []platformv1alpha1.FreezeWindow) string {
	var readable []platformv1alpha1.FreezeWindow
	for i := range windows {
		if Check(&windows[i]) == nil {
			readable = append(readable, windows[i])
		}
	}
	for i := range readable {
		times, err := window.Read(of(&readable[i]))
		if err != nil {
			continue
		}
		next := times.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if active := At(readable, next); !next.IsZero() && active != nil && active.Until.IsZero() {
			return readable[i].Name
		}
	}
	return ""
}

// Check says what is wrong with a window, as a window.Error: a zone or a schedule that cannot be read, or one that never
// opens or never closes.
func Check(w *platformv1alpha1.FreezeWindow) error { return window.Check(of(w)) }

func of(w *platformv1alpha1.FreezeWindow) window.Window {
	return window.Window{
		TimeZone: w.TimeZone, Schedule: w.Schedule, Duration: time.Duration(w.DurationSeconds) * time.Second, From: w.From, Until: w.Until,
	}
}
