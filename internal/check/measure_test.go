package check_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestJudge(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, tc := range map[string]struct {
		comparison platformv1alpha1.Comparison
		threshold  string
		values     []float64
		want       check.Outcome
		says       string
	}{
		"less":                       {platformv1alpha1.ComparisonLessThan, "0.01", []float64{0.009}, check.Succeeded, "The value is 0.009, and must be less than 0.01."},
		"not less":                   {platformv1alpha1.ComparisonLessThan, "0.01", []float64{0.01}, check.Failed, "The value is 0.01, and must be less than 0.01."},
		"at most":                    {platformv1alpha1.ComparisonLessThanOrEqual, "0.01", []float64{0.01}, check.Succeeded, "at most"},
		"greater":                    {platformv1alpha1.ComparisonGreaterThan, "-3", []float64{-2}, check.Succeeded, "greater than -3"},
		"at least":                   {platformv1alpha1.ComparisonGreaterThanOrEqual, "99.5", []float64{99.4}, check.Failed, "at least 99.5"},
		"equal":                      {platformv1alpha1.ComparisonEqual, "0", []float64{0}, check.Succeeded, "equal to 0"},
		"not equal":                  {platformv1alpha1.ComparisonNotEqual, "0", []float64{0}, check.Failed, "other than 0"},
		"every series counts":        {platformv1alpha1.ComparisonLessThan, "1", []float64{0, 2, 0, 3}, check.Failed, "The values are 2, 3, and must be less than 1."},
		"many series":                {platformv1alpha1.ComparisonLessThan, "1", []float64{1, 2, 3, 4, 5}, check.Failed, "The values are 1, 2, 3 and 2 more"},
		"nothing":                    {platformv1alpha1.ComparisonLessThan, "1", nil, check.Inconclusive, "gave no value"},
		"not a number":               {platformv1alpha1.ComparisonLessThan, "1", []float64{nan}, check.Inconclusive, "1 of 1 values are not a number"},
		"not a number beside a good": {platformv1alpha1.ComparisonNotEqual, "1", []float64{0, nan}, check.Inconclusive, "1 of 2"},
		"not a number beside a bad":  {platformv1alpha1.ComparisonLessThan, "1", []float64{nan, 5}, check.Failed, "The value is 5"},
		"infinite":                   {platformv1alpha1.ComparisonLessThan, "1", []float64{inf}, check.Failed, "+Inf"},
		"no comparison":              {"", "1", []float64{1}, check.Failed, ""},
		"no threshold":               {platformv1alpha1.ComparisonLessThan, "x", []float64{1}, check.Inconclusive, "is no number"},
	} {
		t.Run(name, func(t *testing.T) {
			got := check.Judge(&platformv1alpha1.PrometheusCheck{Comparison: tc.comparison, Threshold: tc.threshold}, tc.values)
			if got.Outcome != tc.want || !strings.Contains(got.Message, tc.says) {
				t.Errorf("it is %+v, want %v with %q", got, tc.want, tc.says)
			}
		})
	}
}

// release is one that was rolled out at noon, with these checks.
func release(checks ...platformv1alpha1.Check) *platformv1alpha1.Release {
	at := metav1.NewTime(noon)
	r := &platformv1alpha1.Release{}
	for _, c := range checks {
		r.Spec.Checks = append(r.Spec.Checks, platformv1alpha1.ReleaseCheck{Origin: platformv1alpha1.CheckOfClass, Check: c})
	}
	r.Status.RolledOutAt = &at
	report(r, noon)
	check.Begin(r)
	return r
}

// report sets the conditions as package release does.
func report(r *platformv1alpha1.Release, now time.Time) {
	ready := metav1.Condition{Type: platformv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: platformv1alpha1.ReasonChecking}
	switch state, _ := check.State(r); {
	case state == platformv1alpha1.CheckFailed:
		ready.Reason = platformv1alpha1.ReasonChecksFailed
	case state == platformv1alpha1.CheckPassed || r.Status.ReadyAt != nil:
		ready.Status, ready.Reason = metav1.ConditionTrue, platformv1alpha1.ReasonReady
		if r.Status.ReadyAt == nil {
			at := metav1.NewTime(now)
			r.Status.ReadyAt = &at
		}
	}
	if was := meta.FindStatusCondition(r.Status.Conditions, platformv1alpha1.ConditionReady); was == nil || was.Status != ready.Status {
		ready.LastTransitionTime = metav1.NewTime(now)
	}
	meta.SetStatusCondition(&r.Status.Conditions, ready)
}

