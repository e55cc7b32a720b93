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

// At returns the window that is open at a time and closes last, nil for none. One that cannot be read is open: a freeze
// that nobody can read must not let anything through.
func At(windows []platformv1alpha1.FreezeWindow, now time.Time) *Active {
	var last *Active
	for i := range windows {
		w := &windows[i]
		times, err := window.Read(of(w))
		if err != nil {
			return &Active{Window: w, Broken: err}
		}
		if _, until, open := times.Span(now); open && (last == nil || until.After(last.Until)) {
			last = &Active{Window: w, Until: until}
		}
	}
	return last
}

// Check says what is wrong with a window, as a window.Error: a zone or a schedule that cannot be read, or one that never
// opens or never closes.
func Check(w *platformv1alpha1.FreezeWindow) error { return window.Check(of(w)) }

func of(w *platformv1alpha1.FreezeWindow) window.Window {
	return window.Window{
		TimeZone: w.TimeZone, Schedule: w.Schedule, Duration: time.Duration(w.DurationSeconds) * time.Second, From: w.From, Until: w.Until,
	}
}
