package manager

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// counting counts what the mapper behind is asked.
type counting struct {
	meta.RESTMapper

	asked int
}

func (c *counting) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	c.asked++
	return c.RESTMapper.RESTMapping(kind, versions...)
}

func TestMapperRemembersWhatIsServed(t *testing.T) {
	t.Parallel()
	var (
		gvk    = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
		served = meta.NewDefaultRESTMapper([]schema.GroupVersion{gvk.GroupVersion()})
		behind = &counting{RESTMapper: served}
		m      = &mapper{RESTMapper: behind}
	)
	for range 2 {
		if _, err := m.RESTMapping(gvk.GroupKind(), gvk.Version); !meta.IsNoMatchError(err) {
			t.Fatalf("a kind that is not served: %v, wanted no match", err)
		}
	}
	if behind.asked != 2 {
		t.Errorf("asked %d times for a kind that is not served, wanted 2: it may be served by now", behind.asked)
	}
	served.Add(gvk, meta.RESTScopeNamespace)
	served.Add(gvk.GroupKind().WithVersion("v1beta1"), meta.RESTScopeNamespace)
	for name, versions := range map[string][]string{"v1": {"v1"}, "v1beta1": {"v1beta1"}, "any": nil, "either": {"v2", "v1beta1"}} {
		behind.asked = 0
		var resources []string
		for range 3 {
			found, err := m.RESTMapping(gvk.GroupKind(), versions...)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			resources = append(resources, found.Resource.String())
		}
		wanted, err := served.RESTMapping(gvk.GroupKind(), versions...)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range resources {
			if resource != wanted.Resource.String() {
				t.Errorf("%s: %s, wanted %s", name, resource, wanted.Resource)
			}
		}
		if len(versions) < 2 && behind.asked != 1 {
			t.Errorf("%s: asked %d times, wanted once", name, behind.asked)
		}
	}
}
