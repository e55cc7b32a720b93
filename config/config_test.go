package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
)

func TestEveryFunctionGivesNamedObjects(t *testing.T) {
	for name, objects := range map[string][]*unstructured.Unstructured{
		"CRDs": config.CRDs(), "Namespaces": config.Namespaces(), "RBAC": config.RBAC(), "Policies": config.Policies(),
		"WebhookConfiguration": config.WebhookConfiguration(), "Manager": config.Manager(),
		"Catalog": config.Catalog(), "Classes": config.Classes(),
	} {
		if len(objects) == 0 {
			t.Errorf("%s is empty", name)
		}
		for _, object := range objects {
			if object.GetKind() == "" || object.GetName() == "" {
				t.Errorf("%s has an object without kind or name: %v", name, object.Object)
			}
		}
	}
	if got := len(config.TypedCRDs()); got != len(config.CRDs()) {
		t.Errorf("TypedCRDs gives %d definitions", got)
	}
	if got := config.WebhookConfiguration()[0].GetKind(); got != "ValidatingWebhookConfiguration" {
		t.Errorf("WebhookConfiguration begins with a %s", got)
	}
}

func TestManifestsInAreThoseOfTheFolder(t *testing.T) {
	folder := fstest.MapFS{
		"namespaces/kustomization.yaml": {Data: []byte("kind: Kustomization\n")},
		"namespaces/other.yaml":         {Data: []byte("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n")},
	}
	if got := config.ManifestsIn(folder).Namespaces(); len(got) != 1 || got[0].GetName() != "other" {
		t.Errorf("got %v", got)
	}
	if got := (config.Manifests{}).Namespaces(); len(got) != len(config.Namespaces()) || got[0].GetName() == "other" {
		t.Errorf("the zero value has %v", got)
	}
}

// Each folder is assembled by its kustomization, and embedded by pattern: both must name the same.
func TestKustomizationsNameEveryFile(t *testing.T) {
	for _, folder := range []string{"crd", "namespaces", "rbac", "policy", "webhook", "manager"} {
		data, err := os.ReadFile(filepath.Join(folder, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var kustomization struct{ Resources []string }
		if err := yaml.Unmarshal(data, &kustomization); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, pattern := range []string{"*.yaml", "bases/*.yaml"} {
			names, _ := filepath.Glob(filepath.Join(folder, pattern))
			for _, name := range names {
				if relative, _ := filepath.Rel(folder, name); relative != "kustomization.yaml" {
					want = append(want, relative)
				}
			}
		}
		slices.Sort(want)
		if !slices.Equal(kustomization.Resources, want) {
			t.Errorf("%s/kustomization.yaml names %v, the folder has %v", folder, kustomization.Resources, want)
		}
	}
}

func TestEveryPolicyFailsClosedAndHasADenyingBindingOfItsName(t *testing.T) {
	bindings := map[string]*unstructured.Unstructured{}
	for _, object := range config.Policies() {
		if object.GetKind() == "ValidatingAdmissionPolicyBinding" {
			bindings[object.GetName()] = object
		}
	}
	for _, object := range config.Policies() {
		if object.GetKind() != "ValidatingAdmissionPolicy" {
			continue
		}
		if got, _, _ := unstructured.NestedString(object.Object, "spec", "failurePolicy"); got != "Fail" {
			t.Errorf("policy %s has failurePolicy %q", object.GetName(), got)
		}
		binding := bindings[object.GetName()]
		if binding == nil {
			t.Errorf("policy %s has no binding of its name", object.GetName())
			continue
		}
		if got, _, _ := unstructured.NestedString(binding.Object, "spec", "policyName"); got != object.GetName() {
			t.Errorf("binding %s is of policy %q", object.GetName(), got)
		}
		if got, _, _ := unstructured.NestedStringSlice(binding.Object, "spec", "validationActions"); !slices.Equal(got, []string{"Deny"}) {
			t.Errorf("binding %s has actions %v", object.GetName(), got)
		}
	}
}

// rules gives the rules of every role by kind/namespace/name.
func rules(t *testing.T) map[string][]rbacv1.PolicyRule {
	t.Helper()
	result := map[string][]rbacv1.PolicyRule{}
	for _, object := range config.RBAC() {
		if kind := object.GetKind(); kind != "ClusterRole" && kind != "Role" {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			t.Fatal(err)
		}
		result[object.GetKind()+"/"+object.GetNamespace()+"/"+object.GetName()] = role.Rules
	}
	return result
}

// mayBeBound are the ClusterRoles that may be bound by who does not hold them.
var mayBeBound = []string{"towpath-applier", "towpath-applier-extra", "towpath-owner", "towpath-developer", "towpath-viewer", "towpath-alert-reader", "towpath-git-reader"}

func TestNoRoleHoldsWildcardsOrEscalates(t *testing.T) {
	for name, list := range rules(t) {
		for _, rule := range list {
			for _, value := range slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs) {
				if strings.Contains(value, "*") || value == "escalate" {
					t.Errorf("%s holds %q", name, value)
				}
			}
			secrets := slices.Contains(rule.Resources, "secrets")
			// It is bound in the homes of Teams alone, and to the manager: the policy towpath-bindings holds it to that.
			alerts := name == "ClusterRole//"+platformv1alpha1.AlertReaderClusterRole && slices.Equal(rule.ResourceNames, []string{platformv1alpha1.AlertSecret})
			// It is bound in workload namespaces alone, and to the manager, too.
			repositories := name == "ClusterRole//"+platformv1alpha1.GitReaderClusterRole && slices.Equal(rule.ResourceNames, []string{platformv1alpha1.GitSecret})
			if secrets && !alerts && !repositories && name != "Role/towpath-system/towpath-manager" {
				t.Errorf("%s reaches secrets", name)
			}
			if slices.Contains(rule.Verbs, "bind") && !slices.Equal(rule.ResourceNames, mayBeBound) {
				t.Errorf("%s may bind %v", name, rule.ResourceNames)
			}
			if slices.Contains(rule.Verbs, "impersonate") && name != "Role/towpath-appliers/towpath-manager" {
				t.Errorf("%s may impersonate", name)
			}
		}
	}
}

// The manager watches what appliers write.
func TestManagerReadsEveryKindThatAppliersWrite(t *testing.T) {
	all := rules(t)
	for _, written := range all["ClusterRole//towpath-applier"] {
		for _, resource := range written.Resources {
			readable := slices.ContainsFunc(all["ClusterRole//towpath-manager"], func(rule rbacv1.PolicyRule) bool {
				return slices.Equal(rule.APIGroups, written.APIGroups) && slices.Contains(rule.Resources, resource) &&
					slices.Equal(rule.Verbs, []string{"get", "list", "watch"}) && len(rule.ResourceNames) == 0
			})
			if !readable {
				t.Errorf("the manager cannot read %s of %v", resource, written.APIGroups)
			}
		}
	}
}
