package release

import (
	"fmt"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// applied are a Release that is new, and the same once its five objects are applied.
func applied() (before, after *platformv1alpha1.Release) {
	before = &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "checkout-dev-1", Namespace: "team-shop", UID: "uid", ResourceVersion: "7"}}
	before.Spec.Image, before.Spec.Template = "registry.example/shop/checkout:1.4.2", "web-service"
	before.Spec.Parameters = &apiextensionsv1.JSON{Raw: []byte(`{"port":8080,"replicas":{"min":1,"max":3}}`)}
	for i := range 5 {
		before.Spec.Inventory = append(before.Spec.Inventory, platformv1alpha1.ReleaseObject{APIVersion: "v1", Kind: "ConfigMap", Name: fmt.Sprint("c", i), Resource: "config"})
	}
	after = before.DeepCopy()
	now := metav1.NewTime(time.Unix(1764500000, 0))
	after.Status.ObservedGeneration, after.Status.AppliedAt = 1, &now
	after.Status.Conditions = []metav1.Condition{{Type: platformv1alpha1.ConditionApplied, Status: metav1.ConditionTrue, Reason: platformv1alpha1.ReasonApplied, Message: "All 5 objects are applied.", LastTransitionTime: now}}
	for _, o := range after.Spec.Inventory {
		after.Status.Objects = append(after.Status.Objects, platformv1alpha1.ReleaseObjectStatus{ReleaseObject: o, UID: "uid", Applied: "0123456789abcdef", Health: platformv1alpha1.ObjectReady})
	}
	return before, after
}

func TestAPatchOfAStatusIsThatOfTheWholeObject(t *testing.T) {
	empty, first := applied()
	second := first.DeepCopy()
	second.Status.ReadyAt, second.Status.AppliedAt = second.Status.AppliedAt, nil
	second.Status.Conditions[0].Status = metav1.ConditionFalse
	for _, tt := range [][2]*platformv1alpha1.Release{{empty, first}, {first, second}, {second, first}, {first, empty}} {
		patch, err := statusPatch(&tt[0].Status, &tt[1].Status)
		if err != nil {
			t.Fatal(err)
		}
		got, err := patch.Data(tt[1])
		if err != nil {
			t.Fatal(err)
		}
		want, err := client.MergeFrom(tt[0]).Data(tt[1])
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func BenchmarkStatusPatch(b *testing.B) {
	before, after := applied()
	b.Run("status", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := statusPatch(&before.Status, &after.Status); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("whole object", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.MergeFrom(before).Data(after); err != nil {
				b.Fatal(err)
			}
		}
	})
}
