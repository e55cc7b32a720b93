package promotion_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
)

// world is a path with gates, and what people and the clock do to it.
type world struct {
	t       *testing.T
	random  *rand.Rand
	path    []promotion.Step
	numbers []int64
	target  int64
	pinned  int64
	version int
	// checked says which environments have checks.
	checked []bool
	// planned is the path as the last plan saw it.
	planned []promotion.Step
	now     time.Time
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 2)), target: 1, now: noon}
	w.path = make([]promotion.Step, 1+w.random.IntN(4))
	w.numbers, w.checked = make([]int64, len(w.path)), make([]bool, len(w.path))
	for i := range w.path {
		s := &w.path[i]
		w.checked[i] = w.random.IntN(2) == 0
		s.Name, s.Version, s.RollsBack = fmt.Sprintf("e%d", i), "v0", w.random.IntN(2) == 0
		s.Gate = platformv1alpha1.Gate{SoakSeconds: 3600 * w.random.Int32N(3), Approvals: w.random.Int32N(3)}
		if w.random.IntN(3) == 0 {
			s.Gate.Promotion = platformv1alpha1.PromotionManual
		}
		if w.random.IntN(3) == 0 {
			s.Gate.AuthorApproval = platformv1alpha1.AuthorApprovalForbidden
		}
		s.Adopts = w.random.IntN(4) == 0
		s.Tier = []platformv1alpha1.Tier{platformv1alpha1.TierDevelopment, platformv1alpha1.TierStaging}[w.random.IntN(2)]
		staged := slices.ContainsFunc(w.path[:i], func(p promotion.Step) bool { return p.Tier == platformv1alpha1.TierStaging })
		if staged && w.random.IntN(2) == 0 {
			s.RequiredTier = platformv1alpha1.TierStaging
		}
	}
	return w
}

// reorder has two environments change places in the path.
func (w *world) reorder(i, j int) {
	w.path[i], w.path[j] = w.path[j], w.path[i]
	w.numbers[i], w.numbers[j] = w.numbers[j], w.numbers[i]
	w.checked[i], w.checked[j] = w.checked[j], w.checked[i]
	var tiers []platformv1alpha1.Tier
	for i := range w.path {
		w.path[i].Barred = promotion.MissingTier(w.path[i].Name, "class", w.path[i].RequiredTier, tiers)
		tiers = append(tiers, w.path[i].Tier)
	}
}

// lose deletes the newest Release, as somebody who may do so, or as one who takes the environment out of the path and puts
// it in again; now and then nothing is to be taken over any more.
func (w *world) lose(s *promotion.Step) {
	n := len(s.Releases)
	if n == 0 || s.Lost != nil {
		return
	}
	lost := s.Releases[n-1]
	s.Releases, s.Lost = s.Releases[:n-1], &lost
	s.Adopts = s.Adopts && w.random.IntN(2) == 0
}

func (w *world) release() {
	w.version++
	for i := range w.path {
		w.path[i].Version = fmt.Sprintf("v%d", w.version)
	}
}

// revert asks for a version that was asked for before, or is still.
func (w *world) revert() {
	version := fmt.Sprintf("v%d", w.random.IntN(w.version+1))
	for i := range w.path {
		w.path[i].Version = version
	}
}

// step lets something happen.
func (w *world) step() {
	s := &w.path[w.random.IntN(len(w.path))]
	switch w.random.IntN(16) {
	case 0:
		if w.random.IntN(2) == 0 {
			w.revert()
		} else {
			w.release()
		}
	case 1:
		w.target++
	case 2:
		w.now = w.now.Add(time.Duration(w.random.IntN(120)) * time.Minute)
	case 3, 4:
		w.settle(s, w.random.IntN(3) > 0)
	case 5:
		w.vote(s, []string{"ada", "bob", "eve"}[w.random.IntN(3)], w.random.IntN(8) == 0)
	case 6:
		if n := len(s.Pending); n > 0 {
			s.Promote = s.Pending[w.random.IntN(n)].Name
		}
	case 7:
		s.RollbackTo = 0
		if w.random.IntN(3) == 0 {
			s.RollbackTo = 1 + w.random.Int64N(w.numbers[slices.IndexFunc(w.path, func(p promotion.Step) bool { return p.Name == s.Name })]+1)
		}
	case 8:
		s.Freeze = nil
		if w.random.IntN(2) == 0 {
			s.Freeze = &promotion.Freeze{Name: "f", Reason: "r", Until: w.now.Add(time.Hour), Breakable: w.random.IntN(2) == 0}
		}
		if n := len(s.Pending); n > 0 && w.random.IntN(2) == 0 {
			s.Pending[n-1].Votes = append(s.Pending[n-1].Votes, promotion.Vote{Approver: "eve", Decision: platformv1alpha1.DecisionBreakGlass})
		}
	case 9:
		s.Stale = w.random.IntN(4) == 0
	case 10:
		w.pin(w.random.IntN(2) == 0)
	case 11:
		if w.random.IntN(4) == 0 {
			w.lose(s)
		}
	case 12:
		if w.random.IntN(4) == 0 {
			w.reorder(w.random.IntN(len(w.path)), w.random.IntN(len(w.path)))
		}
	default:
		w.plan()
	}
}

