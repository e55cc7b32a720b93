package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
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

// retryJob is after which time to look for a Job whose event should come first.
const retryJob = 10 * time.Second

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
	key := types.NamespacedName{Namespace: release.Spec.Environment.Namespace, Name: s.Job}
	job, err := find(ctx, r.jobs, release, c, key)
	if err != nil {
		return 0, err
	}
	if job == nil && !r.seen.has(client.ObjectKeyFromObject(release), s.Job) {
		return r.run(ctx, release, c, s)
	}
	now := r.Clock.Now()
	m, done := check.JudgeJob(s, &c.Check, job, now)
	if done && (job == nil || check.Finished(job) == nil) { // the cache may be behind
		if job, err = find(ctx, r.Live, release, c, key); err != nil {
			return 0, err
		}
		m, done = check.JudgeJob(s, &c.Check, job, now)
	}
	if !done {
		r.seen.add(client.ObjectKeyFromObject(release), s.Job)
		return max(left+check.Overtime, retryJob), nil
	}
	check.Record(s, &c.Check, m, now)
	if job == nil || check.Finished(job) != nil {
		return 0, nil
	}
	return 0, r.end(ctx, release, c, s.Job)
}

// find reads the Job of a check where it is ours; nil where it is not there.
func find(ctx context.Context, from client.Reader, release *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck, key types.NamespacedName) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	err := from.Get(ctx, key, job)
	if apierrors.IsNotFound(err) || err == nil && !ours(job, release, c) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Job %s: %w", key.Name, err)
	}
	return job, nil
}

// ours says whether an object is of a check of a Release, by labels that others may not set.
func ours(o client.Object, release *platformv1alpha1.Release, c *platformv1alpha1.ReleaseCheck) bool {
	return o.GetLabels()[platformv1alpha1.LabelOwnerUID] == string(release.Spec.Component.UID) && o.GetLabels()[platformv1alpha1.LabelCheck] == c.Name
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
	r.seen.add(client.ObjectKeyFromObject(release), s.Job)
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
	if !ours(live, release, c) {
		return nil
	}
	return r.remove(ctx, live)
}

// remove deletes a Job, and no other one of its name.
func (r *Reconciler) remove(ctx context.Context, job client.Object) error {
	return r.Writer.Delete(ctx, environment.ApplierUser(job.GetNamespace()), job.GetNamespace(), apply.Target{
		ReleaseObject: platformv1alpha1.ReleaseObject{APIVersion: "batch/v1", Kind: "Job", Name: job.GetName()}, UID: job.GetUID(),
	})
}

// endAll deletes the Jobs of a Release that are there though it is superseded or deleted. Whoever ended the Release
// deletes them too, but for one that was made a moment later by a manager that died before it looked again.
func (r *Reconciler) endAll(ctx context.Context, release *platformv1alpha1.Release) error {
	if release.Status.SupersededAt == nil && release.DeletionTimestamp.IsZero() {
		return nil
	}
	for i := range release.Status.Checks {
		s := &release.Status.Checks[i]
		c := &platformv1alpha1.ReleaseCheck{Origin: s.Origin, Check: platformv1alpha1.Check{Name: s.Name}}
		if s.Job == "" {
			continue
		}
		job, err := find(ctx, r.jobs, release, c, types.NamespacedName{Namespace: release.Spec.Environment.Namespace, Name: s.Job})
		if err == nil && job != nil && job.DeletionTimestamp.IsZero() {
			err = r.end(ctx, release, c, s.Job)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// seen remembers the Jobs that this process knows to have been there, by the Release. One of them that is not there any
// more was deleted; of others nobody knows whether they ever were, and they are made.
type seen struct {
	mu   sync.Mutex
	jobs map[types.NamespacedName]map[string]bool
}

func (s *seen) add(release types.NamespacedName, job string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs == nil {
		s.jobs = map[types.NamespacedName]map[string]bool{}
	}
	if s.jobs[release] == nil {
		s.jobs[release] = map[string]bool{}
	}
	s.jobs[release][job] = true
}

func (s *seen) has(release types.NamespacedName, job string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs[release][job]
}

// forget drops what is remembered of a Release but for the Jobs that run.
func (s *seen) forget(release types.NamespacedName, but ...platformv1alpha1.ReleaseCheckStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for job := range s.jobs[release] {
		if !slices.ContainsFunc(but, func(c platformv1alpha1.ReleaseCheckStatus) bool { return c.Job == job }) {
			delete(s.jobs[release], job)
		}
	}
	if len(s.jobs[release]) == 0 {
		delete(s.jobs, release)
	}
}
