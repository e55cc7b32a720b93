package template_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

func TestCompileRefuses(t *testing.T) {
	const at = "spec.resources[deployment].object."
	for _, test := range []struct {
		name, spec string
		want       string // every error, a line each; one that ends in … is a beginning
	}{
		{"an unknown variable", with(configMap, deployment(`replicas: "${parms.port}"`, "")),
			at + `spec.replicas: Invalid value: "${parms.port}": there is no variable parms here: use one of capabilities, component, environment, params, release, resources.<id>, uses (did you mean params?) (line 1, column 1 of the expression)`},
		{"an unknown parameter", with(deployment(`replicas: "${params.replicas.mn}"`, "")),
			at + `spec.replicas: Invalid value: "${params.replicas.mn}": params.replicas has no field mn: use one of max, min (did you mean min?) (line 1, column 16 of the expression)`},
		{"an unknown field of a variable", with(deployment("", `, command: ["${release.tag}"]`)),
			at + `spec.template.spec.containers[0].command[0]: Invalid value: "${release.tag}": release has no field tag: use one of commit, image, revision (line 1, column 8 of the expression)`},
		{"an unknown resource", with(configMap, deployment("", `, command: ["${resources.confg.data.port}"]`)),
			at + `spec.template.spec.containers[0].command[0]: Invalid value: "${resources.confg.data.port}": there is no resources.confg here: use one of config, deployment (did you mean config?) (line 1, column 1 of the expression)`},
		{"an unknown field of a resource", with(configMap, deployment("", `, command: ["${resources.config.dta.port}"]`)),
			at + `spec.template.spec.containers[0].command[0]: Invalid value: "${resources.config.dta.port}": resources.config has no field dta: use one of apiVersion, binaryData, data, immutable, kind, metadata (did you mean data?) (line 1, column 17 of the expression)`},
		{"the wrong type for a field", with(deployment(`replicas: "${params.host}"`, "")),
			at + `spec.replicas: Invalid value: "${params.host}": the field takes an integer, and the expression gives string: write int(…)`},
		{"the wrong type for a string", with(deployment("", `, env: [{name: A, value: "${params.port}"}]`)),
			at + `spec.template.spec.containers[0].env[0].value: Invalid value: "${params.port}": the field takes a string, and the expression gives int: write string(…)`},
		{"a list for an object", with(deployment("", `, resources: "${[1]}"`)),
			at + `spec.template.spec.containers[0].resources: Invalid value: "${[1]}": the field takes an object, and the expression gives list(int)`},
		{"a list of the wrong elements", with(deployment("", `, command: "${[1, 2]}"`)),
			at + `spec.template.spec.containers[0].command: Invalid value: "${[1, 2]}": in its elements, the field takes a string, and the expression gives int: write string(…)`},
		{"a map of the wrong values", with(deployment("", `, x: 1`), "", strings.ReplaceAll(configMap, `data: {port: "${string(params.port)}"}`, `data: "${{'a': 1}}"`)),
			"spec.resources[config].object.data: Invalid value: \"${{'a': 1}}\": in its values, the field takes a string, and the expression gives int: write string(…)\n" +
				at + "spec.template.spec.containers[0].x: Invalid value: the kind has no such field"},
		{"an object with the wrong fields", with(deployment("", `, resources: "${params.replicas}"`)),
			at + `spec.template.spec.containers[0].resources: Invalid value: "${params.replicas}": the expression gives an object with the field max: the kind has no such field`},
		{"a list of objects with the wrong fields", with(deployment("", `, ports: "${params.items}"`)),
			at + `spec.template.spec.containers[0].ports: Invalid value: "${params.items}": in its elements, the expression gives an object with the field port: the kind has no such field`},
		{"an optional of the wrong type", with(deployment(`replicas: "${params.?host}"`, "")),
			at + `spec.replicas: Invalid value: "${params.?host}": the field takes an integer, and the expression gives string: write int(…)`},
		{"an unknown field", with(deployment(`replica: 2`, "")),
			at + `spec.replica: Invalid value: the kind has no such field; did you mean replicas?`},
		{"a literal of the wrong type", with(deployment(`replicas: many`, "")),
			at + `spec.replicas: Invalid value: "many": must be an integer`},
		{"an enum", with(deployment("", `, imagePullPolicy: Sometimes`)),
			at + `spec.template.spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`},
		{"a missing field", with(deployment("", `, ports: [{name: http}]`)),
			at + `spec.template.spec.containers[0].ports[0].containerPort: Required value: the kind requires the field`},
		{"text around a number", with(deployment(`replicas: "0${params.port}"`, "")),
			at + `spec.replicas: Invalid value: "0${params.port}": must be an integer, is a string: write one whole ${…} to keep the type of its value`},
		{"a list in a text", with(deployment("", `, command: ["a ${params.list}"]`)),
			at + `spec.template.spec.containers[0].command[0]: Invalid value: "a ${params.list}": ${params.list} gives list(string), and only a string, number or bool can stand inside a longer string: convert it, or make it the whole string`},
		{"an optional in a text", with(deployment("", `, command: ["a ${params.?host}"]`)),
			at + `spec.template.spec.containers[0].command[0]: Invalid value: "a ${params.?host}": ${params.?host} gives optional_type(string), and only a string, number or bool can stand inside a longer string: add .orValue(…)`},
		{"an expression in a key", with(strings.ReplaceAll(configMap, "port:", `"${component.name}":`)),
			`spec.resources[config].object.data[${component.name}]: Invalid value: "${component.name}": a key must not hold an expression: write the whole map as one ${…}`},
		{"an open expression", with(strings.ReplaceAll(configMap, "${component.name}", "${component.name")),
			`spec.resources[config].object.metadata.name: Invalid value: "${component.name": the ${ at offset 0 is never closed: add the missing }, or write $${ for a literal ${`},
		{"a syntax error", with(strings.ReplaceAll(configMap, "string(params.port)", "string(params.port")),
			`spec.resources[config].object.data.port: Invalid value: "${string(params.port}": is no CEL expression (…`},
		{"a cycle", with(
			"\n- {id: a, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: \"${resources.b.metadata.name}\"}}}",
			"\n- {id: b, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: b}, data: {x: \"${resources.c.metadata.name}\"}}}",
			"\n- {id: c, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {x: \"${resources.a.metadata.name}\"}}}\n"),
			`spec.resources: Invalid value: "a -> b -> c -> a": resources must not refer to each other in a circle: take the value from params or component instead`},
		{"a resource that refers to itself", with(strings.ReplaceAll(configMap, "string(params.port)", "resources.config.metadata.name")),
			`spec.resources: Invalid value: "config -> config": resources must not refer to each other in a circle: take the value from params or component instead`},
		{"a duplicate id", with(configMap, strings.ReplaceAll(configMap, "${component.name}", "other")),
			`spec.resources[config].id: Duplicate value: "config"`},
		{"an id of the wrong form", with(strings.ReplaceAll(configMap, "id: config", "id: my-config")),
			`spec.resources[my-config].id: Invalid value: "my-config": must match ^[a-z][a-zA-Z0-9]*$`},
		{"two objects of one name", with(configMap, strings.ReplaceAll(configMap, "id: config", "id: other")),
			`spec.resources[other].object.metadata.name: Invalid value: "${component.name}": resource config makes a ConfigMap of that name already: change one of the names`},
		{"a list of objects of one name", with(strings.ReplaceAll(configMap, "  object", "  forEach: ${params.list}\n  object")),
			`spec.resources[config].object.metadata.name: Invalid value: "${component.name}": the name must depend on each: all objects of the list would have the same name`},
		{"a cluster-scoped kind", with("\n- {id: class, object: {apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: a}}}\n"),
			`spec.resources[class].object.kind: Invalid value: "StorageClass": is cluster-scoped: a template must only make objects of namespaced kinds`},
		{"a Namespace", with("\n- {id: ns, object: {apiVersion: v1, kind: Namespace, metadata: {name: a}}}\n"),
			`spec.resources[ns].object.kind: Invalid value: "Namespace": is cluster-scoped: a template must only make objects of namespaced kinds`},
		{"a Secret", with("\n- {id: secret, object: {apiVersion: v1, kind: Secret, metadata: {name: a}}}\n"),
			`spec.resources[secret].object.kind: Invalid value: "Secret": must not be templated: make the Secret in the environment's namespace, and name it in the Component's secretEnv`},
		{"a run of Tekton", with("\n- {id: run, object: {apiVersion: tekton.dev/v1, kind: PipelineRun, metadata: {name: a}}}\n"),
			`spec.resources[run].object.kind: Invalid value: "PipelineRun": must not be templated: write the stages of Builds into spec.pipeline`},
		{"rights", with("\n- {id: role, object: {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}}}\n"),
			`spec.resources[role].object.kind: Invalid value: "Role": must not be templated: rights are given by the platform team, not by golden paths`},
		{"a webhook", with("\n- {id: hook, object: {apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: a}}}\n"),
			`spec.resources[hook].object.kind: Invalid value: "ValidatingWebhookConfiguration": must not be templated: it changes the cluster for everybody`},
		{"one of our own kinds", with("\n- {id: comp, object: {apiVersion: platform.towpath.dev/v1alpha1, kind: Component, metadata: {name: a}}}\n"),
			`spec.resources[comp].object.kind: Invalid value: "Component": must not be templated: Towpath's own objects are written by people`},
		{"a kind that is an expression", with("\n- {id: any, object: {apiVersion: v1, kind: \"${params.host}\", metadata: {name: a}}}\n"),
			`spec.resources[any].object.kind: Invalid value: "${params.host}": must be a literal string, without ${…}: the schema of the kind must be known before the parameters are`},
		{"a kind that is not served", with("\n- {id: route, object: {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: a}}}\n"),
			`spec.resources[route].object.kind: Invalid value: "HTTPRoute": the cluster does not serve gateway.networking.k8s.io/v1/HTTPRoute: correct apiVersion or kind, or, where the API is optional, write includeWhen: ${"gateway.networking.k8s.io/v1/HTTPRoute" in capabilities}`},
		{"a capability that is tested for another kind", with("\n- {id: route, includeWhen: \"${'a.example/v1/B' in capabilities}\", object: {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: a}}}\n"),
			`spec.resources[route].object.kind: Invalid value: "HTTPRoute": the cluster does not serve gateway.networking.k8s.io/v1/HTTPRoute: …`},
		{"a capability without a version", with(strings.ReplaceAll(configMap, "string(params.port)", `string(\"gateway.networking.k8s.io/HTTPRoute\" in capabilities)`)),
			`spec.resources[config].object.data.port: Invalid value: "gateway.networking.k8s.io/HTTPRoute": a capability must be written group/version/Kind, such as gateway.networking.k8s.io/v1/HTTPRoute`},
		{"capabilities as a list", with(strings.ReplaceAll(configMap, "string(params.port)", `capabilities.join(',')`)),
			`spec.resources[config].object.data.port: Invalid value: "${capabilities.join(',')}": capabilities can only be tested, as in ${"gateway.networking.k8s.io/v1/HTTPRoute" in capabilities}: the cluster is asked for what stands there`},
		{"a namespace", with(strings.ReplaceAll(configMap, `name: "${component.name}"`, `name: a, namespace: kube-system`)),
			`spec.resources[config].object.metadata.namespace: Forbidden: Towpath puts every object into the environment's namespace: leave it out`},
		{"owner references", with(strings.ReplaceAll(configMap, `name: "${component.name}"`, `name: a, ownerReferences: []`)),
			`spec.resources[config].object.metadata.ownerReferences: Forbidden: a template may set name, labels and annotations: leave it out`},
		{"no name", with(strings.ReplaceAll(configMap, `name: "${component.name}"`, `labels: {}`)),
			`spec.resources[config].object.metadata.name: Required value: every object needs a name, such as ${component.name}`},
		{"our labels", with(strings.ReplaceAll(configMap, `name: "${component.name}"`, `name: a, labels: {platform.towpath.dev/owner-uid: x, app.kubernetes.io/name: z}`)),
			"spec.resources[config].object.metadata.labels[app.kubernetes.io/name]: Forbidden: Towpath sets it on every object: leave it out\n" +
				"spec.resources[config].object.metadata.labels[platform.towpath.dev/owner-uid]: Forbidden: Towpath sets it on every object: leave it out"},
		{"our labels on pods", strings.ReplaceAll(with(deployment("", "")), `labels: {app:`, `labels: {platform.towpath.dev/team: x, app:`),
			at + "spec.template.metadata.labels[platform.towpath.dev/team]: Forbidden: Towpath sets it on every object: leave it out"},
		{"a condition that is no expression", with(strings.ReplaceAll(configMap, "  object", "  includeWhen: \"true\"\n  object")),
			`spec.resources[config].includeWhen: Invalid value: "true": "true" must be exactly one ${…}, with nothing before or after it`},
		{"a condition that is no bool", with(strings.ReplaceAll(configMap, "  object", "  includeWhen: ${params.port}\n  object")),
			`spec.resources[config].includeWhen: Invalid value: "${params.port}": must give a bool, and gives int`},
		{"a loop over no list", with(strings.ReplaceAll(configMap, "  object", "  forEach: ${params.replicas}\n  object")),
			"spec.resources[config].forEach: Invalid value: \"${params.replicas}\": must give a list, and gives an object\n" +
				"spec.resources[config].object.metadata.name: Invalid value: \"${component.name}\": the name must depend on each: all objects of the list would have the same name"},
		{"each without a loop", with(strings.ReplaceAll(configMap, "string(params.port)", "each")),
			`spec.resources[config].object.data.port: Invalid value: "${each}": there is no variable each here: it exists in the object of a resource with forEach (line 1, column 1 of the expression)`},
		{"self outside readyWhen", with(strings.ReplaceAll(configMap, "string(params.port)", "self.kind")),
			`spec.resources[config].object.data.port: Invalid value: "${self.kind}": there is no variable self here: it exists in readyWhen, where it is the live object (line 1, column 1 of the expression)`},
		{"params in readyWhen", with(strings.ReplaceAll(configMap, "  object", "  readyWhen: ${params.enabled}\n  object")),
			`spec.resources[config].readyWhen: Invalid value: "${params.enabled}": there is no variable params here: use one of self (line 1, column 1 of the expression)`},
		{"an optional resource that is read as if it were there", with(
			strings.ReplaceAll(configMap, "  object", "  includeWhen: ${params.enabled}\n  object"),
			deployment("", `, command: ["x-${resources.config.metadata.name}"]`)),
			at + `spec.template.spec.containers[0].command[0]: Invalid value: "x-${resources.config.metadata.name}": ${resources.config.metadata.name} gives optional_type(string), and only a string, number or bool can stand inside a longer string: add .orValue(…)`},
		{"no object", "summary: a\nresources:\n- {id: a, object: [1]}\n",
			`spec.resources[a].object: Invalid value: must be a Kubernetes object: write apiVersion, kind, metadata.name and what belongs to the kind`},
		{"a reference to a broken resource only once", with("\n- {id: secret, object: {apiVersion: v1, kind: Secret, metadata: {name: a}}}",
			strings.ReplaceAll(configMap, "string(params.port)", "resources.secret.metadata.name")),
			`spec.resources[secret].object.kind: Invalid value: "Secret": must not be templated: …`},
		{"a status", with(strings.ReplaceAll(configMap, " data:", " status: {}, data:")),
			"spec.resources[config].object.status: Forbidden: status is written by controllers: leave it out\n" +
				"spec.resources[config].object.status: Invalid value: the kind has no such field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			compiled, _, errs := template.Compile(spec(t, test.spec), openapi.Kubernetes())
			if compiled != nil {
				t.Error("it compiled")
			}
			got, want := strings.Split(messages(errs), "\n"), strings.Split(test.want, "\n")
			if len(got) != len(want) {
				t.Fatalf("got\n%s\nwant\n%s", messages(errs), test.want)
			}
			for i := range got {
				if begin, open := strings.CutSuffix(want[i], "…"); got[i] != want[i] && (!open || !strings.HasPrefix(got[i], begin)) {
					t.Errorf("got\n%s\nwant\n%s", got[i], want[i])
				}
			}
		})
	}
}

