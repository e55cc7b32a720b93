package release

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/render"
)

const (
	// followOwner owns the fields of what has Argo CD or Flux follow a repository.
	followOwner = client.FieldOwner("towpath-delivery")
	// lookSync is how often to look what the tool says, while not everything is applied. It is not watched: the manager may read these
	// kinds in one namespace alone, and the objects themselves, which are watched, tell when they are applied.
	lookSync = 10 * time.Second
)

// follow has Argo CD or Flux follow the directory of the Release, where the class asks for it, and takes what it says into the
// status. Once everything is applied and ready, it is not asked any more.
func (r *Reconciler) follow(ctx context.Context, s *scope) error {
	if !s.delivered || s.problem != nil {
		return nil
	}
	if s.git.Reconciler == nil {
		s.suspended(false, r.now())
		return nil
	}
	if d := s.release.Status.Delivery; s.ready() && s.arrived() && d.SyncedRevision != "" && !d.Suspended() {
		return nil
	}
	s.lookAgain(lookSync)
	kinds, wanted := s.followers()
	served, err := r.Capabilities.Available(ctx, kinds)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if !slices.Contains(served, kind) {
			s.fail(false, platformv1alpha1.ReasonKindUnavailable, fmt.Sprintf("The cluster does not serve %s, which EnvironmentClass %s needs: install %s, or leave reconciler out of the class.",
				kind, s.release.Spec.Environment.Class, s.git.Reconciler.Type))
			s.lookAgain(retryUnavailable)
			return nil
		}
	}
	var kept []*unstructured.Unstructured
	for _, want := range wanted {
		live, err := r.keepFollower(ctx, s, want)
		if err != nil || live == nil {
			return err
		}
		kept = append(kept, live)
	}
	if s.hearOf(kept, r.now()) && s.git.Reconciler.Type == platformv1alpha1.ReconcilerArgoCD {
		return r.retry(ctx, kept[0])
	}
	return nil
}

// retry has Argo CD try again what it has given up, as Flux does by itself: what failed may have passed, and Argo CD tries no commit again
// that it has given up.
func (r *Reconciler) retry(ctx context.Context, application *unstructured.Unstructured) error {
	if since := delivery.GivenUp(application); since.IsZero() || r.Clock.Since(since) < delivery.RetryApplication {
		return nil
	}
	again := application.DeepCopy()
	again.Object["operation"] = delivery.Retry()
	err := r.Patch(ctx, again, client.MergeFromWithOptions(application, client.MergeFromWithOptimisticLock{}), followOwner)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) { // somebody has changed it: that is seen with the next look
		return nil
	}
	if err != nil {
		return fmt.Errorf("having Argo CD apply Application %s/%s again: %w", again.GetNamespace(), again.GetName(), err)
	}
	return nil
}

// arrived says whether every object is of the Release. Whatever keeps the tool from applying more does not matter to it then.
func (s *scope) arrived() bool {
	return !slices.ContainsFunc(s.children, func(c child) bool {
		return c.live == nil || c.live.GetAnnotations()[platformv1alpha1.AnnotationDelivered] != string(s.release.UID)
	})
}

// followers are the kinds that are needed, and the objects to make.
func (s *scope) followers() (kinds []string, wanted []*unstructured.Unstructured) {
	git := s.git
	f := delivery.Follower{Target: targetOf(s.release), Namespace: git.Reconciler.Namespace, Labels: render.ReleaseLabels(s.release),
		URL: git.URL, Branch: git.Branch, Path: s.directory(), Project: git.Reconciler.Project, Account: git.AppliedBy.Name, Secret: git.Reconciler.SecretName}
	if git.Reconciler.Type == platformv1alpha1.ReconcilerArgoCD {
		return []string{delivery.ApplicationKind}, []*unstructured.Unstructured{f.Application()}
	}
	return []string{delivery.GitRepositoryKind, delivery.KustomizationKind}, []*unstructured.Unstructured{f.GitRepository(), f.Kustomization()}
}

// keepFollower makes an object, or mends it where it is not as it should be. It returns none where that is somebody else's.
func (r *Reconciler) keepFollower(ctx context.Context, s *scope, want *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	what := fmt.Sprintf("%s %s/%s", want.GetKind(), want.GetNamespace(), want.GetName())
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(want.GroupVersionKind())
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(want), live)
	switch {
	case apierrors.IsForbidden(err):
		s.notFollowed(what, err)
		return nil, nil
	case apierrors.IsNotFound(err):
		live = nil
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", what, err)
	case !live.GetDeletionTimestamp().IsZero():
		return nil, nil // it is made anew when it is gone
	case !ours(live, want):
		s.fail(true, platformv1alpha1.ReasonObjectTaken, what+" exists and belongs to somebody else; Towpath does not touch it. Rename or delete it.")
		return nil, nil
	}
	s.askFetch(live, want)
	if live != nil && delivery.Holds(live.Object["spec"], want.Object["spec"]) && holdsAll(live.GetAnnotations(), want.GetAnnotations()) {
		return live, nil
	}
	err = r.Apply(ctx, client.ApplyConfigurationFromUnstructured(want), followOwner, client.ForceOwnership)
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsNotFound(err) {
		s.notFollowed(what, err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("applying %s: %w", what, err)
	}
	return want, nil
}

func holdsAll(live, want map[string]string) bool {
	for key, value := range want {
		if live[key] != value {
			return false
		}
	}
	return true
}

