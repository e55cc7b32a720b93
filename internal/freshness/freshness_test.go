package freshness_test

import (
	"testing"

	"github.com/towpath-dev/towpath/internal/freshness"
)

func TestTracker(t *testing.T) {
	var tracker freshness.Tracker[string]
	if tracker.Stale("a", "1") {
		t.Error("an object that was never written is stale")
	}
	tracker.Wrote("a", "100")
	if !tracker.Stale("a", "99") {
		t.Error("version 99 is not stale after writing 100")
	}
	if tracker.Stale("b", "1") {
		t.Error("a write of another object makes this one stale")
	}
	if tracker.Stale("a", "100") {
		t.Error("the written version itself is stale")
	}
	if tracker.Stale("a", "99") {
		t.Error("the write was not forgotten once it was seen")
	}
	tracker.Wrote("a", "200")
	if tracker.Stale("a", "") {
		t.Error("a version that cannot be compared is stale, so the object would never be looked at again")
	}
	tracker.Wrote("a", "300")
	tracker.Forget("a")
	if tracker.Stale("a", "1") {
		t.Error("the write was not forgotten")
	}
}
