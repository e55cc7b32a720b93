package promotion_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
)

func always(int, string, int64) bool { return true }

func ready(version string, revision int64) promotion.Release {
	return promotion.Release{Version: version, Revision: revision, HadReady: true, Ready: true}
}

func rolling(version string, revision int64) promotion.Release {
	return promotion.Release{Version: version, Revision: revision}
}

func asFound(version string, revision int64, ready bool) promotion.Release {
	return promotion.Release{Version: version, Revision: revision, AsFound: true, Applied: true, HadReady: ready, Ready: ready}
}

func next(version string, revision int64, cause platformv1alpha1.Cause) promotion.Decision {
	return promotion.Decision{Next: &promotion.Next{Version: version, Revision: revision, Cause: cause}}
}

func waits(message string) promotion.Decision {
	return promotion.Decision{Wait: &promotion.Wait{Reason: "WaitingForPrevious", Message: message}}
}

const devFirst = "The version waits until it is Ready in dev, the environment before prod."

func TestPlan(t *testing.T) {
	nothing := promotion.Decision{}
	missing := &promotion.Wait{Reason: "EnvironmentNotFound", Message: "no such environment"}
	for name, tc := range map[string]struct {
		dev, prod promotion.Step
		target    int64
		fits      promotion.Fits
		want      []promotion.Decision
	}{
		"what runs already is taken over at once, wherever it is": {
			dev: promotion.Step{Adopts: true}, prod: promotion.Step{Adopts: true}, target: 3,
			want: []promotion.Decision{next("v1", 3, "Adoption"), next("v1", 3, "Adoption")},
		},
		"a new version waits until what runs is taken over": {
			dev: promotion.Step{Adopts: true, Releases: []promotion.Release{{Name: "r1", Version: "v0", Revision: 3, AsFound: true}}}, target: 3,
			want: []promotion.Decision{{Wait: &promotion.Wait{Reason: "Progressing", Message: "The version waits until what runs in dev is taken over: see Release r1."}}, waits(devFirst)},
		},
		"a new version mends what was taken over though it was not healthy": {
			dev: promotion.Step{Adopts: true, Releases: []promotion.Release{asFound("v0", 3, false)}}, target: 3,
			want: []promotion.Decision{next("v1", 3, "ImageChange"), waits(devFirst)},
		},
		"what was taken over stays as found until the next version": {
			dev: promotion.Step{Adopts: true, Stale: true, Releases: []promotion.Release{asFound("v1", 3, true)}}, target: 4,
			want: []promotion.Decision{nothing, waits("The version runs in dev as it was found there, without the golden path; the next version goes on to prod.")},
		},
		"the next version brings the golden path": {
			dev: promotion.Step{Adopts: true, Releases: []promotion.Release{asFound("v0", 3, true)}}, target: 4,
			want: []promotion.Decision{next("v1", 4, "ImageChange"), waits(devFirst)},
		},
		"the next version brings the golden path where that was shown": {
			dev:  promotion.Step{Releases: []promotion.Release{ready("v1", 3)}},
			prod: promotion.Step{Adopts: true, Releases: []promotion.Release{asFound("v0", 2, true)}}, target: 3,
			want: []promotion.Decision{nothing, next("v1", 3, "Promotion")},
		},
		"what was taken over is taken over again when its Release is deleted": {
			dev: promotion.Step{Adopts: true, Lost: &promotion.Release{Version: "v1", Revision: 3, AsFound: true, HadReady: true}}, target: 3,
			want: []promotion.Decision{next("v1", 3, "Adoption"), waits(devFirst)},
		},
		"a new Component enters the first environment alone": {
			target: 3,
			want:   []promotion.Decision{next("v1", 3, "ImageChange"), waits(devFirst)},
		},
		"a version that is Ready goes on, with the revision it was Ready with": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 2)}}, target: 2,
			want: []promotion.Decision{nothing, next("v1", 2, "Promotion")},
		},
		"a version that is not Ready goes nowhere": {
			dev: promotion.Step{Releases: []promotion.Release{rolling("v1", 2)}}, target: 2,
			want: []promotion.Decision{nothing, waits(devFirst)},
		},
		"a version that was Ready and is not any more goes nowhere": {
			dev:    promotion.Step{Releases: []promotion.Release{{Version: "v1", Revision: 2, HadReady: true}}},
			target: 2,
			want:   []promotion.Decision{nothing, waits(devFirst)},
		},
		"parameters alone": {
			dev: promotion.Step{SameCode: true, Releases: []promotion.Release{ready("v0", 2)}}, target: 2,
			want: []promotion.Decision{next("v1", 2, "ParameterChange"), waits(devFirst)},
		},
		"an override that expired": {
			dev: promotion.Step{SameCode: true, Expired: true, Releases: []promotion.Release{ready("v0", 2)}}, target: 2,
			want: []promotion.Decision{next("v1", 2, "OverrideExpired"), waits(devFirst)},
		},
		"an override that expired where the environment before has shown what is left": {
			dev:  promotion.Step{Releases: []promotion.Release{ready("v1", 2)}},
			prod: promotion.Step{SameCode: true, Expired: true, Releases: []promotion.Release{ready("v0", 2)}}, target: 2,
			want: []promotion.Decision{nothing, next("v1", 2, "OverrideExpired")},
		},
		"the version changes first and the revision stays": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}}, target: 2,
			prod: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}},
			want: []promotion.Decision{next("v1", 1, "ImageChange"), waits(devFirst)},
		},
		"a new revision reaches the first environment alone": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 1)}}, target: 2,
			prod: promotion.Step{Releases: []promotion.Release{ready("v1", 1)}},
			want: []promotion.Decision{next("v1", 2, "TemplateRollout"), nothing},
		},
		"a revision that is Ready goes on": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 1), ready("v1", 2)}}, target: 2,
			prod: promotion.Step{Releases: []promotion.Release{ready("v1", 1)}},
			want: []promotion.Decision{nothing, next("v1", 2, "TemplateRollout")},
		},
		"a version goes on with the revision before, while a broken one is rolled out": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 1), rolling("v1", 2)}}, target: 2,
			prod: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}},
			want: []promotion.Decision{nothing, next("v1", 1, "Promotion")},
		},
		"a first Release gets no revision that was never Ready before it": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 1), rolling("v1", 2)}}, target: 2,
			want: []promotion.Decision{nothing, next("v1", 1, "Promotion")},
		},
		"a pin below goes down everywhere at once": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 4)}}, target: 3,
			prod: promotion.Step{Releases: []promotion.Release{ready("v1", 4)}},
			want: []promotion.Decision{next("v1", 3, "TemplateRollout"), next("v1", 3, "TemplateRollout")},
		},
		"an environment put in front does not lower the revision of the next": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 1)}}, target: 4,
			prod: promotion.Step{Releases: []promotion.Release{ready("v1", 3)}},
			want: []promotion.Decision{next("v1", 4, "TemplateRollout"), nothing},
		},
		"what is used gives something else": {
			dev: promotion.Step{Stale: true, Releases: []promotion.Release{ready("v1", 2)}}, target: 2,
			prod: promotion.Step{Stale: true, Releases: []promotion.Release{ready("v1", 1)}},
			want: []promotion.Decision{next("v1", 2, "ProviderChange"), next("v1", 2, "TemplateRollout")},
		},
		"what the version that runs uses gives something else, while the next one waits": {
			dev: promotion.Step{Releases: []promotion.Release{rolling("v1", 2)}}, target: 2,
			prod: promotion.Step{Stale: true, Releases: []promotion.Release{ready("v0", 1)}},
			want: []promotion.Decision{nothing, next("v0", 1, "ProviderChange")},
		},
		"a revision waits until a new version has shown whether it works": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 1), {Version: "v1", Revision: 1, Settling: true}}}, target: 2,
			prod: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}},
			want: []promotion.Decision{nothing, waits(devFirst)},
		},
		"a revision does not wait for one that is being rolled out": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 1), {Version: "v1", Revision: 2, Settling: true}}}, target: 3,
			want: []promotion.Decision{next("v1", 3, "TemplateRollout"), next("v1", 1, "Promotion")},
		},
		"a revision does not wait for a version that failed": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 1), rolling("v1", 1)}}, target: 2,
			prod: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}},
			want: []promotion.Decision{next("v1", 2, "TemplateRollout"), waits(devFirst)},
		},
		"a version that was Ready with a later revision alone comes with that one": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 1), rolling("v1", 1), ready("v1", 2)}}, target: 2,
			prod: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}},
			want: []promotion.Decision{nothing, next("v1", 2, "Promotion")},
		},
		"a revision that was Ready with another version alone waits": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 2), ready("v1", 1), rolling("v1", 2)}}, target: 2,
			prod: promotion.Step{Releases: []promotion.Release{ready("v1", 1)}},
			want: []promotion.Decision{nothing, nothing},
		},
		"a version goes on where the revision is later already": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 1)}}, target: 1,
			prod: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}},
			want: []promotion.Decision{nothing, next("v1", 1, "Promotion")},
		},
		"a missing environment holds what comes after it": {
			dev: promotion.Step{Blocked: missing}, target: 1,
			want: []promotion.Decision{{Wait: missing}, waits(devFirst)},
		},
		"a Release deleted by hand is made again": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 1)}}, target: 1,
			prod: promotion.Step{Lost: &promotion.Release{}},
			fits: func(_ int, _ string, revision int64) bool { return revision > 0 },
			want: []promotion.Decision{nothing, next("v1", 1, "Manual")},
		},
		"a Release deleted by hand is made again as it was, not as the one before it": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v1", 2)}}, target: 2,
			prod: promotion.Step{Releases: []promotion.Release{ready("v1", 1)}, Lost: &promotion.Release{Version: "v1", Revision: 2}},
			want: []promotion.Decision{nothing, next("v1", 2, "Manual")},
		},
		"a Release deleted by hand is made again while the environment before is not ready": {
			dev: promotion.Step{Releases: []promotion.Release{rolling("v1", 2)}}, target: 2,
			prod: promotion.Step{Lost: &promotion.Release{Version: "v1", Revision: 1}},
			want: []promotion.Decision{nothing, next("v1", 1, "Manual")},
		},
		"a new version after a loss waits like any, and leaves the revision": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 2)}}, target: 2,
			prod: promotion.Step{Lost: &promotion.Release{Version: "v0", Revision: 1}},
			want: []promotion.Decision{next("v1", 2, "ImageChange"), waits(devFirst)},
		},
		"a new version after a loss leaves the revision": {
			dev: promotion.Step{Lost: &promotion.Release{Version: "v0", Revision: 1}}, target: 2,
			want: []promotion.Decision{next("v1", 1, "ImageChange"), waits(devFirst)},
		},
		"a Release whose revision does not fit any more is made with the newest": {
			dev: promotion.Step{Lost: &promotion.Release{Version: "v1", Revision: 1}}, target: 2,
			fits: func(_ int, _ string, revision int64) bool { return revision == 2 },
			want: []promotion.Decision{next("v1", 2, "Manual"), waits(devFirst)},
		},
		"a version that needs the new revision lets the revision go first": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}}, target: 2,
			fits: func(_ int, version string, revision int64) bool { return version != "v1" || revision == 2 },
			want: []promotion.Decision{next("v0", 2, "TemplateRollout"), waits(devFirst)},
		},
		"a version that fits no revision does not keep the new one from what runs": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}}, target: 2,
			fits: func(_ int, version string, _ int64) bool { return version != "v1" },
			want: []promotion.Decision{next("v0", 2, "TemplateRollout"), waits(devFirst)},
		},
		"and is tried, and refused, with the new one from then on": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 2)}}, target: 2,
			fits: func(_ int, version string, _ int64) bool { return version != "v1" },
			want: []promotion.Decision{next("v1", 2, "ImageChange"), waits(devFirst)},
		},
		"where nothing fits the new revision, nothing goes there": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}}, target: 2,
			fits: func(_ int, version string, revision int64) bool { return version == "v0" && revision == 1 },
			want: []promotion.Decision{next("v1", 1, "ImageChange"), waits(devFirst)},
		},
		"where only both together fit, both change": {
			dev: promotion.Step{Releases: []promotion.Release{ready("v0", 1)}}, target: 2,
			fits: func(_ int, version string, revision int64) bool { return (version == "v1") == (revision == 2) },
			want: []promotion.Decision{next("v1", 2, "ImageChange"), waits(devFirst)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.dev.Name, tc.prod.Name = "dev", "prod"
			tc.dev.Version, tc.prod.Version = "v1", "v1"
			if tc.fits == nil {
				tc.fits = always
			}
			got := promotion.Plan([]promotion.Step{tc.dev, tc.prod}, tc.target, time.Time{}, tc.fits)
			if diff := cmp.Diff(tc.want, got, notGuarded); diff != "" {
				t.Errorf("Plan (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPlan_KeepsItsPromises plays random histories: new versions, new revisions, Releases that get
// ready or break, in random order, and checks each decision against the promises of the package.
func TestPlan_KeepsItsPromises(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			path := make([]promotion.Step, 1+random.IntN(4))
			for i := range path {
				path[i] = promotion.Step{Name: fmt.Sprintf("e%d", i), Version: "v0"}
			}
			version, target := 0, int64(1)
			for range 120 {
				switch random.IntN(7) {
				case 0:
					version++
					for i := range path {
						path[i].Version = fmt.Sprintf("v%d", version)
					}
				case 1:
					target++
				case 6:
					path[random.IntN(len(path))].Stale = true
				case 2, 3:
					settle(&path[random.IntN(len(path))], random.IntN(5) > 0)
				default:
					carryOut(t, path, target, promotion.Plan(path, target, time.Time{}, always))
				}
			}
			// Whatever happened, once everything gets ready the path comes to rest at the target.
			for range 4 * len(path) {
				carryOut(t, path, target, promotion.Plan(path, target, time.Time{}, always))
				for i := range path {
					settle(&path[i], true)
				}
			}
			for i, decision := range promotion.Plan(path, target, time.Time{}, always) {
				last := path[i].Releases[len(path[i].Releases)-1]
				if decision.Next != nil || decision.Wait != nil || last.Version != path[i].Version || last.Revision != target {
					t.Fatalf("%s does not come to rest: %+v, runs %+v, wants %s at %d", path[i].Name, decision, last, path[i].Version, target)
				}
			}
		})
	}
}

// settle lets the newest Release of an environment become ready, or break.
func settle(step *promotion.Step, ok bool) {
	if n := len(step.Releases); n > 0 {
		last := &step.Releases[n-1]
		last.Ready, last.HadReady = ok, last.HadReady || ok
	}
}

func hadReady(step *promotion.Step, version string, revision int64) bool {
	return slices.ContainsFunc(step.Releases, func(r promotion.Release) bool {
		return r.HadReady && r.Version == version && r.Revision == revision
	})
}

func carryOut(t *testing.T, path []promotion.Step, target int64, decisions []promotion.Decision) {
	t.Helper()
	made := make([]*promotion.Release, len(path))
	for i, decision := range decisions {
		if decision.Next == nil {
			continue
		}
		made[i] = &promotion.Release{Version: decision.Next.Version, Revision: decision.Next.Revision}
		if made[i].Revision < 1 || made[i].Revision > target {
			t.Fatalf("%s gets revision %d of %d", path[i].Name, made[i].Revision, target)
		}
		if n := len(path[i].Releases); n > 0 {
			was := path[i].Releases[n-1]
			both := was.Version != made[i].Version && was.Revision != made[i].Revision
			if both && (i == 0 || hadReady(&path[i-1], made[i].Version, was.Revision)) {
				t.Fatalf("%s changes version and revision at once: %+v to %+v", path[i].Name, was, *made[i])
			}
		}
		if i == 0 {
			continue
		}
		var version, revision bool
		for _, r := range path[i-1].Releases {
			version = version || r.HadReady && r.Version == made[i].Version
			revision = revision || r.HadReady && r.Revision >= made[i].Revision
		}
		rises := len(path[i].Releases) == 0 || made[i].Revision > path[i].Releases[len(path[i].Releases)-1].Revision
		if rises && made[i].Version == path[i-1].Version && !hadReady(&path[i-1], made[i].Version, made[i].Revision) &&
			slices.ContainsFunc(path[i-1].Releases, func(r promotion.Release) bool { return r.HadReady && r.Version == made[i].Version }) {
			t.Fatalf("%s gets %+v, a pair which %s has never had Ready", path[i].Name, *made[i], path[i-1].Name)
		}
		if !revision {
			t.Fatalf("%s gets revision %d, which %s has never had Ready", path[i].Name, made[i].Revision, path[i-1].Name)
		}
		if !version && decision.Next.Cause != platformv1alpha1.CauseTemplateRollout && decision.Next.Cause != platformv1alpha1.CauseProviderChange {
			t.Fatalf("%s gets version %s, which was never Ready in %s", path[i].Name, made[i].Version, path[i-1].Name)
		}
	}
	for i, release := range made {
		if release != nil {
			path[i].Releases, path[i].Stale = append(path[i].Releases, *release), false
		}
	}
}
