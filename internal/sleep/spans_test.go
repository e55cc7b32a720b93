package sleep_test

import (
	"testing"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// Spans say of a year what At says of each moment.
func TestSpans(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	until := from.Add(60 * 24 * time.Hour)
	p := plan(cron("n", "Europe/Berlin", "0 20 * * 1-5", 11*time.Hour), cron("w", "Europe/Berlin", "0 20 * * 5", 59*time.Hour))
	p.UID, p.WakeUntil, p.SeenAt = "e", until, from // that somebody wakes it does not count
	spans, seen := sleep.Spans(p, from, until, 1000)
	if !seen.Equal(until) || len(spans) < 40 {
		t.Fatalf("%d stretches until %s", len(spans), seen)
	}
	p.WakeUntil = time.Time{}
	for at := from; at.Before(until); at = at.Add(7 * time.Minute) {
		inside := false
		for _, s := range spans {
			inside = inside || !at.Before(s.From) && at.Before(s.Until)
		}
		if inside != sleep.At(p, at).Asleep {
			t.Fatalf("%s: within a stretch: %t", at, inside)
		}
	}
}

func TestSpans_Ends(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	until := from.Add(24 * time.Hour)
	always := sleep.Plan{Own: &platformv1alpha1.EnvironmentSleep{Mode: platformv1alpha1.SleepAlways}}
	if spans, seen := sleep.Spans(always, from, until, 10); len(spans) != 1 || spans[0] != (sleep.Span{From: from, Until: until}) || !seen.Equal(until) {
		t.Errorf("always: %v until %s", spans, seen)
	}
	if spans, seen := sleep.Spans(sleep.Plan{}, from, until, 10); len(spans) > 0 || !seen.Equal(until) {
		t.Errorf("never: %v until %s", spans, seen)
	}
	often := plan(cron("o", "UTC", "0 * * * *", 30*time.Minute))
	if spans, seen := sleep.Spans(often, from, until, 10); len(spans) != 10 || seen.After(from.Add(11*time.Hour)) {
		t.Errorf("often: %d until %s", len(spans), seen)
	}
}
