package openapi_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/openapi"
)

func gvk(group, version, kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: group, Version: version, Kind: kind}
}

func TestKubernetesKnowsWhatGoldenPathsUse(t *testing.T) {
	source := openapi.Kubernetes()
	for _, kind := range []schema.GroupVersionKind{
		gvk("", "v1", "ConfigMap"), gvk("", "v1", "Service"), gvk("", "v1", "ServiceAccount"), gvk("", "v1", "PersistentVolumeClaim"),
		gvk("apps", "v1", "Deployment"), gvk("apps", "v1", "StatefulSet"), gvk("apps", "v1", "DaemonSet"),
		gvk("batch", "v1", "Job"), gvk("batch", "v1", "CronJob"), gvk("autoscaling", "v2", "HorizontalPodAutoscaler"),
		gvk("policy", "v1", "PodDisruptionBudget"), gvk("networking.k8s.io", "v1", "Ingress"),
		gvk("networking.k8s.io", "v1", "NetworkPolicy"), gvk("resource.k8s.io", "v1", "ResourceClaimTemplate"),
	} {
		got, err := source.Kind(kind)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if !got.Namespaced || got.Schema == nil {
			t.Errorf("%s: namespaced %v, schema %v", kind, got.Namespaced, got.Schema != nil)
			continue
		}
		if reference := unresolved(got.Schema); reference != "" {
			t.Errorf("%s: reference %s is not resolved", kind, reference)
		}
	}
}

// unresolved finds a reference that is left in a schema.
func unresolved(s *spec.Schema) string {
	if reference := s.Ref.String(); reference != "" {
		return reference
	}
	for _, property := range s.Properties {
		if reference := unresolved(&property); reference != "" {
			return reference
		}
	}
	if s.Items != nil && s.Items.Schema != nil {
		return unresolved(s.Items.Schema)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		return unresolved(s.AdditionalProperties.Schema)
	}
	return ""
}

func TestKubernetesKnowsTheScopeOfKindsThatAreForbidden(t *testing.T) {
	for kind, namespaced := range map[schema.GroupVersionKind]bool{
		gvk("", "v1", "Namespace"):                                             false,
		gvk("", "v1", "Node"):                                                  false,
		gvk("", "v1", "Secret"):                                                true,
		gvk("", "v1", "Endpoints"):                                             true,
		gvk("rbac.authorization.k8s.io", "v1", "ClusterRole"):                  false,
		gvk("rbac.authorization.k8s.io", "v1", "RoleBinding"):                  true,
		gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition"):          false,
		gvk("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy"): false,
		gvk("scheduling.k8s.io", "v1", "PriorityClass"):                        false,
		gvk("storage.k8s.io", "v1", "StorageClass"):                            false,
		gvk("coordination.k8s.io", "v1", "Lease"):                              true,
		gvk("node.k8s.io", "v1", "RuntimeClass"):                               false,
	} {
		got, err := openapi.Kubernetes().Kind(kind)
		if err != nil || got.Namespaced != namespaced || got.Schema != nil {
			t.Errorf("%s: %+v, %v; want scope alone, namespaced %v", kind, got, err, namespaced)
		}
	}
}

func TestKubernetesSchemaHoldsTheFieldsOfADeployment(t *testing.T) {
	kind, err := openapi.Kubernetes().Kind(gvk("apps", "v1", "Deployment"))
	if err != nil {
		t.Fatal(err)
	}
	s := *kind.Schema
	for _, name := range []string{"spec", "template", "spec", "containers"} {
		s = s.Properties[name]
	}
	if !s.Type.Contains("array") || s.Items == nil || !s.Items.Schema.Properties["image"].Type.Contains("string") {
		t.Errorf("spec.template.spec.containers is %v", s.Type)
	}
	if got := s.Extensions["x-kubernetes-list-map-keys"]; got == nil {
		t.Error("containers lost their list keys")
	}
	if kind.Schema.Properties["metadata"].Properties["labels"].AdditionalProperties == nil {
		t.Error("metadata.labels is not a map")
	}
	if again, _ := openapi.Kubernetes().Kind(gvk("apps", "v1", "Deployment")); again != kind {
		t.Error("the schema is resolved anew at each call")
	}
}

func TestKubernetesRecordsTheServersVersion(t *testing.T) {
	if got := openapi.KubernetesVersion(); !strings.HasPrefix(got, "v1.") {
		t.Errorf("version %q", got)
	}
}

func TestUnknownKindIsToldFromOtherErrors(t *testing.T) {
	for _, kind := range []schema.GroupVersionKind{
		gvk("apps", "v1", "Deploymnt"), gvk("apps", "v1beta1", "Deployment"), gvk("example.com", "v1", "Widget"), {},
		gvk("", "v1", "PodList"), gvk("policy", "v1", "Eviction"), gvk("autoscaling", "v1", "Scale"),
	} {
		if _, err := openapi.Kubernetes().Kind(kind); !errors.Is(err, openapi.ErrUnknownKind) {
			t.Errorf("%s: error %v, want ErrUnknownKind", kind, err)
		}
	}
}

