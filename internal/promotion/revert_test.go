package promotion_test

import (
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
)

// A version that ran long ago, with an earlier revision of the template, is asked for again (a revert). In staging it has yet to
// show that it works with the revision of today, or failed with that: it must not enter prod.
func TestPlan_HasARevertShowItselfAnew(t *testing.T) {
	history := func() []promotion.Release {
		return []promotion.Release{
			{Name: "s-1", Number: 1, Version: "v1", Revision: 1, HadReady: true, Changes: true},
			{Name: "s-2", Number: 2, Version: "v2", Revision: 1, HadReady: true, Changes: true},
			{Name: "s-3", Number: 3, Version: "v2", Revision: 2, HadReady: true},
		}
	}
	for name, last := range map[string]promotion.Release{
		"which is being rolled out":    {Name: "s-4", Number: 4, Version: "v1", Revision: 2, Changes: true, Settling: true},
		"which failed":                 {Name: "s-4", Number: 4, Version: "v1", Revision: 2, Changes: true, Failed: true},
		"of which the checks failed":   {Name: "s-4", Number: 4, Version: "v1", Revision: 2, Changes: true, Failed: true, Checks: platformv1alpha1.CheckFailed},
		"of which the checks still go": {Name: "s-4", Number: 4, Version: "v1", Revision: 2, Changes: true, Checks: platformv1alpha1.CheckRunning},
	} {
		t.Run(name, func(t *testing.T) {
			prod := history()
			prod[2].Ready = true
			path := []promotion.Step{
				{Name: "staging", Version: "v1", Tier: platformv1alpha1.TierStaging, Releases: append(history(), last)},
				{Name: "prod", Version: "v1", Tier: platformv1alpha1.TierProduction, RequiredTier: platformv1alpha1.TierStaging, Releases: prod},
			}
			d := promotion.Plan(path, 2, noon, always)
			if d[1].Next != nil || d[1].Wait == nil {
				t.Errorf("prod gets %+v while staging has v1@2 not Ready", d[1].Next)
			}
		})
	}
}

// What the next version uses, and is not there yet, has nothing to do with going back from this one.
func TestPlan_GoesBackWhateverTheNextVersionWaitsFor(t *testing.T) {
	wait := &promotion.Wait{Reason: platformv1alpha1.ReasonWaitingForProvider, Message: "prod waits for Component ghost"}
	releases := []promotion.Release{
		{Name: "p-1", Number: 1, Version: "v1", Revision: 1, HadReady: true, Changes: true},
		{Name: "p-2", Number: 2, Version: "v2", Revision: 1, Changes: true, Failed: true},
	}
	d := promotion.Plan([]promotion.Step{{Name: "prod", Version: "v3", Lacks: wait, RollsBack: true, Releases: releases}}, 1, noon, always)
	if d[0].Next == nil {
		t.Errorf("what failed stays: %+v", d[0].Wait)
	}
	d = promotion.Plan([]promotion.Step{{Name: "prod", Version: "v3", Lacks: wait, RollbackTo: 1, Releases: releases}}, 1, noon, always)
	if d[0].Next == nil {
		t.Errorf("and nobody can take it back: %+v", d[0].Wait)
	}
}
