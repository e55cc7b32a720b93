package check

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Overtime is how long after its timeout a Job is given to say that it failed.
const Overtime = 30 * time.Second

// JudgeJob says what the Job of a check found, and whether it is done with. Nil is a Job that was there and is not any
// more. What somebody else did to it says nothing of the version: the check is made again, at its interval, and as often
// as inconclusiveLimit lets it. The time of a Job is its own, from when it began, and not from when it was to.
func JudgeJob(s *platformv1alpha1.ReleaseCheckStatus, c *platformv1alpha1.Check, job *batchv1.Job, now time.Time) (m Measurement, done bool) {
	if job == nil {
		return Measurement{Message: fmt.Sprintf("Job %s was deleted before it had ended.", s.Job)}, true
	}
	if last := Finished(job); last != nil {
		if last.Type == batchv1.JobComplete {
			return Measurement{Outcome: Succeeded, Message: fmt.Sprintf("Job %s completed.", job.Name)}, true
		}
		return Measurement{Outcome: Failed, Message: fmt.Sprintf("Job %s failed: %s.", job.Name, last.Reason)}, true
	}
	if !job.DeletionTimestamp.IsZero() {
		return JudgeJob(s, c, nil, now) // nobody runs it any more
	}
	began := s.StartedAt.Time
	for _, at := range []*metav1.Time{&job.CreationTimestamp, job.Status.StartTime} {
		if at != nil && at.After(began) {
			began = at.Time
		}
	}
	switch {
	case now.Sub(began) < Timeout(c)+Overtime:
		return m, false
	case job.Spec.Suspend != nil && *job.Spec.Suspend:
		return Measurement{Message: fmt.Sprintf("Job %s is suspended, and did not end within %s.", job.Name, Timeout(c))}, true
	}
	return Measurement{Outcome: Failed, Message: fmt.Sprintf("Job %s did not end within %s.", job.Name, Timeout(c))}, true
}

// Finished is the condition by which a Job says that it has ended; nil while it has not.
func Finished(job *batchv1.Job) *batchv1.JobCondition {
	for i := range job.Status.Conditions {
		c := &job.Status.Conditions[i]
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return c
		}
	}
	return nil
}
