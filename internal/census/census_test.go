package census_test

import (
	"reflect"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/census"
)

func component(template string, pin *int64, revisions ...int64) platformv1alpha1.Component {
	c := platformv1alpha1.Component{}
	c.Spec.TemplateRef = platformv1alpha1.TemplateReference{Name: template, Revision: pin}
	for _, r := range revisions {
		e := platformv1alpha1.ComponentEnvironmentStatus{Name: "e", Release: "r", Revision: r}
		if r == 0 {
			e = platformv1alpha1.ComponentEnvironmentStatus{Name: "waiting"}
		}
		c.Status.Environments = append(c.Status.Environments, e)
	}
	return c
}

func TestCount(t *testing.T) {
	old := platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "old"}}
	old.Spec.Maturity, old.Spec.ReplacedBy = platformv1alpha1.MaturityDeprecated, "web"
	web := platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	web.Status.LatestRevision = &platformv1alpha1.RevisionReference{Name: "web-3", Number: 3}
	pin := int64(2)
	got := census.Count([]platformv1alpha1.ServiceTemplate{web, old}, []platformv1alpha1.Component{
		component("web", nil, 3, 3, 0), component("web", &pin, 2), component("web", nil), component("gone", nil, 9),
	})
	want := []census.Template{
		{Name: "gone", Components: 1, Environments: 1, Revisions: []census.Revision{{Number: 9, Environments: 1}}, Overrides: []census.Override{}},
		{Name: "old", Maturity: platformv1alpha1.MaturityDeprecated, ReplacedBy: "web", Revisions: []census.Revision{}, Overrides: []census.Override{}},
		{
			Name: "web", Maturity: platformv1alpha1.MaturityStable, Latest: 3, Components: 3, Pinned: 1, Environments: 3, OnLatest: 2,
			Revisions: []census.Revision{{Number: 3, Environments: 2}, {Number: 2, Environments: 1}}, Overrides: []census.Override{},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if share := got[2].Share(); share < 0.66 || share > 0.67 {
		t.Errorf("two of three are %v", share)
	}
	if got[1].Share() != 1 {
		t.Error("what nobody runs is all on the newest")
	}
	if none := census.Count(nil, nil); len(none) != 0 {
		t.Errorf("nothing is %v", none)
	}
}

func TestCount_Overrides(t *testing.T) {
	web := platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	web.Spec.Overrides = &platformv1alpha1.TemplateOverrides{Allow: []platformv1alpha1.OpenPath{
		{Resource: "deployment", Path: "spec.containers[name=app].resources"}, {Resource: "deployment", Path: "spec.containers[name=side].resources"},
		{Resource: "deployment", Path: "spec.paused"}, {Resource: "config", Path: "data"}, {Resource: "config", Path: "not a path ["},
	}}
	overriding := func(template string, patches ...string) platformv1alpha1.Component {
		c := component(template, nil)
		for _, patch := range patches {
			resource, content, _ := strings.Cut(patch, " ")
			c.Spec.Overrides = append(c.Spec.Overrides, platformv1alpha1.Override{Resource: resource, Patch: apiextensionsv1.JSON{Raw: []byte(content)}})
		}
		return c
	}
	resources := func(name string) string {
		return `deployment {"spec": {"containers": [{"name": "` + name + `", "resources": {"limits": {}}}]}}`
	}
	got := census.Count([]platformv1alpha1.ServiceTemplate{web}, []platformv1alpha1.Component{
		overriding("web", resources("app"), resources("side"), `config {"data": {"a": "b"}}`), overriding("web", resources("side")), overriding("web"),
		// However many paths and resources they name, they are one line.
		overriding("web", `deployment {"spec": {"a": 1}}`, `other {"spec": {"b": 1}}`), overriding("web", `deployment {"spec": {"c": 1}}`),
		overriding("gone", resources("app")),
	})
	want := map[string][]census.Override{
		"web": {
			{Path: census.NotOpen, Components: 2}, {Resource: "deployment", Path: "spec.containers[*].resources", Components: 2},
			{Resource: "config", Path: "data", Components: 1}, {Resource: "deployment", Path: "spec.paused"},
		},
		"gone": {{Path: census.NotOpen, Components: 1}},
	}
	for i, overriding := range []int{1, 4} {
		if got[i].Overriding != overriding || !reflect.DeepEqual(got[i].Overrides, want[got[i].Name]) {
			t.Errorf("%s: %d override %+v, want %d and %+v", got[i].Name, got[i].Overriding, got[i].Overrides, overriding, want[got[i].Name])
		}
	}
}
