package statuswrite

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Write updates the status of an object, as it was read, from alone: an object of the same kind that has that status and
// nothing else, which gets the object's name, labels, annotations and version here. The API server takes no other part of it
// (its strategy for the status of a custom resource keeps all else as it is stored), so what is left out is neither
// sent nor lost. The object gets the version that was written.
//
// Where somebody else has written the object since it was read, differing goes in place of it: a patch of what of the status
// differs, which leaves alone what others wrote. Other errors are its own and the API server's, among them that the object is gone.
func Write(ctx context.Context, status client.SubResourceWriter, object, alone client.Object, differing func() (client.Patch, error)) error {
	alone.SetNamespace(object.GetNamespace())
	alone.SetName(object.GetName())
	alone.SetUID(object.GetUID())
	alone.SetResourceVersion(object.GetResourceVersion())
	// Webhooks of others may select by these.
	alone.SetLabels(object.GetLabels())
	alone.SetAnnotations(object.GetAnnotations())
	// What the API server would say of fields it does not know is found out at the start, of the definitions; looking for them costs
	// it a second parse of what is written.
	err := status.Update(ctx, alone, client.FieldValidation(metav1.FieldValidationIgnore))
	if apierrors.IsConflict(err) {
		patch, err := differing()
		if err != nil {
			return err
		}
		return status.Patch(ctx, object, patch)
	}
	if err == nil {
		object.SetResourceVersion(alone.GetResourceVersion())
	}
	return err
}
