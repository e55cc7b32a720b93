package apply_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/towpath-dev/towpath/internal/apply"
)

func entry(change func(*metav1.ManagedFieldsEntry)) []metav1.ManagedFieldsEntry {
	at := metav1.NewTime(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))
	e := metav1.ManagedFieldsEntry{
		Manager: "towpath-release", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "apps/v1", Time: &at,
		FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:replicas":{}}}`),
	}
	if change != nil {
		change(&e)
	}
	// Another owner before ours must make no difference.
	return []metav1.ManagedFieldsEntry{{Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate}, e}
}

func TestOwned_ChangesWithWhatWeOwn(t *testing.T) {
	before := apply.Owned(entry(nil))
	if before == "" || before != apply.Owned(entry(nil)) {
		t.Fatalf("the hash of the same entry is %q and %q", before, apply.Owned(entry(nil)))
	}
	later := metav1.NewTime(time.Date(2026, 11, 24, 9, 0, 1, 0, time.UTC))
	elsewhere := metav1.NewTime(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC).In(time.FixedZone("", 3600)))
	for name, tc := range map[string]struct {
		change func(*metav1.ManagedFieldsEntry)
		same   bool
	}{
		"a field was taken from us":      {change: func(e *metav1.ManagedFieldsEntry) { e.FieldsV1 = metav1.NewFieldsV1(`{}`) }},
		"a write under our own name":     {change: func(e *metav1.ManagedFieldsEntry) { e.Time = &later }},
		"another version of the API":     {change: func(e *metav1.ManagedFieldsEntry) { e.APIVersion = "apps/v2" }},
		"the same time in another zone":  {change: func(e *metav1.ManagedFieldsEntry) { e.Time = &elsewhere }, same: true},
		"our name, but no apply":         {change: func(e *metav1.ManagedFieldsEntry) { e.Operation = metav1.ManagedFieldsOperationUpdate }},
		"our name, but of a subresource": {change: func(e *metav1.ManagedFieldsEntry) { e.Subresource = "status" }},
	} {
		if same := apply.Owned(entry(tc.change)) == before; same != tc.same {
			t.Errorf("%s: the hash is the same: %t, want %t", name, same, tc.same)
		}
	}
	// As the API server orders the items of a list, and as text.
	ports := func(fields string) string {
		return apply.Owned(entry(func(e *metav1.ManagedFieldsEntry) { e.FieldsV1 = metav1.NewFieldsV1(fields) }))
	}
	if ports(`{"f:ports":{"k:{\"port\":80}":{},"k:{\"port\":443}":{}}}`) != ports(`{"f:ports":{"k:{\"port\":443}":{},"k:{\"port\":80}":{}}}`) {
		t.Error("the order of list items makes a difference, so that an object with two ports is written again for ever")
	}
	if got := apply.Owned(nil); got != "" {
		t.Errorf("without any entry the hash is %q, want none", got)
	}
}

func status(code int32, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason(code), Message: message}}
}

func reason(code int32) metav1.StatusReason {
	switch code {
	case http.StatusForbidden:
		return metav1.StatusReasonForbidden
	case http.StatusUnprocessableEntity:
		return metav1.StatusReasonInvalid
	}
	return metav1.StatusReasonUnknown
}

func TestErrors_AreToldApart(t *testing.T) {
	const denied = "ValidatingAdmissionPolicy 'towpath-ownership' with binding 'towpath-ownership' denied request: not yours"
	for name, tc := range map[string]struct {
		err          error
		taken, final bool
	}{
		"nothing":                             {},
		"an object of somebody else":          {err: status(http.StatusForbidden, denied), taken: true, final: true},
		"the same as invalid":                 {err: status(http.StatusUnprocessableEntity, denied), taken: true, final: true},
		"another policy":                      {err: status(http.StatusForbidden, "ValidatingAdmissionPolicy 'other' denied request")},
		"rights that are not there yet":       {err: status(http.StatusForbidden, "cannot patch resource")},
		"content that is wrong":               {err: status(http.StatusUnprocessableEntity, "spec.replicas: must be positive"), final: true},
		"an API server that is busy":          {err: status(http.StatusTooManyRequests, "later")},
		"a connection that broke":             {err: errors.New("connection reset")},
		"content that is wrong, in an object": {err: &apply.ObjectError{Kind: "Deployment", Err: status(http.StatusUnprocessableEntity, "no")}, final: true},
	} {
		if got := apply.Taken(tc.err); got != tc.taken {
			t.Errorf("%s: Taken is %t, want %t", name, got, tc.taken)
		}
		if got := apply.Final(tc.err); got != tc.final {
			t.Errorf("%s: Final is %t, want %t", name, got, tc.final)
		}
	}
}

func TestOwnsReplicas(t *testing.T) {
	fields := func(text string) func(*metav1.ManagedFieldsEntry) {
		return func(e *metav1.ManagedFieldsEntry) { e.FieldsV1 = metav1.NewFieldsV1(text) }
	}
	for name, tc := range map[string]struct {
		change func(*metav1.ManagedFieldsEntry)
		want   bool
	}{
		"ours":           {nil, true},
		"not in the set": {fields(`{"f:spec":{"f:template":{}}}`), false},
		"of another":     {func(e *metav1.ManagedFieldsEntry) { e.Manager = "helm" }, false},
		"elsewhere":      {fields(`{"f:status":{"f:replicas":{}}}`), false},
		"unreadable":     {fields(`[]`), false},
	} {
		if got := apply.OwnsReplicas(entry(tc.change)); got != tc.want {
			t.Errorf("%s: got %t, want %t", name, got, tc.want)
		}
	}
	if apply.OwnsReplicas(nil) {
		t.Error("replicas of an object that nobody owns are not ours")
	}
}
