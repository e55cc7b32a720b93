package apply

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/towpath-dev/towpath/internal/guard"
)

// ownershipPolicy is the name of the admission policy that keeps appliers off foreign objects.
const ownershipPolicy = "towpath-ownership"

// RefusedError says that the guard refused objects, so that nothing was written.
type RefusedError struct {
	Refusals []guard.Refusal
}

// Error names every refusal.
func (e *RefusedError) Error() string {
	messages := make([]string, 0, len(e.Refusals))
	for _, r := range e.Refusals {
		messages = append(messages, r.Error())
	}
	return strings.Join(messages, "; ")
}

// UnguardedError says that the admission policies do not stand without which a write could change an object
// of somebody else, so that nothing was written.
type UnguardedError struct{ Err error }

// Error repeats what is wrong with the policies.
func (e *UnguardedError) Error() string { return "nothing is written: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnguardedError) Unwrap() error { return e.Err }

// ObjectError says which object could not be written, and why.
type ObjectError struct {
	APIVersion, Kind, Namespace, Name string
	// Doing is what was tried, such as applying or deleting.
	Doing string
	Err   error
}

// Error names the object and repeats the cause.
func (e *ObjectError) Error() string {
	return fmt.Sprintf("%s %s %s/%s: %v", e.Doing, e.Kind, e.Namespace, e.Name, e.Err)
}

// Unwrap returns the cause.
func (e *ObjectError) Unwrap() error { return e.Err }

// ErrTaken is the cause of an ObjectError where a look at the object, after the API server had refused
// the write, showed that it belongs to somebody else.
var ErrTaken = errors.New("it belongs to somebody else")

// Taken says that the object exists and belongs to somebody else. The API server validates before it
// asks the policy: of a foreign object with other immutable fields only ErrTaken tells.
func Taken(err error) bool {
	return errors.Is(err, ErrTaken) || err != nil && (apierrors.IsForbidden(err) || apierrors.IsInvalid(err)) &&
		strings.Contains(err.Error(), "'"+ownershipPolicy+"'")
}

// Denied says that an admission webhook refused the object: what decides there may change, with the object as it is.
// The API server gives such an answer the code that the webhook chose, and tells it apart by its text alone.
func Denied(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	message := status.Status().Message
	return strings.HasPrefix(message, "admission webhook ") && strings.Contains(message, " denied the request")
}

// KindUnavailable says that the API server does not serve the kind (any more). A kind that was served
// before stays in the mapper; then it is the answer of a path that nobody serves which tells.
func KindUnavailable(err error) bool {
	return meta.IsNoMatchError(err) ||
		apierrors.IsNotFound(err) && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}

// Terminating says that the namespace is being deleted, or is gone, so that nothing can be made in it.
func Terminating(err error) bool {
	var status apierrors.APIStatus
	gone := apierrors.IsNotFound(err) && errors.As(err, &status) &&
		status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
	return gone || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// Final says that the API server refused the content: the same object will be refused again.
func Final(err error) bool {
	if Taken(err) || Denied(err) {
		return true
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch status.Status().Code {
	case http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}
