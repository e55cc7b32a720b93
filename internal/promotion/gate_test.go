package promotion_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// readySince is a Release that has been Ready for a time at noon.
func readySince(version string, revision int64, ago time.Duration) promotion.Release {
	r := ready(version, revision)
	r.ReadySince = noon.Add(-ago)
	return r
}

func waiting(version string, revision int64, votes ...promotion.Vote) promotion.Pending {
	return promotion.Pending{Namespace: "team-shop", Name: "shop-prod-2", Version: version, Revision: revision, Authors: []string{"ada"}, Votes: votes}
}

func approves(users ...string) []promotion.Vote {
	var votes []promotion.Vote
	for _, user := range users {
		votes = append(votes, promotion.Vote{Approver: user, Decision: platformv1alpha1.DecisionApprove})
	}
	return votes
}

var glass = promotion.Vote{Approver: "eve", Decision: platformv1alpha1.DecisionBreakGlass, Reason: "The cart is down."}

func xmas(breakable bool) *promotion.Freeze {
	return &promotion.Freeze{Name: "xmas", Reason: "All are away.", Until: noon.Add(time.Hour), Breakable: breakable}
}

// Whoever may change the path may put an environment where all has been Ready for long right before the one with the gate.
func TestPlan_SoaksInTheTierThatIsAskedFor(t *testing.T) {
	const staging = platformv1alpha1.TierStaging
	step := func(name string, tier platformv1alpha1.Tier, r ...promotion.Release) promotion.Step {
		return promotion.Step{Name: name, Version: "v1", Tier: tier, Releases: r}
	}
	long, short := readySince("v1", 1, 2*time.Hour), readySince("v1", 1, 10*time.Minute)
	until := func(where string) *promotion.Wait {
		return &promotion.Wait{Reason: "Soaking", Message: "The version must have been Ready in " + where + " for 1h0m0s: that is so at 2026-11-20T12:50:00Z."}
	}
	found := long
	found.AsFound = true
	for name, tc := range map[string]struct {
		earlier []promotion.Step
		want    *promotion.Wait
		again   time.Duration
	}{
		"too short in staging, long in the one after it": {[]promotion.Step{step("stg", staging, short), step("dev", "Development", long)}, until("stg"), 50 * time.Minute},
		"long in staging, too short in the one after it": {[]promotion.Step{step("stg", staging, long), step("dev", "Development", short)}, until("dev"), 50 * time.Minute},
		"too short in the last of staging":               {[]promotion.Step{step("one", staging, long), step("two", staging, short), step("dev", "Development", long)}, until("two"), 50 * time.Minute},
		"long in both":                                   {[]promotion.Step{step("stg", staging, long), step("dev", "Development", long)}, nil, 0},
		"another version in staging": {
			[]promotion.Step{step("stg", staging, readySince("v2", 1, 2*time.Hour)), step("dev", "Development", long)},
			&promotion.Wait{Reason: "WaitingForPrevious", Message: "The version waits until it is Ready in stg, the environment before prod."}, 0,
		},
		"taken over in staging": {
			[]promotion.Step{step("stg", staging, found), step("dev", "Development", long)},
			&promotion.Wait{Reason: "WaitingForPrevious", Message: "The version runs in stg as it was found there, without the golden path; the next version goes on to prod."}, 0,
		},
	} {
		prod := step("prod", "Production", ready("v0", 1))
		prod.Gate, prod.RequiredTier = platformv1alpha1.Gate{SoakSeconds: 3600}, staging
		got := promotion.Plan(append(tc.earlier, prod), 1, noon, always)[len(tc.earlier)]
		if diff := cmp.Diff(tc.want, got.Wait); diff != "" || got.Again != tc.again {
			t.Errorf("%s: again after %s, wanted %s; (-want +got):\n%s", name, got.Again, tc.again, diff)
		}
	}
}

