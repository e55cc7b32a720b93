// Package rollout decides who gets a new revision of a template when. It is pure: what runs comes in, and how far the
// roll-out is goes out.
//
// A wave begins when everybody in those before runs the revision, Ready, and has for the soak of that wave. Who fails
// goes back to the revision before; when too many do, the roll-out halts for a person. Who was broken before, whatever the
// revision, is told apart: nobody waits for it, and it halts nothing. Promotion of versions goes on
// meanwhile: the two change in one Release only where there is no other way (package promotion).
package rollout

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// maxNamed is how many failures the status names, maxMessage how much of each.
	maxNamed, maxMessage = 50, 1024
	// shares is how fine percentages are.
	shares = 10_000
)

// Place is one environment of a Component.
type Place struct {
	// Namespace and Component are those of the Component, Environment one of its path.
	Namespace, Component, Environment string
	Tier                              platformv1alpha1.Tier
}

// Member is a Place, and what runs there.
type Member struct {
	Place
	// Revision that is assigned now.
	Revision int64
	// Ready says that what runs is Ready.
	Ready bool
	// Failed says why the newest revision failed here, or cannot be given at all; empty where it did not.
	Failed string
	// Broken says what keeps the place from being Ready that has nothing to do with the newest revision; empty for
	// nothing. Nobody waits for it, and it halts nothing.
	Broken string
	// Held says which place before it on its path keeps the revision from it, by being broken or having failed; empty for
	// none. Nobody waits for it either.
	Held string
}

// waited says whether a wave waits for the place.
func (m *Member) waited() bool { return m.Failed != "" || m.Broken == "" && m.Held == "" }

// share is where a place stands among all, from 0 to shares. It depends on nothing else, so that the same places go
// first each time.
func share(p Place) uint32 {
	h := fnv.New32a()
	for _, part := range []string{p.Namespace, p.Component, p.Environment} {
		_, _ = h.Write([]byte(part)) // never fails
		_, _ = h.Write([]byte{0})
	}
	return mix(h.Sum32()) % shares
}

// mix spreads the bits of a hash of short, alike texts: the finalizer of MurmurHash3.
func mix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// WaveOf returns the number of the first wave that a place is in, from 1; one more than there are for none.
func WaveOf(p Place, waves []platformv1alpha1.RolloutWave) int32 {
	for i, w := range waves {
		if len(w.Tiers) > 0 && !slices.Contains(w.Tiers, p.Tier) {
			continue
		}
		if share(p) < uint32(max(w.Percent, 0))*shares/100 {
			return int32(i + 1) //nolint:gosec // at most 16 waves
		}
	}
	return int32(len(waves) + 1) //nolint:gosec // at most 16 waves
}

// Target returns the revision that a place should get. newest is the template's newest revision.
func Target(p Place, h History, newest int64, waves []platformv1alpha1.RolloutWave, status *platformv1alpha1.TemplateRolloutStatus) int64 {
	if len(waves) == 0 {
		return newest
	}
	if status == nil || status.Revision != newest {
		return cmp.Or(h.Current, newest) // nobody moves before it is known who goes first
	}
	before := cmp.Or(h.Back, status.FromRevision, newest)
	switch {
	case status.State == platformv1alpha1.RolloutComplete && !h.failedSince(status):
		return newest
	case status.State == platformv1alpha1.RolloutAborted:
		if h.Current == newest {
			return before
		}
		return cmp.Or(h.Current, before)
	case h.failedSince(status):
		if h.Current == newest {
			return before
		}
		return cmp.Or(h.Current, before)
	case h.Current == 0:
		if status.State == platformv1alpha1.RolloutHalted {
			return before
		}
		return newest // waves are for what runs already
	case status.State == platformv1alpha1.RolloutHalted:
		return h.Current // nobody moves further
	case WaveOf(p, waves) <= status.Wave:
		return newest
	}
	return h.Current
}

