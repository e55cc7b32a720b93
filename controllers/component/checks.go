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
	err := r.Get(ctx, types.NamespacedName{Name: release.Spec.Environment.Class}, &class)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading EnvironmentClass %s: %w", release.Spec.Environment.Class, err)
	}
	cannot := func(format string, args ...any) {
		st.problem = &problem{reason: platformv1alpha1.ReasonChecksInvalid, message: fmt.Sprintf(format, args...)}
		s.lookAgain(retryChecks)
	}
	for _, from := range []struct {
		origin platformv1alpha1.CheckOrigin
		name   string
		checks []platformv1alpha1.Check
	}{
		{platformv1alpha1.CheckOfClass, "EnvironmentClass " + class.Name, class.Spec.Checks},
		{platformv1alpha1.CheckOfComponent, fmt.Sprintf("spec.environments[%s] of the Component", st.name), st.checks},
	} {
		resolved, err := check.Resolve(release, from.origin, from.checks)
		if err != nil {
			cannot("The checks of %s cannot be made: %v. Correct them there.", from.name, err)
			return nil
		}
		release.Spec.Checks = append(release.Spec.Checks, resolved...)
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