// Nor is it enough that an environment of the tier stands somewhere before: the version must have been Ready there.
func TestPlan_AsksTheTierThatIsRequired(t *testing.T) {
	failed := promotion.Release{Name: "stg-1", Version: "v1", Revision: 1, Failed: true, Changes: true}
	for name, stg := range map[string]promotion.Step{
		"empty, and manual":   {Gate: platformv1alpha1.Gate{Promotion: platformv1alpha1.PromotionManual}},
		"held at nothing":     {RollbackTo: 999},
		"blocked":             {Blocked: &promotion.Wait{Reason: "EnvironmentNotReady"}},
		"where it failed":     {Releases: []promotion.Release{failed}},
		"that runs another":   {Releases: []promotion.Release{ready("v0", 1)}},
		"where it is no more": {Lost: &promotion.Release{Version: "v1", Revision: 1, HadReady: true}},
	} {
		stg.Name, stg.Version, stg.Tier = "stg", "v1", platformv1alpha1.TierStaging
		dev := promotion.Step{Name: "dev", Version: "v1", Tier: platformv1alpha1.TierDevelopment, Releases: []promotion.Release{readySince("v1", 1, time.Hour)}}
		prod := promotion.Step{
			Name: "prod", Version: "v1", Tier: platformv1alpha1.TierProduction, RequiredTier: platformv1alpha1.TierStaging, Releases: []promotion.Release{ready("v0", 1)},
		}
		got := promotion.Plan([]promotion.Step{stg, dev, prod}, 1, noon, always)[2]
		if got.Next != nil || got.Wait == nil || got.Wait.Reason != platformv1alpha1.ReasonWaitingForPrevious {
			t.Errorf("staging %s: prod decides %+v, %+v", name, got, got.Next)
		}
		prod.Gate = platformv1alpha1.Gate{Approvals: 1}
		prod.Pending = []promotion.Pending{waiting("v1", 1, approves("bob")...)}
		if got := promotion.Plan([]promotion.Step{stg, dev, prod}, 1, noon, always)[2]; got.Open {
			t.Errorf("staging %s: prod opens by an approval", name)
		}
	}
}

// A class that changed holds all back until its gate is known, but for what takes back what failed.
func TestPlan_LetsRollbacksPassWhileTheGateIsNotKnown(t *testing.T) {
	lags := &promotion.Wait{Reason: "EnvironmentNotReady", Message: "Not yet."}
	bad := promotion.Release{Name: "prod-2", Number: 2, Version: "v1", Revision: 1, Failed: true, Changes: true}
	good := ready("v0", 1)
	good.Name, good.Number = "prod-1", 1
	step := promotion.Step{Name: "prod", Version: "v2", Lags: lags, RollsBack: true, Releases: []promotion.Release{good, bad}}
	if got := promotion.Plan([]promotion.Step{step}, 1, noon, always)[0]; got.Next == nil || got.Next.Cause != platformv1alpha1.CauseRollback {
		t.Errorf("what failed is not taken back: %+v", got)
	}
	step.Releases = step.Releases[:1]
	if got := promotion.Plan([]promotion.Step{step}, 1, noon, always)[0]; got.Next != nil || got.Wait != lags {
		t.Errorf("a version enters: %+v", got)
	}
}

func TestPlan_TakesNoExcuseForFailedChecks(t *testing.T) {
	unable := promotion.Release{Name: "stg-1", Number: 1, Version: "v1", Revision: 1, HadReady: true, Checks: platformv1alpha1.CheckRunning, Changes: true}
	failed := promotion.Release{Name: "stg-2", Number: 2, Version: "v1", Revision: 2, Failed: true, Checks: platformv1alpha1.CheckFailed, Found: "Errors."}
	stg := promotion.Step{Name: "stg", Version: "v1", Releases: []promotion.Release{unable, failed}}
	prod := promotion.Step{Name: "prod", Version: "v1", Releases: []promotion.Release{ready("v0", 1)}}
	if got := promotion.Plan([]promotion.Step{stg, prod}, 2, noon, always)[1]; got.Next != nil && got.Next.Version == "v1" {
		t.Errorf("v1 enters: %+v", *got.Next)
	}
}

