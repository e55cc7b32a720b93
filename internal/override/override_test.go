package override_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/override"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: proxy
        image: proxy:1
      - name: app
        image: shop:1
        args: [serve, --fast]
        env: [{name: A, value: a}, {name: B, value: b}]
        ports: [{containerPort: 8080}, {containerPort: 9090, protocol: TCP}]
        resources: {requests: {cpu: 100m, memory: 1Gi}, limits: {}}
`

func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := utiljson.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func patch(t testing.TB, text string) apiextensionsv1.JSON {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return apiextensionsv1.JSON{Raw: raw}
}

func targets(t testing.TB, kind schema.GroupVersionKind, open ...string) override.Targets {
	t.Helper()
	target := override.Target{Kind: kind}
	for _, text := range open {
		path, err := override.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		target.Open = append(target.Open, path)
	}
	return override.Targets{"deployment": target, "other": {}}
}

var deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

// merge freezes and applies one patch, and returns the container app, or the whole object as JSON, or the error.
func merge(t *testing.T, text string, open ...string) (map[string]any, error) {
	t.Helper()
	at := targets(t, deploymentKind, open...)
	frozen, errs := override.Freeze([]platformv1alpha1.Override{{Resource: "deployment", Patch: patch(t, text)}}, at, openapi.Kubernetes(), field.NewPath("overrides"))
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	object := decode(t, deployment)
	return object, override.Apply(object, &frozen[0], at["deployment"])
}

const app = "spec.template.spec.containers[name=app]"

func onApp(text string) string {
	return "spec: {template: {spec: {containers: [{name: app, " + text + "}]}}}"
}

func TestApply(t *testing.T) {
	for name, tc := range map[string]struct {
		patch string
		open  []string
		// edit makes of the Deployment what is wanted: old and new texts in turn.
		edit []string
	}{
		"one field of an element, by its key": {
			onApp("resources: {limits: {memory: 2Gi}}"), []string{app + ".resources"},
			[]string{"limits: {}", "limits: {memory: 2Gi}"},
		},
		"a field below one that is open": {
			onApp("resources: {requests: {memory: 2Gi}}"), []string{app + ".resources.requests.memory"},
			[]string{"memory: 1Gi", "memory: 2Gi"},
		},
		"an element is changed and one is added, where the list is open": {
			onApp("env: [{name: B, value: c}, {name: C, value: d}]"), []string{app + ".env"},
			[]string{"{name: B, value: b}", "{name: B, value: c}, {name: C, value: d}"},
		},
		"any element is open": {
			onApp("env: [{name: C, value: d}]"), []string{app + ".env[name=*]"},
			[]string{"{name: B, value: b}", "{name: B, value: b}, {name: C, value: d}"},
		},
		"an atomic list is replaced": {
			onApp("args: [serve]"), []string{app + ".args"},
			[]string{"[serve, --fast]", "[serve]"},
		},
		"a key that has a default need not be written": {
			onApp("ports: [{containerPort: 8080, name: http}]"), []string{app + ".ports[containerPort=8080].name"},
			[]string{"{containerPort: 8080}", "{containerPort: 8080, name: http}"},
		},
		"a key that stands there with its default": {
			onApp("ports: [{containerPort: 9090, name: admin}]"), []string{app + ".ports[containerPort=9090].name"},
			[]string{"{containerPort: 9090, protocol: TCP}", "{containerPort: 9090, protocol: TCP, name: admin}"},
		},
		"an annotation": {
			`metadata: {annotations: {"example.org/x": "1"}}`, []string{`metadata.annotations["example.org/x"]`},
			[]string{"metadata: {name: shop}", `metadata: {name: shop, annotations: {"example.org/x": "1"}}`},
		},
		"a number stays whole":      {"spec: {replicas: 3}", []string{"spec.replicas"}, []string{"replicas: 1", "replicas: 3"}},
		"what is like that already": {"spec: {replicas: 1}", []string{"spec.replicas"}, nil},
		"an expression is a string": {
			onApp(`env: [{name: A, value: "${params.x}"}]`), []string{app + ".env"},
			[]string{"{name: A, value: a}", `{name: A, value: "${params.x}"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := merge(t, tc.patch, tc.open...)
			if err != nil {
				t.Fatal(err)
			}
			want := deployment
			for i := 0; i+1 < len(tc.edit); i += 2 {
				if !strings.Contains(want, tc.edit[i]) {
					t.Fatalf("there is no %q", tc.edit[i])
				}
				want = strings.Replace(want, tc.edit[i], tc.edit[i+1], 1)
			}
			if diff := cmp.Diff(decode(t, want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Kubernetes lets a variable stand twice, and templates may write that.
func TestApply_TakesDuplicatesOfTheTemplate(t *testing.T) {
	at := targets(t, deploymentKind, app+".env")
	frozen, errs := override.Freeze([]platformv1alpha1.Override{{Resource: "deployment", Patch: patch(t, onApp("env: [{name: B, value: c}]"))}}, at, openapi.Kubernetes(), nil)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	twice := strings.Replace(deployment, "{name: A, value: a}", "{name: A, value: a}, {name: A, value: again}", 1)
	object := decode(t, twice)
	if err := override.Apply(object, &frozen[0], at["deployment"]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decode(t, strings.Replace(twice, "value: b", "value: c", 1)), object); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	resources := app + ".resources"
	for name, tc := range map[string]struct {
		patch string
		open  []string
		want  string
	}{
		"a path that is not open, with those that are": {
			"spec: {replicas: 3}", []string{resources, app + ".args"},
			"overrides[0].patch: Forbidden: sets what the template does not open: spec.replicas; open of resource deployment: " + resources + ", " + app + ".args.",
		},
		"nothing is open":              {"spec: {replicas: 3}", nil, "nothing of resource deployment is open"},
		"a sibling of what is open":    {onApp("resources: {}, image: evil:1"), []string{resources}, app + ".image;"},
		"another element":              {"spec: {template: {spec: {containers: [{name: proxy, resources: {}}]}}}", []string{resources}, "containers[name=proxy].resources"},
		"an element that is not there": {"spec: {template: {spec: {containers: [{name: side, resources: {limits: {cpu: 1m}}}]}}}", []string{"spec.template.spec.containers[name=*].resources"}, "adds or changes what is not open: spec.template.spec.containers[name=side].name"},
		"a patch directive":            {onApp("resources: {$patch: replace}"), []string{resources}, `holds the key "$patch"`},
		"a directive in a list":        {onApp("args: [{$retainKeys: [a]}]"), []string{app + ".args"}, `holds the key "$retainKeys"`},
		"a directive beside the keys":  {"spec: {template: {spec: {$setElementOrder/containers: [{name: app}]}}}", []string{resources}, "directives such as $patch are not allowed"},
		"null":                         {onApp("resources: null"), []string{resources}, "to null: an override sets values, and cannot remove"},
		"nothing at all":               {"{}", []string{resources}, "sets nothing"},
		"keys alone":                   {onApp("resources: {limits: {}}") + "\n", []string{app + ".env"}, "does not open"},
		"an element without more":      {"spec: {template: {spec: {containers: [{name: app}]}}}", []string{resources}, "sets nothing"},
		"an unknown field":             {onApp("resources: {limit: {cpu: 1m}}"), []string{resources}, app[:len(app)-10] + "[*].resources.limit, and the kind Deployment has no such field"},
		"a wrong type":                 {"spec: {replicas: many}", []string{"spec.replicas"}, `sets spec.replicas to the string "many", and the field takes integer`},
		"an element without its key":   {"spec: {template: {spec: {containers: [{resources: {}}]}}}", []string{resources}, "cannot be read"},
		"an element twice":             {"spec: {template: {spec: {containers: [{name: app, resources: {}}, {name: app, resources: {}}]}}}", []string{resources}, "cannot be read"},
		"the name":                     {"metadata: {name: other}", []string{"metadata.name"}, "sets metadata.name, which is never open"},
		"the namespace":                {"metadata: {namespace: kube-system}", []string{"metadata.namespace"}, "never open"},
		"a label of Towpath":           {"metadata: {labels: {platform.towpath.dev/owner-uid: x}}", []string{"metadata.labels"}, `metadata.labels["platform.towpath.dev/owner-uid"], which is never open: Towpath sets it`},
		"a common label on pods":       {"spec: {template: {metadata: {labels: {app.kubernetes.io/name: x}}}}", []string{"spec.template.metadata.labels"}, "never open: Towpath sets it"},
		"owner references":             {"metadata: {ownerReferences: [{apiVersion: v1, kind: Node, name: x, uid: z}]}", []string{"metadata"}, "never open"},
		"the selector":                 {"spec: {selector: {matchLabels: {app: other}}}", []string{"spec"}, "never open"},
		"the kind":                     {"kind: Secret", []string{"kind"}, "never open"},
		"a host path": {
			"spec: {template: {spec: {volumes: [{name: x, hostPath: {path: /}}]}}}", []string{"spec.template.spec.volumes"}, "volumes[name=x].hostPath.path, which is never open: it reaches the node",
		},
		"a token of the API server": {"spec: {template: {spec: {automountServiceAccountToken: true}}}", []string{"spec.template.spec.automountServiceAccountToken"}, "never open: whose rights pods have"},
		"a projected token": {
			"spec: {template: {spec: {volumes: [{name: x, projected: {sources: [{serviceAccountToken: {path: t}}]}}]}}}", []string{"spec.template.spec.volumes"}, "never open: it may hold a token",
		},
		"another account":            {"spec: {template: {spec: {serviceAccountName: other}}}", []string{"spec.template.spec"}, "never open"},
		"the same, as it was called": {"spec: {template: {spec: {serviceAccount: other}}}", []string{"spec.template.spec"}, "never open"},
		"privileged":                 {onApp("securityContext: {privileged: true}"), []string{app}, "never open"},
		"a capability":               {onApp("securityContext: {capabilities: {add: [SYS_ADMIN]}}"), []string{app}, "capabilities.add, which is never open: it reaches the node"},
		"all of /proc":               {onApp("securityContext: {procMount: Unmasked}"), []string{app}, "procMount, which is never open"},
		"a process of the host":      {onApp("securityContext: {windowsOptions: {hostProcess: true}}"), []string{app}, "hostProcess, which is never open"},
		"a pod of the host":          {"spec: {template: {spec: {securityContext: {windowsOptions: {hostProcess: true}}}}}", []string{"spec.template.spec.securityContext"}, "hostProcess, which is never open"},
		"the host's network":         {"spec: {template: {spec: {hostNetwork: true}}}", []string{"spec.template.spec"}, "never open"},
		"a part of what is atomic": {
			onApp("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]"), []string{app + ".env[name=A].valueFrom.secretKeyRef.key"},
			"does not open: " + app + ".env[name=A].valueFrom.secretKeyRef",
		},
		"too much":  {onApp("args: [\"" + strings.Repeat("x", 17<<10) + "\"]"), []string{app + ".args"}, "at most 16384"},
		"too deep":  {onApp("args: " + strings.Repeat("[", 40) + strings.Repeat("]", 40)), []string{app + ".args"}, "more than 32 levels"},
		"no object": {"[]", []string{resources}, "must be an object"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := merge(t, tc.patch, tc.open...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("it gives %v (%v), want %q", err, got != nil, tc.want)
			}
		})
	}
}

func TestFreeze_RefusesAnUnknownResourceAndAFieldThatIsSetTwice(t *testing.T) {
	at := targets(t, deploymentKind, app+".resources")
	_, errs := override.Freeze([]platformv1alpha1.Override{
		{Resource: "deploy", Patch: patch(t, "spec: {replicas: 3}")},
		{Resource: "deployment", Patch: patch(t, onApp("resources: {limits: {cpu: 1m, memory: 1Gi}}"))},
		{Resource: "deployment", Patch: patch(t, onApp("resources: {limits: {memory: 2Gi}}"))},
		{Resource: "deployment", Patch: patch(t, onApp("resources: {requests: {memory: 2Gi}}"))},
	}, at, openapi.Kubernetes(), field.NewPath("spec", "overrides"))
	if len(errs) != 2 || !strings.Contains(errs[0].Error(), `spec.overrides[0].resource: Unsupported value: "deploy": supported values: "deployment", "other"`) ||
		!strings.Contains(errs[1].Error(), "spec.overrides[2].patch: Invalid value: sets "+app+".resources.limits.memory, which another override sets already") {
		t.Errorf("%v", errs)
	}
}

var widget = schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}

const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [id]
                items: {type: object, required: [id], properties: {id: {type: string}, size: {type: integer}, tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}}}
              plain: {type: array, items: {type: object, properties: {id: {type: string}}}}
              anything: {type: object, x-kubernetes-preserve-unknown-fields: true}