// Evaluate returns how far the roll-out of the newest revision is, and after which time to look again though nothing
// happened; 0 for never. Members are all places that follow the template without a pin. It returns nil for a template
// without waves.
func Evaluate(spec *platformv1alpha1.TemplateRollout, was *platformv1alpha1.TemplateRolloutStatus, newest int64, members []Member, now time.Time) (*platformv1alpha1.TemplateRolloutStatus, time.Duration) {
	if spec == nil || len(spec.Waves) == 0 || newest == 0 {
		return nil, 0
	}
	status := begin(was, newest, members)
	if status.State == platformv1alpha1.RolloutComplete {
		return status, 0
	}
	control := spec.Control
	if control != nil && control.Revision != newest {
		control = nil
	}
	if control != nil && control.Action == platformv1alpha1.RolloutAbort {
		status.State = platformv1alpha1.RolloutAborted
		count(status, spec.Waves, members)
		status.ReadySince, status.Message = nil, fmt.Sprintf("Aborted: everybody goes back to, or stays at, the revision before %d.", newest)
		return status, 0
	}
	if status.State == platformv1alpha1.RolloutAborted {
		status.State = platformv1alpha1.RolloutProgressing // the wish was taken back
	}
	if control != nil && control.Action == platformv1alpha1.RolloutResume && max(control.Attempt, 1) > status.Attempt {
		status.Attempt, status.ResumedAt = max(control.Attempt, 1), ptr.To(metav1.NewTime(now.Truncate(time.Second)))
		status.State, status.Failed, status.Failures = platformv1alpha1.RolloutProgressing, 0, nil
		for i := range members {
			members[i].Failed, members[i].Held = "", "" // what failed before the resume is tried again
		}
	}
	return advance(spec, status, members, control, now)
}

// begin is the status that a revision starts with, or the one that there was of it.
func begin(was *platformv1alpha1.TemplateRolloutStatus, newest int64, members []Member) *platformv1alpha1.TemplateRolloutStatus {
	if was != nil && was.Revision == newest {
		return was.DeepCopy()
	}
	status := &platformv1alpha1.TemplateRolloutStatus{Revision: newest, State: platformv1alpha1.RolloutProgressing, Wave: 1}
	switch {
	case was != nil && was.State == platformv1alpha1.RolloutComplete:
		status.FromRevision = was.Revision
	case was != nil:
		status.FromRevision = was.FromRevision // that one never reached everybody
	default:
		for _, m := range members {
			if m.Revision < newest {
				status.FromRevision = max(status.FromRevision, m.Revision)
			}
		}
	}
	return status
}

// advance goes from wave to wave as far as may be.
func advance(spec *platformv1alpha1.TemplateRollout, status *platformv1alpha1.TemplateRolloutStatus, members []Member, control *platformv1alpha1.RolloutControl, now time.Time) (*platformv1alpha1.TemplateRolloutStatus, time.Duration) {
	last := int32(len(spec.Waves) + 1) //nolint:gosec // at most 16 waves
	for {
		count(status, spec.Waves, members)
		if most := ptr.Deref(spec.MaxFailures, 1); status.Failed >= most {
			status.State, status.ReadySince = platformv1alpha1.RolloutHalted, nil
			status.Message = fmt.Sprintf("Halted in wave %d: %d failed, and went back. Mend the template, or ask for Resume, Skip or Abort of revision %d in spec.rollout.control.",
				status.Wave, status.Failed, status.Revision)
			return status, 0
		}
		status.State = platformv1alpha1.RolloutProgressing
		skipped := control != nil && control.Action == platformv1alpha1.RolloutSkip && control.Wave == status.Wave
		if status.Ready+status.Failed < status.Members && !skipped {
			status.ReadySince = nil
			status.Message = fmt.Sprintf("Wave %d: %d of %d are Ready at revision %d.", status.Wave, status.Ready, status.Members, status.Revision)
			return status, 0
		}
		if wait := soak(spec, status, now); wait > 0 && !skipped {
			status.Message = fmt.Sprintf("Wave %d soaks until %s.", status.Wave, now.Add(wait).UTC().Format(time.RFC3339))
			return status, wait
		}
		status.ReadySince = nil
		if status.Wave >= last {
			status.State, status.Impact = platformv1alpha1.RolloutComplete, nil
			status.Message = fmt.Sprintf("Revision %d has reached everybody who follows the template.", status.Revision)
			if status.Broken > 0 {
				status.Message = fmt.Sprintf("Revision %d has reached everybody who follows the template, but for %d that were broken without it.", status.Revision, status.Broken)
			}
			return status, 0
		}
		status.Wave++
	}
}

