package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/override"
	"github.com/towpath-dev/towpath/internal/render"
)

// biggerPatch is a patch that web-service takes.
const biggerPatch = `{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"2Gi"},"requests":{"cpu":"2"}}}]}}}}`

// bigger leaves the path of web-service, as its Release says it.
func bigger(in *render.Input) {
	in.Overrides = []platformv1alpha1.ReleaseOverride{{
		Override: platformv1alpha1.Override{Resource: "deployment", Patch: apiextensionsv1.JSON{Raw: []byte(biggerPatch)}, Reason: "test"},
		Merge: []platformv1alpha1.MergeRule{{
			Path: "spec.template.spec.containers", Strategy: platformv1alpha1.MergeKeyed, Keys: []platformv1alpha1.MergeKey{{Name: "name"}},
		}},
	}}
}

// freeze checks a patch against a golden path that was loaded.
func freeze(p *goldenPath, resource, patch string) ([]platformv1alpha1.ReleaseOverride, field.ErrorList) {
	raw, err := yaml.YAMLToJSON([]byte(patch))
	if err != nil {
		panic(err)
	}
	return override.Freeze([]platformv1alpha1.Override{{Resource: resource, Patch: apiextensionsv1.JSON{Raw: raw}, Reason: "test"}},
		p.compiled.Overridable(), openapi.Kubernetes(), field.NewPath("spec", "overrides"))
}

func TestWebService_OpensItsResourcesAlone(t *testing.T) {
	webService.load(t)
	frozen, errs := freeze(webService, "deployment", biggerPatch)
	in := render.Input{}
	bigger(&in)
	if diff := cmp.Diff(in.Overrides, frozen); len(errs) > 0 || diff != "" {
		t.Errorf("%v\n%s", errs, diff)
	}
	for _, patch := range []string{
		"spec: {replicas: 9}",
		"spec: {template: {spec: {containers: [{name: app, image: other}]}}}",
		"spec: {template: {spec: {containers: [{name: side, resources: {}}]}}}",
		"spec: {template: {spec: {volumes: [{name: x, hostPath: {path: /}}]}}}",
	} {
		if _, errs := freeze(webService, "deployment", patch); len(errs) != 1 || errs[0].Type != field.ErrorTypeForbidden {
			t.Errorf("%s gives %v", patch, errs)
		}
	}
	if _, errs := freeze(webService, "service", "spec: {type: NodePort}"); len(errs) != 1 || !strings.Contains(errs[0].Error(), "nothing of resource service is open") {
		t.Errorf("%v", errs)
	}
}