`

func TestCustomKinds(t *testing.T) {
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal([]byte(widgets), &crd); err != nil {
		t.Fatal(err)
	}
	known, unknown := openapi.FromCRDs(&crd), openapi.FromCRDs()
	const object = "spec: {parts: [{id: a, size: 1, tags: [x]}, {id: b, size: 2}], plain: [{id: a}], anything: {list: [{id: a, n: 1}]}}"
	for name, tc := range map[string]struct {
		patch string
		open  string
		kinds openapi.Source
		want  string
	}{
		"by the keys of the definition":        {"spec: {parts: [{id: b, size: 3}]}", "spec.parts[id=*].size", known, "spec: {parts: [{id: a, size: 1, tags: [x]}, {id: b, size: 3}], plain: [{id: a}], anything: {list: [{id: a, n: 1}]}}"},
		"a set grows":                          {"spec: {parts: [{id: a, tags: [z]}]}", "spec.parts[id=a].tags", known, "spec: {parts: [{id: a, size: 1, tags: [x, z]}, {id: b, size: 2}], plain: [{id: a}], anything: {list: [{id: a, n: 1}]}}"},
		"a list without keys is replaced":      {"spec: {plain: [{id: b}]}", "spec.plain", known, "spec: {parts: [{id: a, size: 1, tags: [x]}, {id: b, size: 2}], plain: [{id: b}], anything: {list: [{id: a, n: 1}]}}"},
		"a list of which nothing is said":      {"spec: {anything: {list: []}}", "spec.anything", known, "spec: {parts: [{id: a, size: 1, tags: [x]}, {id: b, size: 2}], plain: [{id: a}], anything: {list: []}}"},
		"without a schema, by the open path":   {"spec: {parts: [{id: b, size: 3}]}", "spec.parts[id=b].size", unknown, "spec: {parts: [{id: a, size: 1, tags: [x]}, {id: b, size: 3}], plain: [{id: a}], anything: {list: [{id: a, n: 1}]}}"},
		"without a schema, as the path says":   {"spec: {parts: [{id: b, size: 3}]}", "spec.parts", unknown, "spec: {parts: [{id: b, size: 3}], plain: [{id: a}], anything: {list: [{id: a, n: 1}]}}"},
		"without a schema, nobody can say":     {"spec: {anything: {list: []}}", "spec.anything", unknown, "ERROR the schema of Widget is not known here"},
		"without a schema, a field is a field": {"spec: {anything: {x: 1}}", "spec.anything", unknown, "spec: {parts: [{id: a, size: 1, tags: [x]}, {id: b, size: 2}], plain: [{id: a}], anything: {list: [{id: a, n: 1}], x: 1}}"},
	} {
		t.Run(name, func(t *testing.T) {
			at := targets(t, widget, tc.open)
			frozen, errs := override.Freeze([]platformv1alpha1.Override{{Resource: "deployment", Patch: patch(t, tc.patch)}}, at, tc.kinds, field.NewPath("overrides"))
			if text, wantsError := strings.CutPrefix(tc.want, "ERROR "); wantsError {
				if err := errs.ToAggregate(); err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("it gives %v, want %q", err, text)
				}
				return
			}
			if len(errs) > 0 {
				t.Fatal(errs.ToAggregate())
			}
			// The Release goes through the API server, and needs no schema from there on.
			raw, err := json.Marshal(frozen[0])
			if err != nil {
				t.Fatal(err)
			}
			var stored platformv1alpha1.ReleaseOverride
			if err := json.Unmarshal(raw, &stored); err != nil {
				t.Fatal(err)
			}
			got := decode(t, object)
			if err := override.Apply(got, &stored, at["deployment"]); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(t, tc.want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestCheckPath(t *testing.T) {
	known, err := openapi.Kubernetes().Kind(deploymentKind)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		app + ".resources": "", app: "", app + ".env": "", app + ".env[name=*]": "", "spec.replicas": "", "spec.template.spec.containers[*].args": "",
		"spec.template.spec.nodeSelector": "", `metadata.annotations["example.org/x"]`: "", "metadata.labels.app": "", "spec.template.metadata.annotations": "",
		app + ".resources.limits.memory": "", "spec.strategy.rollingUpdate.maxSurge": "",
		"spec.template.spec.nodeSelector.disk": "is replaced as a whole",
		"spec":                                 "too wide",
		"spec.template.spec":                   "too wide",
		"metadata":                             "too wide",
		"metadata.name":                        "only labels and annotations",
		"metadata.finalizers":                  "only labels and annotations",
		"spec.selector.matchLabels":            "never open",
		"status.x":                             "never open",
		`metadata.labels["platform.towpath.dev/team"]`:                 "Towpath sets it",
		`spec.template.metadata.annotations["platform.towpath.dev/x"]`: "Towpath sets it",
		`spec.template.metadata.labels["app.kubernetes.io/name"]`:      "Towpath sets it",
		"spec.template.spec.nodeName":                                  "passes by the scheduler",
		"spec.template.spec.volumes[name=x].hostPath":                  "reaches the node",
		"spec.template.spec.automountServiceAccountToken":              "is never open: whose rights pods have",
		"spec.template.spec.serviceAccountName":                        "is never open",
		"spec.template.spec.volumes[name=x].projected":                 "may hold a token",
		app + ".securityContext.privileged":                            "reaches the node",
		app + ".ports[containerPort=80].hostPort":                      "reaches the node",
		app + ".securityContext.capabilities.add":                      "reaches the node",
		app + ".securityContext.capabilities.drop":                     "",
		app + ".resource":                               "has no field resource",
		"spec.template.spec.containers.app":             "is a list: select an element",
		"spec.replicas[name=x]":                         "is no list",
		app + ".args[name=x]":                           "have no keys",
		"spec.template.spec.containers[id=app].image":   "told apart by name, not by id",
		app + ".env[name=A].valueFrom.secretKeyRef.key": "is replaced as a whole",
	} {
		path, err := override.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		err = override.CheckPath(path, deploymentKind, known.Schema)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s gives %v, want %q", text, err, want)
		}
	}
}
