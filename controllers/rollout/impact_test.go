package rollout

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/revision"
)

type everything struct{}

func (everything) Available(_ context.Context, names []string) ([]string, error) { return names, nil }

func web() *platformv1alpha1.ServiceTemplate {
	return &platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
}

// revisionOf is a revision that makes a ConfigMap with a value.
func revisionOf(number int64, value string) *platformv1alpha1.ServiceTemplateRevision {
	return &platformv1alpha1.ServiceTemplateRevision{
		ObjectMeta: metav1.ObjectMeta{Name: revision.Name("web", number)},
		Spec: platformv1alpha1.ServiceTemplateRevisionSpec{TemplateName: "web", Number: number, Template: platformv1alpha1.ServiceTemplateSpec{
			Summary: "A test.",
			Resources: []platformv1alpha1.ResourceTemplate{{ID: "config", Object: apiextensionsv1.JSON{Raw: []byte(
				`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${component.name}"}, "data": {"a": "` + value + `"}}`)}}},
		}},
	}
}

// followed is a cluster in which so many Components run revision 1 of a template that is at 2.
func followed(t *testing.T, n int) *Reconciler {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	objects := []client.Object{revisionOf(1, "one"), revisionOf(2, "two")}
	env := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "dev"}}
	env.Status.PodSecurity, env.Status.ServiceAccountTokens = platformv1alpha1.PodSecurityRestricted, platformv1alpha1.TokensForbidden
	objects = append(objects, env)
	for i := range n {
		name := fmt.Sprintf("c%d", i)
		component := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name, UID: types.UID(name)}}
		component.Spec.TemplateRef.Name, component.Spec.Environments = "web", []platformv1alpha1.PathEnvironment{{Name: "dev"}}
		release := &platformv1alpha1.Release{}
		release.Namespace, release.Name = "team-shop", component.Name+"-dev-1"
		release.Spec = platformv1alpha1.ReleaseSpec{
			Number: 1, Component: platformv1alpha1.ReleaseComponent{Name: component.Name, UID: component.UID}, Template: "web", Image: "app:1",
			Environment: platformv1alpha1.ReleaseEnvironment{Name: "dev", UID: "e", Namespace: "shop-dev", Class: "development", Tier: platformv1alpha1.TierDevelopment},
			Revision:    platformv1alpha1.RevisionReference{Name: "web-1", Number: 1}, Team: "shop", CostCenter: "c", PodSecurity: platformv1alpha1.PodSecurityRestricted,
		}
		objects = append(objects, component, release)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&platformv1alpha1.Component{}, index.ComponentTemplate, func(o client.Object) []string {
			return []string{o.(*platformv1alpha1.Component).Spec.TemplateRef.Name}
		}).
		WithIndex(&platformv1alpha1.Release{}, index.ReleaseTemplate, func(o client.Object) []string {
			return []string{o.(*platformv1alpha1.Release).Spec.Template}
		}).
		WithIndex(&platformv1alpha1.ServiceTemplateRevision{}, index.RevisionTemplate, func(o client.Object) []string {
			return []string{o.(*platformv1alpha1.ServiceTemplateRevision).Spec.TemplateName}
		}).
		WithStatusSubresource(&platformv1alpha1.ServiceTemplate{}).Build()
	return &Reconciler{
		Client: c, Recorder: events.NewFakeRecorder(10), Revisions: revision.NewCompiled(c), Capabilities: everything{},
		Namespaced: func(schema.GroupKind) (namespaced, known bool) { return true, true },
	}
}

// foresee is one pass over a roll-out in waves.
func foresee(t *testing.T, r *Reconciler, st *platformv1alpha1.ServiceTemplate, status *platformv1alpha1.TemplateRolloutStatus) (time.Duration, error) {
	t.Helper()
	return r.foresee(t.Context(), st, &platformv1alpha1.ServiceTemplateStatus{Rollout: status})
}

// However many follow a template, one pass looks at so many, and the status gets the figures once, when they are complete.
func TestAssess_GoesInSlices(t *testing.T) {
	const n = 2*assessSlice + 10
	r, st := followed(t, n), web()
	status := &platformv1alpha1.TemplateRolloutStatus{Revision: 2, State: platformv1alpha1.RolloutProgressing, Wave: 1}
	for pass := 1; pass <= 3; pass++ {
		again, err := foresee(t, r, st, status)
		if err != nil || (again > 0) != (pass < 3) || (status.Impact != nil) != (pass == 3) {
			t.Fatalf("pass %d goes on in %s, with %+v and %v", pass, again, status.Impact, err)
		}
	}
	if got := status.Impact.ImpactCount; got != (platformv1alpha1.ImpactCount{Following: n, Changed: n}) {
		t.Errorf("got %+v", got)
	}

	// It is not counted again, though who follows has changed.
	counted := status.Impact
	if err := r.DeleteAllOf(t.Context(), &platformv1alpha1.Component{}, client.InNamespace("team-shop")); err != nil {
		t.Fatal(err)
	}
	if again, err := foresee(t, r, st, status); again != 0 || err != nil || status.Impact != counted || len(r.assessments.byName) != 0 {
		t.Errorf("it goes on in %s with %v, and %d are kept", again, err, len(r.assessments.byName))
	}
}

