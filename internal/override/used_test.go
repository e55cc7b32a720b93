package override_test

import (
	"slices"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/towpath-dev/towpath/internal/override"
)

func TestUsed(t *testing.T) {
	texts := []string{
		"spec.replicas", app + ".resources", "spec.template.spec.containers[name=*].env", "spec.template.spec.containers[name=side].env",
		app + ".ports[containerPort=80].name", "spec.template.spec.volumes", `metadata.annotations["example.org/x"]`,
	}
	var open []override.Path
	for _, text := range texts {
		path, err := override.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, path)
	}
	for name, c := range map[string]struct {
		patch string
		want  []int
	}{
		"a field":                      {"spec: {replicas: 3}", []int{0}},
		"a field of an element":        {onApp("resources: {limits: {memory: 1Gi}}"), []int{1}},
		"any element":                  {onApp("env: [{name: A, value: b}]"), []int{2}},
		"the element of that key":      {"spec: {template: {spec: {containers: [{name: side, env: []}]}}}", []int{2, 3}},
		"an element by a number":       {onApp("ports: [{containerPort: 80.0, name: web}]"), []int{4}},
		"an element of another number": {onApp("ports: [{containerPort: 81, name: web}]"), nil},
		"what is below a path":         {"spec: {template: {spec: {volumes: [{name: x, emptyDir: {}}]}}}", []int{5}},
		"two at once":                  {"metadata: {annotations: {example.org/x: y, example.org/z: y}}\nspec: {replicas: 1}", []int{0, 6}},
		"what is not open":             {"spec: {paused: true}", nil},
		"keys alone":                   {onApp("image: b"), nil},
		"a list where there should be a map, and the other way round": {"spec: [{replicas: 1}]\nmetadata: {annotations: x}", nil},
		"what is no patch": {"[]", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var want, got []string
			for _, i := range c.want {
				want = append(want, texts[i])
			}
			for _, path := range override.Used(open, patch(t, c.patch)) {
				got = append(got, path.String())
			}
			if !slices.Equal(got, want) {
				t.Errorf("used %q, want %q", got, want)
			}
		})
	}
	if got := override.Used(open, apiextensionsv1.JSON{}); got != nil {
		t.Errorf("nothing uses %v", got)
	}
}

func TestPath_Shape(t *testing.T) {
	for text, want := range map[string]string{
		"spec.replicas":                         "spec.replicas",
		"spec.a[name=app].b[x=1,y=*].c":         "spec.a[*].b[*].c",
		`metadata.annotations["example.org/x"]`: `metadata.annotations["example.org/x"]`,
	} {
		path, err := override.ParsePath(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := path.Shape(); got != want || path.String() != text {
			t.Errorf("%s has the shape %s, want %s, and is %s now", text, got, want, path)
		}
	}
}
