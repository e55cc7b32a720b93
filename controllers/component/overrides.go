package component

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/override"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/template"
)

// overridesPath is where a Component has its overrides.
var overridesPath = field.NewPath("spec", "overrides")

// inForce are the overrides of the Component in an environment: all of them, but those that have expired where the
// class drops these.
func (s *scope) inForce(st *stop) []platformv1alpha1.Override {
	return inForce(s.component, st.environment, s.now)
}

func inForce(component *platformv1alpha1.Component, environment *platformv1alpha1.Environment, now time.Time) []platformv1alpha1.Override {
	all := component.Spec.Overrides
	if environment == nil || !environment.Status.DropExpiredOverrides {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(o platformv1alpha1.Override) bool { return override.Expired(&o, now) })
}

// versionWith is the version of the Component in an environment with other overrides than its own.
func (s *scope) versionWith(st *stop, overrides []platformv1alpha1.Override) (string, error) {
	spec := s.component.Spec
	spec.Overrides = overrides
	return promotion.Version(&spec, st.parameters)
}

// expired says that the version of an environment is what a Release runs, without overrides that have expired.
func (s *scope) expired(st *stop, release *platformv1alpha1.Release) bool {
	all := s.component.Spec.Overrides
	if len(st.overrides) == len(all) || len(release.Spec.Overrides) == 0 {
		return false
	}
	ran := make([]platformv1alpha1.Override, len(release.Spec.Overrides))
	for i := range ran {
		ran[i] = release.Spec.Overrides[i].Override
	}
	version, err := s.versionWith(st, ran)
	return err == nil && strings.HasPrefix(version, release.Spec.Version) && len(st.overrides) < len(ran) && contains(ran, st.overrides) && contains(all, ran)
}

// contains says whether overrides are all among others.
func contains(among, overrides []platformv1alpha1.Override) bool {
	known := map[string]bool{}
	for i := range among {
		known[among[i].Resource+" "+canonical(among[i].Patch)] = true
	}
	return !slices.ContainsFunc(overrides, func(o platformv1alpha1.Override) bool { return !known[o.Resource+" "+canonical(o.Patch)] })
}

// canonical is a patch as the same text, however it was written.
func canonical(patch apiextensionsv1.JSON) string {
	var value any
	if err := utiljson.Unmarshal(patch.Raw, &value); err != nil {
		return string(patch.Raw)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return string(patch.Raw)
	}
	return string(raw)
}

// freeze checks overrides against a revision, and returns them as a Release holds them. The error is of the API
// server; the problem is what somebody must mend.
func (r *Reconciler) freeze(overrides []platformv1alpha1.Override, compiled *template.Template) ([]platformv1alpha1.ReleaseOverride, *problem, error) {
	if len(overrides) == 0 {
		return nil, nil, nil
	}
	frozen, errs := override.Freeze(overrides, compiled.Overridable(), r.Kinds, overridesPath)
	if len(errs) == 0 {
		return frozen, nil, nil
	}
	if unanswered(errs) {
		return nil, nil, errs.ToAggregate()
	}
	return nil, &problem{reason: platformv1alpha1.ReasonOverrideRefused, message: errs.ToAggregate().Error()}, nil
}

// overridesOf are the overrides of the Release that was decided on: those in force, or where a version that ran
// goes on or comes back, its own. Where they are refused, it says so on the stop.
func (r *Reconciler) overridesOf(st *stop, compiled *template.Template) ([]platformv1alpha1.ReleaseOverride, error) {
	if source := st.source(); source != nil {
		return source.Spec.Overrides, nil
	}
	frozen, refused, err := r.freeze(st.overrides, compiled)
	st.problem = refused
	return frozen, err
}

// unanswered says whether errors say nothing about an override, since the API server did not answer.
func unanswered(errs field.ErrorList) bool {
	return slices.ContainsFunc(errs, func(err *field.Error) bool { return err.Type == field.ErrorTypeInternal })
}

// ValidateOverrides checks the overrides of a Component against a template. An error of type Internal means that
// kinds did not answer.
func ValidateOverrides(compiled *template.Template, spec *platformv1alpha1.ComponentSpec, kinds openapi.Source) field.ErrorList {
	_, errs := override.Freeze(spec.Overrides, compiled.Overridable(), kinds, overridesPath)
	return errs
}

// warnExpired warns of overrides that have expired already. They are no error: what is applied again and again, by
// a GitOps tool, must not fail from one day to the next.
func warnExpired(overrides []platformv1alpha1.Override, now time.Time) []string {
	var warnings []string
	for i := range overrides {
		if o := &overrides[i]; override.Expired(o, now) {
			warnings = append(warnings, fmt.Sprintf("%s: has expired on %s: take the override out, or set a later date", overridesPath.Index(i).Child("expires"), o.Expires))
		}
	}
	return warnings
}

// reportOverrides sets OverridesExpiring where an override has expired or soon will, and takes it away otherwise.
func (s *scope) reportOverrides(conditions *[]metav1.Condition, generation int64) {
	reason := platformv1alpha1.ReasonOverrideExpiring
	var parts []string
	for i := range s.component.Spec.Overrides {
		o := &s.component.Spec.Overrides[i]
		switch {
		case override.Expired(o, s.now):
			reason = platformv1alpha1.ReasonOverrideExpired
			parts = append(parts, fmt.Sprintf("%s of resource %s has expired on %s and %s", overridesPath.Index(i), o.Resource, o.Expires, s.fate()))
		case override.Expiring(o, s.now):
			parts = append(parts, fmt.Sprintf("%s of resource %s expires on %s, and then %s", overridesPath.Index(i), o.Resource, o.Expires, s.fate()))
		}
	}
	if len(parts) == 0 {
		meta.RemoveStatusCondition(conditions, platformv1alpha1.ConditionOverridesExpiring)
		return
	}
	condition.Set(conditions, generation, platformv1alpha1.ConditionOverridesExpiring, metav1.ConditionTrue, reason,
		strings.Join(parts, "; ")+". Take it out of spec.overrides, or set a later date in expires.")
}

// fate says what becomes of overrides that have expired.
func (s *scope) fate() string {
	var kept, dropped []string
	for i := range s.stops {
		if st := &s.stops[i]; st.environment != nil && st.environment.Status.DropExpiredOverrides {
			dropped = append(dropped, st.name)
		} else {
			kept = append(kept, st.name)
		}
	}
	switch {
	case len(dropped) == 0:
		return "stays in force"
	case len(kept) == 0:
		return "is dropped"
	}
	return fmt.Sprintf("stays in force in %s, and is dropped in %s", strings.Join(kept, ", "), strings.Join(dropped, ", "))
}

// warn sends an event when OverridesExpiring has just come, or says something else.
func (r *Reconciler) warn(s *scope) {
	was := meta.FindStatusCondition(s.before.Status.Conditions, platformv1alpha1.ConditionOverridesExpiring)
	is := meta.FindStatusCondition(s.component.Status.Conditions, platformv1alpha1.ConditionOverridesExpiring)
	if is == nil || was != nil && was.Reason == is.Reason && was.Message == is.Message {
		return
	}
	// An event holds 1 KiB.
	r.Recorder.Eventf(s.component, nil, corev1.EventTypeWarning, is.Reason, "Check", "%s", condition.Clip(is.Message, 1024))
}
