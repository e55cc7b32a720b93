package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// valuePaths are the values that a schema explains, each with the section that it is in.
func valuePaths(schema object, path ...string) [][]string {
	var found [][]string
	properties, _ := schema["properties"].(object)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		below := append(slices.Clone(path), name)
		found = append(append(found, below), valuePaths(properties[name].(object), below...)...)
	}
	return found
}

// valuesAt are values with one at a path. Where the path goes into settings of workflows, these have what they cannot be without.
func valuesAt(value any, path []string) object {
	for i, key := range slices.Backward(path) {
		value = object{key: value}
		parent := strings.Join(path[:i], ".")
		if parent == "configuration.pipeline.actions.record" {
			value = with(object{"server": "https://kube.example"}, value.(object))
		}
		if parent == "configuration.prices" {
			value = with(object{"currency": "USD"}, value.(object))
		}
		if parent == "configuration.pipeline.actions" {
			value = with(object{"image": "registry.example/towpath", "record": object{"server": "https://kube.example"}}, value.(object))
		}
	}
	return value.(object)
}

// with are the first values with those of the second in their place.
func with(first, second object) object {
	maps.Copy(first, second)
	return first
}

// ofKubernetes are values with objects of Kubernetes, which the schema checks in part.
var ofKubernetes = []string{"affinity", "podSecurityContext", "resources", "topologySpreadConstraints", "volumes", "volumeMounts"}

// installable says what of a rendered chart no API server takes: text that is no YAML, a Deployment with a field or type that there is not,
// a configuration that is no YAML. Documents that were good before are not read again.
func installable(text []byte, good map[string]bool) error {
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		if good[document] {
			continue
		}
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			return fmt.Errorf("%w in\n%s", err, document)
		}
		if o["kind"] == "Deployment" {
			if err := yaml.UnmarshalStrict([]byte(document), &appsv1.Deployment{}); err != nil {
				return fmt.Errorf("the Deployment: %w", err)
			}
		}
		data, _ := o["data"].(object)
		if content, ok := data["manager.yaml"].(string); ok {
			if err := yaml.UnmarshalStrict([]byte(content), &o); err != nil {
				return fmt.Errorf("%w in\n%s", err, content)
			}
		}
		good[document] = true
	}
	return nil
}

// Whatever stands in place of a value, the chart either renders what can be installed, or the schema names the value; no template
// stumbles over it.
func TestChart_RendersOrRefusesAnything(t *testing.T) {
	c := made(t, kustomized(t), "v1.2.3")
	var schema object
	if err := json.Unmarshal(c.Schema, &schema); err != nil {
		t.Fatal(err)
	}
	log.SetOutput(io.Discard) // Helm warns of each value that is of another type than the default
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	// No value is in the definitions, which take most of the time.
	c.Templates = slices.DeleteFunc(c.Templates, func(f *chart.File) bool { return strings.HasSuffix(f.Name, "/customresourcedefinition.yaml") })
	good := map[string]bool{}
	for _, path := range valuePaths(schema) {
		name := strings.Join(path, ".")
		// What global has a chart around this one says; and tiers but the first are as that.
		if name == "global" || slices.ContainsFunc([]string{"Preview", "Production", "Staging"}, func(tier string) bool { return slices.Contains(path, tier) }) {
			continue
		}
		var refused int
		for _, value := range []any{nil, "", "{{ x }}", "a: b\nc", true, 0, -1, 1.5, []any{}, []any{"a"}, []any{object{"surplus": 1}}, object{}, object{"surplus": "a"}, object{"surplus": nil}} {
			text, err := templated(t, c, valuesAt(value, path), operator)
			if err != nil {
				refused++
				said := strings.Contains(err.Error(), "don't meet the specifications of the schema") || strings.Contains(err.Error(), "execution error at") // by fail
				if !said || !strings.Contains(err.Error(), path[len(path)-1]) {
					t.Errorf("%s: %#v: %v", name, value, err)
				}
				continue
			}
			// Of its own objects Kubernetes knows the fields best, and says so.
			if err := installable(text, good); err != nil && !(slices.Contains(ofKubernetes, path[0]) && strings.Contains(err.Error(), `unknown field "surplus"`)) {
				t.Errorf("%s: %#v: %v", name, value, err)
			}
		}
		if refused == 0 {
			t.Errorf("%s may be anything", name)
		}
	}
}

