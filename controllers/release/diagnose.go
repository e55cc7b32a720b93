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
)

// maxPods is how many pods of a Component are looked at: they all have the same trouble.
const maxPods = 20

// diagnose says of a workload that is not ready what keeps its pods from starting. Pods are not watched, so
// that thousands of them cost nothing; they are listed now and then, and only while a workload has some and
// is not ready.
func (r *Reconciler) diagnose(ctx context.Context, s *scope) error {
	stuck := -1
	for i := range s.release.Status.Objects {
		if s.release.Status.Objects[i].Health != platformv1alpha1.ObjectReady && hasPods(s.children[i]) {
			stuck = i
			break
		}
	}
	if stuck < 0 || s.release.Status.AppliedAt == nil {
		r.looks.forget(s.release.UID)
		return nil
	}
	age := r.Clock.Since(s.release.Status.AppliedAt.Time)
	every := min(max(age/2, lookFirst), lookLast)
	s.lookAgain(every)
	cause, known := r.looks.last(s.release.UID, r.Clock.Now().Add(-every))
	if !known && age >= lookFirst {
		var err error
		if cause, err = r.look(ctx, s.release); err != nil {
			return err
		}
	}
	status := &s.release.Status.Objects[stuck]
	if cause != "" && !strings.HasSuffix(status.Message, cause) {
		if what := strings.TrimRight(status.Message, ". "); what != "" {
			cause = what + ". " + cause
		}
		status.Message = condition.Clip(cause, maxObjectMessage)
	}
	return nil
}

// look lists the pods of a Release's Component and finds what keeps them from starting.
func (r *Reconciler) look(ctx context.Context, release *platformv1alpha1.Release) (cause string, err error) {
	var pods corev1.PodList
	err = r.Live.List(ctx, &pods, client.InNamespace(release.Spec.Environment.Namespace), client.Limit(maxPods), client.MatchingLabels{
		platformv1alpha1.LabelComponent: release.Spec.Component.Name, platformv1alpha1.LabelEnvironment: release.Spec.Environment.Name,
	})
	if err != nil {
		return "", fmt.Errorf("listing the pods of the Component: %w", err)
	}
	cause = diagnosis.Pods(pods.Items)
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
	cause string
}

// last returns what was seen, where that is not older than a time.
func (l *looks) last(uid types.UID, since time.Time) (cause string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, ok := l.byUID[uid]
	return before.cause, ok && before.at.After(since)
}

func (l *looks) took(uid types.UID, cause string, at time.Time) {
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

// hasPods says whether a workload says that it has pods.
func hasPods(c child) bool {
	if c.live == nil {
		return false
	}
	switch c.live.GetKind() {
	case "Deployment", "StatefulSet":
		n, _, _ := unstructured.NestedInt64(c.live.Object, "status", "replicas")
		return n > 0
	}
	return false
}
