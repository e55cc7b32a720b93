package component

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// A soak counts in the environment before, and in the last one before of the tier that the class asks for, and the checks of
// both are measured for that long.
func TestFindGates_SoaksInTheTierOfTheClass(t *testing.T) {
	t.Parallel()
	environment := func(name string, tier platformv1alpha1.Tier, gate *platformv1alpha1.ClassGate) *platformv1alpha1.Environment {
		return &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: platformv1alpha1.EnvironmentStatus{Tier: tier, Gate: gate}}
	}
	const staging, development = platformv1alpha1.TierStaging, platformv1alpha1.TierDevelopment
	soak := func(seconds int32, tier platformv1alpha1.Tier) *platformv1alpha1.ClassGate {
		return &platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{SoakSeconds: seconds}, RequiredTier: tier}
	}
	for name, tc := range map[string]struct {
		path []*platformv1alpha1.Environment
		want []int32
	}{
		"in the one before": {[]*platformv1alpha1.Environment{
			environment("dev", development, nil), environment("stg", staging, nil), environment("prod", platformv1alpha1.TierProduction, soak(60, staging))}, []int32{0, 60, 0}},
		"in both": {[]*platformv1alpha1.Environment{
			environment("stg", staging, nil), environment("dev", development, nil), environment("prod", platformv1alpha1.TierProduction, soak(60, staging))}, []int32{60, 60, 0}},
		"in the last of the tier": {[]*platformv1alpha1.Environment{
			environment("one", staging, nil), environment("two", staging, nil), environment("dev", development, nil), environment("prod", platformv1alpha1.TierProduction, soak(60, staging))}, []int32{0, 60, 60, 0}},
		"where no tier is asked for": {[]*platformv1alpha1.Environment{
			environment("stg", staging, nil), environment("dev", development, nil), environment("prod", platformv1alpha1.TierProduction, soak(60, ""))}, []int32{0, 60, 0}},
		"the longest": {[]*platformv1alpha1.Environment{
			environment("stg", staging, nil), environment("eu", platformv1alpha1.TierProduction, soak(90, staging)), environment("us", platformv1alpha1.TierProduction, soak(60, staging))}, []int32{90, 60, 0}},
	} {
		s := &scope{component: &platformv1alpha1.Component{}, before: &platformv1alpha1.Component{}}
		for _, e := range tc.path {
			s.component.Spec.Environments = append(s.component.Spec.Environments, platformv1alpha1.PathEnvironment{Name: e.Name})
			s.stops = append(s.stops, stop{name: e.Name, environment: e})
		}
		if err := (&Reconciler{}).findGates(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		path := s.path()
		for i, want := range tc.want {
			if got := s.stops[i].soakSeconds; got != want {
				t.Errorf("%s: checks of %s go on for %d s, wanted %d", name, s.stops[i].name, got, want)
			}
			var tier platformv1alpha1.Tier
			if gate := tc.path[i].Status.Gate; gate != nil {
				tier = gate.RequiredTier
			}
			if path[i].Tier != tc.path[i].Status.Tier || path[i].RequiredTier != tier {
				t.Errorf("%s: %s is planned with tier %q and soaks in %q, wanted %q and %q", name, path[i].Name, path[i].Tier, path[i].RequiredTier, tc.path[i].Status.Tier, tier)
			}
		}
	}
}

// A status keeps some decisions alone, and a rejection is what must outlast its Approval.
func TestRecorded_KeepsEachRejectionBeforeAllElse(t *testing.T) {
	t.Parallel()
	var all []platformv1alpha1.ReleaseDecision
	for range maxDecisions {
		all = append(all, platformv1alpha1.ReleaseDecision{Approver: "glenn", Decision: platformv1alpha1.DecisionBreakGlass},
			platformv1alpha1.ReleaseDecision{Approver: "ann", Decision: platformv1alpha1.DecisionApprove})
	}
	all = append(all, platformv1alpha1.ReleaseDecision{Approver: "bob", Decision: platformv1alpha1.DecisionReject})
	kept := recorded(all)
	if len(kept) != maxDecisions || kept[0].Approver != "bob" || kept[1].Decision != platformv1alpha1.DecisionBreakGlass {
		t.Errorf("it keeps %+v", kept)
	}
}
