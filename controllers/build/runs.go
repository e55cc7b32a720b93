package build

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline/tekton"
)

// Capabilities tells which optional APIs the cluster serves.
type Capabilities interface {
	// Available returns those of the given group/version/Kind names that the cluster serves now, in the order given.
	Available(ctx context.Context, names []string) ([]string, error)
}

// runs watches the PipelineRuns and TaskRuns of Builds, from when a Build first needs them: the cluster may not have Tekton,
// and may get it, or lose it, while the manager runs.
type runs struct {
	cache   cache.Cache
	mapper  meta.RESTMapper
	watch   func(source.Source) error
	enqueue handler.EventHandler

	mu      sync.Mutex
	watched map[string]bool
}

// newRuns returns one that watches nothing yet. The manager starts its cache with its other ones.
func newRuns(mgr ctrl.Manager, enqueue handler.EventHandler) (*runs, error) {
	bears, err := labels.NewRequirement(platformv1alpha1.LabelBuild, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	of, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultLabelSelector: labels.NewSelector().Add(*bears), DefaultTransform: lighten,
	})
	if err != nil {
		return nil, fmt.Errorf("building the cache of the runs of Tekton: %w", err)
	}
	return &runs{cache: of, mapper: mgr.GetRESTMapper(), enqueue: enqueue, watched: map[string]bool{}}, mgr.Add(of)
}

// lighten reduces a run to what tells how it is: Tekton repeats the whole pipeline in its status.
func lighten(in any) (any, error) {
	run, ok := in.(*unstructured.Unstructured)
	if !ok {
		return in, nil
	}
	run.SetManagedFields(nil)
	status, _, _ := unstructured.NestedString(run.Object, "spec", "status")
	run.Object["spec"] = map[string]any{"status": status}
	if fields, ok := run.Object["status"].(map[string]any); ok {
		for _, large := range []string{"pipelineSpec", "taskSpec", "provenance", "skippedTasks", "retriesStatus", "spanContext"} {
			delete(fields, large)
		}
	}
	return run, nil
}

// ensure begins to watch the kinds, where that was not done. A kind that the API server does not serve is a NoMatch error: its
// informer would try for ever.
func (c *runs) ensure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kind := range []string{tekton.Kind, tekton.KindOfTask} {
		if c.watched[kind] {
			continue
		}
		var object client.Object = newRun(kind)
		gvk := object.GetObjectKind().GroupVersionKind()
		if _, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
			return err
		}
		if err := c.watch(source.Kind(c.cache, object, c.enqueue)); err != nil {
			return fmt.Errorf("watching %s: %w", kind, err)
		}
		c.watched[kind] = true
	}
	return nil
}

// get returns what the cache knows of a run; nil where it knows none, or has not listed them yet. It never waits for the API server.
func (c *runs) get(ctx context.Context, kind string, key types.NamespacedName) (run *unstructured.Unstructured, listed bool, err error) {
	c.mu.Lock()
	watched := c.watched[kind]
	c.mu.Unlock()
	if !watched {
		return nil, false, nil
	}
	run = newRun(kind)
	informer, err := c.cache.GetInformer(ctx, run, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, false, fmt.Errorf("watching %s: %w", kind, err)
	}
	if !informer.HasSynced() {
		return nil, false, nil
	}
	err = c.cache.Get(ctx, key, run)
	if apierrors.IsNotFound(err) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading %s %s from the cache: %w", kind, key, err)
	}
	return run, true, nil
}

func newRun(kind string) *unstructured.Unstructured {
	run := &unstructured.Unstructured{}
	run.SetAPIVersion(tekton.APIVersion)
	run.SetKind(kind)
	return run
}
