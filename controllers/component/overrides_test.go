package component

import (
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func replicas(n, expires string) platformv1alpha1.Override {
	return platformv1alpha1.Override{
		Resource: "deployment", Patch: apiextensionsv1.JSON{Raw: []byte(`{"spec":{"a` + n + `":` + n + `}}`)}, Reason: "x", Expires: expires,
	}
}

// on is a scope at a day, with an environment whose class drops what has expired, or does not.
func on(t *testing.T, day string, drops bool, overrides ...platformv1alpha1.Override) (*scope, *stop) {
	t.Helper()
	now, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	s := &scope{component: &platformv1alpha1.Component{}, before: &platformv1alpha1.Component{}, now: now}
	s.component.Spec = platformv1alpha1.ComponentSpec{Image: "a:1", Overrides: overrides}
	environment := &platformv1alpha1.Environment{Status: platformv1alpha1.EnvironmentStatus{DropExpiredOverrides: drops}}
	s.stops = []stop{{name: "dev", environment: &platformv1alpha1.Environment{}}, {name: "prod", environment: environment}}
	st := &s.stops[1]
	st.overrides = s.inForce(st)
	if st.version, err = s.versionWith(st, st.overrides); err != nil {
		t.Fatal(err)
	}
	return s, st
}

func TestExpired_TellsWhatExpiredFromWhatChanged(t *testing.T) {
	march, june, never := replicas("1", "2027-03-01"), replicas("2", "2027-06-01"), replicas("3", "")
	spelled := march
	spelled.Patch.Raw = []byte(`{ "spec": {"a1": 1} }`)
	for name, tc := range map[string]struct {
		day   string
		drops bool
		ran   []platformv1alpha1.Override
		image string
		// inForce is how many of march, june and never are.
		inForce int
		want    bool
	}{
		"before the day":                   {"2027-02-28", true, []platformv1alpha1.Override{march, june, never}, "a:1", 3, false},
		"on the day":                       {"2027-03-01", true, []platformv1alpha1.Override{march, june, never}, "a:1", 2, true},
		"the second, after the first":      {"2027-06-01", true, []platformv1alpha1.Override{june, never}, "a:1", 1, true},
		"both at once":                     {"2027-06-01", true, []platformv1alpha1.Override{march, june, never}, "a:1", 1, true},
		"written otherwise":                {"2027-03-01", true, []platformv1alpha1.Override{spelled, june, never}, "a:1", 2, true},
		"another image too":                {"2027-03-01", true, []platformv1alpha1.Override{march, june, never}, "a:0", 2, false},
		"another override too":             {"2027-03-01", true, []platformv1alpha1.Override{march, june}, "a:1", 2, false},
		"one that was taken out":           {"2027-03-01", true, []platformv1alpha1.Override{march, june, never, replicas("4", "")}, "a:1", 2, false},
		"none ran":                         {"2027-03-01", true, nil, "a:1", 2, false},
		"what runs is without it":          {"2027-03-01", true, []platformv1alpha1.Override{june, never}, "a:1", 2, false},
		"the class keeps what has expired": {"2027-06-01", false, []platformv1alpha1.Override{march, june, never}, "a:1", 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, st := on(t, tc.day, tc.drops, march, june, never)
			if len(st.overrides) != tc.inForce {
				t.Errorf("%d are in force, want %d", len(st.overrides), tc.inForce)
			}
			was := &scope{component: &platformv1alpha1.Component{Spec: platformv1alpha1.ComponentSpec{Image: tc.image}}}
			release := &platformv1alpha1.Release{}
			version, err := was.versionWith(st, tc.ran)
			if err != nil {
				t.Fatal(err)
			}
			release.Spec.Version = version
			for _, o := range tc.ran {
				release.Spec.Overrides = append(release.Spec.Overrides, platformv1alpha1.ReleaseOverride{Override: o})
			}
			if got := s.expired(st, release); got != tc.want {
				t.Errorf("it is %v, want %v", got, tc.want)
			}
		})
	}
}

func TestReportOverrides_WarnsOnceOfEachChange(t *testing.T) {
	recorder := events.NewFakeRecorder(8)
	r := &Reconciler{Recorder: recorder}
	var status platformv1alpha1.ComponentStatus
	for _, step := range []struct{ day, reason, event string }{
		{"2027-02-14", "", ""},
		{"2027-02-15", "OverrideExpiring", "Warning OverrideExpiring spec.overrides[0] of resource deployment expires on 2027-03-01, and then stays in force in dev, and is dropped in prod. Take it out"},
		{"2027-02-16", "OverrideExpiring", ""},
		{"2027-02-20", "OverrideExpiring", "Warning OverrideExpiring spec.overrides[0] of resource deployment expires on 2027-03-01, and then stays in force in dev, and is dropped in prod; spec.overrides[1] of resource deployment expires on 2027-03-06"},
		{"2027-03-01", "OverrideExpired", "has expired on 2027-03-01 and stays in force in dev, and is dropped in prod; spec.overrides[1]"},
		{"2027-03-02", "OverrideExpired", ""},
	} {
		s, _ := on(t, step.day, true, replicas("1", "2027-03-01"), replicas("2", "2027-03-06"))
		s.before.Status = *status.DeepCopy()
		s.component.Status = *status.DeepCopy()
		s.reportOverrides(&s.component.Status.Conditions, 1)
		r.warn(s)
		status = s.component.Status
		is := meta.FindStatusCondition(status.Conditions, platformv1alpha1.ConditionOverridesExpiring)
		if (is == nil) != (step.reason == "") || is != nil && is.Reason != step.reason {
			t.Errorf("on %s the condition is %v", step.day, is)
		}
		event := ""
		select {
		case event = <-recorder.Events:
		default:
		}
		if (event == "") != (step.event == "") || !strings.Contains(event, step.event) {
			t.Errorf("on %s the event is %q, want %q", step.day, event, step.event)
		}
	}
}
