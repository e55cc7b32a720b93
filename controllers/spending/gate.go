package spending

import (
	"context"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/forecast"
	"github.com/towpath-dev/towpath/internal/spending"
)

// Gate says whether a change stays within the limits of its team, and keeps room for it where it does.
type Gate struct {
	// Client reads Teams, Budgets and what runs from a cache, and writes reservations.
	Client client.Client
	// Live reads past the cache what holds the reservations: a Team, or the Budgets of a home.
	Live   client.Reader
	Reader *Reader
	Clock  clock.PassiveClock

	mu    sync.Mutex
	teams map[string]*sync.Mutex
}

// tries is how often a reservation is written again where somebody else wrote the same status meanwhile.
const tries = 5

// Ask says what the limits of a team and the Budgets of its home say of a change. Where they let it in and it raises cost, room is kept for
// it from then on, in the status of the Team, or where there is none of the oldest Budget. It may be asked again for the same Release. An error
// means that nobody can say, and that nothing is kept: the caller asks again later.
func (g *Gate) Ask(ctx context.Context, team, home string, change spending.Change) (spending.Verdict, error) {
	if change.Free() {
		return spending.Verdict{Decision: spending.Allow}, nil
	}
	// In this process one asks at a time for a team; the resource version keeps apart those in others.
	turn := g.turn(team)
	turn.Lock()
	defer turn.Unlock()
	for try := 1; ; try++ {
		verdict, err := g.ask(ctx, team, home, change)
		if err != nil && change.BreakGlassBy != "" {
			return spending.Verdict{Decision: spending.Allow, LetInBy: change.BreakGlassBy, Message: fmt.Sprintf(
				"what the team may spend cannot be told (%v), and %s let it in all the same", err, change.BreakGlassBy)}, nil
		}
		if err == nil || !apierrors.IsConflict(err) || try == tries {
			return verdict, err
		}
	}
}

func (g *Gate) turn(team string) *sync.Mutex {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.teams == nil {
		g.teams = map[string]*sync.Mutex{}
	}
	if g.teams[team] == nil {
		g.teams[team] = &sync.Mutex{}
	}
	return g.teams[team]
}

func (g *Gate) ask(ctx context.Context, team, home string, change spending.Change) (spending.Verdict, error) {
	if limited, err := g.limited(ctx, team, home); err != nil || !limited {
		return spending.Verdict{Decision: spending.Allow}, err
	}
	now := g.Clock.Now()
	holder, limits, err := g.blocking(ctx, team, home, change, forecast.DayOf(now))
	if unreadable, ok := err.(*unreadableError); ok { //nolint:errorlint // it is never wrapped
		if change.BreakGlassBy != "" {
			return spending.Verdict{Decision: spending.Allow, LetInBy: change.BreakGlassBy, Message: unreadable.Error()}, nil
		}
		return spending.Verdict{Decision: spending.Deny, Message: unreadable.Error()}, nil
	}
	if err != nil || len(limits) == 0 {
		return spending.Verdict{Decision: spending.Allow}, err
	}
	books := make([]spending.Book, 0, len(limits))
	for _, limit := range limits {
		book, err := g.Reader.Book(ctx, team, limit, forecast.DayOf(now))
		if err != nil {
			return spending.Verdict{}, fmt.Errorf("%s cannot be reckoned: %w", limit.Title, err)
		}
		books = append(books, book)
	}
	running, err := g.Reader.Running(ctx, home)
	if err != nil {
		return spending.Verdict{}, err
	}
	before := holder.reservations()
	verdict, after, err := spending.Admit(books, running, FromReservations(before), change, now)
	if err != nil || verdict.Decision != spending.Allow {
		return verdict, err
	}
	return verdict, holder.reserve(ctx, g.Client, ToReservations(after))
}

// unreadableError says that a limit of the platform means nothing. What it should have held up must not pass for that.
type unreadableError struct{ title, reason string }

func (e *unreadableError) Error() string {
	return fmt.Sprintf("%s cannot be read, so that nothing which adds cost is let in: %s. Ask the platform team to correct it.", e.title, e.reason)
}

// blocking are the limits that may hold up a change, and what holds the reservations of the team. Where nothing could hold any there are
// no limits either: the cache shows Budgets that are gone.
func (g *Gate) blocking(ctx context.Context, team, home string, change spending.Change, today forecast.Day) (*holder, []spending.Limit, error) {
	h, err := g.holderOf(ctx, team, home)
	if err != nil || h == nil {
		return nil, nil, err
	}
	all, err := g.about(ctx, h.team, home, change, today)
	if err != nil {
		return nil, nil, err
	}
	var limits []spending.Limit
	for i := range all {
		if all[i].Blocks() {
			limits = append(limits, all[i])
		}
	}
	return h, limits, nil
}

