package release

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/diagnosis"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

// scope is what one pass over a Release gathers. newScope fills the first block, the phases of run
// the others, in this order.
type scope struct {
	release *platformv1alpha1.Release
	before  *platformv1alpha1.Release
	// successor is the newest Release of the Component in the environment that is not being
	// deleted, where that is a newer one than this.
	successor *platformv1alpha1.Release
	// older are the older ones that still hold their finalizer: what they listed may still be there.
	older []platformv1alpha1.Release
	// outpaced is a newer Release of any sort, where this one still waits for a gate.
	outpaced *platformv1alpha1.Release
	// waits says that a newer one still holds its finalizer: what both listed is that one's to end.
	waits bool
	// unproven says that the environment began with what was found, and that nothing of the golden path has been
	// Ready in it since: what runs there may still be the work of others.
	unproven bool
	// overtaken says that a successor came while the pass went on, which is all that is known of it then.
	overtaken bool
	// wanted says that the Component still has the environment in its path, and both still exist.
	wanted bool
	// alone says that the path of the Component has no other environment, so that this one cannot leave it.
	alone bool
	// abandoned says that the Component is gone.
	abandoned bool
	// orphan says that what the Release made is let go when it is deleted, and not deleted.
	orphan bool
	// ending says that the Component or the Environment is being deleted, and the Release next.
	ending bool
	// asleep says that the environment sleeps, and the Release is to. One that only takes over changes nothing of what
	// was found, and so does not.
	asleep bool

	// git is how the environment gets its Releases, nil where they are applied directly.
	git *platformv1alpha1.GitDelivery
	// unknownDelivery says that it was by Git, and that nothing tells how any more.
	unknownDelivery bool
	// delivered says that the branch that is followed holds the Release. Set by deliver.
	delivered bool

	// template and objects are set by render, nil when that failed.
	template *template.Template
	objects  []render.Object
	// counted are the resource versions at which the pods of workloads were counted that are put to sleep. Set by render.
	counted map[int]string

	// children are what the cache knows of the inventory, in its order. Set by observe.
	children []child

	// held are the Services that wait for pods of the golden path, by their place in the inventory. Set by write.
	held map[int]bool
	// turned are the objects that were put to sleep or woken in this pass. Set by write.
	turned map[int]bool
	// applied says that all objects are as they should be. Set by write.
	applied bool

	// cause is what keeps pods of a workload from running, nil where that is not known. Set by diagnose.
	cause *diagnosis.Cause
	// problem is the first thing that went wrong.
	problem *problem
	// requeueAfter is the smallest time after which to look again; zero for none.
	requeueAfter time.Duration
}

// problem is why a Release is not Ready.
type problem struct {
	reason, message string
	// final says that only a change by somebody helps.
	final bool
}

func (s *scope) fail(final bool, reason, message string) {
	if s.problem == nil {
		s.problem = &problem{reason: reason, message: message, final: final}
	}
}

func (s *scope) lookAgain(after time.Duration) {
	if s.requeueAfter == 0 || after < s.requeueAfter {
		s.requeueAfter = after
	}
}

// ready says whether every object is ready.
func (s *scope) ready() bool {
	return !slices.ContainsFunc(s.release.Status.Objects, func(o platformv1alpha1.ReleaseObjectStatus) bool {
		return o.Health != platformv1alpha1.ObjectReady
	})
}

