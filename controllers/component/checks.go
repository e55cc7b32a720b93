package component

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/openapi"
)

// maxChecks is how many bytes the Jobs of a Release's checks may have together.
const maxChecks = 128 << 10

// retryChecks is for checks that cannot be made: the class may let them by now.
const retryChecks = time.Minute

// addChecks puts the checks of the class and of the Component into a Release that is complete but for them, or says on
// the stop why they cannot be made. What comes back by a rollback passed them when it came, and what is taken over
// brings nothing.
func (r *Reconciler) addChecks(ctx context.Context, s *scope, st *stop, release *platformv1alpha1.Release) error {
	if release.Spec.Cause == platformv1alpha1.CauseRollback || release.Spec.Cause == platformv1alpha1.CauseAdoption {
		return nil
	}
	var class platformv1alpha1.EnvironmentClass
	err := r.Get(ctx, types.NamespacedName{Name: release.Spec.Environment.Class}, &class, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading EnvironmentClass %s: %w", release.Spec.Environment.Class, err)
	}
	cannot := func(format string, args ...any) {
		st.problem = &problem{reason: platformv1alpha1.ReasonChecksInvalid, message: fmt.Sprintf(format, args...)}
		s.lookAgain(retryChecks)
	}
	resolve := func(name string, origin platformv1alpha1.CheckOrigin, checks []platformv1alpha1.Check) {
		resolved, err := check.Resolve(release, origin, checks)
		if err != nil {
			cannot("The checks of %s cannot be made: %v. Correct them there.", name, err)
			return
		}
		release.Spec.Checks = append(release.Spec.Checks, resolved...)
	}
	resolve("EnvironmentClass "+class.Name, platformv1alpha1.CheckOfClass, class.Spec.Checks)
	if let, known := st.letIn(release); known {
		release.Spec.Checks = append(release.Spec.Checks, let...)
	} else {
		resolve(fmt.Sprintf("spec.environments[%s] of the Component", st.name), platformv1alpha1.CheckOfComponent, st.checks)
	}
	if st.problem != nil {
		return nil
	}
	size := 0
	for i := range release.Spec.Checks {
		c := &release.Spec.Checks[i]
		if c.Prometheus != nil {
			if why := check.MayAsk(class.Spec.Prometheus, c.Origin); why != "" {
				cannot("Check %s has a query, and EnvironmentClass %s %s: take it out of spec.environments[%s].checks, or ask the platform team.", c.Name, class.Name, why, st.name)
				return nil
			}
			continue
		}
		job, err := check.Job(release, c, 1)
		if err != nil {
			cannot("The Job of check %s cannot be made: %v.", c.Name, err)
			return nil
		}
		policy := check.Policy(release, c)
		policy.Namespaced = r.Namespaced
		if refusals := guard.Check([]guard.Object{{Resource: job.Resource, Object: job.Object}}, policy); len(refusals) > 0 {
			cannot("The Job of check %s may not run: %v.", c.Name, refusals[0])
			return nil
		}
		if size += len(c.Job.Spec.Raw); size > maxChecks {
			cannot("The Jobs of the checks have more than %d bytes together: make them smaller.", maxChecks)
			return nil
		}
	}
	if len(release.Spec.Checks) > 0 {
		release.Spec.SoakSeconds = st.soakSeconds
	}
	return nil
}

// letIn are the checks of the Component that came with a version which runs here, where a Release makes it again without
// passing the gate: another image to run, with the namespace's Secrets at hand, would come past it otherwise. It is not known
// of a version that does not run here, or that passes the gate with what the Component asks for now.
func (s *stop) letIn(release *platformv1alpha1.Release) (checks []platformv1alpha1.ReleaseCheck, known bool) {
	ran := s.current()
	if ran == nil {
		ran = s.lost
	}
	if s.decision.Gated || ran == nil || ran.Spec.Cause == platformv1alpha1.CauseAdoption || ran.Spec.Version != release.Spec.Version {
		return nil, false
	}
	for _, c := range ran.Spec.Checks {
		if c.Origin == platformv1alpha1.CheckOfComponent {
			checks = append(checks, *c.DeepCopy())
		}
	}
	return checks, true
}

// checksOf says how far the checks of a Release are, and what they found.
func checksOf(release *platformv1alpha1.Release) (platformv1alpha1.CheckState, string) {
	if len(release.Spec.Checks) == 0 {
		return "", ""
	}
	c := meta.FindStatusCondition(release.Status.Conditions, platformv1alpha1.ConditionChecked)
	switch {
	case c == nil:
		return platformv1alpha1.CheckRunning, ""
	case c.Status == metav1.ConditionTrue:
		return platformv1alpha1.CheckPassed, ""
	case c.Status == metav1.ConditionFalse:
		return platformv1alpha1.CheckFailed, c.Message
	}
	return platformv1alpha1.CheckRunning, c.Message
}

// awaitsChecks says what the checks of a Release that runs keep from being promoted; nothing where they do not, or have
// not begun.
func awaitsChecks(release *platformv1alpha1.Release) string {
	switch state, found := checksOf(release); {
	case found == "":
		return ""
	case state == platformv1alpha1.CheckFailed:
		return fmt.Sprintf("Release %s goes no further. %s", release.Name, found)
	default:
		return fmt.Sprintf("Release %s goes on when its checks have passed. %s", release.Name, found)
	}
}

// ValidateChecks checks the checks of each environment of a path.
func ValidateChecks(spec *platformv1alpha1.ComponentSpec, kinds openapi.Source) field.ErrorList {
	var errs field.ErrorList
	for _, step := range spec.Environments {
		errs = append(errs, check.Validate(step.Checks, field.NewPath("spec", "environments").Key(step.Name).Child("checks"), kinds)...)
	}
	return errs
}