func TestCompileRefusesSchemas(t *testing.T) {
	for name, test := range map[string]struct{ schema, want string }{
		"no object": {"{type: string}", `spec.parameters.type: Invalid value: "string": must be object: parameters are named`},
		"a name that expressions cannot write": {"{type: object, properties: {my-port: {type: integer}}}",
			`spec.parameters.properties[my-port]: Invalid value: "my-port": the name of a parameter must match ^[a-z][a-zA-Z0-9]*$`},
		"a name further down": {"{type: object, properties: {a: {type: array, items: {type: object, properties: {B: {type: integer}}}}}}",
			`spec.parameters.properties[a].items.properties[B]: Invalid value: "B": the name of a parameter must match ^[a-z][a-zA-Z0-9]*$`},
		"a keyword that does not exist": {"{type: object, properties: {a: {type: integer, maximun: 3}}}",
			`spec.parameters: Invalid value: must be an OpenAPI v3 schema: json: unknown field "maximun"`},
		"a property without type": {"{type: object, properties: {a: {}}}",
			`spec.parameters.properties[a].type: Required value: must not be empty for specified object fields`},
		"a type that does not exist": {"{type: object, properties: {a: {type: int}}}",
			`spec.parameters.properties[a].type: Unsupported value: "int"…`},
		"a default of the wrong type": {"{type: object, properties: {a: {type: integer, default: x}}}",
			`spec.parameters.properties[a].default: Invalid value: …`},
		"a rule with an error": {"{type: object, properties: {a: {type: integer}}, x-kubernetes-validations: [{rule: self.b > 1}]}",
			`spec.parameters.x-kubernetes-validations[0].rule: Invalid value: …`},
		"a reference": {"{type: object, properties: {a: {$ref: '#/x'}}}",
			`spec.parameters.properties[a].$ref: Forbidden: $ref is not supported`},
	} {
		t.Run(name, func(t *testing.T) {
			text := "summary: a\nparameters: " + test.schema + "\nresources:" + strings.ReplaceAll(configMap, "string(params.port)", "component.name")
			_, _, errs := template.Compile(spec(t, text), nil)
			begin, _ := strings.CutSuffix(test.want, "…")
			if len(errs) == 0 || !strings.Contains(messages(errs), begin) {
				t.Errorf("got\n%s\nwant\n%s", messages(errs), test.want)
			}
		})
	}
}

