package config_test

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	psaapi "k8s.io/pod-security-admission/api"
	psapolicy "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/walls"
)

// rendered is what is installed: config/default as the pinned kustomize renders it.
func rendered(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	return built(t, "default")
}

// built is a folder of config as the pinned kustomize renders it.
func built(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	kustomize := exec.CommandContext(t.Context(), "go", "tool", "sigs.k8s.io/kustomize/kustomize/v5", "build", "../../config/"+folder)
	kustomize.Dir = "../hack/tools"
	var out, messages bytes.Buffer
	kustomize.Stdout, kustomize.Stderr = &out, &messages
	if err := kustomize.Run(); err != nil {
		t.Fatalf("kustomize: %v\n%s", err, &messages)
	}
	decoder := utilyaml.NewYAMLOrJSONDecoder(&out, 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
}

// one returns the one object of a kind and name.
func one[T any](t *testing.T, objects []*unstructured.Unstructured, kind, name string) *T {
	t.Helper()
	var found *T
	for _, object := range objects {
		if object.GetKind() != kind || object.GetName() != name {
			continue
		}
		if found != nil {
			t.Fatalf("there are two of %s %s", kind, name)
		}
		found = new(T)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, found, true); err != nil {
			t.Fatal(err)
		}
	}
	if found == nil {
		t.Fatalf("there is no %s %s", kind, name)
	}
	return found
}

func id(object *unstructured.Unstructured) string {
	return object.GetKind() + "/" + object.GetNamespace() + "/" + object.GetName()
}

// content is an object as text. Kustomize adds empty lines to long expressions, which do not count.
func content(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	text, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), `\n\n`, `\n`)
}

// Kustomize replaces what it takes for references: names in resourceNames of roles are among them.
func TestTheInstallationIsWhatTheFoldersSay(t *testing.T) {
	got := map[string]*unstructured.Unstructured{}
	for _, object := range rendered(t) {
		got[id(object)] = object
	}
	wanted := slices.Concat(config.CRDs(), config.Namespaces(), config.RBAC(), config.Policies(), config.WebhookConfiguration(), config.Manager())
	for _, want := range wanted {
		if object := got[id(want)]; object == nil {
			t.Errorf("%s is missing", id(want))
		} else if want.GetKind() != "Deployment" && content(t, object) != content(t, want) {
			t.Errorf("%s is\n%s\nwant\n%s", id(want), content(t, object), content(t, want))
		}
		delete(got, id(want))
	}
	for name := range got {
		if !strings.HasPrefix(name, "ConfigMap/towpath-system/towpath-manager-configuration-") {
			t.Errorf("%s comes from nowhere", name)
		}
	}
}

// The manager ends where it finds other policies than those it was built with.
func TestTheManagerKnowsThePoliciesOfTheInstallation(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := admissionregistrationv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	cluster := fake.NewClientBuilder().WithScheme(scheme)
	for _, object := range rendered(t) {
		if strings.HasPrefix(object.GetKind(), "ValidatingAdmissionPolicy") {
			cluster.WithObjects(object)
		}
	}
	if err := walls.Check(t.Context(), cluster.Build()); err != nil {
		t.Error(err)
	}
}

// The manager ends where the policies are missing, and each object needs those before it.
func TestTheInstallationIsInOrder(t *testing.T) {
	order := []string{"Namespace", "CustomResourceDefinition", "ClusterRole", "ValidatingAdmissionPolicy", "ValidatingWebhookConfiguration", "Deployment"}
	at := 0
	for _, object := range rendered(t) {
		if i := slices.Index(order, object.GetKind()); i >= 0 && i < at {
			t.Errorf("%s comes after a %s", id(object), order[at])
		} else if i > at {
			at = i
		}
	}
}

// mustBeRestricted asks the library by which the API server enforces pod security.
func mustBeRestricted(t *testing.T, pod *corev1.PodTemplateSpec) {
	t.Helper()
	evaluator, err := psapolicy.NewEvaluator(psapolicy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
}

func TestTheManagersPodsAreRestricted(t *testing.T) {
	objects := rendered(t)
	pod := one[appsv1.Deployment](t, objects, "Deployment", "towpath-manager").Spec.Template
	mustBeRestricted(t, &pod)
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if security := container.SecurityContext; security.ReadOnlyRootFilesystem == nil || !*security.ReadOnlyRootFilesystem {
			t.Errorf("container %s may write its root", container.Name)
		}
		if container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
			t.Errorf("container %s has resources %+v", container.Name, container.Resources)
		}
		if container.LivenessProbe == nil || container.ReadinessProbe == nil {
			t.Errorf("container %s lacks a probe", container.Name)
		}
	}
	if user := pod.Spec.SecurityContext.RunAsUser; user == nil || *user == 0 {
		t.Error("the pod has no user of its own")
	}
	if pod.Spec.PriorityClassName != "" {
		t.Errorf("the pod has priority class %s, which is the cluster operator's to give", pod.Spec.PriorityClassName)
	}
}

// What refers to the manager's pods, ports and volumes finds them.
func TestReferencesToTheManagerFit(t *testing.T) {
	objects := rendered(t)
	deployment := one[appsv1.Deployment](t, objects, "Deployment", "towpath-manager")
	pod := labels.Set(deployment.Spec.Template.Labels)
	ports := deployment.Spec.Template.Spec.Containers[0].Ports
	for _, name := range []string{"towpath-webhook", "towpath-metrics"} {
		service := one[corev1.Service](t, objects, "Service", name)
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(pod) {
			t.Errorf("Service %s selects other pods", name)
		}
		for _, port := range service.Spec.Ports {
			if !slices.ContainsFunc(ports, func(p corev1.ContainerPort) bool { return p.Name == port.TargetPort.String() }) {
				t.Errorf("Service %s leads to port %s, which the container lacks", name, port.TargetPort.String())
			}
		}
	}
	budget := one[policyv1.PodDisruptionBudget](t, objects, "PodDisruptionBudget", "towpath-manager")
	if !labels.SelectorFromSet(budget.Spec.Selector.MatchLabels).Matches(pod) {
		t.Error("the PodDisruptionBudget selects other pods")
	}
	if *deployment.Spec.Replicas < 2 {
		t.Error("with one replica, nobody can write a Component while its node is drained")
	}
	mounted := deployment.Spec.Template.Spec.Volumes[0].ConfigMap.Name
	configuration := one[corev1.ConfigMap](t, objects, "ConfigMap", mounted)
	if _, ok := configuration.Data["manager.yaml"]; !ok {
		t.Errorf("ConfigMap %s has no manager.yaml", mounted)
	}
}
