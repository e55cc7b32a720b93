package environment_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/environment"
)

func TestFound(t *testing.T) {
	got, err := environment.Found(map[string]string{"b": "2", "a": "1", platformv1alpha1.LabelTier: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"a":"1","b":"2"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLettingGo(t *testing.T) {
	const owned = `{"f:metadata":{"f:labels":{"f:app.kubernetes.io/managed-by":{},"f:team":{},"f:pod-security.kubernetes.io/enforce":{}}}}`
	labels := map[string]string{
		platformv1alpha1.LabelOwnerUID: "1", "app.kubernetes.io/managed-by": "towpath", "team": "shop",
		"pod-security.kubernetes.io/enforce": "restricted", "istio-injection": "enabled", "changed": "by-somebody",
	}
	for name, tc := range map[string]struct {
		found, fields string
		ours          map[string]string
		want          string
	}{
		"one that was taken over gets back what it bore": {
			found: `{"team":"legacy","istio-injection":"disabled"}`, fields: owned,
			want: `{"app.kubernetes.io/managed-by":null,"platform.towpath.dev/owner-uid":null,"pod-security.kubernetes.io/enforce":null,"team":"legacy"}`,
		},
		"one that was taken over with no labels": {
			found: `{}`, fields: owned,
			want: `{"app.kubernetes.io/managed-by":null,"platform.towpath.dev/owner-uid":null,"pod-security.kubernetes.io/enforce":null,"team":null}`,
		},
		"one that was made keeps its pod security": {
			fields: owned, want: `{"app.kubernetes.io/managed-by":null,"platform.towpath.dev/owner-uid":null,"team":null}`,
		},
		"one whose managedFields somebody stripped": {
			ours: map[string]string{"app.kubernetes.io/managed-by": "towpath", "changed": "before"},
			want: `{"app.kubernetes.io/managed-by":null,"platform.towpath.dev/owner-uid":null}`,
		},
		"one whose annotation is no JSON": {
			found: "x", fields: owned, want: `{"app.kubernetes.io/managed-by":null,"platform.towpath.dev/owner-uid":null,"team":null}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "legacy", Labels: labels}}
			if tc.found != "" {
				namespace.Annotations = map[string]string{platformv1alpha1.AnnotationFound: tc.found}
			}
			namespace.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "helm", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:istio-injection":{}}}}`)}}
			if tc.fields != "" {
				namespace.ManagedFields = append(namespace.ManagedFields, metav1.ManagedFieldsEntry{Manager: environment.FieldOwner, FieldsV1: metav1.NewFieldsV1(tc.fields)})
			}
			got, err := environment.LettingGo("u", namespace, tc.ours)
			if err != nil {
				t.Fatal(err)
			}
			want := `{"metadata":{"annotations":{"platform.towpath.dev/adopt-by":null,"platform.towpath.dev/found":null,"platform.towpath.dev/found-annotations":null,"platform.towpath.dev/home":null},"labels":` + tc.want + `,"uid":"u"}}`
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLettingGoOfAnnotations(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "legacy", Annotations: map[string]string{
		"example.com/owner": "class", "example.com/new": "class", "example.com/theirs": "kept",
		platformv1alpha1.AnnotationFoundAnnotations: `{"example.com/owner":"ops","example.com/gone":"x"}`,
	}}}
	namespace.ManagedFields = []metav1.ManagedFieldsEntry{
		{Manager: environment.FieldOwner, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{".":{},"f:example.com/owner":{},"f:example.com/new":{}}}}`)},
		{Manager: "helm", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:example.com/theirs":{}}}}`)},
	}
	got, err := environment.LettingGo("u", namespace, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"metadata":{"annotations":{"example.com/new":null,"example.com/owner":"ops","platform.towpath.dev/adopt-by":null,` +
		`"platform.towpath.dev/found":null,"platform.towpath.dev/found-annotations":null,"platform.towpath.dev/home":null},"labels":{},"uid":"u"}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
}

func TestStale(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop-dev", UID: "u"}}
	namespace.ManagedFields = []metav1.ManagedFieldsEntry{
		{Manager: environment.FieldOwner, Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{".":{},"f:kept":{},"f:gone":{}},"f:labels":{"f:mesh":{},"f:tier":{},"f:kubernetes.io/metadata.name":{}}}}`)},
		{Manager: environment.FieldOwner, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:zone":{}}}}`)},
		{Manager: "kubectl", FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:theirs":{}}}}`)},
	}
	got, err := environment.Stale(namespace, map[string]string{"tier": "x"}, map[string]string{"kept": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"metadata":{"annotations":{"gone":null},"labels":{"mesh":null,"zone":null},"uid":"u"}}`, string(got)); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
	if _, err := environment.CacheTransform(namespace); err != nil || len(namespace.ManagedFields) != 2 {
		t.Errorf("the cache keeps %d entries, %v", len(namespace.ManagedFields), err)
	}
	all := map[string]string{"tier": "x", "mesh": "x", "zone": "x"}
	if got, err := environment.Stale(namespace, all, map[string]string{"kept": "x", "gone": "x"}); got != nil || err != nil {
		t.Errorf("nothing is stale, and it says %s, %v", got, err)
	}
}