// pin pins the Component to some revision that there is, or takes the pin out.
func (w *world) pin(pinned bool) {
	w.pinned = 0
	if pinned {
		w.pinned = 1 + w.random.Int64N(w.target)
	}
	for i := range w.path {
		w.path[i].Pinned = pinned
	}
}

// settle lets the newest Release become Ready, or fail.
func (w *world) settle(s *promotion.Step, ok bool) {
	if len(s.Releases) == 0 {
		return
	}
	last := &s.Releases[len(s.Releases)-1]
	if ok && !last.Ready {
		last.ReadySince = w.now
	}
	last.Ready, last.HadReady, last.Applied = ok, last.HadReady || ok, true
	last.Failed = !last.HadReady
	if last.Checks == "" || w.random.IntN(3) > 0 && ok {
		return
	}
	// Checks hold one back before it was Ready, may not be able to say afterwards, and may fail at any time.
	switch last.Checks = checkStates[w.random.IntN(3)]; {
	case last.Checks == platformv1alpha1.CheckFailed:
		last.Ready, last.HadReady, last.Failed = false, false, true
	case last.Checks == platformv1alpha1.CheckRunning && w.random.IntN(2) == 0:
		last.Ready, last.HadReady, last.Failed = false, false, false
	}
}

var checkStates = []platformv1alpha1.CheckState{platformv1alpha1.CheckRunning, platformv1alpha1.CheckPassed, platformv1alpha1.CheckFailed}

// pass lets the checks of the newest Release pass, unless it failed.
func (w *world) pass(s *promotion.Step) {
	if n := len(s.Releases); n > 0 && s.Releases[n-1].Checks != "" {
		last := &s.Releases[n-1]
		last.Checks, last.Ready, last.HadReady, last.Failed = platformv1alpha1.CheckPassed, true, true, false
	}
}

func (w *world) vote(s *promotion.Step, user string, reject bool) {
	if len(s.Pending) == 0 {
		return
	}
	v := promotion.Vote{Approver: user, Decision: platformv1alpha1.DecisionApprove}
	if reject {
		v.Decision = platformv1alpha1.DecisionReject
	}
	p := &s.Pending[len(s.Pending)-1]
	p.Votes = append(p.Votes, v)
}

// plan decides, holds each decision to the promises, and carries it out.
func (w *world) plan() {
	decisions := promotion.Plan(w.path, cmp.Or(w.pinned, w.target), w.now, always)
	before := slices.Clone(w.path)
	w.planned = before
	for i, d := range decisions {
		s := &w.path[i]
		var previous *promotion.Step
		if i > 0 {
			previous = &before[i-1]
		}
		w.promises(s, previous, d)
		w.carryOut(i, d)
	}
}

