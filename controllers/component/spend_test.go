package component

import (
	"context"
	"errors"
	"testing"

	"github.com/shopspring/decimal"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// spender is a Reconciler whose cluster has objects, and fails to read revisions with an error.
func spender(t *testing.T, fails error, objects ...client.Object) *Reconciler {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(platformv1alpha1.AddToScheme(scheme), clientgoscheme.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if _, ok := o.(*platformv1alpha1.ServiceTemplateRevision); ok && fails != nil {
				return fails
			}
			return c.Get(ctx, key, o, options...)
		},
	}).Build()
	return &Reconciler{Client: c, Live: c, Revisions: revision.NewCompiled(c), Estimator: estimate.New(nil)}
}

// costs is a Release of a month's cost, as it was frozen.
func costs(monthly, currency string, cause platformv1alpha1.Cause) *platformv1alpha1.Release {
	amount := platformv1alpha1.Amount(monthly)
	release := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "a-prod-" + monthly}}
	release.Spec.Cause, release.Spec.Revision.Name, release.Spec.Environment.Namespace = cause, "web-1", "shop-prod"
	release.Spec.EstimatedCost = &platformv1alpha1.ReleaseCost{EstimatedCost: platformv1alpha1.EstimatedCost{
		Currency: currency, Monthly: platformv1alpha1.AmountRange{Min: amount, Expected: amount, Max: amount},
	}}
	return release
}

// TestAReductionIsOneAlsoWhereWhatRunsCannotBeEstimatedAnew has a Release of 100 a month run, and 60 follow.
func TestAReductionIsOneAlsoWhereWhatRunsCannotBeEstimatedAnew(t *testing.T) {
	next := costs("60", "USD", platformv1alpha1.CauseParameterChange)
	for name, tc := range map[string]struct {
		runs   *platformv1alpha1.Release
		before int64
		free   bool
	}{
		"its revision is gone":           {costs("100", "USD", platformv1alpha1.CauseImageChange), 100, true},
		"it was taken over":              {costs("100", "USD", platformv1alpha1.CauseAdoption), 100, true},
		"it was frozen in other amounts": {costs("100", "EUR", platformv1alpha1.CauseImageChange), 0, false},
	} {
		st := &stop{name: "prod", releases: []*platformv1alpha1.Release{tc.runs}}
		change, err := spender(t, nil).change(t.Context(), st, next)
		if err != nil || !change.Before.Equal(decimal.NewFromInt(tc.before)) || change.Free() != tc.free {
			t.Errorf("%s: %+v, %v", name, change, err)
		}
	}
	st := &stop{name: "prod", releases: []*platformv1alpha1.Release{costs("100", "USD", platformv1alpha1.CauseImageChange)}}
	if change, err := spender(t, apierrors.NewInternalError(errors.New("it is gone for a moment"))).change(t.Context(), st, next); err == nil {
		t.Errorf("it is judged while nobody can say what runs: %+v", change)
	}
}

// TestAnAdoptionCostsWhatWasFound has a Deployment of two cores be taken over by a golden path that would have made another.
func TestAnAdoptionCostsWhatWasFound(t *testing.T) {
	replicas, labels := int32(2), map[string]string{"app": "old"}
	found := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-prod", Name: "old"}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "app:1", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1")}},
		}}}},
	}}
	release := costs("0", "USD", platformv1alpha1.CauseAdoption)
	release.Spec.Adopt = &platformv1alpha1.Adoption{Objects: []platformv1alpha1.AdoptedObject{{Resource: "deployment", Name: "old"}}}
	release.Spec.Inventory = []platformv1alpha1.ReleaseObject{
		{Resource: "deployment", APIVersion: "apps/v1", Kind: "Deployment", Name: "old"}, {Resource: "service", APIVersion: "v1", Kind: "Service", Name: "a"},
	}
	for name, tc := range map[string]struct {
		objects []client.Object
		want    string
	}{
		"it runs":         {[]client.Object{found}, "46.15"}, // two cores of 0.031611 an hour
		"it is not there": {nil, "0"},
	} {
		cost, err := spender(t, nil, tc.objects...).costOf(t.Context(), release, nil, sleep.Plan{})
		if err != nil || cost == nil {
			t.Fatalf("%s: %v, %v", name, cost, err)
		}
		if amount, err := estimate.Decimal(cost.Monthly.Expected); err != nil || !amount.Round(2).Equal(decimal.RequireFromString(tc.want)) {
			t.Errorf("%s: it costs %s, want %s: %v", name, cost.Monthly.Expected, tc.want, err)
		}
	}
}
