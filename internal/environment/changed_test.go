package environment

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestOnlyCostsSeesEveryOtherChange(t *testing.T) {
	was := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: "dev", UID: "1", ResourceVersion: "1", Generation: 1}}
	was.Status.Namespace = "shop-dev"
	dearer := func(o *platformv1alpha1.Environment) { o.Status.EstimatedCost = &platformv1alpha1.CostSum{Releases: 2} }
	for name, tt := range map[string]struct {
		change func(*platformv1alpha1.Environment)
		want   bool
	}{
		"costs alone":      {dearer, true},
		"what it asks for": {func(o *platformv1alpha1.Environment) { dearer(o); o.Generation = 2 }, false},
		"another status":   {func(o *platformv1alpha1.Environment) { dearer(o); o.Status.Team = "shop" }, false},
		"sleep": {func(o *platformv1alpha1.Environment) {
			dearer(o)
			o.Status.Sleep = &platformv1alpha1.EnvironmentSleepStatus{}
		}, false},
		"deleted":            {func(o *platformv1alpha1.Environment) { dearer(o); o.DeletionTimestamp = &metav1.Time{} }, false},
		"labels":             {func(o *platformv1alpha1.Environment) { dearer(o); o.Labels = map[string]string{"a": "b"} }, false},
		"annotations":        {func(o *platformv1alpha1.Environment) { dearer(o); o.Annotations = map[string]string{"a": "b"} }, false},
		"made anew":          {func(o *platformv1alpha1.Environment) { dearer(o); o.UID = "2" }, false},
		"nothing":            {func(*platformv1alpha1.Environment) {}, false},
		"no write after all": {func(o *platformv1alpha1.Environment) { o.ResourceVersion = "1" }, false},
	} {
		is := was.DeepCopy()
		is.ResourceVersion = "2"
		tt.change(is)
		if got := OnlyCosts(was, is); got != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
