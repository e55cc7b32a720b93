package cost

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// scaler is an autoscaler of a workload.
type scaler struct {
	by       string
	min, max int64
}

// longest is a deadline of more seconds than any run lasts.
const longest = 1 << 31

// Defaults of Kubernetes and KEDA.
const (
	hpaLeast = 1
	kedaMost = 100
	// pausedReplicas has KEDA keep a number of pods.
	pausedReplicas = "autoscaling.keda.sh/paused-replicas"
)

// scale notes what an autoscaler scales.
func (e *estimator) scale(object *unstructured.Unstructured) error {
	spec := mapAt(object.Object, "spec")
	var s scaler
	var err error
	switch object.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:
		if s.min, err = numberAt(spec, hpaLeast, "minReplicas"); err != nil {
			return fmt.Errorf("spec.%w", err)
		}
		if s.max, err = numberAt(spec, s.min, "maxReplicas"); err != nil {
			return fmt.Errorf("spec.%w", err)
		}
	case schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}:
		if s.min, err = numberAt(spec, 0, "minReplicaCount"); err != nil {
			return fmt.Errorf("spec.%w", err)
		}
		if s.min, err = numberAt(spec, s.min, "idleReplicaCount"); err != nil {
			return fmt.Errorf("spec.%w", err)
		}
		if s.max, err = numberAt(spec, kedaMost, "maxReplicaCount"); err != nil {
			return fmt.Errorf("spec.%w", err)
		}
		if paused := textAt(object.Object, "metadata", "annotations", pausedReplicas); paused != "" {
			if s.min, err = numberAt(map[string]any{pausedReplicas: number(paused)}, 0, pausedReplicas); err != nil {
				return fmt.Errorf("metadata.annotations.%w", err)
			}
			s.max = s.min
		}
	default:
		return nil
	}
	target, kind := textAt(spec, "scaleTargetRef", "name"), textAt(spec, "scaleTargetRef", "kind")
	if kind == "" {
		kind = "Deployment"
	}
	s.by, s.max = object.GetKind()+"/"+object.GetName(), max(s.min, s.max)
	// Of several, which would fight, the one counts that may have the most pods, in whatever order they come.
	if other, ok := e.scalers[kind+"/"+target]; !ok || cmp.Or(cmp.Compare(s.max, other.max), cmp.Compare(s.min, other.min), strings.Compare(s.by, other.by)) > 0 {
		e.scalers[kind+"/"+target] = s
	}
	return nil
}

// replicas is how many pods a workload has. An autoscaler is expected at a share of the way from its least to its most.
func (e *estimator) replicas(o *Object, spec map[string]any) (Range, error) {
	s, scaled := e.scalers[o.Kind+"/"+o.Name]
	if !scaled {
		n, err := numberAt(spec, 1, "replicas")
		if err != nil {
			return Range{}, fmt.Errorf("spec.%w", err)
		}
		return count(n), nil
	}
	return e.between(o, s.min, s.max, s.by), nil
}

func (e *estimator) between(o *Object, least, most int64, by string) Range {
	r := Range{Min: decimal.NewFromInt(least), Max: decimal.NewFromInt(most)}
	percent := decimal.NewFromInt(DefaultExpectedPercent)
	if p := e.in.Prices.ExpectedPercent; p != nil {
		percent = *p
	}
	r.Expected = r.Min.Add(r.Max.Sub(r.Min).Mul(percent).Shift(-2))
	if least != most {
		o.Assumptions = append(o.Assumptions, fmt.Sprintf("%s keeps from %d to %d pods, and %s are expected: %s %% of the way", by, least, most, r.Expected, percent))
	}
	return r
}

func (e *estimator) workload(o *Object, object *unstructured.Unstructured, spec map[string]any) ([]Part, error) {
	parts, err := e.pods(o, mapAt(spec, "template"), "spec.template.spec")
	if err != nil {
		return nil, err
	}
	replicas, err := e.replicas(o, spec)
	if err != nil {
		return nil, err
	}
	return times(parts, replicas.Mul(e.awake(object.GroupVersionKind().GroupKind()))), nil
}

