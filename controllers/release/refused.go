package release

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/diagnosis"
)

// classifyRefused says of an object that the API server refused who did that, and what helps: a quota, a webhook or policy
// of others, a LimitRange, or missing rights. It returns false for everything else.
func (s *scope) classifyRefused(object *apply.ObjectError) bool {
	var status apierrors.APIStatus
	if apply.Taken(object) || apply.Terminating(object) || !errors.As(object.Err, &status) {
		return false
	}
	what := object.Kind + " " + object.Name
	cause := diagnosis.Refusal(object.Namespace, what, status.Status().Message)
	if cause.Next == "" {
		return false // it is the object's content, or nothing that is known
	}
	reason, message := platformv1alpha1.ReasonApplyFailed, cause.Message
	if cause.Reason == platformv1alpha1.ReasonQuotaExceeded {
		reason = cause.Reason
	}
	if !strings.Contains(message, what) {
		message = what + " cannot be made: " + message
	}
	s.fail(cause.Final || apply.Final(object), reason, message+". "+cause.Next+".")
	return true
}
