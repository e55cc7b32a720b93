// Package catalog_test holds the golden paths to what their READMEs promise.
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
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

var update = flag.Bool("update", false, "write the golden files anew")

const httpRoute = "gateway.networking.k8s.io/v1/HTTPRoute"

// webService is the golden path as it ships.
func webService(t *testing.T) (*platformv1alpha1.ServiceTemplate, *template.Template) {
	t.Helper()
	for _, object := range config.Catalog() {
		if object.GetName() != "web-service" {
			continue
		}
		found := &platformv1alpha1.ServiceTemplate{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, found, true); err != nil {
			t.Fatal(err)
		}
		compiled, warnings, errs := template.Compile(&found.Spec, openapi.Kubernetes())
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], httpRoute) {
			t.Fatalf("want one warning, about HTTPRoute; got %q", warnings)
		}
		return found, compiled
	}
	t.Fatal("the catalogue has no web-service")
	return nil, nil
}

// input is a Component checkout of team shop in prod, with parameters as YAML.
func input(t *testing.T, compiled *template.Template, parameters string) render.Input {
	t.Helper()
	var given map[string]any
	if err := yaml.Unmarshal([]byte(parameters), &given); err != nil {
		t.Fatal(err)
	}
	// The API server hands whole numbers on as int64, YAML as float64.
	for key, value := range given {
		given[key] = whole(value)
	}
	resolved, errs := compiled.ResolveParameters(given, nil)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return render.Input{
		OwnerUID: "5b9c1c1e-7a5e-4d0c-9d0a-3f1f6f2f7a11", Component: "checkout", HomeNamespace: "team-shop", Team: "shop", CostCenter: "cc-4711",
		Environment: render.Environment{Name: "prod", Namespace: "shop-prod", Class: "production", Tier: platformv1alpha1.TierProduction},
		Template:    "web-service", Revision: 3, Image: "registry.example/shop/checkout:1.4.2", Commit: "3f2c81d", Parameters: resolved,
	}
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

// cases are the inputs with a golden file each.
var cases = map[string]struct {
	parameters string
	change     func(*render.Input)
}{
	"defaults":       {},
	"fixed-replicas": {parameters: `{replicas: {min: 3, max: 3}}`},
	"one-replica":    {parameters: `{replicas: {min: 1, max: 1}}`},
	"route": {
		parameters: `{route: {hosts: [shop.example, www.shop.example], path: /checkout, gateway: public, gatewayNamespace: edge, listener: https}}`,
		change:     func(in *render.Input) { in.Capabilities = []string{httpRoute} },
	},
	"route-without-gateway-api": {parameters: `{route: {hosts: [shop.example]}}`},
	"environment-variables": {
		parameters: `{args: [serve, --verbose], imagePullSecrets: [registry]}`,
		change: func(in *render.Input) {
			in.Env = []platformv1alpha1.EnvVar{{Name: "PORT", Value: "7000"}, {Name: "LOG_LEVEL", Value: "info"}}
			in.SecretEnv = []platformv1alpha1.SecretEnvVar{{Name: "API_KEY", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "payments", Key: "api-key"}}}
		},
	},
	"everything": {
		parameters: `
port: 80
replicas: {min: 4, max: 40}
autoscaling: {cpuPercent: 50, scaleDownSeconds: 600}
resources: {cpu: 2, memory: 1Gi, memoryLimit: 2Gi}
probes: {handler: TCP, startupSeconds: 301}
shutdown: {delaySeconds: 15, drainSeconds: 120}
tmpSize: 1Gi
runAsUser: 1001
network:
  callers: [{team: payments, component: ledger}, {team: search}]
  egress: Restricted
  allowTo: [{cidr: 10.20.0.0/16, port: 5432}, {cidr: "fd00::/8", port: 514, protocol: UDP}]
`,
		change: func(in *render.Input) { in.LabelAliases = map[string]string{"team": platformv1alpha1.LabelTeam} },
	},
	"cloud-metadata": {parameters: `{network: {cloudMetadata: Allowed}}`},
	"longest-names": {
		parameters: `{network: {egress: Restricted, allowTo: [{cidr: 10.0.0.0/8, port: 443}]}}`,
		change: func(in *render.Input) {
			in.Component = "c" + strings.Repeat("o", 38) + "t"
			in.Environment.Name = "e" + strings.Repeat("n", 28) + "v"
			in.Environment.Namespace = strings.Repeat("n", 63)
			in.Team = strings.Repeat("t", 63)
			in.CostCenter = strings.Repeat("c", 63)
			in.Template = "w" + strings.Repeat("e", 39)
			in.Image = "registry.example/" + strings.Repeat("i", 300) + "@sha256:" + strings.Repeat("a", 64)
		},
	},
}