func (w *world) promises(s, before *promotion.Step, d promotion.Decision) {
	w.t.Helper()
	var entering *promotion.Pending
	switch {
	case d.Open && (d.Next != nil || d.Wait != nil || d.Retire):
		w.t.Fatalf("%s opens and does something else: %+v", s.Name, d)
	case d.Open:
		entering = &s.Pending[len(s.Pending)-1]
		if entering.Superseded || entering.Version != s.Version || entering.Pins && !s.Pinned {
			w.t.Fatalf("%s opens %+v, and %s is asked for", s.Name, *entering, s.Version)
		}
	case d.Next == nil || d.Gated:
		return
	case d.Next.Cause == platformv1alpha1.CauseRollback:
		if !slices.ContainsFunc(s.Releases, func(r promotion.Release) bool { return r.Name == d.From && r.HadReady && r.Version == d.Next.Version }) {
			w.t.Fatalf("%s goes back to %s, which was never Ready there", s.Name, d.From)
		}
		return
	case d.Next.Cause == platformv1alpha1.CauseAdoption:
		if len(s.Releases) > 0 || !s.Adopts {
			w.t.Fatalf("%s takes something over, and runs %+v", s.Name, s.Releases)
		}
		return // what was found goes on
	case s.Lost != nil && !s.Lost.AsFound && s.Lost.Version == d.Next.Version && (!s.Pinned || s.Lost.Revision == d.Next.Revision):
		return // what ran until its Release was deleted goes on
	case s.Lost == nil && len(s.Releases) > 0 && s.Releases[len(s.Releases)-1].Version == d.Next.Version:
		if s.RollbackTo > 0 && d.Next.Cause == platformv1alpha1.CauseTemplateRollout {
			w.t.Fatalf("%s is held, and gets a revision", s.Name)
		}
		if s.Pinned && d.Next.Revision != s.Releases[len(s.Releases)-1].Revision {
			w.enters(s, before, &promotion.Pending{Version: d.Next.Version, Revision: d.Next.Revision, Pins: true})
		}
		if s.Freeze != nil && d.Next.Cause != platformv1alpha1.CauseManual && d.Next.Revision >= s.Releases[len(s.Releases)-1].Revision {
			w.t.Fatalf("%s is frozen, and gets %+v", s.Name, *d.Next)
		}
		return // what runs goes on
	default:
		entering = &promotion.Pending{Version: d.Next.Version}
	}
	w.enters(s, before, entering)
}

// enters checks that a version may enter.
func (w *world) enters(s, before *promotion.Step, p *promotion.Pending) {
	w.t.Helper()
	for _, other := range s.Pending {
		if other.Version == p.Version && other.Pins == p.Pins && (!p.Pins || other.Revision == p.Revision) &&
			slices.ContainsFunc(other.Votes, func(v promotion.Vote) bool { return v.Decision == platformv1alpha1.DecisionReject }) {
			w.t.Fatalf("%s takes %+v, which was rejected as %s", s.Name, *p, other.Name)
		}
	}
	approvers := map[string]bool{}
	for _, v := range p.Votes {
		if v.Decision == platformv1alpha1.DecisionReject {
			w.t.Fatalf("%s takes what %s rejected", s.Name, v.Approver)
		}
		if v.Decision != platformv1alpha1.DecisionApprove {
			continue
		}
		if s.Gate.AuthorApproval != platformv1alpha1.AuthorApprovalForbidden || !slices.Contains(p.Authors, v.Approver) {
			approvers[v.Approver] = true
		}
	}
	if len(approvers) < int(s.Gate.Approvals) {
		w.t.Fatalf("%s takes a version with %d approvals of %d", s.Name, len(approvers), s.Gate.Approvals)
	}
	if s.Gate.Promotion == platformv1alpha1.PromotionManual && (p.Name == "" || s.Promote != p.Name) {
		w.t.Fatalf("%s takes a version that nobody promoted", s.Name)
	}
	broken := slices.ContainsFunc(p.Votes, func(v promotion.Vote) bool { return v.Decision == platformv1alpha1.DecisionBreakGlass })
	if s.Freeze != nil && (!s.Freeze.Breakable || !broken) {
		w.t.Fatalf("%s is frozen, and takes a version", s.Name)
	}
	if s.RollbackTo > 0 {
		w.t.Fatalf("%s is held at %d, and takes a version", s.Name, s.RollbackTo)
	}
	if before == nil {
		return
	}
	w.wasReady(s, before, p)
}