// soak returns how long the wave still has to be Ready; it begins to count where it has not.
func soak(spec *platformv1alpha1.TemplateRollout, status *platformv1alpha1.TemplateRolloutStatus, now time.Time) time.Duration {
	if int(status.Wave) > len(spec.Waves) || status.Members == 0 && status.Broken == 0 {
		return 0
	}
	need := time.Duration(spec.Waves[status.Wave-1].SoakSeconds) * time.Second
	if need == 0 {
		return 0
	}
	if status.ReadySince == nil {
		status.ReadySince = ptr.To(metav1.NewTime(now.Truncate(time.Second)))
	}
	return max(status.ReadySince.Add(need).Sub(now), 0)
}

// count looks how those are who should have the revision by now.
func count(status *platformv1alpha1.TemplateRolloutStatus, waves []platformv1alpha1.RolloutWave, members []Member) {
	known, failed := status.Failures, status.Failed
	status.Members, status.Ready, status.Failed, status.Failures = 0, 0, 0, nil
	status.Broken, status.BrokenEnvironments = 0, nil
	for i := range members {
		m := &members[i]
		if m.Failed != "" {
			status.Failed++
			if len(status.Failures) < maxNamed {
				status.Failures = append(status.Failures, failure(m, known))
			}
		}
		if WaveOf(m.Place, waves) > status.Wave && m.Revision != status.Revision {
			continue
		}
		if !m.waited() {
			if status.Broken++; len(status.BrokenEnvironments) < maxNamed {
				status.BrokenEnvironments = append(status.BrokenEnvironments, named(m, cmp.Or(m.Broken, m.Held)))
			}
			continue
		}
		status.Members++
		if m.Failed == "" && m.Revision == status.Revision && m.Ready {
			status.Ready++
		}
	}
	if status.State == platformv1alpha1.RolloutHalted && status.Failed < failed {
		status.Failed, status.Failures = failed, known // who went back is well again, and that mends nothing
	}
	byPlace := func(a, b platformv1alpha1.RolloutFailure) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Component, b.Component), cmp.Compare(a.Environment, b.Environment))
	}
	slices.SortFunc(status.Failures, byPlace)
	slices.SortFunc(status.BrokenEnvironments, byPlace)
}

// failure names a member that failed. Why it did is known only until it has gone back; what was said then stands.
func failure(m *Member, known []platformv1alpha1.RolloutFailure) platformv1alpha1.RolloutFailure {
	f := named(m, m.Failed)
	i := slices.IndexFunc(known, func(k platformv1alpha1.RolloutFailure) bool {
		return k.Namespace == f.Namespace && k.Component == f.Component && k.Environment == f.Environment
	})
	if i >= 0 && m.Failed == WentBack {
		f.Message = known[i].Message
	}
	return f
}

func named(m *Member, why string) platformv1alpha1.RolloutFailure {
	return platformv1alpha1.RolloutFailure{Namespace: m.Namespace, Component: m.Component, Environment: m.Environment, Message: clip(why)}
}

func clip(text string) string {
	if runes := []rune(text); len(runes) > maxMessage {
		return string(runes[:maxMessage-1]) + "…"
	}
	return text
}
