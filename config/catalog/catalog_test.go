// Package catalog_test holds the golden paths to what their READMEs promise. This file has what is
// the same for all; the file of each path has its inputs, and what it promises beyond.
package catalog_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The optional APIs that golden paths ask for.
const (
	httpRoute    = "gateway.networking.k8s.io/v1/HTTPRoute"
	scaledObject = "keda.sh/v1alpha1/ScaledObject"
	localQueue   = "kueue.x-k8s.io/v1beta1/LocalQueue"
	pgCluster    = "postgresql.cnpg.io/v1/Cluster"
)

// goldenPaths are all that ship, by name.
var goldenPaths = []*goldenPath{postgres, scheduledJob, statefulService, staticSite, webService, worker}

// goldenPath is one of them as the tests see it.
type goldenPath struct {
	name string
	// optional are the kinds that it makes only where the cluster has them.
	optional []string
	// alone is one that never runs more than one pod, so that no budget can keep another.
	alone bool
	// inputs have a golden file each.
	inputs map[string]input
	// wrong are parameters that it must refuse, each with the error.
	wrong map[string]string

	shipped  *platformv1alpha1.ServiceTemplate
	compiled *template.Template
	warnings []string
}

// input is what one rendering is made from.
type input struct {
	// parameters as YAML.
	parameters string
	change     func(*render.Input)
}

// rendered is one input of a golden path, rendered.
type rendered struct {
	render.Input
	path    *goldenPath
	objects []render.Object
}

// load gives the golden path as it ships, and compiled. Compiling takes a while, so it is done once.
func (p *goldenPath) load(t *testing.T) (*platformv1alpha1.ServiceTemplate, *template.Template) {
	t.Helper()
	if p.compiled != nil {
		return p.shipped, p.compiled
	}
	for _, object := range config.Catalog() {
		if object.GetName() != p.name {
			continue
		}
		p.shipped = &platformv1alpha1.ServiceTemplate{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, p.shipped, true); err != nil {
			t.Fatal(err)
		}
		var errs field.ErrorList
		if p.compiled, p.warnings, errs = template.Compile(&p.shipped.Spec, openapi.Kubernetes()); len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		return p.shipped, p.compiled
	}
	t.Fatalf("the catalogue has no %s", p.name)
	return nil, nil
}

// render renders parameters for a Component checkout of team shop in prod.
func (p *goldenPath) render(t *testing.T, compiled *template.Template, given map[string]any, change func(*render.Input)) rendered {
	t.Helper()
	resolved, errs := compiled.ResolveParameters(given, nil)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	in := render.Input{
		OwnerUID: "5b9c1c1e-7a5e-4d0c-9d0a-3f1f6f2f7a11", Component: "checkout", HomeNamespace: "team-shop", Team: "shop", CostCenter: "cc-4711",
		Environment: render.Environment{Name: "prod", Namespace: "shop-prod", Class: "production", Tier: platformv1alpha1.TierProduction},
		Template:    p.name, Revision: 3, Image: "registry.example/shop/checkout:1.4.2", Commit: "3f2c81d", Parameters: resolved,
	}
	if change != nil {
		change(&in)
	}
	objects, err := render.Render(compiled, in)
	if err != nil {
		t.Fatal(err)
	}
	return rendered{in, p, objects}
}

// each runs a test on every input of a golden path.
func (p *goldenPath) each(t *testing.T, test func(t *testing.T, r rendered)) {
	t.Helper()
	_, compiled := p.load(t)
	for _, name := range slices.Sorted(maps.Keys(p.inputs)) {
		t.Run(name, func(t *testing.T) {
			test(t, p.render(t, compiled, parse(t, p.inputs[name].parameters), p.inputs[name].change))
		})
	}
}

// each runs a test on every input of every golden path.
func each(t *testing.T, test func(t *testing.T, r rendered)) {
	t.Helper()
	for _, p := range goldenPaths {
		t.Run(p.name, func(t *testing.T) { p.each(t, test) })
	}
}

// eachWithPods leaves out the inputs whose pods an operator makes, from a Cluster.
func eachWithPods(t *testing.T, test func(t *testing.T, r rendered)) {
	t.Helper()
	each(t, func(t *testing.T, r rendered) {
		if !has(r, "cluster") {
			test(t, r)
		}
	})
}

// parse reads parameters. The API server hands whole numbers on as int64, YAML as float64.
func parse(t *testing.T, parameters string) map[string]any {
	t.Helper()
	var given map[string]any
	if err := yaml.Unmarshal([]byte(parameters), &given); err != nil {
		t.Fatal(err)
	}
	return whole(given).(map[string]any)
}

func whole(value any) any {
	switch v := value.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case map[string]any:
		for key := range v {
			v[key] = whole(v[key])
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	}
	return value
}

// longestNames gives everything the longest name that it may have.
func longestNames(in *render.Input) {
	in.Component = "c" + strings.Repeat("o", 38) + "t"
	in.Environment.Name = "e" + strings.Repeat("n", 28) + "v"
	in.Environment.Namespace = strings.Repeat("n", 63)
	in.Team = strings.Repeat("t", 63)
	in.CostCenter = strings.Repeat("c", 63)
	in.Template = "w" + strings.Repeat("e", 39)
	in.Image = "registry.example/" + strings.Repeat("i", 300) + "@sha256:" + strings.Repeat("a", 64)
}

