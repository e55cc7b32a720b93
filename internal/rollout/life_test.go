package rollout_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/rollout"
)

// world is a template, and all who follow it, through several revisions.
type world struct {
	spec    platformv1alpha1.TemplateRollout
	status  *platformv1alpha1.TemplateRolloutStatus
	newest  int64
	members []*follower
	now     time.Time
}

// follower is one place, and its Releases.
type follower struct {
	place    rollout.Place
	releases []*platformv1alpha1.Release
	pinned   bool
	// bad are the revisions that fail here.
	bad map[int64]bool
}

func (w *world) join(i int, tier platformv1alpha1.Tier, revision int64) {
	f := &follower{place: place(i, tier), bad: map[int64]bool{}}
	if revision > 0 {
		f.run(works("a", revision), w.now)
	}
	w.members = append(w.members, f)
}

func (f *follower) run(r *platformv1alpha1.Release, now time.Time) {
	if n := len(f.releases); n > 0 {
		f.releases[n-1].Status.SupersededAt = &metav1.Time{Time: now}
	}
	r.CreationTimestamp = metav1.NewTime(now)
	f.releases = append(f.releases, r)
}

// proven says whether something worked here with a revision below another.
func (f *follower) proven(below int64) bool {
	return slices.ContainsFunc(f.releases, func(r *platformv1alpha1.Release) bool { return r.Proven() && r.Spec.Revision.Number < below })
}

// evaluate is a pass of the controller.
func (w *world) evaluate() {
	var members []rollout.Member
	for _, f := range w.members {
		if h := rollout.HistoryOf(f.releases, w.newest); h.Current != 0 && !f.pinned {
			members = append(members, rollout.Member{Place: f.place, Revision: h.Current, Ready: h.Ready, Failed: h.Failed(w.status), Broken: h.Broken})
		}
	}
	w.status, _ = rollout.Evaluate(&w.spec, w.status, w.newest, members, w.now)
}

// follow has a place take the revision that it should, and says what is wrong with that.
func (w *world) follow(f *follower) error {
	h := rollout.HistoryOf(f.releases, w.newest)
	target := rollout.Target(f.place, h, w.newest, w.spec.Waves, w.status)
	if f.pinned || target == h.Current {
		return nil
	}
	known := w.status != nil && w.status.Revision == w.newest
	switch {
	case h.Current == 0: // waves are for what runs already
		if known && w.status.State == platformv1alpha1.RolloutHalted && target == w.newest && w.status.FromRevision != 0 {
			return fmt.Errorf("a newcomer gets revision %d, which is halted", target)
		}
	case target > h.Current:
		switch {
		case target != w.newest:
			return fmt.Errorf("it goes up from %d to %d, and the newest is %d", h.Current, target, w.newest)
		case !known:
			return fmt.Errorf("it goes up to %d before it is known who goes first", target)
		case w.status.State != platformv1alpha1.RolloutProgressing && w.status.State != platformv1alpha1.RolloutComplete:
			return fmt.Errorf("it goes up to %d while the roll-out is %s", target, w.status.State)
		case w.status.State == platformv1alpha1.RolloutProgressing && rollout.WaveOf(f.place, w.spec.Waves) > w.status.Wave:
			return fmt.Errorf("it goes up to %d in wave %d", target, w.status.Wave)
		}
	default:
		last := f.releases[len(f.releases)-1]
		if last.Proven() && (!known || w.status.State != platformv1alpha1.RolloutAborted) {
			return fmt.Errorf("it goes down from %d to %d, and nothing is wrong", h.Current, target)
		}
		if f.proven(w.newest) && !slices.ContainsFunc(f.releases, func(r *platformv1alpha1.Release) bool { return r.Proven() && r.Spec.Revision.Number == target }) {
			return fmt.Errorf("it goes down from %d to %d, which never worked here", h.Current, target)
		}
	}
	made := works("a", target)
	if f.bad[target] {
		made = fails("a", target)
	}
	f.run(made, w.now)
	return nil
}

