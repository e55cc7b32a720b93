package servicetemplate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/compatibility"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/template"
)

const (
	// keepLatest is how many of the newest revisions are kept though no Release refers to them.
	keepLatest = 10
	// pruneGrace is how long the revisions of a template that is gone are kept in any case.
	pruneGrace = 10 * time.Second
	// maxWarnings and maxWarning bound the warnings in the status.
	maxWarnings, maxWarning = 64, 1024
	// maxErrors bounds the errors in a condition, so that what follows them is not cut off.
	maxErrors = 4000
)

// scope is what one pass over a ServiceTemplate gathers.
type scope struct {
	serviceTemplate *platformv1alpha1.ServiceTemplate
	before          *platformv1alpha1.ServiceTemplate
	revisions       []platformv1alpha1.ServiceTemplateRevision
	// behind says that the cache lacks a revision that exists: nothing can be decided before it comes.
	behind bool
}

// latest returns the newest revision, nil where there is none.
func (s *scope) latest() *platformv1alpha1.ServiceTemplateRevision {
	var newest *platformv1alpha1.ServiceTemplateRevision
	for i := range s.revisions {
		if newest == nil || s.revisions[i].Spec.Number > newest.Spec.Number {
			newest = &s.revisions[i]
		}
	}
	return newest
}

// run compiles the template, and makes a revision where its content is new.
func (r *Reconciler) run(ctx context.Context, s *scope) error {
	status, generation := &s.serviceTemplate.Status, s.serviceTemplate.Generation
	if err := r.checkLatest(ctx, s); err != nil || s.behind {
		return err
	}
	if r.kinds.at(r.Clock.Now()) {
		r.Refresh()
	}
	_, warnings, errs := template.Compile(&s.serviceTemplate.Spec, r.Kinds)
	status.Warnings = nil
	for _, warning := range warnings[:min(len(warnings), maxWarnings)] {
		status.Warnings = append(status.Warnings, condition.Clip(warning, maxWarning))
	}
	if latest := s.latest(); latest != nil {
		status.LatestRevision = &platformv1alpha1.RevisionReference{Name: latest.Name, Number: latest.Spec.Number}
	}
	if unavailable := schemasUnavailable(errs); unavailable != nil {
		condition.Progressing(&status.Conditions, generation, platformv1alpha1.ReasonSchemaUnavailable, unavailable.Error())
		return unavailable
	}
	if len(errs) > 0 {
		message := condition.Clip(errs.ToAggregate().Error(), maxErrors)
		if status.LatestRevision != nil {
			message += fmt.Sprintf(". Revision %d keeps serving.", status.LatestRevision.Number)
		}
		condition.Stalled(&status.Conditions, generation, platformv1alpha1.ReasonCompileFailed, message)
		return nil
	}
	refused, err := r.compare(ctx, s)
	if err != nil {
		return err
	}
	if refused != "" {
		condition.Stalled(&status.Conditions, generation, platformv1alpha1.ReasonBreakingChange,
			condition.Clip(refused, maxErrors)+fmt.Sprintf(". Revision %d keeps serving.", status.LatestRevision.Number))
		return nil
	}
	ref, err := r.ensureRevision(ctx, s)
	if err != nil || s.behind {
		return err
	}
	status.LatestRevision = ref
	condition.Ready(&status.Conditions, generation, platformv1alpha1.ReasonCompiled, s.accepted(ref.Number))
	return nil
}

// accepted says which revision a template is, and why it may break Components where it needed leave for that.
func (s *scope) accepted(number int64) string {
	message := fmt.Sprintf("Compiled as revision %d.", number)
	rollout, before := s.serviceTemplate.Spec.Rollout, s.previous(number)
	if rollout == nil || rollout.AllowBreaking == nil || before == nil || before.Spec.Number != rollout.AllowBreaking.FromRevision ||
		!slices.ContainsFunc(s.serviceTemplate.Status.Changes, func(c platformv1alpha1.TemplateChange) bool { return c.Level == platformv1alpha1.ChangeBreaking }) {
		return message
	}
	return message + fmt.Sprintf(" Components could fail at what it changes, which is allowed from revision %d: %s", before.Spec.Number, rollout.AllowBreaking.Reason)
}

