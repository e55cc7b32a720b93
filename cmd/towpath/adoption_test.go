package main

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestAdoption(t *testing.T) {
	st := &platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "web-service"}}
	st.Status.LatestRevision = &platformv1alpha1.RevisionReference{Name: "web-service-3", Number: 3}
	st.Spec.Overrides = &platformv1alpha1.TemplateOverrides{Allow: []platformv1alpha1.OpenPath{
		{Resource: "deployment", Path: "spec.minReadySeconds"}, {Resource: "deployment", Path: "spec.template.spec.containers[name=app].resources"},
	}}
	old := &platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "old"}}
	old.Spec.Maturity, old.Spec.ReplacedBy = platformv1alpha1.MaturityDeprecated, "web-service"
	one := component("one")
	one.Status.Environments = []platformv1alpha1.ComponentEnvironmentStatus{{Name: "dev", Release: "one-dev-2", Revision: 3}, {Name: "prod", Release: "one-prod-1", Revision: 2}}
	one.Spec.Overrides = []platformv1alpha1.Override{
		{Resource: "deployment", Patch: apiextensionsv1.JSON{Raw: []byte(`{"spec": {"template": {"spec": {"containers": [{"name": "app", "resources": {}}]}}}}`)}},
		{Resource: "deployment", Patch: apiextensionsv1.JSON{Raw: []byte(`{"spec": {"replicas": 3}}`)}},
	}
	objects := []client.Object{st, old, one}
	expect(t, towpath(t, objects, "adoption"), exitOK, `
TEMPLATE     MATURITY                     COMPONENTS  PINNED  ENVIRONMENTS  ON LATEST  OVERRIDING  REVISIONS
old          Deprecated, use web-service  0           0       0             -          0           
web-service  Stable                       1           0       2             50 %       1           3: 1, 2: 1

TEMPLATE     OVERRIDABLE                                             COMPONENTS
web-service  not open                                                1
web-service  deployment: spec.template.spec.containers[*].resources  1
web-service  deployment: spec.minReadySeconds                        0
`, "")
	if got := towpath(t, objects, "adoption", "-o", "yaml"); got.code != exitOK || !strings.Contains(got.out, "kind: Adoption") || !strings.Contains(got.out, "onLatest: 1") ||
		!strings.Contains(got.out, "overrides:\n  - components: 1\n    path: not open\n  - components: 1\n    path: spec.template.spec.containers[*].resources\n    resource: deployment\n") {
		t.Errorf("got %+v", got)
	}
	if got := towpath(t, nil, "adoption"); got.code != exitOK || got.out != "no ServiceTemplate, and no Component\n" {
		t.Errorf("of nothing: %+v", got)
	}
}
