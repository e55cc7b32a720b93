package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

type object = map[string]any

// kustomized is what the chart is made of.
func kustomized(t *testing.T) []byte {
	t.Helper()
	return built(t, "overlays/monitoring")
}

// built is what a folder of config installs.
func built(t *testing.T, folder string) []byte {
	t.Helper()
	kustomize := exec.CommandContext(t.Context(), "go", "tool", "sigs.k8s.io/kustomize/kustomize/v5", "build", "../../config/"+folder)
	kustomize.Dir = "../tools"
	var out, messages bytes.Buffer
	kustomize.Stdout, kustomize.Stderr = &out, &messages
	if err := kustomize.Run(); err != nil {
		t.Fatalf("kustomize: %v\n%s", err, &messages)
	}
	return out.Bytes()
}

// made is the chart of manifests.
func made(t *testing.T, manifests []byte, version string) *chart.Chart {
	t.Helper()
	out := filepath.Join(t.TempDir(), "towpath")
	if err := run(bytes.NewReader(manifests), "../../config/chart", version, out); err != nil {
		t.Fatal(err)
	}
	c, err := loader.LoadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// templated is what the chart installs with values, where the cluster serves what Kubernetes does, and further versions.
func templated(t *testing.T, c *chart.Chart, values object, served ...string) ([]byte, error) {
	t.Helper()
	capabilities := *chartutil.DefaultCapabilities
	capabilities.APIVersions = append(slices.Clone(capabilities.APIVersions), served...)
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: "towpath", Namespace: "towpath-system"}, &capabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".yaml") {
			out = append(append(out, files[name]...), "\n---\n"...)
		}
	}
	return out, nil
}

// objects by kind, namespace and name. What differs on purpose is taken off: that some stay when the chart goes, and the
// name of the manager's configuration, whose hash each makes in its own way.
func objects(t *testing.T, text []byte) map[string]object {
	t.Helper()
	found := map[string]object{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if o == nil {
			continue
		}
		metadata := at[object](t, o, "metadata")
		if annotations, ok := metadata["annotations"].(object); ok {
			if delete(annotations, "helm.sh/resource-policy"); len(annotations) == 0 {
				delete(metadata, "annotations")
			}
		}
		switch o["kind"] {
		case "ConfigMap":
			data := at[object](t, o, "data")
			if data["manager.yaml"] == nil {
				break
			}
			metadata["name"] = short(metadata["name"])
			var content any
			if err := yaml.Unmarshal([]byte(data["manager.yaml"].(string)), &content); err != nil {
				t.Fatal(err)
			}
			data["manager.yaml"] = content
		case "Deployment":
			for _, volume := range at[[]any](t, o, "spec", "template", "spec", "volumes") {
				if from, ok := volume.(object)["configMap"].(object); ok {
					from["name"] = short(from["name"])
				}
			}
		}
		namespace, _ := metadata["namespace"].(string)
		id := o["kind"].(string) + "/" + namespace + "/" + metadata["name"].(string)
		if found[id] != nil {
			t.Fatalf("there are two of %s", id)
		}
		found[id] = o
	}
	return found
}

// short is the name of a configuration without its hash.
func short(name any) string {
	text := name.(string)
	return text[:strings.LastIndex(text, "-")]
}

// at is a field of an object.
func at[T any](t *testing.T, o object, path ...string) T {
	t.Helper()
	var value any = o
	for _, key := range path {
		value = value.(object)[key]
	}
	got, ok := value.(T)
	if !ok {
		t.Fatalf("%s is %v", strings.Join(path, "."), value)
	}
	return got
}

func manager(t *testing.T, c *chart.Chart, values object) (deployment, pod, container object) {
	t.Helper()
	text, err := templated(t, c, values)
	if err != nil {
		t.Fatal(err)
	}
	deployment = objects(t, text)["Deployment/towpath-system/towpath-manager"]
	pod = at[object](t, deployment, "spec", "template", "spec")
	return deployment, pod, at[[]any](t, pod, "containers")[0].(object)
}

const operator = "monitoring.coreos.com/v1"

func TestChart_InstallsWhatKustomizeDoes(t *testing.T) {
	c := made(t, kustomized(t), "dev")
	for name, tc := range map[string]struct {
		folder, values string
		served         []string
	}{
		"as it is":                    {folder: "default"},
		"with the operator":           {folder: "overlays/monitoring", served: []string{operator}},
		"for several nodes":           {folder: "overlays/ha", values: "values-ha.yaml"},
		"for clusters that give less": {folder: "overlays/restricted", values: "values-restricted.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			values := chartutil.Values{}
			if tc.values != "" {
				var err error
				if values, err = chartutil.ReadValuesFile(filepath.Join("../../config/chart", tc.values)); err != nil {
					t.Fatal(err)
				}
			}
			text, err := templated(t, c, values, tc.served...)
			if err != nil {
				t.Fatal(err)
			}
			want, got := objects(t, built(t, tc.folder)), objects(t, text)
			if len(want) < 50 {
				t.Fatalf("kustomize renders %d objects alone", len(want))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("config/%s has what the chart has not (-), or the reverse (+):\n%s", tc.folder, diff)
			}
		})
	}
}