// compare puts what the template changes into the status, and says why it must not; empty where it may. What has
// become a revision already is compared with the one before that.
func (r *Reconciler) compare(ctx context.Context, s *scope) (refused string, err error) {
	status := &s.serviceTemplate.Status
	latest := s.latest()
	if latest == nil {
		status.Changes = nil
		return "", nil
	}
	hash, err := template.Hash(&s.serviceTemplate.Spec)
	if err != nil {
		return "", err
	}
	before, current := latest, latest.Spec.Hash == hash
	if current {
		if before = s.previous(latest.Spec.Number); before == nil {
			return "", nil // pruned, or the first one: what was said of it stands
		}
	}
	changes, err := compatibility.Compare(&before.Spec.Template, &s.serviceTemplate.Spec)
	if err != nil {
		return "", err
	}
	status.Changes = summarize(changes)
	if current {
		return "", nil
	}
	return refusal(ctx, r.Client, s.serviceTemplate, latest, changes)
}

// previous returns the newest revision below a number, nil where there is none.
func (s *scope) previous(number int64) *platformv1alpha1.ServiceTemplateRevision {
	var found *platformv1alpha1.ServiceTemplateRevision
	for i := range s.revisions {
		if n := s.revisions[i].Spec.Number; n < number && (found == nil || n > found.Spec.Number) {
			found = &s.revisions[i]
		}
	}
	return found
}

// checkLatest finds out whether the cache lacks the revision that the status names: templates and
// revisions come to it apart. Without that, the same content could become two revisions.
func (r *Reconciler) checkLatest(ctx context.Context, s *scope) error {
	known := s.before.Status.LatestRevision
	if latest := s.latest(); known == nil || latest != nil && latest.Spec.Number >= known.Number {
		return nil
	}
	var rev platformv1alpha1.ServiceTemplateRevision
	err := r.Live.Get(ctx, types.NamespacedName{Name: known.Name}, &rev)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ServiceTemplateRevision %s: %w", known.Name, err)
	}
	s.behind = err == nil
	return nil
}

// schemasUnavailable returns the error of an API server that did not give its schemas: the template
// may be fine.
func schemasUnavailable(errs field.ErrorList) error {
	for _, err := range errs {
		if err.Type == field.ErrorTypeInternal {
			return err
		}
	}
	return nil
}

// ensureRevision returns the newest revision where it has the template's content, and makes the next
// one otherwise. Going back to an older content is a new revision too: numbers only go up.
func (r *Reconciler) ensureRevision(ctx context.Context, s *scope) (*platformv1alpha1.RevisionReference, error) {
	hash, err := template.Hash(&s.serviceTemplate.Spec)
	if err != nil {
		return nil, err
	}
	number := int64(1)
	if latest := s.latest(); latest != nil {
		if latest.Spec.Hash == hash {
			return &platformv1alpha1.RevisionReference{Name: latest.Name, Number: latest.Spec.Number}, r.accept(ctx, latest, s.serviceTemplate.Spec.Maturity)
		}
		number = latest.Spec.Number + 1
	}
	if known := s.before.Status.LatestRevision; known != nil {
		number = max(number, known.Number+1) // also where somebody deleted that one
	}
	rev := &platformv1alpha1.ServiceTemplateRevision{
		ObjectMeta: metav1.ObjectMeta{Name: revision.Name(s.serviceTemplate.Name, number)},
		Spec: platformv1alpha1.ServiceTemplateRevisionSpec{
			TemplateName: s.serviceTemplate.Name, Number: number, Hash: hash, Template: template.Content(&s.serviceTemplate.Spec),
		},
	}
	err = r.Create(ctx, rev)
	if apierrors.IsAlreadyExists(err) {
		s.behind = true // made in a pass that ended before it wrote the status
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("creating ServiceTemplateRevision %s: %w", rev.Name, err)
	}
	ctrl.LoggerFrom(ctx).Info("Created a revision", "revision", rev.Name)
	s.revisions = append(s.revisions, *rev)
	return &platformv1alpha1.RevisionReference{Name: rev.Name, Number: number}, r.accept(ctx, rev, s.serviceTemplate.Spec.Maturity)
}

