package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

// plurals of the template's kinds.
var plurals = map[string]string{
	"ServiceAccount": "serviceaccounts", "Deployment": "deployments", "Service": "services",
	"HorizontalPodAutoscaler": "horizontalpodautoscalers", "NetworkPolicy": "networkpolicies",
}

// write is one object as it is sent.
type write struct {
	path []string
	body []byte
}

// bareClient applies what the Components would become, and does nothing else. It has everything ready
// before the clock starts, asks for answers as the manager does, the metadata alone, and does not read
// them: whatever takes longer than that is Towpath's own.
type bareClient struct {
	client rest.Interface
	// instances are the writes of each Component, in order.
	instances [][]write
}

func newBareClient(c *cluster, o *options) (*bareClient, error) {
	cfg := rest.CopyConfig(c.config)
	cfg.NegotiatedSerializer, cfg.GroupVersion, cfg.APIPath = scheme.Codecs.WithoutConversion(), &schema.GroupVersion{}, "/"
	raw, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, err
	}
	b := &bareClient{client: raw}
	b.instances, err = renderAll(o.instances)
	return b, err
}

func renderAll(instances int) ([][]write, error) {
	t, err := serviceTemplate()
	if err != nil {
		return nil, err
	}
	compiled, _, errs := template.Compile(&t.Spec, nil)
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	all := make([][]write, instances)
	for i := range all {
		objects, err := rendered(i, compiled, t.Name)
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			w, err := writeOf(object)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], w)
		}
	}
	return all, nil
}

func writeOf(o render.Object) (write, error) {
	gvk := o.Object.GroupVersionKind()
	plural, ok := plurals[gvk.Kind]
	if !ok {
		return write{}, fmt.Errorf("the bare client does not know the kind %s", gvk.Kind)
	}
	prefix := []string{"apis", gvk.Group, gvk.Version}
	if gvk.Group == "" {
		prefix = []string{"api", gvk.Version}
	}
	body, err := o.Object.MarshalJSON()
	return write{append(prefix, "namespaces", o.Object.GetNamespace(), plural, o.Object.GetName()), body}, err
}

// makeNamespaces makes the namespaces that Environments would own.
func makeNamespaces(ctx context.Context, c *cluster) error {
	for i := range teams {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: workloadNamespace(i)}}
		if err := c.client.Create(ctx, namespace); err != nil {
			return err
		}
	}
	return nil
}

// run applies everything. The objects of one instance go one after the other, those of many at once.
func (b *bareClient) run(ctx context.Context, workers int) error {
	return each(ctx, workers, len(b.instances), func(ctx context.Context, i int) error {
		for _, w := range b.instances[i] {
			err := b.client.Patch(types.ApplyPatchType).AbsPath(w.path...).
				Param("fieldManager", "bench").Param("force", "true").
				SetHeader("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json").
				Body(w.body).Do(ctx).Error()
			if err != nil {
				return fmt.Errorf("applying %v: %w", w.path, err)
			}
		}
		return nil
	})
}

// each calls a function for each number below n, as many at once as there are workers.
func each(ctx context.Context, workers, n int, do func(context.Context, int) error) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range n {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error { return do(groupCtx, i) })
	}
	return errors.Join(group.Wait(), ctx.Err())
}
