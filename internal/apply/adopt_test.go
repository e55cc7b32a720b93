package apply

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
)

const (
	applies = metav1.ManagedFieldsOperationApply
	updates = metav1.ManagedFieldsOperationUpdate
)

// entry is one of managedFields.
func entry(manager string, operation metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: operation, Subresource: subresource, APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}
}

// owners are the fields of each manager.
func owners(entries []metav1.ManagedFieldsEntry) map[string]string {
	got := map[string]string{}
	for i := range entries {
		got[entries[i].Manager] = string(entries[i].FieldsV1.GetRawBytes())
	}
	return got
}

// object is read from YAML.
func object(t *testing.T, text string, entries ...metav1.ManagedFieldsEntry) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	u.SetManagedFields(entries)
	return u
}

// takenOf is taken with the fields of Kubernetes' own schemas.
func takenOf(t *testing.T, live *unstructured.Unstructured) map[string]string {
	t.Helper()
	there, err := (&Writer{kinds: openapi.Kubernetes()}).fieldsOf(live)
	if err != nil {
		t.Fatal(err)
	}
	before := live.DeepCopy()
	entries, err := taken(live, there)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, live); diff != "" {
		t.Errorf("what was read changed: %s", diff)
	}
	return owners(entries)
}

func TestTaken_LeavesOneOwner(t *testing.T) {
	live := object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}`,
		entry(FieldOwner, applies, "", `{"f:metadata":{"f:labels":{"f:ours":{}}}}`),
		entry("helm", updates, "", `{"f:spec":{"f:replicas":{},"f:paused":{},"f:volumeClaimTemplates":{"f:x":{}}}}`),
		entry("argocd", applies, "", `{"f:spec":{"f:minReadySeconds":{}}}`),
		entry("kube-controller-manager", updates, "", `{"f:metadata":{"f:annotations":{"f:revision":{}}}}`),
		entry("autoscaler", updates, "scale", `{"f:spec":{"f:replicas":{}}}`),
	)
	want := map[string]string{
		FieldOwner:                `{"f:metadata":{"f:labels":{"f:ours":{}}},"f:spec":{"f:minReadySeconds":{},"f:paused":{}}}`,
		"kube-controller-manager": `{"f:metadata":{"f:annotations":{"f:revision":{}}}}`,
		"autoscaler":              `{"f:spec":{"f:replicas":{}}}`,
	}
	if diff := cmp.Diff(want, takenOf(t, live)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestTaken_LeavesWhatControllersKeepObjectsBy(t *testing.T) {
	live := object(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}`,
		entry(FieldOwner, applies, "", `{"f:metadata":{"f:labels":{"f:ours":{}}}}`),
		entry("operator", updates, "", `{"f:metadata":{"f:finalizers":{".":{},"v:\"operator/hold\"":{}},"f:labels":{"f:theirs":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"1\"}":{}}},"f:spec":{"f:paused":{}}}`),
	)
	want := map[string]string{
		FieldOwner: `{"f:metadata":{"f:labels":{"f:ours":{},"f:theirs":{}}},"f:spec":{"f:paused":{}}}`,
		"operator": `{"f:metadata":{"f:finalizers":{".":{},"v:\"operator/hold\"":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"1\"}":{}}}}`,
	}
	if diff := cmp.Diff(want, takenOf(t, live)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestTaken_WhatNobodyOwns(t *testing.T) {
	const service = `
apiVersion: v1
kind: Service
metadata: {name: web, labels: {theirs: "1", platform.towpath.dev/as-found: "true"}}
spec:
  clusterIP: 10.0.0.1
  sessionAffinity: None
  ports: [{name: http, port: 80, protocol: TCP, nodePort: 30000}]
`
	want := map[string]string{
		"kube-controller-manager": `{"f:spec":{"f:sessionAffinity":{}}}`,
		FieldOwner: `{"f:metadata":{"f:labels":{"f:platform.towpath.dev/as-found":{}}},` +
			`"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{}}}}}`,
	}
	live := object(t, service, entry("kube-controller-manager", updates, "", `{"f:spec":{"f:sessionAffinity":{}}}`))
	if diff := cmp.Diff(want, takenOf(t, live)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestFieldsOf_KindWithoutSchema(t *testing.T) {
	live := object(t, `{apiVersion: example.org/v1, kind: Widget, metadata: {name: web}, spec: {sizes: [{a: 1}]}}`)
	want := map[string]string{FieldOwner: `{"f:spec":{".":{},"f:sizes":{}}}`}
	if diff := cmp.Diff(want, takenOf(t, live)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	// A server that does not answer says nothing of the kind.
	broken := &Writer{kinds: brokenKinds{}}
	if err := broken.TakeOver(t.Context(), "", "", platformv1alpha1.ReleaseObject{}, live); err == nil {
		t.Error("taken over without a schema")
	}
}

type brokenKinds struct{}

func (brokenKinds) Kind(schema.GroupVersionKind) (*openapi.Kind, error) { return nil, context.Canceled }

// Consent is for once: who lets go, and is to take over again, is to be asked again.
func TestLettingGoTakesTheConsentAlong(t *testing.T) {
	const owned = `{"f:metadata":{"f:annotations":{"f:note":{},"f:platform.towpath.dev/adopt-by":{}}}}`
	live := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		ResourceVersion: "7", Annotations: map[string]string{"note": "x", platformv1alpha1.AnnotationAdoptBy: "shop"},
		ManagedFields: []metav1.ManagedFieldsEntry{entry(FieldOwner, applies, "", owned)},
	}}
	operations, err := lettingGo(live, nil)
	if err != nil {
		t.Fatal(err)
	}
	entries := operations[len(operations)-1].Value.([]metav1.ManagedFieldsEntry)
	if diff := cmp.Diff(map[string]string{nextOwner: `{"f:metadata":{"f:annotations":{"f:note":{}}}}`}, owners(entries)); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	want := []operation{
		{Op: "replace", Path: "/metadata/resourceVersion", Value: "7"},
		{Op: "remove", Path: "/metadata/annotations/platform.towpath.dev~1adopt-by"},
	}
	if diff := cmp.Diff(want, operations[:len(operations)-1]); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
}

func TestHandedOn(t *testing.T) {
	const fields = `{"f:metadata":{"f:labels":{"f:app":{},"f:gone":{}}},"f:spec":{"f:paused":{},"f:replicas":{}}}`
	older := entry(nextOwner, applies, "", `{"f:spec":{"f:x":{}}}`)
	older.APIVersion = "apps/v1beta1"
	for name, tc := range map[string]struct {
		managed []metav1.ManagedFieldsEntry
		want    map[string]string
	}{
		"to the next owner, without the labels that go": {
			[]metav1.ManagedFieldsEntry{entry(FieldOwner, applies, "", fields), entry("hpa", updates, "scale", `{"f:spec":{"f:replicas":{}}}`)},
			map[string]string{nextOwner: `{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:paused":{},"f:replicas":{}}}`, "hpa": `{"f:spec":{"f:replicas":{}}}`},
		},
		"added to what that has": {
			[]metav1.ManagedFieldsEntry{entry(FieldOwner, applies, "", fields), entry(nextOwner, applies, "", `{"f:spec":{"f:x":{}}}`)},
			map[string]string{nextOwner: `{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:paused":{},"f:replicas":{},"f:x":{}}}`},
		},
		"nothing where that applied another version": {
			[]metav1.ManagedFieldsEntry{entry(FieldOwner, applies, "", fields), older},
			map[string]string{nextOwner: `{"f:spec":{"f:x":{}}}`},
		},
		"no entry where nothing is left": {
			[]metav1.ManagedFieldsEntry{entry(FieldOwner, applies, "", `{"f:metadata":{"f:labels":{"f:gone":{}}}}`), entry(handOverOwner, applies, "", `{"f:spec":{"f:replicas":{}}}`)},
			map[string]string{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := handedOn(tc.managed, sets.New("gone"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, owners(entries)); diff != "" {
				t.Errorf("owners (-want +got):\n%s", diff)
			}
		})
	}
}