// askFetch has what is wanted tell Flux or Argo CD to look at the repository at once, where it has not since the Release was delivered: by
// itself Flux looks once a minute, and Argo CD every two or three. What was asked of a GitRepository for a newer Release stays, so that those
// that share a repository do not ask in turns.
func (s *scope) askFetch(live, want *unstructured.Unstructured) {
	d := s.release.Status.Delivery
	switch kind := want.GroupVersionKind().Kind; {
	case kind == "Application":
		annotations := delivery.AskApplication(live, d.Commit, d.DeliveredAt.Time)
		maps.Copy(annotations, want.GetAnnotations())
		want.SetAnnotations(annotations)
	case kind == "GitRepository" && live != nil:
		asked := live.GetAnnotations()[delivery.AnnotationFetch]
		if !delivery.Fetched(live, d.Commit, d.DeliveredAt.Time) {
			asked = delivery.FetchRequest(d.Commit, d.DeliveredAt.Time)
		}
		if asked != "" {
			want.SetAnnotations(map[string]string{delivery.AnnotationFetch: asked})
		}
	}
}

func (s *scope) notFollowed(what string, err error) {
	s.fail(false, platformv1alpha1.ReasonSyncFailed, condition.Clip(fmt.Sprintf("%s cannot be made: %v. %s", what, err, s.letFollow(err)), maxDeliveryMessage))
	s.lookAgain(retryUnavailable)
}

// letFollow says what to do where the manager may not write what follows a repository. Whom a policy refuses has the overlay already.
func (s *scope) letFollow(err error) string {
	if strings.Contains(err.Error(), "ValidatingAdmissionPolicy '") {
		return fmt.Sprintf("This is for the platform team: name in the policy what EnvironmentClass %s says of its repository and project, or mend what the policy refuses in the class.",
			s.release.Spec.Environment.Class)
	}
	return fmt.Sprintf("This is for the platform team: apply the overlay of config/overlays for %s, and see that its namespace exists.", s.git.Reconciler.Type)
}

// hearOf takes into the status what the tool says of the Release, in the objects that followers named, and says whether it failed.
func (s *scope) hearOf(kept []*unstructured.Unstructured, now *metav1.Time) (failed bool) {
	d := s.release.Status.Delivery
	var said delivery.Followed
	if s.git.Reconciler.Type == platformv1alpha1.ReconcilerArgoCD {
		said = delivery.ReadApplication(kept[0], d.Commit, d.DeliveredAt.Time)
	} else {
		said = delivery.ReadFlux(kept[0], kept[1], d.Commit, d.DeliveredAt.Time)
	}
	if said.Revision != "" {
		d.SyncedRevision = condition.Clip(said.Revision, 512)
	}
	arrived := s.arrived()
	s.suspended(said.Suspended && !arrived, now)
	if said.Failure != "" && !arrived {
		s.fail(false, platformv1alpha1.ReasonSyncFailed, condition.Clip(fmt.Sprintf("%s cannot apply commit %.12s: %s",
			s.git.Reconciler.Type, d.Commit, delivery.OneLine(said.Failure, 700)), maxDeliveryMessage))
	}
	return said.Failure != "" && !arrived && !said.Suspended
}

// suspended takes note of when somebody suspends what the Release waits for, and resumes it.
func (s *scope) suspended(is bool, now *metav1.Time) {
	switch d := s.release.Status.Delivery; {
	case is && !d.Suspended():
		d.SuspendedAt, d.ResumedAt = now, nil
	case !is && d.Suspended():
		d.ResumedAt = now
	}
}

// unfollow deletes what follows the directory of the Release, and says what is awaited; nothing once it is gone. The tool deletes then
// what it applied. The GitRepository stays: others follow it. So does what does not bear the labels of Towpath any more: it is somebody's, and
// no policy would let it be deleted.
func (r *Reconciler) unfollow(ctx context.Context, s *scope) (waits string, err error) {
	kinds, wanted := s.followers()
	served, err := r.Capabilities.Available(ctx, kinds)
	if err != nil || len(served) < len(kinds) {
		return "", err
	}
	last := wanted[len(wanted)-1]
	what := fmt.Sprintf("%s %s/%s", last.GetKind(), last.GetNamespace(), last.GetName())
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(last.GroupVersionKind())
	err = r.Live.Get(ctx, types.NamespacedName{Namespace: last.GetNamespace(), Name: last.GetName()}, live)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case apierrors.IsForbidden(err):
		return s.stillFollowed(what, err), nil
	case err != nil:
		return "", fmt.Errorf("reading %s: %w", what, err)
	case !ours(live, last):
		r.Recorder.Eventf(s.release, nil, corev1.EventTypeWarning, platformv1alpha1.ReasonObjectTaken, "Unfollow",
			"%s does not bear the labels of Towpath and of this Component, and so is left: delete it, if it is nobody's.", what)
		return "", nil
	}
	if live.DeletionTimestamp.IsZero() {
		uid := live.UID
		err = client.IgnoreNotFound(r.Delete(ctx, live, client.Preconditions{UID: &uid}))
		if apierrors.IsForbidden(err) {
			return s.stillFollowed(what, err), nil
		}
	}
	return what + " is being deleted, and deletes the objects." + delivery.LeftAlone(live), err
}

func (s *scope) stillFollowed(what string, err error) string {
	s.lookAgain(retryUnavailable)
	return condition.Clip(fmt.Sprintf("%s cannot be deleted, and it is tried again: %v. %s Or delete it by hand.", what, err, s.letFollow(err)), maxDeliveryMessage)
}

// ours says whether what follows a directory is Towpath's, and of the Component that it should be of.
func ours(live, want metav1.Object) bool {
	return live.GetLabels()[platformv1alpha1.LabelOwnerUID] == want.GetLabels()[platformv1alpha1.LabelOwnerUID] &&
		live.GetLabels()["app.kubernetes.io/managed-by"] == platformv1alpha1.ManagedBy
}
