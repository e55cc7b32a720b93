package guardrails_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guardrails"
)

func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func shown(l corev1.ResourceList) map[string]string {
	texts := map[string]string{}
	for name, quantity := range l {
		texts[string(name)] = quantity.String()
	}
	return texts
}

func TestCeilingIsTheLower(t *testing.T) {
	class := list("requests.cpu", "10", "limits.memory", "10Gi", "pods", "50")
	environment := list("requests.cpu", "2500m", "limits.memory", "20Gi", "services", "3")
	got := shown(guardrails.Ceiling(class, environment))
	if diff := cmp.Diff(map[string]string{"requests.cpu": "2500m", "limits.memory": "10Gi", "pods": "50", "services": "3"}, got); diff != "" {
		t.Errorf("ceiling (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"limits.memory: 20Gi of at most 10Gi"}, guardrails.Above(class, environment)); diff != "" {
		t.Errorf("above (-want +got):\n%s", diff)
	}
}

func TestQuotaHasHeadroomForWhatSurges(t *testing.T) {
	ceiling := list("requests.cpu", "333m", "cpu", "4", "limits.memory", "10Gi", "requests.memory", "1001", "pods", "10", "count/pods", "0",
		"count/deployments.apps", "10", "requests.storage", "100Gi", "requests.nvidia.com/gpu", "2", "memory", "1Ei")
	percent := func(p int32) *int32 { return &p }
	for name, tc := range map[string]struct {
		surge *int32
		want  map[string]string
	}{
		"a quarter by default": {nil, map[string]string{
			"requests.cpu": "417m", "cpu": "5", "limits.memory": "12800Mi", "requests.memory": "1252", "pods": "13", "count/pods": "0",
			"count/deployments.apps": "10", "requests.storage": "100Gi", "requests.nvidia.com/gpu": "2", "memory": "1280Pi",
		}},
		"none": {percent(0), map[string]string{
			"requests.cpu": "333m", "cpu": "4", "limits.memory": "10Gi", "requests.memory": "1001", "pods": "10", "count/pods": "0",
			"count/deployments.apps": "10", "requests.storage": "100Gi", "requests.nvidia.com/gpu": "2", "memory": "1Ei",
		}},
	} {
		got := guardrails.Quota(&platformv1alpha1.Guardrails{SurgePercent: tc.surge}, ceiling)
		if diff := cmp.Diff(tc.want, shown(got.Hard)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if guardrails.Quota(&platformv1alpha1.Guardrails{}, nil) != nil {
		t.Error("no ceiling needs no quota")
	}
}

func TestExceeded(t *testing.T) {
	hard := list("pods", "3", "requests.cpu", "1", "services", "2")
	if got := guardrails.Exceeded(hard, list("pods", "5", "requests.cpu", "1000m")); !cmp.Equal(got, []string{"pods: 5 of 3"}) {
		t.Errorf("got %q", got)
	}
}

func TestAllows(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"regulated": "yes"}}
	byName := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: platformv1alpha1.LabelTeam, Operator: metav1.LabelSelectorOpIn, Values: []string{"shop"}}}}
	for name, tc := range map[string]struct {
		teams  *metav1.LabelSelector
		labels map[string]string
		want   bool
	}{
		"everybody":                       {nil, nil, true},
		"a team of these labels":          {selector, map[string]string{"regulated": "yes"}, true},
		"a team of others":                {selector, nil, false},
		"a team by its name":              {byName, nil, true},
		"a team that lies about its name": {byName, map[string]string{platformv1alpha1.LabelTeam: "other"}, true},
		"a team that is not called so":    {&metav1.LabelSelector{MatchLabels: map[string]string{platformv1alpha1.LabelTeam: "other"}}, map[string]string{platformv1alpha1.LabelTeam: "other"}, false},
	} {
		got, err := guardrails.Allows(&platformv1alpha1.Guardrails{Teams: tc.teams}, "shop", tc.labels)
		if err != nil || got != tc.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
