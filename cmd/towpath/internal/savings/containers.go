// Package savings looks with the caller's rights at what a team runs, so that internal/rightsize can say how to spend less: what
// containers ask for and use, and since when nothing was released to an environment.
package savings

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/rightsize"
)

// Asker asks a Prometheus: internal/prometheus has one.
type Asker func(ctx context.Context, query string) ([]float64, error)

// window is how far back usage is looked at, and step how often.
const (
	window = 7 * 24 * time.Hour
	step   = 5 * time.Minute
)

// found is a container with the pods that it runs in.
type found struct {
	rightsize.Container

	namespace string
	pods      []string
	workloads []string
}

// Containers are those of the team's environments, with their usage as far as it is known. unknown says why it is not,
// where that is so for all.
func Containers(ctx context.Context, c client.Reader, environments []platformv1alpha1.Environment, ask Asker) (containers []rightsize.Container, unknown string, err error) {
	var all []*found
	for i := range environments {
		e := &environments[i]
		if e.Status.Namespace == "" {
			continue
		}
		list, why, err := ofNamespace(ctx, c, e)
		if err != nil {
			return nil, "", err
		}
		unknown = keep(unknown, why)
		if ask == nil && why == "" {
			why, err = sample(ctx, c, e.Status.Namespace, list)
			if err != nil {
				return nil, "", err
			}
			unknown = keep(unknown, why)
		}
		all = append(all, list...)
	}
	if ask != nil {
		for _, f := range all {
			if f.Usage, err = asked(ctx, ask, f); err != nil {
				return nil, "", err
			}
		}
	}
	for _, f := range all {
		containers = append(containers, f.Container)
	}
	if unknown == "" && len(all) > 0 && !slices.ContainsFunc(all, func(f *found) bool { return f.Usage != nil }) {
		unknown = "there is no sample of what runs"
	}
	return containers, unknown, nil
}

func keep(first, second string) string {
	if first != "" {
		return first
	}
	return second
}

// ofNamespace are the containers of an environment that run, and why they may not be looked at.
func ofNamespace(ctx context.Context, c client.Reader, e *platformv1alpha1.Environment) ([]*found, string, error) {
	namespace := e.Status.Namespace
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.InNamespace(namespace), client.HasLabels{platformv1alpha1.LabelComponent}); err != nil {
		if apierrors.IsForbidden(err) {
			return nil, "you may not list pods in namespace " + namespace, nil
		}
		return nil, "", fmt.Errorf("listing pods in namespace %s: %w", namespace, err)
	}
	scaled := map[string]bool{}
	var autoscalers autoscalingv2.HorizontalPodAutoscalerList
	if err := c.List(ctx, &autoscalers, client.InNamespace(namespace)); err != nil && !apierrors.IsForbidden(err) {
		return nil, "", fmt.Errorf("listing autoscalers in namespace %s: %w", namespace, err)
	}
	for i := range autoscalers.Items {
		scaled[autoscalers.Items[i].Labels[platformv1alpha1.LabelComponent]] = true
	}
	byName := map[string]*found{}
	var list []*found
	for i := range pods.Items {
		pod := &pods.Items[i]
		workload := workloadOf(pod)
		if pod.Status.Phase != corev1.PodRunning || workload == "" {
			continue
		}
		component := pod.Labels[platformv1alpha1.LabelComponent]
		for j := range pod.Spec.Containers {
			container := &pod.Spec.Containers[j]
			f := byName[component+"/"+container.Name]
			if f == nil {
				f = &found{namespace: namespace, Container: rightsize.Container{
					Environment: e.Name, Component: component, Name: container.Name, Tier: e.Status.Tier, NodeSelector: pod.Spec.NodeSelector,
					Autoscaled: scaled[component],
					Request: rightsize.Resources{
						CPU:    decimalOf(container.Resources.Requests[corev1.ResourceCPU]),
						Memory: gib(decimalOf(container.Resources.Requests[corev1.ResourceMemory])),
					},
				}}
				byName[component+"/"+container.Name] = f
				list = append(list, f)
			}
			f.Pods++
			f.pods = append(f.pods, pod.Name)
			if !slices.Contains(f.workloads, workload) {
				f.workloads = append(f.workloads, workload)
			}
		}
	}
	return list, "", nil
}

// workloadOf is the name that begins the names of a workload's pods; empty for pods of Jobs, whose requests are not paid for
// all of the time.
func workloadOf(pod *corev1.Pod) string {
	owner := metav1.GetControllerOf(pod)
	switch {
	case owner == nil || owner.Kind == "Job":
		return ""
	case owner.Kind == "ReplicaSet":
		return strings.TrimSuffix(owner.Name, "-"+pod.Labels["pod-template-hash"])
	}
	return owner.Name
}

