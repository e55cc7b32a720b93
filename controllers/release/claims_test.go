package release

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/render"
)

func TestLabelClaims_LooksOnlyWhenSomethingChanged(t *testing.T) {
	release := &platformv1alpha1.Release{}
	release.Spec.Component.Name, release.Spec.CostCenter = "shop", "cc-1"
	release.Spec.Environment.Name, release.Spec.Environment.Namespace = "dev", "shop-dev"
	release.Spec.Inventory = []platformv1alpha1.ReleaseObject{{Resource: "db", APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db"}}
	set := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"replicas": int64(1)}}}
	set.SetUID("1")
	set.SetAnnotations(map[string]string{claimsAnnotation: "data"})
	s := &scope{release: release, children: []child{{live: set, known: true, listed: true}}}

	labelled := func() *metav1.PartialObjectMetadata {
		claim := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "data-db-0", Labels: render.ClaimLabels(release)}}
		claim.SetGroupVersionKind(apply.ClaimKind)
		return claim
	}
	lists := 0
	counting := interceptor.Funcs{List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
		lists++
		list.(*metav1.PartialObjectMetadataList).Items = []metav1.PartialObjectMetadata{*labelled()}
		return nil
	}}
	r := &Reconciler{
		Live:   fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithInterceptorFuncs(counting).Build(),
		Writer: &apply.Writer{}, // one without a connection: whatever it wrote would panic
		Clock:  clocktesting.NewFakePassiveClock(time.Now()),
	}
	for _, step := range []struct {
		what   string
		change func()
		lists  int
	}{
		{"first", func() {}, 1},
		{"nothing", func() {}, 1},
		{"a resource version", func() { set.SetResourceVersion("2") }, 1},
		{"a pod that was made", func() { _ = unstructured.SetNestedField(set.Object, int64(2), "status", "replicas") }, 2},
		{"a pod that became ready", func() { _ = unstructured.SetNestedField(set.Object, int64(1), "status", "readyReplicas") }, 3},
		{"another cost center", func() { release.Spec.CostCenter = "cc-2" }, 4},
		{"another StatefulSet", func() { set.SetUID("2") }, 5},
		{"one that the cache is behind of", func() { s.children[0].known = false; set.SetUID("3") }, 5},
		{"no claim templates", func() { s.children[0].known = true; set.SetAnnotations(nil) }, 5},
	} {
		step.change()
		if err := r.labelClaims(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if lists != step.lists {
			t.Errorf("after %s: claims were listed %d times, want %d", step.what, lists, step.lists)
		}
	}
}

func TestClaims_TriesAgainWhatWasRefused(t *testing.T) {
	var c claims
	key, now := childKey{}, time.Now()
	c.remember(key, claimsSeen{state: "a", again: now.Add(time.Minute)})
	if wait, done := c.done(key, "a", now); !done || wait != time.Minute {
		t.Errorf("at once: %v, %v", wait, done)
	}
	if _, done := c.done(key, "b", now); done {
		t.Error("another state must be looked at")
	}
	if _, done := c.done(key, "a", now.Add(time.Minute)); done {
		t.Error("it must be tried again after a while")
	}
}

func TestMayLabel(t *testing.T) {
	labels := map[string]string{platformv1alpha1.LabelComponent: "shop", platformv1alpha1.LabelEnvironment: "dev"}
	now := metav1.Now()
	for what, tc := range map[string]struct {
		claim metav1.ObjectMeta
		want  bool
	}{
		"none of ours":        {metav1.ObjectMeta{Labels: map[string]string{"app": "db"}}, true},
		"ours":                {metav1.ObjectMeta{Labels: labels}, true},
		"another Component's": {metav1.ObjectMeta{Labels: map[string]string{platformv1alpha1.LabelComponent: "other"}}, false},
		"another environment": {metav1.ObjectMeta{Labels: map[string]string{platformv1alpha1.LabelEnvironment: "prod"}}, false},
		"an owner's":          {metav1.ObjectMeta{Labels: map[string]string{platformv1alpha1.LabelOwnerUID: "1"}}, false},
		"being deleted":       {metav1.ObjectMeta{Labels: labels, DeletionTimestamp: &now}, false},
	} {
		if got := mayLabel(&metav1.PartialObjectMetadata{ObjectMeta: tc.claim}, labels); got != tc.want {
			t.Errorf("%s: got %v", what, got)
		}
	}
}
