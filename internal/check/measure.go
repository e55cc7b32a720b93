package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// maxMessage bounds what the status says of a measurement, shown how many series of an answer it names.
const maxMessage, shown = 512, 3

// Outcome is what a measurement says.
type Outcome int

// The outcomes.
const (
	// Inconclusive: nothing.
	Inconclusive Outcome = iota
	// Succeeded: it is as it should be.
	Succeeded
	// Failed: it is not.
	Failed
)

// Measurement is one look at a check.
type Measurement struct {
	Outcome Outcome
	// Message says what was found.
	Message string
}

// Timeout is how long one measurement may take.
func Timeout(c *platformv1alpha1.Check) time.Duration {
	seconds := cmp.Or(c.TimeoutSeconds, defaultQueryTimeout)
	if c.Job != nil {
		seconds = cmp.Or(c.TimeoutSeconds, defaultJobTimeout)
	}
	return time.Duration(seconds) * time.Second
}

// Judge holds the values of a query's answer against the threshold, one a series: all of them must meet it. An answer
// without a value says nothing, and neither does one with NaN where no other value fails.
func Judge(p *platformv1alpha1.PrometheusCheck, values []float64) Measurement {
	threshold, err := strconv.ParseFloat(p.Threshold, 64)
	if err != nil {
		return Measurement{Inconclusive, fmt.Sprintf("The threshold %q is no number.", p.Threshold)}
	}
	if len(values) == 0 {
		return Measurement{Inconclusive, "The query gave no value."}
	}
	var wrong, right []string
	nan := 0
	for _, value := range values {
		text := strconv.FormatFloat(value, 'g', 6, 64)
		switch {
		case math.IsNaN(value):
			nan++
		case meets(p.Comparison, value, threshold):
			right = append(right, text)
		default:
			wrong = append(wrong, text)
		}
	}
	must := fmt.Sprintf("must be %s %s", words[p.Comparison], p.Threshold)
	switch {
	case len(wrong) > 0:
		return Measurement{Failed, fmt.Sprintf("%s, and %s.", name(wrong), must)}
	case nan > 0:
		return Measurement{Inconclusive, fmt.Sprintf("%d of %d values are not a number (NaN).", nan, len(values))}
	}
	return Measurement{Succeeded, fmt.Sprintf("%s, and %s.", name(right), must)}
}

// words are the comparisons in a sentence.
var words = map[platformv1alpha1.Comparison]string{
	platformv1alpha1.ComparisonLessThan: "less than", platformv1alpha1.ComparisonLessThanOrEqual: "at most",
	platformv1alpha1.ComparisonGreaterThan: "greater than", platformv1alpha1.ComparisonGreaterThanOrEqual: "at least",
	platformv1alpha1.ComparisonEqual: "equal to", platformv1alpha1.ComparisonNotEqual: "other than",
}

