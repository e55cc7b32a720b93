package promotion_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
)

// Whatever renders with what, and works or fails with what, the path comes to rest once nobody changes anything any more.
func TestPlan_ComesToRest(t *testing.T) {
	bad := 0
	for seed := range uint64(20000) {
		random := rand.New(rand.NewPCG(seed, 7))
		hash := func(what string, parts ...any) uint32 {
			h := fnv.New32a()
			_, _ = fmt.Fprint(h, seed, what, fmt.Sprint(parts...))
			return h.Sum32() >> 8
		}
		fits := func(_ int, version string, revision int64) bool { return hash("fits", version, revision)%4 > 0 }
		works := func(_ int, version string, revision int64) bool { return hash("works", version, revision)%3 > 0 }
		path := make([]promotion.Step, 1+random.IntN(3))
		for i := range path {
			path[i] = promotion.Step{Name: fmt.Sprintf("e%d", i), Version: "v0", RollsBack: random.IntN(4) > 0}
		}
		target, log := int64(1), ""
		round := func() (moved bool) {
			for i, d := range promotion.Plan(path, target, noon, fits) {
				s := &path[i]
				if d.Next == nil || !fits(i, d.Next.Version, d.Next.Revision) {
					continue // it cannot be made
				}
				moved = true
				n := int64(len(s.Releases) + 1)
				r := promotion.Release{Name: fmt.Sprintf("%s-%d", s.Name, n), Number: n, Version: d.Next.Version, Revision: d.Next.Revision}
				switch d.Next.Cause {
				case platformv1alpha1.CauseImageChange, platformv1alpha1.CauseParameterChange, platformv1alpha1.CausePromotion:
					r.Changes = true
				}
				if d.Failed != nil {
					r.RolledBack = &promotion.RolledBack{From: d.Failed.From, Why: "it failed"}
				}
				log += fmt.Sprintf("\n  %s %s %s@%d ok=%v", r.Name, d.Next.Cause, r.Version, r.Revision, works(i, r.Version, r.Revision))
				if len(s.Releases) > 0 {
					s.Releases[len(s.Releases)-1].Ready = false
				}
				r.Ready = works(i, r.Version, r.Revision)
				r.HadReady, r.Failed = r.Ready, !r.Ready
				s.Releases = append(s.Releases, r)
			}
			return moved
		}
		for range 12 {
			switch random.IntN(4) {
			case 0:
				target++
				log += fmt.Sprintf("\n target %d", target)
			case 1:
				v := fmt.Sprintf("v%d", random.IntN(5))
				for i := range path {
					path[i].Version = v
				}
				log += "\n asks " + v
			default:
				round()
			}
		}
		log += "\n now nobody changes anything"
		rounds := 0
		for rounds < 60 && round() {
			rounds++
		}
		if rounds == 60 {
			if bad++; bad <= 2 {
				if len(log) > 1800 {
					log = log[:1800]
				}
				t.Errorf("seed %d: it does not end:%s", seed, log)
			}
		}
	}

}
