package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/config"
)

// folders are where lint and render find what the files themselves do not hold.
type folders struct {
	templates, crds []string
}

func (f *folders) bind(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.templates, "templates", nil, "file or folder with ServiceTemplates and EnvironmentClasses, besides the catalogue that ships with Towpath")
	cmd.Flags().StringSliceVar(&f.crds, "crds", nil, "file or folder with CustomResourceDefinitions that templates make objects of")
}

// world reads the files of a command and what they lean on.
func (f *folders) world(ctx context.Context, names []string, stdin io.Reader) (*offline.World, error) {
	world := offline.NewWorld(config.TypedCRDs()...)
	world.AddShipped(ctx, config.Classes())
	world.AddShipped(ctx, config.Catalog())
	for _, folder := range []struct {
		names []string
		crds  bool
	}{{f.crds, true}, {f.templates, false}} {
		documents, problems, err := manifest.Read(folder.names, stdin)
		if err != nil {
			return nil, unreadable(err)
		}
		if folder.crds {
			world.AddCRDs(documents)
			documents = nil
		}
		world.AddFiles(ctx, documents, problems)
	}
	documents, problems, err := manifest.Read(names, stdin)
	if err != nil {
		return nil, unreadable(err)
	}
	world.AddCRDs(documents)
	world.AddFiles(ctx, documents, problems)
	return world, nil
}

func unreadable(err error) error {
	return &trouble{err: err, next: "check the path; - reads standard input"}
}

// plural counts things for people.
func plural(count int, what string) string {
	if count == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", count, what)
}

// addTemplate takes a golden path of the cluster into the world.
func addTemplate(ctx context.Context, c *cluster.Cluster, flags cluster.Flags, world *offline.World, name string) error {
	found := &platformv1alpha1.ServiceTemplate{}
	err := c.Get(ctx, client.ObjectKey{Name: name}, found)
	if apierrors.IsNotFound(err) {
		return &trouble{err: fmt.Errorf("the cluster has no ServiceTemplate %q", name), next: flags.Kubectl() + " get servicetemplates", code: exitFindings}
	}
	if err != nil {
		return explained(err, flags, "read servicetemplate "+name)
	}
	found.SetGroupVersionKind(platformv1alpha1.GroupVersion.WithKind("ServiceTemplate"))
	found.ManagedFields = nil
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(found)
	if err != nil {
		return err
	}
	world.AddObjects(ctx, "the cluster", []*unstructured.Unstructured{{Object: object}})
	return nil
}
