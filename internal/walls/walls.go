// Package walls checks that the admission policies stand which Towpath relies on: it writes without reading
// first, so without them it could change objects of others.
package walls

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/config"
)

// Policies are the names of the policies that must be there, each with a binding of its name.
var Policies = []string{
	ownership, "towpath-labels", "towpath-records", "towpath-namespaces",
	"towpath-bindings", "towpath-accounts", "towpath-appliers", "towpath-templates",
	"towpath-finalizers", "towpath-guardrails", "towpath-approvals", "towpath-requesters", "towpath-costreports",
}

// ownership is the policy that keeps appliers off foreign objects. It must stand as it ships; a platform team
// may widen the others, to let a tool of its own set labels for example.
const ownership = "towpath-ownership"

// Check returns an error that names the first policy or binding that is not there, or does not deny. It reads
// each of them: with a reader from a cache it may be asked before every write.
func Check(ctx context.Context, reader client.Reader) error {
	for _, name := range Policies {
		var policy admissionregistrationv1.ValidatingAdmissionPolicy
		if err := get(ctx, reader, name, &policy); err != nil {
			return err
		}
		if policy.Spec.FailurePolicy != nil && *policy.Spec.FailurePolicy != admissionregistrationv1.Fail {
			return fmt.Errorf("ValidatingAdmissionPolicy %s must have failurePolicy Fail: apply config/policy again", name)
		}
		if name == ownership && !known(&policy) {
			return fmt.Errorf("ValidatingAdmissionPolicy %s is not the one that ships with Towpath: apply config/policy again", name)
		}
		var binding admissionregistrationv1.ValidatingAdmissionPolicyBinding
		if err := get(ctx, reader, name, &binding); err != nil {
			return err
		}
		if why := lets(&binding, name); why != "" {
			return fmt.Errorf("ValidatingAdmissionPolicyBinding %s %s: apply config/policy again", name, why)
		}
	}
	return nil
}

// lets says why a binding does not have its policy deny everywhere; nothing where it does.
func lets(binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding, policy string) string {
	spec := &binding.Spec
	switch {
	case spec.PolicyName != policy:
		return "must be of the policy of its name"
	case !slices.Contains(spec.ValidationActions, admissionregistrationv1.Deny):
		return "must have validationActions [Deny]"
	case spec.MatchResources != nil && narrows(spec.MatchResources):
		return "must not be limited by matchResources"
	}
	return ""
}

func narrows(m *admissionregistrationv1.MatchResources) bool {
	return len(m.ResourceRules) > 0 || len(m.ExcludeResourceRules) > 0 || selects(m.NamespaceSelector) || selects(m.ObjectSelector)
}

func selects(s *metav1.LabelSelector) bool {
	return s != nil && (len(s.MatchLabels) > 0 || len(s.MatchExpressions) > 0)
}

// judged is what the last comparison found of one version of the policy: it is asked for before every write, and hardly ever changes.
var judged atomic.Pointer[judgement]

type judgement struct {
	uid     types.UID
	version string
	shipped bool
}

// known says whether a policy is as its file has it, and compares each version of it once.
func known(live *admissionregistrationv1.ValidatingAdmissionPolicy) bool {
	if j := judged.Load(); j != nil && j.uid == live.UID && j.version == live.ResourceVersion && j.uid != "" {
		return j.shipped
	}
	j := &judgement{uid: live.UID, version: live.ResourceVersion, shipped: asShipped(live)}
	judged.Store(j)
	return j.shipped
}

// asShipped compares what decides in a policy with the file that ships.
func asShipped(live *admissionregistrationv1.ValidatingAdmissionPolicy) bool {
	a, b := &shipped().Spec, &live.Spec
	return a.MatchConstraints != nil && b.MatchConstraints != nil && !selects(b.MatchConstraints.ObjectSelector) &&
		!selects(b.MatchConstraints.NamespaceSelector) && len(b.MatchConstraints.ExcludeResourceRules) == 0 &&
		slices.Equal(rules(a), rules(b)) && slices.Equal(expressions(a), expressions(b))
}

// shipped is the policy of ownership as its file has it.
var shipped = sync.OnceValue(func() *admissionregistrationv1.ValidatingAdmissionPolicy {
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{}
	for _, object := range config.Policies() {
		if object.GetKind() != "ValidatingAdmissionPolicy" || object.GetName() != ownership {
			continue
		}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, policy) != nil {
			return &admissionregistrationv1.ValidatingAdmissionPolicy{} // nothing is as it
		}
	}
	return policy
})

// rules are the resource rules without what the API server fills in.
func rules(spec *admissionregistrationv1.ValidatingAdmissionPolicySpec) []string {
	var all []string
	for _, r := range spec.MatchConstraints.ResourceRules {
		all = append(all, fmt.Sprint(r.APIGroups, r.APIVersions, r.Operations, r.Resources, r.ResourceNames))
	}
	return all
}

// expressions are all that a policy has, each behind its name. White space tells nothing apart, and tools that render
// manifests add some: kustomize puts empty lines into folded text.
func expressions(spec *admissionregistrationv1.ValidatingAdmissionPolicySpec) []string {
	var all []string
	add := func(name, expression string) {
		all = append(all, name+": "+strings.Join(strings.Fields(expression), " "))
	}
	for _, c := range spec.MatchConditions {
		add("condition "+c.Name, c.Expression)
	}
	for _, v := range spec.Variables {
		add("variable "+v.Name, v.Expression)
	}
	for _, v := range spec.Validations {
		add("validation", v.Expression)
	}
	return all
}

func get(ctx context.Context, reader client.Reader, name string, object client.Object) error {
	err := reader.Get(ctx, types.NamespacedName{Name: name}, object, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%T %s is not installed, and without it Towpath could change objects of others: apply config/policy", object, name)
	}
	if err != nil {
		return fmt.Errorf("reading %T %s: %w", object, name, err)
	}
	return nil
}