func TestChart_KeepsWhatHoldsObjectsOfOthers(t *testing.T) {
	text, err := templated(t, made(t, kustomized(t), "dev"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatal(err)
		}
		kind, _ := o["kind"].(string)
		want := kind == "CustomResourceDefinition" || kind == "Namespace"
		if got := strings.Contains(document, "helm.sh/resource-policy: keep"); got != want {
			t.Errorf("%s: kept is %t, want %t", kind, got, want)
		}
	}
}

func TestChart_Values(t *testing.T) {
	c := made(t, kustomized(t), "v1.2.3")
	if c.Metadata.Version != "1.2.3" || c.Metadata.AppVersion != "v1.2.3" {
		t.Errorf("version %s of %s", c.Metadata.Version, c.Metadata.AppVersion)
	}
	digest := "sha256:" + strings.Repeat("0a", 32)
	_, _, container := manager(t, c, nil)
	if container["image"] != "towpath:v1.2.3" {
		t.Errorf("image %v", container["image"])
	}
	deployment, pod, container := manager(t, c, object{
		"replicas": 3, "imagePullSecrets": []any{object{"name": "registry"}}, "priorityClassName": "system-cluster-critical",
		"image":          object{"repository": "registry.example/towpath", "tag": "x", "digest": digest, "pullPolicy": "Always"},
		"resources":      object{"limits": object{"memory": "2Gi"}},
		"nodeSelector":   object{"node-role.kubernetes.io/infra": ""},
		"tolerations":    []any{object{"key": "infra", "operator": "Exists"}},
		"affinity":       object{"podAntiAffinity": object{}},
		"podAnnotations": object{"example.com/a": "b: {{ c }}"}, "podSecurityContext": object{"runAsUser": 1000},
		"topologySpreadConstraints": []any{},
		"volumes":                   []any{object{"name": "registries", "secret": object{"secretName": "registries"}}},
		"volumeMounts":              []any{object{"name": "registries", "mountPath": "/var/run/towpath/registries", "readOnly": true}},
	})
	_, without, first := manager(t, c, nil)
	further := func(all, own []any, name string) bool {
		return len(all) == len(own)+1 && reflect.DeepEqual(all[:len(own)], own) && all[len(own)].(object)["name"] == name
	}
	for what, same := range map[string]bool{
		"replicas":           at[float64](t, deployment, "spec", "replicas") == 3,
		"image":              container["image"] == "registry.example/towpath@"+digest,
		"imagePullPolicy":    container["imagePullPolicy"] == "Always",
		"limits":             at[object](t, container, "resources", "limits")["memory"] == "2Gi",
		"requests":           at[object](t, container, "resources", "requests")["cpu"] == "100m",
		"imagePullSecrets":   reflect.DeepEqual(pod["imagePullSecrets"], []any{object{"name": "registry"}}),
		"priorityClassName":  pod["priorityClassName"] == "system-cluster-critical",
		"nodeSelector":       len(at[object](t, pod, "nodeSelector")) == 2,
		"tolerations":        reflect.DeepEqual(pod["tolerations"], []any{object{"key": "infra", "operator": "Exists"}}),
		"user":               at[object](t, pod, "securityContext")["runAsUser"] == 1000.0,
		"and not root":       at[object](t, pod, "securityContext")["runAsNonRoot"] == true,
		"spread":             pod["topologySpreadConstraints"] == nil,
		"affinity":           reflect.DeepEqual(pod["affinity"], object{"podAntiAffinity": object{}}),
		"podAnnotations":     at[object](t, deployment, "spec", "template", "metadata", "annotations")["example.com/a"] == "b: {{ c }}",
		"volumes":            further(at[[]any](t, pod, "volumes"), at[[]any](t, without, "volumes"), "registries"),
		"volumeMounts":       further(at[[]any](t, container, "volumeMounts"), at[[]any](t, first, "volumeMounts"), "registries"),
		"its own annotation": at[object](t, deployment, "spec", "template", "metadata", "annotations")["kubectl.kubernetes.io/default-container"] == "manager",
	} {
		if !same {
			t.Errorf("%s is not what the values say", what)
		}
	}
}

