package running_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/running"
)

var deployments = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

func workload() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "namespace": "legacy", "generation": int64(3)},
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "web"}}, "spec": map[string]any{"serviceAccountName": "web"}}},
	}}
}

func TestFindGoesOnWithoutRights(t *testing.T) {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "legacy", Name: "web"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}}}
	forbid := interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		if kind := list.GetObjectKind().GroupVersionKind().Kind; kind == "IngressList" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "ingresses"}, "", errors.New("no"))
		}
		return c.List(ctx, list, options...)
	}}
	c := fake.NewClientBuilder().WithObjects(workload(), service).WithInterceptorFuncs(forbid).Build()
	found, err := running.Find(t.Context(), c, "legacy", deployments, "web")
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Others) != 1 || found.Others[0].GetName() != "web" || found.Others[0].GetKind() != "Service" {
		t.Errorf("others: %v", found.Others)
	}
	notes := strings.Join(found.Notes, "\n")
	for _, want := range []string{"ServiceAccount web was not looked at", "Ingress: you may not list them"} {
		if !strings.Contains(notes, want) {
			t.Errorf("want %q in %s", want, notes)
		}
	}
}

// answer is an API server that counts the annotations of Deployments, and keeps labels to whom it is told.
func answer(denyLabels, mutate bool) client.Client {
	return fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(_ context.Context, _ client.WithWatch, object client.Object, _ client.Patch, _ ...client.PatchOption) error {
			if denyLabels && len(object.GetLabels()) > 0 {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "web", errors.New("ValidatingAdmissionPolicy 'towpath-labels' with binding 'towpath-labels' denied request"))
			}
			after := workload()
			if mutate {
				after.Object["spec"] = map[string]any{"paused": true}
				after.SetGeneration(5)
			}
			object.(*unstructured.Unstructured).Object = after.Object
			return nil
		},
	}).Build()
}

func TestProve(t *testing.T) {
	labels := map[string]string{"platform.towpath.dev/team": "shop"}
	proof := running.Prove(t.Context(), answer(false, false), workload(), labels)
	if !proof.Unchanged || proof.After != 3 || proof.WithoutLabels || proof.Err != nil {
		t.Errorf("labels alone: %+v", proof)
	}
	proof = running.Prove(t.Context(), answer(true, false), workload(), labels)
	if !proof.Unchanged || !proof.WithoutLabels {
		t.Errorf("labels denied: %+v", proof)
	}
	proof = running.Prove(t.Context(), answer(false, true), workload(), labels)
	if proof.Unchanged || proof.After != 5 {
		t.Errorf("a webhook that changes the spec: %+v", proof)
	}
}