// A section that is null is refused where the chart cannot be without it, and else is as if it were empty.
func TestChart_SectionsThatAreNull(t *testing.T) {
	c := made(t, kustomized(t), "v1.2.3")
	for _, path := range []string{"image", "image.repository", "replicas", "namespaces", "rbac", "rbac.catalogForEverybody", "monitoring", "monitoring.dashboards", "monitoring.serviceMonitor.enabled"} {
		parts := strings.Split(path, ".")
		if _, err := templated(t, c, valuesAt(nil, parts)); err == nil || !strings.Contains(err.Error(), "missing property '"+parts[len(parts)-1]+"'") {
			t.Errorf("%s: it says %v", path, err)
		}
	}
	for _, path := range []string{
		"resources", "nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "podAnnotations", "podSecurityContext", "volumes", "volumeMounts",
		"configuration", "configuration.history", "monitoring.serviceMonitor.labels", "monitoring.prometheusRule.labels", "monitoring.dashboards.labels",
	} {
		text, err := templated(t, c, valuesAt(nil, strings.Split(path, ".")), operator)
		if err == nil {
			err = installable(text, map[string]bool{})
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	deployment, _, _ := manager(t, c, object{"podAnnotations": nil})
	if got := at[object](t, deployment, "spec", "template", "metadata", "annotations"); !reflect.DeepEqual(got, object{"kubectl.kubernetes.io/default-container": "manager"}) {
		t.Errorf("annotations %v", got)
	}
}

// What each value may be, and what it may not: wrong ones that reach the cluster are found late, by a Pod that does not start.
func TestChart_RefusesWhatNoClusterTakes(t *testing.T) {
	c := made(t, kustomized(t), "v1.2.3")
	actions := func(more object) object {
		all := object{"image": "registry.example/towpath", "record": object{"server": "https://kube.example"}}
		return object{"configuration": object{"pipeline": object{"actions": with(all, more)}}}
	}
	prices := func(of object) object { return object{"configuration": object{"prices": of}} }
	for name, tc := range map[string]struct {
		values object
		want   string // empty for what is taken
	}{
		"no replicas":             {object{"replicas": 0}, "replicas"},
		"fewer than none":         {object{"replicas": -1}, "replicas"},
		"replicas in quotes":      {object{"replicas": "2"}, "replicas"},
		"a wrong quantity":        {object{"resources": object{"limits": object{"memory": "1GB"}}}, "resources/limits/memory"},
		"a negative quantity":     {object{"resources": object{"requests": object{"cpu": -1}}}, "resources/requests/cpu"},
		"a quantity in millis":    {object{"resources": object{"requests": object{"cpu": "1500m", "memory": 134217728}}}, ""},
		"limits of something":     {object{"resources": object{"limit": object{"memory": "1Gi"}}}, "limit"},
		"a tag in the repository": {object{"image": object{"repository": "registry.example/towpath:1.0"}}, "image/repository"},
		"a registry with a port":  {object{"image": object{"repository": "registry.example:5000/platform/towpath"}}, ""},
		"a scheme":                {object{"image": object{"repository": "https://registry.example/towpath"}}, "image/repository"},
		"a tag with a space":      {object{"image": object{"tag": "a b"}}, "image/tag"},
		"a policy in lower case":  {object{"image": object{"pullPolicy": "always"}}, "pullPolicy"},
		"no effect that there is": {object{"tolerations": []any{object{"effect": "NoRun"}}}, "tolerations"},
		"a class with a space":    {object{"priorityClassName": "a b"}, "priorityClassName"},
		"spread by nothing":       {object{"topologySpreadConstraints": []any{object{"maxSkew": 1}}}, "topologyKey"},
		"a user by name":          {object{"podSecurityContext": object{"runAsUser": "nobody"}}, "runAsUser"},
		"a label that is true":    {object{"nodeSelector": object{"infra": true}}, "nodeSelector"},
		"a mount of no volume":    {object{"volumeMounts": []any{object{"name": "a", "mountPath": "/a"}}}, `"a" must be the name of one of volumes`},
		"a mount nowhere":         {object{"volumeMounts": []any{object{"name": "a", "mountPath": "a"}}}, "mountPath"},
		"managers without leader": {object{"configuration": object{"leaderElection": object{"enabled": false}}}, "replicas must be 1"},
		"one without leader":      {object{"replicas": 1, "configuration": object{"leaderElection": object{"enabled": false}}}, ""},
		"two histories":           {object{"configuration": object{"history": object{"postgresqlAddressFile": "/a"}}}, "either sqlite or postgresqlAddressFile"},
		"one history":             {object{"configuration": object{"history": object{"sqlite": nil, "postgresqlAddressFile": "/a"}}}, ""},
		"repositories of 128 MiB": {object{"configuration": object{"delivery": object{"maxRepositoryMiB": 128}}}, ""},
		"repositories too large":  {object{"configuration": object{"delivery": object{"maxRepositoryMiB": 5000}}}, "maxRepositoryMiB"},
		"workflows":               {actions(object{"runsOn": []any{"ubuntu-24.04"}, "pins": object{"actions/checkout": strings.Repeat("0a", 20)}}), ""},
		"a tag for a pin":         {actions(object{"pins": object{"actions/checkout": "v4"}}), "pins"},
		"a server without TLS":    {actions(object{"record": object{"server": "http://kube.example"}}), "record/server"},
		"an image of no stage":    {actions(object{"images": object{"clone": "a"}}), "clone"},
		"a URL for a host":        {object{"configuration": object{"alerts": object{"allowedHosts": []any{"https://am.example"}}}}, "allowedHosts"},
		"hosts":                   {object{"configuration": object{"sources": object{"allowedHosts": []any{"git.example:8443", "[::1]:80", "10.0.0.0/8"}}}}, ""},
		"prices": {prices(object{"currency": "EUR", "cpuCoreHour": "0.029", "memoryGiBHour": "0.0039", "gpuHour": object{"default": "0.9"},
			"pools": []any{object{"name": "a", "nodeSelector": object{"pool": "a"}, "discountPercent": object{"cpu": "40"}}}}), ""},
		"an amount without quotes": {prices(object{"currency": "EUR", "cpuCoreHour": 0.000029}), "cpuCoreHour"},
		"prices of nothing":        {prices(object{"currency": "EUR", "cpuHour": "1"}), "cpuHour"},
		"prices without currency":  {prices(object{"cpuCoreHour": "1"}), "currency"},
		"prices of no tier":        {prices(object{"currency": "EUR", "tiers": object{"Prod": object{}}}), "Prod"},
		"a wrong size":             {object{"configuration": object{"pipeline": object{"workspace": object{"size": "10 GB"}}}}, "workspace/size"},
		"an unknown key at depth":  {object{"configuration": object{"pipeline": object{"cache": object{"class": "fast"}}}}, "class"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := templated(t, c, tc.values)
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("it says %v", err)
			case tc.want == "":
				if err := installable(text, map[string]bool{}); err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), tc.want):
				t.Errorf("it says %v, want %s", err, tc.want)
			}
		})
	}
}
