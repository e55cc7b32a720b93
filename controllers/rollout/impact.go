package rollout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/impact"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/template"
)

const (
	// assessSlice is how many environments one pass looks at: each is rendered twice. assessPause is what lies between
	// two passes, so that a template with thousands of Components holds up no other.
	assessSlice, assessPause = 50, 100 * time.Millisecond
)

// Capabilities tells which optional APIs the cluster serves.
type Capabilities interface {
	// Available returns those of the given group/version/Kind names that the cluster serves now.
	Available(ctx context.Context, names []string) ([]string, error)
}

// assessment is how far the impact of a revision is counted.
type assessment struct {
	template types.UID
	revision int64
	// places that are still to be looked at.
	places []assessed
	impact platformv1alpha1.RolloutImpact
}

// assessed is a place, and the Release in it that is compared with the revision: the newest of an older one. So the
// figures are the same whether the roll-out has been there already or not.
type assessed struct {
	impact.Place
	release types.NamespacedName
}

// assessments are those under way. The zero value has none.
type assessments struct {
	mu     sync.Mutex
	byName map[string]*assessment
}

func (a *assessments) of(st *platformv1alpha1.ServiceTemplate, number int64) *assessment {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.byName[st.Name]
	if known == nil || known.template != st.UID || known.revision != number {
		return nil
	}
	return known
}

func (a *assessments) keep(name string, of *assessment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byName == nil {
		a.byName = map[string]*assessment{}
	}
	a.byName[name] = of
}

func (a *assessments) forget(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byName, name)
}

// foresee has what the newest revision does to those who follow the template counted, once, a slice each pass. With waves it
// stands in the status of the roll-out while that is under way, else beside it, where it stays. It returns when to go on; 0
// where there is nothing to do.
func (r *Reconciler) foresee(ctx context.Context, st *platformv1alpha1.ServiceTemplate, status *platformv1alpha1.ServiceTemplateStatus) (time.Duration, error) {
	switch rollout := status.Rollout; {
	case rollout != nil:
		status.Impact = nil
		if rollout.State == platformv1alpha1.RolloutComplete || rollout.Impact != nil {
			break
		}
		counted, again, err := r.assess(ctx, st, rollout.Revision)
		rollout.Impact = counted
		return again, err
	case !inWaves(st) && uncounted(status):
		number := status.LatestRevision.Number
		counted, again, err := r.assess(ctx, st, number)
		if counted != nil {
			status.Impact = &platformv1alpha1.RevisionImpact{Revision: number, RolloutImpact: *counted}
		}
		return again, err
	}
	r.assessments.forget(st.Name)
	return 0, nil
}

// uncounted says that the newest revision is one of those that are counted, and was not. There was nobody before the first.
func uncounted(status *platformv1alpha1.ServiceTemplateStatus) bool {
	latest := status.LatestRevision
	return latest != nil && latest.Number > 1 && (status.Impact == nil || status.Impact.Revision != latest.Number)
}

// assess counts what a revision does, as far as one pass goes. It returns the figures once they are complete, and else when to
// go on.
func (r *Reconciler) assess(ctx context.Context, st *platformv1alpha1.ServiceTemplate, number int64) (*platformv1alpha1.RolloutImpact, time.Duration, error) {
	compiled, err := r.Revisions.Get(ctx, revision.Name(st.Name, number))
	if err != nil {
		return nil, 0, fmt.Errorf("reading revision %d of ServiceTemplate %s: %w", number, st.Name, err)
	}
	a := r.assessments.of(st, number)
	if a == nil {
		if a, err = r.survey(ctx, st, number); err != nil {
			return nil, 0, err
		}
		r.assessments.keep(st.Name, a)
	}
	for range min(assessSlice, len(a.places)) {
		changes, cannot, found, err := r.effect(ctx, a.places[0].release, compiled, number)
		if err != nil {
			return nil, 0, err
		}
		if found {
			impact.Tally(&a.impact, a.places[0].Place, changes, cannot)
		}
		a.places = a.places[1:]
	}
	if len(a.places) > 0 {
		return nil, assessPause, nil
	}
	return a.impact.DeepCopy(), 0, nil
}

