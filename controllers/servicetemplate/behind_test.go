package servicetemplate

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/revision"
)

// A cache that has the template's last status, but not the revision that it names, must lead neither to
// a second revision of the same content nor to a status that goes back.
func TestNothingIsDecidedBehindTheCache(t *testing.T) {
	st := &platformv1alpha1.ServiceTemplate{ObjectMeta: metav1.ObjectMeta{Name: "web", Generation: 2}}
	st.Spec.Summary = "A template."
	st.Spec.Resources = []platformv1alpha1.ResourceTemplate{{ID: "config"}}
	st.Spec.Resources[0].Object.Raw = []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`)
	st.Status.LatestRevision = &platformv1alpha1.RevisionReference{Name: revision.Name("web", 2), Number: 2}
	rev := func(number int64) client.Object {
		return &platformv1alpha1.ServiceTemplateRevision{
			ObjectMeta: metav1.ObjectMeta{Name: revision.Name("web", number)},
			Spec:       platformv1alpha1.ServiceTemplateRevisionSpec{TemplateName: "web", Number: number, Hash: "old"},
		}
	}
	for name, c := range map[string]struct {
		live client.Client
		want int64
	}{
		"the revision exists": {live: holding(t, rev(1), rev(2)), want: 2},
		"somebody deleted it": {live: holding(t, rev(1)), want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			cached := holding(t, st.DeepCopy(), rev(1))
			r := &Reconciler{
				Client: cached, Live: c.live, Kinds: openapi.Kubernetes(), Refresh: func() {}, Clock: clock.RealClock{},
				Recorder: events.NewFakeRecorder(8),
			}
			if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "web"}}); err != nil {
				t.Fatal(err)
			}
			var got platformv1alpha1.ServiceTemplate
			if err := cached.Get(t.Context(), types.NamespacedName{Name: "web"}, &got); err != nil {
				t.Fatal(err)
			}
			if got.Status.LatestRevision.Number != c.want {
				t.Errorf("latest revision %d, want %d", got.Status.LatestRevision.Number, c.want)
			}
			var list platformv1alpha1.ServiceTemplateRevisionList
			if err := cached.List(t.Context(), &list); err != nil {
				t.Fatal(err)
			}
			if want := int(c.want - 1); len(list.Items) != want {
				t.Errorf("%d revisions, want %d", len(list.Items), want)
			}
		})
	}
}

// A Release that was made a moment before the template was deleted may not be in the cache yet: its revision
// must not go under it.
func TestRevisionsOfADeletedTemplateAreLeftAloneForAMoment(t *testing.T) {
	rev := &platformv1alpha1.ServiceTemplateRevision{
		ObjectMeta: metav1.ObjectMeta{Name: revision.Name("web", 1)},
		Spec:       platformv1alpha1.ServiceTemplateRevisionSpec{TemplateName: "web", Number: 1, Hash: "one"},
	}
	c := holding(t, rev)
	now := testingclock.NewFakePassiveClock(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))
	r := &Reconciler{Client: c, Live: c, Kinds: openapi.Kubernetes(), Refresh: func() {}, Clock: now, Recorder: events.NewFakeRecorder(8)}
	for _, step := range []struct {
		after, again time.Duration
		kept         int
	}{{0, pruneGrace, 1}, {pruneGrace - time.Second, time.Second, 1}, {time.Second, 0, 0}} {
		now.SetTime(now.Now().Add(step.after))
		result, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "web"}})
		if err != nil {
			t.Fatal(err)
		}
		var list platformv1alpha1.ServiceTemplateRevisionList
		if err := c.List(t.Context(), &list); err != nil {
			t.Fatal(err)
		}
		if result.RequeueAfter != step.again || len(list.Items) != step.kept {
			t.Errorf("after %s: %d revisions, looks again after %s; want %d and %s",
				step.after, len(list.Items), result.RequeueAfter, step.kept, step.again)
		}
	}
}

// holding returns a client of a cluster that holds the objects, all of them about the template web.
func holding(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := platformv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(
		&platformv1alpha1.ServiceTemplate{}, &platformv1alpha1.ServiceTemplateRevision{})
	for field, object := range map[string]client.Object{
		index.RevisionTemplate: &platformv1alpha1.ServiceTemplateRevision{}, index.ReleaseTemplate: &platformv1alpha1.Release{},
		index.ComponentTemplate: &platformv1alpha1.Component{}, index.BuildRunning: &platformv1alpha1.Build{},
	} {
		b = b.WithIndex(object, field, func(client.Object) []string { return []string{"web"} })
	}
	return b.Build()
}
