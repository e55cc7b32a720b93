package compatibility_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/compatibility"
)

const base = `
summary: A service.
parameters:
  type: object
  required: [owner]
  properties:
    owner: {type: string, minLength: 1}
    port: {type: integer, default: 8080, minimum: 1, maximum: 65535}
    tier: {type: string, enum: [small, large], default: small}
    name: {type: string, pattern: "^a"}
    note: {type: string, nullable: true}
    tags: {type: array, items: {type: string, maxLength: 10}, maxItems: 5}
    labels: {type: object, additionalProperties: {type: string}}
    replicas: {type: object, default: {}, properties: {min: {type: integer, default: 2}, max: {type: integer, default: 4}}}
  x-kubernetes-validations: [{rule: self.port != 22}]
outputs: [{name: host, value: "${component.name}"}]
endpoint: {podLabels: {a: b}, ports: ["8080"]}
overrides: {allow: [{resource: deployment, path: spec.replicas}]}
resources:
- id: deployment
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: "${component.name}", annotations: {a: b}}
    spec:
      selector: {matchLabels: {app: "${component.name}"}}
      template: {spec: {containers: [{name: app, image: "${release.image}"}]}}
- id: store
  includeWhen: "${true}"
  object:
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: "${component.name}"}
    spec: {serviceName: x, volumeClaimTemplates: [{metadata: {name: data}}]}
- id: service
  object: {apiVersion: v1, kind: Service, metadata: {name: "${component.name}"}, spec: {ports: [{port: 80}]}}
`

