package config_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/towpath-dev/towpath/config/monitoring"
)

// changes compares an overlay with config/default: what it adds, takes away and changes.
func changes(t *testing.T, overlay string) (added, removed, changed []string, objects []*unstructured.Unstructured) {
	t.Helper()
	before := map[string]string{}
	for _, object := range rendered(t) {
		before[id(object)] = content(t, object)
	}
	objects = built(t, "overlays/"+overlay)
	for _, object := range objects {
		switch was, ok := before[id(object)]; {
		case !ok:
			added = append(added, id(object))
		case was != content(t, object):
			changed = append(changed, id(object))
		}
		delete(before, id(object))
	}
	slices.Sort(added)
	slices.Sort(changed)
	return added, slices.Sorted(maps.Keys(before)), changed, objects
}

func mustBe(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is %s (-want +got):\n%s", what, diff)
	}
}

// A folder of overlays that no test here renders is not tested.
func TestEachOverlayIsTested(t *testing.T) {
	folders, err := os.ReadDir("overlays")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, folder := range folders {
		names = append(names, folder.Name())
	}
	mustBe(t, "in config/overlays", names, "argocd", "flux", "ha", "history", "monitoring", "restricted")
}

func TestWhatFollowsRepositoriesIsWrittenInOneNamespace(t *testing.T) {
	for overlay, c := range map[string]struct {
		place    string
		policies []string
	}{
		"argocd": {"argocd", []string{"towpath-delivery-applications"}},
		"flux":   {"flux-system", []string{"towpath-delivery-kustomizations", "towpath-delivery-repositories"}},
	} {
		added, removed, changed, objects := changes(t, overlay)
		want := []string{"Role/" + c.place + "/towpath-delivery", "RoleBinding/" + c.place + "/towpath-delivery"}
		for _, name := range c.policies {
			want = append(want, "ValidatingAdmissionPolicy//"+name, "ValidatingAdmissionPolicyBinding//"+name)
			binding := one[admissionregistrationv1.ValidatingAdmissionPolicyBinding](t, objects, "ValidatingAdmissionPolicyBinding", name)
			// Whatever stands there at first is what most will leave, and what docs/gitops.md patches.
			for i, variable := range one[admissionregistrationv1.ValidatingAdmissionPolicy](t, objects, "ValidatingAdmissionPolicy", name).Spec.Variables {
				if at := slices.Index([]string{"repositories", "projects"}, variable.Name); at >= 0 && (at != i || variable.Expression != "[]") {
					t.Errorf("variable %d of %s, %s, is %s, and must be %d and empty", i, name, variable.Name, variable.Expression, at)
				}
			}
			if binding.Spec.PolicyName != name || !slices.Equal(binding.Spec.ValidationActions, []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}) {
				t.Errorf("%s does not have its policy deny: %+v", name, binding.Spec)
			}
		}
		slices.Sort(want)
		mustBe(t, "added", added, want...)
		mustBe(t, "removed", removed)
		mustBe(t, "changed", changed)
		for _, rule := range one[rbacv1.Role](t, objects, "Role", "towpath-delivery").Rules {
			for _, verb := range rule.Verbs {
				if !slices.Contains([]string{"get", "create", "patch", "delete"}, verb) {
					t.Errorf("%s may %s %v: the manager needs get, create, patch and delete alone", overlay, verb, rule.Resources)
				}
			}
		}
	}
}