func TestCompileWarns(t *testing.T) {
	text := with(configMap,
		strings.ReplaceAll(strings.ReplaceAll(configMap, "id: config", "id: other"), "  object", "  includeWhen: ${params.replicas.min > 1}\n  object"),
		"\n- id: route\n  includeWhen: ${'gateway.networking.k8s.io/v1/HTTPRoute' in capabilities && params.enabled}\n",
		"  object: {apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: a}, spec: \"${params.free}\"}\n")
	compiled, warnings, errs := template.Compile(spec(t, text), openapi.Kubernetes())
	if len(errs) > 0 {
		t.Fatal(messages(errs))
	}
	const unused = ": no expression uses the parameter: use it, or take it out"
	want := []string{
		"spec.parameters.properties[at]" + unused, "spec.parameters.properties[host]" + unused, "spec.parameters.properties[items]" + unused,
		"spec.parameters.properties[labels]" + unused, "spec.parameters.properties[list]" + unused, "spec.parameters.properties[mode]" + unused,
		"spec.parameters.properties[ratio]" + unused, "spec.parameters.properties[replicas].properties[max]" + unused,
		"spec.parameters.properties[size]" + unused,
		"spec.resources[other].object.metadata.name: resource config makes a ConfigMap of the same name: includeWhen must never include both",
		"spec.resources[route].object.kind: the cluster does not serve gateway.networking.k8s.io/v1/HTTPRoute (yet): the resource is checked once it does",
	}
	if got := strings.Join(warnings, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if got := compiled.Capabilities(); len(got) != 1 || got[0] != "gateway.networking.k8s.io/v1/HTTPRoute" {
		t.Errorf("capabilities: %q", got)
	}
}

func TestCompileWarnsOfTokens(t *testing.T) {
	const said = "spec.resources[deployment].object.spec.template.spec.automountServiceAccountToken: must be false but for classes with serviceAccountTokens: Allowed"
	for text, warned := range map[string]bool{"": true, "automountServiceAccountToken: true, ": true, "automountServiceAccountToken: false, ": false, `automountServiceAccountToken: "${params.enabled}", `: false} {
		_, warnings, errs := template.Compile(spec(t, with(strings.Replace(deployment("", ""), "spec: {containers", "spec: {"+text+"containers", 1))), openapi.Kubernetes())
		if got := slices.ContainsFunc(warnings, func(w string) bool { return strings.HasPrefix(w, said) }); got != warned || len(errs) > 0 {
			t.Errorf("%q: warned %t (%v), and %v", text, got, warnings, errs)
		}
	}
}

// failing is a source that cannot say.
type failing struct{}

func (failing) Kind(schema.GroupVersionKind) (*openapi.Kind, error) {
	return nil, errors.New("connection refused")
}

func TestCompileTellsAFailingSourceFromABadTemplate(t *testing.T) {
	_, _, errs := template.Compile(spec(t, with(configMap)), failing{})
	want := "spec.resources[config].object: Internal error: reading the schema of ConfigMap: connection refused"
	if got := messages(errs); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What Kubernetes' validation finds comes in the order of Go maps.
func TestErrorsComeInOneOrder(t *testing.T) {
	bad := spec(t, "summary: a\nparameters: {type: object, properties: {a: {}, b: {}, c: {type: x}, d: {type: integer, default: s}, e: {$ref: x}}}\nresources:"+configMap)
	_, _, first := template.Compile(bad, nil)
	compiled := compile(t, with(configMap))
	wrong := map[string]any{"port": int64(0), "ratio": "x", "nope": int64(1), "neither": int64(2), "mode": "Slow", "replicas": map[string]any{"min": "x", "mix": int64(1)}}
	_, firstOf := compiled.ResolveParameters(wrong, nil)
	for range 50 {
		if _, _, errs := template.Compile(bad, nil); messages(errs) != messages(first) {
			t.Fatalf("got\n%s\nthen\n%s", messages(first), messages(errs))
		}
		if _, errs := compiled.ResolveParameters(wrong, nil); messages(errs) != messages(firstOf) {
			t.Fatalf("got\n%s\nthen\n%s", messages(firstOf), messages(errs))
		}
	}
}

func TestDeepObjectsAreRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	s := spec(t, with(configMap))
	s.Resources[0].Object.Raw = []byte(`{"apiVersion":"example.org/v1","kind":"Thing","metadata":{"name":"a"},"spec":` + deep + `}`)
	if _, _, errs := template.Compile(s, nil); !strings.Contains(messages(errs), "must not be nested deeper than 64 levels") {
		t.Errorf("got %s", messages(errs))
	}
	s.Resources[0].Object.Raw = []byte(strings.Repeat(`{"a":`, 100_000))
	if _, _, errs := template.Compile(s, nil); len(errs) == 0 {
		t.Error("it compiled")
	}
}

func TestReadyWhen(t *testing.T) {
	compiled := compile(t, with(strings.ReplaceAll(configMap, "  object", "  readyWhen: \"${self.?status.?ok.orValue(false) == true}\"\n  object")))
	for name, test := range map[string]struct {
		self map[string]any
		want bool
	}{
		"ready":     {map[string]any{"status": map[string]any{"ok": true}}, true},
		"not ready": {map[string]any{"status": map[string]any{"ok": false}}, false},
		"no status": {map[string]any{}, false},
	} {
		if ready, defined, err := compiled.ReadyWhen("config", test.self); ready != test.want || !defined || err != nil {
			t.Errorf("%s: got %v, %v, %v", name, ready, defined, err)
		}
	}
	if _, defined, err := compiled.ReadyWhen("nothing", nil); defined || err != nil {
		t.Errorf("got %v, %v", defined, err)
	}
	if !compiled.HasReadyWhen("config") || compiled.HasReadyWhen("nothing") {
		t.Error("HasReadyWhen is wrong")
	}
	compiled = compile(t, with(strings.ReplaceAll(configMap, "  object", "  readyWhen: ${self.status.ok}\n  object")))
	_, defined, err := compiled.ReadyWhen("config", map[string]any{"status": map[string]any{}})
	want := "readyWhen of resource config, ${self.status.ok}: no such key: ok: give it a value, or read it as .?ok.orValue(…) (line 1, column 12 of the expression)"
	if !defined || err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestHashDoesNotSeeTheOrderOfKeys(t *testing.T) {
	a, b := spec(t, with(configMap)), spec(t, with(configMap))
	a.Resources[0].Object.Raw = []byte(`{"a": {"x": 1, "y": 2.0}, "b": [1, 2]}`)
	b.Resources[0].Object.Raw = []byte(`{ "b":[1,2],"a":{"y":2.0,"x":1}}`)
	first, err := template.Hash(a)
	if err != nil || len(first) != 64 {
		t.Fatalf("got %q, %v", first, err)
	}
	if second, _ := template.Hash(b); second != first {
		t.Errorf("got %s and %s", first, second)
	}
	b.Resources[0].Object.Raw = []byte(`{"b":[2,1],"a":{"y":2.0,"x":1}}`)
	if second, _ := template.Hash(b); second == first {
		t.Error("the order of a list must show")
	}
}
