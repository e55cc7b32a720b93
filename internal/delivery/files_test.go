package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/delivery"
)

func object(apiVersion, kind, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name}}}
}

func names(files []delivery.File) []string {
	var all []string
	for _, f := range files {
		all = append(all, f.Name)
	}
	return all
}

func TestFiles_NamesAreStable(t *testing.T) {
	long := strings.Repeat("a", 253)
	objects := []*unstructured.Unstructured{
		object("v1", "Service", "checkout"), object("serving.knative.dev/v1", "Service", "checkout"), object("v1", "Service", "other"),
		object("apps/v1", "Deployment", "checkout"), object("v1", "ConfigMap", "a.b"), object("v1", "ConfigMap", "A.b"), object("v1", "ConfigMap", "a:b"),
		object("v1", "ConfigMap", "../../etc/passwd"), object("v1", "ConfigMap", long), object("v1", "ConfigMap", long[:252]+"b"),
	}
	files, err := delivery.Files(objects)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"configmap-.._.._etc_passwd_", "configmap-a.b.yaml", "configmap-a.b_", "configmap-a_b_", "configmap-" + long[:180] + "_", "configmap-" + long[:180] + "_",
		"deployment-checkout.yaml", "service-checkout.yaml", "service-other.yaml", "service.serving.knative.dev-checkout.yaml"}
	got := names(files)
	if len(got) != len(want) {
		t.Fatalf("there are %q", got)
	}
	for _, w := range want {
		at := slices.IndexFunc(got, func(name string) bool { return strings.HasPrefix(name, w) })
		if at < 0 {
			t.Errorf("%q is not among %q", w, got)
			continue
		}
		if len(got[at]) > 255 || strings.ContainsAny(got[at], "/\\:") {
			t.Errorf("%q is no file name", got[at])
		}
		got = slices.Delete(got, at, at+1)
	}
	slices.Reverse(objects)
	again, err := delivery.Files(objects)
	if err != nil || !slices.Equal(names(again), names(files)) {
		t.Errorf("in another order it gives %q, %v", names(again), err)
	}
	// A marker takes every name that is given.
	marker, err := delivery.NewMarker(delivery.Release{Target: target, Name: "checkout-prod-1", UID: "r1", Number: 1}, files).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if read, err := delivery.ParseMarker(marker); err != nil || !slices.Equal(read.Files, names(files)) || !read.Owns(target) {
		t.Errorf("the marker reads as %+v, %v", read, err)
	}
}

func TestFiles_AreCanonical(t *testing.T) {
	o := object("v1", "ConfigMap", "odd")
	o.Object["data"] = map[string]any{"z": "1.0", "a": "yes", "on": "0x10", "null": "null", "date": "2026-11-30", "multi": "a\nb\n", "tab": "\ta: &b *c", "end": "x\n...\n---\nkind: Secret",
		"brace": "{{ .x }}", "big": int64(9007199254740993), "half": 0.5, "e": 1e300, "empty": "", "sp": " a ", "nul": "\x00\x1b", "list": []any{"-", "?", nil, true}}
	files, err := delivery.Files([]*unstructured.Unstructured{o})
	if err != nil {
		t.Fatal(err)
	}
	again, err := delivery.Files([]*unstructured.Unstructured{o.DeepCopy()})
	if err != nil || string(again[0].Data) != string(files[0].Data) {
		t.Errorf("it gives other bytes, %v", err)
	}
	var back map[string]any
	if err := yaml.Unmarshal(files[0].Data, &back); err != nil {
		t.Fatal(err)
	}
	data := back["data"].(map[string]any)
	back = nil
	// What YAML would fold is written in another way.
	folded := object("v1", "ConfigMap", "folded")
	folded.Object["data"] = map[string]any{"ls": "a\u2028b\u0085c"}
	if files, err := delivery.Files([]*unstructured.Unstructured{folded}); err != nil || yaml.Unmarshal(files[0].Data, &back) != nil ||
		back["data"].(map[string]any)["ls"] != "a\u2028b\u0085c" {
		t.Errorf("it reads back as %q, %v", back, err)
	}
	for key, want := range o.Object["data"].(map[string]any) {
		if text, ok := want.(string); ok && data[key] != text {
			t.Errorf("%s is %q, want %q", key, data[key], text)
		}
	}
	if !strings.Contains(string(files[0].Data), "big: 9007199254740993\n") {
		t.Errorf("a large number is rounded:\n%s", files[0].Data)
	}
	if strings.Contains(string(files[0].Data), "\n---") {
		t.Error("there is a second document")
	}
}

func TestFiles_RefusesWhatMustNotStandThere(t *testing.T) {
	many := make([]*unstructured.Unstructured, 513)
	for i := range many {
		many[i] = object("v1", "ConfigMap", fmt.Sprint("c", i))
	}
	large := object("v1", "ConfigMap", "large")
	large.Object["data"] = map[string]any{"a": strings.Repeat("a", 2<<20)}
	for words, objects := range map[string][]*unstructured.Unstructured{
		"1 to 512 objects":   nil,
		"not 513":            many,
		"must not be commit": {object("v1", "Secret", "key")},
		"both must be set":   {object("v1", "", "a")},
		"the kind \"../a\"":  {object("v1", "../a", "a")},
		"the name \"\"":      {object("v1", "ConfigMap", "")},
		"two objects":        {object("v1", "ConfigMap", "a"), object("v1", "ConfigMap", "a")},
		"at most 1048576":    {large},
	} {
		if _, err := delivery.Files(objects); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", words, err)
		}
	}
}

func TestParseMarker_TakesNoPathOutOfItsDirectory(t *testing.T) {
	for _, name := range []string{"../a.yaml", "a/b.yaml", "/a.yaml", "..", "", ".towpath", "README.md", "-a.yaml", "a\n.yaml", "A.yaml", ".a.yaml"} {
		m := delivery.NewMarker(delivery.Release{Target: target, Name: "r", UID: "r1", Number: 1}, []delivery.File{{Name: name}})
		data, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := delivery.ParseMarker(data); err == nil {
			t.Errorf("it takes %q", name)
		}
	}
	for _, text := range []string{"", "{}", "[]", `{"apiVersion":"v2"}`, `{"apiVersion":"delivery.platform.towpath.dev/v1"}`, strings.Repeat(" ", delivery.MaxMarker+1)} {
		if _, err := delivery.ParseMarker([]byte(text)); err == nil {
			t.Errorf("it takes %.40q", text)
		}
	}
}

func FuzzMarker(f *testing.F) {
	data, _ := delivery.NewMarker(delivery.Release{Target: target, Name: "r", UID: "r1", Number: 1}, []delivery.File{{Name: "a-b.yaml"}}).Encode()
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := delivery.ParseMarker(data)
		if err != nil {
			return
		}
		for _, name := range m.Files {
			if strings.ContainsAny(name, "/\\\n\x00") || strings.HasPrefix(name, ".") {
				t.Fatalf("it takes %q", name)
			}
		}
	})
}
