package component

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/rollout"
)

// past is a path of environments with a random history, oldest first, which nothing trimmed.
func past(random *rand.Rand) *scope {
	s := &scope{component: &platformv1alpha1.Component{}, now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), target: 4}
	at := s.now.Add(-48 * time.Hour)
	for i := range 1 + random.IntN(3) {
		st := stop{name: fmt.Sprintf("e%d", i), version: fmt.Sprintf("v%d", random.IntN(6)), environment: &platformv1alpha1.Environment{}}
		st.environment.Status.Rollback = &platformv1alpha1.RollbackPolicy{Mode: platformv1alpha1.RollbackAutomatic}
		if random.IntN(2) == 0 {
			st.gate = platformv1alpha1.Gate{Approvals: 1, AuthorApproval: platformv1alpha1.AuthorApprovalForbidden}
		}
		s.stops = append(s.stops, st)
		s.component.Spec.Environments = append(s.component.Spec.Environments, platformv1alpha1.PathEnvironment{Name: st.name})
	}
	for n := range int64(5 + random.IntN(40)) {
		at = at.Add(time.Minute)
		happens(random, &s.stops[random.IntN(len(s.stops))], n+1, at)
	}
	for i := range s.stops {
		if n := len(s.stops[i].unopened); n > 0 && random.IntN(3) == 0 {
			s.stops[i].unopened[n-1].Status.SupersededAt = nil
		}
		if n := len(s.stops[i].releases); n > 0 {
			s.stops[i].releases[n-1].Status.SupersededAt = nil
			if random.IntN(4) == 0 {
				s.stops[i].rollbackTo = s.stops[i].releases[random.IntN(n)].Spec.Number
			}
		}
	}
	return s
}

// happens adds a Release to an environment.
func happens(random *rand.Rand, st *stop, number int64, at time.Time) {
	then := metav1.NewTime(at)
	r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", st.name, number), CreationTimestamp: then}}
	r.Spec.Number, r.Spec.Version, r.Spec.Image = number, fmt.Sprintf("v%d", random.IntN(6)), fmt.Sprintf("i%d", random.IntN(3))
	r.Spec.RequestedBy = []string{"", "ada", "bob", "eve"}[random.IntN(4)]
	if random.IntN(4) == 0 {
		r.Spec.Requesters = []string{[]string{"ada", "bob", "kim"}[random.IntN(3)]}
	}
	r.Spec.Revision.Number = 1 + random.Int64N(4)
	r.Status.SupersededAt = &then
	if random.IntN(4) == 0 {
		r.Spec.Gate = &platformv1alpha1.Gate{Approvals: 1}
		if random.IntN(4) == 0 {
			r.Status.Decisions = []platformv1alpha1.ReleaseDecision{{Approver: "eve", Decision: platformv1alpha1.DecisionReject}}
		}
		st.unopened = append(st.unopened, r)
		return
	}
	r.Spec.Cause = platformv1alpha1.CauseTemplateRollout
	last := st.current()
	if n := len(st.releases); n > 0 {
		last = st.releases[n-1]
	}
	switch {
	case last != nil && last.Status.ReadyAt == nil && random.IntN(2) == 0:
		good := slices.IndexFunc(st.releases, (*platformv1alpha1.Release).Proven)
		if good < 0 {
			break
		}
		r.Spec.Version, r.Spec.Revision = st.releases[good].Spec.Version, st.releases[good].Spec.Revision
		r.Spec.Cause, r.Spec.Rollback = platformv1alpha1.CauseRollback, &platformv1alpha1.ReleaseRollback{From: last.Name, To: st.releases[good].Name, Reason: "It failed"}
	case last == nil || last.Spec.Version != r.Spec.Version:
		r.Spec.Cause = platformv1alpha1.CauseImageChange
	}
	if random.IntN(3) > 0 {
		r.Status.ReadyAt = &then
	}
	ready := metav1.Condition{Type: platformv1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: platformv1alpha1.ReasonReady, LastTransitionTime: then}
	if r.Status.ReadyAt == nil {
		ready.Status = metav1.ConditionFalse
		r.Status.Conditions = append(r.Status.Conditions, metav1.Condition{Type: platformv1alpha1.ConditionStalled, Status: metav1.ConditionTrue})
	} else if random.IntN(5) == 0 {
		r.Spec.Checks = []platformv1alpha1.ReleaseCheck{{}}
		ready.Status = metav1.ConditionFalse
		r.Status.Conditions = append(r.Status.Conditions, metav1.Condition{Type: platformv1alpha1.ConditionChecked, Status: metav1.ConditionFalse},
			metav1.Condition{Type: platformv1alpha1.ConditionStalled, Status: metav1.ConditionTrue})
	}
	r.Status.Conditions = append(r.Status.Conditions, ready)
	st.releases = append(st.releases, r)
}