// survey finds out where the template is followed.
func (r *Reconciler) survey(ctx context.Context, st *platformv1alpha1.ServiceTemplate, number int64) (*assessment, error) {
	components, ran, err := r.running(ctx, st.Name)
	if err != nil {
		return nil, err
	}
	a := &assessment{template: st.UID, revision: number}
	for i := range components {
		component := &components[i]
		if component.Spec.TemplateRef.Revision != nil {
			a.impact.Pinned++
			continue
		}
		for _, step := range component.Spec.Environments {
			var base *platformv1alpha1.Release
			for _, release := range ran[index.OwnerKey(component.UID, step.Name)] {
				if release.Spec.Revision.Number < number && release.Spec.Cause != platformv1alpha1.CauseAdoption && (base == nil || base.Spec.Number < release.Spec.Number) {
					base = release
				}
			}
			if base == nil {
				continue // nothing of the golden path ran there before
			}
			a.places = append(a.places, assessed{
				Place:   impact.Place{Namespace: component.Namespace, Component: component.Name, Environment: step.Name, Tier: base.Spec.Environment.Tier},
				release: client.ObjectKeyFromObject(base),
			})
		}
	}
	return a, nil
}

// effect says what a revision does to the objects of a Release, or why it cannot be had; found is false where the
// Release, or what it was rendered from, is gone.
func (r *Reconciler) effect(ctx context.Context, key types.NamespacedName, compiled *template.Template, number int64) (changes []impact.Change, cannot string, found bool, err error) {
	var release platformv1alpha1.Release
	if err := r.Get(ctx, key, &release); err != nil {
		return nil, "", false, client.IgnoreNotFound(err)
	}
	old, err := r.Revisions.Get(ctx, release.Spec.Revision.Name)
	if apierrors.IsNotFound(err) {
		return nil, "", false, nil
	}
	if err != nil {
		return nil, "", false, err
	}
	before, err := render.Release(old, &release)
	if err != nil {
		return nil, "", false, nil //nolint:nilerr // what ran does not render any more, and so there is nothing to compare
	}
	if err := r.advance(ctx, &release, compiled, number); err != nil {
		return nil, "", false, err
	}
	after, err := render.Release(compiled, &release)
	if err != nil {
		return nil, err.Error(), true, nil //nolint:nilerr // that it does not render is the answer
	}
	guarded := make([]guard.Object, len(after))
	for i, o := range after {
		guarded[i] = guard.Object{Resource: o.Resource, Object: o.Object}
	}
	policy := render.Policy(&release)
	policy.Namespaced = r.Namespaced
	var refused []error
	for _, refusal := range guard.Check(guarded, policy) {
		refused = append(refused, refusal)
	}
	if len(refused) > 0 {
		return nil, errors.Join(refused...).Error(), true, nil
	}
	return impact.Compare(before, after), "", true, nil
}

// advance makes of a Release the next one: with another revision, and what cluster and class have now.
func (r *Reconciler) advance(ctx context.Context, release *platformv1alpha1.Release, compiled *template.Template, number int64) (err error) {
	spec := &release.Spec
	spec.Revision = platformv1alpha1.RevisionReference{Name: revision.Name(spec.Template, number), Number: number}
	if spec.Capabilities, err = r.Capabilities.Available(ctx, compiled.Capabilities()); err != nil {
		return fmt.Errorf("asking for the cluster's capabilities: %w", err)
	}
	var env platformv1alpha1.Environment
	if err := r.Get(ctx, types.NamespacedName{Namespace: release.Namespace, Name: spec.Environment.Name}, &env); err != nil {
		return client.IgnoreNotFound(err)
	}
	spec.PodSecurity, spec.ServiceAccountTokens = env.Status.PodSecurity, env.Status.ServiceAccountTokens
	spec.AllowedKinds = env.Status.AllowedKinds
	return nil
}

// NamespacedFunc says whether objects of a kind live in namespaces, and whether the cluster knows the kind at all.
type NamespacedFunc func(schema.GroupKind) (namespaced, known bool)
