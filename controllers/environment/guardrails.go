package environment

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guardrails"
	"github.com/towpath-dev/towpath/internal/label"
)

// +kubebuilder:rbac:groups="",resources=resourcequotas;limitranges,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=resourcequotas;limitranges,verbs=create;patch;update;delete,resourceNames=towpath-environment
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=create;patch;update;delete,resourceNames=towpath-environment

// mayUse says why the class is not for the team; nil where it is. An Environment that was made already goes on, and says so:
// a class that changes breaks nothing.
func (r *Reconciler) mayUse(ctx context.Context, s *scope) (*problem, error) {
	problem, err := r.isFor(ctx, s)
	if problem == nil || s.environment.Status.Namespace == "" {
		return problem, err
	}
	s.outside = problem.message + " What there is goes on."
	return nil, nil
}

// isFor says why the class is not for the team; nil where it is.
func (r *Reconciler) isFor(ctx context.Context, s *scope) (*problem, error) {
	owner, err := r.owner(ctx, s)
	if err != nil {
		return nil, err
	}
	team := s.environment.Status.Team
	allowed, err := guardrails.Allows(&s.class.Spec.Guardrails, team, owner.Labels)
	if err != nil {
		return &problem{platformv1alpha1.ReasonClassNotAllowed, fmt.Sprintf(
			"EnvironmentClass %s says in spec.teams for whom it is, and that is no selector: %v. Ask the platform team to mend it.", s.class.Name, err), true}, nil
	}
	if allowed {
		return nil, nil
	}
	return &problem{platformv1alpha1.ReasonClassNotAllowed, fmt.Sprintf(
		"EnvironmentClass %s is not for team %s: its spec.teams does not select the labels of the Team. Make the environment anew with another class, or ask the platform team.",
		s.class.Name, team), true}, nil
}

// keepGuardrails makes and keeps quota, defaults of containers and network isolation.
func (r *Reconciler) keepGuardrails(ctx context.Context, s *scope) error {
	g := &s.class.Spec.Guardrails
	name := metav1.ObjectMeta{Namespace: s.environment.Status.Namespace, Name: platformv1alpha1.GuardrailsName}

	quota := &corev1.ResourceQuota{ObjectMeta: name}
	wanted := guardrails.Quota(g, s.ceiling())
	err := keep(ctx, r, s, quota, wanted, func(o *corev1.ResourceQuota) *corev1.ResourceQuotaSpec { return &o.Spec })
	if err != nil {
		return err
	}
	s.judge(wanted, quota)

	err = keep(ctx, r, s, &corev1.LimitRange{ObjectMeta: name}, guardrails.Limits(g.Containers),
		func(o *corev1.LimitRange) *corev1.LimitRangeSpec { return &o.Spec })
	if err != nil {
		return err
	}
	return keep(ctx, r, s, &networkingv1.NetworkPolicy{ObjectMeta: name}, guardrails.Network(g.Isolation, s.environment.Status.Team),
		func(o *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicySpec { return &o.Spec })
}

// keep makes one object what it should be, and takes it away where it should not be. Server-side apply makes it; what
// differs is replaced as a whole, since what somebody added to it may loosen it.
func keep[T client.Object, S any](ctx context.Context, r *Reconciler, s *scope, object T, wanted *S, spec func(T) *S) error {
	gvk, err := r.GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	kind := gvk.Kind
	err = r.Get(ctx, client.ObjectKeyFromObject(object), object)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading %s %s: %w", kind, object.GetName(), err)
	}
	missing := apierrors.IsNotFound(err)
	switch {
	case wanted == nil && missing:
		return nil
	case wanted == nil:
		if err := client.IgnoreNotFound(r.Delete(ctx, object)); err != nil {
			return fmt.Errorf("deleting %s %s: %w", kind, object.GetName(), err)
		}
		return nil
	case missing:
		object.SetNamespace(s.environment.Status.Namespace)
		object.SetName(platformv1alpha1.GuardrailsName)
	case equality.Semantic.DeepEqual(spec(object), wanted) && label.Contains(object.GetLabels(), s.labels()) && label.Contains(object.GetAnnotations(), s.annotations()):
		return nil
	}
	*spec(object) = *wanted
	object.SetLabels(with(object.GetLabels(), s.labels()))
	object.SetAnnotations(with(object.GetAnnotations(), s.annotations()))
	if missing {
		err = r.make(ctx, object)
	} else {
		err = r.Update(ctx, object, fieldOwner)
	}
	if err != nil {
		return fmt.Errorf("writing %s %s: %w", kind, object.GetName(), err)
	}
	return nil
}

// make creates an object by server-side apply, whose check of rights carries the name.
func (r *Reconciler) make(ctx context.Context, object client.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{Object: content}
	if u.GetObjectKind().GroupVersionKind().Empty() {
		gvk, err := r.GroupVersionKindFor(object)
		if err != nil {
			return err
		}
		u.SetGroupVersionKind(gvk)
	}
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(u.Object, "status")
	return r.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), fieldOwner, client.ForceOwnership)
}

func with(live, more map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, live)
	maps.Copy(all, more)
	return all
}

// dropGuardrails takes them out of a namespace that is let go.
func (r *Reconciler) dropGuardrails(ctx context.Context, namespace string) error {
	name := metav1.ObjectMeta{Namespace: namespace, Name: platformv1alpha1.GuardrailsName}
	for _, object := range []client.Object{
		&corev1.ResourceQuota{ObjectMeta: name}, &corev1.LimitRange{ObjectMeta: name}, &networkingv1.NetworkPolicy{ObjectMeta: name},
	} {
		if err := client.IgnoreNotFound(r.Delete(ctx, object)); err != nil {
			return fmt.Errorf("deleting %T %s/%s: %w", object, namespace, name.Name, err)
		}
	}
	return nil
}
