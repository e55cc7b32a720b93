package allocated

import (
	"context"
	"fmt"
	"math"
	"slices"

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

// used are the samples of containers, by namespace/pod/container, as many of each as there are at all: one that was not there yet used nothing,
// so that what it asks for counts.
type used struct {
	samples int
	of      map[string][]usage
}

// at are the samples of a container.
func (u used) at(namespace, pod, container string) []usage {
	if found := u.of[namespace+"/"+pod+"/"+container]; found != nil {
		return found
	}
	return make([]usage, u.samples)
}

const (
	// slots is into how many samples the last hour is parted, each of slotMinutes: a short peak above what is asked for is paid for. Months of
	// 730 hours part into them evenly.
	slots, slotMinutes = 10, 6
	// cpuQuery and memoryQuery are the mean of a slot, by container; %[1]d are its minutes, and %[2]d how many it was ago.
	cpuQuery    = `sum by (namespace, pod, container) (rate(container_cpu_usage_seconds_total{container!="",pod!=""}[%[1]dm] offset %[2]dm))`
	memoryQuery = `sum by (namespace, pod, container) (avg_over_time(container_memory_working_set_bytes{container!="",pod!=""}[%[1]dm] offset %[2]dm))`
	// mostUsed is more than a container uses of anything.
	mostUsed = 1e15
)

// usage is what containers use: of Prometheus, or else of metrics.k8s.io.
func (l *looker) usage(ctx context.Context, ask Asker) (used, error) {
	if ask == nil {
		return l.sampled(ctx)
	}
	all := used{samples: slots, of: map[string][]usage{}}
	var lacks [2]int // samples without processor, and without memory
	for slot := range slots {
		for i, query := range []string{cpuQuery, memoryQuery} {
			series, err := ask(ctx, fmt.Sprintf(query, slotMinutes, slot*slotMinutes))
			if err != nil {
				return used{}, err
			}
			if !slices.ContainsFunc(series, func(s prometheus.Series) bool { return sane(s.Value) }) {
				lacks[i]++
			}
			for _, s := range series {
				if !sane(s.Value) {
					continue
				}
				key := s.Labels["namespace"] + "/" + s.Labels["pod"] + "/" + s.Labels["container"]
				if all.of[key] == nil {
					all.of[key] = make([]usage, slots)
				}
				if u := &all.of[key][slot]; query == cpuQuery {
					u.cpu = decimal.NewFromFloat(s.Value)
				} else {
					u.memory = decimal.NewFromFloat(s.Value).DivRound(decimal.NewFromInt(1<<30), gibPlaces)
				}
			}
		}
	}
	if len(all.of) == 0 {
		return l.unknown("the Prometheus has neither container_cpu_usage_seconds_total nor container_memory_working_set_bytes of any container"), nil
	}
	l.found.Usage = showback.UsagePrometheus
	l.note("a container pays for what it asks for or what it used, whichever is more, in each of %d samples of the last hour, by Prometheus", slots)
	for i, metric := range []string{"container_cpu_usage_seconds_total", "container_memory_working_set_bytes"} {
		if lacks[i] > 0 {
			l.note("%d of %d samples of the last hour have no %s of any container, so that what containers ask for counts there: "+
				"Prometheus must scrape at least twice in %d minutes", lacks[i], slots, metric, slotMinutes)
		}
	}
	return all, nil
}

func sane(value float64) bool { return !math.IsNaN(value) && value >= 0 && value <= mostUsed }

// unknown says that requests count alone, and why.
func (l *looker) unknown(why string) used {
	l.found.Usage = showback.UsageRequests
	l.note("what is used is not known, so that what containers ask for counts alone: %s", why)
	return used{samples: 1}
}

// sampled is what metrics-server tells: one sample of each pod, of now.
func (l *looker) sampled(ctx context.Context) (used, error) {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("metrics.k8s.io/v1beta1")
	list.SetKind("PodMetricsList")
	switch err := l.List(ctx, list); {
	case apierrors.IsForbidden(err):
		return l.unknown("you may not list pods.metrics.k8s.io in all namespaces. Give --prometheus"), nil
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err), apierrors.IsServiceUnavailable(err):
		return l.unknown("the cluster serves no metrics.k8s.io, which metrics-server does. Give --prometheus"), nil
	case err != nil:
		return used{}, fmt.Errorf("listing pods.metrics.k8s.io: %w", err)
	}
	all := used{samples: 1, of: map[string][]usage{}}
	for i := range list.Items {
		containers, _, _ := unstructured.NestedSlice(list.Items[i].Object, "containers")
		for _, c := range containers {
			container, ok := c.(map[string]any)
			if !ok {
				continue
			}
			name, _, _ := unstructured.NestedString(container, "name")
			all.of[list.Items[i].GetNamespace()+"/"+list.Items[i].GetName()+"/"+name] = []usage{{
				quantity(container, "cpu"), quantity(container, "memory").DivRound(decimal.NewFromInt(1<<30), gibPlaces),
			}}
		}
	}
	l.found.Usage = showback.UsageMetrics
	l.note("a container pays for what it asks for or what it uses just now, by one sample of metrics.k8s.io, whichever is more")
	return all, nil
}

func quantity(container map[string]any, name string) decimal.Decimal {
	text, _, _ := unstructured.NestedString(container, "usage", name)
	parsed, err := resource.ParseQuantity(text)
	if err != nil || parsed.Sign() < 0 {
		return decimal.Zero
	}
	return amountOf(parsed)
}