// rendered is one case, rendered.
type rendered struct {
	render.Input
	objects []render.Object
}

// each runs a test on every case.
func each(t *testing.T, test func(t *testing.T, r rendered)) {
	t.Helper()
	_, compiled := webService(t)
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			in := input(t, compiled, cases[name].parameters)
			if change := cases[name].change; change != nil {
				change(&in)
			}
			objects, err := render.Render(compiled, in)
			if err != nil {
				t.Fatal(err)
			}
			test(t, rendered{in, objects})
		})
	}
}

// get decodes the object of a resource; false where there is none.
func get[T any](t *testing.T, r rendered, resource string) (*T, bool) {
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

func deployment(t *testing.T, r rendered) *appsv1.Deployment {
	t.Helper()
	found, ok := get[appsv1.Deployment](t, r, "deployment")
	if !ok {
		t.Fatal("there is no Deployment")
	}
	return found
}

func TestWebServiceRendersAsInTheGoldenFiles(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		var text strings.Builder
		for _, object := range r.objects {
			data, err := yaml.Marshal(object.Object.Object)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&text, "---\n# %s, wave %d\n%s", object.Resource, object.Wave, data)
		}
		path := filepath.Join("testdata", "web-service", strings.TrimPrefix(t.Name(), "TestWebServiceRendersAsInTheGoldenFiles/")+".yaml")
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

func TestPodsMeetTheRestrictedStandard(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, r rendered) {
		pod := deployment(t, r).Spec.Template
		level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		for _, result := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
		container := pod.Spec.Containers[0]
		if !*container.SecurityContext.ReadOnlyRootFilesystem || pod.Spec.Volumes[0].EmptyDir.SizeLimit.IsZero() {
			t.Error("the root must be read-only, and /tmp bounded")
		}
	})
}

func TestThePodOutlivesItsDrain(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		pod := deployment(t, r).Spec.Template.Spec
		delay := pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds
		drain := r.Parameters["shutdown"].(map[string]any)["drainSeconds"].(int64)
		if grace := *pod.TerminationGracePeriodSeconds; grace < delay+drain {
			t.Errorf("the grace period is %d s, and delay and drain are %d s", grace, delay+drain)
		}
	})
}

func TestAPodLosesItsTrafficBeforeItsLife(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		spec := deployment(t, r).Spec
		container := spec.Template.Spec.Containers[0]
		ready, live, start := container.ReadinessProbe, container.LivenessProbe, container.StartupProbe
		if a, b := ready.PeriodSeconds*ready.FailureThreshold, live.PeriodSeconds*live.FailureThreshold; a*2 > b {
			t.Errorf("unready after %d s, restarted after %d s", a, b)
		}
		if live.TimeoutSeconds < ready.TimeoutSeconds {
			t.Error("liveness must not be stricter than readiness")
		}
		allowed := int64(start.PeriodSeconds * start.FailureThreshold)
		if want := r.Parameters["probes"].(map[string]any)["startupSeconds"].(int64); allowed < want {
			t.Errorf("may start for %d s, and should for %d s", allowed, want)
		}
		if int64(*spec.ProgressDeadlineSeconds) <= allowed {
			t.Errorf("the roll-out fails after %d s, before a pod may have started", *spec.ProgressDeadlineSeconds)
		}
	})
}