// name names values: the first few of them.
func name(values []string) string {
	if len(values) == 1 {
		return "The value is " + values[0]
	}
	text := "The values are " + strings.Join(values[:min(len(values), shown)], ", ")
	if more := len(values) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// meets compares. What is not known meets nothing.
func meets(c platformv1alpha1.Comparison, value, threshold float64) bool {
	switch c {
	case platformv1alpha1.ComparisonLessThan:
		return value < threshold
	case platformv1alpha1.ComparisonLessThanOrEqual:
		return value <= threshold
	case platformv1alpha1.ComparisonGreaterThan:
		return value > threshold
	case platformv1alpha1.ComparisonGreaterThanOrEqual:
		return value >= threshold
	case platformv1alpha1.ComparisonEqual:
		return value == threshold
	case platformv1alpha1.ComparisonNotEqual:
		return value != threshold
	}
	return false
}

// Record takes a measurement into the status of a check.
func Record(s *platformv1alpha1.ReleaseCheckStatus, c *platformv1alpha1.Check, m Measurement, now time.Time) {
	at := metav1.NewTime(now.Truncate(time.Second))
	s.MeasuredAt, s.StartedAt, s.Message = &at, nil, condition.Clip(m.Message, maxMessage)
	switch m.Outcome {
	case Succeeded:
		s.Succeeded, s.Inconclusive = more(s.Succeeded), 0
	case Failed:
		s.Failed, s.Inconclusive = more(s.Failed), 0
	default:
		s.Inconclusive = more(s.Inconclusive)
	}
	switch {
	case s.State == platformv1alpha1.CheckFailed:
	case s.Failed > c.FailureLimit, c.InconclusiveLimit > 0 && s.Inconclusive >= c.InconclusiveLimit:
		s.State = platformv1alpha1.CheckFailed
	case s.Succeeded >= max(c.Count, 1):
		s.State = platformv1alpha1.CheckPassed
	}
}

func more(n int32) int32 {
	if n == math.MaxInt32 {
		return n
	}
	return n + 1
}

// Begin gives the status of a Release an entry for each of its checks, in their order.
func Begin(r *platformv1alpha1.Release) {
	all := make([]platformv1alpha1.ReleaseCheckStatus, len(r.Spec.Checks))
	for i := range r.Spec.Checks {
		c := &r.Spec.Checks[i]
		all[i] = platformv1alpha1.ReleaseCheckStatus{Origin: c.Origin, Name: c.Name, State: platformv1alpha1.CheckRunning}
		known := slices.IndexFunc(r.Status.Checks, func(s platformv1alpha1.ReleaseCheckStatus) bool { return s.Origin == c.Origin && s.Name == c.Name })
		if known >= 0 {
			all[i] = r.Status.Checks[known]
		}
	}
	r.Status.Checks = all
}

// Next says after which time the i-th check of a Release, which has begun, is to be measured; negative for never. A Job
// that runs is for its events to look at, and for this to end.
func Next(r *platformv1alpha1.Release, i int, now time.Time) time.Duration {
	const never = -1
	c, s := &r.Spec.Checks[i], &r.Status.Checks[i]
	if !Measures(r) || s.State == platformv1alpha1.CheckFailed {
		return never
	}
	if s.StartedAt != nil {
		return max(s.StartedAt.Add(Timeout(&c.Check)).Sub(now), 0)
	}
	ready := meta.FindStatusCondition(r.Status.Conditions, platformv1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue && ready.Reason != platformv1alpha1.ReasonChecking {
		return never // something of it is not ready: what would be measured is not the version
	}
	if s.MeasuredAt == nil {
		return max(r.Status.RolledOutAt.Add(time.Duration(c.DelaySeconds)*time.Second).Sub(now), 0)
	}
	if s.State == platformv1alpha1.CheckPassed && s.Inconclusive == 0 {
		once := c.Job != nil && c.IntervalSeconds == 0
		soaks := ready.Status == metav1.ConditionTrue && sleep.Soaked(&r.Status, now) < time.Duration(r.Spec.SoakSeconds)*time.Second
		if once || !soaks && r.Status.ReadyAt != nil {
			return never
		}
	}
	return max(s.MeasuredAt.Add(time.Duration(cmp.Or(c.IntervalSeconds, defaultInterval))*time.Second).Sub(now), 0)
}

// Measures says whether the checks of a Release go on: it was rolled out, runs and does not sleep, and none has failed.
func Measures(r *platformv1alpha1.Release) bool {
	return len(r.Spec.Checks) > 0 && r.Status.RolledOutAt != nil && r.Status.SupersededAt == nil && r.DeletionTimestamp.IsZero() && !r.Asleep() &&
		!slices.ContainsFunc(r.Status.Checks, func(s platformv1alpha1.ReleaseCheckStatus) bool { return s.State == platformv1alpha1.CheckFailed })
}

// State says how far the checks of a Release are together, and why. One that passed and whose last measurements said
// nothing is not known to be passed still.
func State(r *platformv1alpha1.Release) (platformv1alpha1.CheckState, string) {
	var failed, running []string
	for i := range r.Spec.Checks {
		c := &r.Spec.Checks[i]
		title := c.Name
		if c.Origin == platformv1alpha1.CheckOfClass {
			title += " (of the class)"
		}
		known := slices.IndexFunc(r.Status.Checks, func(s platformv1alpha1.ReleaseCheckStatus) bool { return s.Origin == c.Origin && s.Name == c.Name })
		if known < 0 {
			running = append(running, title+" has not begun")
			continue
		}
		s := &r.Status.Checks[known]
		says := ""
		if s.Message != "" {
			says = ": " + strings.TrimSuffix(s.Message, ".")
		}
		switch {
		case s.State == platformv1alpha1.CheckFailed:
			failed = append(failed, title+says)
		case s.Inconclusive > 0:
			running = append(running, title+" cannot say"+says)
		case s.State == platformv1alpha1.CheckRunning:
			running = append(running, fmt.Sprintf("%s has succeeded %d of %d times%s", title, s.Succeeded, max(c.Count, 1), says))
		}
	}
	switch {
	case len(failed) > 0:
		return platformv1alpha1.CheckFailed, strings.Join(failed, "; ") + "."
	case len(running) > 0:
		return platformv1alpha1.CheckRunning, strings.Join(running, "; ") + "."
	}
	return platformv1alpha1.CheckPassed, ""
}
