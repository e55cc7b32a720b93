package release

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func releaseOf(team, name string, uid types.UID) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: name, UID: uid},
		Status:     platformv1alpha1.ReleaseStatus{ObservedGeneration: 1},
	}
}

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestBacklog_HoldsNothingWhileNothingIsApplied(t *testing.T) {
	var b backlog
	if wait := b.put(releaseOf("team-a", "web-dev-1", "1"), noon); wait != 0 {
		t.Errorf("a status waits %s though nothing was ever applied", wait)
	}
	b.begin()
	b.end(noon.Add(-quietFor))
	if wait := b.put(releaseOf("team-a", "web-dev-1", "1"), noon); wait != 0 {
		t.Errorf("a status waits %s though the last apply is long over", wait)
	}
	if status, _ := b.get(releaseOf("team-a", "web-dev-1", "1"), noon); status != nil {
		t.Error("a status that is to be written now was kept")
	}
}

func TestBacklog_WaitsForQuiet(t *testing.T) {
	var b backlog
	release := releaseOf("team-a", "web-dev-1", "1")
	b.begin()
	b.end(noon)
	if wait := b.put(release, noon); wait != quietFor {
		t.Errorf("just after an apply a status waits %s, want %s", wait, quietFor)
	}
	status, wait := b.get(release, noon.Add(quietFor/2))
	if status == nil || status.ObservedGeneration != 1 || wait != quietFor/2 {
		t.Errorf("half of that later: status %v, wait %s", status, wait)
	}
	if _, wait := b.get(release, noon.Add(quietFor)); wait != 0 {
		t.Errorf("when it is quiet, a status waits %s", wait)
	}
	if status, _ := b.get(releaseOf("team-a", "web-dev-1", "2"), noon); status != nil {
		t.Error("another Release of the same name got the status")
	}
	b.forget(keyOf(release))
	if status, _ := b.get(release, noon); status != nil {
		t.Error("what was forgotten is still there")
	}
}

// A thousand statuses wait for one last apply, and there is nothing else to do then.
func TestBacklog_WaitsForItsOwnEventsAlone(t *testing.T) {
	var b backlog
	b.begin()
	b.begin()
	early, late := releaseOf("team-a", "web-dev-1", "1"), releaseOf("team-a", "api-dev-1", "2")
	b.end(noon)
	b.put(early, noon)
	last := noon.Add(quietFor)
	b.end(last)
	if wait := b.put(late, last); wait != quietFor {
		t.Errorf("the status of what was applied last waits %s, want %s", wait, quietFor)
	}
	if _, wait := b.get(early, last); wait != lull {
		t.Errorf("a status whose events have come waits %s for the last apply of others, want %s", wait, lull)
	}
	if _, wait := b.get(early, last.Add(lull)); wait != 0 {
		t.Errorf("it waits %s more once nothing is applied", wait)
	}
	b.begin()
	if _, wait := b.get(early, last.Add(lull)); wait == 0 {
		t.Error("it does not wait though others are applied")
	}
}

func TestBacklog_IsBoundedByWhatATeamHasOutstanding(t *testing.T) {
	var b backlog
	b.begin() // and never ends: others apply all the time
	wait := func(team string, n int) time.Duration {
		var first *platformv1alpha1.Release
		for i := range n {
			release := releaseOf(team, "web-dev-"+string(rune('a'+i%26))+string(rune('a'+i/26)), types.UID(rune('a'+i)))
			if first == nil {
				first = release
			}
			b.put(release, noon)
		}
		var waited time.Duration
		for {
			_, more := b.get(first, noon.Add(waited))
			if more == 0 {
				return waited
			}
			waited += more
		}
	}
	alone, few, many := wait("team-a", 1), wait("team-b", 10), wait("team-c", 500)
	if alone > 2*holdEach {
		t.Errorf("who has one status waits %s for the others", alone)
	}
	if few <= alone || few > 11*holdEach {
		t.Errorf("who has ten waits %s", few)
	}
	if many != holdLast {
		t.Errorf("who has hundreds waits %s, want at most %s", many, holdLast)
	}
}

func TestBacklog_GoesOnFromTheLastStatus(t *testing.T) {
	var b backlog
	b.begin()
	release := releaseOf("team-a", "web-dev-1", "1")
	b.put(release, noon)
	release.Status.ObservedGeneration = 2
	at := noon.Add(holdEach)
	if wait := b.put(release, at); wait == 0 || wait > holdEach {
		t.Errorf("the second of two statuses waits %s, which is not counted from the first", wait)
	}
	if status, _ := b.get(release, at); status.ObservedGeneration != 2 {
		t.Errorf("kept is %v", status)
	}
}
