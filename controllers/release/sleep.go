package release

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// A Release sleeps with its environment. It stays the same Release: what it renders is put to sleep before it is
// written, and written as it is when the environment wakes. The object itself says what it goes back to, written together
// with what puts it to sleep, so that neither a crash nor another Release in between loses that.

// whileAsleep and whileWaking are what objects say that have no pods, or none yet.
const (
	whileAsleep = "Asleep with its environment."
	whileWaking = "It wakes with its environment."
)

// sleeps says whether an object of the inventory is one that sleeps.
func (s *scope) sleeps(i int) bool {
	return render.Sleeps(gvkOf(s.release.Spec.Inventory[i]).GroupKind())
}

// turns says whether an object is to be put to sleep, or to be woken.
func (s *scope) turns(i int) bool {
	return s.sleeps(i) && s.children[i].asleep() != s.asleep
}

// restless are kinds whose health says nothing while what they are about has no pods.
func restless(kind string) bool {
	return kind == "HorizontalPodAutoscaler" || kind == "PodDisruptionBudget"
}

// putToSleep puts what was rendered to sleep.
func (s *scope) putToSleep() {
	place := map[childKey]int{}
	for i, o := range s.release.Spec.Inventory {
		place[inventoryKey(s.release, o)] = i
	}
	s.counted = map[int]string{}
	render.Sleep(s.objects, func(o render.Object) (int64, bool) {
		i := place[inventoryKey(s.release, platformv1alpha1.ReleaseObject{APIVersion: o.Object.GetAPIVersion(), Kind: o.Object.GetKind(), Name: o.Object.GetName()})]
		return s.running(i)
	})
}

// running is how many pods a workload has while it is awake, as far as that is known. Of one that is put to sleep now,
// the number must still be so then.
func (s *scope) running(i int) (replicas int64, known bool) {
	c, status := s.children[i], &s.release.Status.Objects[i]
	switch {
	case c.asleep():
		return c.awakeReplicas()
	case status.AwakeReplicas != nil: // the object was deleted, or somebody took off what it said
		return int64(*status.AwakeReplicas), true
	case c.live == nil:
		return 0, false
	}
	if ours, owned := c.replicas(); owned && ours == 0 && s.release.Asleep() {
		return 0, false
	}
	if status.Applied != "" || !keepsFound(s.release, s.release.Spec.Inventory[i]) { // taking over is a write of its own
		s.counted[i] = c.live.GetResourceVersion()
	}
	return c.specReplicas()
}

// asleep says whether the object is as our last write put it to sleep.
func (c child) asleep() bool {
	return c.live != nil && c.live.GetAnnotations()[asleepAnnotation] != ""
}

// awakeReplicas is the number of pods that a workload which sleeps goes back to.
func (c child) awakeReplicas() (int64, bool) {
	n, err := strconv.ParseInt(c.live.GetAnnotations()[platformv1alpha1.AnnotationAwake], 10, 32)
	return n, err == nil && n >= 0
}

// wakesWith is how many pods a workload gets back whose number the template leaves to an autoscaler: as many as it had,
// within what that keeps; as few as that keeps where it is not known.
func (s *scope) wakesWith(i int, o render.Object) int64 {
	bounds, scaled := bounds(s.objects)[o.Object.GetKind()+"/"+o.Object.GetName()]
	had, known := s.children[i].awakeReplicas()
	switch {
	case known && (had == 0 || !scaled):
		return had
	case known:
		return min(max(had, bounds.least), bounds.most)
	case scaled:
		return max(bounds.least, 1)
	}
	return 1
}

// scaling is how few and how many pods an autoscaler keeps.
type scaling struct{ least, most int64 }

// judgeSleep sets the health of an object where the sleep of the environment decides it, and says whether it does.
func (s *scope) judgeSleep(i int) bool {
	status, c := &s.release.Status.Objects[i], s.children[i]
	switch {
	case s.asleep && s.sleeps(i) && c.known && c.asleep():
		s.markAsleep(i, c)
	case s.asleep && restless(status.Kind) && c.known && c.live != nil:
		status.Health, status.Message = platformv1alpha1.ObjectReady, ""
	case !s.asleep && s.sleeps(i) && c.known && c.asleep():
		status.Health, status.Message = platformv1alpha1.ObjectProgressing, whileWaking
	case !s.asleep && c.known:
		status.AwakeReplicas = nil
		return false
	default:
		return false
	}
	return true
}

// markAsleep says of an object that it sleeps, which is as it should be.
func (s *scope) markAsleep(i int, c child) {
	status := &s.release.Status.Objects[i]
	status.Health, status.Message = platformv1alpha1.ObjectReady, whileAsleep
	status.AwakeReplicas = nil
	if n, ok := c.awakeReplicas(); ok {
		status.AwakeReplicas = new(int32(n))
	}
}

