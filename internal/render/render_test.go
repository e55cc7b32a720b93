package render_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

var update = flag.Bool("update", false, "write the golden files anew")

// compile compiles a template, with or without the schemas of Kubernetes.
func compile(t testing.TB, text string, kinds openapi.Source) *template.Template {
	t.Helper()
	var spec v1alpha1.ServiceTemplateSpec
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	compiled, _, errs := template.Compile(&spec, kinds)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return compiled
}

// everything is the template of testdata/template.yaml.
func everything(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// short is a template of one ConfigMap.
func short(data string) string {
	return "summary: a\nparameters: {type: object, properties: {list: {type: array, default: [], items: {type: string}}, text: {type: string}, free: {type: object, default: {}, x-kubernetes-preserve-unknown-fields: true}}}\nresources:\n" +
		"- {id: config, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: " + data + "}}\n"
}

func release(parameters string) *v1alpha1.Release {
	return &v1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{Name: "checkout-prod-12", Namespace: "team-shop"},
		Spec: v1alpha1.ReleaseSpec{
			Number:      12,
			Component:   v1alpha1.ReleaseComponent{Name: "checkout", UID: "0b6c1a52-5e0e-4f0e-8f5e-000000000001"},
			Environment: v1alpha1.ReleaseEnvironment{Name: "prod", UID: "u2", Namespace: "shop-prod", Class: "production", Tier: v1alpha1.TierProduction},
			Template:    "web-service", Revision: v1alpha1.RevisionReference{Name: "web-service-7", Number: 7},
			Image:      "registry.example/shop/checkout:1.4.2",
			Commit:     &v1alpha1.Commit{SHA: "3f2c0de"},
			Parameters: &apiextensionsv1.JSON{Raw: []byte(parameters)},
			Env:        []v1alpha1.EnvVar{{Name: "Z", Value: "1"}, {Name: "EMPTY"}},
			SecretEnv:  []v1alpha1.SecretEnvVar{{Name: "A", SecretKeyRef: v1alpha1.SecretKeyReference{Name: "db", Key: "password"}}},
			Team:       "shop", CostCenter: "cc-4711",
			LabelAliases: map[string]string{"team": v1alpha1.LabelTeam, "env": "environment", "cost-center": "cost-center", "odd": "no-such-label", "chain": "team-alias", "team-alias": "team"},
		},
	}
}

// text is the objects as YAML, with what is not in them.
func text(t testing.TB, objects []render.Object) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, o := range objects {
		data, err := yaml.Marshal(o.Object.Object)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "--- # %s, wave %d\n%s", o.Resource, o.Wave, data)
	}
	return b.Bytes()
}

var cases = map[string]struct {
	parameters   string
	capabilities []string
}{
	"defaults": {`{}`, nil},
	"all": {`{"port": 9090, "replicas": 5, "message": "hello", "settings": {"z": "1", "b": "2", "a": "3"}, "route": true, "storage": "1Gi",
		"jobs": [{"name": "zebra", "schedule": "@hourly"}, {"name": "ape"}]}`, []string{"gateway.networking.k8s.io/v1/HTTPRoute"}},
	"route-not-served": {`{"route": true}`, nil},
}

func TestRenderGivesTheGoldenFiles(t *testing.T) {
	compiled := compile(t, everything(t), schemas())
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			r := release(test.parameters)
			r.Spec.Capabilities = test.capabilities
			objects, err := render.Release(compiled, r)
			if err != nil {
				t.Fatal(err)
			}
			got, file := text(t, objects), filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs (go test ./internal/render -update writes it anew):\n%s", file, got)
			}
		})
	}
}

// schemas are those of Kubernetes; HTTPRoute is none of them, and its capability is tested.
func schemas() openapi.Source { return openapi.Kubernetes() }

// The controller compiles without schemas, the CLI and the webhook with them.
func TestSchemasNeverChangeAByte(t *testing.T) {
	with, without := compile(t, everything(t), schemas()), compile(t, everything(t), nil)
	for name, test := range cases {
		r := release(test.parameters)
		r.Spec.Capabilities = test.capabilities
		first, err := render.Release(with, r)
		if err != nil {
			t.Fatal(err)
		}
		second, err := render.Release(without, r)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := text(t, first), text(t, second); !bytes.Equal(a, b) {
			t.Errorf("%s: with schemas\n%s\nwithout\n%s", name, a, b)
		}
	}
}

