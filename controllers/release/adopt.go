package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/render"
)

// What keeps an object from being taken over, as the cause of an *apply.ObjectError.
var (
	errNotThere  = errors.New("it does not exist")
	errNoConsent = errors.New("it does not bear the annotation that allows to take it over")
	errInFull    = errors.New("an earlier Release wrote it in full, so that it is not as it was found any more")
)

// controlledError says that another controller writes an object, and would set back whatever Towpath sets.
type controlledError struct{ owner metav1.OwnerReference }

// Error names the owner.
func (e *controlledError) Error() string {
	return fmt.Sprintf("it belongs to %s %s, which writes it", e.owner.Kind, e.owner.Name)
}

// adopts says whether a Release takes over what was found, and does nothing else.
func adopts(release *platformv1alpha1.Release) bool {
	return release.Spec.Cause == platformv1alpha1.CauseAdoption
}

// provesPath says whether a Release brought the golden path, and was Ready with it.
func provesPath(release *platformv1alpha1.Release) bool {
	return !adopts(release) && release.Status.ReadyAt != nil
}

// tellsOfStart says whether an older Release must still hold its finalizer, so that the Releases after it know that
// what runs may be the work of others: until the golden path has been Ready.
func (s *scope) tellsOfStart(old *platformv1alpha1.Release) bool {
	return adopts(old) && s.unproven && !s.proven()
}

// keepsFound says whether an object of the inventory is one that was found and keeps its name.
func keepsFound(release *platformv1alpha1.Release, o platformv1alpha1.ReleaseObject) bool {
	return release.Spec.Adopt != nil && slices.ContainsFunc(release.Spec.Adopt.Objects, func(found platformv1alpha1.AdoptedObject) bool {
		return found.Resource == o.Resource && found.Name == o.Name
	})
}

// prepareFound looks, before the first write of a Release to objects that were found, whether they may be
// written, past the cache: what is not Towpath's yet is not in it. Those that may not are taken out of needed. It
// returns the UIDs of those that must be there.
func (r *Reconciler) prepareFound(ctx context.Context, s *scope, needed map[childKey]int) (map[childKey]types.UID, error) {
	uids := map[childKey]types.UID{}
	for key, i := range needed {
		o := s.release.Spec.Inventory[i]
		if !keepsFound(s.release, o) || !adopts(s.release) && s.release.Status.Objects[i].Applied != "" {
			continue
		}
		live, err := r.read(ctx, s.release, o)
		if err != nil {
			return nil, err
		}
		cause := mayWrite(s.release, live)
		if cause == nil && adopts(s.release) {
			other, err := r.checkSelector(ctx, s, i)
			if err != nil {
				return nil, err
			}
			if other != nil {
				cause = other
			}
		}
		if cause != nil {
			r.refuseFound(s, i, cause)
			delete(needed, key)
			continue
		}
		switch {
		case adopts(s.release):
			uids[key] = live.UID
		case live != nil && live.Labels[platformv1alpha1.LabelAsFound] != "":
			if err := r.takeOver(ctx, s.release, o); err != nil {
				return nil, err
			}
		}
	}
	return uids, nil
}

// refuseFound takes what keeps an object that was found from being written into the status, and remembers it.
func (r *Reconciler) refuseFound(s *scope, i int, cause error) {
	o := s.release.Spec.Inventory[i]
	var err *apply.ObjectError
	if !errors.As(cause, &err) {
		err = &apply.ObjectError{
			APIVersion: o.APIVersion, Kind: o.Kind, Namespace: s.release.Spec.Environment.Namespace, Name: o.Name,
			Doing: "taking over", Err: cause,
		}
	}
	s.refuse(i, err)
	s.lookAgain(r.refusals.add(inventoryKey(s.release, o), s.release.UID, err, r.Clock.Now()))
}

// takeOver makes the fields of an object Towpath's that is still as it was found, and about to be written in full.
func (r *Reconciler) takeOver(ctx context.Context, release *platformv1alpha1.Release, o platformv1alpha1.ReleaseObject) error {
	live, err := r.readWhole(ctx, release, o)
	if err != nil || live == nil {
		return err // gone in between: it is made anew
	}
	namespace := release.Spec.Environment.Namespace
	return r.Writer.TakeOver(ctx, environment.ApplierUser(namespace), namespace, o, live)
}

// readWhole reads an object of an inventory past the cache; nil where there is none.
func (r *Reconciler) readWhole(ctx context.Context, release *platformv1alpha1.Release, o platformv1alpha1.ReleaseObject) (*unstructured.Unstructured, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(gvkOf(o))
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: release.Spec.Environment.Namespace, Name: o.Name}, live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", o.Kind, o.Name, err)
	}
	return live, nil
}

// holds says whether a Service that was found must wait: the golden path's may name ports that the pods from before
// do not have, and these serve until the others are ready. What it is in the meantime is for bridgePorts.
func (s *scope) holds(i int) bool {
	o, c := s.release.Spec.Inventory[i], s.children[i]
	if o.Kind != "Service" || adopts(s.release) || !keepsFound(s.release, o) || s.workloadsReady() {
		return false
	}
	if c.live == nil {
		return !c.known // it may well be there: the cache will tell
	}
	return c.live.GetLabels()[platformv1alpha1.LabelAsFound] != ""
}