func widget(scope apiextensionsv1.ResourceScope, properties map[string]apiextensionsv1.JSONSchemaProps) *apiextensionsv1.CustomResourceDefinition {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	crd.Name = "widgets.example.com"
	crd.Spec.Group, crd.Spec.Names.Kind, crd.Spec.Scope = "example.com", "Widget", scope
	crd.Spec.Versions = []apiextensionsv1.CustomResourceDefinitionVersion{
		{Name: "v1", Served: true, Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", Properties: properties}}},
		{Name: "v1alpha1", Served: false},
	}
	return crd
}

func TestFromCRDsGivesServedVersionsWithMetadata(t *testing.T) {
	source := openapi.FromCRDs(widget(apiextensionsv1.NamespaceScoped, map[string]apiextensionsv1.JSONSchemaProps{
		"spec": {Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"size": {Type: "integer"}}},
	}))
	kind, err := source.Kind(gvk("example.com", "v1", "Widget"))
	if err != nil {
		t.Fatal(err)
	}
	if !kind.Namespaced || !kind.Schema.Properties["spec"].Properties["size"].Type.Contains("integer") {
		t.Errorf("namespaced %v, schema %v", kind.Namespaced, kind.Schema)
	}
	for _, name := range []string{"apiVersion", "kind", "metadata"} {
		if _, ok := kind.Schema.Properties[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
	if _, err := source.Kind(gvk("example.com", "v1alpha1", "Widget")); !errors.Is(err, openapi.ErrUnknownKind) {
		t.Errorf("version that is not served: error %v, want ErrUnknownKind", err)
	}
}

func TestFromCRDsReportsAVersionWithoutSchema(t *testing.T) {
	crd := widget(apiextensionsv1.ClusterScoped, nil)
	crd.Spec.Versions[0].Schema = nil
	_, err := openapi.FromCRDs(crd).Kind(gvk("example.com", "v1", "Widget"))
	if err == nil || errors.Is(err, openapi.ErrUnknownKind) || !strings.Contains(err.Error(), "widgets.example.com") {
		t.Errorf("error %v, want one that names the definition", err)
	}
}

func TestFromCRDsReadsOurOwn(t *testing.T) {
	kind, err := openapi.FromCRDs(config.TypedCRDs()...).Kind(gvk("platform.towpath.dev", "v1alpha1", "Component"))
	if err != nil || kind.Schema.Properties["spec"].Properties["image"].MaxLength == nil {
		t.Errorf("%v, %v", kind, err)
	}
}

type failing struct{ error }

func (f failing) Kind(schema.GroupVersionKind) (*openapi.Kind, error) { return nil, f.error }

func TestUnionAsksInTurnAndStopsAtAnError(t *testing.T) {
	crds := openapi.FromCRDs(widget(apiextensionsv1.NamespaceScoped, nil))
	both := openapi.Union(openapi.Kubernetes(), crds)
	for _, kind := range []schema.GroupVersionKind{gvk("apps", "v1", "Deployment"), gvk("example.com", "v1", "Widget")} {
		if _, err := both.Kind(kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := both.Kind(gvk("example.com", "v1", "Gadget")); !errors.Is(err, openapi.ErrUnknownKind) {
		t.Errorf("error %v, want ErrUnknownKind", err)
	}
	broken := errors.New("no answer")
	if _, err := openapi.Union(failing{broken}, openapi.Kubernetes()).Kind(gvk("apps", "v1", "Deployment")); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the first source", err)
	}
}

func TestParseDocumentRefusesWhatIsNone(t *testing.T) {
	for _, data := range []string{"", "not JSON", "{}", `{"components":{"schemas":{"a":1}}}`} {
		if _, err := openapi.ParseDocument([]byte(data)); err == nil {
			t.Errorf("%q was taken for a document", data)
		}
	}
}

func TestRecursiveSchemaEnds(t *testing.T) {
	document, err := openapi.ParseDocument([]byte(`{"paths":{"/apis/example.com/v1/trees":{"post":{"x-kubernetes-group-version-kind":{"group":"example.com","version":"v1","kind":"Tree"}}}},
"components":{"schemas":{"Tree":{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#/components/schemas/Tree"}}},"x-kubernetes-group-version-kind":[{"group":"example.com","version":"v1","kind":"Tree"}]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	kind, err := document.Kind(gvk("example.com", "v1", "Tree"))
	if err != nil || kind.Namespaced {
		t.Fatalf("%+v, %v", kind, err)
	}
	if got := kind.Schema.Properties["children"].Items.Schema; !got.Type.Contains("object") || len(got.Properties) != 0 {
		t.Errorf("the recursion ends in %+v", got)
	}
}

func TestSourcesAreSafeForConcurrentUse(t *testing.T) {
	both := openapi.Union(openapi.Kubernetes(), openapi.FromCRDs(widget(apiextensionsv1.NamespaceScoped, nil)))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, kind := range []schema.GroupVersionKind{gvk("batch", "v1", "Job"), gvk("example.com", "v1", "Widget")} {
				if _, err := both.Kind(kind); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
