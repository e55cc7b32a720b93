package release

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
)

// A pass that began before a newer Release came must not take back what that has written since.
func TestAPassEndsWhereANewerReleaseCameMeanwhile(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	release := func(name string, number int64, gate *platformv1alpha1.Gate) *platformv1alpha1.Release {
		r := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: name}}
		r.Spec.Number, r.Spec.Gate = number, gate
		r.Spec.Component.UID, r.Spec.Environment.Name = "component", "prod"
		return r
	}
	for name, tc := range map[string]struct {
		came *platformv1alpha1.Release
		want bool
	}{
		"none":                     {nil, false},
		"a newer one":              {release("shop-prod-3", 3, nil), true},
		"one that waits at a gate": {release("shop-prod-3", 3, &platformv1alpha1.Gate{Approvals: 1}), false},
		"an older one":             {release("shop-prod-1", 1, nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			own := release("shop-prod-2", 2, nil)
			c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(own).
				WithIndex(&platformv1alpha1.Release{}, index.ReleaseOwner, func(o client.Object) []string {
					r, ok := o.(*platformv1alpha1.Release)
					if !ok {
						return nil
					}
					return []string{index.OwnerKey(r.Spec.Component.UID, r.Spec.Environment.Name)}
				}).Build()
			r := &Reconciler{Client: c}
			s := &scope{release: own}
			if tc.came != nil {
				if err := c.Create(t.Context(), tc.came); err != nil {
					t.Fatal(err)
				}
			}
			got, err := r.overtaken(t.Context(), s)
			if err != nil || got != tc.want || s.overtaken != tc.want {
				t.Errorf("it is overtaken: %t (%v), want %t", got, err, tc.want)
			}
		})
	}
}