func spec(t *testing.T, text string) *platformv1alpha1.ServiceTemplateSpec {
	t.Helper()
	s := &platformv1alpha1.ServiceTemplateSpec{}
	if err := yaml.UnmarshalStrict([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCompare(t *testing.T) {
	const safe, risky, breaking = platformv1alpha1.ChangeSafe, platformv1alpha1.ChangeRisky, platformv1alpha1.ChangeBreaking
	for name, c := range map[string]struct {
		old, new string
		level    platformv1alpha1.ChangeLevel
		want     string // path: message; empty for no change
	}{
		"nothing":                      {},
		"the summary":                  {old: "A service.", new: "The service."},
		"a parameter less":             {"    note: {type: string, nullable: true}\n", "", breaking, "parameters.note: removed"},
		"a parameter more":             {"    note:", "    more: {type: string}\n    note:", safe, "parameters.more: new"},
		"a parameter that is required": {"required: [owner]", "required: [owner, note]", breaking, "parameters.note: required now, without a default"},
		"one with a default":           {"required: [owner]", "required: [owner, port]", safe, ""},
		"a new one that is required":   {"required: [owner]\n  properties:", "required: [owner, more]\n  properties:\n    more: {type: string}", breaking, "parameters.more: new, and required without a default"},
		"another type":                 {"owner: {type: string, minLength: 1}", "owner: {type: integer}", breaking, "parameters.owner: another type: was string, is integer"},
		"a type that takes more":       {"port: {type: integer,", "port: {type: number,", safe, "parameters.port: accepts more: was integer, is number"},
		"a lower maximum":              {"maximum: 65535", "maximum: 1024", breaking, "parameters.port: narrowed: maximum was 65535, is 1024"},
		"a higher maximum":             {"maximum: 65535", "maximum: 70000", safe, "parameters.port: widened: maximum was 65535, is 70000"},
		"a higher minimum":             {"minimum: 1,", "minimum: 1024,", breaking, "parameters.port: narrowed: minimum was 1, is 1024"},
		"no minimum":                   {"minimum: 1,", "", safe, "parameters.port: widened: minimum was 1, is none"},
		"a limit that is new":          {"note: {type: string,", "note: {type: string, maxLength: 5,", breaking, "parameters.note: narrowed: maxLength was none, is 5"},
		"an exclusive limit":           {"minimum: 1,", "minimum: 1, exclusiveMinimum: true,", breaking, "parameters.port: narrowed: exclusiveMinimum"},
		"a value less":                 {"enum: [small, large]", "enum: [small]", breaking, `parameters.tier: narrowed: "large" is not accepted any more`},
		"a value more":                 {"enum: [small, large]", "enum: [small, large, huge]", safe, `parameters.tier: accepts "huge" too`},
		"values of a list":             {"note: {type: string,", "note: {type: string, enum: [a],", breaking, `parameters.note: narrowed: accepts only "a"`},
		"any value":                    {"enum: [small, large], ", "", safe, "parameters.tier: widened"},
		"another pattern":              {`pattern: "^a"`, `pattern: "^b"`, breaking, `parameters.name: another pattern: was "^a", is "^b"`},
		"no pattern":                   {`, pattern: "^a"`, "", safe, "parameters.name: widened: pattern ^a is gone"},
		"no null":                      {", nullable: true", "", breaking, "parameters.note: null is not accepted any more"},
		"shorter items":                {"maxLength: 10", "maxLength: 3", breaking, "parameters.tags[]: narrowed: maxLength was 10, is 3"},
		"no keys of one's own":         {"labels: {type: object, additionalProperties: {type: string}}", "labels: {type: object, properties: {a: {type: string}}}", breaking, "parameters.labels: narrowed: keys of the user's choice"},
		"other values of these":        {"additionalProperties: {type: string}", "additionalProperties: {type: integer}", breaking, "parameters.labels[*]: another type"},
		"another rule":                 {"rule: self.port != 22", "rule: self.port != 23", breaking, "parameters: a rule that is new: self.port != 23"},
		"no rule":                      {"  x-kubernetes-validations: [{rule: self.port != 22}]\n", "", safe, "parameters: a rule is gone"},
		"another default":              {"default: 8080", "default: 9090", risky, "parameters.port: another default: was 8080, is 9090"},
		"a default below":              {"min: {type: integer, default: 2}", "min: {type: integer, default: 3}", risky, "parameters.replicas.min: another default: was 2, is 3"},

		"an output less":         {`outputs: [{name: host, value: "${component.name}"}]`, "outputs: []", breaking, "outputs[host]: removed"},
		"an output more":         {`outputs: [`, `outputs: [{name: port, value: "80"}, `, safe, "outputs[port]: added"},
		"another output":         {`value: "${component.name}"}]`, `value: "x"}]`, risky, "outputs[host]: changed"},
		"another endpoint":       {`ports: ["8080"]`, `ports: ["80"]`, risky, "endpoint: changed"},
		"no endpoint":            {`endpoint: {podLabels: {a: b}, ports: ["8080"]}`, "", breaking, "endpoint: removed"},
		"a field that is closed": {"path: spec.replicas", "path: spec.paused", breaking, "overrides: deployment spec.replicas is not open any more"},
		"a field that is opened": {"[{resource: deployment, path: spec.replicas}]", "[{resource: deployment, path: spec.replicas}, {resource: store, path: spec.replicas}]", safe, "overrides: store spec.replicas is open"},
		"an annotation":          {"annotations: {a: b}", "annotations: {a: c}", safe, "resources[deployment].object: metadata.annotations.a changes in place"},
		"a pod template":         {"containers: [{name: app,", "containers: [{name: web,", risky, "resources[deployment].object: spec.template.spec.containers: pods restart"},
		"a selector":             {"matchLabels: {app:", "matchLabels: {application:", breaking, "resources[deployment].object: spec.selector.matchLabels.app, spec.selector.matchLabels.application cannot be changed"},
		"a claim":                {"volumeClaimTemplates: [{metadata: {name: data}}]", "volumeClaimTemplates: [{metadata: {name: disk}}]", breaking, "resources[store].object: spec.volumeClaimTemplates cannot be changed"},
		"an address":             {"spec: {ports: [{port: 80}]}", "spec: {clusterIP: None, ports: [{port: 80}]}", breaking, "resources[service].object: spec.clusterIP cannot be changed"},
		"a name":                 {`kind: Service, metadata: {name: "${component.name}"}`, `kind: Service, metadata: {name: "${component.name}-x"}`, risky, "resources[service].object.metadata.name: changed: new objects are made"},
		"a name before data":     {"kind: StatefulSet\n    metadata: {name: \"${component.name}\"}", "kind: StatefulSet\n    metadata: {name: db}", breaking, "resources[store].object.metadata.name: changed: new objects are made without the data"},
		"another kind":           {"kind: Service,", "kind: ConfigMap,", breaking, "resources[service]: another kind: was v1/Service, is v1/ConfigMap"},
		"another condition":      {`includeWhen: "${true}"`, `includeWhen: "${false}"`, risky, "resources[store].includeWhen: changed"},
		"a resource less":        {"- id: service\n", "- id: other\n", risky, "resources[service]: removed: the objects are deleted"},
		"a store less":           {"- id: store\n", "- id: other\n", breaking, "resources[store]: removed: the objects are deleted, and what they hold may be"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.old != "" && !strings.Contains(base, c.old) {
				t.Fatalf("the template does not have %q", c.old)
			}
			changes, err := compatibility.Compare(spec(t, base), spec(t, strings.Replace(base, c.old, c.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if len(changes) > 0 {
					t.Errorf("got %v, want no changes", changes)
				}
				return
			}
			if len(changes) == 0 || changes[0].Level != c.level || !strings.HasPrefix(changes[0].Path+": "+changes[0].Message, c.want) {
				t.Errorf("got %v\nwant first %s %s", changes, c.level, c.want)
			}
			if got := compatibility.Highest(changes); got != c.level {
				t.Errorf("the highest level is %s, want %s", got, c.level)
			}
		})
	}
}

// A template is compatible with itself, and one without parameters with itself too.
func TestCompare_TheSame(t *testing.T) {
	for _, text := range []string{base, "summary: x\nresources: []\n"} {
		if changes, err := compatibility.Compare(spec(t, text), spec(t, text)); err != nil || len(changes) > 0 {
			t.Errorf("got %v, %v", changes, err)
		}
	}
	if got := compatibility.Highest(nil); got != platformv1alpha1.ChangeSafe {
		t.Errorf("no change is %s", got)
	}
}

// What is broken one way is not always broken the other way, but never goes unnoticed.
func TestCompare_NoticesBothWays(t *testing.T) {
	other := strings.NewReplacer("maximum: 65535", "maximum: 1024", "{name: app,", "{name: web,", "enum: [small, large]", "enum: [small]").Replace(base)
	there, _ := compatibility.Compare(spec(t, base), spec(t, other))
	back, _ := compatibility.Compare(spec(t, other), spec(t, base))
	if len(there) != 3 || len(back) != 3 {
		t.Errorf("there %v\nback %v", there, back)
	}
}