func query(name string) platformv1alpha1.Check {
	return platformv1alpha1.Check{Name: name, Prometheus: &platformv1alpha1.PrometheusCheck{Query: "up", Comparison: platformv1alpha1.ComparisonEqual, Threshold: "1"}}
}

func TestACheckPassesOrFails(t *testing.T) {
	const s, f, i = check.Succeeded, check.Failed, check.Inconclusive
	for name, tc := range map[string]struct {
		check    platformv1alpha1.Check
		outcomes []check.Outcome
		want     platformv1alpha1.CheckState
	}{
		"the first success":         {platformv1alpha1.Check{}, []check.Outcome{s}, platformv1alpha1.CheckPassed},
		"the first failure":         {platformv1alpha1.Check{}, []check.Outcome{f}, platformv1alpha1.CheckFailed},
		"too few":                   {platformv1alpha1.Check{Count: 3}, []check.Outcome{s, s}, platformv1alpha1.CheckRunning},
		"enough":                    {platformv1alpha1.Check{Count: 3}, []check.Outcome{s, s, s}, platformv1alpha1.CheckPassed},
		"as many failures as may":   {platformv1alpha1.Check{FailureLimit: 2}, []check.Outcome{f, f, s}, platformv1alpha1.CheckPassed},
		"one more":                  {platformv1alpha1.Check{FailureLimit: 2}, []check.Outcome{f, f, s, f}, platformv1alpha1.CheckFailed},
		"failed for good":           {platformv1alpha1.Check{}, []check.Outcome{f, s, s}, platformv1alpha1.CheckFailed},
		"never an answer":           {platformv1alpha1.Check{}, []check.Outcome{i, i, i, i, i, i}, platformv1alpha1.CheckRunning},
		"too long without":          {platformv1alpha1.Check{InconclusiveLimit: 3}, []check.Outcome{i, i, i}, platformv1alpha1.CheckFailed},
		"an answer in between":      {platformv1alpha1.Check{InconclusiveLimit: 3, Count: 2}, []check.Outcome{i, i, s, i, i}, platformv1alpha1.CheckRunning},
		"failed during the soak":    {platformv1alpha1.Check{}, []check.Outcome{s, s, f}, platformv1alpha1.CheckFailed},
		"no answer during the soak": {platformv1alpha1.Check{}, []check.Outcome{s, i}, platformv1alpha1.CheckPassed},
	} {
		t.Run(name, func(t *testing.T) {
			status := platformv1alpha1.ReleaseCheckStatus{State: platformv1alpha1.CheckRunning}
			for n, outcome := range tc.outcomes {
				check.Record(&status, &tc.check, check.Measurement{Outcome: outcome}, noon.Add(time.Duration(n)*time.Minute))
			}
			if status.State != tc.want {
				t.Errorf("it is %s, want %s: %+v", status.State, tc.want, status)
			}
		})
	}
}

