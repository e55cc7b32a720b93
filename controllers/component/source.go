package component

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/promotion"
)

// findBuild has a Component that names no image run that of the newest successful Build of its branch, and the commit of that.
// Both stand in the Component of this pass alone, before and after: what is written never has them.
func (r *Reconciler) findBuild(ctx context.Context, s *scope) error {
	s.component.Status.Build = ""
	if !awaitsBuild(s.component) {
		return nil
	}
	var builds platformv1alpha1.BuildList
	if err := r.List(ctx, &builds, client.InNamespace(s.component.Namespace),
		client.MatchingFields{index.BuildComponent: s.component.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Builds: %w", err)
	}
	s.builds, s.build = builds.Items, build.Newest(s.component, builds.Items)
	if s.build == nil {
		return nil
	}
	s.component.Status.Build = s.build.Name
	for _, component := range []*platformv1alpha1.Component{s.component, s.before} {
		component.Spec.Image, component.Spec.Commit = s.build.Status.Image, build.Commit(s.build)
	}
	return nil
}

// awaitsBuild says that there is no image yet.
func awaitsBuild(component *platformv1alpha1.Component) bool {
	return component.Spec.Image == "" && component.Spec.Source != nil
}

// awaitBuild says what the next version waits for where there is no image yet. What runs already is fine meanwhile, and may be
// rolled back.
func (s *scope) awaitBuild() {
	if !awaitsBuild(s.component) {
		return
	}
	source := s.component.Spec.Source
	message := fmt.Sprintf("No Build of branch %s has succeeded yet: kubectl -n %s get builds shows those that there are, and towpath build record makes one of what was built elsewhere.",
		build.Branch(source), s.component.Namespace)
	if status := s.component.Status.Source; status != nil && status.Reason != "" && build.Engine(source) != platformv1alpha1.EngineGitHubActions {
		message = fmt.Sprintf("No Build of branch %s has succeeded yet, and none can be made: %s", build.Branch(source), status.Message)
	}
	for i := range s.stops {
		s.stops[i].lacks = &promotion.Wait{Reason: platformv1alpha1.ReasonWaitingForBuild, Message: message}
	}
}

// builtBy are whom the Builds named that may be in the image which is to run in an environment: that which it is of, and those that succeeded
// since what runs there came, since another pass may have missed them; empty for nobody. None where the image runs there already. A Build
// that is made anew under the name of another one is another's.
func (s *scope) builtBy(st *stop) []string {
	current := st.current()
	if s.build == nil || current != nil && current.Spec.Image == s.component.Spec.Image && sha(current.Spec.Commit) == s.build.Spec.Commit.SHA {
		return nil
	}
	var users []string
	for i := range s.builds {
		b := &s.builds[i]
		succeeded := b.Spec.Branch == s.build.Spec.Branch && b.Status.Result == platformv1alpha1.BuildSucceeded
		if b.UID != s.build.UID && succeeded && current != nil && !b.CreationTimestamp.Time.Before(st.cameAt()) {
			users = append(users, b.Spec.RequestedBy)
		}
	}
	return append(users, s.build.Spec.RequestedBy)
}

// undeployed are the commits that the Build brings to an environment: those since what runs there, which others may have brought that never came so far.
func (s *scope) undeployed(st *stop) *platformv1alpha1.CommitRange {
	runs := ""
	if current := st.current(); current != nil {
		runs = sha(current.Spec.Commit)
	}
	return build.Undeployed(s.build, s.builds, runs)
}

// ofBuild returns the Component that a Build is of.
func (r *Reconciler) ofBuild(_ context.Context, o client.Object) []ctrl.Request {
	b, ok := o.(*platformv1alpha1.Build)
	if !ok {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Namespace: b.Namespace, Name: b.Spec.Component}}}
}

// reportPipeline sets PipelineInStep where the workflow in the repository was compared with the golden path, and takes it away otherwise.
func (s *scope) reportPipeline(conditions *[]metav1.Condition, generation int64) {
	source := s.component.Spec.Source
	if source == nil || build.Engine(source) != platformv1alpha1.EngineGitHubActions || s.component.Status.Source == nil || s.component.Status.Source.Pipeline == nil {
		meta.RemoveStatusCondition(conditions, platformv1alpha1.ConditionPipelineInStep)
		return
	}
	status, reason, found := metav1.ConditionUnknown, platformv1alpha1.ReasonPipelineInvalid, s.component.Status.Source.Pipeline
	message := found.Message
	switch found.State {
	case platformv1alpha1.PipelineInStep:
		status, reason = metav1.ConditionTrue, platformv1alpha1.ReasonPipelineInStep
		message = fmt.Sprintf("The workflow in the repository is that of revision %d of ServiceTemplate %s.", found.Revision, s.component.Spec.TemplateRef.Name)
	case platformv1alpha1.PipelineBehind:
		status, reason = metav1.ConditionFalse, platformv1alpha1.ReasonPipelineBehind
	}
	condition.Set(conditions, generation, platformv1alpha1.ConditionPipelineInStep, status, reason, message)
}
