package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// latencies watches when Components have all of their objects.
type latencies struct {
	mu sync.Mutex
	// kinds are those that each Component has, by its workload namespace and name.
	kinds map[types.NamespacedName]map[string]bool
	// complete is when a Component had all.
	complete map[types.NamespacedName]time.Time
	// released is when a Component of the quiet team had its Release, by its name.
	released map[string]time.Time
	changed  chan struct{}
}

func newLatencies() *latencies {
	return &latencies{
		kinds: map[types.NamespacedName]map[string]bool{}, complete: map[types.NamespacedName]time.Time{}, released: map[string]time.Time{},
		changed: make(chan struct{}, 1),
	}
}

// watchLatencies begins to watch, and returns when all watches are open. It ends with the context.
func watchLatencies(ctx context.Context, c *cluster) (*latencies, error) {
	l := newLatencies()
	children, err := watchChildren(ctx, c, l.child)
	if err != nil {
		return nil, err
	}
	// Those of the quiet team alone: all would be a load of their own.
	releases, err := cache.New(c.config, cache.Options{
		Scheme: c.client.Scheme(), DefaultNamespaces: map[string]cache.Config{homeNamespace(quietTeam): {}}, DefaultTransform: cache.TransformStripManagedFields(),
	})
	if err != nil {
		return nil, err
	}
	if err := observe(ctx, releases, &platformv1alpha1.Release{}, l.release); err != nil {
		return nil, err
	}
	return l, start(ctx, children, releases)
}

func (l *latencies) release(object any) {
	r, ok := object.(*platformv1alpha1.Release)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.released[r.Spec.Component.Name]; !known {
		l.released[r.Spec.Component.Name] = time.Now()
	}
}

// releasedAt returns when a Component of the quiet team had its Release.
func (l *latencies) releasedAt(name string) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.released[name]
	return at, ok
}

func (l *latencies) child(kind string, object any) {
	o, ok := object.(client.Object)
	if !ok {
		return
	}
	key := types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetLabels()[platformv1alpha1.LabelComponent]}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kinds[key] == nil {
		l.kinds[key] = map[string]bool{}
	}
	l.kinds[key][kind] = true
	if _, known := l.complete[key]; known || len(l.kinds[key]) < len(childKinds) {
		return
	}
	l.complete[key] = time.Now()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// at returns when a Component had all of its objects.
func (l *latencies) at(key types.NamespacedName) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.complete[key]
	return at, ok
}

// await waits until Components have all of their objects, and returns the last moment.
func (l *latencies) await(ctx context.Context, keys []types.NamespacedName) (last time.Time, err error) {
	missing := slices.Clone(keys)
	for {
		missing = slices.DeleteFunc(missing, func(key types.NamespacedName) bool {
			at, ok := l.at(key)
			if at.After(last) {
				last = at
			}
			return ok
		})
		if len(missing) == 0 {
			return last, nil
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			return last, fmt.Errorf("%d of %d Components lack objects, %s among them: %w", len(missing), len(keys), missing[0], ctx.Err())
		}
	}
}

// awaitAny waits until any of the Components has all of its objects.
func (l *latencies) awaitAny(ctx context.Context, keys []types.NamespacedName) (time.Time, error) {
	for {
		for _, key := range keys {
			if at, ok := l.at(key); ok {
				return at, nil
			}
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("none of %d Components has its objects: %w", len(keys), ctx.Err())
		}
	}
}

// sample sums up how long Components took from when they were due to be created until all of their objects existed.
type sample struct {
	Count      int     `json:"count"`
	P50Seconds float64 `json:"p50Seconds"`
	P99Seconds float64 `json:"p99Seconds"`
	MaxSeconds float64 `json:"maxSeconds"`
}

func sampleOf(seconds []float64) sample {
	sorted := slices.Sorted(slices.Values(seconds))
	return sample{
		Count: len(sorted), P50Seconds: milli(percentile(sorted, 0.50)), P99Seconds: milli(percentile(sorted, 0.99)),
		MaxSeconds: milli(sorted[len(sorted)-1]),
	}
}

// percentile is the smallest value that a share of all is not above (nearest rank).
func percentile(sorted []float64, share float64) float64 {
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}

func milli(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }
