package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/readiness"
	"github.com/towpath-dev/towpath/internal/render"
)

// maxObjectMessage bounds the message of one object in the status.
const maxObjectMessage = 1024

// run brings the objects of the newest Release about, and looks how they are.
func (r *Reconciler) run(ctx context.Context, s *scope) error {
	if s.git != nil || s.unknownDelivery {
		return r.runByGit(ctx, s)
	}
	loadErr := r.load(ctx, s)
	if err := r.observe(ctx, s); err != nil {
		return err
	}
	r.initObjects(s)
	if s.differs() {
		overtaken, err := r.overtaken(ctx, s)
		if err != nil || overtaken {
			return err
		}
		if loadErr == nil && s.template != nil {
			loadErr = r.render(s)
		}
	}
	if loadErr != nil {
		r.judge(s)
		return loadErr
	}
	writeErr := r.write(ctx, s)
	r.judge(s)
	if err := r.diagnose(ctx, s); err != nil {
		return err
	}
	if writeErr != nil || !s.applied {
		return writeErr
	}
	pruneErr := r.prune(ctx, s)
	if pruneErr == nil {
		r.renew(ctx, s)
	}
	return errors.Join(pruneErr, r.labelClaims(ctx, s))
}

// load finds the compiled revision.
func (r *Reconciler) load(ctx context.Context, s *scope) error {
	compiled, err := r.Revisions.Get(ctx, s.release.Spec.Revision.Name)
	if apierrors.IsNotFound(err) {
		s.fail(true, platformv1alpha1.ReasonRevisionMissing, fmt.Sprintf(
			"ServiceTemplateRevision %s does not exist any more: what runs goes on running, but nothing can be written. Change the Component to make a new Release.",
			s.release.Spec.Revision.Name))
		return nil
	}
	if err != nil {
		s.fail(true, platformv1alpha1.ReasonRenderFailed, err.Error())
		return err
	}
	s.template = compiled
	return nil
}

// differs says whether anything is not as our last write left it. Else nothing needs to be rendered.
func (s *scope) differs() bool {
	for i := range s.children {
		if s.needsWrite(i) {
			return true
		}
	}
	return false
}

// overtaken says that a newer Release came since the pass began. What it has written by now would pass for drift, and be
// taken back: no Release writes before the cache shows it, and the objects were read after.
func (r *Reconciler) overtaken(ctx context.Context, s *scope) (bool, error) {
	siblings, err := r.siblingsOf(ctx, s.release)
	if err != nil {
		return false, err
	}
	s.overtaken = slices.ContainsFunc(siblings, func(other platformv1alpha1.Release) bool {
		return other.Opened() && other.Spec.Number > s.release.Spec.Number && other.DeletionTimestamp.IsZero()
	})
	return s.overtaken, nil
}

// render makes the objects again, from the Release and its revision alone.
func (r *Reconciler) render(s *scope) error {
	objects, err := render.Release(s.template, s.release)
	if err != nil {
		s.fail(true, platformv1alpha1.ReasonRenderFailed, err.Error())
		return err
	}
	if err := matchInventory(s.release.Spec.Inventory, objects); err != nil {
		s.fail(true, platformv1alpha1.ReasonRenderFailed, err.Error())
		return err
	}
	s.objects = objects
	if s.asleep {
		s.putToSleep()
	}
	return nil
}

// matchInventory holds the rendered objects to the inventory: what stands in no inventory would
// never be pruned.
func matchInventory(inventory []platformv1alpha1.ReleaseObject, objects []render.Object) error {
	rendered := render.Inventory(objects)
	if len(inventory) != len(rendered) {
		return fmt.Errorf("the inventory lists %d objects, but %d were rendered", len(inventory), len(rendered))
	}
	for i, o := range rendered {
		if inventory[i] != o {
			return fmt.Errorf("object %d of the inventory is %s %s, but %s %s was rendered",
				i, inventory[i].Kind, inventory[i].Name, o.Kind, o.Name)
		}
	}
	return nil
}

// observe reads from the cache what is there, and begins to watch kinds not watched yet.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	s.children = make([]child, len(s.release.Spec.Inventory))
	for i, o := range s.release.Spec.Inventory {
		if err := r.children.ensure(gvkOf(o)); err != nil {
			if !apply.KindUnavailable(err) {
				return err
			}
			s.fail(false, platformv1alpha1.ReasonKindUnavailable, fmt.Sprintf(
				"The cluster does not serve %s of %s, which resource %s needs. Install its CustomResourceDefinition, or change the Component to make a new Release without it.",
				o.Kind, o.APIVersion, o.Resource))
			s.lookAgain(retryUnavailable)
			s.children[i] = child{known: true, listed: true}
			continue
		}
		c, err := r.children.get(ctx, inventoryKey(s.release, o))
		if err != nil {
			return err
		}
		if !c.known && c.live == nil {
			s.lookAgain(retryUnlisted)
		}
		s.children[i] = c
	}
	return nil
}

// record takes the results of the writes into the status. The errors it returns are those that may
// pass by themselves.
func (r *Reconciler) record(ctx context.Context, s *scope, results []apply.Result, wanted int) error {
	var errs []error
	written := 0
	for i, result := range results {
		status := &s.release.Status.Objects[i]
		key := inventoryKey(s.release, status.ReleaseObject)
		if apierrors.IsConflict(result.Err) && s.counted[i] != "" {
			s.lookAgain(retryCounted) // it is counted anew; until then it is as it was
			continue
		}
		if result.Err != nil {
			err := r.explain(ctx, s.release, status.ReleaseObject, result.Err)
			s.refuse(i, err)
			switch {
			case apply.KindUnavailable(err):
				s.lookAgain(retryUnavailable)
			case apply.Terminating(err):
				// No error: the pauses between tries would grow for as long as the namespace takes to go, and hold up
				// the first try in the one that is made anew.
				s.lookAgain(retryTerminating)
			case apply.Final(err):
				s.lookAgain(r.refusals.add(key, s.release.UID, err, r.Clock.Now()))
			default:
				errs = append(errs, err)
			}
			continue
		}
		if !result.Written {
			continue
		}
		written++
		r.refusals.forget(key)
		if status.Applied != "" && s.children[i].live != nil && result.Owned != status.Applied && !s.turns(i) {
			ctrl.LoggerFrom(ctx).Info("Restored fields that somebody else had changed", "kind", status.Kind, "name", status.Name)
		}
		status.UID, status.Applied = result.UID, result.Owned
		r.children.writes.Wrote(key, result.ResourceVersion)
		s.children[i].known = false // what the cache shows is from before the write
		if status.Health == platformv1alpha1.ObjectMissing || status.Health == platformv1alpha1.ObjectFailed || status.Health == "" {
			status.Health, status.Message = platformv1alpha1.ObjectProgressing, "Applied."
		}
		s.wroteSleep(i)
	}
	s.applied = len(errs) == 0 && written == wanted && s.problem == nil && len(s.held) == 0
	return errors.Join(errs...)
}

// explain looks whose an object is that the API server refused. It validates before it asks the
// ownership policy: another's Deployment with another selector is refused as invalid.
func (r *Reconciler) explain(ctx context.Context, release *platformv1alpha1.Release, o platformv1alpha1.ReleaseObject, refused error) error {
	if !apply.Final(refused) || apply.Taken(refused) {
		return refused
	}
	live, err := r.read(ctx, release, o)
	if err != nil || live == nil || live.Labels[platformv1alpha1.LabelOwnerUID] == string(release.Spec.Component.UID) {
		return refused // what the API server said stands, and is true either way
	}
	return &apply.ObjectError{
		APIVersion: o.APIVersion, Kind: o.Kind, Namespace: release.Spec.Environment.Namespace, Name: o.Name,
		Doing: "applying", Err: apply.ErrTaken,
	}
}

// refuse takes the error of one object into the status.
func (s *scope) refuse(i int, err error) {
	s.classify(err)
	status := &s.release.Status.Objects[i]
	status.Health, status.Message = platformv1alpha1.ObjectFailed, condition.Clip(err.Error(), maxObjectMessage)
	s.children[i].known = false // the message above says more than the cache
}

// classify turns an error of the API server into a reason that helps.
func (s *scope) classify(err error) {
	var object *apply.ObjectError
	if !errors.As(err, &object) {
		return
	}
	what := fmt.Sprintf("%s %s in namespace %s", object.Kind, object.Name, object.Namespace)
	if s.classifyFound(object, what) || s.classifyRefused(object) {
		return
	}
	switch {
	case apply.Taken(err):
		s.fail(true, platformv1alpha1.ReasonObjectTaken, fmt.Sprintf(
			"%s exists and belongs to somebody else; Towpath does not touch it. Rename or delete it, or rename the Component.", what))
	case apply.KindUnavailable(err):
		s.fail(false, platformv1alpha1.ReasonKindUnavailable, fmt.Sprintf("%s cannot be written: the cluster does not serve its kind.", what))
	case apply.Final(err):
		s.fail(true, platformv1alpha1.ReasonApplyFailed, fmt.Sprintf(
			"%s was refused by the API server: %v. Change the Component's parameters, or the template.", what, object.Err))
	case apply.Terminating(err):
		s.fail(false, platformv1alpha1.ReasonApplyFailed, fmt.Sprintf("%s waits: the namespace is being deleted, and will be made anew.", what))
	default:
		s.fail(false, platformv1alpha1.ReasonApplyFailed, fmt.Sprintf("%s could not be written, and is tried again: %v.", what, object.Err))
	}
}

// needsWrite says whether an object is not as our last write left it, or sleeps where it should not, or does not where
// it should.
func (s *scope) needsWrite(i int) bool {
	c := s.children[i]
	return needsWrite(&s.release.Status.Objects[i], c) || c.known && c.live != nil && c.live.GetDeletionTimestamp().IsZero() && s.turns(i)
}

// needsWrite says whether an object is not as our last write left it.
func needsWrite(status *platformv1alpha1.ReleaseObjectStatus, c child) bool {
	switch {
	case status.Applied == "":
		return true
	case !c.known:
		return false
	case c.live == nil:
		return true
	case !c.live.GetDeletionTimestamp().IsZero():
		return false // made again when it is gone
	default:
		return c.live.GetUID() != status.UID || c.owned() != status.Applied
	}
}

// initObjects gives the status an entry for each object of the inventory.
func (r *Reconciler) initObjects(s *scope) {
	if len(s.release.Status.Objects) == len(s.release.Spec.Inventory) {
		return
	}
	s.release.Status.Objects = make([]platformv1alpha1.ReleaseObjectStatus, len(s.release.Spec.Inventory))
	for i, o := range s.release.Spec.Inventory {
		s.release.Status.Objects[i] = platformv1alpha1.ReleaseObjectStatus{ReleaseObject: o, Health: platformv1alpha1.ObjectMissing}
	}
}

// policy is what the guard holds the objects of a Release to.
func (r *Reconciler) policy(release *platformv1alpha1.Release) guard.Policy {
	policy := render.Policy(release)
	policy.Namespaced = r.Writer.Namespaced
	return policy
}