func TestPlan_WaitsAtTheGate(t *testing.T) {
	soak := platformv1alpha1.Gate{SoakSeconds: 3600}
	two := platformv1alpha1.Gate{Approvals: 2}
	others := platformv1alpha1.Gate{Approvals: 1, AuthorApproval: "Forbidden"}
	manual := platformv1alpha1.Gate{Promotion: "Manual"}
	dev := promotion.Step{Releases: []promotion.Release{readySince("v1", 1, 10*time.Minute)}}
	runs := []promotion.Release{ready("v0", 1)}
	wait := func(reason, message string) promotion.Decision {
		return promotion.Decision{Wait: &promotion.Wait{Reason: reason, Message: message}}
	}
	gated := func(reason, message string) promotion.Decision {
		d := wait(reason, message)
		d.Next, d.Gated = &promotion.Next{Version: "v1", Revision: 1, Cause: "Promotion"}, true
		return d
	}
	again := func(d promotion.Decision, after time.Duration) promotion.Decision {
		d.Again = after
		return d
	}
	const approve = ". Whoever may approve releases in namespace team-shop gives one: towpath approve -n team-shop shop-prod-2."
	for name, tc := range map[string]struct {
		dev  *promotion.Step
		prod promotion.Step
		want promotion.Decision
	}{
		"a soak that is over opens the gate before the Release is made": {
			dev:  &promotion.Step{Releases: []promotion.Release{readySince("v1", 1, time.Hour)}},
			prod: promotion.Step{Gate: soak, Releases: runs}, want: next("v1", 1, "Promotion"),
		},
		"a soak that is not over": {
			prod: promotion.Step{Gate: soak, Releases: runs},
			want: again(gated("Soaking", "The version must have been Ready in dev for 1h0m0s: that is so at 2026-11-20T12:50:00Z."), 50*time.Minute),
		},
		"a soak that is over opens the Release that waits": {
			dev:  &promotion.Step{Releases: []promotion.Release{readySince("v1", 1, time.Hour)}},
			prod: promotion.Step{Gate: soak, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1)}}, want: promotion.Decision{Open: true},
		},
		"the Release that waits goes nowhere while its version is not Ready before": {
			dev:  &promotion.Step{Releases: []promotion.Release{{Version: "v1", Revision: 1, HadReady: true}}},
			prod: promotion.Step{Gate: two, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, approves("bob", "eve")...)}},
			want: waits(devFirst),
		},
		"approvals are asked for by a Release": {
			prod: promotion.Step{Gate: two, Releases: runs}, want: gated("WaitingForApproval", "The version needs 2 approvals to enter prod."),
		},
		"one person counts once": {
			prod: promotion.Step{Gate: two, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, approves("bob", "bob", "bob")...)}},
			want: wait("WaitingForApproval", "Release shop-prod-2 needs 2 approvals to enter prod, and has 1, of bob"+approve),
		},
		"two people open it": {
			prod: promotion.Step{Gate: two, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, approves("bob", "ada")...)}},
			want: promotion.Decision{Open: true},
		},
		"an author counts for nothing where the class says so": {
			prod: promotion.Step{Gate: others, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, approves("ada")...)}},
			want: wait("WaitingForApproval", "Release shop-prod-2 needs 1 approval to enter prod; ada made the change, and cannot approve it"+approve),
		},
		"somebody else does": {
			prod: promotion.Step{Gate: others, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, approves("ada", "bob")...)}},
			want: promotion.Decision{Open: true},
		},
		"while no author is known, nobody counts": {
			prod: promotion.Step{Gate: others, Releases: runs, Pending: []promotion.Pending{{Name: "r", Version: "v1", Revision: 1, Votes: approves("bob")}}},
			want: wait("AuthorUnknown", "Release r needs 1 approval to enter prod, by others than who made the change, and it is not known who that is: bring a version with another image or commit, and spec.requestedBy of the Component set to who changes it."),
		},
		"one rejection is enough": {
			prod: promotion.Step{Gate: two, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1,
				append(approves("bob", "ada"), promotion.Vote{Approver: "eve", Decision: "Reject", Reason: "Too soon."})...)}},
			want: wait("Rejected", "eve rejected the version for prod (Release shop-prod-2), since: Too soon. It does not enter; change the Component to bring another."),
		},
		"a rejection holds though its Release was superseded": {
			prod: promotion.Step{Gate: two, Releases: runs, Pending: []promotion.Pending{{Name: "r", Version: "v1", Superseded: true, Votes: []promotion.Vote{{Approver: "eve", Decision: "Reject"}}}}},
			want: wait("Rejected", "eve rejected the version for prod (Release r), without a reason. It does not enter; change the Component to bring another."),
		},
		"a manual gate": {
			prod: promotion.Step{Gate: manual, Releases: runs, Promote: "shop-prod-1", Pending: []promotion.Pending{waiting("v1", 1)}},
			want: wait("WaitingForPromotion", "Release shop-prod-2 enters prod when somebody who may change the Component promotes it: towpath promote -n team-shop shop-prod-2."),
		},
		"a manual gate that somebody opened": {
			prod: promotion.Step{Gate: manual, Releases: runs, Promote: "shop-prod-2", Pending: []promotion.Pending{waiting("v1", 1)}},
			want: promotion.Decision{Open: true},
		},
		"all that is missing, what people do first": {
			prod: promotion.Step{Gate: platformv1alpha1.Gate{SoakSeconds: 3600, Approvals: 1}, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1)}},
			want: again(wait("WaitingForApproval", "Release shop-prod-2 needs 1 approval to enter prod"+approve+" The version must have been Ready in dev for 1h0m0s: that is so at 2026-11-20T12:50:00Z."), 50*time.Minute),
		},
		"a path that the class does not take": {
			prod: promotion.Step{Barred: &promotion.Wait{Reason: "TierMissing", Message: "no staging"}, Releases: runs, Promote: "shop-prod-2", Pending: []promotion.Pending{waiting("v1", 1)}},
			want: wait("TierMissing", "no staging"),
		},
		"what waits is superseded by a newer version": {
			prod: promotion.Step{Gate: two, Releases: runs, Pending: []promotion.Pending{waiting("v0.5", 1, approves("bob", "ada")...)}},
			want: gated("WaitingForApproval", "The version needs 2 approvals to enter prod."),
		},
		"what waits with outputs that changed is made again, and decided on anew": {
			prod: promotion.Step{Gate: two, Releases: runs, Pending: []promotion.Pending{{Name: "r", Version: "v1", Revision: 1, Stale: true, Votes: approves("bob", "ada")}}},
			want: gated("WaitingForApproval", "The version needs 2 approvals to enter prod."),
		},
		"what waits with a revision that was taken back is made again": {
			prod: promotion.Step{Gate: two, Releases: runs, Pending: []promotion.Pending{waiting("v1", 2, approves("bob", "ada")...)}},
			want: gated("WaitingForApproval", "The version needs 2 approvals to enter prod."),
		},
		"what waits ends where the Component is back at what runs": {
			prod: promotion.Step{Version: "v0", Gate: two, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, approves("bob", "ada")...)}},
			want: promotion.Decision{Retire: true},
		},
		"what waits ends where a newer version is on its way": {
			dev:  &promotion.Step{Releases: []promotion.Release{ready("v0.5", 1), rolling("v1", 1)}},
			prod: promotion.Step{Gate: two, Releases: runs, Pending: []promotion.Pending{waiting("v0.5", 1, approves("bob", "ada")...)}},
			want: func() promotion.Decision { d := waits(devFirst); d.Retire = true; return d }(),
		},
		"a freeze keeps a version out": {
			prod: promotion.Step{Freeze: xmas(true), Releases: runs},
			want: again(gated("Frozen", "Nothing new enters prod during the freeze xmas (All are away), which ends at 2026-11-20T13:00:00Z."), time.Hour),
		},
		"a freeze keeps out what waits": {
			prod: promotion.Step{Freeze: xmas(true), Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, approves("bob")...)}},
			want: again(wait("Frozen", "Nothing new enters prod during the freeze xmas (All are away), which ends at 2026-11-20T13:00:00Z. Whoever may break the glass in namespace team-shop lets it in: towpath approve --break-glass -n team-shop shop-prod-2."), time.Hour),
		},
		"somebody breaks the glass": {
			prod: promotion.Step{Freeze: xmas(true), Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, glass)}},
			want: promotion.Decision{Open: true},
		},
		"glass that nobody may break": {
			prod: promotion.Step{Freeze: xmas(false), Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, glass)}},
			want: again(wait("Frozen", "Nothing new enters prod during the freeze xmas (All are away), which ends at 2026-11-20T13:00:00Z."), time.Hour),
		},
		"broken glass approves nothing": {
			prod: promotion.Step{Freeze: xmas(true), Gate: two, Releases: runs, Pending: []promotion.Pending{waiting("v1", 1, append(approves("bob"), glass)...)}},
			want: wait("WaitingForApproval", "Release shop-prod-2 needs 2 approvals to enter prod, and has 1, of bob"+approve),
		},
		"a freeze keeps a revision out": {
			dev:  &promotion.Step{Releases: []promotion.Release{ready("v1", 1), ready("v1", 2)}},
			prod: promotion.Step{Freeze: xmas(true), Releases: []promotion.Release{ready("v1", 1)}},
			want: again(wait("Frozen", "Nothing new enters prod during the freeze xmas (All are away), which ends at 2026-11-20T13:00:00Z."), time.Hour),
		},
		"a freeze lets a revision go back": {
			dev:  &promotion.Step{Releases: []promotion.Release{ready("v1", 2)}},
			prod: promotion.Step{Freeze: xmas(true), Releases: []promotion.Release{ready("v1", 3)}}, want: next("v1", 2, "TemplateRollout"),
		},
		"a freeze lets a rollback through": {
			prod: promotion.Step{Freeze: xmas(false), RollsBack: true, Releases: []promotion.Release{named(1, "r1", ready("v0", 1)), named(2, "r2", failed("v1", 1))}},
			want: func() promotion.Decision {
				d := next("v0", 1, "Rollback")
				d.From, d.Failed = "r1", &promotion.RolledBack{From: "r2"}
				return d
			}(),
		},
		"a freeze lets a Release that was deleted by hand be made again": {
			prod: promotion.Step{Freeze: xmas(false), Lost: &promotion.Release{Version: "v1", Revision: 1}}, want: next("v1", 1, "Manual"),
		},
		"a revision of the template needs no gate": {
			dev:  &promotion.Step{Releases: []promotion.Release{ready("v1", 1), ready("v1", 2)}},
			prod: promotion.Step{Gate: two, Releases: []promotion.Release{ready("v1", 1)}}, want: next("v1", 2, "TemplateRollout"),
		},
		"a Release that was deleted by hand needs no gate again": {
			prod: promotion.Step{Gate: two, Lost: &promotion.Release{Version: "v1", Revision: 1}}, want: next("v1", 1, "Manual"),
		},
		"a version that was never let in does, whatever was lost": {
			prod: promotion.Step{Gate: two, Lost: &promotion.Release{Version: "v0", Revision: 1}}, want: gated("WaitingForApproval", "The version needs 2 approvals to enter prod."),
		},
		"the version of what took over what was found does too, though that was lost": {
			prod: promotion.Step{Gate: two, Lost: &promotion.Release{Version: "v1", Revision: 1, AsFound: true}},
			want: gated("WaitingForApproval", "The version needs 2 approvals to enter prod."),
		},
		"what is taken over needs no gate": {
			prod: promotion.Step{Gate: two, Adopts: true}, want: next("v1", 2, "Adoption"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := dev
			if tc.dev != nil {
				first = *tc.dev
			}
			first.Name, first.Version = "dev", "v1"
			tc.prod.Name = "prod"
			if tc.prod.Version == "" {
				tc.prod.Version = "v1"
			}
			got := promotion.Plan([]promotion.Step{first, tc.prod}, 2, noon, always)
			if diff := cmp.Diff(tc.want, got[1], notGuarded); diff != "" {
				t.Errorf("Plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStricter_TakesNothingAway(t *testing.T) {
	class := &platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{SoakSeconds: 60, Approvals: 2, AuthorApproval: "Forbidden", Promotion: "Manual"}}
	if got := promotion.Stricter(class, &platformv1alpha1.Gate{SoakSeconds: 30, Approvals: 1, AuthorApproval: "Allowed", Promotion: "Automatic"}); got != class.Gate {
		t.Errorf("a Component loosened %+v to %+v", class.Gate, got)
	}
	stricter := platformv1alpha1.Gate{SoakSeconds: 90, Approvals: 3, AuthorApproval: "Forbidden", Promotion: "Manual"}
	for _, lax := range []*platformv1alpha1.ClassGate{nil, {}} {
		if got := promotion.Stricter(lax, &stricter); got != stricter {
			t.Errorf("a Component asks for %+v and gets %+v", stricter, got)
		}
	}
}

func TestBeyond_NamesWhatAClassAsksForMore(t *testing.T) {
	plain := &platformv1alpha1.Gate{Approvals: 1, AuthorApproval: "Allowed", Promotion: "Automatic"}
	for name, tc := range map[string]struct {
		class *platformv1alpha1.ClassGate
		want  []string
	}{
		"no gate":        {nil, nil},
		"an empty one":   {&platformv1alpha1.ClassGate{}, nil},
		"the same, said": {&platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{AuthorApproval: "Allowed", Promotion: "Automatic"}}, nil},
		"as many":        {&platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 1}}, nil},
		"more of one":    {&platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{Approvals: 2}}, []string{"approvals: 2"}},
		"more everywhere": {
			&platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{SoakSeconds: 60, Approvals: 2, AuthorApproval: "Forbidden", Promotion: "Manual"}},
			[]string{"soakSeconds: 60", "approvals: 2", "authorApproval: Forbidden", "promotion: Manual"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, promotion.Beyond(tc.class, plain)); diff != "" {
				t.Errorf("Beyond (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMissingTier(t *testing.T) {
	tiers := []platformv1alpha1.Tier{platformv1alpha1.TierDevelopment}
	if wait := promotion.MissingTier("prod", "production", platformv1alpha1.TierStaging, tiers); wait == nil || wait.Reason != "TierMissing" {
		t.Errorf("staging is missing, and %+v is said", wait)
	}
	for _, required := range []platformv1alpha1.Tier{"", platformv1alpha1.TierDevelopment} {
		if wait := promotion.MissingTier("prod", "production", required, tiers); wait != nil {
			t.Errorf("%q is there, and %+v is said", required, wait)
		}
	}
}

// notGuarded leaves out what TestPlan_SaysWhatIsAMatterOfTheGate is about.
var notGuarded = cmpopts.IgnoreFields(promotion.Decision{}, "Guarded")

func TestPlan_SaysWhatIsAMatterOfTheGate(t *testing.T) {
	running := []promotion.Release{{Name: "shop-prod-1", Number: 1, Version: "v1", Revision: 1, HadReady: true, Ready: true, Applied: true}}
	for name, tc := range map[string]struct {
		step   promotion.Step
		target int64
		want   bool
	}{
		"a version that is new, where the gate asks for nothing": {promotion.Step{Version: "v1"}, 1, true},
		"another version":                  {promotion.Step{Version: "v2", Releases: running}, 1, true},
		"a golden path that is rolled out": {promotion.Step{Version: "v1", Releases: running}, 2, false},
	} {
		tc.step.Name = "prod"
		got := promotion.Plan([]promotion.Step{tc.step}, tc.target, noon, always)[0]
		if got.Next == nil || got.Gated || got.Guarded != tc.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
