package statuswrite

import (
	"context"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Write updates the status of an object, as it was read, from alone: an object of the same kind that has that status and
// nothing else, which gets the object's name, labels, annotations and version here. The API server takes no other part of it
// (its strategy for the status of a custom resource keeps all else as it is stored), so what is left out is neither
// sent nor lost. The object gets the version that was written.
//
// Where that is refused, differing goes in place of it: a patch of what of the status differs, which leaves alone what others
// wrote. It is refused where somebody has written the object since it was read, where a mutating webhook of others must
// see the rest of the object, as it does with a patch, and where the manager is newer than its roles, and may only patch. Other
// errors are its own and the API server's, among them NotFound where the object is gone, also if there is another of its name.
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
	switch {
	case err == nil:
		object.SetResourceVersion(alone.GetResourceVersion())
		return nil
	case isAnother(err):
		return apierrors.NewNotFound(schema.GroupResource{}, object.GetName())
	case apierrors.IsConflict(err), apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsInternalError(err):
		patch, err := differing()
		if err != nil {
			return err
		}
		return status.Patch(ctx, object, patch)
	}
	return err
}

// isAnother says that an object was deleted since it was read, and another made of its name. The API server tells that from other
// conflicts by its words alone; where it changes them, the status of the one goes to the other, until that has its own.
func isAnother(err error) bool {
	return apierrors.IsConflict(err) && strings.Contains(err.Error(), "UID in precondition")
}
