package release

import (
	"context"
	"fmt"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/intern"
)

// Annotations of cached children only.
const (
	// ownedAnnotation carries the hash of the fields that Towpath owns.
	ownedAnnotation = "towpath.cache/owned"
	// replicasAnnotation says that spec.replicas is one of them.
	replicasAnnotation = "towpath.cache/owns-replicas"
	// asleepAnnotation says that the object is as our last write put it to sleep.
	asleepAnnotation = "towpath.cache/asleep"
)

// newChildCache returns a cache of the objects that Releases make: those that bear an owner-uid,
// without what is large and not needed to judge their readiness.
func newChildCache(mgr ctrl.Manager) (cache.Cache, error) {
	owned, err := labels.NewRequirement(platformv1alpha1.LabelOwnerUID, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	return cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient:           mgr.GetHTTPClient(),
		Scheme:               mgr.GetScheme(),
		Mapper:               mgr.GetRESTMapper(),
		DefaultLabelSelector: labels.NewSelector().Add(*owned),
		DefaultTransform:     strip,
	})
}

// strip reduces a child to its metadata, status and the light part of its spec, and the entry of
// managedFields that is ours to a hash.
func strip(in any) (any, error) {
	o, ok := in.(client.Object)
	if !ok {
		return in, nil
	}
	annotations := o.GetAnnotations()
	if _, stripped := annotations[ownedAnnotation]; stripped && len(o.GetManagedFields()) == 0 {
		return in, nil // the informer hands some objects in twice
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	managed := o.GetManagedFields()
	annotations[ownedAnnotation] = apply.Owned(managed)
	if apply.OwnsReplicas(managed) {
		annotations[replicasAnnotation] = "true"
	}
	if apply.Asleep(managed) {
		annotations[asleepAnnotation] = "true"
	}
	if set, ok := o.(*appsv1.StatefulSet); ok && len(set.Spec.VolumeClaimTemplates) > 0 {
		annotations[claimsAnnotation] = claimTemplates(set.Spec.VolumeClaimTemplates)
	}
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	o.SetAnnotations(annotations)
	o.SetManagedFields(nil)
	intern.Metadata(o)
	switch o := o.(type) {
	case *unstructured.Unstructured:
		lighten(o.Object)
	case *appsv1.Deployment:
		o.Spec.Template = corev1.PodTemplateSpec{}
	case *appsv1.StatefulSet:
		o.Spec.Template, o.Spec.VolumeClaimTemplates = corev1.PodTemplateSpec{}, nil
	case *appsv1.DaemonSet:
		o.Spec.Template = corev1.PodTemplateSpec{}
	case *batchv1.Job:
		o.Spec.Template = corev1.PodTemplateSpec{}
	case *batchv1.CronJob:
		o.Spec.JobTemplate = batchv1.JobTemplateSpec{}
	case *corev1.ConfigMap:
		o.Data, o.BinaryData = nil, nil
	}
	return o, nil
}

// lighten drops what is large and says nothing about readiness.
func lighten(object map[string]any) {
	for _, field := range []string{"data", "binaryData", "stringData"} {
		delete(object, field)
	}
	if spec, ok := object["spec"].(map[string]any); ok {
		for _, field := range []string{"template", "jobTemplate", "volumeClaimTemplates"} {
			delete(spec, field)
		}
	}
}

// child is what the cache knows of one object.
type child struct {
	// live is the object, nil where there is none.
	live *unstructured.Unstructured
	// known is false while the cache has not listed the kind yet, or has not caught up with our own
	// last write: then nothing can be said, and the event to come will wake the Release.
	known bool
	// listed is false while the cache has not listed the kind yet.
	listed bool
}

// owned returns the hash of our fields on the live object.
func (c child) owned() string { return c.live.GetAnnotations()[ownedAnnotation] }

// replicas returns the number of replicas that the object runs with, where Towpath set it.
func (c child) replicas() (int64, bool) {
	if c.live == nil || c.live.GetAnnotations()[replicasAnnotation] == "" {
		return 0, false
	}
	return c.specReplicas()
}

// specReplicas returns the number of replicas that the object runs with, whoever set it.
func (c child) specReplicas() (int64, bool) {
	n, ok, err := unstructured.NestedInt64(c.live.Object, "spec", "replicas")
	return n, ok && err == nil
}

// children watches the objects of all Releases, kind by kind, from when a Release first needs one.
type children struct {
	cache   cache.Cache
	mapper  meta.RESTMapper
	watch   func(source.Source) error
	enqueue handler.EventHandler
	writes  freshness.Tracker[childKey]

	mu      sync.Mutex
	watched map[schema.GroupVersionKind]bool
}

type childKey struct {
	schema.GroupVersionKind
	types.NamespacedName
}

// ensure begins to watch a kind. A kind that the API server does not serve is a NoMatch error: its
// informer would try for ever.
func (c *children) ensure(gvk schema.GroupVersionKind) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watched[gvk] {
		return nil
	}
	if _, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
		return err
	}
	if err := c.watch(source.Kind(c.cache, newObject(gvk), c.enqueue)); err != nil {
		return fmt.Errorf("watching %s: %w", gvk.Kind, err)
	}
	if c.watched == nil {
		c.watched = map[schema.GroupVersionKind]bool{}
	}
	c.watched[gvk] = true
	return nil
}