// prune deletes what only older Releases listed, and lets those go. What is to be deleted serves
// until this Release is ready, so that a roll-out which renames a Deployment drops no request.
func (r *Reconciler) prune(ctx context.Context, s *scope) error {
	keep := map[childKey]bool{}
	for _, o := range s.release.Spec.Inventory {
		keep[inventoryKey(s.release, o)] = true
	}
	for i := range s.older {
		old := &s.older[i]
		if !s.proven() && !covers(keep, old) || s.tellsOfStart(old) {
			continue
		}
		if old.DeletionTimestamp.IsZero() && old.Status.SupersededAt == nil {
			continue // it is about to be marked as superseded, and the event of that will wake the Release
		}
		if s.git != nil {
			if waits := r.withdraw(s, old); waits != "" {
				ctrl.LoggerFrom(ctx).V(1).Info("Keeps an older Release, whose branch is not taken back yet", "release", old.Name, "why", waits)
				continue
			}
		}
		gone, err := r.remove(ctx, old, keep)
		if err != nil {
			s.fail(false, platformv1alpha1.ReasonPruneFailed, fmt.Sprintf("What only Release %s had could not be deleted, and is tried again: %v.", old.Name, err))
			return err
		}
		if !gone {
			continue // the event of its deletion will wake the Release
		}
		if err := r.letGo(ctx, s, old); err != nil {
			return err
		}
	}
	return nil
}

// covers says whether everything that a Release listed is kept.
func covers(keep map[childKey]bool, release *platformv1alpha1.Release) bool {
	for _, o := range release.Spec.Inventory {
		if !keep[inventoryKey(release, o)] {
			return false
		}
	}
	return true
}

// letGo takes the finalizer off a Release of which nothing is left.
func (r *Reconciler) letGo(ctx context.Context, s *scope, release *platformv1alpha1.Release) error {
	before := release.DeepCopy()
	if !controllerutil.RemoveFinalizer(release, platformv1alpha1.Finalizer) {
		return nil
	}
	err := r.Patch(ctx, release, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if apierrors.IsConflict(err) {
		// As a rule it changed a moment ago, and the event of that is on its way.
		s.lookAgain(retryConflict)
		return nil
	}
	if err != nil {
		return fmt.Errorf("taking the finalizer off Release %s: %w", release.Name, err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(release), release.ResourceVersion)
	r.looks.forget(release.UID)
	r.renewals.forget(release.UID)
	r.courier.forget(release.UID)
	for _, o := range release.Spec.Inventory {
		r.refusals.forgetOf(inventoryKey(release, o), release.UID)
	}
	return nil
}

// judge sets the health of each object.
func (r *Reconciler) judge(s *scope) {
	for i := range s.release.Status.Objects {
		status, c := &s.release.Status.Objects[i], s.children[i]
		if s.judgeSleep(i) || !c.known {
			continue
		}
		health, message := readiness.Of(c.live, r.rule(s, status.Resource))
		if health == platformv1alpha1.ObjectReady {
			message = "" // what a ready object says changes all the time, and each time would be a write
		}
		status.Health, status.Message = health, condition.Clip(message, maxObjectMessage)
		if s.held[i] {
			status.Health, status.Message = platformv1alpha1.ObjectProgressing, s.whileHeld(i)
		}
	}
	s.wakes()
	if len(s.held) > 0 && s.workloadsReady() {
		s.lookAgain(time.Second) // now it can go on
	}
}

// rule returns the template's own rule of readiness for a resource, nil for none.
func (r *Reconciler) rule(s *scope, resource string) *readiness.ReadyWhen {
	if s.template == nil || !s.template.HasReadyWhen(resource) {
		return nil
	}
	return &readiness.ReadyWhen{
		Expression: s.template.ReadyWhenSource(resource),
		Eval: func(self map[string]any) (bool, error) {
			ready, _, err := s.template.ReadyWhen(resource, self)
			return ready, err
		},
	}
}

// describe names the objects of one health, for messages.
func describe(objects []platformv1alpha1.ReleaseObjectStatus, health platformv1alpha1.ObjectHealth) string {
	var names []string
	for _, o := range objects {
		if o.Health != health {
			continue
		}
		name := o.Kind + " " + o.Name
		if o.Message != "" {
			name += ": " + strings.TrimSuffix(o.Message, ".")
		}
		names = append(names, name)
	}
	return strings.Join(names, "; ")
}

func gvkOf(o platformv1alpha1.ReleaseObject) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
}