// wroteSleep takes into the status that an object was put to sleep, or was woken.
func (s *scope) wroteSleep(i int) {
	if !s.sleeps(i) {
		return
	}
	s.turned[i] = true
	status := &s.release.Status.Objects[i]
	switch awake := s.objects[i].Awake; {
	case awake != nil:
		status.Health, status.Message, status.AwakeReplicas = platformv1alpha1.ObjectReady, whileAsleep, nil
		if n, err := strconv.ParseInt(*awake, 10, 32); err == nil {
			status.AwakeReplicas = new(int32(n))
		}
	case s.children[i].asleep() || s.release.Asleep():
		status.AwakeReplicas, status.Message = nil, ""
		if isPods(status.Kind) {
			status.Health, status.Message = platformv1alpha1.ObjectProgressing, whileWaking
		}
	}
}

// isPods says whether a kind that sleeps has pods to wait for.
func isPods(kind string) bool { return kind == "Deployment" || kind == "StatefulSet" }

// awake says whether everything that sleeps has been woken. What the cache does not show yet has not.
func (s *scope) awake() bool {
	for i := range s.children {
		if s.sleeps(i) && !s.turned[i] && (!s.children[i].known || s.children[i].asleep()) {
			return false
		}
	}
	return true
}

// wakes has what was not woken yet wait for it, so that nothing passes for ready which has no pods.
func (s *scope) wakes() {
	if s.asleep || !s.release.Asleep() || s.awake() {
		return
	}
	for i := range s.release.Status.Objects {
		if status := &s.release.Status.Objects[i]; s.sleeps(i) && !s.turned[i] && status.Health == platformv1alpha1.ObjectReady {
			status.Health, status.Message = platformv1alpha1.ObjectProgressing, whileWaking
		}
	}
}

// proven says whether every object is ready, and that says that the Release works.
func (s *scope) proven() bool {
	return s.ready() && (!s.asleep || s.release.Status.ReadyAt != nil)
}

// reportSleep takes into the status that the Release fell asleep or woke, since when, and what does not run.
func (r *Reconciler) reportSleep(s *scope) {
	status, now := &s.release.Status, r.now()
	ready := meta.IsStatusConditionTrue(status.Conditions, platformv1alpha1.ConditionReady)
	switch {
	case s.asleep && !s.release.Asleep():
		status.Sleep = &platformv1alpha1.ReleaseSleep{Since: now}
		if status.ReadyAt == nil && !s.release.ChecksFailed() {
			status.RolledOutAt = nil // it is rolled out anew when it wakes
		}
		if _, ready := sleep.ReadySince(&s.before.Status); ready {
			status.Sleep.SoakedSeconds = max(int64(sleep.Soaked(&s.before.Status, now.Time)/time.Second), 1)
		}
	case !s.asleep && s.release.Asleep() && s.awake() && s.problem == nil:
		status.Sleep = &platformv1alpha1.ReleaseSleep{WokeAt: now, SoakedSeconds: status.Sleep.SoakedSeconds}
	case status.Sleep != nil && !s.release.Asleep() && !s.before.Asleep() && !ready && sleep.Soaked(&s.before.Status, now.Time) > 0:
		status.Sleep.SoakedSeconds = 0 // a break begins the soak anew
	}
	if s.asleep && s.objects != nil {
		status.Sleep.Saving = s.saving()
	}
}

// saving adds up what does not run.
func (s *scope) saving() *platformv1alpha1.SleepAmount {
	var sum platformv1alpha1.SleepAmount
	for i := range s.objects {
		pods := podsOf(s.objects[i].Object)
		if pods == nil || s.objects[i].Awake == nil {
			continue
		}
		n, err := strconv.ParseInt(*s.objects[i].Awake, 10, 32)
		if err != nil {
			n = 1
		}
		sum = sleep.Add(sum, sleep.Times(sleep.Requests(&pods.Spec), n))
	}
	return &sum
}

// whyAsleep says what the sleep of the environment means to the Release.
func (s *scope) whyAsleep() string {
	text := fmt.Sprintf("Environment %s sleeps: of %d objects, those that have pods have none, and CronJobs start nothing.", s.release.Spec.Environment.Name, len(s.release.Status.Objects))
	if s.release.Status.ReadyAt == nil {
		text += " Whether the Release works will show when it wakes."
	}
	return text + fmt.Sprintf(" Wake it for a time with: towpath env wake -n %s %s.", s.release.Namespace, s.release.Spec.Environment.Name)
}

// awakeSince is since when a Release has had the time to become ready that applies to it: it was applied, or woken.
func (s *scope) awakeSince() time.Time {
	since := s.release.Status.AppliedAt.Time
	if slept := s.release.Status.Sleep; slept != nil && slept.WokeAt != nil && slept.WokeAt.After(since) {
		since = slept.WokeAt.Time
	}
	return since
}

// wake wakes one object that is about to be let go, and returns its metadata as it is then.
func (r *Reconciler) wake(ctx context.Context, release *platformv1alpha1.Release, o platformv1alpha1.ReleaseObject, live *metav1.PartialObjectMetadata) (*metav1.PartialObjectMetadata, error) {
	if !apply.Asleep(live.ManagedFields) {
		return live, nil
	}
	namespace := release.Spec.Environment.Namespace
	if err := r.Writer.Wake(ctx, environment.ApplierUser(namespace), namespace, o, live); err != nil {
		return nil, err
	}
	return r.find(ctx, release, o)
}

// unbounded is how many pods an autoscaler keeps at most that does not say.
const unbounded = math.MaxInt32