// get returns what the cache knows of an object. It never waits for the API server.
func (c *children) get(ctx context.Context, key childKey) (child, error) {
	informer, err := c.cache.GetInformer(ctx, newObject(key.GroupVersionKind), cache.BlockUntilSynced(false))
	if err != nil {
		return child{}, fmt.Errorf("watching %s: %w", key.Kind, err)
	}
	if !informer.HasSynced() {
		return child{}, nil
	}
	indexed, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return child{}, fmt.Errorf("reading %s %s: its cache is a %T, which cannot be read; this is a bug in Towpath", key.Kind, key.NamespacedName, informer)
	}
	// Read before the object is looked up: what is not found after that is not there at this version.
	// The version of the store counts, since the reflector's is ahead of what can be found.
	seen := indexed.GetIndexer().LastStoreSyncResourceVersion()
	// Not by the cache's Get, which copies the object before it is converted, which copies it again.
	found, exists, err := indexed.GetIndexer().GetByKey(key.NamespacedName.String())
	if err != nil {
		return child{}, fmt.Errorf("reading %s %s from the cache: %w", key.Kind, key.NamespacedName, err)
	}
	if !exists {
		// Deleted since our last write, if the watch is past that; else our write is still to come.
		return child{known: !c.writes.Stale(key, seen), listed: true}, nil
	}
	cached, ok := found.(client.Object)
	if !ok {
		return child{}, fmt.Errorf("reading %s %s from the cache: it holds a %T; this is a bug in Towpath", key.Kind, key.NamespacedName, found)
	}
	live, err := asUnstructured(cached, key.GroupVersionKind)
	return child{live: live, known: !c.writes.Stale(key, cached.GetResourceVersion()), listed: true}, err
}

// newObject returns what a kind is watched as. Those that Kubernetes itself has come typed: the API server and the
// manager then speak protobuf about them, which costs both a fraction of JSON.
func newObject(gvk schema.GroupVersionKind) client.Object {
	if typed, err := clientgoscheme.Scheme.New(gvk); err == nil {
		if o, ok := typed.(client.Object); ok {
			return o
		}
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	return u
}

// asUnstructured returns a copy of a cached child as rules of readiness see it.
func asUnstructured(o client.Object, gvk schema.GroupVersionKind) (*unstructured.Unstructured, error) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u.DeepCopy(), nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("converting %s %s: %w", gvk.Kind, o.GetName(), err)
	}
	lighten(content)
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk) // what the cache holds typed says nothing of its kind
	return u, nil
}
