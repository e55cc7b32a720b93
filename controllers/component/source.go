package component

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/promotion"
)

// findBuild has a Component that names no image run that of the newest successful Build of its branch, and the commit of that.
// Both stand in the Component of this pass alone, before and after: what is written never has them.
func (r *Reconciler) findBuild(ctx context.Context, s *scope) error {
	s.component.Status.Build = ""
	if s.component.Spec.Image != "" || s.component.Spec.Source == nil {
		return nil
	}
	var builds platformv1alpha1.BuildList
	if err := r.List(ctx, &builds, client.InNamespace(s.component.Namespace),
		client.MatchingFields{index.BuildComponent: s.component.Name}); err != nil {
		return fmt.Errorf("listing Builds: %w", err)
	}
	s.build = build.Newest(s.component, builds.Items)
	if s.build == nil {
		return nil
	}
	s.component.Status.Build = s.build.Name
	for _, component := range []*platformv1alpha1.Component{s.component, s.before} {
		component.Spec.Image, component.Spec.Commit = s.build.Status.Image, build.Commit(s.build)
	}
	return nil
}

// awaitBuild says what the next version waits for where there is no image yet. What runs already is fine meanwhile, and may be
// rolled back.
func (s *scope) awaitBuild() {
	source := s.component.Spec.Source
	if s.component.Spec.Image != "" || source == nil {
		return
	}
	message := fmt.Sprintf("No Build of branch %s has succeeded yet: kubectl -n %s get builds shows those that there are, and towpath build record makes one of what was built elsewhere.",
		build.Branch(source), s.component.Namespace)
	if status := s.component.Status.Source; status != nil && status.Reason != "" {
		message = fmt.Sprintf("No Build of branch %s has succeeded yet, and none can be made: %s", build.Branch(source), status.Message)
	}
	for i := range s.stops {
		s.stops[i].lacks = &promotion.Wait{Reason: platformv1alpha1.ReasonWaitingForBuild, Message: message}
	}
}

// builtBy is who asked for the Build that a pass takes for the first time, and whether it does.
func (s *scope) builtBy() (requester string, anew bool) {
	if s.build == nil || s.build.Name == s.before.Status.Build {
		return "", false
	}
	return s.build.Spec.RequestedBy, true
}

// ofBuild returns the Component that a Build is of.
func (r *Reconciler) ofBuild(_ context.Context, o client.Object) []ctrl.Request {
	b, ok := o.(*platformv1alpha1.Build)
	if !ok {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: b.Namespace, Name: b.Spec.Component}}}
}
