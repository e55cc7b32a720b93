package uninstall

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/team"
)

// What an installation consists of, beside kinds and namespaces. It is found by label and name, and not by
// a list of objects: the version that is installed may have others than this one knows.
var (
	webhooks = schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"}
	// Bindings first: a policy without one does nothing, a binding without a policy denies.
	policies = []schema.GroupVersionKind{
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingAdmissionPolicyBinding"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingAdmissionPolicy"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicyBinding"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicy"},
	}
	bindings     = schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"}
	roles        = schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}
	roleBindings = schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"}
)

// remove deletes the installation's objects of cluster-scoped kinds.
func (u *uninstaller) remove(ctx context.Context, kinds ...schema.GroupVersionKind) error {
	for _, kind := range kinds {
		err := each(ctx, u, kind, func(object *metav1.PartialObjectMetadata) error {
			if !strings.HasPrefix(object.GetName(), "towpath-") {
				return nil
			}
			return client.IgnoreNotFound(u.Delete(ctx, object))
		}, client.MatchingLabels{"app.kubernetes.io/part-of": "towpath"})
		if err != nil {
			return err
		}
	}
	return nil
}

// release takes our finalizer off every object of our kinds: nobody is left who would.
func (u *uninstaller) release(ctx context.Context, kinds []schema.GroupVersionKind) error {
	for _, kind := range kinds {
		err := each(ctx, u, kind, func(object *metav1.PartialObjectMetadata) error {
			return u.poll(ctx, func(ctx context.Context) error { return u.releaseOne(ctx, object) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// releaseOne is tried again: an API server acts on removed policies for a moment, and others write too.
func (u *uninstaller) releaseOne(ctx context.Context, object *metav1.PartialObjectMetadata) error {
	before := object.DeepCopy()
	if !controllerutil.RemoveFinalizer(object, platformv1alpha1.Finalizer) {
		return nil
	}
	err := u.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	*object = *before
	if apierrors.IsConflict(err) {
		if getErr := u.Get(ctx, client.ObjectKeyFromObject(object), object); getErr != nil {
			return client.IgnoreNotFound(getErr)
		}
	}
	return fmt.Errorf("%s %s: %w", object.Kind, client.ObjectKeyFromObject(object), err)
}

// removeObjects deletes all objects of our kinds, and waits until they are gone.
func (u *uninstaller) removeObjects(ctx context.Context, kinds []schema.GroupVersionKind) error {
	return u.poll(ctx, func(ctx context.Context) error {
		var left []string
		for _, kind := range kinds {
			err := each(ctx, u, kind, func(object *metav1.PartialObjectMetadata) error {
				left = append(left, kind.Kind+" "+strings.TrimPrefix(client.ObjectKeyFromObject(object).String(), "/"))
				if !object.DeletionTimestamp.IsZero() {
					return nil
				}
				return client.IgnoreNotFound(u.Delete(ctx, object))
			})
			if err != nil {
				return err
			}
		}
		if len(left) == 0 {
			return nil
		}
		return fmt.Errorf("%d objects are not gone after %s: %s: they may have a finalizer of somebody else", len(left), u.Timeout, strings.Join(left[:min(len(left), 5)], ", "))
	})
}

// removeKinds deletes our definitions, and waits until they are gone.
func (u *uninstaller) removeKinds(ctx context.Context) error {
	return u.poll(ctx, func(ctx context.Context) error {
		crds, err := definitions(ctx, u)
		if err != nil || len(crds) == 0 {
			return err
		}
		names := make([]string, 0, len(crds))
		for i := range crds {
			names = append(names, crds[i].GetName())
			if crds[i].GetDeletionTimestamp() != nil {
				continue
			}
			if err := client.IgnoreNotFound(u.Delete(ctx, &crds[i])); err != nil {
				return err
			}
		}
		return fmt.Errorf("not gone after %s: %s: an object may have a finalizer of somebody else", u.Timeout, strings.Join(names, ", "))
	})
}

// definitions are the CustomResourceDefinitions of our group.
func definitions(ctx context.Context, c client.Client) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinitionList"})
	if err := c.List(ctx, list); err != nil {
		return nil, err
	}
	var ours []unstructured.Unstructured
	for i := range list.Items {
		if group, _, _ := unstructured.NestedString(list.Items[i].Object, "spec", "group"); group == platformv1alpha1.GroupVersion.Group {
			ours = append(ours, list.Items[i])
		}
	}
	return ours, nil
}

// kindOf returns the kind that a definition defines, in the first version that is served.
func kindOf(crd *unstructured.Unstructured) (schema.GroupVersionKind, error) {
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	for _, v := range versions {
		if version, _ := v.(map[string]any); version["served"] == true {
			name, _ := version["name"].(string)
			return schema.GroupVersionKind{Group: platformv1alpha1.GroupVersion.Group, Version: name, Kind: kind}, nil
		}
	}
	return schema.GroupVersionKind{}, fmt.Errorf("%s serves no version", crd.GetName())
}

// unbind removes the bindings of appliers and of the members of Teams from namespaces: their roles and accounts go,
// and whoever made some of these names again would give rights there unawares.
func (u *uninstaller) unbind(ctx context.Context) error {
	return each(ctx, u, roleBindings, func(object *metav1.PartialObjectMetadata) error {
		ours := append([]string{
			platformv1alpha1.ApplierClusterRole, platformv1alpha1.ApplierExtraClusterRole, platformv1alpha1.AlertReaderClusterRole, platformv1alpha1.GitReaderClusterRole,
		}, team.ClusterRoles...)
		if !slices.Contains(ours, object.GetName()) {
			return nil
		}
		return client.IgnoreNotFound(u.Delete(ctx, object))
	}, client.MatchingLabels{"app.kubernetes.io/managed-by": platformv1alpha1.ManagedBy})
}

// removeRest deletes the roles and both namespaces, and waits for these.
func (u *uninstaller) removeRest(ctx context.Context) error {
	if err := u.remove(ctx, roles); err != nil {
		return err
	}
	return u.poll(ctx, func(ctx context.Context) error {
		var left []string
		for _, name := range []string{platformv1alpha1.ApplierNamespace, platformv1alpha1.SystemNamespace} {
			namespace := &metav1.PartialObjectMetadata{}
			namespace.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
			namespace.SetName(name)
			err := u.Delete(ctx, namespace)
			if apierrors.IsNotFound(err) {
				continue
			}
			if err != nil && !apierrors.IsConflict(err) {
				return err
			}
			left = append(left, name)
		}
		if len(left) > 0 {
			return fmt.Errorf("namespaces are not gone after %s: %s", u.Timeout, strings.Join(left, ", "))
		}
		return nil
	})
}
