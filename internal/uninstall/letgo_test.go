package uninstall

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
)

// Removing a label that somebody else has just removed is invalid, and no conflict: it must be looked at anew.
func TestLetGoOne_LooksAnewAfterAnyError(t *testing.T) {
	live := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "settings"}}
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "ConfigMap"}, live.Name, nil)
	c := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(live).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return invalid
		},
	}).Build()
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	object.Namespace, object.Name = live.Namespace, live.Name
	object.Labels = map[string]string{platformv1alpha1.LabelOwnerUID: "gone since"}
	u := &uninstaller{Client: c}
	how := func() ([]byte, error) { return apply.LettingGo(object, nil) }
	if err := u.letGoOne(t.Context(), object, types.JSONPatchType, how); err == nil {
		t.Fatal("no error, so that it would not be tried again")
	}
	if len(object.Labels) > 0 {
		t.Errorf("the next try removes %v, which is not there", object.Labels)
	}
	if err := c.Delete(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": live.Namespace, "name": live.Name},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := u.letGoOne(t.Context(), object, types.JSONPatchType, how); err != nil {
		t.Errorf("one that is gone: %v", err)
	}
}
