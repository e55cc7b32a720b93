package statuswrite

import (
	"context"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/internal/brief"
)

// Writer writes the statuses of one kind.
type Writer struct {
	// Answered updates them.
	Answered *brief.Client
	// Patched patches them, where that is refused.
	Patched client.SubResourceWriter
}

// New returns a Writer of a kind that lives in namespaces; resource is its plural. patched patches what it may not update.
func New(cfg *rest.Config, httpClient *http.Client, patched client.SubResourceWriter, kind, resource string) (*Writer, error) {
	answered, err := brief.New(cfg, httpClient, kind, resource)
	return &Writer{Answered: answered, Patched: patched}, err
}

// Write updates the status of an object, as it was read, from alone: an object of the same kind that has that status and
// nothing else, which gets the object's name, labels, annotations and version here. The API server takes no other part of it
// (its strategy for the status of a custom resource keeps all else as it is stored), so what is left out is neither
// sent nor lost. The object gets the version that was written.
//
// Where that is refused, differing goes in place of it: a patch of what of the status differs, which leaves alone what others
// wrote. It is refused where somebody has written the object since it was read, where a mutating webhook of others must
// see the rest of the object, as it does with a patch, and where the manager is newer than its roles, and may only patch. Other
// errors are its own and the API server's, among them NotFound where the object is gone, also if there is another of its name.
func (w *Writer) Write(ctx context.Context, object, alone client.Object, differing func() (client.Patch, error)) error {
	alone.SetNamespace(object.GetNamespace())
	alone.SetName(object.GetName())
	alone.SetUID(object.GetUID())
	alone.SetResourceVersion(object.GetResourceVersion())
	// Webhooks of others may select by these.
	alone.SetLabels(object.GetLabels())
	alone.SetAnnotations(object.GetAnnotations())
	err := w.Answered.UpdateStatus(ctx, alone)
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
		return w.Patched.Patch(ctx, object, patch)
	}
	return err
}

// isAnother says that an object was deleted since it was read, and another made of its name. The API server tells that from other
// conflicts by its words alone; where it changes them, the status of the one goes to the other, until that has its own.
func isAnother(err error) bool {
	return apierrors.IsConflict(err) && strings.Contains(err.Error(), "UID in precondition")
}
