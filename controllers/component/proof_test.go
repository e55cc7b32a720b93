package component

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
)

func TestBuilt_IsWhenTheNewestBuildOfAnImageEnded(t *testing.T) {
	noon := time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)
	digest := func(letter string) string { return "@sha256:" + strings.Repeat(letter, 64) }
	build := func(name, component, image string, ended time.Duration) *platformv1alpha1.Build {
		b := &platformv1alpha1.Build{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name}, Spec: platformv1alpha1.BuildSpec{Component: component}}
		b.Status.Image = image
		if ended > 0 {
			b.Status.CompletedAt = &metav1.Time{Time: noon.Add(ended)}
		}
		return b
	}
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	r := &Reconciler{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		build("early", "checkout", "registry.example/shop/checkout"+digest("a"), time.Minute),
		build("late", "checkout", "registry.example/mirror/checkout:1"+digest("a"), 2*time.Minute),
		build("runs", "checkout", "registry.example/shop/checkout"+digest("a"), 0),
		build("other", "checkout", "registry.example/shop/checkout"+digest("b"), 3*time.Minute),
		build("tagged", "checkout", "registry.example/shop/checkout:1", 4*time.Minute),
		build("foreign", "cart", "registry.example/shop/checkout"+digest("a"), 5*time.Minute),
	).WithIndex(&platformv1alpha1.Build{}, index.BuildComponent, func(o client.Object) []string {
		return []string{o.(*platformv1alpha1.Build).Spec.Component}
	}).Build()}
	for image, want := range map[string]time.Time{
		"registry.example/shop/checkout" + digest("a"): noon.Add(2 * time.Minute),
		"registry.example/shop/checkout" + digest("b"): noon.Add(3 * time.Minute),
		"registry.example/shop/checkout" + digest("c"): {},
	} {
		s := &scope{component: &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "checkout"}}}
		s.component.Spec.Image = image
		if got, err := r.built(t.Context(), s, image); err != nil || !got.Equal(want) {
			t.Errorf("%.50s: %s, %v; want %s", image, got, err, want)
		}
	}
}