func TestAThousandRendersGiveOneResult(t *testing.T) {
	compiled := compile(t, short(`{
		keys: "${params.free.map(k, k).join(',')}", pairs: "${params.free.transformList(k, v, k + string(v)).join(',')}",
		literal: "${{'d': 1, 'a': 2, 'c': 3, 'b': 4}.map(k, k).join(',')}", made: "${params.free.transformMap(k, v, v).map(k, k).join(',')}",
		first: "${params.free.filter(k, params.free[k] > 1)[0]}", text: "${'%s'.format([params.free])}"}`), nil)
	r := release(`{"free": {"z": 1, "y": 2, "x": 3, "w": 4, "v": 5, "u": 6, "t": 7}}`)
	results := map[string]bool{}
	for range 1000 {
		objects, err := render.Release(compiled, r)
		if err != nil {
			t.Fatal(err)
		}
		results[string(text(t, objects))] = true
	}
	if len(results) != 1 {
		t.Errorf("%d results", len(results))
	}
}

func TestRenderIsSafeForConcurrentUse(t *testing.T) {
	compiled := compile(t, everything(t), nil)
	want, err := render.Release(compiled, release(cases["all"].parameters))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				got, err := render.Release(compiled, release(cases["all"].parameters))
				if err != nil || !bytes.Equal(text(t, got), text(t, want)) {
					t.Errorf("differs: %v", err)
				}
			}
		})
	}
	all.Wait()
}

// Objects are changed by those who apply them. Neither the compiled template nor the Release may
// change with them.
func TestRenderedObjectsShareNothing(t *testing.T) {
	compiled := compile(t, everything(t), nil)
	r := release(cases["all"].parameters)
	r.Spec.Capabilities = cases["all"].capabilities
	first, err := render.Release(compiled, r)
	if err != nil {
		t.Fatal(err)
	}
	want := text(t, first)
	for _, o := range first {
		scramble(o.Object.Object)
	}
	second, err := render.Release(compiled, r)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, second); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// scramble changes everything in a value.
