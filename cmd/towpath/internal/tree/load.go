package tree

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

// Snapshot is what was read from the cluster.
type Snapshot struct {
	// Namespaces by name; those that the caller may not read are not in it.
	Namespaces   map[string]corev1.Namespace
	Components   []platformv1alpha1.Component
	Environments []platformv1alpha1.Environment
	Releases     []platformv1alpha1.Release
}

// ReadError is a request that failed.
type ReadError struct {
	// Doing completes "cannot …".
	Doing string
	Err   error
}

func (e *ReadError) Error() string { return "cannot " + e.Doing + ": " + e.Err.Error() }

func (e *ReadError) Unwrap() error { return e.Err }

// Load reads one home namespace, or all of them where namespace is empty.
func Load(ctx context.Context, reader client.Reader, namespace string) (*Snapshot, error) {
	snapshot := &Snapshot{Namespaces: map[string]corev1.Namespace{}}
	where := "in all namespaces"
	if namespace != "" {
		where = "in namespace " + namespace
	}
	in := client.InNamespace(namespace)
	// Components first: their error tells best whether Towpath is there at all.
	err := cluster.Pages(ctx, reader, &platformv1alpha1.ComponentList{}, func(list *platformv1alpha1.ComponentList) {
		snapshot.Components = append(snapshot.Components, list.Items...)
	}, in)
	if err != nil {
		return nil, &ReadError{Doing: "list components " + where, Err: err}
	}
	err = cluster.Pages(ctx, reader, &platformv1alpha1.EnvironmentList{}, func(list *platformv1alpha1.EnvironmentList) {
		snapshot.Environments = append(snapshot.Environments, list.Items...)
	}, in)
	if err != nil {
		return nil, &ReadError{Doing: "list environments " + where, Err: err}
	}
	err = cluster.Pages(ctx, reader, &platformv1alpha1.ReleaseList{}, func(list *platformv1alpha1.ReleaseList) {
		snapshot.Releases = append(snapshot.Releases, list.Items...)
	}, in)
	if err != nil {
		return nil, &ReadError{Doing: "list releases " + where, Err: err}
	}
	if err := snapshot.readNamespaces(ctx, reader, namespace); err != nil {
		return nil, err
	}
	return snapshot, nil
}

// readNamespaces reads the labels of home namespaces. Many callers may not read namespaces: then
// team and cost centre come from the status of Environments.
func (s *Snapshot) readNamespaces(ctx context.Context, reader client.Reader, namespace string) error {
	if namespace == "" {
		err := cluster.Pages(ctx, reader, &corev1.NamespaceList{}, func(list *corev1.NamespaceList) {
			for i := range list.Items {
				s.Namespaces[list.Items[i].Name] = list.Items[i]
			}
		}, client.HasLabels{platformv1alpha1.LabelTeam})
		if err != nil && !apierrors.IsForbidden(err) {
			return &ReadError{Doing: "list namespaces", Err: err}
		}
		return nil
	}
	var found corev1.Namespace
	err := reader.Get(ctx, client.ObjectKey{Name: namespace}, &found)
	switch {
	case err == nil:
		s.Namespaces[namespace] = found
	case apierrors.IsNotFound(err):
		return &NotFound{Namespace: namespace}
	case !apierrors.IsForbidden(err):
		return &ReadError{Doing: "read namespace " + namespace, Err: err}
	}
	return nil
}

// NotFound says that what was asked for does not exist.
type NotFound struct {
	Namespace string
	// Component is empty where the namespace itself does not exist.
	Component string
	// Others are the Components that do exist there.
	Others []string
}

func (e *NotFound) Error() string {
	where := "namespace " + e.Namespace
	if e.Namespace == "" {
		where = "any namespace"
	}
	switch {
	case e.Component == "":
		return where + " does not exist"
	case len(e.Others) == 0:
		return fmt.Sprintf("component %q does not exist in %s, which has none", e.Component, where)
	}
	return fmt.Sprintf("component %q does not exist in %s, which has %s", e.Component, where, listing(e.Others, 10))
}