// accept sets Ready on a revision: only what compiled becomes one. It notes how far the revision may be relied on, too,
// and what was promised once stands.
func (r *Reconciler) accept(ctx context.Context, rev *platformv1alpha1.ServiceTemplateRevision, maturity platformv1alpha1.Maturity) error {
	promised := rev.Status.Maturity
	switch {
	case maturity != platformv1alpha1.MaturityExperimental:
		promised = platformv1alpha1.MaturityStable
	case promised == "":
		promised = platformv1alpha1.MaturityExperimental
	}
	if meta.IsStatusConditionTrue(rev.Status.Conditions, platformv1alpha1.ConditionReady) && promised == rev.Status.Maturity {
		return nil
	}
	before := rev.DeepCopy()
	rev.Status.ObservedGeneration, rev.Status.Maturity = rev.Generation, promised
	condition.Ready(&rev.Status.Conditions, rev.Generation, platformv1alpha1.ReasonCompiled, "The revision compiled.")
	if err := r.Status().Patch(ctx, rev, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("writing the status of ServiceTemplateRevision %s: %w", rev.Name, err)
	}
	return nil
}

// gone knows since when templates do not exist. The zero value knows none.
type gone struct {
	mu    sync.Mutex
	times map[string]time.Time
}

// since returns how long the revisions of a template that is gone must still be left alone: a Release
// that was made of one a moment ago may not be in the cache yet.
func (g *gone) since(name string, hasRevisions bool, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !hasRevisions {
		delete(g.times, name)
		return 0
	}
	first, ok := g.times[name]
	if !ok {
		if g.times == nil {
			g.times = map[string]time.Time{}
		}
		first = now
		g.times[name] = now
	}
	return first.Add(pruneGrace).Sub(now)
}

func (g *gone) forget(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.times, name)
}

// prune deletes revisions that no Release, no pin and no Build that runs refers to, but for the newest ones.
func (r *Reconciler) prune(ctx context.Context, name string, revisions []platformv1alpha1.ServiceTemplateRevision, keep int64) error {
	var newest int64
	for i := range revisions {
		newest = max(newest, revisions[i].Spec.Number)
	}
	used, err := r.used(ctx, name)
	if err != nil {
		return err
	}
	for i := range revisions {
		rev := &revisions[i]
		if rev.Spec.Number > newest-keep || used[rev.Spec.Number] || !rev.DeletionTimestamp.IsZero() {
			continue
		}
		if err := r.Delete(ctx, rev, client.Preconditions{UID: &rev.UID}); client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			return fmt.Errorf("deleting ServiceTemplateRevision %s: %w", rev.Name, err)
		}
	}
	return nil
}

// used returns the numbers of a template's revisions that a Release, a pin or a Build that runs refers to.
func (r *Reconciler) used(ctx context.Context, name string) (map[int64]bool, error) {
	used := map[int64]bool{}
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.MatchingFields{index.ReleaseTemplate: name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Releases: %w", err)
	}
	for i := range releases.Items {
		used[releases.Items[i].Spec.Revision.Number] = true
	}
	var components platformv1alpha1.ComponentList
	if err := r.List(ctx, &components, client.MatchingFields{index.ComponentTemplate: name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Components: %w", err)
	}
	for i := range components.Items {
		if pin := components.Items[i].Spec.TemplateRef.Revision; pin != nil {
			used[*pin] = true
		}
	}
	var builds platformv1alpha1.BuildList
	if err := r.List(ctx, &builds, client.MatchingFields{index.BuildRunning: name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Builds: %w", err)
	}
	for i := range builds.Items {
		used[builds.Items[i].Status.Place.Revision] = true
	}
	return used, nil
}
