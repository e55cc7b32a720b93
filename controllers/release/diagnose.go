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

// Pods are read in pages of podsPage, as they come by name: those of older versions may come first. Of a Component with
// more than maxPods, and of events above maxEvents, the rest is not looked at.
const podsPage, maxPods, maxEvents = 250, 5000, 500

// diagnose says of each workload that is not ready what keeps its pods from running. Pods and events are not watched, so
// that thousands of them cost nothing; they are listed now and then, and only while a workload is not ready.
func (r *Reconciler) diagnose(ctx context.Context, s *scope) error {
	var stuck []int
	for i := range s.release.Status.Objects {
		if s.release.Status.Objects[i].Health != platformv1alpha1.ObjectReady && makesPods(s.children[i]) {
			stuck = append(stuck, i)
		}
	}
	if len(stuck) == 0 || s.release.Status.AppliedAt == nil {
		r.looks.forget(s.release.UID)
		return nil
	}
	age := r.Clock.Since(s.awakeSince())
	every := min(max(age/2, lookFirst), lookLast)
	s.lookAgain(every)
	causes, known := r.looks.last(s.release.UID, r.Clock.Now().Add(-every))
	if !known && age >= lookFirst {
		var err error
		if causes, err = r.look(ctx, s, stuck); err != nil {
			return err
		}
	}
	for _, i := range stuck {
		cause := causes[i]
		if cause == nil {
			continue
		}
		name(&s.release.Status.Objects[i], cause)
		if s.cause == nil || cause.Final && !s.cause.Final {
			s.cause = cause
		}
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

// look lists the pods of a Release's Component, and events where they do not tell, and finds what keeps workloads from
// being ready, by their places in the inventory.
func (r *Reconciler) look(ctx context.Context, s *scope, stuck []int) (map[int]*diagnosis.Cause, error) {
	evidence := make([]diagnosis.Evidence, len(stuck))
	for j, i := range stuck {
		live := s.children[i].live
		evidence[j] = diagnosis.Evidence{
			Kind: live.GetKind(), Namespace: live.GetNamespace(), Name: live.GetName(), NotCreated: readiness.NotCreated(live), Now: r.Clock.Now(),
		}
	}
	if err := r.takePods(ctx, s.release, evidence); err != nil {
		return nil, err
	}
	causes, vague := map[int]*diagnosis.Cause{}, false
	for j, i := range stuck {
		causes[i] = diagnosis.Find(evidence[j])
		vague = vague || causes[i] == nil || causes[i].Reason == platformv1alpha1.ReasonProbeFailed
	}
	if vague {
		var events corev1.EventList
		namespace := client.InNamespace(s.release.Spec.Environment.Namespace)
		if err := r.Live.List(ctx, &events, namespace, client.Limit(maxEvents), client.MatchingFields{"type": corev1.EventTypeWarning}); err != nil {
			return nil, fmt.Errorf("listing the events of the Component's pods: %w", err)
		}
		for j, i := range stuck {
			evidence[j].Events = events.Items
			causes[i] = diagnosis.Find(evidence[j])
		}
	}
	r.looks.took(s.release.UID, causes, r.Clock.Now())
	return causes, nil
}

// takePods reads the pods of a Release's Component for each of its workloads.
func (r *Reconciler) takePods(ctx context.Context, release *platformv1alpha1.Release, evidence []diagnosis.Evidence) error {
	from := ""
	for range maxPods / podsPage {
		var page corev1.PodList // a new one: what was taken of the page before is kept
		err := r.Live.List(ctx, &page, client.InNamespace(release.Spec.Environment.Namespace), client.Limit(podsPage), client.Continue(from), client.MatchingLabels{
			platformv1alpha1.LabelComponent: release.Spec.Component.Name, platformv1alpha1.LabelEnvironment: release.Spec.Environment.Name,
		})
		if err != nil {
			return fmt.Errorf("listing the pods of the Component: %w", err)
		}
		for j := range evidence {
			evidence[j].Take(page.Items)
		}
		if from = page.Continue; from == "" {
			break
		}
	}
	return nil
}

// looks remembers what the pods of Releases showed, so that a roll-out with many events lists them rarely.
type looks struct {
	mu    sync.Mutex
	byUID map[types.UID]seen
}

type seen struct {
	at time.Time
	// causes are those of workloads, by their places in the inventory of the Release, which never changes.
	causes map[int]*diagnosis.Cause
}

// last returns what was seen, where that is not older than a time.
func (l *looks) last(uid types.UID, since time.Time) (causes map[int]*diagnosis.Cause, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, ok := l.byUID[uid]
	return before.causes, ok && before.at.After(since)
}

func (l *looks) took(uid types.UID, causes map[int]*diagnosis.Cause, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byUID == nil {
		l.byUID = map[types.UID]seen{}
	}
	l.byUID[uid] = seen{at, causes}
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
