package apply

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func managed(manager string, operation metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)}
}

func TestAlone(t *testing.T) {
	mine := managed(FieldOwner, metav1.ManagedFieldsOperationApply, `{"f:data":{"f:a":{}}}`)
	stripped := managed(strippedOwner, metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:a":{},"f:b":{}}}`)
	healed := managed(healOwner, metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:a":{}}}`)
	other := managed("kubectl", metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:a":{}}}`)
	for name, c := range map[string]struct {
		entries []metav1.ManagedFieldsEntry
		shared  bool
		want    map[string]string
	}{
		"none":                {nil, false, map[string]string{}},
		"ours":                {[]metav1.ManagedFieldsEntry{mine, other}, false, map[string]string{FieldOwner: `{"f:data":{"f:a":{}}}`, "kubectl": `{"f:data":{"f:a":{}}}`}},
		"after a strip":       {[]metav1.ManagedFieldsEntry{stripped, mine}, true, map[string]string{FieldOwner: `{"f:data":{"f:a":{}}}`, strippedOwner: `{"f:data":{"f:b":{}}}`}},
		"of a list put right": {[]metav1.ManagedFieldsEntry{mine, healed}, true, map[string]string{FieldOwner: `{"f:data":{"f:a":{}}}`}},
		"without ours":        {[]metav1.ManagedFieldsEntry{stripped}, false, map[string]string{strippedOwner: `{"f:data":{"f:a":{},"f:b":{}}}`}},
	} {
		rest, shared, err := alone(c.entries)
		if err != nil || shared != c.shared || len(rest) != len(c.want) {
			t.Errorf("%s: %v, %t, %v", name, rest, shared, err)
			continue
		}
		for _, e := range rest {
			if got := string(e.FieldsV1.GetRawBytes()); got != c.want[e.Manager] {
				t.Errorf("%s: %s has %s, want %s", name, e.Manager, got, c.want[e.Manager])
			}
		}
	}
	if _, _, err := alone([]metav1.ManagedFieldsEntry{
		managed(FieldOwner, metav1.ManagedFieldsOperationApply, `[]`), managed(strippedOwner, metav1.ManagedFieldsOperationUpdate, `{}`),
	}); err == nil {
		t.Error("a record that cannot be read is no error")
	}
}

func TestCollision(t *testing.T) {
	invalid := func(causes ...metav1.StatusCause) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: 422, Reason: metav1.StatusReasonInvalid, Details: &metav1.StatusDetails{Causes: causes},
		}}
	}
	duplicate := func(field string) metav1.StatusCause {
		return metav1.StatusCause{Type: metav1.CauseTypeFieldValueDuplicate, Field: field}
	}
	for name, c := range map[string]struct {
		err  error
		want int // how long the path is; 0 for none
	}{
		"nothing":               {nil, 0},
		"another error":         {apierrors.NewBadRequest("no"), 0},
		"no cause":              {invalid(), 0},
		"a value that is wrong": {invalid(metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: "spec.ports[0].port"}), 0},
		"a port twice":          {invalid(duplicate("spec.ports[1].name")), 2},
		"a list within a list":  {invalid(duplicate("spec.template.spec.containers[0].ports[1].name")), 0},
	} {
		if path, ok := collision(c.err); ok != (c.want > 0) || len(path) != c.want {
			t.Errorf("%s: %v, %t", name, path, ok)
		}
	}
}
