package component

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-d)) }

// careful is a stop in an environment that rolls back, after a deadline.
func careful(deadline int32) *stop {
	return &stop{environment: &platformv1alpha1.Environment{Status: platformv1alpha1.EnvironmentStatus{
		Rollback: &platformv1alpha1.RollbackPolicy{Mode: platformv1alpha1.RollbackAutomatic, DeadlineSeconds: deadline},
	}}}
}

func TestWithoutPods(t *testing.T) {
	for message, want := range map[string]string{
		"Deployment shop: 0 of 2 are ready. Container app ended with exit code 1. See what it said: kubectl -n shop-prod logs shop-7d-x -c app --previous.": "Deployment shop: 0 of 2 are ready. Container app ended with exit code 1.",
		"The image is not there. See what the node says: kubectl -n shop-prod describe pod shop-7d-x.":                                                      "The image is not there.",
		"Secret db is not there. Make it: kubectl -n shop-prod create secret generic db.":                                                                   "Secret db is not there. Make it: kubectl -n shop-prod create secret generic db.",
		"It needed more memory than 64Mi": "It needed more memory than 64Mi.",
	} {
		if got := withoutPods(message); got != want {
			t.Errorf("%q became %q, want %q", message, got, want)
		}
	}
}

func TestAReleaseFailsAtTheDeadlineOfItsClass(t *testing.T) {
	made := func(before time.Duration, how func(*platformv1alpha1.Release)) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: ago(before)}}
		if how != nil {
			how(r)
		}
		return r
	}
	opened := ago(5 * time.Minute)
	for name, tc := range map[string]struct {
		stop    *stop
		release *platformv1alpha1.Release
		want    bool
		again   time.Duration
	}{
		"before it":                       {careful(600), made(9*time.Minute, nil), false, time.Minute},
		"at it":                           {careful(600), made(10*time.Minute, nil), true, 0},
		"where it waited at a gate first": {careful(600), made(time.Hour, func(r *platformv1alpha1.Release) { r.Status.OpenedAt = &opened }), false, 5 * time.Minute},
		"where it was Ready":              {careful(600), made(time.Hour, func(r *platformv1alpha1.Release) { r.Status.ReadyAt = &opened }), false, 0},
		"while Git does not hold it": {careful(600), made(time.Hour, func(r *platformv1alpha1.Release) {
			r.Status.Conditions = []metav1.Condition{{Type: platformv1alpha1.ConditionDelivered, Status: metav1.ConditionFalse}}
		}), false, 0},
		"where Git held it later": {careful(600), made(time.Hour, func(r *platformv1alpha1.Release) {
			r.Status.Conditions = []metav1.Condition{{Type: platformv1alpha1.ConditionDelivered, Status: metav1.ConditionTrue}}
			r.Status.Delivery = &platformv1alpha1.ReleaseDelivery{DeliveredAt: &opened}
		}), false, 5 * time.Minute},
		"while somebody has suspended Flux": {careful(600), made(time.Hour, func(r *platformv1alpha1.Release) {
			suspended := ago(50 * time.Minute)
			r.Status.Delivery = &platformv1alpha1.ReleaseDelivery{DeliveredAt: &suspended, SuspendedAt: &suspended}
		}), false, 0},
		"where Flux was resumed later": {careful(600), made(time.Hour, func(r *platformv1alpha1.Release) {
			suspended := ago(50 * time.Minute)
			r.Status.Delivery = &platformv1alpha1.ReleaseDelivery{DeliveredAt: &suspended, SuspendedAt: &suspended, ResumedAt: &opened}
		}), false, 5 * time.Minute},
		"where there is none":          {careful(0), made(time.Hour, nil), false, 0},
		"where nothing is rolled back": {&stop{}, made(time.Hour, nil), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{now: noon}
			if got := s.failed(tc.stop, tc.release); got != tc.want || s.requeueAfter != tc.again {
				t.Errorf("it failed: %t, and is looked at again after %s", got, s.requeueAfter)
			}
		})
	}
}

func TestTheHistoryKeepsWhatARollbackNeeds(t *testing.T) {
	st := &stop{rollbackTo: 2, version: "v9"}
	for i := range int64(9) {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("r%d", i+1)}}
		r.Spec.Number, r.Spec.Version = i+1, fmt.Sprintf("v%d", i+1)
		st.releases = append(st.releases, r)
	}
	now := ago(0)
	st.releases[0].Status.ReadyAt, st.releases[3].Status.ReadyAt = &now, &now
	st.releases[6].Spec.Rollback = &platformv1alpha1.ReleaseRollback{From: "r6", To: "r3"}
	waits := func(name, version string, decision platformv1alpha1.Decision) {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: name}}
		r.Spec.Version, r.Status.Decisions = version, []platformv1alpha1.ReleaseDecision{{Decision: decision}}
		r.Spec.Gate = &platformv1alpha1.Gate{Approvals: 1}
		st.unopened = append(st.unopened, r)
	}
	waits("approved", "v9", platformv1alpha1.DecisionApprove)
	waits("rejected", "v9", platformv1alpha1.DecisionReject)
	waits("rejected-before", "v8", platformv1alpha1.DecisionReject)
	var names []string
	for name := range st.kept(0) {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"r2", "r3", "r4", "r6", "r7", "r8", "rejected", "rejected-before"}; !slices.Equal(names, want) {
		t.Errorf("it keeps %v, want %v", names, want)
	}
}

func TestAuthorsAreAllWhoChangedSomethingSince(t *testing.T) {
	release := func(image, by string, before time.Duration) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: ago(before)}}
		r.Spec.Image, r.Spec.Version, r.Spec.RequestedBy, r.Spec.Cause = image, image, by, platformv1alpha1.CauseImageChange
		return r
	}
	pending := release("2", "bob", time.Minute)
	for name, tc := range map[string]struct {
		dev  []*platformv1alpha1.Release
		want []string
	}{
		"the one of the Release":                 {nil, []string{"bob"}},
		"one whose change came before in dev":    {[]*platformv1alpha1.Release{release("2", "ada", 2*time.Minute)}, []string{"ada", "bob"}},
		"not one of before what runs":            {[]*platformv1alpha1.Release{release("1", "ada", 2*time.Hour)}, []string{"bob"}},
		"none where the same code hides its own": {[]*platformv1alpha1.Release{release("2", "", 2*time.Minute)}, nil},
		"one beside a change of other code":      {[]*platformv1alpha1.Release{release("1", "", 2*time.Minute)}, []string{"bob"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{stops: []stop{{releases: tc.dev}, {releases: []*platformv1alpha1.Release{release("1", "eve", time.Hour)}, unopened: []*platformv1alpha1.Release{pending}}}}
			if got, _ := s.authors(&s.stops[1], pending); !slices.Equal(got, tc.want) {
				t.Errorf("they are %v, want %v", got, tc.want)
			}
		})
	}
	s := &scope{stops: []stop{{unopened: []*platformv1alpha1.Release{release("2", "", time.Minute)}}}}
	if got, _ := s.authors(&s.stops[0], s.stops[0].unopened[0]); got != nil {
		t.Errorf("nobody asked for it, and it is %v", got)
	}
}