// variables sets environment variables of the Component; PORT takes the place of the path's own.
func variables(in *render.Input) {
	in.Env = []platformv1alpha1.EnvVar{{Name: "PORT", Value: "7000"}, {Name: "LOG_LEVEL", Value: "info"}}
	in.SecretEnv = []platformv1alpha1.SecretEnvVar{{Name: "API_KEY", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "payments", Key: "api-key"}}}
}

// with says which optional APIs the cluster has.
func with(capabilities ...string) func(*render.Input) {
	return func(in *render.Input) { in.Capabilities = capabilities }
}

// find decodes the object of a resource; false where there is none.
func find[T any](t *testing.T, r rendered, resource string) (*T, bool) {
	t.Helper()
	for _, object := range r.objects {
		if object.Resource == resource {
			var found T
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object.Object, &found, true); err != nil {
				t.Fatal(err)
			}
			return &found, true
		}
	}
	return nil, false
}

// get decodes the object of a resource, which must be there.
func get[T any](t *testing.T, r rendered, resource string) *T {
	t.Helper()
	found, ok := find[T](t, r, resource)
	if !ok {
		t.Fatalf("there is no %s", resource)
	}
	return found
}

// has says whether a resource was rendered.
func has(r rendered, resource string) bool {
	return slices.ContainsFunc(r.objects, func(o render.Object) bool { return o.Resource == resource })
}

// workload is the object that makes the pods. A Job has no selector of its own.
type workload struct {
	kind     string
	pod      corev1.PodTemplateSpec
	selector *metav1.LabelSelector
}

func workloadOf(t *testing.T, r rendered) workload {
	t.Helper()
	if d, ok := find[appsv1.Deployment](t, r, "deployment"); ok {
		return workload{"Deployment", d.Spec.Template, d.Spec.Selector}
	}
	if s, ok := find[appsv1.StatefulSet](t, r, "statefulSet"); ok {
		return workload{"StatefulSet", s.Spec.Template, s.Spec.Selector}
	}
	return workload{"CronJob", get[batchv1.CronJob](t, r, "cronJob").Spec.JobTemplate.Spec.Template, nil}
}

// number is a whole number among the parameters; absent, it is 0.
func number(r rendered, object, name string) int64 {
	below, _ := r.Parameters[object].(map[string]any)
	value, _ := below[name].(int64)
	return value
}

func TestEveryGoldenPathIsTested(t *testing.T) {
	var shipped, tested []string
	for _, object := range config.Catalog() {
		shipped = append(shipped, object.GetName())
	}
	for _, p := range goldenPaths {
		tested = append(tested, p.name)
	}
	if !slices.Equal(shipped, tested) {
		t.Errorf("%v ship, %v are tested", shipped, tested)
	}
}

func TestOptionalKindsAreTheOnlyWarning(t *testing.T) {
	for _, p := range goldenPaths {
		p.load(t)
		if len(p.warnings) != len(p.optional) {
			t.Errorf("%s: want a warning about each of %v; got %q", p.name, p.optional, p.warnings)
		}
		for _, kind := range p.optional {
			if !slices.ContainsFunc(p.warnings, func(w string) bool { return strings.Contains(w, kind) }) {
				t.Errorf("%s: no warning about %s: %q", p.name, kind, p.warnings)
			}
		}
	}
}

func TestEveryPathRendersAsInItsGoldenFiles(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		var text strings.Builder
		for _, object := range r.objects {
			data, err := yaml.Marshal(object.Object.Object)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&text, "---\n# %s, wave %d\n%s", object.Resource, object.Wave, data)
		}
		path := filepath.Join("testdata", r.path.name, filepath.Base(t.Name())+".yaml")
		if *update {
			if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if text.String() != string(want) {
			t.Errorf("differs from %s; if that is meant: go test ./config/catalog -update, and read the diff. Got:\n%s", path, text.String())
		}
	})
}

func TestEveryGoldenFileHasAnInput(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		folder, name := filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".yaml")
		if folder == "pipeline" {
			continue
		}
		if !slices.ContainsFunc(goldenPaths, func(p *goldenPath) bool { _, ok := p.inputs[name]; return p.name == folder && ok }) {
			t.Errorf("%s is of no input", file)
		}
	}
}

func TestWrongParametersAreRefusedWithTheRule(t *testing.T) {
	for _, p := range goldenPaths {
		_, compiled := p.load(t)
		if len(p.wrong) == 0 {
			t.Errorf("%s: nothing wrong was tried", p.name)
		}
		for parameters, want := range p.wrong {
			_, errs := compiled.ResolveParameters(parse(t, parameters), field.NewPath("parameters"))
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
				t.Errorf("%s: %s:\ngot  %v\nwant %s", p.name, parameters, errs, want)
			}
		}
	}
}