func TestHighAvailabilityHasManagersOnSeveralNodes(t *testing.T) {
	added, removed, changed, objects := changes(t, "ha")
	mustBe(t, "added", added)
	mustBe(t, "removed", removed)
	mustBe(t, "changed", changed, "Deployment/towpath-system/towpath-manager")
	deployment := one[appsv1.Deployment](t, objects, "Deployment", "towpath-manager")
	mustBeRestricted(t, &deployment.Spec.Template)
	if got := *deployment.Spec.Replicas; got < 3 {
		t.Errorf("there are %d replicas: one that is drained and one that is lost leave none", got)
	}
	budget := one[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget", "towpath-manager")
	if got := budget.Spec.MaxUnavailable.IntValue(); got != 1 {
		t.Errorf("a drain takes %d at once", got)
	}
	pod := labels.Set(deployment.Spec.Template.Labels)
	spread := map[string]corev1.TopologySpreadConstraint{}
	for _, constraint := range deployment.Spec.Template.Spec.TopologySpreadConstraints {
		spread[constraint.TopologyKey] = constraint
		selector, err := metav1.LabelSelectorAsSelector(constraint.LabelSelector)
		if err != nil || !selector.Matches(pod) {
			t.Errorf("the spread over %s counts other pods: %v", constraint.TopologyKey, err)
		}
		if !slices.Equal(constraint.MatchLabelKeys, []string{"pod-template-hash"}) {
			t.Errorf("the spread over %s counts pods that are on their way out", constraint.TopologyKey)
		}
		if constraint.NodeTaintsPolicy == nil || *constraint.NodeTaintsPolicy != corev1.NodeInclusionPolicyHonor {
			t.Errorf("the spread over %s counts nodes that no manager may run on", constraint.TopologyKey)
		}
	}
	nodes := spread[corev1.LabelHostname]
	if nodes.WhenUnsatisfiable != corev1.DoNotSchedule || nodes.MinDomains == nil || *nodes.MinDomains < 2 {
		t.Errorf("all managers may be on one node: %+v", nodes)
	}
	if zones := spread[corev1.LabelTopologyZone]; zones.WhenUnsatisfiable != corev1.ScheduleAnyway {
		t.Errorf("a cluster of one zone cannot run it, or zones do not count: %+v", zones)
	}
}

func TestHistoryIsOnAVolumeThatOneManagerHas(t *testing.T) {
	added, removed, changed, objects := changes(t, "history")
	mustBe(t, "added", added, "PersistentVolumeClaim/towpath-system/towpath-history")
	mustBe(t, "removed", removed)
	mustBe(t, "changed", changed, "Deployment/towpath-system/towpath-manager")
	claim := one[corev1.PersistentVolumeClaim](t, objects, "PersistentVolumeClaim", "towpath-history")
	if claim.Labels["app.kubernetes.io/part-of"] != "towpath" || !slices.Equal(claim.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}) {
		t.Errorf("the claim is %+v", claim)
	}
	deployment := one[appsv1.Deployment](t, objects, "Deployment", "towpath-manager")
	mustBeRestricted(t, &deployment.Spec.Template)
	if *deployment.Spec.Replicas != 1 || deployment.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType || deployment.Spec.Strategy.RollingUpdate != nil {
		t.Errorf("two managers may want the volume at once: %d replicas, %+v", *deployment.Spec.Replicas, deployment.Spec.Strategy)
	}
	pod := &deployment.Spec.Template.Spec
	if group := pod.SecurityContext.FSGroup; group == nil || *group != *pod.SecurityContext.RunAsGroup {
		t.Errorf("the manager cannot write to a volume that is new: %v", group)
	}
	before := one[appsv1.Deployment](t, rendered(t), "Deployment", "towpath-manager").Spec.Template.Spec
	i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "history" })
	if len(pod.Volumes) != len(before.Volumes) || i < 0 || pod.Volumes[i].EmptyDir != nil || pod.Volumes[i].PersistentVolumeClaim == nil || pod.Volumes[i].PersistentVolumeClaim.ClaimName != claim.Name {
		t.Errorf("the volumes are %+v", pod.Volumes)
	}
}

