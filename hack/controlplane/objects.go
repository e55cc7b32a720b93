package controlplane

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// passing are the resources whose objects come and go with whatever happens.
var passing = []string{"events", "leases"}

// EachObject calls a function for each object of every resource that the API
// server lists, but for events and leases, with its metadata alone. Each is seen
// once: by the version that the API server prefers.
func (c *ControlPlane) EachObject(ctx context.Context, visit func(schema.GroupVersionResource, *metav1.PartialObjectMetadata)) error {
	return EachObject(ctx, c.AdminConfig(), visit)
}

// EachObject is the same for a cluster of others.
func EachObject(ctx context.Context, cfg *rest.Config, visit func(schema.GroupVersionResource, *metav1.PartialObjectMetadata)) error {
	cfg = rest.CopyConfig(cfg)
	cfg.WarningHandler = rest.NoWarnings{} // of resources that are deprecated, and still listed
	disco, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return err
	}
	lister, err := metadata.NewForConfig(cfg)
	if err != nil {
		return err
	}
	groups, err := disco.ServerPreferredResources()
	if err != nil {
		return err
	}
	for _, group := range groups {
		version, err := schema.ParseGroupVersion(group.GroupVersion)
		if err != nil {
			return err
		}
		for i := range group.APIResources {
			r := &group.APIResources[i]
			if !slices.Contains(r.Verbs, "list") || slices.Contains(passing, r.Name) {
				continue
			}
			resource := version.WithResource(r.Name)
			list, err := lister.Resource(resource).List(ctx, metav1.ListOptions{})
			if err != nil {
				return fmt.Errorf("listing %s: %w", resource.GroupResource(), err)
			}
			for j := range list.Items {
				visit(resource, &list.Items[j])
			}
		}
	}
	return nil
}
