package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/render"
)

const (
	// overtime is how long after its timeout a Job is given to say that it failed.
	overtime = 30 * time.Second
	// retryJob is after which time to look for a Job whose event should come first.
	retryJob = 10 * time.Second
)

// begin writes down that a Job runs, before it does: whoever ends the Release knows its name, whatever happens in
// between. The Job of the run before goes first, so that there is never more than one.
func (r *Reconciler) begin(ctx context.Context, release *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck, s *platformv1alpha1.ReleaseCheckStatus) error {
	if s.Job != "" {
		if err := r.end(ctx, release, c, s.Job); err != nil {
			return err
		}
	}
	now := metav1.NewTime(r.Clock.Now().Truncate(time.Second))
	s.Runs++
	s.Job, s.StartedAt = check.JobName(release, c, s.Runs), &now
	return nil
}

// follow looks how the Job of a check is, and makes it where it is not there. left is how long it may still take.
func (r *Reconciler) follow(ctx context.Context, release *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck, s *platformv1alpha1.ReleaseCheckStatus, left time.Duration) (time.Duration, error) {
	if slept := release.Status.Sleep; slept != nil && slept.WokeAt != nil && s.StartedAt.Before(slept.WokeAt) {
		// The environment slept meanwhile: what the Job found says nothing of the version. It is run again.
		if err := r.end(ctx, release, c, s.Job); err != nil {
			return 0, err
		}
		s.StartedAt = nil
		return 0, nil
	}
	var job batchv1.Job
	err := r.jobs.Get(ctx, types.NamespacedName{Namespace: release.Spec.Environment.Namespace, Name: s.Job}, &job)
	if client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("reading Job %s: %w", s.Job, err)
	}
	absent := err != nil
	if m, done := outcome(&job); !absent && done {
		check.Record(s, &c.Check, m, r.Clock.Now())
		return 0, nil
	}
	if late := r.Clock.Now().Sub(s.StartedAt.Time) - check.Timeout(&c.Check); late >= overtime {
		check.Record(s, &c.Check, check.Measurement{Outcome: check.Failed, Message: fmt.Sprintf(
			"Job %s did not end within %s.", s.Job, check.Timeout(&c.Check))}, r.Clock.Now())
		return 0, r.end(ctx, release, c, s.Job)
	}
	if absent {
		return r.run(ctx, release, c, s)
	}
	return max(left+overtime, retryJob), nil
}

// outcome is what a Job says once it has ended.
func outcome(job *batchv1.Job) (m check.Measurement, done bool) {
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			return check.Measurement{Outcome: check.Succeeded, Message: fmt.Sprintf("Job %s completed.", job.Name)}, true
		case batchv1.JobFailed:
			return check.Measurement{Outcome: check.Failed, Message: fmt.Sprintf("Job %s failed: %s.", job.Name, c.Reason)}, true
		}
	}
	return m, false
}

// run makes the Job. What the API server refuses for good says nothing of the version.
func (r *Reconciler) run(ctx context.Context, release *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck, s *platformv1alpha1.ReleaseCheckStatus) (time.Duration, error) {
	cannot := func(err error) (time.Duration, error) {
		check.Record(s, &c.Check, check.Measurement{Message: fmt.Sprintf("Job %s cannot be made: %v.", s.Job, err)}, r.Clock.Now())
		return 0, nil
	}
	job, err := check.Job(release, c, s.Runs)
	if err != nil {
		return cannot(err)
	}
	policy := check.Policy(release, c)
	policy.Namespaced = r.Writer.Namespaced
	results, err := r.Writer.Apply(ctx, apply.Intent{
		User: environment.ApplierUser(release.Spec.Environment.Namespace), Policy: policy, Objects: []render.Object{job},
	})
	var refused *apply.RefusedError
	var unguarded *apply.UnguardedError
	switch {
	case errors.As(err, &refused):
		return cannot(err)
	case errors.As(err, &unguarded):
		return retryUnguarded, nil
	case err != nil:
		return 0, err
	case apply.Final(results[0].Err):
		return cannot(results[0].Err)
	case results[0].Err != nil:
		return 0, results[0].Err
	}
	ctrl.LoggerFrom(ctx).Info("Began the Job of a check", "release", release.Name, "check", c.Name, "job", s.Job)
	// Whoever ended the Release a moment ago looked for the Job before it was there.
	var live platformv1alpha1.Release
	err = r.Live.Get(ctx, client.ObjectKeyFromObject(release), &live)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return 0, fmt.Errorf("reading Release %s: %w", release.Name, err)
	case err != nil || live.UID != release.UID || !live.DeletionTimestamp.IsZero() || live.Status.SupersededAt != nil:
		return 0, r.end(ctx, release, c, s.Job)
	}
	return retryJob, nil
}

// end deletes the Job of a check, where it is ours.
func (r *Reconciler) end(ctx context.Context, release *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck, name string) error {
	namespace := release.Spec.Environment.Namespace
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind("Job"))
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, live)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading Job %s: %w", name, err)
	}
	if live.Labels[platformv1alpha1.LabelOwnerUID] != string(release.Spec.Component.UID) || live.Labels[platformv1alpha1.LabelCheck] != c.Name {
		return nil
	}
	return r.Writer.Delete(ctx, environment.ApplierUser(namespace), namespace, apply.Target{
		ReleaseObject: platformv1alpha1.ReleaseObject{APIVersion: "batch/v1", Kind: "Job", Name: name}, UID: live.UID,
	})
}
