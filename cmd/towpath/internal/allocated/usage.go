package allocated

import (
	"context"
	"fmt"
	"math"

	"github.com/shopspring/decimal"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/towpath-dev/towpath/internal/prometheus"
	"github.com/towpath-dev/towpath/internal/showback"
)

// Asker asks a Prometheus for the series of a query: internal/prometheus has one.
type Asker func(ctx context.Context, query string) ([]prometheus.Series, error)

// usage is what a container uses: cores, and GiB of memory.
type usage struct{ cpu, memory decimal.Decimal }

// The queries are the mean of an hour, by container.
const (
	cpuQuery    = `sum by (namespace, pod, container) (rate(container_cpu_usage_seconds_total{container!="",pod!=""}[1h]))`
	memoryQuery = `sum by (namespace, pod, container) (avg_over_time(container_memory_working_set_bytes{container!="",pod!=""}[1h]))`
	// mostUsed is more than a container uses of anything.
	mostUsed = 1e15
)

// usage is what containers use, by namespace/pod/container: of Prometheus, or else of metrics.k8s.io.
func (l *looker) usage(ctx context.Context, ask Asker) (map[string]usage, error) {
	if ask == nil {
		return l.sampled(ctx)
	}
	used := map[string]usage{}
	for _, query := range []string{cpuQuery, memoryQuery} {
		series, err := ask(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, s := range series {
			if math.IsNaN(s.Value) || s.Value < 0 || s.Value > mostUsed {
				continue
			}
			key := s.Labels["namespace"] + "/" + s.Labels["pod"] + "/" + s.Labels["container"]
			u := used[key]
			if query == cpuQuery {
				u.cpu = decimal.NewFromFloat(s.Value)
			} else {
				u.memory = decimal.NewFromFloat(s.Value).DivRound(decimal.NewFromInt(1<<30), gibPlaces)
			}
			used[key] = u
		}
	}
	l.found.Usage = showback.UsagePrometheus
	l.note("a container pays for what it asks for or what it used in the mean of the last hour, by Prometheus, whichever is more")
	return used, nil
}

// sampled is what metrics-server tells: one sample of each pod, of now.
func (l *looker) sampled(ctx context.Context) (map[string]usage, error) {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("metrics.k8s.io/v1beta1")
	list.SetKind("PodMetricsList")
	unknown := ""
	switch err := l.List(ctx, list); {
	case apierrors.IsForbidden(err):
		unknown = "you may not list pods.metrics.k8s.io in all namespaces"
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err), apierrors.IsServiceUnavailable(err):
		unknown = "the cluster serves no metrics.k8s.io, which metrics-server does"
	case err != nil:
		return nil, fmt.Errorf("listing pods.metrics.k8s.io: %w", err)
	}
	if unknown != "" {
		l.found.Usage = showback.UsageRequests
		l.note("what is used is not known, so that what containers ask for counts alone: %s. Give --prometheus", unknown)
		return nil, nil
	}
	used := map[string]usage{}
	for i := range list.Items {
		containers, _, _ := unstructured.NestedSlice(list.Items[i].Object, "containers")
		for _, c := range containers {
			container, ok := c.(map[string]any)
			if !ok {
				continue
			}
			name, _, _ := unstructured.NestedString(container, "name")
			used[list.Items[i].GetNamespace()+"/"+list.Items[i].GetName()+"/"+name] = usage{quantity(container, "cpu"), quantity(container, "memory").DivRound(decimal.NewFromInt(1<<30), gibPlaces)}
		}
	}
	l.found.Usage = showback.UsageMetrics
	l.note("a container pays for what it asks for or what it uses just now, by one sample of metrics.k8s.io, whichever is more")
	return used, nil
}

func quantity(container map[string]any, name string) decimal.Decimal {
	text, _, _ := unstructured.NestedString(container, "usage", name)
	parsed, err := resource.ParseQuantity(text)
	if err != nil || parsed.Sign() < 0 {
		return decimal.Zero
	}
	return amountOf(parsed)
}