// newScope finds the Releases before and after, and whether the Release is still wanted. Where the pass before left its
// status in the backlog, this one goes on from that.
func (r *Reconciler) newScope(ctx context.Context, release *platformv1alpha1.Release, unwritten *platformv1alpha1.ReleaseStatus) (*scope, error) {
	s := &scope{release: release, before: release.DeepCopy(), turned: map[int]bool{}}
	if unwritten != nil {
		checks := release.Status.Checks // others write those
		release.Status = *unwritten
		release.Status.Checks = checks
	}
	siblings, err := r.siblingsOf(ctx, release)
	if err != nil {
		return nil, err
	}
	var proven bool
	s.unproven, proven = adopts(release), provesPath(release)
	for _, other := range siblings {
		newer := other.Spec.Number > release.Spec.Number
		if newer && !release.Opened() && (s.outpaced == nil || other.Spec.Number > s.outpaced.Spec.Number) {
			s.outpaced = &other
		}
		if !other.Opened() {
			continue // it has applied nothing, and nothing of it counts
		}
		s.waits = s.waits || newer && len(other.Finalizers) > 0
		s.unproven = s.unproven || adopts(&other) && len(other.Finalizers) > 0
		proven = proven || provesPath(&other)
		switch {
		case newer && other.DeletionTimestamp.IsZero() && (s.successor == nil || other.Spec.Number > s.successor.Spec.Number):
			s.successor = &other
		case !newer && other.UID != release.UID && len(other.Finalizers) > 0:
			s.older = append(s.older, *other.DeepCopy()) // its finalizer may be taken off
		}
	}
	s.unproven = s.unproven && !proven
	slices.SortFunc(s.older, func(a, b platformv1alpha1.Release) int { return int(a.Spec.Number - b.Spec.Number) })
	if err := r.findDelivery(ctx, s); err != nil {
		return nil, err
	}
	return s, r.findOwners(ctx, s)
}

// siblingsOf are all Releases of the Component in the environment, with the one given, as the cache holds them: they must not be
// changed.
func (r *Reconciler) siblingsOf(ctx context.Context, release *platformv1alpha1.Release) ([]platformv1alpha1.Release, error) {
	var siblings platformv1alpha1.ReleaseList
	key := index.OwnerKey(release.Spec.Component.UID, release.Spec.Environment.Name)
	if err := r.List(ctx, &siblings, client.InNamespace(release.Namespace), client.MatchingFields{index.ReleaseOwner: key}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the Releases of the Component: %w", err)
	}
	return siblings.Items, nil
}

// findOwners sets wanted, abandoned and ending.
func (r *Reconciler) findOwners(ctx context.Context, s *scope) error {
	spec := &s.release.Spec
	var component platformv1alpha1.Component
	err := r.Get(ctx, types.NamespacedName{Namespace: s.release.Namespace, Name: spec.Component.Name}, &component, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Component %s: %w", spec.Component.Name, err)
	}
	if s.abandoned = err != nil || component.UID != spec.Component.UID; s.abandoned {
		return nil
	}
	s.alone = len(component.Spec.Environments) == 1
	s.orphan = component.Spec.DeletionPolicy == platformv1alpha1.DeletionOrphan
	s.ending = !component.DeletionTimestamp.IsZero()
	if s.ending || !slices.ContainsFunc(component.Spec.Environments,
		func(e platformv1alpha1.PathEnvironment) bool { return e.Name == spec.Environment.Name }) {
		return nil
	}
	var environment platformv1alpha1.Environment
	err = r.Get(ctx, types.NamespacedName{Namespace: s.release.Namespace, Name: spec.Environment.Name}, &environment, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading Environment %s: %w", spec.Environment.Name, err)
	}
	ours := err == nil && environment.UID == spec.Environment.UID
	// What follows a repository would wake what sleeps: nothing sleeps there.
	s.asleep = s.git == nil && !s.unknownDelivery && !adopts(s.release) && (ours && environment.Asleep() || !ours && s.release.Asleep())
	if ours && !environment.DeletionTimestamp.IsZero() {
		kept, err := r.keeps(ctx, &environment)
		if err != nil {
			return err
		}
		s.orphan = s.orphan || kept
	}
	s.wanted = ours && environment.DeletionTimestamp.IsZero()
	s.ending = ours && !s.wanted
	return nil
}

// keeps says whether what runs in an Environment outlives it, with its namespace.
func (r *Reconciler) keeps(ctx context.Context, e *platformv1alpha1.Environment) (bool, error) {
	if e.Spec.AdoptNamespace != "" {
		return true, nil
	}
	namespace, err := r.namespace(ctx, e.Status.Namespace)
	return namespace != nil && namespace.Annotations[platformv1alpha1.AnnotationKeep] == "true", err
}

// key returns the key of the i-th object of an inventory.
func inventoryKey(release *platformv1alpha1.Release, o platformv1alpha1.ReleaseObject) childKey {
	return childKey{gvkOf(o), types.NamespacedName{Namespace: release.Spec.Environment.Namespace, Name: o.Name}}
}