// Two roll-outs at once, Components that come, go, are pinned and let loose, a manager that starts anew, and a person who asks for
// this and that: whatever happens in whatever order, who goes up is in the wave, who goes down failed or was told to, to what
// worked, and a wave that was reached is not left.
func TestRollout_HoldsThroughAllThatHappens(t *testing.T) {
	ended := map[platformv1alpha1.RolloutState]int{}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := &world{spec: platformv1alpha1.TemplateRollout{Waves: waves(), MaxFailures: ptr.To(int32(1 + r.IntN(4)))}, newest: 2, now: noon}
		for i := range 10 {
			w.join(i, dev, 1)
			w.join(i, prod, 1)
		}
		for step := range 400 {
			w.now = w.now.Add(time.Duration(1+r.IntN(600)) * time.Second)
			if err := w.happen(r, step); err != nil {
				t.Fatalf("seed %d, step %d: %v; the status is %+v", seed, step, err, w.status)
			}
		}
		w.evaluate()
		ended[w.status.State]++
	}
	// Else nothing would have been shown.
	for _, state := range []platformv1alpha1.RolloutState{
		platformv1alpha1.RolloutProgressing, platformv1alpha1.RolloutHalted, platformv1alpha1.RolloutAborted, platformv1alpha1.RolloutComplete,
	} {
		if ended[state] == 0 {
			t.Errorf("no roll-out was %s in the end: %v", state, ended)
		}
	}
}

// happen has one thing happen, and says what is wrong with that.
func (w *world) happen(r *rand.Rand, step int) error {
	i := r.IntN(len(w.members))
	f := w.members[i]
	switch r.IntN(24) {
	case 0:
		if w.newest < 5 && step > 60 && r.IntN(4) == 0 {
			w.newest++
		}
	case 1:
		if len(w.members) > 5 {
			w.members = slices.Delete(w.members, i, i+1)
		}
	case 2:
		w.join(100+step, []platformv1alpha1.Tier{dev, prod}[r.IntN(2)], 0)
	case 3:
		f.pinned = r.IntN(2) == 0
	case 4: // a new manager has what was written
		text, err := json.Marshal(w.status)
		if err != nil {
			return err
		}
		w.status = nil
		return json.Unmarshal(text, &w.status)
	case 5:
		w.spec.Control = w.asked(r)
	case 6, 7, 8, 9, 10, 11:
		was := w.status
		w.evaluate()
		if was != nil && was.Revision == w.status.Revision && was.Wave > w.status.Wave {
			return fmt.Errorf("wave %d comes after %d", w.status.Wave, was.Wave)
		}
	default:
		if _, known := f.bad[w.newest]; !known {
			f.bad[w.newest] = r.IntN(25) == 0
		}
		if err := w.follow(f); err != nil {
			return fmt.Errorf("%v: %w", f.place, err)
		}
	}
	return nil
}

// asked is what a person asks for of the roll-out as it is.
func (w *world) asked(r *rand.Rand) *platformv1alpha1.RolloutControl {
	if w.status == nil {
		return nil
	}
	control := &platformv1alpha1.RolloutControl{Revision: w.status.Revision}
	switch r.IntN(8) {
	case 0, 1:
		control.Action, control.Attempt = platformv1alpha1.RolloutResume, w.status.Attempt+1
	case 2, 3:
		control.Action, control.Wave = platformv1alpha1.RolloutSkip, w.status.Wave
	case 4:
		control.Action = platformv1alpha1.RolloutAbort
	default:
		return nil
	}
	return control
}

// A wave that nobody is in is no wave to wait for.
func TestRollout_WavesOfNobody(t *testing.T) {
	spec := &platformv1alpha1.TemplateRollout{Waves: []platformv1alpha1.RolloutWave{wave(100, 3600, platformv1alpha1.TierStaging), wave(100, 0, dev)}}
	members := []rollout.Member{{Place: place(1, dev), Revision: 1, Ready: true}}
	status, again := rollout.Evaluate(spec, nil, 2, members, noon)
	if status.Wave != 2 || again != 0 || status.ReadySince != nil {
		t.Errorf("nobody is in staging, and it waits %s: %+v", again, status)
	}
}
