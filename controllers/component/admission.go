package component

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/check"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/freeze"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/template"
)

// Validator refuses Components whose parameters do not fit their template, or that override what it does not open. What may come later,
// such as a template or an environment that does not exist yet, is a warning: a GitOps tool applies
// in any order.
type Validator struct {
	Reader    client.Reader
	Revisions *revision.Compiled
	// Kinds tells the schemas of kinds, by which overrides are merged.
	Kinds openapi.Source
	// Clock tells which overrides have expired.
	Clock clock.PassiveClock
	// Estimator says what changes cost.
	Estimator *estimate.Estimator
	// Limits says over which limits on spending they would be.
	Limits Limits
}

var _ admission.Validator[*platformv1alpha1.Component] = &Validator{}

// SetupWithManager adds the webhook to the manager's server.
func (v *Validator) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &platformv1alpha1.Component{}).WithValidator(v).Complete()
}

// ValidateCreate checks a new Component.
func (v *Validator) ValidateCreate(ctx context.Context, component *platformv1alpha1.Component) (admission.Warnings, error) {
	return v.validate(ctx, nil, component)
}

// ValidateUpdate checks a changed Component. One that is being deleted may change as it likes.
func (v *Validator) ValidateUpdate(ctx context.Context, before, component *platformv1alpha1.Component) (admission.Warnings, error) {
	if !component.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	errs, err := v.left(ctx, before, component)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	return v.validate(ctx, before, component, errs...)
}

// left refuses to take an environment out of the path where others use the Component there, or during a freeze: what runs
// there would go, and come back through the gate alone.
func (v *Validator) left(ctx context.Context, before, component *platformv1alpha1.Component) (field.ErrorList, error) {
	var errs field.ErrorList
	for _, step := range before.Spec.Environments {
		if runsIn(component, step.Name) {
			continue
		}
		names, err := users(ctx, v.Reader, component, step.Name)
		if err != nil {
			return nil, err
		}
		if len(names) > 0 {
			errs = append(errs, field.Forbidden(field.NewPath("spec", "environments"), fmt.Sprintf(
				"must keep %s: %s uses the Component there", step.Name, strings.Join(names, ", "))))
		}
		frozen, err := v.frozen(ctx, before, step.Name)
		if err != nil {
			return nil, err
		}
		if frozen != nil {
			errs = append(errs, field.Forbidden(field.NewPath("spec", "environments"), fmt.Sprintf(
				"must keep %s, where %s: what runs there would be deleted", step.Name, frozen.Keeps())))
		}
	}
	return errs, nil
}

// use refuses uses that cannot be, and warns of those that do not exist.
func (v *Validator) use(ctx context.Context, component *platformv1alpha1.Component) (admission.Warnings, field.ErrorList, error) {
	at := field.NewPath("spec", "uses")
	if err := checkUses(ctx, v.Reader, component); err != nil {
		if apierrors.ReasonForError(err) != "" {
			return nil, nil, err
		}
		return nil, field.ErrorList{field.Invalid(at, field.OmitValueType{}, err.Error())}, nil
	}
	var warnings admission.Warnings
	for _, use := range component.Spec.Uses {
		var provider platformv1alpha1.Component
		err := v.Reader.Get(ctx, types.NamespacedName{Namespace: component.Namespace, Name: use.Component}, &provider)
		if client.IgnoreNotFound(err) != nil {
			return nil, nil, fmt.Errorf("reading Component %s: %w", use.Component, err)
		}
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%s: Component %s does not exist (yet): the Component waits for it", at.Key(use.Component), use.Component))
			continue
		}
		for _, step := range component.Spec.Environments {
			if !runsIn(&provider, step.Name) {
				warnings = append(warnings, fmt.Sprintf("%s: Component %s does not run in %s (yet): the Component waits for it there", at.Key(use.Component), use.Component, step.Name))
			}
		}
	}
	return warnings, nil, nil
}

// frozen is the freeze that is open in an environment where something of a Component runs; nil for none, and for previews,
// which come and go.
func (v *Validator) frozen(ctx context.Context, component *platformv1alpha1.Component, name string) (*freeze.Active, error) {
	i := slices.IndexFunc(component.Status.Environments, func(e platformv1alpha1.ComponentEnvironmentStatus) bool {
		return e.Name == name && e.Release != ""
	})
	if i < 0 {
		return nil, nil
	}
	var release platformv1alpha1.Release
	err := v.Reader.Get(ctx, types.NamespacedName{Namespace: component.Namespace, Name: component.Status.Environments[i].Release}, &release)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	written := slices.ContainsFunc(release.Status.Objects, func(o platformv1alpha1.ReleaseObjectStatus) bool { return o.UID != "" })
	if release.Spec.Cause == platformv1alpha1.CauseAdoption && !written {
		return nil, nil // it found nothing that it could take over, and has nothing that would be deleted
	}
	var environment platformv1alpha1.Environment
	err = v.Reader.Get(ctx, types.NamespacedName{Namespace: component.Namespace, Name: name}, &environment)
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if !environment.DeletionTimestamp.IsZero() || environment.Status.Tier == platformv1alpha1.TierPreview {
		return nil, nil // it goes, and what runs there with it
	}
	return freeze.At(environment.Status.Freezes, v.Clock.Now()), nil
}

