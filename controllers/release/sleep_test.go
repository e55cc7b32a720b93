package release

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

// workload is a Deployment in the cache, asleep where it says what it goes back to.
func workload(replicas int64, awake string, asleep, ours bool) child {
	annotations := map[string]any{}
	if awake != "-" {
		annotations[platformv1alpha1.AnnotationAwake] = awake
	}
	if asleep {
		annotations[asleepAnnotation] = "true"
	}
	if ours {
		annotations[replicasAnnotation] = "true"
	}
	return child{known: true, listed: true, live: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "shop", "resourceVersion": "7", "annotations": annotations},
		"spec": map[string]any{"replicas": replicas},
	}}}
}

// dozing is a pass over a Release of one Deployment.
func dozing(c child, how func(*platformv1alpha1.Release)) *scope {
	release := &platformv1alpha1.Release{}
	release.Spec.Inventory = []platformv1alpha1.ReleaseObject{{Resource: "web", APIVersion: "apps/v1", Kind: "Deployment", Name: "shop"}}
	release.Status.Objects = []platformv1alpha1.ReleaseObjectStatus{{ReleaseObject: release.Spec.Inventory[0], Applied: "hash", Health: platformv1alpha1.ObjectReady}}
	if how != nil {
		how(release)
	}
	return &scope{release: release, before: release.DeepCopy(), children: []child{c}, counted: map[int]string{}, turned: map[int]bool{}}
}

func slept(r *platformv1alpha1.Release) {
	r.Status.Sleep = &platformv1alpha1.ReleaseSleep{Since: &r.CreationTimestamp}
}

func TestRunning(t *testing.T) {
	for name, tc := range map[string]struct {
		child   child
		how     func(*platformv1alpha1.Release)
		want    int64
		known   bool
		counted string
	}{
		"it is awake":                    {workload(5, "-", false, false), nil, 5, true, "7"},
		"it is awake, and has none":      {workload(0, "-", false, false), nil, 0, true, "7"},
		"somebody forged what it says":   {workload(5, "99", false, false), nil, 5, true, "7"},
		"it sleeps":                      {workload(0, "5", true, true), slept, 5, true, ""},
		"somebody scaled it up":          {workload(2, "5", true, false), slept, 5, true, ""},
		"it sleeps, and nobody knows":    {workload(0, "", true, true), slept, 0, false, ""},
		"it sleeps, and says nonsense":   {workload(0, "-3", true, true), slept, 0, false, ""},
		"somebody took off what it says": {workload(0, "-", false, true), func(r *platformv1alpha1.Release) { slept(r); r.Status.Objects[0].AwakeReplicas = new(int32(4)) }, 4, true, ""},
		"and nobody remembers":           {workload(0, "-", false, true), slept, 0, false, ""},
		"it is gone":                     {child{known: true}, func(r *platformv1alpha1.Release) { slept(r); r.Status.Objects[0].AwakeReplicas = new(int32(4)) }, 4, true, ""},
		"it never was":                   {child{known: true}, nil, 0, false, ""},
		"it was not put to sleep yet":    {workload(5, "-", false, false), slept, 5, true, "7"},
	} {
		t.Run(name, func(t *testing.T) {
			s := dozing(tc.child, tc.how)
			got, known := s.running(0)
			if known != tc.known || known && got != tc.want || s.counted[0] != tc.counted {
				t.Errorf("it has %d (%v), counted at %q", got, known, s.counted[0])
			}
		})
	}
}

func TestWakesWith(t *testing.T) {
	scaled := []render.Object{{Object: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": map[string]any{"name": "shop"},
		"spec": map[string]any{"minReplicas": int64(2), "maxReplicas": int64(6), "scaleTargetRef": map[string]any{"kind": "Deployment", "name": "shop"}},
	}}}}
	for name, tc := range map[string]struct {
		awake   string
		objects []render.Object
		want    int64
	}{
		"as many as it had":                       {"5", scaled, 5},
		"no more than the autoscaler keeps":       {"9", scaled, 6},
		"no fewer than that":                      {"1", scaled, 2},
		"none, where it had none":                 {"0", scaled, 0},
		"the fewest, where nobody knows":          {"", scaled, 2},
		"as many as it had, without autoscaler":   {"9", nil, 9},
		"one, without autoscaler or anybody else": {"", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := dozing(workload(0, tc.awake, true, true), slept)
			s.objects = tc.objects
			if got := s.wakesWith(0, render.Object{Object: s.children[0].live}); got != tc.want {
				t.Errorf("it wakes with %d, not %d", got, tc.want)
			}
		})
	}
}

// What wakes and has no pods yet must not pass for ready: a version that never ran would be promoted.
func TestWakes_NothingPassesForReadyThatHasNoPods(t *testing.T) {
	unknown := workload(0, "5", true, true)
	unknown.known = false
	for name, c := range map[string]child{"it sleeps still": workload(0, "5", true, true), "the cache is behind": unknown} {
		t.Run(name, func(t *testing.T) {
			s := dozing(c, slept)
			s.judgeSleep(0)
			s.wakes()
			if o := s.release.Status.Objects[0]; o.Health != platformv1alpha1.ObjectProgressing || s.awake() {
				t.Errorf("it is %+v", o)
			}
		})
	}
	s := dozing(workload(5, "-", false, false), slept)
	s.wakes()
	if !s.awake() || s.release.Status.Objects[0].Health != platformv1alpha1.ObjectReady {
		t.Error("one that is awake waits for something")
	}
}

func TestProven(t *testing.T) {
	s := dozing(workload(0, "5", true, true), slept)
	if s.asleep = true; s.proven() {
		t.Error("one that never ran is proven asleep")
	}
	if s.release.Status.ReadyAt = &s.release.CreationTimestamp; !s.proven() {
		t.Error("one that was Ready is not")
	}
}
