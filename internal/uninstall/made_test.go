package uninstall

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestWhatWaitsAtAGateHasMadeNothing(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	release := func(name string, number int64, image, kind string) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name}}
		r.Spec.Number, r.Spec.Image = number, image
		r.Spec.Component = platformv1alpha1.ReleaseComponent{Name: "shop", UID: "c"}
		r.Spec.Environment = platformv1alpha1.ReleaseEnvironment{Name: "prod", Namespace: "shop-prod"}
		r.Spec.Inventory = []platformv1alpha1.ReleaseObject{{APIVersion: "v1", Kind: kind, Name: "shop"}}
		return r
	}
	waits := release("shop-prod-2", 2, "r/shop:2", "Secret")
	waits.Spec.Gate = &platformv1alpha1.Gate{Approvals: 1}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(release("shop-prod-1", 1, "r/shop:1", "ConfigMap"), waits).Build()
	m, err := (&uninstaller{Client: c}).made(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := m.labels[owner{"c", "prod"}]["app.kubernetes.io/version"]; got != "1" {
		t.Errorf("what runs is taken for version %q", got)
	}
	if len(m.kinds) != 1 || m.kinds[0].Kind != "ConfigMap" {
		t.Errorf("it is looked for %v", m.kinds)
	}
}
