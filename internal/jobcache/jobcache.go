// Package jobcache makes the caches of the Jobs that controllers run themselves. They are apart from the manager's own cache, which
// would hold all Jobs of the cluster for a few.
package jobcache

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// New returns a cache of the Jobs that bear a label, whatever its value, without their pod templates and managed fields. The manager starts it
// with its other caches.
func New(mgr ctrl.Manager, label string) (cache.Cache, error) {
	bears, err := labels.NewRequirement(label, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	jobs, err := cache.New(mgr.GetConfig(), cache.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
		DefaultLabelSelector: labels.NewSelector().Add(*bears), DefaultTransform: strip,
	})
	if err != nil {
		return nil, fmt.Errorf("building the cache of the Jobs with label %s: %w", label, err)
	}
	return jobs, mgr.Add(jobs)
}

// strip reduces a Job to what tells how it is.
func strip(in any) (any, error) {
	if job, ok := in.(*batchv1.Job); ok {
		job.SetManagedFields(nil)
		job.Spec.Template = corev1.PodTemplateSpec{}
	}
	return in, nil
}
