package apply

import (
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestDenied_IsWhatAWebhookSaid(t *testing.T) {
	answer := func(code int32, message string) error {
		return &ObjectError{Err: &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Message: message}}}
	}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"a webhook without a code of its own": {answer(http.StatusBadRequest, `admission webhook "a.example.com" denied the request: not today`), true},
		"a webhook without a reason":          {answer(http.StatusForbidden, `admission webhook "a.example.com" denied the request without explanation`), true},
		"a webhook that cannot be reached":    {answer(http.StatusInternalServerError, `failed calling webhook "a.example.com": connection refused`), false},
		"content that is invalid":             {answer(http.StatusUnprocessableEntity, `ConfigMap "a" is invalid: admission webhook "b" denied the request`), false},
		"nothing":                             {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Denied(tc.err); got != tc.want {
				t.Errorf("got %v", got)
			}
			if tc.want && !Final(tc.err) {
				t.Error("whoever denies has to change their mind: that is for people")
			}
		})
	}
}
