package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTaken_LeavesOneOwner(t *testing.T) {
	entry := func(manager string, operation metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Operation: operation, Subresource: subresource, APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		}
	}
	live := &metav1.PartialObjectMetadata{}
	live.ManagedFields = []metav1.ManagedFieldsEntry{
		entry(FieldOwner, metav1.ManagedFieldsOperationApply, "", `{"f:metadata":{"f:labels":{"f:ours":{}}}}`),
		entry("helm", metav1.ManagedFieldsOperationUpdate, "", `{"f:spec":{"f:replicas":{},"f:paused":{},"f:volumeClaimTemplates":{"f:x":{}}}}`),
		entry("argocd", metav1.ManagedFieldsOperationApply, "", `{"f:spec":{"f:minReadySeconds":{}}}`),
		entry("kube-controller-manager", metav1.ManagedFieldsOperationUpdate, "", `{"f:metadata":{"f:annotations":{"f:revision":{}}}}`),
		entry("autoscaler", metav1.ManagedFieldsOperationUpdate, "scale", `{"f:spec":{"f:replicas":{}}}`),
	}
	before := live.DeepCopy()
	entries, err := taken(live)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i := range entries {
		got[entries[i].Manager] = string(entries[i].FieldsV1.GetRawBytes())
	}
	want := map[string]string{
		FieldOwner:                `{"f:metadata":{"f:labels":{"f:ours":{}}},"f:spec":{"f:minReadySeconds":{},"f:paused":{}}}`,
		"kube-controller-manager": `{"f:metadata":{"f:annotations":{"f:revision":{}}}}`,
		"autoscaler":              `{"f:spec":{"f:replicas":{}}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before.ManagedFields[1].Manager, live.ManagedFields[1].Manager); diff != "" {
		t.Errorf("what was read changed: %s", diff)
	}
}
