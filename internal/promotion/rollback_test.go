package promotion_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/towpath-dev/towpath/internal/promotion"
)

// named is a Release with a number, its name and what it changed.
func named(number int64, name string, r promotion.Release) promotion.Release {
	r.Number, r.Name, r.Changes = number, name, true
	return r
}

func failed(version string, revision int64) promotion.Release {
	return promotion.Release{Version: version, Revision: revision, Failed: true}
}

// back is a Release that took the place of one that failed.
func back(number int64, name, from string, r promotion.Release) promotion.Release {
	r.Number, r.Name, r.RolledBack = number, name, &promotion.RolledBack{From: from, Why: "CrashLoop: it ends."}
	return r
}

func TestPlan_GoesBack(t *testing.T) {
	const held = "What Release r2 brought failed in prod, and what ran before runs again: CrashLoop: it ends. It is not tried again, and goes no further: change the Component."
	dev := promotion.Step{Name: "dev", Version: "v1", Releases: []promotion.Release{ready("v1", 1)}}
	rolledBack := []promotion.Release{named(1, "r1", ready("v0", 1)), named(2, "r2", failed("v1", 1)), back(3, "r3", "r2", ready("v0", 1))}
	goes := func(version string, revision int64, from, failed, why string) promotion.Decision {
		d := next(version, revision, "Rollback")
		if d.From = from; failed != "" {
			d.Failed = &promotion.RolledBack{From: failed, Why: why}
		}
		return d
	}
	wait := func(reason, message string) promotion.Decision {
		return promotion.Decision{Wait: &promotion.Wait{Reason: reason, Message: message}}
	}
	for name, tc := range map[string]struct {
		prod promotion.Step
		want promotion.Decision
	}{
		"a version that failed, where the class says so": {
			prod: promotion.Step{RollsBack: true, Releases: []promotion.Release{named(1, "r1", ready("v0", 1)), named(2, "r2", failed("v1", 1))}},
			want: goes("v0", 1, "r1", "r2", ""),
		},
		"a version that failed stays, where the class does not": {
			prod: promotion.Step{Releases: []promotion.Release{named(1, "r1", ready("v0", 1)), named(2, "r2", failed("v1", 1))}},
		},
		"past another one that failed": {
			prod: promotion.Step{RollsBack: true, Releases: []promotion.Release{named(1, "r1", ready("v0", 1)), named(2, "r2", failed("v0.5", 1)), named(3, "r3", failed("v1", 1))}},
			want: goes("v0", 1, "r1", "r3", ""),
		},
		"the first version has nothing to go back to": {
			prod: promotion.Step{RollsBack: true, Releases: []promotion.Release{named(1, "r1", failed("v1", 1))}},
		},
		"what was found is nothing to go back to": {
			prod: promotion.Step{RollsBack: true, Releases: []promotion.Release{named(1, "r1", asFound("v0", 1, true)), named(2, "r2", failed("v1", 1))}},
		},
		"a rollback that fails goes back no further": {
			prod: promotion.Step{RollsBack: true, Releases: []promotion.Release{named(1, "r1", ready("v0", 1)), named(2, "r2", failed("v1", 1)), back(3, "r3", "r2", failed("v0", 1))}},
			want: wait("RolledBack", held),
		},
		"a revision that failed": {
			prod: promotion.Step{RollsBack: true, Releases: []promotion.Release{named(1, "r1", ready("v1", 1)), {Name: "r2", Version: "v1", Revision: 2, Failed: true}}},
			want: goes("v1", 1, "r1", "r2", ""),
		},
		"a revision that failed in a wave is brought back by the waves": {
			prod: promotion.Step{RollsBack: true, Target: 1, Releases: []promotion.Release{named(1, "r1", ready("v1", 1)), {Name: "r2", Version: "v1", Revision: 2, Failed: true}}},
			want: next("v1", 1, "TemplateRollout"),
		},
		"what was rolled back is not tried again": {
			prod: promotion.Step{RollsBack: true, Releases: rolledBack}, want: wait("RolledBack", held),
		},
		"nor when what runs uses something else": {
			prod: promotion.Step{RollsBack: true, Stale: true, Releases: rolledBack}, want: next("v0", 1, "ProviderChange"),
		},
		"nor when the rollback is deleted by hand": {
			prod: promotion.Step{RollsBack: true, Releases: rolledBack[:2], Lost: &rolledBack[2]}, want: goes("v0", 1, "r1", "r2", "CrashLoop: it ends."),
		},
		"another version is": {
			prod: promotion.Step{RollsBack: true, Releases: []promotion.Release{rolledBack[0], named(2, "r2", failed("v0.5", 1)), rolledBack[2]}},
			want: next("v1", 1, "Promotion"),
		},
		"and the one that failed too, after another one": {
			prod: promotion.Step{RollsBack: true, Releases: append(rolledBack[:3:3], named(4, "r4", ready("v0.5", 1)))},
			want: next("v1", 1, "Promotion"),
		},
		"to a Release that a person names": {
			prod: promotion.Step{RollbackTo: 1, Releases: []promotion.Release{named(1, "r1", ready("v0", 1)), named(2, "r2", ready("v1", 1))}},
			want: goes("v0", 1, "r1", "", ""),
		},
		"and stays there": {
			prod: promotion.Step{Home: "team-shop", Component: "shop", RollbackTo: 1, Pending: []promotion.Pending{{Name: "r4", Version: "v1"}}, Releases: []promotion.Release{named(1, "r1", ready("v0", 1)), named(2, "r2", ready("v1", 1)), back(3, "r3", "r2", ready("v0", 1))}},
			want: func() promotion.Decision {
				d := wait("RolledBack", "prod went back to what Release r1 ran, and nothing else enters until somebody who may change the Component takes rollbackTo out of its spec.environments: towpath promote -n team-shop shop prod.")
				d.Retire = true
				return d
			}(),
		},
		"not to one that was never Ready": {
			prod: promotion.Step{RollbackTo: 1, Releases: []promotion.Release{named(1, "r1", failed("v0", 1)), named(2, "r2", ready("v0.5", 1))}},
			want: wait("RollbackImpossible", "prod is to go back to Release 1, which does not exist any more, or was never Ready there. Nothing else enters: correct or take out rollbackTo of prod in spec.environments."),
		},
		"not where nothing ran, and nothing enters either": {
			prod: promotion.Step{RollbackTo: 1},
			want: wait("RollbackImpossible", "prod is to go back to Release 1, which does not exist any more, or was never Ready there. Nothing else enters: correct or take out rollbackTo of prod in spec.environments."),
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.prod.Name, tc.prod.Version = "prod", "v1"
			target := int64(1)
			if len(tc.prod.Releases) == 2 && tc.prod.Releases[1].Revision == 2 {
				target = 2
			}
			got := promotion.Plan([]promotion.Step{dev, tc.prod}, target, noon, always)
			if diff := cmp.Diff(tc.want, got[1], notGuarded); diff != "" {
				t.Errorf("Plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlan_DoesNotTryARevisionAgainThatWasRolledBack(t *testing.T) {
	step := promotion.Step{Name: "dev", Version: "v1", RollsBack: true, Releases: []promotion.Release{
		named(1, "r1", ready("v1", 1)), {Number: 2, Name: "r2", Version: "v1", Revision: 2}, back(3, "r3", "r2", ready("v1", 1)),
	}}
	if d := promotion.Plan([]promotion.Step{step}, 2, noon, always)[0]; d.Next != nil || d.Wait == nil || d.Wait.Reason != "RolledBack" {
		t.Errorf("it is tried again: %+v", d)
	}
	if d := promotion.Plan([]promotion.Step{step}, 3, noon, always)[0]; d.Next == nil || d.Next.Revision != 3 {
		t.Errorf("the next revision is not tried: %+v", d)
	}
}
