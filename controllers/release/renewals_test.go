package release

import (
	"testing"
	"time"
)

func TestARenewalIsDueAfterItsTimeAndAtMostAHalfMore(t *testing.T) {
	var r renewals
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	const after = 10 * time.Hour
	first := r.wait("a", after, now)
	if first < after || first > after+after/2 {
		t.Fatalf("it is due in %s", first)
	}
	if got := r.wait("a", after, now.Add(time.Hour)); got != first-time.Hour {
		t.Errorf("an hour later it is due in %s, want %s", got, first-time.Hour)
	}
	if got := r.wait("a", after, now.Add(16*time.Hour)); got != 0 {
		t.Errorf("after its time it is due in %s", got)
	}
	r.forget("a")
	if got := r.wait("a", after, now.Add(16*time.Hour)); got < after {
		t.Errorf("when it was written again it is due in %s", got)
	}
}
