// Package freeze tells when windows of time are open in which nothing may be released. It is pure: the time comes in.
// How windows go by clocks says package window.
package freeze

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
	// Forbids is a window that is open and lets nobody break the glass, nil for none, and ForbidsUntil when no such is open
	// any more; zero where that is not known.
	Forbids      *platformv1alpha1.FreezeWindow
	ForbidsUntil time.Time
}

// At returns the window that is open at a time and closes last of those, nil for none; until is when those close that go on for one
// another. One that cannot be read is open: a freeze that nobody can read must not let anything through.
func At(windows []platformv1alpha1.FreezeWindow, now time.Time) *Active {
	active := open(windows, now)
	if active == nil {
		return nil
	}
	// Whichever closes last: each of those that are open holds by itself.
	forbidding := slices.DeleteFunc(slices.Clone(windows), func(w platformv1alpha1.FreezeWindow) bool {
		return w.BreakGlass != platformv1alpha1.BreakGlassForbidden
	})
	if forbids := open(forbidding, now); forbids != nil {
		active.Forbids, active.ForbidsUntil = forbids.Window, forbids.Until
	}
	return active
}

// open is what At says, without what forbids to break the glass.
func open(windows []platformv1alpha1.FreezeWindow, now time.Time) *Active {
	all := make([]*window.Times, len(windows))
	for i := range windows {
		var err error
		if all[i], err = window.Read(of(&windows[i])); err != nil {
			return &Active{Window: &windows[i], Broken: err}
		}
	}
	last, until := window.Last(all, now)
	if last < 0 {
		return nil
	}
	// What follows may not have begun: it is the window that is open that is named, and that somebody breaks.
	var closesLast time.Time
	for i := range all {
		if _, closes, open := all[i].Span(now); open && closes.After(closesLast) {
			last, closesLast = i, closes
		}
	}
	return &Active{Window: &windows[last], Until: until}
}

// Keeps says that what runs in an environment stays there while a window is open, for whoever asks to delete it.
func (a *Active) Keeps() string {
	if a.Broken != nil {
		return fmt.Sprintf("the freeze %s counts as open, since %v", a.Window.Name, a.Broken)
	}
	until := ""
	if !a.Until.IsZero() {
		until = " until " + a.Until.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("the freeze %s (%s) is open%s", a.Window.Name, strings.TrimSuffix(a.Window.Reason, "."), until)
}

// Problem is what is wrong with a window of that name: a window.Error where it is one of its fields.
type Problem struct {
	Name string
	Err  error
}

// Check says which windows have a zone or a schedule that cannot be read, never open or never close, each alone and
// together.
func Check(windows []platformv1alpha1.FreezeWindow) []Problem {
	var wrong []Problem
	var names []string
	var all []*window.Times
	for i := range windows {
		w := &windows[i]
		if err := window.Check(of(w)); err != nil {
			wrong = append(wrong, Problem{w.Name, err})
		} else if times, err := window.Read(of(w)); err == nil {
			names, all = append(names, w.Name), append(all, times)
		}
	}
	if i := window.Endless(all); i >= 0 {
		wrong = append(wrong, Problem{names[i], errors.New(window.NeverCloses)})
	}
	return wrong
}

func of(w *platformv1alpha1.FreezeWindow) window.Window {
	return window.Window{
		TimeZone: w.TimeZone, Schedule: w.Schedule, Duration: time.Duration(w.DurationSeconds) * time.Second, From: w.From, Until: w.Until,
	}
}
