package apply

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestBears(t *testing.T) {
	ours := metav1.ManagedFieldsEntry{
		Manager: FieldOwner, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:team":{},"f:env":{}}}}`),
	}
	theirs := ours
	theirs.Manager = "kube-controller-manager"
	wanted := map[string]string{"team": "shop"}
	for what, tc := range map[string]struct {
		labels  map[string]string
		managed []metav1.ManagedFieldsEntry
		want    bool
	}{
		"none":                     {nil, nil, false},
		"another value":            {map[string]string{"team": "other"}, nil, false},
		"those":                    {map[string]string{"team": "shop"}, nil, true},
		"others beside":            {map[string]string{"team": "shop", "env": "dev"}, []metav1.ManagedFieldsEntry{theirs}, true},
		"one that we set and drop": {map[string]string{"team": "shop", "env": "dev"}, []metav1.ManagedFieldsEntry{theirs, ours}, false},
	} {
		got, err := bears(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Labels: tc.labels, ManagedFields: tc.managed}}, wanted)
		if err != nil || got != tc.want {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
	}
}
