package component

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// A pass sees only the last spec. Who wrote a part of it before is known by the events of the changes.
func TestEdits_AreKnownUntilTheStatusIs(t *testing.T) {
	t.Parallel()
	var noted edits
	watched := noted.watched()
	was := &platformv1alpha1.Component{}
	was.UID, was.Generation = types.UID("1"), 1
	was.Spec.RequestedBy, was.Spec.Image = "ann", "shop:1"
	was.Spec.Environments = []platformv1alpha1.PathEnvironment{{Name: "dev"}, {Name: "prod"}}
	if noted.behind(was) {
		t.Error("of what is not known nothing is awaited")
	}
	watched.Create(event.CreateEvent{Object: was})
	write := func(by string, how func(*platformv1alpha1.Component)) {
		t.Helper()
		is := was.DeepCopy()
		is.Generation, is.Spec.RequestedBy = was.Generation+1, by
		how(is)
		if !noted.behind(is) {
			t.Errorf("the change of %s is taken for seen", by)
		}
		watched.Update(event.UpdateEvent{ObjectOld: was, ObjectNew: is})
		if noted.behind(is) {
			t.Errorf("the change of %s is taken for still to come", by)
		}
		was = is
	}
	expect := func(environment string, want ...string) {
		t.Helper()
		if got := askers(noted.since(was), environment); !slices.Equal(got, want) {
			t.Errorf("to %s, it is %q who brought something, want %q", environment, got, want)
		}
	}
	expect("dev", "ann")
	write("alice", func(c *platformv1alpha1.Component) {
		c.Spec.Env = []platformv1alpha1.EnvVar{{Name: "LEVEL", Value: "debug"}}
	})
	write("oskar", func(c *platformv1alpha1.Component) { c.Spec.Environments[1].RollbackTo = 1 })
	write("dave", func(c *platformv1alpha1.Component) {
		c.Spec.Environments[1].Checks = []platformv1alpha1.Check{{Name: "smoke"}}
	})
	write("", func(c *platformv1alpha1.Component) { c.Spec.Image = "shop:2" })
	expect("dev", "ann", "alice", "")
	expect("prod", "ann", "alice", "dave", "")

	early := was.DeepCopy()
	early.Generation = 4
	if got := askers(noted.since(early), "prod"); !slices.Equal(got, []string{"ann", "alice", "dave"}) {
		t.Errorf("a pass that sees the fourth spec knows of %q", got)
	}
	known := was.DeepCopy()
	known.Status.ObservedGeneration = 2
	watched.Update(event.UpdateEvent{ObjectOld: was, ObjectNew: known})
	was = known
	expect("prod", "dave", "")

	for range 200 {
		write("dave", func(c *platformv1alpha1.Component) { c.Spec.Image += "0" })
	}
	if got := noted.since(was); len(got) > manyEdits+1 {
		t.Errorf("%d changes are kept", len(got))
	}
	watched.Delete(event.DeleteEvent{Object: was})
	expect("prod")
	if len(noted.of) != 0 {
		t.Error("it is kept though it is gone")
	}
}

func TestRequested_IsEachWhoBroughtSomethingSinceTheStatus(t *testing.T) {
	t.Parallel()
	component, before := &platformv1alpha1.Component{}, &platformv1alpha1.Component{}
	component.Spec.RequestedBy = "oskar"
	s := &scope{before: before, component: component, edits: []edit{
		{generation: 2, by: "alice", everywhere: true}, {generation: 3, by: "eve", environments: []string{"dev"}}, {generation: 4, by: "dave", environments: []string{"prod"}},
	}}
	got, err := s.requested(&stop{name: "prod", version: "v2"})
	if err != nil || got.Requester != "dave" || !slices.Equal(got.By, []string{"alice", "dave"}) {
		t.Errorf("it is %v (%v)", got, err)
	}
	s.edits = append(s.edits, edit{generation: 5, everywhere: true})
	if got, err = s.requested(&stop{name: "prod", version: "v2"}); err != nil || got.Requester != "" || !slices.Equal(got.By, []string{"alice", "dave"}) {
		t.Errorf("it is %v (%v)", got, err)
	}
}
