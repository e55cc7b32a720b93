package rollout_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/rollout"
)

const (
	dev  = platformv1alpha1.TierDevelopment
	prod = platformv1alpha1.TierProduction
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func wave(percent, soak int32, tiers ...platformv1alpha1.Tier) platformv1alpha1.RolloutWave {
	return platformv1alpha1.RolloutWave{Tiers: tiers, Percent: percent, SoakSeconds: soak}
}

// waves are all of development, then a tenth of production, with an hour's soak, then all of it.
func waves() []platformv1alpha1.RolloutWave {
	return []platformv1alpha1.RolloutWave{wave(100, 0, dev), wave(10, 3600, prod), wave(100, 0, prod)}
}

func place(i int, tier platformv1alpha1.Tier) rollout.Place {
	return rollout.Place{Namespace: "team-shop", Component: fmt.Sprintf("service-%03d", i), Environment: strings.ToLower(string(tier)), Tier: tier}
}

func TestWaveOf(t *testing.T) {
	const n = 2000
	counts := map[int32]int{}
	for i := range n {
		if got := rollout.WaveOf(place(i, dev), waves()); got != 1 {
			t.Fatalf("development is in wave %d", got)
		}
		w := rollout.WaveOf(place(i, prod), waves())
		counts[w]++
		if again := rollout.WaveOf(place(i, prod), waves()); again != w {
			t.Fatalf("the choice is not stable: %d, then %d", w, again)
		}
		// Who is among ten percent is among twenty.
		if w == 2 && rollout.WaveOf(place(i, prod), []platformv1alpha1.RolloutWave{wave(20, 0)}) != 1 {
			t.Fatal("a higher percentage leaves somebody out")
		}
	}
	if counts[2] < n*8/100 || counts[2] > n*12/100 || counts[2]+counts[3] != n {
		t.Errorf("a tenth of %d is %v", n, counts)
	}
	if got := rollout.WaveOf(place(1, platformv1alpha1.TierStaging), waves()); got != 4 {
		t.Errorf("who is in no wave is in %d, want one after the last", got)
	}
}

func TestTarget(t *testing.T) {
	at := noon
	status := func(state platformv1alpha1.RolloutState, wave int32) *platformv1alpha1.TemplateRolloutStatus {
		return &platformv1alpha1.TemplateRolloutStatus{Revision: 7, FromRevision: 6, State: state, Wave: wave}
	}
	resumed := status(platformv1alpha1.RolloutProgressing, 1)
	resumed.ResumedAt = ptr.To(metav1.NewTime(noon.Add(time.Minute)))
	const progressing, halted, aborted, complete = platformv1alpha1.RolloutProgressing, platformv1alpha1.RolloutHalted, platformv1alpha1.RolloutAborted, platformv1alpha1.RolloutComplete
	for name, c := range map[string]struct {
		tier    platformv1alpha1.Tier
		history rollout.History
		status  *platformv1alpha1.TemplateRolloutStatus
		want    int64
	}{
		"before anything is known":           {dev, rollout.History{Current: 5}, nil, 5},
		"of another revision":                {dev, rollout.History{Current: 5}, &platformv1alpha1.TemplateRolloutStatus{Revision: 6, State: complete}, 5},
		"in the first wave":                  {dev, rollout.History{Current: 6}, status(progressing, 1), 7},
		"in a later wave":                    {prod, rollout.History{Current: 6}, status(progressing, 1), 6},
		"when its wave comes":                {prod, rollout.History{Current: 6}, status(progressing, 3), 7},
		"in no wave":                         {platformv1alpha1.TierStaging, rollout.History{Current: 6}, status(progressing, 3), 6},
		"in no wave, after the last":         {platformv1alpha1.TierStaging, rollout.History{Current: 6}, status(progressing, 4), 7},
		"when all is done":                   {prod, rollout.History{Current: 3}, status(complete, 4), 7},
		"newcomer":                           {prod, rollout.History{}, status(progressing, 1), 7},
		"newcomer while it is halted":        {prod, rollout.History{}, status(halted, 1), 6},
		"newcomer, before anything is known": {prod, rollout.History{}, nil, 7},
		"halted, not there yet":              {dev, rollout.History{Current: 5}, status(halted, 1), 5},
		"halted, there already":              {dev, rollout.History{Current: 7, Back: 6}, status(halted, 1), 7},
		"failed":                             {dev, rollout.History{Current: 7, Back: 5, FailedAt: &at}, status(progressing, 1), 5},
		"failed and went back":               {dev, rollout.History{Current: 5, Back: 5, FailedAt: &at}, status(progressing, 1), 5},
		"failed, and all others are done":    {dev, rollout.History{Current: 5, Back: 5, FailedAt: &at}, status(complete, 4), 5},
		"failed before it was resumed":       {dev, rollout.History{Current: 5, Back: 5, FailedAt: &at}, resumed, 7},
		"aborted":                            {dev, rollout.History{Current: 7, Back: 5}, status(aborted, 2), 5},
		"aborted, not there yet":             {prod, rollout.History{Current: 4}, status(aborted, 2), 4},
		"aborted, and it never had another":  {dev, rollout.History{Current: 7}, status(aborted, 2), 6},
	} {
		if got := rollout.Target(place(1, c.tier), c.history, 7, waves(), c.status); got != c.want {
			t.Errorf("%s: got revision %d, want %d", name, got, c.want)
		}
	}
	if got := rollout.Target(place(1, dev), rollout.History{Current: 2}, 7, nil, nil); got != 7 {
		t.Errorf("without waves everybody gets %d, want the newest", got)
	}
}

// plane is a cluster of members that do what they are told.
type plane struct {
	spec    platformv1alpha1.TemplateRollout
	status  *platformv1alpha1.TemplateRolloutStatus
	newest  int64
	members []rollout.Member
	history []rollout.History
	now     time.Time
}

func newPlane(n int, spec platformv1alpha1.TemplateRollout) *plane {
	p := &plane{spec: spec, newest: 2, now: noon}
	for i := range n {
		for _, tier := range []platformv1alpha1.Tier{dev, prod} {
			p.members = append(p.members, rollout.Member{Place: place(i, tier), Revision: 1, Ready: true})
			p.history = append(p.history, rollout.History{Current: 1, Back: 1})
		}
	}
	return p
}

// evaluate is one pass of the controller; it copies members as the controller makes them anew.
func (p *plane) evaluate() time.Duration {
	members := append([]rollout.Member(nil), p.members...)
	for i := range members {
		members[i].Revision, members[i].Failed = p.history[i].Current, p.history[i].Failed(p.status)
	}
	status, again := rollout.Evaluate(&p.spec, p.status, p.newest, members, p.now)
	p.status = status
	return again
}

// follow has one member take what it should, and become ready unless it fails.
func (p *plane) follow(i int, fails bool) {
	h := &p.history[i]
	target := rollout.Target(p.members[i].Place, *h, p.newest, p.spec.Waves, p.status)
	if target == h.Current {
		return
	}
	h.Current = target
	p.members[i].Ready = true
	if target == p.newest && fails {
		h.FailedAt, h.Why = ptr.To(p.now), "it broke"
		p.members[i].Ready = false
	}
}

func (p *plane) at(revision int64, tier platformv1alpha1.Tier) int {
	n := 0
	for i := range p.members {
		if p.history[i].Current == revision && p.members[i].Tier == tier {
			n++
		}
	}
	return n
}

func (p *plane) settle(fails func(int) bool) time.Duration {
	var again time.Duration
	for range 10 {
		again = p.evaluate()
		for i := range p.members {
			p.follow(i, fails(i))
		}
	}
	return again
}

func never(int) bool { return false }

func TestRollout_GoesWaveByWave(t *testing.T) {
	p := newPlane(100, platformv1alpha1.TemplateRollout{Waves: waves()})
	again := p.settle(never)
	some := p.at(2, prod)
	if p.at(2, dev) != 100 || some == 0 || some > 25 || p.status.Wave != 2 || p.status.State != platformv1alpha1.RolloutProgressing {
		t.Fatalf("while the tenth soaks: %d of development, %d of production, %+v", p.at(2, dev), some, p.status)
	}
	if again != time.Hour || !strings.Contains(p.status.Message, "soaks until 2026-11-25T13:00:00Z") || p.status.FromRevision != 1 {
		t.Errorf("it looks again after %s: %+v", again, p.status)
	}

	// One that is not Ready begins the soak anew.
	p.now = p.now.Add(50 * time.Minute)
	p.members[0].Ready = false
	p.settle(never)
	if p.status.ReadySince != nil || !strings.HasPrefix(p.status.Message, "Wave 2: ") {
		t.Errorf("with one that is not Ready: %+v", p.status)
	}
	p.members[0].Ready = true
	if again := p.settle(never); again != time.Hour {
		t.Errorf("the soak goes on for %s, want an hour anew", again)
	}
	p.now = p.now.Add(time.Hour)
	p.settle(never)
	if p.at(2, prod) != 100 || p.status.State != platformv1alpha1.RolloutComplete || p.status.Failed != 0 {
		t.Errorf("after the soak: %d of production, %+v", p.at(2, prod), p.status)
	}

	p.newest = 3
	p.evaluate()
	if p.status.Revision != 3 || p.status.FromRevision != 2 || p.status.Wave != 1 {
		t.Errorf("the next one begins with %+v", p.status)
	}
}

func TestRollout_HaltsAndGoesOn(t *testing.T) {
	p := newPlane(20, platformv1alpha1.TemplateRollout{Waves: waves(), MaxFailures: ptr.To(int32(2))})
	broken := map[int]bool{4: true}
	fails := func(i int) bool { return broken[i] }
	p.settle(fails)
	if p.status.State != platformv1alpha1.RolloutProgressing || p.status.Failed != 1 || p.history[4].Current != 1 || p.status.Wave != 2 {
		t.Fatalf("one failure of two: %+v, it runs %d", p.status, p.history[4].Current)
	}

	p = newPlane(20, platformv1alpha1.TemplateRollout{Waves: waves()})
	p.settle(fails)
	if p.status.State != platformv1alpha1.RolloutHalted || p.at(2, prod) != 0 || p.history[4].Current != 1 ||
		len(p.status.Failures) != 1 || p.status.Failures[0].Component != "service-002" || p.status.Failures[0].Message != "it broke" {
		t.Fatalf("the first failure: %+v, it runs %d, production %d", p.status, p.history[4].Current, p.at(2, prod))
	}
	for range 3 {
		if p.settle(fails); p.status.State != platformv1alpha1.RolloutHalted || p.at(2, prod) != 0 {
			t.Fatalf("it does not stay halted: %+v", p.status)
		}
	}

	broken = nil
	p.now = p.now.Add(time.Minute)
	p.spec.Control = &platformv1alpha1.RolloutControl{Revision: 2, Action: platformv1alpha1.RolloutResume}
	p.settle(fails)
	if p.status.State != platformv1alpha1.RolloutProgressing || p.history[4].Current != 2 || p.status.Failed != 0 || p.status.Wave != 2 {
		t.Fatalf("resumed: %+v, it runs %d", p.status, p.history[4].Current)
	}
	p.spec.Control = &platformv1alpha1.RolloutControl{Revision: 2, Action: platformv1alpha1.RolloutSkip, Wave: 2}
	p.settle(fails)
	if p.status.State != platformv1alpha1.RolloutComplete || p.at(2, prod) != 20 {
		t.Errorf("skipped: %+v", p.status)
	}
}

func TestRollout_IsAborted(t *testing.T) {
	p := newPlane(20, platformv1alpha1.TemplateRollout{Waves: waves()})
	p.settle(never)
	p.spec.Control = &platformv1alpha1.RolloutControl{Revision: 2, Action: platformv1alpha1.RolloutAbort}
	p.settle(never)
	if p.status.State != platformv1alpha1.RolloutAborted || p.at(1, dev)+p.at(1, prod) != 40 {
		t.Errorf("aborted: %+v, %d went back", p.status, p.at(1, dev)+p.at(1, prod))
	}
	// What was asked of one revision counts for nothing with the next, which starts from what all had.
	p.newest = 3
	p.settle(never)
	if p.status.State != platformv1alpha1.RolloutProgressing || p.status.FromRevision != 1 || p.at(3, dev) != 20 {
		t.Errorf("the next one: %+v", p.status)
	}
}

func TestEvaluate_WithoutWaves(t *testing.T) {
	was := &platformv1alpha1.TemplateRolloutStatus{Revision: 2, State: platformv1alpha1.RolloutHalted}
	for _, spec := range []*platformv1alpha1.TemplateRollout{nil, {}} {
		if status, again := rollout.Evaluate(spec, was, 2, nil, noon); status != nil || again != 0 {
			t.Errorf("got %+v", status)
		}
	}
	empty := &platformv1alpha1.TemplateRollout{Waves: waves()}
	if status, _ := rollout.Evaluate(empty, nil, 1, nil, noon); status == nil || status.State != platformv1alpha1.RolloutComplete {
		t.Errorf("a template that nobody follows: %+v", status)
	}
}

// Whatever happens in whatever order, production waits for development, and nobody is ahead of the waves.
func TestRollout_Invariants(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := newPlane(15, platformv1alpha1.TemplateRollout{Waves: waves(), MaxFailures: ptr.To(int32(1 + r.IntN(3)))})
		bad := map[int]bool{r.IntN(30): true, r.IntN(30): true}
		for range 300 {
			switch r.IntN(5) {
			case 0:
				wave := int32(0)
				if p.status != nil {
					wave = p.status.Wave
				}
				p.evaluate()
				if p.status.Wave < wave {
					t.Fatalf("seed %d: wave %d after %d", seed, p.status.Wave, wave)
				}
			case 1:
				p.now = p.now.Add(time.Duration(r.IntN(40)) * time.Minute)
			default:
				i := r.IntN(len(p.members))
				p.follow(i, bad[i])
			}
			for i := range p.members {
				ahead := p.history[i].Current == 2 && (p.status == nil || rollout.WaveOf(p.members[i].Place, p.spec.Waves) > p.status.Wave)
				if ahead {
					t.Fatalf("seed %d: %+v is ahead of %+v", seed, p.members[i], p.status)
				}
			}
			if p.status != nil && p.status.Wave > 1 && p.at(1, dev) > int(p.status.Failed) {
				t.Fatalf("seed %d: wave %d while %d of development lack the revision: %+v", seed, p.status.Wave, p.at(1, dev), p.status)
			}
		}
	}
}
