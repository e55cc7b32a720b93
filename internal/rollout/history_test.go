package rollout_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/rollout"
)

// ran is a history, oldest first: each Release has a version, a revision, and how it fared.
func ran(releases ...*platformv1alpha1.Release) []*platformv1alpha1.Release {
	for i, r := range releases {
		r.CreationTimestamp = metav1.NewTime(noon.Add(time.Duration(i) * time.Minute))
		if i < len(releases)-1 {
			r.Status.SupersededAt = &metav1.Time{Time: noon.Add(time.Duration(i+1) * time.Minute)}
		}
	}
	return releases
}

func release(version string, revision int64, conditions ...metav1.Condition) *platformv1alpha1.Release {
	r := &platformv1alpha1.Release{}
	r.Spec.Version, r.Spec.Revision.Number, r.Status.Conditions = version, revision, conditions
	return r
}

func works(version string, revision int64) *platformv1alpha1.Release {
	r := release(version, revision, metav1.Condition{Type: platformv1alpha1.ConditionReady, Status: metav1.ConditionTrue})
	r.Status.ReadyAt = &metav1.Time{Time: noon}
	return r
}

func fails(version string, revision int64) *platformv1alpha1.Release {
	return release(version, revision,
		metav1.Condition{Type: platformv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Message: "it broke"},
		metav1.Condition{Type: platformv1alpha1.ConditionStalled, Status: metav1.ConditionTrue})
}

func TestHistoryOf_TellsWhoIsToBlame(t *testing.T) {
	begins := release("a", 2)
	adopted := works("a", 1)
	adopted.Spec.Cause = platformv1alpha1.CauseAdoption
	for name, c := range map[string]struct {
		releases []*platformv1alpha1.Release
		failed   string // why it failed at revision 2
		broken   string
	}{
		"nothing":                          {nil, "", ""},
		"it works with both":               {ran(works("a", 1), works("a", 2)), "", ""},
		"it works no more":                 {ran(works("a", 1), fails("a", 2)), "it broke", ""},
		"it went back":                     {ran(works("a", 1), release("a", 2), works("a", 1)), rollout.WentBack, ""},
		"it works with neither":            {ran(fails("a", 1), fails("a", 2)), "", "it broke"},
		"it does not work, and waits":      {ran(fails("a", 1)), "", "it broke"},
		"it is tried, and may work yet":    {ran(fails("a", 1), begins), "", ""},
		"the revision mends it":            {ran(fails("a", 1), works("a", 2)), "", ""},
		"another version worked":           {ran(works("a", 1), works("a", 2), fails("b", 2)), "", "it broke"},
		"another version worked before":    {ran(works("a", 1), fails("b", 1), fails("b", 2)), "", "it broke"},
		"it worked before another version": {ran(works("a", 1), works("b", 1), fails("a", 2)), "it broke", ""},
		"it is new":                        {ran(fails("a", 2)), "", "it broke"},
		"it worked as it was found":        {ran(adopted, fails("a", 2)), "", "it broke"},
		"it works, but for its checks":     {ran(works("a", 1), checked(fails("a", 2))), "it broke", ""},
		"its checks failed before":         {ran(checked(fails("a", 1)), checked(fails("a", 2))), "", "it broke"},
	} {
		h := rollout.HistoryOf(c.releases, 2)
		if got := h.Failed(nil); got != c.failed || h.Broken != c.broken {
			t.Errorf("%s: failed %q, broken %q; want %q and %q", name, got, h.Broken, c.failed, c.broken)
		}
	}
}

// Two roll-outs may follow each other faster than a place can go back: what failed at both goes back to what worked.
func TestHistoryOf_GoesBackToWhatWorked(t *testing.T) {
	for name, c := range map[string]struct {
		releases []*platformv1alpha1.Release
		want     int64
	}{
		"the revision before":                       {ran(works("a", 1), works("a", 2), fails("a", 3)), 2},
		"the one before failed, too":                {ran(works("a", 1), fails("a", 2), fails("a", 3)), 1},
		"the one before failed, and it went back":   {ran(works("a", 1), fails("a", 2), works("a", 1), fails("a", 3)), 1},
		"the one before had not shown anything yet": {ran(works("a", 1), release("a", 2), fails("a", 3)), 1},
		"the version never worked":                  {ran(works("a", 1), fails("b", 2), fails("b", 3)), 2},
		"the version came with the newest":          {ran(works("a", 1), works("a", 2), works("b", 3)), 2},
		"there was none before":                     {ran(works("a", 3)), 0},
	} {
		if got := rollout.HistoryOf(c.releases, 3).Back; got != c.want {
			t.Errorf("%s: it goes back to %d, want %d", name, got, c.want)
		}
	}
}

// checked is a Release that was Ready, and whose checks failed.
func checked(r *platformv1alpha1.Release) *platformv1alpha1.Release {
	r.Status.ReadyAt = &metav1.Time{Time: noon}
	r.Spec.Checks = []platformv1alpha1.ReleaseCheck{{}}
	r.Status.Conditions = append(r.Status.Conditions, metav1.Condition{Type: platformv1alpha1.ConditionChecked, Status: metav1.ConditionFalse})
	return r
}

func TestRollout_IsNotHaltedByWhatWasBrokenBefore(t *testing.T) {
	members := func(revision int64) []rollout.Member {
		all := []rollout.Member{
			{Place: place(1, dev), Revision: revision, Ready: true},
			{Place: place(2, dev), Revision: revision, Broken: "no such image"},
			{Place: place(2, prod), Revision: 1, Ready: true, Held: "It waits for development, the environment before it on its path."},
			{Place: place(1, prod), Revision: revision, Ready: true},
		}
		return all
	}
	spec := &platformv1alpha1.TemplateRollout{Waves: []platformv1alpha1.RolloutWave{wave(100, 0, dev), wave(100, 0, prod)}}
	status, _ := rollout.Evaluate(spec, nil, 2, members(1), noon)
	if status.State != platformv1alpha1.RolloutProgressing || status.Wave != 1 || status.Members != 1 || status.Broken != 1 {
		t.Fatalf("at first: %+v", status)
	}
	status, _ = rollout.Evaluate(spec, status, 2, members(2), noon)
	if status.State != platformv1alpha1.RolloutComplete || status.Members != 2 || status.Failed != 0 || status.Broken != 2 ||
		status.Message != "Revision 2 has reached everybody who follows the template, but for 2 that were broken without it." {
		t.Fatalf("in the end: %+v", status)
	}
	if got := status.BrokenEnvironments; len(got) != 2 || got[0].Component != "service-002" || got[0].Environment != "development" || got[0].Message != "no such image" ||
		got[1].Environment != "production" || got[1].Message != "It waits for development, the environment before it on its path." {
		t.Errorf("named are %+v", got)
	}

	// One that is broken shows nothing: where nobody else is in the wave, it soaks all the same.
	soaking := &platformv1alpha1.TemplateRollout{Waves: []platformv1alpha1.RolloutWave{wave(100, 60, dev)}}
	if status, again := rollout.Evaluate(soaking, nil, 2, members(1)[1:2], noon); again != time.Minute || status.Broken != 1 {
		t.Errorf("it goes on in %s with %+v", again, status)
	}
}
