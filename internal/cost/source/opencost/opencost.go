// Package opencost reads how OpenCost allocates the cost of a cluster to what runs in it: its allocation API, a day at a time. What
// nobody uses of a cluster, and volumes that nobody mounts, are rows of their own, and nobody's.
package opencost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
)

// Source is a source.Reader of one OpenCost.
type Source struct {
	// URL is its address.
	URL *url.URL
	// Client sends requests. It must bound their time, and follow no redirect.
	Client *http.Client
	// Headers go with each request.
	Headers map[string]string
	// Currency is that of its prices.
	Currency string
	// Namespaces says whose a namespace is. What runs in it is of that team, whatever labels say.
	Namespaces map[string]source.Owner
}

var _ source.Reader = &Source{}

// session is one import.
type session struct {
	*Source
	task    *source.Task
	keys    []string
	unknown source.Teams
	rows    int64
	// skew is how far OpenCost's clock is behind ours; 0 where that is less than tolerance.
	skew time.Duration
	// nothing counts days of which OpenCost knows nothing, without amounts that are none.
	nothing, noAmount int
}

// Import reads each day that is not final, the oldest first. What was read by then counts where a later one fails.
func (s *Source) Import(ctx context.Context, store history.Store, task source.Task) (source.Outcome, error) {
	i := &session{Source: s, task: &task, unknown: source.Teams{}}
	i.keys = labels(&task.Attribution)
	before, basis := source.ParseDays(task.Cursor), s.basis(i.keys)
	from, today := before.Plan(&task, basis, 1)
	// Days that were read before are read again for a reason, which holds until all of them are.
	again := before.Basis == basis && from <= before.Final
	now := before
	for day := from; day <= today; day++ {
		if err := i.day(ctx, store, day); err != nil {
			return i.outcome(now), err
		}
		final := from - 1
		for final < day && !i.settles(final+1).After(task.Now) {
			final++
		}
		if again && day < today {
			continue
		}
		now = before.Read(&task, basis, from, final, i.unknown)
		if task.Keep != nil {
			if err := task.Keep(ctx, now.String()); err != nil {
				return i.outcome(now), source.Stored(err)
			}
		}
	}
	return i.outcome(now), nil
}

// settles is when a day is final, by the clock that is behind: OpenCost knows nothing of what it says is still to come.
func (i *session) settles(day history.Day) time.Time {
	return source.Final(day, i.task.Settle).Add(i.skew)
}

// basis is another one when the same answer would come to other figures.
func (s *Source) basis(keys []string) string { return s.Currency + " " + strings.Join(keys, ",") }

func (i *session) outcome(days source.Days) source.Outcome {
	out := source.Outcome{Cursor: days.String(), Rows: i.rows, UnknownTeams: days.Unknown}
	if i.noAmount > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%d amounts of OpenCost are no numbers, and count as 0: look at its log, and at whether its Prometheus answers", i.noAmount))
	}
	if i.nothing > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("of %d days OpenCost knows nothing: they are before it ran, or before what its Prometheus keeps", i.nothing))
	}
	if i.skew > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("the clock of OpenCost is %s behind ours, and days are final that much later: set it right", i.skew.Round(time.Second)))
	}
	return out
}

// day reads one day.
func (i *session) day(ctx context.Context, store history.Store, day history.Day) error {
	sets, err := i.ask(ctx, day)
	if err != nil {
		return err
	}
	ledger := source.NewLedger(0)
	ledger.Convert(i.task.Conversions)
	seen := map[string]bool{}
	for _, set := range sets {
		for name, a := range set {
			if a == nil {
				continue
			}
			err := i.add(ledger, day, name, a)
			if key := name + a.begin(); err == nil && seen[key] {
				err = errors.New("it is there twice for the same window")
			} else {
				seen[key] = true
			}
			if err != nil {
				return source.Fail(source.BillInvalid, fmt.Errorf("%s: the allocation %q of %s: %w", i.URL.Host, name, day, err),
					"Ask OpenCost for the same by curl, and report it there.")
			}
			i.rows++
		}
	}
	if ledger.Groups() == 0 {
		// Every cluster costs something each day. What there was stays: a Prometheus forgets sooner than the history does.
		i.nothing++
		return nil
	}
	slice := history.Slice{Source: i.task.Source, Period: day.String()}
	if err := store.Replace(ctx, slice, ledger.Figures(day.String())); err != nil {
		return source.Stored(fmt.Errorf("storing %s: %w", slice, err))
	}
	return nil
}

