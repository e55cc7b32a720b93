package guardrails_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guardrails"
)

func TestValidate_NamesWhatTheAPIServerWouldRefuse(t *testing.T) {
	containers := func(c platformv1alpha1.ContainerLimits) platformv1alpha1.Guardrails {
		return platformv1alpha1.Guardrails{Containers: &c}
	}
	for name, tc := range map[string]struct {
		guardrails platformv1alpha1.Guardrails
		want       []string
	}{
		"below zero":               {platformv1alpha1.Guardrails{Quota: list("requests.cpu", "-4")}, []string{`spec.quota[requests.cpu]: Invalid value: "-4": must not be below 0`}},
		"half a pod":               {platformv1alpha1.Guardrails{Quota: list("pods", "1500m")}, []string{`spec.quota[pods]: Invalid value: "1500m": must be a whole number`}},
		"half a Deployment":        {platformv1alpha1.Guardrails{Quota: list("count/deployments.apps", "500m")}, []string{"spec.quota[count/deployments.apps]"}},
		"half a device":            {platformv1alpha1.Guardrails{Quota: list("requests.nvidia.com/gpu", "500m")}, []string{"spec.quota[requests.nvidia.com/gpu]"}},
		"more than one":            {platformv1alpha1.Guardrails{Quota: list("pods", "-1", "requests.cpu", "-1")}, []string{"spec.quota[pods]", "spec.quota[requests.cpu]"}},
		"a least above the most":   {containers(platformv1alpha1.ContainerLimits{Min: list("memory", "2Gi"), Max: list("memory", "1Gi")}), []string{`spec.containers.min[memory]: Invalid value: "2Gi": must not be more than max, which is 1Gi`}},
		"a default above the most": {containers(platformv1alpha1.ContainerLimits{Default: list("memory", "2Gi"), Max: list("memory", "1Gi")}), []string{`spec.containers.default[memory]: Invalid value: "2Gi": must not be more than max`}},
		"a least above a default":  {containers(platformv1alpha1.ContainerLimits{Min: list("memory", "2Gi"), Default: list("memory", "1Gi")}), []string{"spec.containers.min[memory]"}},
		"a least above a request":  {containers(platformv1alpha1.ContainerLimits{Min: list("cpu", "1"), DefaultRequest: list("cpu", "100m")}), []string{"must not be more than defaultRequest, which is 100m"}},
		"a request above a limit":  {containers(platformv1alpha1.ContainerLimits{DefaultRequest: list("memory", "2Gi"), Default: list("memory", "1Gi")}), []string{"spec.containers.defaultRequest[memory]"}},
		"what no container has":    {containers(platformv1alpha1.ContainerLimits{Default: list("pods", "1")}), []string{`spec.containers.default: Invalid value: "pods": is nothing that a container requests`}},
		"a least below zero":       {containers(platformv1alpha1.ContainerLimits{Min: list("cpu", "-1")}), []string{"spec.containers.min[cpu]: Invalid value"}},
		"a label that is none":     {platformv1alpha1.Guardrails{NamespaceLabels: map[string]string{"a b": "c"}}, []string{"spec.namespaceLabels"}},
		"a value that is none":     {platformv1alpha1.Guardrails{NamespaceLabels: map[string]string{"mesh": "yes, please"}}, []string{"spec.namespaceLabels"}},
		"a selector that is none": {platformv1alpha1.Guardrails{Teams: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "Near"}}}},
			[]string{"spec.teams.matchExpressions[0].operator"}},
	} {
		t.Run(name, func(t *testing.T) {
			errs := guardrails.Validate(&tc.guardrails, field.NewPath("spec"))
			if len(errs) < len(tc.want) {
				t.Fatalf("it says %v", errs)
			}
			for i, want := range tc.want {
				if !strings.Contains(errs[i].Error(), want) {
					t.Errorf("it says %v, want %s", errs[i], want)
				}
			}
		})
	}
}

func TestValidate_TakesWhatTheAPIServerTakes(t *testing.T) {
	for name, g := range map[string]platformv1alpha1.Guardrails{
		"nothing": {},
		"a full one": {
			Quota: list("requests.cpu", "1500m", "limits.memory", "4Gi", "pods", "0", "count/jobs.batch", "20", "requests.nvidia.com/gpu", "2",
				"gold.storageclass.storage.k8s.io/requests.storage", "1500M", "requests.hugepages-2Mi", "4Mi"),
			Containers: &platformv1alpha1.ContainerLimits{
				Default: list("memory", "512Mi"), DefaultRequest: list("cpu", "100m", "memory", "128Mi"), Min: list("cpu", "10m"), Max: list("memory", "2Gi", "nvidia.com/gpu", "1", "hugepages-2Mi", "4Mi"),
			},
			NamespaceLabels: map[string]string{"istio-injection": "enabled", "example.com/empty": ""},
			Teams:           &metav1.LabelSelector{MatchLabels: map[string]string{"unit": "shop"}},
		},
	} {
		if errs := guardrails.Validate(&g, field.NewPath("spec")); len(errs) > 0 {
			t.Errorf("%s: it says %v", name, errs)
		}
	}
}
