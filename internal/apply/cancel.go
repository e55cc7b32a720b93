package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Cancel asks the controller of a run to end it, by its spec.status, as Tekton's runs have it. One that is gone is left
// alone, and of one of another UID nothing changes. The error is an *ObjectError.
func (w *Writer) Cancel(ctx context.Context, user, namespace string, target Target, status string) error {
	_, err := w.patchJSON(ctx, user, namespace, target.ReleaseObject, "cancelling", []operation{
		{Op: "test", Path: "/metadata/uid", Value: target.UID},
		{Op: "add", Path: "/spec/status", Value: status},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
