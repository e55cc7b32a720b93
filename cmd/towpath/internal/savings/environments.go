package savings

import (
	"context"
	"fmt"
	"time"

	"github.com/shopspring/decimal"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/rightsize"
)

// Environments are those of a home namespace, and how each is; monthly is what each costs in a month, by name and currency.
func Environments(ctx context.Context, c client.Reader, namespace string, monthly map[string]map[string]decimal.Decimal) ([]platformv1alpha1.Environment, []rightsize.Environment, error) {
	var list []platformv1alpha1.Environment
	in := client.InNamespace(namespace)
	if err := cluster.Pages(ctx, c, &platformv1alpha1.EnvironmentList{}, func(page *platformv1alpha1.EnvironmentList) {
		list = append(list, page.Items...)
	}, in); err != nil {
		return nil, nil, fmt.Errorf("listing environments: %w", err)
	}
	changed := map[string]time.Time{}
	if err := cluster.Pages(ctx, c, &platformv1alpha1.ReleaseList{}, func(page *platformv1alpha1.ReleaseList) {
		for i := range page.Items {
			name, made := page.Items[i].Spec.Environment.Name, page.Items[i].CreationTimestamp.Time
			if made.After(changed[name]) {
				changed[name] = made
			}
		}
	}, in); err != nil {
		return nil, nil, fmt.Errorf("listing releases: %w", err)
	}
	classes := map[string]*platformv1alpha1.EnvironmentClass{}
	environments := make([]rightsize.Environment, 0, len(list))
	for i := range list {
		e := &list[i]
		class, seen := classes[e.Spec.ClassRef.Name]
		if !seen {
			class = &platformv1alpha1.EnvironmentClass{}
			if c.Get(ctx, client.ObjectKey{Name: e.Spec.ClassRef.Name}, class) != nil {
				class = nil // not to be read, or not there: then nothing is said about sleep
			}
			classes[e.Spec.ClassRef.Name] = class
		}
		environments = append(environments, rightsize.Environment{
			Name: e.Name, Tier: tierOf(e, class), Preview: e.Spec.SourceRef != nil, Sleeps: sleeps(e, class), SleepKnown: class != nil,
			Expires: e.Status.ExpiresAt != nil, LastChange: changed[e.Name], Created: e.CreationTimestamp.Time, Monthly: monthly[e.Name],
		})
	}
	return list, environments, nil
}

func tierOf(e *platformv1alpha1.Environment, class *platformv1alpha1.EnvironmentClass) platformv1alpha1.Tier {
	if e.Status.Tier == "" && class != nil {
		return class.Spec.Tier
	}
	return e.Status.Tier
}

// sleeps says whether an environment sleeps at some time.
func sleeps(e *platformv1alpha1.Environment, class *platformv1alpha1.EnvironmentClass) bool {
	if own := e.Spec.Sleep; own != nil && (own.Mode == platformv1alpha1.SleepAlways || len(own.Windows) > 0) {
		return true
	}
	return class != nil && class.Spec.Sleep != nil && len(class.Spec.Sleep.Windows) > 0
}
