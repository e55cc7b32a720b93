package build

import (
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/diagnosis"
)

// settling is how long after the begin of a Build the rights of its applier may not have reached every API server; meanwhile it is tried again
// after retrySettling.
const settling, retrySettling = time.Minute, 5 * time.Second

// refused sorts out why the objects of what waits, a stage or the Build, could not be made; object is the one that people are told of. What
// the API server will never take ends what waits, and refused says why; for what somebody else has to mend, the Build waits, and an obstacle
// says for what; everything else is an error, and tried again.
func (r *Reconciler) refused(s *scope, waiting, object string, err error) (refused string, _ error) {
	namespace := s.build.Status.Place.Namespace
	waits := func(reason, format string, args ...any) error {
		return &obstacle{reason: reason, message: waiting + " waits: " + fmt.Sprintf(format, args...)}
	}
	var guarded *apply.RefusedError
	var unguarded *apply.UnguardedError
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &unguarded):
		return "", &obstacle{reason: platformv1alpha1.ReasonApplyFailed, message: err.Error()}
	case errors.As(err, &guarded), apply.Taken(err), !errors.As(err, &status):
	case apply.Terminating(err):
		return "", waits(platformv1alpha1.ReasonApplyFailed, "namespace %s is being deleted, and the Build ends with Environment %s.", namespace, s.environment.Name)
	case apierrors.IsForbidden(err), apply.Denied(err), strings.Contains(status.Status().Message, "failed calling webhook"):
		what := object
		var one *apply.ObjectError
		if errors.As(err, &one) {
			what = one.Kind + " " + one.Name
		}
		cause := diagnosis.Refusal(namespace, what, status.Status().Message)
		message := cause.Message + "."
		if cause.Next != "" {
			message += " " + cause.Next + "."
		}
		switch {
		case cause.Final:
			return condition.Clip(message, maxMessage), nil
		case cause.Reason == platformv1alpha1.ReasonQuotaExceeded:
			return "", waits(cause.Reason, "%s", message)
		case s.now.Sub(s.build.Status.StartedAt.Time) < settling:
			s.lookAgain(retrySettling)
		}
		return "", waits(platformv1alpha1.ReasonApplyFailed, "%s", message)
	}
	if guarded == nil && !apply.Final(err) {
		return "", err
	}
	return condition.Clip(fmt.Sprintf("%s cannot be made: %v.", object, err), maxMessage), nil
}
