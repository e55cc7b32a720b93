package release

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/diagnosis"
	"github.com/towpath-dev/towpath/internal/readiness"
)

// maxPods and maxEvents are how many are read: all pods of a version have the same trouble.
const maxPods, maxEvents = 50, 500

// diagnose says of a workload that is not ready what keeps its pods from running. Pods and events are not watched, so
// that thousands of them cost nothing; they are listed now and then, and only while a workload is not ready.
func (r *Reconciler) diagnose(ctx context.Context, s *scope) error {
	stuck := -1
	for i := range s.release.Status.Objects {
		if s.release.Status.Objects[i].Health != platformv1alpha1.ObjectReady && makesPods(s.children[i]) {
			stuck = i
			break
		}
	}
	if stuck < 0 || s.release.Status.AppliedAt == nil {
		r.looks.forget(s.release.UID)
		return nil
	}
	age := r.Clock.Since(s.awakeSince())
	every := min(max(age/2, lookFirst), lookLast)
	s.lookAgain(every)
	cause, known := r.looks.last(s.release.UID, r.Clock.Now().Add(-every))
	if !known && age >= lookFirst {
		var err error
		if cause, err = r.look(ctx, s.release, s.children[stuck].live); err != nil {
			return err
		}
	}
	if cause != nil {
		s.cause = cause
		name(&s.release.Status.Objects[stuck], cause)
	}
	return nil
}

// name puts a cause into the status of the object that it keeps from being ready.
func name(status *platformv1alpha1.ReleaseObjectStatus, cause *diagnosis.Cause) {
	if cause.Final {
		status.Health = platformv1alpha1.ObjectFailed
	}
	said := cause.Message + ". " + cause.Next
	// Of what the workload says, how far it is; why it is no further says the cause better.
	what, _, _ := strings.Cut(strings.TrimRight(status.Message, ". "), ". ")
	if what, _, _ = strings.Cut(what, ": "); what != "" {
		said = what + ". " + said
	}
	status.Message = condition.Clip(said, maxObjectMessage)
}

// look lists the pods of a Release's Component, and events where they do not tell, and finds what keeps the workload
// from being ready; nil for nothing.
func (r *Reconciler) look(ctx context.Context, release *platformv1alpha1.Release, workload *unstructured.Unstructured) (*diagnosis.Cause, error) {
	namespace := client.InNamespace(release.Spec.Environment.Namespace)
	evidence := diagnosis.Evidence{
		Kind: workload.GetKind(), Namespace: workload.GetNamespace(), Name: workload.GetName(), NotCreated: readiness.NotCreated(workload), Now: r.Clock.Now(),
	}
	var pods corev1.PodList
	if err := r.Live.List(ctx, &pods, namespace, client.Limit(maxPods), client.MatchingLabels{
		platformv1alpha1.LabelComponent: release.Spec.Component.Name, platformv1alpha1.LabelEnvironment: release.Spec.Environment.Name,
	}); err != nil {
		return nil, fmt.Errorf("listing the pods of the Component: %w", err)
	}
	evidence.Pods = pods.Items
	cause := diagnosis.Find(evidence)
	if cause == nil || cause.Reason == platformv1alpha1.ReasonProbeFailed {
		var events corev1.EventList
		if err := r.Live.List(ctx, &events, namespace, client.Limit(maxEvents), client.MatchingFields{"type": corev1.EventTypeWarning}); err != nil {
			return nil, fmt.Errorf("listing the events of the Component's pods: %w", err)
		}
		evidence.Events = events.Items
		cause = diagnosis.Find(evidence)
	}
	r.looks.took(release.UID, cause, r.Clock.Now())
	return cause, nil
}

// looks remembers what the pods of Releases showed, so that a roll-out with many events lists them rarely.
type looks struct {
	mu    sync.Mutex
	byUID map[types.UID]seen
}

type seen struct {
	at    time.Time
	cause *diagnosis.Cause
}

// last returns what was seen, where that is not older than a time.
func (l *looks) last(uid types.UID, since time.Time) (cause *diagnosis.Cause, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, ok := l.byUID[uid]
	return before.cause, ok && before.at.After(since)
}

func (l *looks) took(uid types.UID, cause *diagnosis.Cause, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byUID == nil {
		l.byUID = map[types.UID]seen{}
	}
	l.byUID[uid] = seen{at, cause}
}

func (l *looks) forget(uid types.UID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byUID, uid)
}

// makesPods says whether an object is a workload that is to have pods, and that its controller has seen.
func makesPods(c child) bool {
	if c.live == nil {
		return false
	}
	switch c.live.GetKind() {
	case "Deployment", "StatefulSet", "DaemonSet", "Job":
		_, seen, _ := unstructured.NestedFieldNoCopy(c.live.Object, "status", "observedGeneration")
		return seen || c.live.GetKind() == "Job"
	}
	return false
}
