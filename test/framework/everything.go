package framework

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/towpath-dev/towpath/hack/controlplane"
)

// Everything is what the cluster holds, of every resource that it serves and lists: kind, namespace, name and UID of each
// object.
type Everything map[string]bool

// Everything lists the whole cluster, but for events and leases.
func (c *Cluster) Everything(ctx context.Context) (Everything, error) {
	return ListEverything(ctx, c.Plane.AdminConfig())
}

// ListEverything lists the whole of a cluster that the framework did not start, but for events and leases.
func ListEverything(ctx context.Context, cfg *rest.Config) (Everything, error) {
	all := Everything{}
	err := controlplane.EachObject(ctx, cfg, func(resource schema.GroupVersionResource, o *metav1.PartialObjectMetadata) {
		all[fmt.Sprintf("%s.%s %s/%s %s", resource.Resource, resource.Group, o.Namespace, o.Name, o.UID)] = true
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Without is what is in one and not in another, sorted.
func (e Everything) Without(other Everything) []string {
	var more []string
	for object := range e {
		if !other[object] {
			more = append(more, object)
		}
	}
	slices.Sort(more)
	return more
}