// ValidateDelete refuses to delete a Component that others use, or that runs where a freeze is open, unless all go with
// their namespace: whoever empties that ends at the first refusal, and would never come to those others.
func (v *Validator) ValidateDelete(ctx context.Context, component *platformv1alpha1.Component) (admission.Warnings, error) {
	if !component.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	why, err := v.keeps(ctx, component)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	if why == nil {
		return nil, nil
	}
	var home corev1.Namespace
	err = v.Reader.Get(ctx, types.NamespacedName{Name: component.Namespace}, &home)
	if client.IgnoreNotFound(err) != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("reading namespace %s: %w", component.Namespace, err))
	}
	if !home.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return nil, apierrors.NewForbidden(platformv1alpha1.GroupVersion.WithResource("components").GroupResource(), component.Name, why)
}

// keeps says why a Component must not be deleted; nil for nothing.
func (v *Validator) keeps(ctx context.Context, component *platformv1alpha1.Component) (why, err error) {
	names, err := users(ctx, v.Reader, component, "")
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return fmt.Errorf("it is used by %s: delete these first, or take it out of their spec.uses and let that reach every environment", strings.Join(names, ", ")), nil
	}
	for _, e := range component.Status.Environments {
		frozen, err := v.frozen(ctx, component, e.Name)
		if err != nil {
			return nil, err
		}
		if frozen != nil {
			return fmt.Errorf("it runs in %s, where %s: delete it after that, or have the window taken out of the class", e.Name, frozen.Keeps()), nil
		}
	}
	return nil, nil
}

// validate reports every error at once, those given among them, with the parameters checked for each
// environment of the path. before is nil for a new Component.
func (v *Validator) validate(ctx context.Context, before, component *platformv1alpha1.Component, errs ...*field.Error) (admission.Warnings, error) {
	compiled, warning, err := v.template(ctx, component)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	warnings, err := v.environments(ctx, component)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	unknown, wrong, err := v.use(ctx, component)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	deprecated, err := v.deprecated(ctx, component)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	warnings, errs = slices.Concat(deprecated, warnings, unknown), append(errs, wrong...)
	checks := ValidateChecks(&component.Spec, v.Kinds)
	if unanswered(checks) {
		return nil, apierrors.NewInternalError(checks.ToAggregate())
	}
	errs = append(errs, checks...)
	if compiled == nil {
		warnings = append(warnings, warning)
	} else {
		errs = append(errs, ValidateParameters(compiled, &component.Spec)...)
		wrong := ValidateOverrides(compiled, &component.Spec, v.Kinds)
		if unanswered(wrong) {
			return nil, apierrors.NewInternalError(wrong.ToAggregate())
		}
		errs = append(errs, wrong...)
		warned, wrong, err := v.kinds(ctx, compiled, before, component)
		if err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		warnings, errs = append(warnings, warned...), append(errs, wrong...)
	}
	warnings = append(warnings, warnExpired(component.Spec.Overrides, v.Clock.Now())...)
	if len(errs) == 0 {
		if compiled != nil {
			warnings = append(warnings, v.costs(ctx, before, component, compiled)...)
		}
		return warnings, nil
	}
	return warnings, apierrors.NewInvalid(platformv1alpha1.GroupVersion.WithKind("Component").GroupKind(), component.Name, errs)
}

// ValidateParameters checks the parameters of a Component, merged for each environment of its path,
// against a template. An error that an environment only inherits is reported at spec.parameters, once;
// what every environment of the path mends there is no error. The rules of the schema may cost as much as those of one object, in
// all environments together: somebody waits for the answer.
func ValidateParameters(compiled *template.Template, spec *platformv1alpha1.ComponentSpec) field.ErrorList {
	basePath := field.NewPath("spec", "parameters")
	base, err := template.DecodeParameters(spec.Parameters)
	if err != nil {
		return field.ErrorList{field.Invalid(basePath, string(spec.Parameters.Raw), err.Error())}
	}
	budget := template.NewRulesBudget()
	_, ofBase := compiled.ResolveParametersWithin(budget, base, basePath)
	inherited := map[string]bool{}
	var errs field.ErrorList
	for _, environment := range spec.Environments {
		if environment.Parameters == nil {
			for _, problem := range ofBase {
				inherited[problem.Error()] = true
			}
			continue
		}
		at := parametersPath(environment.Name)
		over, err := template.DecodeParameters(environment.Parameters)
		if err != nil {
			errs = append(errs, field.Invalid(at, string(environment.Parameters.Raw), err.Error()))
			continue
		}
		_, problems := compiled.ResolveParametersWithin(budget, template.MergeParameters(base, over), at)
		for _, problem := range problems {
			asBase := *problem
			asBase.Field = basePath.String() + strings.TrimPrefix(problem.Field, at.String())
			if slices.ContainsFunc(ofBase, func(b *field.Error) bool { return b.Error() == asBase.Error() }) {
				inherited[asBase.Error()] = true
			} else {
				errs = append(errs, problem)
			}
		}
	}
	ofBase = slices.DeleteFunc(ofBase, func(b *field.Error) bool { return !inherited[b.Error()] })
	return append(ofBase, errs...)
}