func TestTheDisruptionBudgetNeverBlocks(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		budget, ok := get[policyv1.PodDisruptionBudget](t, r, "disruptionBudget")
		if !ok {
			t.Fatal("there is no PodDisruptionBudget")
		}
		if budget.Spec.MinAvailable != nil || budget.Spec.MaxUnavailable.IntValue() < 1 || *budget.Spec.UnhealthyPodEvictionPolicy != policyv1.AlwaysAllow {
			t.Errorf("it blocks: %+v", budget.Spec)
		}
	})
}

func TestReplicasHaveOneWriter(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		_, autoscaled := get[map[string]any](t, r, "autoscaler")
		replicas := deployment(t, r).Spec.Replicas
		if autoscaled == (replicas != nil) {
			t.Errorf("an autoscaler: %v, replicas: %v", autoscaled, replicas)
		}
	})
}

func TestSelectorsChooseThePodsAndNeverChange(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		found := deployment(t, r)
		want := map[string]string{platformv1alpha1.LabelComponent: r.Component, platformv1alpha1.LabelEnvironment: r.Environment.Name}
		selectors := map[string]map[string]string{"Deployment": found.Spec.Selector.MatchLabels}
		for _, constraint := range found.Spec.Template.Spec.TopologySpreadConstraints {
			selectors["spread over "+constraint.TopologyKey] = constraint.LabelSelector.MatchLabels
		}
		budget, _ := get[policyv1.PodDisruptionBudget](t, r, "disruptionBudget")
		selectors["PodDisruptionBudget"] = budget.Spec.Selector.MatchLabels
		for name, selector := range selectors {
			if !maps.Equal(selector, want) || !labels.SelectorFromSet(selector).Matches(labels.Set(found.Spec.Template.Labels)) {
				t.Errorf("%s selects by %v; the pods have %v", name, selector, found.Spec.Template.Labels)
			}
		}
	})
}

func TestEverythingIsLabelledAndPassesTheGuard(t *testing.T) {
	each(t, func(t *testing.T, r rendered) {
		want := render.Labels(r.Input)
		objects := make([]guard.Object, len(r.objects))
		for i, object := range r.objects {
			objects[i] = guard.Object{Resource: object.Resource, Object: object.Object}
			if got := object.Object.GetLabels(); !maps.Equal(got, want) {
				t.Errorf("%s bears %v, and must bear %v", object.Resource, got, want)
			}
		}
		onPods := maps.Clone(want)
		delete(onPods, platformv1alpha1.LabelOwnerUID)
		if got := deployment(t, r).Spec.Template.Labels; !maps.Equal(got, onPods) {
			t.Errorf("pods bear %v, and must bear %v", got, onPods)
		}
		refusals := guard.Check(objects, guard.Policy{
			Namespace: r.Environment.Namespace, Labels: want, PodSecurity: platformv1alpha1.PodSecurityRestricted,
			Namespaced: func(schema.GroupKind) (namespaced, known bool) { return true, true },
		})
		for _, refusal := range refusals {
			t.Error(refusal.Error())
		}
	})
}