// Another revision, or another template of the same name, is another count.
func TestAssess_BeginsAnewWithAnotherRevision(t *testing.T) {
	r, st := followed(t, assessSlice+1), web()
	status := &platformv1alpha1.TemplateRolloutStatus{Revision: 2, State: platformv1alpha1.RolloutProgressing, Wave: 1}
	if again, err := foresee(t, r, st, status); again == 0 || err != nil {
		t.Fatal(again, err)
	}
	if err := r.Create(t.Context(), revisionOf(3, "three")); err != nil {
		t.Fatal(err)
	}
	status.Revision = 3
	for range 2 {
		if _, err := foresee(t, r, st, status); err != nil {
			t.Fatal(err)
		}
	}
	if status.Impact == nil || status.Impact.Following != assessSlice+1 || status.Impact.Changed != assessSlice+1 {
		t.Errorf("got %+v", status.Impact)
	}
}

// A Release that is gone by the time is left out, and a revision that does not exist is an error, and no count.
func TestAssess_OfWhatIsGone(t *testing.T) {
	r, st := followed(t, 3), web()
	a, err := r.survey(t.Context(), st, 2)
	if err != nil {
		t.Fatal(err)
	}
	r.assessments.keep(st.Name, a)
	gone := &platformv1alpha1.Release{}
	gone.Namespace, gone.Name = "team-shop", "c1-dev-1"
	if err := r.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	status := &platformv1alpha1.TemplateRolloutStatus{Revision: 2, State: platformv1alpha1.RolloutProgressing, Wave: 1}
	if _, err := foresee(t, r, st, status); err != nil || status.Impact == nil || status.Impact.Following != 2 {
		t.Errorf("got %+v and %v", status.Impact, err)
	}
	status = &platformv1alpha1.TemplateRolloutStatus{Revision: 9, State: platformv1alpha1.RolloutProgressing, Wave: 1}
	if _, err := foresee(t, r, st, status); err == nil || status.Impact != nil {
		t.Errorf("a revision that is not there gives %+v", status.Impact)
	}
}

// Where everybody gets the newest revision at once, what it does to them is told all the same: once for each revision but the
// first, by one write, and with nothing read or written after that.
func TestReconcile_TellsTheImpactWithoutWaves(t *testing.T) {
	r := followed(t, 2*assessSlice+10)
	pinned := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "pinned", UID: "pinned"}}
	pinned.Spec.TemplateRef = platformv1alpha1.TemplateReference{Name: "web", Revision: ptr.To(int64(1))}
	st := web()
	for _, o := range []client.Object{pinned, st} {
		if err := r.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	compiled := func(number int64) {
		t.Helper()
		st.Status.LatestRevision = &platformv1alpha1.RevisionReference{Name: revision.Name("web", number), Number: number}
		if err := r.Status().Update(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}
	compiled(1)
	r.Clock = testclock.NewFakePassiveClock(time.Unix(0, 0))
	key := client.ObjectKeyFromObject(st)
	pass := func() (string, time.Duration) {
		t.Helper()
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Get(t.Context(), key, st); err != nil {
			t.Fatal(err)
		}
		return st.ResourceVersion, result.RequeueAfter
	}
	first, again := pass()
	if st.Status.Impact != nil || again != 0 {
		t.Errorf("nobody ran anything before the first revision: %+v, and it goes on in %s", st.Status.Impact, again)
	}

	compiled(2)
	for i := range 2 {
		if _, again := pass(); again != assessPause || st.Status.Impact != nil {
			t.Fatalf("pass %d goes on in %s, with %+v", i, again, st.Status.Impact)
		}
	}
	told, again := pass()
	want := &platformv1alpha1.RevisionImpact{Revision: 2, RolloutImpact: platformv1alpha1.RolloutImpact{
		ImpactCount: platformv1alpha1.ImpactCount{Following: 110, Changed: 110}, Pinned: 1,
		Tiers:     []platformv1alpha1.TierImpact{{Tier: platformv1alpha1.TierDevelopment, ImpactCount: platformv1alpha1.ImpactCount{Following: 110, Changed: 110}}},
		Resources: []platformv1alpha1.ResourceImpact{{Resource: "config", Kind: "ConfigMap", Changed: 110, Fields: []string{"data.a"}}},
	}}
	if diff := cmp.Diff(want, st.Status.Impact); diff != "" || again != 0 || told == first {
		t.Errorf("it goes on in %s; the impact (-want +got):\n%s", again, diff)
	}
	r.Revisions = nil // nothing is compiled, or looked for, any more
	if after, again := pass(); after != told || again != 0 || len(r.assessments.byName) != 0 {
		t.Errorf("it writes %s after %s, goes on in %s, and keeps %d", after, told, again, len(r.assessments.byName))
	}

	// With waves the same stands in the roll-out's own status.
	st.Spec.Rollout = &platformv1alpha1.TemplateRollout{Waves: []platformv1alpha1.RolloutWave{{Percent: 100, SoakSeconds: 60}}}
	if err := r.Update(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	r.Revisions = revision.NewCompiled(r.Client)
	if pass(); st.Status.Impact != nil || st.Status.Rollout == nil {
		t.Errorf("with waves: %+v", st.Status)
	}
}
