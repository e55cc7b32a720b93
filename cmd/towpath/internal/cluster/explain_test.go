package cluster_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func TestExplain_SaysWhatHelps(t *testing.T) {
	components := schema.GroupResource{Group: "platform.towpath.dev", Resource: "components"}
	forbidden := func(why string) error { return apierrors.NewForbidden(components, "shop", errors.New(why)) }
	for name, tc := range map[string]struct {
		err        error
		next, says string
	}{
		"a value that is none": {
			apierrors.NewInvalid(schema.GroupKind{Group: components.Group, Kind: "Component"}, "shop", field.ErrorList{field.Invalid(field.NewPath("spec", "image"), "A B", "no image")}),
			"correct what the message names", "spec.image",
		},
		"what a policy refuses": {
			forbidden("ValidatingAdmissionPolicy 'towpath-requesters' with binding 'towpath-requesters' denied request: spec.requestedBy must be the user"),
			"correct what the message names", "spec.requestedBy",
		},
		"what a webhook refuses": {
			forbidden("admission webhook \"components.towpath.dev\" denied the request: spec.environments must keep prod"),
			"correct what the message names", "must keep prod",
		},
		"a right that is missing":        {forbidden(`User "dev" cannot create resource "components"`), "auth can-i --list", "cannot create"},
		"credentials that are no more":   {apierrors.NewUnauthorized("expired"), "auth whoami", "does not accept your credentials"},
		"a cluster that does not answer": {&url.Error{Op: "Get", URL: "https://10.0.0.1", Err: errors.New("refused")}, "cluster-info", "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			next, explained := cluster.Explain(tc.err, cluster.Flags{}, "make component shop")
			if !strings.Contains(next, tc.next) || !strings.Contains(explained.Error(), tc.says) || !strings.HasPrefix(explained.Error(), "cannot make component shop: ") {
				t.Errorf("it says %q, and next %q", explained, next)
			}
		})
	}
}