// wasReady checks that what enters was Ready in the environment before, for as long as it must.
func (w *world) wasReady(s, before *promotion.Step, p *promotion.Pending) {
	w.t.Helper()
	soak := time.Duration(s.Gate.SoakSeconds) * time.Second
	if len(before.Releases) == 0 || before.Lost != nil {
		had := slices.ContainsFunc(append(slices.Clip(s.Releases), valueOf(s.Lost)), func(r promotion.Release) bool { return r.Revision >= p.Revision })
		if p.Pins && soak == 0 && had {
			return // back to a revision that the environment had, or one before it
		}
		w.t.Fatalf("%s takes %+v, and nothing runs in %s", s.Name, *p, before.Name)
	}
	last := before.Releases[len(before.Releases)-1]
	if soak > 0 && (!last.Ready || w.now.Sub(last.ReadySince) < soak || p.Pins && last.Revision != p.Revision) {
		w.t.Fatalf("%s takes %+v, and %+v is Ready in %s for %s alone", s.Name, *p, last, before.Name, w.now.Sub(last.ReadySince))
	}
	w.soaked(s, p)
	if p.Pins {
		above := p.Revision > s.Releases[len(s.Releases)-1].Revision
		if above && !slices.ContainsFunc(before.Releases, func(r promotion.Release) bool { return r.HadReady && r.Revision >= p.Revision }) {
			w.t.Fatalf("%s takes revision %d, which %s never had Ready", s.Name, p.Revision, before.Name)
		}
		return
	}
	since := before.Releases
	for i := range slices.Backward(since) {
		if since[i].Version != p.Version {
			since = since[i+1:]
			break
		}
	}
	shown := slices.ContainsFunc(since, func(r promotion.Release) bool { return r.HadReady })
	if !shown || last.Version != p.Version {
		w.t.Fatalf("%s takes %s, and %s runs %s", s.Name, p.Version, before.Name, last.Version)
	}
	checked := last.Checks == "" || last.Checks == platformv1alpha1.CheckPassed
	otherwise := slices.ContainsFunc(before.Releases, func(r promotion.Release) bool {
		return r.Version == p.Version && r.HadReady && r.Revision != last.Revision && (r.Checks == "" || r.Checks == platformv1alpha1.CheckPassed)
	})
	if !checked && !otherwise {
		w.t.Fatalf("%s takes a version whose checks are %s in %s", s.Name, last.Checks, before.Name)
	}
}

func valueOf(release *promotion.Release) promotion.Release {
	if release == nil {
		return promotion.Release{}
	}
	return *release
}

// soaked checks that what enters was Ready, and for as long as it must, in the last environment before of the required tier.
func (w *world) soaked(s *promotion.Step, p *promotion.Pending) {
	w.t.Helper()
	if s.RequiredTier == "" {
		return
	}
	var in *promotion.Step
	for i := 0; w.planned[i].Name != s.Name; i++ {
		if w.planned[i].Tier == s.RequiredTier {
			in = &w.planned[i]
		}
	}
	if p.Pins && s.Gate.SoakSeconds == 0 {
		return // which revisions there may be is for wasReady to look at
	}
	if in == nil || len(in.Releases) == 0 || in.Lost != nil {
		w.t.Fatalf("%s takes %+v, and nothing soaks in %+v", s.Name, *p, in)
	}
	last := in.Releases[len(in.Releases)-1]
	if shown := slices.ContainsFunc(in.Releases, func(r promotion.Release) bool { return r.Version == p.Version && r.HadReady }); !p.Pins && !shown {
		w.t.Fatalf("%s takes %+v, which was never Ready in %s", s.Name, *p, in.Name)
	}
	if s.Gate.SoakSeconds == 0 {
		return
	}
	same := last.Version == p.Version && !last.AsFound
	if p.Pins {
		same = last.Revision == p.Revision
	}
	if !same || !last.Ready || w.now.Sub(last.ReadySince) < time.Duration(s.Gate.SoakSeconds)*time.Second {
		w.t.Fatalf("%s takes %+v, and %+v soaks in %s since %s", s.Name, *p, last, in.Name, w.now.Sub(last.ReadySince))
	}
}