// statefulSet adds the claims, which stay while the pods sleep.
func (e *estimator) statefulSet(o *Object, object *unstructured.Unstructured, spec map[string]any) ([]Part, error) {
	parts, err := e.workload(o, object, spec)
	if err != nil {
		return nil, err
	}
	replicas, err := e.replicas(o, spec)
	if err != nil {
		return nil, err
	}
	for i, claim := range mapsAt(spec, "volumeClaimTemplates") {
		amount, class, err := volumeOf(mapAt(claim, "spec"), fmt.Sprintf("spec.volumeClaimTemplates[%d].spec", i))
		if err != nil {
			return nil, err
		}
		parts = e.priced(parts, o, e.scope(object), Item{Storage, class}, exactly(amount).times(replicas))
	}
	return parts, nil
}

func (e *estimator) daemonSet(o *Object, spec map[string]any) ([]Part, error) {
	parts, err := e.pods(o, mapAt(spec, "template"), "spec.template.spec")
	if err != nil {
		return nil, err
	}
	o.Assumptions = append(o.Assumptions, "how many nodes it has pods on is not known, and it counts as one")
	return parts, nil
}

// postgres is a Cluster of CloudNativePG, which the catalogue's path for databases makes: so many instances, each a pod with
// volumes of its own.
func (e *estimator) postgres(o *Object, object *unstructured.Unstructured, spec map[string]any) ([]Part, error) {
	instances, err := numberAt(spec, 1, "instances")
	if err != nil {
		return nil, fmt.Errorf("spec.%w", err)
	}
	container := map[string]any{"name": "postgres", "resources": mapAt(spec, "resources")}
	parts, err := e.pods(o, map[string]any{"spec": map[string]any{"containers": []any{container}}}, "spec")
	if err != nil {
		return nil, err
	}
	for _, volume := range []string{"storage", "walStorage"} {
		size := at(spec, volume, "size")
		if size == nil {
			continue
		}
		q, err := quantityOf(size, "spec."+volume+".size")
		if err != nil {
			return nil, err
		}
		parts = e.priced(parts, o, e.scope(object), Item{Storage, textAt(spec, volume, "storageClass")}, exactly(gib(q)))
	}
	return times(parts, count(instances)), nil
}

// run is how many pod-hours a run of a Job takes, and for how many hours at once so many pods run at most.
type run struct {
	podHours Range
	// parallel pods at once, each for so long.
	parallel decimal.Decimal
	hours    decimal.Decimal
}

// longestRun is how long a run may typically last: a year.
const longestRun = 8760 * time.Hour

// typicalOf is how long a golden path says that a pod of a Job or CronJob lasts; 0 where it does not.
func typicalOf(object *unstructured.Unstructured) (time.Duration, error) {
	const key = platformv1alpha1.AnnotationTypicalDuration
	value := at(object.Object, "metadata", "annotations", key)
	if value == nil {
		return 0, nil
	}
	text, _ := value.(string)
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d > longestRun {
		return 0, fieldError("metadata.annotations["+key+"]", "%.40q must be a duration from 1s to 8760h, such as 59m or 1h30m: correct it in the template", fmt.Sprint(value))
	}
	return d, nil
}