func TestChart_RollsPodsWithConfiguration(t *testing.T) {
	c := made(t, kustomized(t), "v1.2.3")
	name := func(values object) string {
		text, err := templated(t, c, values)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), "name: towpath-manager-configuration-")
		hash, _, _ := strings.Cut(after, "\n")
		if strings.Count(string(text), "towpath-manager-configuration-"+hash) != 2 {
			t.Errorf("the pods do not mount configuration %s", hash)
		}
		return hash
	}
	if name(nil) == name(object{"configuration": object{"workers": 8}}) {
		t.Error("pods do not roll with another configuration")
	}
	text, err := templated(t, c, object{"configuration": object{"labelAliases": object{"team": "platform.towpath.dev/team"}, "workers": nil, "leaderElection": nil}})
	if err != nil {
		t.Fatal(err)
	}
	content := at[object](t, objects(t, text)["ConfigMap/towpath-system/towpath-manager-configuration"], "data", "manager.yaml")
	if content["workers"] != nil || !reflect.DeepEqual(content["labelAliases"], object{"team": "platform.towpath.dev/team"}) || content["webhook"] == nil {
		t.Errorf("the configuration is %v", content)
	}
}

func TestChart_RefusesWrongValues(t *testing.T) {
	c := made(t, kustomized(t), "v1.2.3")
	for name, tc := range map[string]struct {
		values object
		want   string
	}{
		"one that is none":        {object{"replicaCount": 2}, "replicaCount"},
		"text for a number":       {object{"replicas": "two"}, "replicas"},
		"no image":                {object{"image": object{"repository": ""}}, "image"},
		"a digest cut short":      {object{"image": object{"digest": "sha256:0a"}}, "digest"},
		"a policy that is none":   {object{"image": object{"pullPolicy": "Sometimes"}}, "pullPolicy"},
		"a port that is fixed":    {object{"configuration": object{"webhook": object{"port": 1}}}, "webhook"},
		"no workers":              {object{"configuration": object{"workers": 0}}, "workers"},
		"no form of detection":    {object{"monitoring": object{"dashboards": object{"enabled": "maybe"}}}, "dashboards"},
		"an interval of nothing":  {object{"monitoring": object{"serviceMonitor": object{"interval": "often"}}}, "interval"},
		"a Secret without a name": {object{"imagePullSecrets": []any{"registry"}}, "imagePullSecrets"},
		"a volume of the chart's": {object{"volumes": []any{object{"name": "history"}}}, "volumes"},
		"a mount in a ConfigMap":  {object{"volumeMounts": []any{object{"name": "a", "mountPath": "/etc/towpath/a"}}}, "mountPath"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := templated(t, c, tc.values); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("it says %v, want %s", err, tc.want)
			}
		})
	}
}

// TestSchema_ExplainsEachValue walks the schema: each value has a description, and each default a place in it.
func TestSchema_ExplainsEachValue(t *testing.T) {
	c := made(t, kustomized(t), "v1.2.3")
	var schema object
	if err := json.Unmarshal(c.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, schema object)
	walk = func(path string, schema object) {
		properties, _ := schema["properties"].(object)
		for name, p := range properties {
			if text, _ := p.(object)["description"].(string); text == "" {
				t.Errorf("%s.%s has no description", path, name)
			}
			walk(path+"."+name, p.(object))
		}
	}
	walk("", schema)
	for name := range c.Values {
		if _, ok := schema["properties"].(object)[name]; !ok {
			t.Errorf("%s has a default and no schema", name)
		}
	}
}

func TestChartVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3-rc.1": "1.2.3-rc.1", "v0.1.0-5-gabc1234": "0.1.0-5-gabc1234", "6a2735d": "0.0.0-6a2735d", "6a2735d_dirty": "0.0.0-6a2735d-dirty",
	} {
		if got := chartVersion(version); got != want {
			t.Errorf("%s becomes %s, want %s", version, got, want)
		}
	}
}

func TestSplit_RefusesWhatIsNoInstallation(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no kind": "metadata: {name: a}", "no manager": "kind: Secret\nmetadata: {name: a}", "no YAML": "kind: [",
		"another Deployment": "kind: Deployment\nspec: {}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := split([]byte(text)); err == nil {
				t.Error("a chart was made of it")
			}
		})
	}
}

func TestLiteral(t *testing.T) {
	c := &chart.Chart{Metadata: &chart.Metadata{Name: "a", Version: "1.0.0", APIVersion: "v2"}}
	text := "a: 'b {{ .c }} {{- d }}{{{e}}}'"
	c.Templates = []*chart.File{{Name: "templates/a.yaml", Data: []byte(literal(text))}}
	got, err := templated(t, c, nil)
	if err != nil || strings.TrimSuffix(string(got), "\n---\n") != text {
		t.Errorf("%s, %v", got, err)
	}
}
