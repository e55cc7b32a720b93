package walls_test

import (
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/walls"
)

type (
	policy  = admissionregistrationv1.ValidatingAdmissionPolicy
	binding = admissionregistrationv1.ValidatingAdmissionPolicyBinding
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		policy  func(*policy) bool // false takes it away
		binding func(*binding) bool
		want    string
	}{
		"as shipped":                   {},
		"a policy that is gone":        {policy: func(*policy) bool { return false }, want: "ValidatingAdmissionPolicy towpath-ownership is not installed"},
		"a binding that is gone":       {binding: func(*binding) bool { return false }, want: "ValidatingAdmissionPolicyBinding towpath-ownership is not installed"},
		"a policy that lets pass":      {policy: func(p *policy) bool { p.Spec.FailurePolicy = ptr.To(admissionregistrationv1.Ignore); return true }, want: "failurePolicy Fail"},
		"another validation":           {policy: func(p *policy) bool { p.Spec.Validations[0].Expression = "true"; return true }, want: "not the one that ships"},
		"another condition":            {policy: func(p *policy) bool { p.Spec.MatchConditions[0].Expression = "false"; return true }, want: "not the one that ships"},
		"fewer operations":             {policy: func(p *policy) bool { p.Spec.MatchConstraints.ResourceRules[0].Operations = nil; return true }, want: "not the one that ships"},
		"a selector":                   {policy: func(p *policy) bool { p.Spec.MatchConstraints.ObjectSelector = selector(); return true }, want: "not the one that ships"},
		"what the API server fills in": {policy: func(p *policy) bool { p.Spec.MatchConstraints.ObjectSelector = &metav1.LabelSelector{}; return true }},
		"a binding that only warns": {binding: func(b *binding) bool {
			b.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{"Warn"}
			return true
		}, want: "must have validationActions [Deny]"},
		"a binding that denies too": {binding: func(b *binding) bool {
			b.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{"Audit", "Deny"}
			return true
		}},
		"a binding of another policy": {binding: func(b *binding) bool { b.Spec.PolicyName = "other"; return true }, want: "must be of the policy of its name"},
		"a binding for some namespaces": {binding: func(b *binding) bool {
			b.Spec.MatchResources = &admissionregistrationv1.MatchResources{NamespaceSelector: selector()}
			return true
		}, want: "must not be limited by matchResources"},
	} {
		scheme := runtime.NewScheme()
		if err := admissionregistrationv1.AddToScheme(scheme); err != nil {
			t.Fatal(err)
		}
		b := fake.NewClientBuilder().WithScheme(scheme)
		for _, object := range config.Policies() {
			switch object.GetKind() {
			case "ValidatingAdmissionPolicy":
				var p policy
				convert(t, object.Object, &p)
				if p.Name != "towpath-ownership" || c.policy == nil || c.policy(&p) {
					b = b.WithObjects(&p)
				}
			case "ValidatingAdmissionPolicyBinding":
				var p binding
				convert(t, object.Object, &p)
				if p.Name != "towpath-ownership" || c.binding == nil || c.binding(&p) {
					b = b.WithObjects(&p)
				}
			}
		}
		err := walls.Check(t.Context(), b.Build())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(strings.ReplaceAll(err.Error(), "*v1.", ""), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
}

func convert(t *testing.T, object map[string]any, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, into); err != nil {
		t.Fatal(err)
	}
}
