// Package walls checks at start-up that the admission policies stand which Towpath relies on: it
// writes without reading first, so without them it could change objects of others.
package walls

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Policies are the names of the policies that must be there, each with a binding of its name.
var Policies = []string{
	"towpath-ownership", "towpath-labels", "towpath-records", "towpath-namespaces",
	"towpath-bindings", "towpath-accounts", "towpath-appliers", "towpath-templates",
}

// Check returns an error that names the first policy or binding that is not there or does not deny.
func Check(ctx context.Context, reader client.Reader) error {
	for _, name := range Policies {
		var policy admissionregistrationv1.ValidatingAdmissionPolicy
		if err := get(ctx, reader, name, &policy); err != nil {
			return err
		}
		if policy.Spec.FailurePolicy != nil && *policy.Spec.FailurePolicy != admissionregistrationv1.Fail {
			return fmt.Errorf("ValidatingAdmissionPolicy %s must have failurePolicy Fail: apply config/policy again", name)
		}
		var binding admissionregistrationv1.ValidatingAdmissionPolicyBinding
		if err := get(ctx, reader, name, &binding); err != nil {
			return err
		}
		if len(binding.Spec.ValidationActions) == 0 || binding.Spec.ValidationActions[0] != admissionregistrationv1.Deny {
			return fmt.Errorf("ValidatingAdmissionPolicyBinding %s must have validationActions [Deny]: apply config/policy again", name)
		}
	}
	return nil
}

func get(ctx context.Context, reader client.Reader, name string, object client.Object) error {
	err := reader.Get(ctx, types.NamespacedName{Name: name}, object)
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%T %s is not installed, and without it Towpath could change objects of others: apply config/policy", object, name)
	}
	if err != nil {
		return fmt.Errorf("reading %T %s: %w", object, name, err)
	}
	return nil
}