// runOf reads the spec of a Job, as object has it.
func (e *estimator) runOf(o *Object, object *unstructured.Unstructured, spec map[string]any, path string) (run, error) {
	parallel, err := numberAt(spec, 1, "parallelism")
	if err != nil {
		return run{}, fmt.Errorf("%s.%w", path, err)
	}
	completions, err := numberAt(spec, parallel, "completions")
	if err != nil {
		return run{}, fmt.Errorf("%s.%w", path, err)
	}
	deadline, err := numberAt(spec, 0, "activeDeadlineSeconds")
	if err != nil {
		return run{}, fmt.Errorf("%s.%w", path, err)
	}
	parallel, deadline = min(parallel, completions), min(deadline, longest)
	if suspended, _ := at(spec, "suspend").(bool); suspended || parallel == 0 {
		o.Assumptions = append(o.Assumptions, "it is suspended, and counts as nothing")
		return run{}, nil
	}
	typical, err := typicalOf(object)
	if err != nil {
		return run{}, err
	}
	bound := time.Duration(deadline) * time.Second
	switch {
	case typical > 0 && bound > 0:
		typical = min(typical, bound)
	case typical == 0:
		typical = DefaultRun
		if bound > 0 {
			typical = min(typical, bound)
		}
		text := "at most as long, since nothing bounds it"
		if bound > 0 {
			text = fmt.Sprintf("at most %s, by activeDeadlineSeconds", bound)
		}
		o.Assumptions = append(o.Assumptions, fmt.Sprintf("a pod of a run lasts %s, as nothing is known of it; %s", typical, text))
	}
	hours := func(d time.Duration) decimal.Decimal {
		return decimal.NewFromInt(int64(d/time.Second)).DivRound(decimal.NewFromInt(3600), places)
	}
	r := run{parallel: decimal.NewFromInt(parallel), hours: hours(typical)}
	r.podHours = exactly(r.hours.Mul(decimal.NewFromInt(completions)))
	r.podHours.Max = decimal.Max(r.podHours.Max, r.parallel.Mul(hours(bound)))
	return r, nil
}

// job counts as once a month: a Job in a template runs again with what changes it.
func (e *estimator) job(o *Object, object *unstructured.Unstructured, spec map[string]any) ([]Part, error) {
	parts, err := e.pods(o, mapAt(spec, "template"), "spec.template.spec")
	if err != nil {
		return nil, err
	}
	r, err := e.runOf(o, object, spec, "spec")
	if err != nil || r.parallel.IsZero() {
		return nil, err
	}
	o.Assumptions = append(o.Assumptions, "it runs once a month")
	return times(parts, r.podHours.Mul(one.DivRound(month, places))), nil
}

func (e *estimator) cronJob(o *Object, object *unstructured.Unstructured, spec map[string]any) ([]Part, error) {
	job := mapAt(spec, "jobTemplate", "spec")
	parts, err := e.pods(o, mapAt(job, "template"), "spec.jobTemplate.spec.template.spec")
	if err != nil {
		return nil, err
	}
	perHour, err := runsPerHour(textAt(spec, "schedule"), textAt(spec, "timeZone"), &e.in.Awake)
	if err != nil {
		return nil, err
	}
	if suspended, _ := at(spec, "suspend").(bool); suspended {
		o.Assumptions = append(o.Assumptions, "it is suspended, and counts as nothing")
		return nil, nil
	}
	e.sleeps = e.sleeps || e.in.Awake.sleeps
	r, err := e.runOf(o, object, job, "spec.jobTemplate.spec")
	if err != nil || r.parallel.IsZero() {
		return nil, err
	}
	pods := r.podHours.Mul(perHour)
	if policy := textAt(spec, "concurrencyPolicy"); policy == "Forbid" || policy == "Replace" {
		most := r.parallel.Mul(e.in.Awake.Share()) // one run at a time
		pods = Range{decimal.Min(pods.Min, most), decimal.Min(pods.Expected, most), decimal.Min(pods.Max, most)}
	}
	return times(parts, pods), nil
}

// scaledJob is KEDA's: so many Jobs at once as there is work for.
func (e *estimator) scaledJob(o *Object, spec map[string]any) ([]Part, error) {
	parts, err := e.pods(o, mapAt(spec, "jobTargetRef", "template"), "spec.jobTargetRef.template.spec")
	if err != nil {
		return nil, err
	}
	least, err := numberAt(spec, 0, "minReplicaCount")
	if err != nil {
		return nil, fmt.Errorf("spec.%w", err)
	}
	most, err := numberAt(spec, kedaMost, "maxReplicaCount")
	if err != nil {
		return nil, fmt.Errorf("spec.%w", err)
	}
	return times(parts, e.between(o, least, max(least, most), o.Kind+"/"+o.Name)), nil
}

// number reads a whole number of a text; what is none stays a text, and is refused by numberAt.
func number(text string) any {
	d, err := decimal.NewFromString(text)
	if err != nil || !d.IsInteger() || len(text) > 9 {
		return text
	}
	return d.IntPart()
}
