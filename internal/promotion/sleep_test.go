package promotion_test

import (
	"strings"
	"testing"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
)

func TestPlan_Asleep(t *testing.T) {
	now := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	night := &promotion.Sleep{Namespace: "team-shop", Until: now.Add(8 * time.Hour)}
	always := &promotion.Sleep{Namespace: "team-shop"}
	for name, tc := range map[string]struct {
		before promotion.Release
		sleep  *promotion.Sleep
		soak   int32
		reason string // empty where the version goes on
		texts  []string
	}{
		"it was Ready when it fell asleep":                    {promotion.Release{HadReady: true, Ready: true, Asleep: true, Soaked: time.Hour}, night, 0, "", nil},
		"it came in the night":                                {promotion.Release{Asleep: true}, night, 0, platformv1alpha1.ReasonAsleep, []string{"dev sleeps until 2026-11-21T06:00:00Z", "towpath env wake -n team-shop dev"}},
		"it came in the night, and has checks":                {promotion.Release{Asleep: true, Checks: platformv1alpha1.CheckRunning}, night, 0, platformv1alpha1.ReasonAsleep, []string{"towpath env wake"}},
		"it came while it always sleeps":                      {promotion.Release{Asleep: true}, always, 0, platformv1alpha1.ReasonAsleep, []string{"dev sleeps; wake it with"}},
		"it was broken when it fell asleep, and Ready before": {promotion.Release{HadReady: true, Asleep: true}, night, 0, platformv1alpha1.ReasonAsleep, nil},
		"it wakes":                              {promotion.Release{Asleep: true}, nil, 0, platformv1alpha1.ReasonWaitingForPrevious, nil},
		"it soaked long enough":                 {promotion.Release{HadReady: true, Ready: true, Asleep: true, Soaked: 2 * time.Hour}, night, 7200, "", nil},
		"it did not soak long enough":           {promotion.Release{HadReady: true, Ready: true, Asleep: true, Soaked: time.Hour}, night, 7200, platformv1alpha1.ReasonSoaking, []string{"for 2h0m0s, and was so for 1h0m0s before it fell asleep", "towpath env wake -n team-shop dev"}},
		"it soaks, and is about to wake":        {promotion.Release{HadReady: true, Ready: true, Asleep: true, Soaked: time.Hour}, nil, 7200, platformv1alpha1.ReasonSoaking, nil},
		"it soaked before the night, and since": {promotion.Release{HadReady: true, Ready: true, ReadySince: now.Add(-2 * time.Hour)}, nil, 7200, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			tc.before.Name, tc.before.Version, tc.before.Revision, tc.before.Number = "shop-dev-1", "v2", 1, 1
			path := []promotion.Step{
				{Name: "dev", Version: "v2", Sleep: tc.sleep, Releases: []promotion.Release{tc.before}},
				{Name: "prod", Version: "v2", Gate: platformv1alpha1.Gate{SoakSeconds: tc.soak}},
			}
			d := promotion.Plan(path, 1, now, func(int, string, int64) bool { return true })[1]
			if tc.reason == "" {
				if d.Next == nil || d.Wait != nil {
					t.Errorf("it is %+v, wait %+v", d, d.Wait)
				}
				return
			}
			if d.Wait == nil || d.Wait.Reason != tc.reason {
				t.Fatalf("it is %+v, wait %+v", d, d.Wait)
			}
			for _, text := range tc.texts {
				if !strings.Contains(d.Wait.Message, text) {
					t.Errorf("it says %q, without %q", d.Wait.Message, text)
				}
			}
		})
	}
}
