package spending

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/spending"
)

// limited says whether anything may hold up a change of a team, by the cache: most teams have no limit, and then nothing is read past
// it. A limit that was set a moment ago counts from when the cache shows it.
func (g *Gate) limited(ctx context.Context, team, home string) (bool, error) {
	t, err := g.cachedTeam(ctx, team)
	if err != nil {
		return false, err
	}
	if t != nil && t.Spec.Spending != nil && len(t.Spec.Spending.Limits) > 0 {
		return true, nil
	}
	budgets, err := g.budgets(ctx, home)
	return slices.ContainsFunc(budgets, func(b platformv1alpha1.Budget) bool {
		return b.Spec.Enforcement != platformv1alpha1.EnforceAlert && b.Spec.Enforcement != ""
	}), err
}

// cachedTeam is a Team by the cache; nil where there is none.
func (g *Gate) cachedTeam(ctx context.Context, name string) (*platformv1alpha1.Team, error) {
	t := &platformv1alpha1.Team{}
	err := g.Client.Get(ctx, types.NamespacedName{Name: name}, t)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Team %s: %w", name, err)
	}
	return t, nil
}

// Look says in a sentence by how much a change would bring the forecast of each limit and Budget over its amount, those that only
// alert among them; nothing where all hold. It keeps no room: it is for whoever is about to make the change.
func (g *Gate) Look(ctx context.Context, team, home string, change spending.Change) ([]string, error) {
	if change.Free() || change.Unknown {
		return nil, nil
	}
	today := forecast.DayOf(g.Clock.Now())
	t, err := g.cachedTeam(ctx, team)
	if err != nil {
		return nil, err
	}
	limits, err := g.about(ctx, t, home, change, today)
	if unreadable, ok := err.(*unreadableError); ok { //nolint:errorlint // it is never wrapped
		return []string{unreadable.Error()}, nil
	}
	if err != nil || len(limits) == 0 {
		return nil, err
	}
	running, err := g.Reader.Running(ctx, home)
	if err != nil {
		return nil, err
	}
	var over []string
	for i := range limits {
		book, err := g.Reader.Book(ctx, team, limits[i], today)
		if err != nil {
			return nil, err
		}
		text, err := spending.Over(book, running, change, today)
		if err != nil {
			return nil, err
		}
		if text != "" {
			over = append(over, text)
		}
	}
	return over, nil
}
