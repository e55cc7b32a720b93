package build

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/diagnosis"
)

// lookAfter is how long a stage may take to run before its pods are looked at, and how long after one look comes the next; maxEvents is how
// many events are read.
const lookAfter, maxEvents = 30 * time.Second, 500

// diagnose says of a stage whose pod does not run what keeps it. Pods and events are not watched: they are listed while that lasts.
func (r *Reconciler) diagnose(ctx context.Context, s *scope, stage *platformv1alpha1.BuildStage, job *batchv1.Job) error {
	if job.Status.Ready != nil && *job.Status.Ready > 0 {
		stage.Message = ""
		return nil
	}
	s.lookAgain(lookAfter)
	if stage.StartedAt == nil || s.now.Sub(stage.StartedAt.Time) < lookAfter {
		return nil
	}
	var pods corev1.PodList
	if err := r.Live.List(ctx, &pods, client.InNamespace(job.Namespace), client.Limit(maxPods), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
		return fmt.Errorf("listing the pods of Job %s: %w", job.Name, err)
	}
	evidence := diagnosis.Evidence{Kind: "Job", Namespace: job.Namespace, Name: job.Name, Pods: pods.Items, Now: s.now}
	cause := diagnosis.Find(evidence)
	if cause == nil {
		var events corev1.EventList
		if err := r.Live.List(ctx, &events, client.InNamespace(job.Namespace), client.Limit(maxEvents), client.MatchingFields{"type": corev1.EventTypeWarning}); err != nil {
			return fmt.Errorf("listing the events of Job %s: %w", job.Name, err)
		}
		evidence.Events = events.Items
		cause = diagnosis.Find(evidence)
	}
	stage.Message = ""
	if cause != nil {
		stage.Message = condition.Clip(cause.Message+". "+cause.Next+".", maxMessage)
	}
	return nil
}