// planOf is what is decided on a history, and who made what waits. Numbers and versions of what waits stand in it, and
// messages do not: they may name another Release that says the same.
func planOf(s *scope) string {
	text := ""
	for i, d := range promotion.Plan(s.path(), s.target, s.now, func(int, string, int64) bool { return true }) {
		st := &s.stops[i]
		reason := ""
		if d.Wait != nil {
			reason = d.Wait.Reason
		}
		var next promotion.Next
		if d.Next != nil {
			next = *d.Next
		}
		text += fmt.Sprintf("%s: %+v from %q gated %t open %t retire %t waits %q", st.name, next, d.From, d.Gated, d.Open, d.Retire, reason)
		if pending := st.pending(); pending != nil && st.gate.AuthorApproval == platformv1alpha1.AuthorApprovalForbidden {
			users, _ := s.authors(st, pending)
			text += fmt.Sprintf(" by %v", users)
		}
		h := rollout.HistoryOf(st.releases, 4)
		text += fmt.Sprintf(" wave %d/%d/%t/%t/%t\n", h.Current, h.Back, h.Ready, h.FailedAt != nil, h.Broken != "")
	}
	return text
}

// TestTrimmingChangesNoDecision trims random histories as far as may be: what is decided stays the same, no Release is lost
// that holds objects, and what is left does not grow with the history.
func TestTrimmingChangesNoDecision(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 4))
		s := past(random)
		limit := random.Int32N(4)
		s.component.Spec.RevisionHistoryLimit = &limit
		before := planOf(s)
		held := map[string]bool{}
		for i := range s.stops {
			for _, r := range s.stops[i].releases {
				if random.IntN(10) == 0 {
					r.Finalizers, held[r.Name] = []string{platformv1alpha1.Finalizer}, true
				}
			}
		}
		for range 2 { // what the first pass leaves, the second leaves too
			for _, gone := range s.superfluous() {
				if held[gone.Name] {
					t.Fatalf("seed %d: %s holds objects, and is deleted", seed, gone.Name)
				}
				for i := range s.stops {
					is := func(r *platformv1alpha1.Release) bool { return r == gone }
					s.stops[i].releases, s.stops[i].unopened = slices.DeleteFunc(s.stops[i].releases, is), slices.DeleteFunc(s.stops[i].unopened, is)
				}
			}
		}
		if after := planOf(s); after != before {
			t.Fatalf("seed %d: with %d kept it decides\n%sand before\n%s", seed, limit, after, before)
		}
		for i := range s.stops {
			st := &s.stops[i]
			free := 0
			for _, r := range st.releases {
				if len(r.Finalizers) == 0 {
					free++
				}
			}
			if most := int(limit) + 24; free > most {
				t.Fatalf("seed %d: %d Releases are left in %s", seed, free, st.name)
			}
		}
	}
}

func TestTheHistoryBoundsWhatWasRejected(t *testing.T) {
	s := &scope{component: &platformv1alpha1.Component{}, stops: []stop{{name: "prod", version: "v3"}}}
	s.component.Spec.RevisionHistoryLimit = new(int32)
	for i := range int64(200) {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("r%d", i+1)}}
		r.Spec.Number, r.Spec.Version, r.Spec.Gate = i+1, fmt.Sprintf("v%d", i+1), &platformv1alpha1.Gate{Approvals: 1}
		r.Status.Decisions = []platformv1alpha1.ReleaseDecision{{Approver: "eve", Decision: platformv1alpha1.DecisionReject}}
		s.stops[0].unopened = append(s.stops[0].unopened, r)
	}
	gone := s.superfluous()
	if left := 200 - len(gone); left != rejections+1 {
		t.Errorf("%d rejected Releases are left, want the last %d and that of the version that is asked for", left, rejections)
	}
	for _, r := range gone {
		if r.Name == "r3" || r.Name == "r151" {
			t.Errorf("%s is gone, which is among the last, or is asked for", r.Name)
		}
	}
}

func TestTheHistoryLimit(t *testing.T) {
	for _, tc := range []struct {
		limit *int32
		left  int
	}{{nil, 11}, {ptr.To[int32](0), 2}, {ptr.To[int32](3), 4}, {ptr.To[int32](100), 20}} {
		s := &scope{component: &platformv1alpha1.Component{}, stops: []stop{{name: "dev"}}}
		s.component.Spec.RevisionHistoryLimit = tc.limit
		now := ago(0)
		for i := range int64(20) {
			r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("r%d", i+1)}}
			r.Spec.Number, r.Spec.Version, r.Status.ReadyAt = i+1, fmt.Sprintf("v%d", i+1), &now
			s.stops[0].releases = append(s.stops[0].releases, r)
		}
		if left := 20 - len(s.superfluous()); left != tc.left {
			t.Errorf("a limit of %v leaves %d, want %d", ptr.Deref(tc.limit, -1), left, tc.left)
		}
	}
}

func TestTheHistoryKeepsWhatBillsShow(t *testing.T) {
	noon := time.Date(2026, time.November, 16, 12, 0, 0, 0, time.UTC)
	s := &scope{now: noon, component: &platformv1alpha1.Component{}, stops: []stop{{version: "v9"}}}
	s.component.Spec.RevisionHistoryLimit = new(int32)
	for i := range int64(9) {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("r%d", i+1)}}
		r.Spec.Number, r.Spec.Version, r.Status.AppliedAt = i+1, "v9", &metav1.Time{Time: noon.Add(time.Duration(i-8) * 24 * time.Hour)}
		s.stops[0].releases = append(s.stops[0].releases, r)
	}
	for _, gone := range s.superfluous() {
		if gone.Name == "r6" {
			t.Error("r6 ran three days ago, when bills were final: what was added since is reckoned from it")
		}
	}
}
