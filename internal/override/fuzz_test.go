package override_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/override"
)

// opened are the paths of the property test and of the fuzz target.
var opened = []string{
	app + ".resources", app + ".env", app + ".args", app + ".ports[containerPort=8080].name", "spec.template.spec.containers[name=*].imagePullPolicy",
	"spec.template.spec.nodeSelector", "spec.strategy.rollingUpdate.maxSurge", `metadata.annotations["example.org/x"]`,
}

// holds checks what is true of every patch that is taken: merging it twice is the same as once, and with what is
// open taken out the object is as it was. It says whether the patch was taken.
func holds(t *testing.T, raw []byte) bool {
	t.Helper()
	at := targets(t, deploymentKind, opened...)
	frozen, errs := override.Freeze([]platformv1alpha1.Override{{Resource: "deployment", Patch: apiextensionsv1.JSON{Raw: raw}}}, at, openapi.Kubernetes(), field.NewPath("x"))
	if len(errs) > 0 {
		return false
	}
	before := decode(t, deployment)
	once := runtime.DeepCopyJSON(before)
	if err := override.Apply(once, &frozen[0], at["deployment"]); err != nil {
		if diff := cmp.Diff(before, once); diff != "" {
			t.Fatalf("%s: it was refused, and the object changed: %s", raw, diff)
		}
		return false
	}
	twice := runtime.DeepCopyJSON(once)
	if err := override.Apply(twice, &frozen[0], at["deployment"]); err != nil {
		t.Fatalf("%s: the second time: %v", raw, err)
	}
	if diff := cmp.Diff(once, twice); diff != "" {
		t.Fatalf("%s: the second time gives something else: %s", raw, diff)
	}
	again := runtime.DeepCopyJSON(before)
	if err := override.Apply(again, &frozen[0], at["deployment"]); err != nil || !cmp.Equal(once, again) {
		t.Fatalf("%s: it does not give the same each time: %v", raw, err)
	}
	if diff := cmp.Diff(withoutOpened(before), withoutOpened(once)); diff != "" {
		t.Fatalf("%s: it changes what is not open: %s", raw, diff)
	}
	return true
}

// withoutOpened takes out of a Deployment what is open, by hand, so that the test does not go by what it tests.
func withoutOpened(object map[string]any) map[string]any {
	object = runtime.DeepCopyJSON(object)
	metadata := object["metadata"].(map[string]any)
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		if delete(annotations, "example.org/x"); len(annotations) == 0 {
			delete(metadata, "annotations")
		}
	}
	spec := object["spec"].(map[string]any)
	if strategy, ok := spec["strategy"].(map[string]any); ok {
		if rolling, ok := strategy["rollingUpdate"].(map[string]any); ok {
			if delete(rolling, "maxSurge"); len(rolling) == 0 {
				delete(strategy, "rollingUpdate")
			}
		}
		if len(strategy) == 0 {
			delete(spec, "strategy")
		}
	}
	pods := spec["template"].(map[string]any)["spec"].(map[string]any)
	delete(pods, "nodeSelector")
	containers := map[string]any{}
	for _, item := range pods["containers"].([]any) {
		container := item.(map[string]any)
		delete(container, "imagePullPolicy")
		if container["name"] == "app" {
			for _, name := range []string{"resources", "env", "args"} {
				delete(container, name)
			}
			for _, port := range container["ports"].([]any) {
				delete(port.(map[string]any), "name")
			}
		}
		containers[container["name"].(string)] = container
	}
	pods["containers"] = containers // server-side apply may put them into another order
	return object
}

// Random patches of fields that are open, and of some that are not.
func TestProperties(t *testing.T) {
	taken := 0
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 1))
		raw, err := json.Marshal(randomPatch(random))
		if err != nil {
			t.Fatal(err)
		}
		if holds(t, raw) {
			taken++
		}
	}
	if taken < 200 {
		t.Errorf("only %d of 2000 random patches were taken: the test shows nothing", taken)
	}
}

func randomPatch(random *rand.Rand) map[string]any {
	sometimes := func(n int) bool { return random.IntN(n) == 0 }
	pick := func(from ...any) any { return from[random.IntN(len(from))] }
	container := map[string]any{"name": pick("app", "app", "app", "proxy", "side")}
	if sometimes(2) {
		container["resources"] = pick(map[string]any{}, map[string]any{"limits": map[string]any{"memory": fmt.Sprint(random.IntN(9)) + "Gi"}},
			map[string]any{"requests": map[string]any{"cpu": int64(random.IntN(3))}, "limits": map[string]any{}})
	}
	if sometimes(2) {
		container["env"] = pick([]any{map[string]any{"name": "B", "value": "x"}}, []any{map[string]any{"name": "C"}, map[string]any{"name": "A", "value": ""}}, []any{})
	}
	if sometimes(3) {
		container["args"] = pick([]any{}, []any{"a", "a"})
	}
	if sometimes(3) {
		container["imagePullPolicy"] = pick("Always", "Never", int64(1))
	}
	if sometimes(3) {
		container["ports"] = []any{map[string]any{"containerPort": pick(int64(8080), int64(8081)), "name": "http"}}
	}
	if sometimes(9) {
		container["image"] = "evil:1"
	}
	pods := map[string]any{"containers": []any{container}}
	if sometimes(4) {
		pods["nodeSelector"] = map[string]any{"disk": pick("ssd", "hdd")}
	}
	spec := map[string]any{"template": map[string]any{"spec": pods}}
	if sometimes(4) {
		spec["strategy"] = map[string]any{"rollingUpdate": map[string]any{"maxSurge": pick(int64(1), "25%")}}
	}
	patch := map[string]any{"spec": spec}
	if sometimes(4) {
		patch["metadata"] = map[string]any{pick("annotations", "labels").(string): map[string]any{"example.org/x": "1"}}
	}
	return patch
}

func FuzzApply(f *testing.F) {
	for _, text := range []string{
		`{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"2Gi"}}}]}}}}`,
		`{"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"A","value":"x"},{"name":"Z"}]}]}}}}`,
		`{"spec":{"template":{"spec":{"containers":[{"name":"app","ports":[{"containerPort":8080,"name":"http"}]}]}}}}`,
		`{"spec":{"template":{"spec":{"containers":[{"$patch":"delete","name":"app"}]}}}}`,
		`{"metadata":{"annotations":{"example.org/x":"1"}}}`,
		`{"spec":{"template":{"spec":{"nodeSelector":{"a":"b"}}}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { holds(t, raw) })
}

func FuzzParsePath(f *testing.F) {
	for _, text := range append([]string{`spec.a["x.y"][k="v,]",n=*][*].z`, "spec[", `a["\u0000"]`}, opened...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path, err := override.ParsePath(text)
		if err != nil {
			return
		}
		again, err := override.ParsePath(path.String())
		if err != nil || again.String() != path.String() {
			t.Errorf("%q is written %q, which gives %q (%v)", text, path, again, err)
		}
		_ = override.CheckPath(path, deploymentKind, nil)
	})
}