func scramble(value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			scramble(member)
			v[key] = "changed"
		}
	case []any:
		for i := range v {
			scramble(v[i])
			v[i] = "changed"
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	for _, test := range []struct{ name, template, parameters, want string }{
		{"a key that is not there", short(`{x: "${params.text}"}`), `{}`,
			"resource config: object.data.x: ${params.text}: no such key: text: give it a value, or read it as .?text.orValue(…) (line 1, column 7 of the expression)"},
		{"a huge index", short(`{x: "${params.list[2147483648]}"}`), `{}`,
			"resource config: object.data.x: ${params.list[2147483648]}: index out of bounds: 2147483648: test the size first, or read it as [?…] (line 1, column 12 of the expression)"},
		{"a triple loop", short(`{x: "${string(params.list.map(a, params.list.map(b, params.list.map(c, a + b + c).size()).size()).size())}"}`), list(400),
			"resource config: object.data.x: ${string(params.list.map(a, params.list.map(b, params.list.map(c, a + b + c).size()).size()).size())}: the expression is too expensive (its cost is over 1000000): loop over fewer elements, or bound the parameters with maxItems and maxLength"},
		{"a long list", short(`"${params.list}"`), list(1001),
			"resource config: object.data: ${params.list}: the list has 1001 elements, at most 1000 are allowed: bound it with maxItems"},
		{"a deep value", short(`"${params.free}"`), `{"free": ` + strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100) + "}",
			"resource config: object.data: ${params.free}: the value is nested deeper than 64 levels: make it flatter"},
		{"a list in a text", short(`{x: "a ${params.free.a}"}`), `{"free": {"a": [1]}}`,
			"resource config: object.data.x: ${params.free.a}: it gives a list, and only a string, number or bool can stand inside a longer string"},
		{"nothing in a text", short(`{x: "a ${dyn(params.free.?a)}"}`), `{}`,
			"resource config: object.data.x: ${dyn(params.free.?a)}: it gives no value, and only a string, number or bool can stand inside a longer string"},
		{"a condition that gives no bool", strings.ReplaceAll(short(`{}`), "id: config", "id: config, includeWhen: '${params.free.a}'"), `{"free": {"a": 1}}`,
			"resource config: includeWhen: ${params.free.a}: it must give a bool, and gives an integer"},
		{"a loop over no list", strings.NewReplacer("id: config", "id: config, forEach: '${params.free.a}'", "name: a}", `name: "x${each}"}`).Replace(short(`{}`)), `{"free": {"a": 1}}`,
			"resource config: forEach: ${params.free.a}: it must give a list, and gives an integer"},
		{"a loop that is too long", strings.NewReplacer("id: config", "id: config, forEach: '${params.list}'", "name: a}", `name: "x${each}"}`).Replace(short(`{}`)), list(101),
			"resource config: forEach: ${params.list}: it gives 101 elements, at most 100 are allowed: bound the parameter with maxItems"},
		{"two elements of one name", strings.NewReplacer("id: config", "id: config, forEach: '${params.list}'", "name: a}", `name: "x${each}"}`).Replace(short(`{}`)), `{"list": ["a", "a"]}`,
			"resource config: object.metadata.name: ConfigMap xa is made by resource config already: the names of objects of one kind must differ"},
		{"a bad name", strings.ReplaceAll(short(`{}`), "name: a}", `name: "${params.text}"}`), `{"text": "No Name"}`,
			`resource config: object.metadata: name "No Name": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`},
		{"a label of ours by expression", strings.ReplaceAll(short(`{}`), "name: a}", `name: a, labels: "${params.free}"}`), `{"free": {"platform.towpath.dev/other": "x"}}`,
			"resource config: object.metadata: labels must not hold platform.towpath.dev/other: the prefix is Towpath's own"},
		{"labels that are no object", strings.ReplaceAll(short(`{}`), "name: a}", `name: a, labels: "${params.free.x}"}`), `{"free": {"x": 1}}`,
			"resource config: object.metadata: labels must be an object"},
		{"parameters that do not fit", short(`{}`), `{"text": 1, "txt": 2}`,
			"[parameters.text: Invalid value: 1: must be of type string, parameters.txt: Invalid value: no such parameter; did you mean text?]"},
		{"parameters that are no object", short(`{}`), `[]`, "parameters must be a JSON object: json: cannot unmarshal array into Go value of type map[string]interface {}"},
		{"an object that is too large", short(`{x: "${params.text}"}`), `{"text": "` + strings.Repeat("x", 1<<20) + `"}`,
			"resource config: a Release must not make more than 512 objects, and not more than 1048576 bytes: make less of it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := render.Release(compile(t, test.template, nil), release(test.parameters))
			if err == nil || err.Error() != test.want {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
		})
	}
	_, err := render.Release(compile(t, short(`{}`), nil), release(`{"text": 1}`))
	var invalid *template.ParameterError
	if !errors.As(err, &invalid) || len(invalid.Errors) != 1 {
		t.Errorf("%v is no ParameterError", err)
	}
}

// list is parameters with a list of n different names.
func list(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%q", fmt.Sprintf("n%d", i))
	}
	return `{"list": [` + strings.Join(names, ",") + "]}"
}

