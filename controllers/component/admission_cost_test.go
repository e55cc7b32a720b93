package component

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/spending"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

// Somebody waits for the answer of admission. So what costs much to evaluate is not evaluated there only to tell what it costs to
// run, in each environment of a path again: the Component is admitted, and the controller refuses it where it is too much.
func TestAdmissionTellsNoCostsWhereThatTakesLong(t *testing.T) {
	compiled, _, errs := template.Compile(&platformv1alpha1.ServiceTemplateSpec{
		Summary:    "s",
		Parameters: &apiextensionsv1.JSON{Raw: []byte(`{"type": "object", "properties": {"numbers": {"type": "array", "default": [], "items": {"type": "integer"}}}}`)},
		Resources: []platformv1alpha1.ResourceTemplate{{ID: "web", Object: apiextensionsv1.JSON{Raw: []byte(`{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "${component.name}", "annotations": {
				"loops": "${string(params.numbers.filter(a, params.numbers.exists(b, a + b < 0)).size())}"}},
			"spec": {"replicas": 2, "selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}},
				"spec": {"containers": [{"name": "app", "image": "${release.image}", "resources": {"requests": {"cpu": "1"}}}]}}}}`)}}},
	}, nil)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	class := &platformv1alpha1.EnvironmentClass{ObjectMeta: metav1.ObjectMeta{Name: "development"}}
	environment := func(name string) *platformv1alpha1.Environment {
		env := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name, UID: "e"}}
		env.Spec.ClassRef.Name = class.Name
		env.Status.Namespace, env.Status.Team, env.Status.Tier = "shop-"+name, "shop", platformv1alpha1.TierDevelopment
		return env
	}
	world := spender(t, nil, class, environment("dev"), environment("prod"))
	now := testclock.NewFakePassiveClock(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	v := &Validator{
		Reader: world.Client, Revisions: world.Revisions, Kinds: openapi.Kubernetes(), Clock: now, Estimator: estimate.New(nil),
		Limits: &spending.Gate{Client: world.Client, Live: world.Client, Reader: &spending.Reader{Reader: world.Client}, Clock: now},
	}
	told := func(numbers int) string {
		component := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "a", UID: "c"}}
		component.Spec.TemplateRef.Name, component.Spec.Image = "web", "app:1"
		component.Spec.Environments = []platformv1alpha1.PathEnvironment{{Name: "dev"}, {Name: "prod"}}
		component.Spec.Parameters = &apiextensionsv1.JSON{Raw: fmt.Appendf(nil, `{"numbers": [%s]}`, strings.TrimSuffix(strings.Repeat("1,", numbers), ","))}
		return strings.Join(v.costs(t.Context(), nil, component, compiled), "\n")
	}
	if got := told(30); !strings.Contains(got, "a in dev: +46.15 USD a month") || !strings.Contains(got, "a in prod: +46.15 USD a month") {
		t.Errorf("of what is cheap is told %q", got)
	}
	// It costs half of what one expression may.
	if got := told(300); got != "" {
		t.Errorf("of what is expensive is told %q", got)
	}
}