// tolerance is how far clocks may be apart.
const tolerance = 5 * time.Minute

// Names of OpenCost for what is no workload.
const (
	idle        = "__idle__"
	unmounted   = "__unmounted__"
	unallocated = "__unallocated__"
)

// add adds an allocation, a charge for each kind of resource that cost something.
func (i *session) add(ledger *source.Ledger, day history.Day, name string, a *allocation) error {
	if err := a.check(day); err != nil {
		return err
	}
	owner := i.owner(name)
	prefix := ""
	switch parts := strings.Split(name, "/"); {
	case slices.Contains(parts, idle):
		prefix = cost.IdlePrefix
	case parts[0] == unmounted:
		prefix = "Unmounted "
	}
	costs, bad := a.costs()
	i.noAmount += bad
	for _, part := range costs {
		c := source.Charge{
			Period: day.String(), Day: day, Owner: owner, Service: prefix + part.service, Category: history.Usage, Currency: i.Currency,
			Billed: part.amount, Effective: part.amount, Settles: i.settles(day),
		}
		if err := ledger.Add(&c); err != nil {
			return err
		}
	}
	return nil
}

// owner is whose an allocation is: of whose namespace it is in, for whoever writes a label there must not have another team pay; in
// a namespace of nobody's by its labels. Its name is what it is aggregated by: namespace and labels, with slashes between, which
// no value has. Nor is any value of a label that of idle cost, which begins with an underscore; but one may have it in its middle.
func (i *session) owner(name string) source.Owner {
	parts := strings.Split(name, "/")
	if len(parts) != len(i.keys)+1 || slices.Contains(parts, idle) {
		return source.Owner{}
	}
	value := func(key string) string {
		for n, k := range i.keys {
			if k == key && parts[n+1] != unallocated {
				return parts[n+1]
			}
		}
		return ""
	}
	owner, unknown := i.task.Attribution.Owner(value)
	if whose := i.Namespaces[parts[0]]; i.task.Attribution.Teams[whose.Team] && whose.Team != owner.Team {
		return whose
	}
	i.unknown.Add(unknown)
	return owner
}

// labels are the keys of an attribution, each once, in the order in which OpenCost is asked for them.
func labels(a *source.Attribution) []string {
	var keys []string
	seen := map[string]bool{}
	for _, list := range [][]string{a.TeamKeys, a.EnvironmentKeys, a.ComponentKeys} {
		for _, key := range list {
			if !seen[key] {
				seen[key] = true
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// odd is what Prometheus has no room for in the name of a label.
var odd = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// query asks for a day. Idle cost is not shared, so that it stands in rows of its own.
func (i *session) query(day history.Day) *url.URL {
	aggregate := []string{"namespace"}
	for _, key := range i.keys {
		aggregate = append(aggregate, "label:"+odd.ReplaceAllString(key, "_"))
	}
	u := i.URL.JoinPath("allocation")
	u.RawQuery = url.Values{
		"window":      {day.Time().Format(time.RFC3339) + "," + (day + 1).Time().Format(time.RFC3339)},
		"aggregate":   {strings.Join(aggregate, ",")},
		"step":        {"1d"},
		"accumulate":  {"false"},
		"includeIdle": {"true"},
		"shareIdle":   {"false"},
		"idleByNode":  {"false"},
	}.Encode()
	return u
}

var errNothing = errors.New("the answer has no data")