func TestCheckAliases(t *testing.T) {
	many := map[string]string{}
	for i := range 17 {
		many[fmt.Sprintf("a%d", i)] = "team"
	}
	for name, c := range map[string]struct {
		aliases map[string]string
		want    string
	}{
		"none":              {nil, ""},
		"short and full":    {map[string]string{"team": "team", "example.com/owner": v1alpha1.LabelTeam, "version": "app.kubernetes.io/version"}, ""},
		"too many":          {many, "17 label aliases"},
		"no label key":      {map[string]string{"not a key": "team"}, `label alias "not a key"`},
		"a key of ours":     {map[string]string{"platform.towpath.dev/mine": "team"}, "Towpath's own"},
		"a standard key":    {map[string]string{"app.kubernetes.io/name": "team"}, "Towpath's own"},
		"no such label":     {map[string]string{"team": "teem"}, `no label "teem"; it must be one of app.kubernetes.io/instance`},
		"alias of an alias": {map[string]string{"team": "team", "owner": "owner-team"}, `no label "owner-team"`},
	} {
		err := render.CheckAliases(c.aliases)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestLabels(t *testing.T) {
	r := release(`{}`)
	r.Spec.Team, r.Spec.CostCenter, r.Spec.Image = "Shop & Co", "4711/a", "checkout@sha256:"+strings.Repeat("0123456789abcdef", 4)
	r.Spec.LabelAliases["app.kubernetes.io/name"] = "team" // an alias must not take the place of a label
	want := map[string]string{
		"app.kubernetes.io/name": "checkout", "app.kubernetes.io/instance": "checkout-prod", "app.kubernetes.io/version": "sha256-0123456789ab",
		"app.kubernetes.io/part-of": "Shop---Co-aa16b9b5", "app.kubernetes.io/managed-by": "towpath",
		"platform.towpath.dev/team": "Shop---Co-aa16b9b5", "platform.towpath.dev/component": "checkout", "platform.towpath.dev/environment": "prod",
		"platform.towpath.dev/tier": "Production", "platform.towpath.dev/template": "web-service", "platform.towpath.dev/cost-center": "4711-a-",
		"platform.towpath.dev/owner-uid": "0b6c1a52-5e0e-4f0e-8f5e-000000000001",
		"team":                           "Shop---Co-aa16b9b5", "env": "prod", "cost-center": "4711-a-", "team-alias": "Shop---Co-aa16b9b5",
	}
	for range 20 { // aliases of aliases must not depend on the order of the map
		got := render.ReleaseLabels(r)
		if len(got) != len(want) {
			t.Fatalf("got %d labels, want %d: %v", len(got), len(want), got)
		}
		for key, value := range want {
			begin, _, _ := strings.Cut(value, "-aa16b9b5")
			if !strings.HasPrefix(got[key], begin) {
				t.Errorf("%s is %q, want %q", key, got[key], value)
			}
		}
	}
}

// Labels stand on objects and pod templates, owner-uid only on the object, and on claim templates
// only what never changes.
func TestLabelsStandWhereTheyShould(t *testing.T) {
	objects, err := render.Release(compile(t, everything(t), nil), release(cases["all"].parameters))
	if err != nil {
		t.Fatal(err)
	}
	all := render.ReleaseLabels(release(`{}`))
	seen := 0
	for _, o := range objects {
		for key, value := range all {
			if o.Object.GetLabels()[key] != value {
				t.Errorf("%s: %s is %q", o.Resource, key, o.Object.GetLabels()[key])
			}
		}
		if got := o.Object.GetNamespace(); got != "shop-prod" {
			t.Errorf("%s is in namespace %q", o.Resource, got)
		}
		for _, path := range [][]string{{"spec", "template"}, {"spec", "jobTemplate"}, {"spec", "jobTemplate", "spec", "template"}} {
			m := at(o.Object.Object, path...)
			if m == nil {
				continue
			}
			seen++
			labels := at(m, "metadata", "labels")
			for key, value := range all {
				if key == v1alpha1.LabelOwnerUID {
					if _, there := labels[key]; there {
						t.Errorf("%s %v bears the owner", o.Resource, path)
					}
				} else if labels[key] != value {
					t.Errorf("%s %v: %s is %v", o.Resource, path, key, labels[key])
				}
			}
		}
		claims, _ := at(o.Object.Object, "spec")["volumeClaimTemplates"].([]any)
		for _, claim := range claims {
			seen++
			labels := at(claim.(map[string]any), "metadata", "labels")
			if len(labels) != 2 || labels[v1alpha1.LabelComponent] != "checkout" || labels[v1alpha1.LabelEnvironment] != "prod" {
				t.Errorf("the claim bears %v", labels)
			}
		}
	}
	if seen != 7 { // a Deployment, two CronJobs with two places each, a StatefulSet, and its claim
		t.Errorf("looked at %d places", seen)
	}
}

func at(m map[string]any, path ...string) map[string]any {
	for _, step := range path {
		m, _ = m[step].(map[string]any)
	}
	return m
}

func TestInventory(t *testing.T) {
	objects, err := render.Release(compile(t, everything(t), nil), release(cases["all"].parameters))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, o := range render.Inventory(objects) {
		got = append(got, fmt.Sprintf("%d %s %s %s %s", objects[i].Wave, o.Resource, o.APIVersion, o.Kind, o.Name))
	}
	want := []string{
		"0 config v1 ConfigMap checkout-config", // in the order of the template
		"0 jobs batch/v1 CronJob checkout-ape",  // in the order of the names
		"0 jobs batch/v1 CronJob checkout-zebra",
		"0 store apps/v1 StatefulSet checkout-store",
		"1 deployment apps/v1 Deployment checkout", // refers to config
		"2 service v1 Service checkout",
		"4 summary v1 ConfigMap checkout-summary", // refers to route, which is not served
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzRender renders with any parameters and any expression. Whatever comes in, nothing panics, a
// second rendering gives the same bytes or the same error, and what comes out is an inventory of
// different objects in the right namespace.
// sent is what the API server would be sent: JSON, which has a spelling of every key, as YAML has not.
func sent(t *testing.T, objects []render.Object) []byte {
	t.Helper()
	var all []byte
	for _, o := range objects {
		data, err := o.Object.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

func FuzzRender(f *testing.F) {
	for _, c := range cases {
		f.Add(c.parameters, "params.port")
	}
	f.Add(`{"message": "a"}`, "params.settings.map(k, {k: params.settings[k]})")
	f.Add(`{"jobs": [{"name": "a"}, {"name": "a"}]}`, "optional.none()")
	f.Add(`{"settings": {"a": "b"}}`, "params.settings.transformMapEntry(k, v, {v: k})")
	f.Add(`{}`, "resources.jobs[2147483648]")
	fixed := compile(f, everything(f), nil)
	f.Fuzz(func(t *testing.T, parameters, expression string) {
		templates := []*template.Template{fixed}
		quoted, err := utiljson.Marshal("${" + expression + "}")
		if err != nil {
			return
		}
		var spec v1alpha1.ServiceTemplateSpec
		if err := yaml.Unmarshal([]byte(everything(t)), &spec); err != nil {
			t.Fatal(err)
		}
		spec.Resources = append(spec.Resources, v1alpha1.ResourceTemplate{ID: "fuzzed", Object: apiextensionsv1.JSON{
			Raw: []byte(`{"apiVersion":"example.org/v1","kind":"Thing","metadata":{"name":"fuzzed"},"spec":` + string(quoted) + `}`)}})
		if compiled, _, errs := template.Compile(&spec, nil); len(errs) == 0 {
			templates = append(templates, compiled)
		}
		for _, compiled := range templates {
			objects, err := render.Release(compiled, release(parameters))
			again, errAgain := render.Release(compiled, release(parameters))
			if fmt.Sprint(err) != fmt.Sprint(errAgain) {
				t.Fatalf("%v, then %v", err, errAgain)
			}
			if err != nil {
				continue
			}
			if first, second := sent(t, objects), sent(t, again); !bytes.Equal(first, second) {
				t.Fatalf("%s\nthen\n%s", first, second)
			}
			seen := map[string]bool{}
			for i, o := range render.Inventory(objects) {
				if id := o.APIVersion + o.Kind + o.Name; seen[id] {
					t.Fatalf("%s twice", id)
				} else {
					seen[id] = true
				}
				if objects[i].Object.GetNamespace() != "shop-prod" || objects[i].Object.GetLabels()[v1alpha1.LabelOwnerUID] == "" {
					t.Fatalf("%s is not in its place", o.Name)
				}
			}
		}
	})
}

func BenchmarkRender(b *testing.B) {
	compiled := compile(b, everything(b), nil)
	r := release(cases["all"].parameters)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := render.Release(compiled, r); err != nil {
			b.Fatal(err)
		}
	}
}