func TestWrongParametersAreRefusedWithTheRule(t *testing.T) {
	_, compiled := webService(t)
	for parameters, want := range map[string]string{
		`{replicas: {min: 20}}`:                               "parameters.replicas.max: Invalid value: must be at least replicas.min",
		`{port: 70000}`:                                       "parameters.port: Invalid value: 70000: must be less than or equal to 65535",
		`{prot: 80}`:                                          "parameters.prot: Invalid value: no such parameter; did you mean port?",
		`{resources: {cpu: 100}}`:                             `parameters.resources.cpu: Invalid value: 100: must be a quantity of CPU from 10m to 64, such as 250m or 2`,
		`{resources: {cpu: lots}}`:                            `parameters.resources.cpu: Invalid value: "lots": must be a quantity of CPU from 10m to 64, such as 250m or 2`,
		`{resources: {memory: "512"}}`:                        `parameters.resources.memory: Invalid value: "512": must be a quantity of memory from 16Mi to 256Gi in Mi or Gi, such as 512Mi`,
		`{resources: {memory: 1Gi, memoryLimit: 512Mi}}`:      "memoryLimit must be at least memory",
		`{tmpSize: 100Gi}`:                                    `parameters.tmpSize: Invalid value: "100Gi": must be a quantity up to 64Gi in Mi or Gi, such as 256Mi`,
		`{runAsUser: 0}`:                                      "parameters.runAsUser: Invalid value: 0: must be greater than or equal to 1",
		`{network: {allowTo: [{cidr: 10.0.0.0/8, port: 1}]}}`: "allowTo must be empty unless egress is Restricted, because Open allows it already",
		`{network: {egress: Restricted, allowTo: [{cidr: x, port: 1}]}}`: `parameters.network.allowTo[0].cidr: Invalid value: "x": must be a range of addresses such as 10.20.0.0/16`,
		`{route: {}}`:                       "parameters.route.hosts: Required value",
		`{route: {hosts: ["*.a.example"]}}`: `parameters.route.hosts[0]: Invalid value: "*.a.example"`,
	} {
		var given map[string]any
		if err := yaml.Unmarshal([]byte(parameters), &given); err != nil {
			t.Fatal(err)
		}
		_, errs := compiled.ResolveParameters(whole(given).(map[string]any), field.NewPath("parameters"))
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", parameters, errs, want)
		}
	}
}

func TestEveryParameterIsBoundedDescribedAndDocumented(t *testing.T) {
	found, _ := webService(t)
	var root map[string]any
	if err := yaml.Unmarshal(found.Spec.Parameters.Raw, &root); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("web-service/README.md")
	if err != nil {
		t.Fatal(err)
	}
	visit(t, "", root, string(readme))
}

// visit checks a schema and what is below it.
func visit(t *testing.T, path string, schema map[string]any, readme string) {
	t.Helper()
	if schema["description"] == nil && path != "" && !strings.HasSuffix(path, "[]") {
		t.Errorf("%s has no description", path)
	}
	bound := map[string][]string{"integer": {"minimum", "maximum"}, "string": {"maxLength"}, "array": {"maxItems"}}
	kind, _ := schema["type"].(string)
	for _, limit := range bound[kind] {
		if schema[limit] == nil && schema["enum"] == nil {
			t.Errorf("%s has no %s", path, limit)
		}
	}
	if properties, ok := schema["properties"].(map[string]any); ok {
		for name, below := range properties {
			visit(t, strings.TrimPrefix(path+"."+name, "."), below.(map[string]any), readme)
		}
		return
	}
	if items, ok := schema["items"].(map[string]any); ok {
		visit(t, path+"[]", items, readme)
	}
	if strings.Contains(path, "[]") {
		return // an item's fields stand in the row of the list
	}
	row := "| `" + path + "` | "
	if value := schema["default"]; value != nil {
		row += fmt.Sprintf("`%v` |", value)
	}
	if !strings.Contains(readme, "\n"+row) {
		t.Errorf("the README has no row that begins with %s", row)
	}
}

func TestClassesShipForEveryTier(t *testing.T) {
	got := map[string]string{}
	for _, object := range config.Classes() {
		var class platformv1alpha1.EnvironmentClass
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, &class, true); err != nil {
			t.Fatal(err)
		}
		got[class.Name] = string(class.Spec.Tier) + " " + string(class.Spec.PodSecurity)
	}
	want := map[string]string{
		"development": "Development Restricted", "staging": "Staging Restricted",
		"production": "Production Restricted", "preview": "Preview Restricted",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