func TestNext(t *testing.T) {
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	delayed, slow := query("delayed"), query("slow")
	delayed.DelaySeconds, slow.IntervalSeconds, slow.Count = 300, 600, 2
	job := platformv1alpha1.Check{Name: "job", Job: &platformv1alpha1.JobCheck{}}
	r := release(query("plain"), delayed, slow, job)
	want := func(at int, each ...time.Duration) {
		t.Helper()
		for i, wait := range each {
			if got := check.Next(r, i, minute(at)); got != wait {
				t.Errorf("check %s is due after %s at 12:%02d, want %s", r.Spec.Checks[i].Name, got, at, wait)
			}
		}
	}
	record := func(i int, outcome check.Outcome, at int) {
		check.Record(&r.Status.Checks[i], &r.Spec.Checks[i].Check, check.Measurement{Outcome: outcome}, minute(at))
		report(r, minute(at))
	}
	want(0, 0, 5*time.Minute, 0, 0)
	record(0, check.Succeeded, 0)
	record(2, check.Succeeded, 0)
	started := metav1.NewTime(noon)
	r.Status.Checks[3].StartedAt = &started
	want(1, 0, 4*time.Minute, 9*time.Minute, 9*time.Minute)
	record(3, check.Succeeded, 1)
	want(1, 0, 4*time.Minute, 9*time.Minute, -1)

	meta.SetStatusCondition(&r.Status.Conditions, metav1.Condition{Type: platformv1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: platformv1alpha1.ReasonProgressing})
	want(20, -1, -1, -1, -1)
	report(r, minute(20))
	record(0, check.Succeeded, 20)
	record(1, check.Succeeded, 20)
	r.Spec.SoakSeconds = 3600
	record(2, check.Succeeded, 20)
	if r.Status.ReadyAt == nil {
		t.Fatal("all have passed, and it is not Ready")
	}
	want(20, time.Minute, time.Minute, 10*time.Minute, -1)
	want(80, -1, -1, -1, -1)
	record(0, check.Inconclusive, 79)
	want(90, 0, -1, -1, -1)
	record(0, check.Failed, 91)
	want(95, -1, -1, -1, -1)
	if state, says := check.State(r); state != platformv1alpha1.CheckFailed || !strings.Contains(says, "plain (of the class)") {
		t.Errorf("it is %s: %s", state, says)
	}
}

// TestChecksAlwaysEnd plays random checks with random outcomes: nothing passes that failed too often, nothing fails that
// did not, and all ends once there are answers.
func TestChecksAlwaysEnd(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 3))
		checks := make([]platformv1alpha1.Check, 1+random.IntN(4))
		for i := range checks {
			checks[i] = query(string(rune('a' + i)))
			checks[i].Count, checks[i].FailureLimit, checks[i].DelaySeconds = random.Int32N(4), random.Int32N(3), random.Int32N(100)
			checks[i].IntervalSeconds, checks[i].InconclusiveLimit = 5+random.Int32N(300), random.Int32N(3)*4
		}
		r := release(checks...)
		r.Spec.SoakSeconds = random.Int32N(3) * 600
		now, steps := noon, 0
		for ; ; steps++ {
			after := time.Duration(-1)
			for i := range checks {
				next := check.Next(r, i, now)
				if next == 0 {
					outcome := check.Outcome(random.IntN(3))
					if steps > 100 {
						outcome = check.Succeeded
					}
					check.Record(&r.Status.Checks[i], &r.Spec.Checks[i].Check, check.Measurement{Outcome: outcome}, now)
					report(r, now)
					next = check.Next(r, i, now)
				}
				if next >= 0 && (after < 0 || next < after) {
					after = next
				}
			}
			if after < 0 || steps > 1000 {
				break
			}
			now = now.Add(max(after, time.Second))
		}
		state, _ := check.State(r)
		failed := false
		for i := range checks {
			s, c := r.Status.Checks[i], r.Spec.Checks[i]
			over := s.Failed > c.FailureLimit || c.InconclusiveLimit > 0 && s.Inconclusive >= c.InconclusiveLimit
			if over != (s.State == platformv1alpha1.CheckFailed) {
				t.Fatalf("seed %d: %+v of %+v", seed, s, c.Check)
			}
			failed = failed || over
			if !failed && state == platformv1alpha1.CheckPassed && s.Succeeded < max(c.Count, 1) {
				t.Fatalf("seed %d: passed with %+v of %+v", seed, s, c.Check)
			}
		}
		if steps > 1000 || state == platformv1alpha1.CheckRunning || failed != (state == platformv1alpha1.CheckFailed) {
			t.Fatalf("seed %d: after %d steps it is %s: %+v", seed, steps, state, r.Status.Checks)
		}
	}
}