// workloadsReady says whether everything that has pods was written and is ready.
func (s *scope) workloadsReady() bool {
	for _, o := range s.release.Status.Objects {
		switch o.Kind {
		case "Deployment", "StatefulSet":
			if o.Applied == "" || o.Health != platformv1alpha1.ObjectReady {
				return false
			}
		}
	}
	return true
}

// mayWrite says what keeps a Release from writing an object that was found; nil for nothing.
func mayWrite(release *platformv1alpha1.Release, live *metav1.PartialObjectMetadata) error {
	if live == nil {
		if adopts(release) {
			return errNotThere
		}
		return nil // it was deleted since: it is made anew
	}
	owner, controller := live.Labels[platformv1alpha1.LabelOwnerUID], metav1.GetControllerOf(live)
	switch {
	case owner == string(release.Spec.Component.UID):
		if adopts(release) && live.Labels[platformv1alpha1.LabelAsFound] == "" {
			return errInFull
		}
		if controller != nil && live.Labels[platformv1alpha1.LabelAsFound] != "" {
			return &controlledError{*controller}
		}
		return nil
	case owner != "" || !adopts(release):
		return apply.ErrTaken
	case controller != nil:
		return &controlledError{*controller}
	case live.Annotations[platformv1alpha1.AnnotationAdoptBy] != release.Spec.Component.Name:
		return errNoConsent
	}
	return nil
}

// classifyFound turns what keeps an object from being taken over into a reason that helps, and says whether it
// was that.
func (s *scope) classifyFound(object *apply.ObjectError, what string) bool {
	component := s.release.Spec.Component.Name
	var selector *selectorError
	var controlled *controlledError
	switch {
	case errors.As(object, &controlled):
		owner := controlled.owner.Kind + " " + controlled.owner.Name
		s.fail(true, platformv1alpha1.ReasonObjectTaken, fmt.Sprintf(
			"%s is not taken over, whoever allowed it: %s controls it (an owner reference with controller: true), and would set back whatever the golden path sets. Put the Component in the place of %s, or take the object away from it.",
			what, owner, owner))
	case errors.As(object, &selector):
		s.fail(true, platformv1alpha1.ReasonApplyFailed, fmt.Sprintf(
			"%s was not taken over: %v. %s", what, selector, selector.next(s)))
	case errors.Is(object, errNotThere):
		s.fail(false, platformv1alpha1.ReasonObjectNotFound, fmt.Sprintf(
			"%s is to be taken over, and does not exist. Make it, or %s without it in adopt.", what, s.again()))
	case errors.Is(object, errNoConsent):
		s.fail(true, platformv1alpha1.ReasonConsentMissing, fmt.Sprintf(
			"%s is to be taken over, and whoever it belongs to has not allowed it. To allow it: kubectl -n %s annotate %s %s %s=%s",
			what, object.Namespace, strings.ToLower(object.Kind), object.Name, platformv1alpha1.AnnotationAdoptBy, component))
	case errors.Is(object, errInFull):
		s.fail(true, platformv1alpha1.ReasonObjectTaken, fmt.Sprintf(
			"%s cannot be taken over as it was found: %v. Set spec.deletionPolicy of Component %s to Orphan, so that it runs on; then %s, without it in adopt or with a new consent.", what, object.Err, component, s.again()))
	default:
		return false
	}
	return true
}

// again says how to begin the environment anew with another adopt, which cannot change.
func (s *scope) again() string {
	component := s.release.Spec.Component.Name
	if s.alone {
		return fmt.Sprintf("delete Component %s and make it again", component)
	}
	return fmt.Sprintf("take %s out of spec.environments of Component %s and put it in again", s.release.Spec.Environment.Name, component)
}

// letAllGo takes the labels and the ownership of Towpath off everything that a Release listed and that is still
// its Component's. What sleeps is woken first: nobody else would.
func (r *Reconciler) letAllGo(ctx context.Context, release *platformv1alpha1.Release) error {
	namespace := release.Spec.Environment.Namespace
	if ended, err := r.namespaceEnded(ctx, namespace); err != nil || ended {
		return err
	}
	if err := r.letClaimsGo(ctx, release); err != nil {
		return err
	}
	labels := render.ReleaseLabels(release)
	for _, o := range release.Spec.Inventory {
		live, err := r.find(ctx, release, o)
		if err != nil {
			return err
		}
		if live == nil || !live.DeletionTimestamp.IsZero() {
			continue
		}
		if live, err = r.wake(ctx, release, o, live); err != nil {
			return err
		}
		if live == nil {
			continue
		}
		if err := r.Writer.LetGo(ctx, environment.ApplierUser(namespace), namespace, o, live, labels); err != nil {
			return err
		}
	}
	return nil
}
