package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// childKinds are the kinds of the template's objects.
var childKinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ServiceAccount"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Version: "v1", Kind: "Service"},
	{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
}

// tally counts objects until there are as many as wanted.
type tally struct {
	what string
	want int

	mu sync.Mutex
	// seen is when each was.
	seen map[string]time.Time
	at   time.Time
	done chan struct{}
}

func newTally(what string, want int) *tally {
	return &tally{what: what, want: want, seen: map[string]time.Time{}, done: make(chan struct{})}
}

// add counts an object, once.
func (t *tally) add(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.seen[key]; known || len(t.seen) == t.want {
		return
	}
	t.at = time.Now()
	t.seen[key] = t.at
	if len(t.seen) == t.want {
		close(t.done)
	}
}

// has says whether an object was counted.
func (t *tally) has(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, known := t.seen[key]
	return known
}

// times are when the objects were seen, in order.
func (t *tally) times() []time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Values(t.seen), time.Time.Compare)
}

// await waits until all were seen, and returns when that was.
func (t *tally) await(ctx context.Context) (time.Time, error) {
	select {
	case <-t.done:
		return t.at, nil
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		return time.Time{}, fmt.Errorf("%d of %d %s: %w", len(t.seen), t.want, t.what, ctx.Err())
	}
}

// progress watches what comes about, in the same way whoever makes it.
type progress struct {
	// children counts all objects of the template, available the Deployments with their pods, ready the
	// Components that are Ready.
	children, available, ready *tally
}

// watchProgress begins to watch, and returns when all watches are open. It ends with the context.
func watchProgress(ctx context.Context, c *cluster, o *options) (*progress, error) {
	p := &progress{
		children:  newTally("children exist", o.instances*len(childKinds)),
		available: newTally("Deployments are available", o.instances),
		ready:     newTally("Components are Ready", o.instances),
	}
	children, err := watchChildren(ctx, c, p.child)
	if err != nil {
		return nil, err
	}
	caches := []cache.Cache{children}
	if o.ready {
		if err := observe(ctx, children, &appsv1.Deployment{}, p.deployment); err != nil {
			return nil, err
		}
	}
	if o.ready && c.manager != nil {
		components, err := cache.New(c.config, cache.Options{Scheme: c.client.Scheme(), DefaultTransform: cache.TransformStripManagedFields()})
		if err != nil {
			return nil, err
		}
		if err := observe(ctx, components, &platformv1alpha1.Component{}, p.component); err != nil {
			return nil, err
		}
		caches = append(caches, components)
	}
	return p, start(ctx, caches...)
}

// watchChildren has a function called with each object of a Component that appears or changes, and its kind, once the cache is
// started.
func watchChildren(ctx context.Context, c *cluster, do func(kind string, object any)) (cache.Cache, error) {
	// Objects of Environments have no Component.
	ofComponents, err := labels.NewRequirement(platformv1alpha1.LabelComponent, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	children, err := cache.New(c.config, cache.Options{
		Scheme: c.client.Scheme(), DefaultLabelSelector: labels.NewSelector().Add(*ofComponents), DefaultTransform: cache.TransformStripManagedFields(),
	})
	if err != nil {
		return nil, err
	}
	for _, kind := range childKinds {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(kind)
		if err := observe(ctx, children, object, func(object any) { do(kind.Kind, object) }); err != nil {
			return nil, err
		}
	}
	return children, nil
}

// start starts caches, and returns when all of their watches are open. They end with the context.
func start(ctx context.Context, caches ...cache.Cache) error {
	for _, watched := range caches {
		go func() { _ = watched.Start(ctx) }()
		if !watched.WaitForCacheSync(ctx) {
			return fmt.Errorf("the watches of the bench did not open: %w", ctx.Err())
		}
	}
	return nil
}

// observe calls a function for each object that appears or changes.
func observe(ctx context.Context, from cache.Cache, object client.Object, do func(any)) error {
	informer, err := from.GetInformer(ctx, object, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: do, UpdateFunc: func(_, object any) { do(object) }})
	return err
}

func (p *progress) child(kind string, object any) {
	if o, ok := object.(client.Object); ok {
		p.children.add(kind + " " + client.ObjectKeyFromObject(o).String())
	}
}

func (p *progress) deployment(object any) {
	d, ok := object.(*appsv1.Deployment)
	if !ok || d.Status.ObservedGeneration != d.Generation {
		return
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentAvailable && c.Status == corev1.ConditionTrue {
			p.available.add(client.ObjectKeyFromObject(d).String())
		}
	}
}

func (p *progress) component(object any) {
	c, ok := object.(*platformv1alpha1.Component)
	if ok && c.Status.ObservedGeneration == c.Generation && meta.IsStatusConditionTrue(c.Status.Conditions, platformv1alpha1.ConditionReady) {
		p.ready.add(client.ObjectKeyFromObject(c).String())
	}
}
