package check_test

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
)

func TestJudgeJob(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *metav1.Time { return new(metav1.NewTime(now.Add(-d))) }
	const timeout = 10 * time.Minute
	over := timeout + check.Overtime
	job := func(changes ...func(*batchv1.Job)) *batchv1.Job {
		j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "smoke-1", CreationTimestamp: *ago(over)}}
		for _, change := range changes {
			change(j)
		}
		return j
	}
	says := func(kind batchv1.JobConditionType, value corev1.ConditionStatus, reason string) func(*batchv1.Job) {
		return func(j *batchv1.Job) {
			j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{Type: kind, Status: value, Reason: reason})
		}
	}
	created := func(d time.Duration) func(*batchv1.Job) {
		return func(j *batchv1.Job) { j.CreationTimestamp = *ago(d) }
	}
	started := func(d time.Duration) func(*batchv1.Job) { return func(j *batchv1.Job) { j.Status.StartTime = ago(d) } }
	deleted := func(j *batchv1.Job) { j.DeletionTimestamp = ago(time.Second) }
	suspended := func(j *batchv1.Job) { j.Spec.Suspend = new(true) }
	for name, tc := range map[string]struct {
		job  *batchv1.Job
		want string // of the message; empty while it is not done
		how  check.Outcome
	}{
		"that runs":                                   {job(created(over - time.Second)), "", 0},
		"that takes too long":                         {job(), "did not end within 10m0s", check.Failed},
		"that was made long after it was to":          {job(created(time.Minute)), "", 0},
		"that somebody resumed":                       {job(started(time.Minute)), "", 0},
		"that is suspended":                           {job(suspended, created(time.Minute)), "", 0},
		"that is suspended for too long":              {job(suspended), "is suspended", check.Inconclusive},
		"that completed, late":                        {job(says(batchv1.JobComplete, corev1.ConditionTrue, "")), "completed", check.Succeeded},
		"that failed":                                 {job(says(batchv1.JobFailed, corev1.ConditionTrue, "DeadlineExceeded")), "failed: DeadlineExceeded", check.Failed},
		"that is about to complete":                   {job(created(time.Minute), says(batchv1.JobSuccessCriteriaMet, corev1.ConditionTrue, "")), "", 0},
		"that is about to fail":                       {job(created(time.Minute), says(batchv1.JobFailureTarget, corev1.ConditionTrue, "")), "", 0},
		"that has not failed":                         {job(created(time.Minute), says(batchv1.JobFailed, corev1.ConditionFalse, "")), "", 0},
		"that is gone":                                {nil, "Job smoke-1 was deleted", check.Inconclusive},
		"that is being deleted":                       {job(deleted), "was deleted", check.Inconclusive},
		"that is being deleted, and completed before": {job(deleted, says(batchv1.JobComplete, corev1.ConditionTrue, "")), "completed", check.Succeeded},
	} {
		t.Run(name, func(t *testing.T) {
			s := &platformv1alpha1.ReleaseCheckStatus{Name: "smoke", Job: "smoke-1", StartedAt: ago(3 * time.Hour)}
			m, done := check.JudgeJob(s, &platformv1alpha1.Check{Name: "smoke", TimeoutSeconds: int32(timeout.Seconds()), Job: &platformv1alpha1.JobCheck{}}, tc.job, now)
			if done != (tc.want != "") || m.Outcome != tc.how || !strings.Contains(m.Message, tc.want) {
				t.Errorf("it says %v, done: %t; want %q, outcome %d", m, done, tc.want, tc.how)
			}
		})
	}
}
