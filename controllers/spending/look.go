package spending

import (
	"context"
	"fmt"

	"github.com/shopspring/decimal"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/spending"
)

// limited says whether anything may hold up a change of a team, by the cache: most teams have no limit, and then nothing is read past
// it. A limit that was set a moment ago counts from when the cache shows it.
func (g *Gate) limited(ctx context.Context, team, home string) (bool, error) {
	var t platformv1alpha1.Team
	err := g.Client.Get(ctx, types.NamespacedName{Name: team}, &t, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading Team %s: %w", team, err)
	}
	if err == nil && t.Spec.Spending != nil && len(t.Spec.Spending.Limits) > 0 {
		return true, nil
	}
	budgets, err := g.budgets(ctx, home)
	return len(budgets) > 0, err
}

// Look says in a sentence by how much a change would bring the forecast of each limit and Budget over its amount, those that only
// alert among them; nothing where all hold. It keeps no room: it is for whoever is about to make the change.
func (g *Gate) Look(ctx context.Context, team, home string, change spending.Change) ([]string, error) {
	if change.Free() {
		return nil, nil
	}
	today := forecast.DayOf(g.Clock.Now())
	limits, err := g.about(ctx, team, home, change, today)
	if err != nil || len(limits) == 0 {
		return nil, err
	}
	running, err := g.Reader.Running(ctx, home)
	if err != nil {
		return nil, err
	}
	var over []string
	for _, limit := range limits {
		book, err := g.Reader.Book(ctx, team, limit, today)
		if err != nil {
			return nil, err
		}
		f, err := spending.Reckon(limit, book.Ledger, running, nil, &change, today)
		if err != nil {
			return nil, err
		}
		if text := f.Over(&change, today); text != "" {
			over = append(over, text)
		}
	}
	return over, nil
}

// about are all limits and Budgets that a change counts for, by the cache.
func (g *Gate) about(ctx context.Context, team, home string, change spending.Change, today forecast.Day) ([]spending.Limit, error) {
	var limits []spending.Limit
	add := func(limit spending.Limit, err error) {
		if err == nil && limit.Scope.Holds(change.Place) && limit.Period.Holds(today) && limit.Currency == change.Currency && limit.Amount.GreaterThan(decimal.Zero) {
			limits = append(limits, limit)
		}
	}
	var t platformv1alpha1.Team
	err := g.Client.Get(ctx, types.NamespacedName{Name: team}, &t, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Team %s: %w", team, err)
	}
	if err == nil && t.Spec.Spending != nil {
		tiers, err := g.Reader.Tiers(ctx, home)
		if err != nil {
			return nil, err
		}
		tiers[change.Environment] = change.Tier
		for i := range t.Spec.Spending.Limits {
			add(spending.OfTeam(team, &t.Spec.Spending.Limits[i], tiers, today))
		}
	}
	var budgets platformv1alpha1.BudgetList
	if err := g.Client.List(ctx, &budgets, client.InNamespace(home), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Budgets of namespace %s: %w", home, err)
	}
	for i := range budgets.Items {
		b := budgets.Items[i].DeepCopy()
		selected, err := g.Reader.Selected(ctx, b)
		if err != nil {
			return nil, err
		}
		add(spending.OfBudget(b, selected, today))
	}
	return limits, nil
}