func TestRestrictedAsksForLess(t *testing.T) {
	added, removed, changed, objects := changes(t, "restricted")
	mustBe(t, "added", added)
	mustBe(t, "removed", removed, "ClusterRoleBinding//towpath-catalog-view", "Namespace//towpath-appliers", "Namespace//towpath-system")
	mustBe(t, "changed", changed, "ClusterRole//towpath-edit", "ClusterRole//towpath-view", "Deployment/towpath-system/towpath-manager")

	pod := one[appsv1.Deployment](t, objects, "Deployment", "towpath-manager").Spec.Template
	mustBeRestricted(t, &pod)
	if security := pod.Spec.SecurityContext; security.RunAsUser != nil || security.RunAsGroup != nil || !*security.RunAsNonRoot {
		t.Errorf("a cluster that assigns users cannot: %+v", security)
	}
	for _, container := range pod.Spec.Containers {
		for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
			request, limit := container.Resources.Requests[resource], container.Resources.Limits[resource]
			if request.IsZero() || limit.IsZero() {
				t.Errorf("container %s is refused where a quota wants %s: %+v", container.Name, resource, container.Resources)
			}
		}
	}
	for _, object := range objects {
		for label := range object.GetLabels() {
			if strings.HasPrefix(label, "rbac.authorization.k8s.io/aggregate-to-") {
				t.Errorf("%s widens a role of Kubernetes by %s", id(object), label)
			}
		}
		if object.GetKind() != "ClusterRoleBinding" {
			continue
		}
		binding := one[rbacv1.ClusterRoleBinding](t, objects, object.GetKind(), object.GetName())
		for _, subject := range binding.Subjects {
			if subject.Kind != rbacv1.ServiceAccountKind || subject.Namespace != "towpath-system" {
				t.Errorf("%s gives rights to %s %s", id(object), subject.Kind, subject.Name)
			}
		}
	}
}

func TestMonitoringAddsToTheInstallation(t *testing.T) {
	added, removed, changed, objects := changes(t, "monitoring")
	mustBe(t, "removed", removed)
	mustBe(t, "changed", changed)
	mustBe(t, "added", added,
		"ClusterRoleBinding//towpath-metrics-scraper", "ConfigMap/towpath-system/towpath-dashboards", "PrometheusRule/towpath-system/towpath-manager",
		"Secret/towpath-system/towpath-metrics-scraper", "ServiceAccount/towpath-system/towpath-metrics-scraper", "ServiceMonitor/towpath-system/towpath-manager")
	for _, object := range objects {
		if slices.Contains(added, id(object)) && object.GetLabels()["app.kubernetes.io/part-of"] != "towpath" {
			t.Errorf("%s is not labelled as a part of Towpath, by which it is uninstalled", id(object))
		}
	}

	service := one[corev1.Service](t, objects, "Service", "towpath-metrics")
	monitor := one[struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
		Spec              struct {
			Selector  metav1.LabelSelector `json:"selector"`
			Endpoints []map[string]any     `json:"endpoints"`
		} `json:"spec"`
	}](t, objects, "ServiceMonitor", "towpath-manager")
	selected := labels.SelectorFromSet(monitor.Spec.Selector.MatchLabels)
	for _, object := range objects {
		if object.GetKind() == "Service" && selected.Matches(labels.Set(object.GetLabels())) != (object.GetName() == service.Name) {
			t.Errorf("the ServiceMonitor does not select the Service of the metrics alone: %s", object.GetName())
		}
	}
	for _, endpoint := range monitor.Spec.Endpoints {
		if !slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == endpoint["port"] }) {
			t.Errorf("the ServiceMonitor scrapes port %v, which the Service lacks", endpoint["port"])
		}
	}

	dashboards, err := monitoring.Dashboards()
	if err != nil {
		t.Fatal(err)
	}
	files := one[corev1.ConfigMap](t, objects, "ConfigMap", "towpath-dashboards").Data
	var names []string
	for _, dashboard := range dashboards {
		names = append(names, dashboard.File)
	}
	mustBe(t, "in the ConfigMap of dashboards", slices.Sorted(maps.Keys(files)), names...)
}
