package costsource

import (
	"encoding/json"
	"hash/fnv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
)

// underWay is the message of a state while an import runs. One that is found later was interrupted.
const underWay = "the import was interrupted"

// note is what the history keeps of a source, beside the times of its last import and the reader's own cursor.
type note struct {
	// UID is that of the CostSource: another one of its name begins anew.
	UID types.UID `json:"uid"`
	// Generation is what was read last: another one is read at once.
	Generation int64 `json:"generation"`
	// Failures are those on end.
	Failures int `json:"failures,omitempty"`
	// Reason is why the last one failed; empty where it went well.
	Reason source.Reason `json:"reason,omitempty"`
	// NotBefore is when the source may be asked again, in seconds since 1970.
	NotBefore int64 `json:"notBefore,omitempty"`
	// Day and Requests are how many requests that cost money were sent on a day.
	Day      history.Day `json:"day,omitempty"`
	Requests int32       `json:"requests,omitempty"`
	// Reader is the cursor of the reader.
	Reader string `json:"reader,omitempty"`
}

// parseNote reads a note. One that cannot be read is that of nobody.
func parseNote(cursor string) note {
	var n note
	if json.Unmarshal([]byte(cursor), &n) != nil {
		return note{}
	}
	return n
}

func (n note) String() string {
	text, _ := json.Marshal(n) // numbers and text alone
	return string(text)
}

// firstWait is how long the first wait after a failure is; each further one is twice as long, up to the interval.
const firstWait = time.Minute

// ahead is by how much a time that was noted may be after now: managers' clocks differ.
const ahead = 5 * time.Minute

// dueAt is when a source is due. One whose last import was by a clock that was ahead is so at once, or it would wait until then.
func dueAt(cs *platformv1alpha1.CostSource, state *history.State, n *note, now time.Time) time.Time {
	if state.LastAttempt.After(now.Add(ahead)) {
		return now
	}
	return next(cs, state, n)
}

// next is when a source is due after its last import.
func next(cs *platformv1alpha1.CostSource, state *history.State, n *note) time.Time {
	if state.LastAttempt.IsZero() || n.Generation != cs.Generation {
		return state.LastAttempt // at once
	}
	interval := time.Duration(cs.Spec.IntervalSeconds) * time.Second
	wait := jittered(cs.UID, interval)
	if n.Failures > 0 {
		const doublings = 12 // a minute becomes more than a day
		wait = min(interval, firstWait<<min(n.Failures-1, doublings))
	}
	due := state.LastAttempt.Add(wait)
	if allowed := time.Unix(n.NotBefore, 0).UTC(); n.NotBefore != 0 && allowed.After(due) {
		due = allowed
	}
	return due
}

// jittered is an interval and up to a tenth more, always as much for one source.
func jittered(uid types.UID, interval time.Duration) time.Duration {
	const steps = 1024
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(uid))
	return interval + interval/10*time.Duration(hash.Sum32()%steps)/steps
}
