package framework

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
)

// passing are the resources whose objects come and go with whatever happens.
var passing = []string{"events", "leases"}

// Everything is what the cluster holds, of every resource that it serves and lists: kind, namespace, name and UID of each
// object.
type Everything map[string]bool

// Everything lists the whole cluster, but for events and leases.
func (c *Cluster) Everything(ctx context.Context) (Everything, error) {
	cfg := c.Plane.AdminConfig()
	disco, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, err
	}
	lister, err := metadata.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	groups, err := disco.ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	all := Everything{}
	for _, group := range groups {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil {
			return nil, err
		}
		for i := range group.APIResources {
			resource := &group.APIResources[i]
			if !slices.Contains(resource.Verbs, "list") || slices.Contains(passing, resource.Name) {
				continue
			}
			list, err := lister.Resource(version.WithResource(resource.Name)).List(ctx, metav1.ListOptions{})
			if err != nil {
				return nil, fmt.Errorf("listing %s.%s: %w", resource.Name, version.Group, err)
			}
			for j := range list.Items {
				o := &list.Items[j]
				all[fmt.Sprintf("%s.%s %s/%s %s", resource.Name, version.Group, o.Namespace, o.Name, o.UID)] = true
			}
		}
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