func decimalOf(quantity resource.Quantity) decimal.Decimal {
	amount, err := decimal.NewFromString(quantity.AsDec().String())
	if err != nil {
		return decimal.Zero // a quantity that was read is a number
	}
	return amount
}

const (
	gibPlaces = 9
	// mostBytes is more than a container uses of anything.
	mostBytes = 1e15
)

func gib(amount decimal.Decimal) decimal.Decimal {
	return amount.DivRound(decimal.NewFromInt(1<<30), gibPlaces)
}

// sample fills in what metrics-server tells: one sample of each pod, of now.
func sample(ctx context.Context, c client.Reader, namespace string, list []*found) (unknown string, err error) {
	metrics := &unstructured.UnstructuredList{}
	metrics.SetAPIVersion("metrics.k8s.io/v1beta1")
	metrics.SetKind("PodMetricsList")
	switch err := c.List(ctx, metrics, client.InNamespace(namespace)); {
	case apierrors.IsForbidden(err):
		return fmt.Sprintf("you may not list pods.metrics.k8s.io in namespace %s: ask for that right, or give --prometheus", namespace), nil
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err), apierrors.IsServiceUnavailable(err):
		return "the cluster serves no metrics.k8s.io, which metrics-server does: give --prometheus", nil
	case err != nil:
		return "", fmt.Errorf("listing pods.metrics.k8s.io in namespace %s: %w", namespace, err)
	}
	type used struct{ cpu, memory decimal.Decimal }
	samples := map[string]used{}
	for i := range metrics.Items {
		containers, _, _ := unstructured.NestedSlice(metrics.Items[i].Object, "containers")
		for _, c := range containers {
			container, ok := c.(map[string]any)
			if !ok {
				continue
			}
			name, _, _ := unstructured.NestedString(container, "name")
			samples[metrics.Items[i].GetName()+"/"+name] = used{quantity(container, "cpu"), gib(quantity(container, "memory"))}
		}
	}
	for _, f := range list {
		var cpu, memory []decimal.Decimal
		for _, pod := range f.pods {
			if s, ok := samples[pod+"/"+f.Name]; ok {
				cpu, memory = append(cpu, s.cpu), append(memory, s.memory)
			}
		}
		if cores, ok := rightsize.Percentile(cpu, rightsize.CPUPercentile); ok {
			most, _ := rightsize.Percentile(memory, rightsize.MemoryPercentile)
			f.Usage = &rightsize.Usage{Resources: rightsize.Resources{CPU: cores, Memory: most}, Samples: 1}
		}
	}
	return "", nil
}

func quantity(container map[string]any, name string) decimal.Decimal {
	text, _, _ := unstructured.NestedString(container, "usage", name)
	parsed, err := resource.ParseQuantity(text)
	if err != nil {
		return decimal.Zero
	}
	return decimalOf(parsed)
}

// asked is the usage that Prometheus knows of a container; nil for none. Of pods that differ, the one that uses most counts.
func asked(ctx context.Context, ask Asker, f *found) (*rightsize.Usage, error) {
	names := make([]string, len(f.workloads))
	for i, name := range f.workloads {
		names[i] = regexp.QuoteMeta(name)
	}
	selector := fmt.Sprintf("{namespace=%s,container=%s,pod=~%s}", strconv.Quote(f.namespace), strconv.Quote(f.Name), strconv.Quote("("+strings.Join(names, "|")+")-.+"))
	over := fmt.Sprintf("[%dd:%dm]", int(window.Hours()/24), int(step.Minutes()))
	var answers [3]float64
	for i, query := range []string{
		fmt.Sprintf("max(quantile_over_time(%s, rate(container_cpu_usage_seconds_total%s[5m])%s))", rightsize.CPUPercentile, selector, over),
		fmt.Sprintf("max(quantile_over_time(%s, container_memory_working_set_bytes%s%s))", rightsize.MemoryPercentile, selector, over),
		fmt.Sprintf("max(count_over_time(container_memory_working_set_bytes%s%s))", selector, over),
	} {
		values, err := ask(ctx, query)
		if err != nil {
			return nil, err
		}
		if len(values) != 1 || math.IsNaN(values[0]) || values[0] < 0 || values[0] > mostBytes {
			return nil, nil
		}
		answers[i] = values[0]
	}
	return &rightsize.Usage{
		Resources: rightsize.Resources{CPU: decimal.NewFromFloat(answers[0]), Memory: gib(decimal.NewFromFloat(answers[1]))},
		Samples:   int(answers[2]), Window: window,
	}, nil
}
