package promotion_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
)

// pinning is a Release that waits with a revision that the Component is pinned to.
func pinning(version string, revision int64, votes ...promotion.Vote) promotion.Pending {
	p := waiting(version, revision, votes...)
	p.Pins = true
	return p
}

func waitsFor(reason, message string) promotion.Decision {
	return promotion.Decision{Wait: &promotion.Wait{Reason: reason, Message: message}}
}

func TestPlan_HasPinsPassTheGate(t *testing.T) {
	one := platformv1alpha1.Gate{Approvals: 1}
	runs := []promotion.Release{ready("v1", 3)}
	dev := []promotion.Release{ready("v1", 3), readySince("v1", 2, 10*time.Minute)}
	gated := func(revision int64, reason, message string) promotion.Decision {
		return promotion.Decision{
			Next: &promotion.Next{Version: "v1", Revision: revision, Cause: "TemplateRollout"}, Gated: true,
			Wait: &promotion.Wait{Reason: reason, Message: message},
		}
	}
	again := func(d promotion.Decision, after time.Duration) promotion.Decision {
		d.Again = after
		return d
	}
	const needs = "Release shop-prod-2 needs 1 approval to enter prod. Whoever may approve releases in namespace team-shop gives one: towpath approve -n team-shop shop-prod-2."
	reject := promotion.Vote{Approver: "eve", Decision: platformv1alpha1.DecisionReject}
	for name, tc := range map[string]struct {
		dev  []promotion.Release
		prod promotion.Step
		want promotion.Decision
	}{
		"where nothing is asked for": {
			prod: promotion.Step{Releases: runs}, want: next("v1", 2, "TemplateRollout"),
		},
		"where an approval is": {
			prod: promotion.Step{Gate: one, Releases: runs},
			want: gated(2, "WaitingForApproval", "Revision 2 of the template, to which the Component is pinned, needs 1 approval to enter prod."),
		},
		"what waits, without an approval": {
			prod: promotion.Step{Gate: one, Releases: runs, Pending: []promotion.Pending{pinning("v1", 2)}}, want: waitsFor("WaitingForApproval", needs),
		},
		"what waits, with one": {
			prod: promotion.Step{Gate: one, Releases: runs, Pending: []promotion.Pending{pinning("v1", 2, approves("bob")...)}}, want: promotion.Decision{Open: true},
		},
		"an approval of another revision": {
			prod: promotion.Step{Gate: one, Releases: runs, Pending: []promotion.Pending{pinning("v1", 1, approves("bob")...)}},
			want: gated(2, "WaitingForApproval", "Revision 2 of the template, to which the Component is pinned, needs 1 approval to enter prod."),
		},
		"a rejection of this revision": {
			prod: promotion.Step{Gate: one, Releases: runs, Pending: []promotion.Pending{pinning("v1", 2, reject)}},
			want: waitsFor("Rejected", "eve rejected revision 2 of the template for prod (Release shop-prod-2), without a reason. It does not enter; set spec.templateRef.revision of the Component to another, or take it out."),
		},
		"a rejection of another revision": {
			prod: promotion.Step{Gate: one, Releases: runs, Pending: []promotion.Pending{pinning("v1", 1, reject)}},
			want: gated(2, "WaitingForApproval", "Revision 2 of the template, to which the Component is pinned, needs 1 approval to enter prod."),
		},
		"the version that runs was rejected once": {
			prod: promotion.Step{Gate: one, Releases: runs, Pending: []promotion.Pending{waiting("v1", 2, reject)}},
			want: gated(2, "WaitingForApproval", "Revision 2 of the template, to which the Component is pinned, needs 1 approval to enter prod."),
		},
		"a version whose pin was rejected": {
			dev:  []promotion.Release{ready("v1", 2)},
			prod: promotion.Step{Gate: one, Releases: []promotion.Release{ready("v0", 2)}, Pending: []promotion.Pending{pinning("v1", 2, reject)}},
			want: promotion.Decision{
				Next: &promotion.Next{Version: "v1", Revision: 2, Cause: "Promotion"}, Gated: true,
				Wait: &promotion.Wait{Reason: "WaitingForApproval", Message: "The version needs 1 approval to enter prod."},
			},
		},
		"a soak counts since the environment before runs the revision": {
			prod: promotion.Step{Gate: platformv1alpha1.Gate{SoakSeconds: 3600}, Releases: runs},
			want: again(gated(2, "Soaking", "Revision 2 of the template must have been Ready in dev for 1h0m0s: that is so at 2026-11-20T12:50:00Z."), 50*time.Minute),
		},
		"a soak where the environment before runs another": {
			dev:  []promotion.Release{readySince("v1", 3, 10*time.Hour)},
			prod: promotion.Step{Gate: platformv1alpha1.Gate{SoakSeconds: 3600}, Releases: runs},
			want: gated(2, "Soaking", "Revision 2 of the template must have been Ready in dev for 1h0m0s, and is not Ready there now."),
		},
		"somebody promotes it": {
			prod: promotion.Step{Gate: platformv1alpha1.Gate{Promotion: "Manual"}, Releases: runs},
			want: gated(2, "WaitingForPromotion", "Revision 2 of the template, to which the Component is pinned, enters prod when somebody promotes it."),
		},
		"a freeze keeps an earlier revision out too": {
			prod: promotion.Step{Freeze: xmas(false), Releases: runs},
			want: again(gated(2, "Frozen", "Nothing new enters prod during the freeze xmas (All are away), which ends at 2026-11-20T13:00:00Z."), time.Hour),
		},
		"broken glass lets it in": {
			prod: promotion.Step{Freeze: xmas(true), Releases: runs, Pending: []promotion.Pending{pinning("v1", 2, glass)}}, want: promotion.Decision{Open: true},
		},
		"a class that takes nothing from this path": {
			prod: promotion.Step{Barred: &promotion.Wait{Reason: "TierMissing"}, Releases: runs}, want: promotion.Decision{Wait: &promotion.Wait{Reason: "TierMissing"}},
		},
		"the Release that ran was deleted": {
			prod: promotion.Step{Gate: one, Lost: &promotion.Release{Version: "v1", Revision: 3}}, want: next("v1", 3, "Manual"),
		},
		"a rollback to it": {
			prod: promotion.Step{Gate: one, RollbackTo: 1, Releases: []promotion.Release{
				{Name: "shop-prod-1", Number: 1, Version: "v1", Revision: 2, HadReady: true}, ready("v1", 3),
			}},
			want: promotion.Decision{Next: &promotion.Next{Version: "v1", Revision: 2, Cause: "Rollback"}, From: "shop-prod-1"},
		},
		"what waits while the environment cannot take it": {
			prod: promotion.Step{Gate: one, Releases: runs, Pending: []promotion.Pending{pinning("v1", 2)}, Blocked: &promotion.Wait{Reason: "EnvironmentNotReady"}},
			want: promotion.Decision{Wait: &promotion.Wait{Reason: "EnvironmentNotReady"}},
		},
		"what waits once the revision runs": {
			prod: promotion.Step{Gate: one, Releases: []promotion.Release{ready("v1", 2)}, Pending: []promotion.Pending{pinning("v1", 2)}}, want: promotion.Decision{Retire: true},
		},
		"what runs follows those whom it uses meanwhile": {
			prod: promotion.Step{Gate: one, Releases: runs, Stale: true, Pending: []promotion.Pending{pinning("v1", 2)}}, want: next("v1", 3, "ProviderChange"),
		},
		"but not during a freeze": {
			prod: promotion.Step{Freeze: xmas(false), Releases: runs, Stale: true, Pending: []promotion.Pending{pinning("v1", 2)}},
			want: again(waitsFor("Frozen", "Nothing new enters prod during the freeze xmas (All are away), which ends at 2026-11-20T13:00:00Z."), time.Hour),
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := promotion.Step{Name: "dev", Version: "v1", Pinned: true, Releases: dev}
			if tc.dev != nil {
				first.Releases = tc.dev
			}
			tc.prod.Name, tc.prod.Version, tc.prod.Pinned = "prod", "v1", true
			got := promotion.Plan([]promotion.Step{first, tc.prod}, 2, noon, always)
			if diff := cmp.Diff(tc.want, got[1], notGuarded); diff != "" {
				t.Errorf("Plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlan_HasThePinOfANewVersionPassTheGateFirst(t *testing.T) {
	// The new version fits the revision of the pin alone, so that goes first, with the version that runs.
	fits := func(_ int, version string, revision int64) bool { return version == "v0" || revision == 2 }
	step := promotion.Step{
		Name: "prod", Version: "v1", Pinned: true, Gate: platformv1alpha1.Gate{Approvals: 1}, Releases: []promotion.Release{ready("v0", 1)},
	}
	want := promotion.Decision{
		Next: &promotion.Next{Version: "v0", Revision: 2, Cause: "TemplateRollout"}, Gated: true,
		Wait: &promotion.Wait{Reason: "WaitingForApproval", Message: "Revision 2 of the template, to which the Component is pinned, needs 1 approval to enter prod."},
	}
	if diff := cmp.Diff(want, promotion.Plan([]promotion.Step{step}, 2, noon, fits)[0], notGuarded); diff != "" {
		t.Errorf("Plan (-want +got):\n%s", diff)
	}
	step.Pending = []promotion.Pending{pinning("v0", 2, approves("bob")...)}
	if got := promotion.Plan([]promotion.Step{step}, 2, noon, fits)[0]; !got.Open {
		t.Errorf("approved, and %+v", got)
	}
}

func TestPlan_HasWhatRunsFollowWhileAVersionWaits(t *testing.T) {
	step := promotion.Step{
		Name: "prod", Version: "v1", Stale: true, Gate: platformv1alpha1.Gate{Approvals: 1},
		Releases: []promotion.Release{ready("v0", 1)}, Pending: []promotion.Pending{waiting("v1", 1)},
	}
	if diff := cmp.Diff(next("v0", 1, "ProviderChange"), promotion.Plan([]promotion.Step{step}, 1, noon, always)[0], notGuarded); diff != "" {
		t.Errorf("Plan (-want +got):\n%s", diff)
	}
}