// template returns the revision that the Component asks for, or a warning where there is none yet.
func (v *Validator) template(ctx context.Context, component *platformv1alpha1.Component) (*template.Template, string, error) {
	ref := component.Spec.TemplateRef
	var revisions platformv1alpha1.ServiceTemplateRevisionList
	if err := v.Reader.List(ctx, &revisions, client.MatchingFields{index.RevisionTemplate: ref.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, "", fmt.Errorf("listing revisions of ServiceTemplate %s: %w", ref.Name, err)
	}
	var wanted int64
	for i := range revisions.Items {
		number := revisions.Items[i].Spec.Number
		if ref.Revision == nil {
			wanted = max(wanted, number)
		} else if *ref.Revision == number {
			wanted = number
		}
	}
	if wanted == 0 {
		what := fmt.Sprintf("ServiceTemplate %s", ref.Name)
		if ref.Revision != nil {
			what = fmt.Sprintf("revision %d of ServiceTemplate %s", *ref.Revision, ref.Name)
		}
		return nil, fmt.Sprintf("spec.templateRef: %s does not exist (yet): the Component waits for it, and its parameters are not checked", what), nil
	}
	compiled, err := v.Revisions.Get(ctx, revision.Name(ref.Name, wanted))
	return compiled, "", err
}

// deprecated warns of a template that should not be used any more.
func (v *Validator) deprecated(ctx context.Context, component *platformv1alpha1.Component) (admission.Warnings, error) {
	var st platformv1alpha1.ServiceTemplate
	err := v.Reader.Get(ctx, types.NamespacedName{Name: component.Spec.TemplateRef.Name}, &st, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading ServiceTemplate %s: %w", component.Spec.TemplateRef.Name, err)
	}
	if st.Spec.Maturity != platformv1alpha1.MaturityDeprecated {
		return nil, nil // nor is one that does not exist
	}
	warning := fmt.Sprintf("spec.templateRef: ServiceTemplate %s is deprecated", st.Name)
	if st.Spec.ReplacedBy != "" {
		warning += fmt.Sprintf(": use %s in place of it", st.Spec.ReplacedBy)
	}
	return admission.Warnings{warning}, nil
}

// queries warns of checks of an environment that ask a Prometheus which its class does not let Components ask.
func (v *Validator) queries(ctx context.Context, step *platformv1alpha1.PathEnvironment, name string) (admission.Warnings, error) {
	asks := slices.IndexFunc(step.Checks, func(c platformv1alpha1.Check) bool { return c.Prometheus != nil })
	if asks < 0 || name == "" {
		return nil, nil
	}
	var class platformv1alpha1.EnvironmentClass
	err := v.Reader.Get(ctx, types.NamespacedName{Name: name}, &class)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading EnvironmentClass %s: %w", name, err)
	}
	if why := check.MayAsk(class.Spec.Prometheus, platformv1alpha1.CheckOfComponent); why != "" {
		return admission.Warnings{fmt.Sprintf("spec.environments[%s].checks[%s]: class %s %s: no Release can be made with it", step.Name, step.Checks[asks].Name, name, why)}, nil
	}
	return nil, nil
}

// environments warns of environments of the path that do not exist, or whose class wants something else of it.
func (v *Validator) environments(ctx context.Context, component *platformv1alpha1.Component) (admission.Warnings, error) {
	var warnings admission.Warnings
	var tiers []platformv1alpha1.Tier
	for _, step := range component.Spec.Environments {
		var environment platformv1alpha1.Environment
		err := v.Reader.Get(ctx, types.NamespacedName{Namespace: component.Namespace, Name: step.Name}, &environment, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading Environment %s: %w", step.Name, err)
		}
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("spec.environments[%s]: Environment %s does not exist (yet): the Component waits for it", step.Name, step.Name))
		}
		if gate := environment.Status.Gate; gate != nil {
			if missing := promotion.MissingTier(step.Name, environment.Spec.ClassRef.Name, gate.RequiredTier, tiers); missing != nil {
				warnings = append(warnings, fmt.Sprintf("spec.environments[%s]: %s", step.Name, missing.Message))
			}
		}
		tiers = append(tiers, environment.Status.Tier)
		if step.Gate != nil {
			if more := promotion.Beyond(environment.Status.Gate, step.Gate); len(more) > 0 {
				warnings = append(warnings, fmt.Sprintf("spec.environments[%s].gate: class %s asks for more, and that holds: %s",
					step.Name, environment.Spec.ClassRef.Name, strings.Join(more, ", ")))
			}
		}
		refused, err := v.queries(ctx, &step, environment.Spec.ClassRef.Name)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, refused...)
	}
	return warnings, nil
}
