// Package costrecord writes down each day what the Releases that ran are estimated to have cost, so that budgets and reports have
// figures of each day where no bill tells them, and none of what has been deleted since is lost.
package costrecord

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/history"
)

const (
	// Interval is how long it takes from one record to the next. What a Release costs that ran between two and is deleted is lost.
	Interval = 10 * time.Minute
	// mostDays is how many days are made up for that no manager ran on. Releases are kept for no longer, as a rule.
	mostDays = 31
)

// Recorder records estimates, on the manager that leads.
type Recorder struct {
	Reader  client.Reader
	History history.Store
	Clock   clock.WithTicker
	// Currency is that of the estimates.
	Currency string
}

var (
	_ manager.Runnable               = &Recorder{}
	_ manager.LeaderElectionRunnable = &Recorder{}
)

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases;environments,verbs=get;list;watch

// SetupWithManager adds the recorder to the manager.
func (r *Recorder) SetupWithManager(mgr ctrl.Manager) error { return mgr.Add(r) }

// NeedLeaderElection says that one manager records.
func (r *Recorder) NeedLeaderElection() bool { return true }

// Start records until the context ends. What fails is tried again at the next interval: estimates are not needed to run anything.
func (r *Recorder) Start(ctx context.Context) error {
	log := ctrl.LoggerFrom(ctx).WithName("costrecord")
	ticker := r.Clock.NewTicker(Interval)
	defer ticker.Stop()
	for {
		if err := r.Record(ctx); err != nil && ctx.Err() == nil {
			log.Error(err, "Recording what Releases cost failed, and is tried again", "after", Interval)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

// Record records today, and the days before that may still change.
func (r *Recorder) Record(ctx context.Context) error {
	now := r.Clock.Now()
	state, err := r.History.State(ctx, estimate.Source)
	if err != nil {
		return fmt.Errorf("reading how far estimates are recorded: %w", err)
	}
	releases, err := r.releases(ctx)
	if err != nil {
		return err
	}
	today := history.DayOf(now)
	// The day of the last record may have been cut short.
	from := today
	if !state.LastSuccess.IsZero() {
		from = max(today-mostDays, min(today, history.DayOf(state.LastSuccess)))
	}
	var errs []error
	for team, list := range releases {
		begin := from
		if state.LastSuccess.IsZero() {
			// The history is new, or was lost with a volume: what the Releases tell that are still there is made up for.
			begin = max(today-mostDays, firstDay(list, today))
		}
		for day := begin; day <= today; day++ {
			errs = append(errs, r.day(ctx, team, list, day, now))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.History.SetState(ctx, estimate.Source, history.State{LastAttempt: now, LastSuccess: now})
}

// releases are those that run or ran, by team. A team with an Environment and without any has none.
func (r *Recorder) releases(ctx context.Context) (map[string][]*platformv1alpha1.Release, error) {
	var environments platformv1alpha1.EnvironmentList
	if err := r.Reader.List(ctx, &environments, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Environments: %w", err)
	}
	var list platformv1alpha1.ReleaseList
	if err := r.Reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Releases: %w", err)
	}
	teams := map[string][]*platformv1alpha1.Release{}
	for i := range environments.Items {
		if team := environments.Items[i].Status.Team; team != "" {
			teams[team] = nil
		}
	}
	for i := range list.Items {
		release := &list.Items[i]
		teams[release.Spec.Team] = append(teams[release.Spec.Team], release)
	}
	return teams, nil
}

// firstDay is the day on which the first of Releases began to run; today for none.
func firstDay(releases []*platformv1alpha1.Release, today history.Day) history.Day {
	first := today
	for _, release := range releases {
		if at := release.Status.AppliedAt; at != nil {
			first = min(first, history.DayOf(at.Time))
		}
	}
	return first
}

// day records one day of a team.
func (r *Recorder) day(ctx context.Context, team string, releases []*platformv1alpha1.Release, day history.Day, now time.Time) error {
	known, err := r.History.Sum(ctx, history.Query{
		From: day, To: day + 1, Sources: []string{estimate.Source}, Teams: []string{team},
		GroupBy: []history.Dimension{history.ByTeam, history.ByEnvironment, history.ByComponent}, At: now,
	})
	if err != nil {
		return fmt.Errorf("reading what is recorded of %s: %w", day, err)
	}
	figures := estimate.Daily(team, r.Currency, releases, known, day, now)
	slice := history.Slice{Source: estimate.Source, Period: day.String(), Part: team}
	if err := r.History.Replace(ctx, slice, sequence(figures)); err != nil {
		return fmt.Errorf("recording %s of team %s: %w", day, team, err)
	}
	return nil
}

func sequence(figures []history.Figure) iter.Seq2[history.Figure, error] {
	return func(yield func(history.Figure, error) bool) {
		for figure := range slices.Values(figures) {
			if !yield(figure, nil) {
				return
			}
		}
	}
}