// about are the limits of a Team, which is nil where there is none, and the Budgets of its home that a change is about, whatever they
// do about it. A Budget that means nothing says so itself; a limit of the platform that does is an unreadableError.
func (g *Gate) about(ctx context.Context, t *platformv1alpha1.Team, home string, change spending.Change, today forecast.Day) ([]spending.Limit, error) {
	var all []spending.Limit
	if t != nil && t.Spec.Spending != nil {
		tiers, err := g.Reader.Tiers(ctx, home)
		if err != nil {
			return nil, err
		}
		tiers[change.Environment] = change.Tier // the cache may not show it yet
		for i := range t.Spec.Spending.Limits {
			limit, err := spending.OfTeam(t.Name, &t.Spec.Spending.Limits[i], tiers, today)
			if err != nil && limit.Blocks() {
				return nil, &unreadableError{limit.Title, err.Error()}
			}
			if err == nil && limit.Scope.Holds(change.Place) {
				all = append(all, limit)
			}
		}
	}
	budgets, err := g.budgets(ctx, home)
	if err != nil {
		return nil, err
	}
	for i := range budgets {
		selected, err := g.Reader.Selected(ctx, &budgets[i])
		if err != nil {
			return nil, err
		}
		if limit, err := spending.OfBudget(&budgets[i], selected, today); err == nil && limit.Scope.Holds(change.Place) {
			all = append(all, limit)
		}
	}
	return all, nil
}

// budgets are those of a home, in order of their names.
func (g *Gate) budgets(ctx context.Context, home string) ([]platformv1alpha1.Budget, error) {
	var list platformv1alpha1.BudgetList
	if err := g.Client.List(ctx, &list, client.InNamespace(home), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Budgets of namespace %s: %w", home, err)
	}
	var budgets []platformv1alpha1.Budget
	for i := range list.Items {
		if b := &list.Items[i]; b.DeletionTimestamp.IsZero() {
			budgets = append(budgets, *b.DeepCopy())
		}
	}
	sortByName(budgets)
	return budgets, nil
}

// Selected are the names of the Components that the selector of a Budget selects; nil where it has none.
func (r *Reader) Selected(ctx context.Context, b *platformv1alpha1.Budget) ([]string, error) {
	if b.Spec.Scope.ComponentSelector == nil {
		return nil, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(b.Spec.Scope.ComponentSelector)
	if err != nil || selector.Empty() {
		return nil, nil //nolint:nilerr // such a Budget selects no Component, and its status says why
	}
	var list platformv1alpha1.ComponentList
	if err := r.List(ctx, &list, client.InNamespace(b.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Components of namespace %s: %w", b.Namespace, err)
	}
	var names []string
	for i := range list.Items {
		if selector.Matches(labels.Set(list.Items[i].Labels)) {
			names = append(names, list.Items[i].Name)
		}
	}
	return names, nil
}

// holder is what holds the reservations of a team: its Team, or where there is none the oldest Budget of its home, whatever that is about.
// All changes of the team so meet in one object, and a Budget that is new takes the place of none.
type holder struct {
	team   *platformv1alpha1.Team
	budget *platformv1alpha1.Budget
	// kept is what all Budgets of the home hold: one that is older may be gone.
	kept []platformv1alpha1.SpendingReservation
}

// holderOf reads the holder past the cache; nil where there is none.
func (g *Gate) holderOf(ctx context.Context, team, home string) (*holder, error) {
	live := &platformv1alpha1.Team{}
	err := g.Live.Get(ctx, types.NamespacedName{Name: team}, live)
	if err == nil {
		return &holder{team: live}, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading Team %s: %w", team, err)
	}
	var list platformv1alpha1.BudgetList
	if err := g.Live.List(ctx, &list, client.InNamespace(home)); err != nil {
		return nil, fmt.Errorf("listing Budgets of namespace %s: %w", home, err)
	}
	h := &holder{kept: Kept(list.Items)}
	for i := range list.Items {
		if b := &list.Items[i]; b.DeletionTimestamp.IsZero() && (h.budget == nil || older(b, h.budget)) {
			h.budget = b
		}
	}
	if h.budget == nil {
		return nil, nil
	}
	return h, nil
}

func older(a, b *platformv1alpha1.Budget) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.Name < b.Name
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

func (h *holder) reservations() []platformv1alpha1.SpendingReservation {
	switch {
	case h.budget != nil:
		return h.kept
	case h.team.Status.Spending != nil:
		return h.team.Status.Spending.Reservations
	}
	return nil
}

// reserve writes the reservations in place of those that were read, or fails where somebody else did meanwhile.
func (h *holder) reserve(ctx context.Context, c client.Client, reservations []platformv1alpha1.SpendingReservation) error {
	if sameReservations(h.reservations(), reservations) {
		return nil // it was kept before: nobody else got this room
	}
	lock := client.MergeFromWithOptimisticLock{}
	if h.budget != nil {
		before := h.budget.DeepCopy()
		h.budget.Status.Reservations = reservations
		return c.Status().Patch(ctx, h.budget, client.MergeFromWithOptions(before, lock))
	}
	before := h.team.DeepCopy()
	if h.team.Status.Spending == nil {
		h.team.Status.Spending = &platformv1alpha1.TeamSpendingStatus{}
	}
	h.team.Status.Spending.Reservations = reservations
	return c.Status().Patch(ctx, h.team, client.MergeFromWithOptions(before, lock))
}
