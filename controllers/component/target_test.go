package component

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/revision"
)

// Whoever deletes a template whose roll-out is under way, or was halted, must not bring the revision to everybody by that.
func TestATemplateThatIsGoneRollsNothingOut(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var objects []client.Object
	for number := range int64(3) {
		rev := &platformv1alpha1.ServiceTemplateRevision{ObjectMeta: metav1.ObjectMeta{Name: revision.Name("web", number+1)}}
		rev.Spec.TemplateName, rev.Spec.Number = "web", number+1
		objects = append(objects, rev)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&platformv1alpha1.ServiceTemplateRevision{}, index.RevisionTemplate, func(o client.Object) []string {
			return []string{o.(*platformv1alpha1.ServiceTemplateRevision).Spec.TemplateName}
		}).Build()
	r := &Reconciler{Client: c}
	runs := func(number int64) []*platformv1alpha1.Release {
		release := &platformv1alpha1.Release{}
		release.Spec.Revision = platformv1alpha1.RevisionReference{Name: revision.Name("web", number), Number: number}
		return []*platformv1alpha1.Release{release}
	}
	found := func(pin *int64) *scope {
		t.Helper()
		component := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "a"}}
		component.Spec.TemplateRef = platformv1alpha1.TemplateReference{Name: "web", Revision: pin}
		s := &scope{component: component, stops: []stop{
			{name: "dev", environment: &platformv1alpha1.Environment{}, releases: runs(2)},
			{name: "prod", environment: &platformv1alpha1.Environment{}, releases: runs(1)},
			{name: "new", environment: &platformv1alpha1.Environment{}},
		}}
		if err := r.findTarget(t.Context(), s); err != nil || s.problem != nil {
			t.Fatal(err, s.problem)
		}
		return s
	}
	s := found(nil)
	if dev, prod, added := s.stops[0].target, s.stops[1].target, s.stops[2].target; dev != 2 || prod != 1 || added != 2 {
		t.Errorf("dev should get %d, prod %d, and what is new %d; want 2, 1 and 2", dev, prod, added)
	}
	if s := found(ptr.To(int64(3))); s.target != 3 || s.stops[1].target != 0 {
		t.Errorf("a pin is followed all the same: %d, %d", s.target, s.stops[1].target)
	}

	// With the template, and no waves, everybody gets the newest.
	st := &platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
	if err := c.Create(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	if s := found(nil); s.target != 3 || s.stops[1].target != 0 {
		t.Errorf("with the template: %d, %d", s.target, s.stops[1].target)
	}
}