func (w *world) carryOut(i int, d promotion.Decision) {
	s := &w.path[i]
	waiting := func() *promotion.Pending { return &s.Pending[len(s.Pending)-1] }
	runs := func(r promotion.Release) {
		if w.checked[i] && r.RolledBack == nil {
			r.Checks = platformv1alpha1.CheckRunning
		}
		for j := range s.Pending {
			s.Pending[j].Superseded = true
		}
		s.Releases, s.Lost, s.Stale = append(s.Releases, r), nil, false
	}
	switch {
	case d.Open:
		p := *waiting()
		s.Pending = s.Pending[:len(s.Pending)-1]
		runs(promotion.Release{Name: p.Name, Number: w.numbers[i], Version: p.Version, Revision: p.Revision, Changes: !p.Pins})
	case d.Retire:
		waiting().Superseded = true
	}
	if d.Next == nil {
		return
	}
	w.numbers[i]++
	name := fmt.Sprintf("%s-%d", s.Name, w.numbers[i])
	if d.Gated {
		for j := range s.Pending {
			s.Pending[j].Superseded = true
		}
		s.Pending = append(s.Pending, promotion.Pending{
			Name: name, Version: d.Next.Version, Revision: d.Next.Revision, Authors: []string{"ada"},
			Pins: s.Pinned && d.Next.Cause == platformv1alpha1.CauseTemplateRollout,
		})
		return
	}
	r := promotion.Release{
		Name: name, Number: w.numbers[i], Version: d.Next.Version, Revision: d.Next.Revision, AsFound: d.Next.Cause == platformv1alpha1.CauseAdoption,
	}
	if n := len(s.Releases); d.Next.Cause == platformv1alpha1.CauseRollback {
		r.RolledBack = d.Failed
		if d.Failed != nil && s.Lost == nil && d.Failed.From != s.Releases[n-1].Name {
			w.t.Fatalf("%s rolls back %s, and runs %s", s.Name, d.Failed.From, s.Releases[n-1].Name)
		}
	} else {
		r.Changes = n == 0 || s.Releases[n-1].Version != r.Version
		w.triedAgain(s, &r)
	}
	runs(r)
}

// triedAgain fails where a version comes again that was rolled back, and nothing else was tried in between.
func (w *world) triedAgain(s *promotion.Step, next *promotion.Release) {
	w.t.Helper()
	for j := len(s.Releases) - 1; next.Changes && j > 0; j-- {
		back := s.Releases[j].RolledBack
		if back == nil {
			if s.Releases[j].Changes {
				return
			}
			continue
		}
		failed := slices.IndexFunc(s.Releases, func(r promotion.Release) bool { return r.Name == back.From })
		if s.Releases[failed].Version == next.Version && s.Releases[failed].Changes {
			w.t.Fatalf("%s tries %s again, which was rolled back", s.Name, next.Version)
		}
		return
	}
}

// TestPlan_KeepsItsPromisesAtGates plays random histories of gates, people, clocks, failures and rollbacks: no version
// enters that was not let in or was not Ready before, none that was taken back comes again, and all comes to rest.
func TestPlan_KeepsItsPromisesAtGates(t *testing.T) {
	for seed := range uint64(4000) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			for range 200 {
				w.step()
			}
			for i := range w.path { // the order of before, in which each has what it asks for before it
				for j := i + 1; j < len(w.path); j++ {
					if w.path[j].Name < w.path[i].Name {
						w.reorder(i, j)
					}
				}
			}
			// Whatever happened, and once what was found is taken over, the next version reaches the end once people let it,
			// time passes and it works.
			for i := range w.path {
				w.path[i].RollbackTo, w.path[i].Freeze = 0, nil
			}
			w.plan()
			for i := range w.path {
				w.settle(&w.path[i], true)
			}
			w.release()
			w.pin(seed%2 == 0)
			for range 8 * len(w.path) {
				w.plan()
				for i := range w.path {
					s := &w.path[i]
					w.settle(s, true)
					w.pass(s)
					w.vote(s, "bob", false)
					w.vote(s, "eve", false)
					if n := len(s.Pending); n > 0 {
						s.Promote = s.Pending[n-1].Name
					}
				}
				w.now = w.now.Add(time.Hour)
			}
			for i, d := range promotion.Plan(w.path, cmp.Or(w.pinned, w.target), w.now, always) {
				s := w.path[i]
				if len(s.Releases) == 0 {
					t.Fatalf("nothing runs in %s: %+v, lost %+v", s.Name, d, s.Lost)
				}
				last := s.Releases[len(s.Releases)-1]
				if d.Next != nil || d.Wait != nil || d.Open || last.Version != s.Version || last.Revision != cmp.Or(w.pinned, w.target) {
					t.Fatalf("%s does not come to rest: %+v, runs %+v, wants %s at %d", s.Name, d, last, s.Version, cmp.Or(w.pinned, w.target))
				}
			}
		})
	}
}
