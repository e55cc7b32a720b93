package template_test

import (
	"runtime"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

// FuzzCompile compiles anything. Nothing panics; the same template gives the same errors; what
// compiles with schemas compiles without; and what compiles takes parameters without a panic.
func FuzzCompile(f *testing.F) {
	schema := `{"type":"object","properties":{"a":{"type":"integer","default":1},"b":{"type":"object","additionalProperties":{"type":"string"}}}}`
	object := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"${string(params.a)}"}}`
	f.Add(schema, object, "", "", "", `{"a":2}`)
	f.Add(schema, object, "${params.a > 1}", "${[1,2]}", "${self.status.ok}", `{"b":{"c":"d"}}`)
	f.Add(`{"type":"object","x-kubernetes-preserve-unknown-fields":true}`, object, "${'a/v1/B' in capabilities}", "", "", `{"z":[{}]}`)
	f.Add(`{"type":"object","properties":{"a":{"type":"string","pattern":"(a+)+$"}}}`, object, "", "${params.b.map(k, k)}", "", `{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}`)
	f.Add(`{"type":"array"}`, `[]`, "x", "${", "$${", `null`)
	f.Add(schema, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"${resources.a.metadata.name}"},"spec":"${{}}"}`, "", "", "", `{}`)
	kinds := openapi.Kubernetes()
	f.Fuzz(func(t *testing.T, schema, object, includeWhen, forEach, readyWhen, parameters string) {
		spec := &v1alpha1.ServiceTemplateSpec{
			Summary: "fuzzed", Parameters: &apiextensionsv1.JSON{Raw: []byte(schema)},
			Resources: []v1alpha1.ResourceTemplate{
				{ID: "a", Object: apiextensionsv1.JSON{Raw: []byte(object)}, IncludeWhen: includeWhen, ForEach: forEach, ReadyWhen: readyWhen},
				{ID: "b", Object: apiextensionsv1.JSON{Raw: []byte(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"b","annotations":{"a":"${string(size([resources.a]))}"}}}`)}},
			},
		}
		compiled, warnings, errs := template.Compile(spec, kinds)
		_, warningsAgain, errsAgain := template.Compile(spec, kinds)
		if messages(errs) != messages(errsAgain) || len(warnings) != len(warningsAgain) {
			t.Fatalf("%s\nthen\n%s", messages(errs), messages(errsAgain))
		}
		if compiled == nil {
			if len(errs) == 0 {
				t.Fatal("neither template nor error")
			}
			return
		}
		if _, _, errs := template.Compile(spec, nil); len(errs) > 0 {
			t.Fatalf("it compiles with schemas and not without: %s", messages(errs))
		}
		var values map[string]any
		if utiljson.Unmarshal([]byte(parameters), &values) == nil {
			if resolved, errs := compiled.ResolveParameters(values, nil); len(errs) == 0 {
				_ = compiled.Evaluate(map[string]any{
					"params": resolved, "component": map[string]any{}, "environment": map[string]any{}, "release": map[string]any{}, "capabilities": []string{},
				}, func(template.Evaluated) error { return nil })
			}
			_, _, _ = compiled.ReadyWhen("a", values)
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	s := spec(b, with(configMap, deployment(`replicas: "${params.replicas.min}"`, `, args: "${params.list}", env: "${component.env}"`)))
	for name, kinds := range map[string]openapi.Source{"WithSchemas": openapi.Kubernetes(), "WithoutSchemas": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, errs := template.Compile(s, kinds); len(errs) > 0 {
					b.Fatal(messages(errs))
				}
			}
		})
	}
}

// The manager holds every revision that a Release refers to in compiled form, so none may hold the
// types it was checked against: those of a Deployment alone are 600 KiB.
func TestACompiledTemplateIsSmall(t *testing.T) {
	s := spec(t, with(configMap, deployment(`replicas: "${params.replicas.min}"`, `, args: "${params.list + resources.config.data.map(k, k)}", env: "${component.env}"`)))
	const copies = 20
	compiled := make([]*template.Template, copies)
	kinds := openapi.Kubernetes()
	_, _, _ = template.Compile(s, kinds)
	before := heap()
	for i := range compiled {
		compiled[i], _, _ = template.Compile(s, kinds)
	}
	each := (int64(heap()) - int64(before)) / copies
	t.Logf("%d bytes", each)
	if each > 512<<10 {
		t.Errorf("a compiled template of 2 resources and 6 expressions takes %d bytes", each)
	}
	runtime.KeepAlive(compiled)
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
