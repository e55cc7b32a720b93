// Package rightsize says how a team can spend less: by smaller requests, by sleep, by shorter previews, and by taking away what
// nobody uses. It is pure: what is known comes in, and where something is not known, it says that instead of guessing.
//
// Requests are recommended after the documented defaults of the Vertical Pod Autoscaler's recommender: a percentile of the
// usage with a margin of 15 %, and no less than 25 millicores and 250 MB. Of cores it is the 90th, as there. Of memory it is the
// 95th: the recommender takes the 90th of daily peaks, and samples here are no peaks.
package rightsize

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
)

// The percentiles of usage that requests are recommended by.
var (
	CPUPercentile    = decimal.RequireFromString("0.90")
	MemoryPercentile = decimal.RequireFromString("0.95")
)

var (
	margin    = decimal.RequireFromString("1.15")
	leastCPU  = decimal.RequireFromString("0.025")
	leastGiB  = decimal.RequireFromString("250000000").DivRound(decimal.NewFromInt(1<<30), gibPlaces)
	month     = decimal.NewFromInt(cost.HoursPerMonth)
	milli     = decimal.NewFromInt(1000)
	mib       = decimal.NewFromInt(1024)
	hundred   = decimal.NewFromInt(100)
	weekHours = decimal.NewFromInt(168)
	// typicalAwake is how many hours of a week an environment is awake that sleeps at night, from 20:00 to 07:00, and at
	// weekends.
	typicalAwake = decimal.NewFromInt(5 * 13)
)

const (
	gibPlaces = 9
	// savedPlaces is how exact a saving is said.
	savedPlaces = 4
)

// Resources are cores and GiB.
type Resources struct{ CPU, Memory decimal.Decimal }

// Usage is what one container of a workload uses: percentiles, of all of its pods.
type Usage struct {
	Resources

	// Samples is how many they are of, and Window over which time; 0: now, one sample of each pod.
	Samples int
	Window  time.Duration
}

// Container is one of a workload's.
type Container struct {
	Environment, Component, Name string
	Tier                         platformv1alpha1.Tier
	NodeSelector                 map[string]string
	// Pods is how many run, and Request what each asks for.
	Pods    int
	Request Resources
	// Usage is nil where it is not known.
	Usage *Usage
	// Autoscaled says that a HorizontalPodAutoscaler adds and removes pods by what they ask for.
	Autoscaled bool
}

// Environment is one of the team.
type Environment struct {
	Name string
	Tier platformv1alpha1.Tier
	// Preview says that it is for a pull request.
	Preview bool
	// Sleeps says that it sleeps at some time, by its class or its own windows. SleepKnown is false where its class may not
	// be read.
	Sleeps, SleepKnown bool
	// Expires says that it has an end.
	Expires bool
	// LastChange is when something was released there last; zero for never.
	LastChange time.Time
	Created    time.Time
	// Monthly is what it costs in a month, by currency.
	Monthly map[string]decimal.Decimal
}

// Input is what is known.
type Input struct {
	Now          time.Time
	Environments []Environment
	Containers   []Container
	Prices       *cost.Prices
	// IdleAfter is after how long without a Release an environment counts as idle.
	IdleAfter time.Duration
	// Unknown says why usage is not known; empty where it is.
	Unknown string
}

// Kind is a kind of hint.
type Kind string

// The kinds.
const (
	Rightsize Kind = "Rightsize"
	Sleep     Kind = "Sleep"
	Preview   Kind = "Preview"
	Idle      Kind = "Idle"
	Unknown   Kind = "Unknown"
)

// Hint is one way to spend less.
type Hint struct {
	Kind                   Kind
	Environment, Component string
	Text                   string
	// Saves is what it may save a month; nil where that is not known, or where it saves nothing.
	Saves    *decimal.Decimal
	Currency string
}

// least is the part of a request, in percent, that is not worth a change.
var least = decimal.NewFromInt(10)

// Hints are the ways to spend less, what saves most first, by currency. Savings are not to be added: an environment that is
// deleted does not sleep.
func Hints(in Input) []Hint {
	hints := []Hint{}
	for i := range in.Containers {
		if hint, ok := ofContainer(&in.Containers[i], in.Prices); ok {
			hints = append(hints, hint)
		}
	}
	for i := range in.Environments {
		hints = append(hints, ofEnvironment(&in.Environments[i], &in)...)
	}
	if in.Unknown != "" {
		hints = append(hints, Hint{Kind: Unknown, Text: "no requests were looked at: " + in.Unknown})
	}
	slices.SortStableFunc(hints, func(a, b Hint) int {
		return cmp.Or(strings.Compare(b.Currency, a.Currency), saved(&b).Cmp(saved(&a)), strings.Compare(a.Environment, b.Environment), strings.Compare(a.Component, b.Component))
	})
	return hints
}

func saved(h *Hint) decimal.Decimal {
	if h.Saves == nil {
		return decimal.Zero
	}
	return *h.Saves
}

// Recommend is what a container should ask for, by its usage.
func Recommend(u *Usage) Resources {
	return Resources{
		CPU:    decimal.Max(leastCPU, u.CPU.Mul(margin)),
		Memory: decimal.Max(leastGiB, u.Memory.Mul(margin)),
	}
}

// ofContainer compares what a container asks for with what it uses.
func ofContainer(c *Container, prices *cost.Prices) (Hint, bool) {
	hint := Hint{Kind: Rightsize, Environment: c.Environment, Component: c.Component}
	if c.Usage == nil || c.Pods == 0 {
		return hint, false
	}
	want := Recommend(c.Usage)
	smaller := func(has, should decimal.Decimal) bool {
		return has.IsPositive() && has.Sub(should).Mul(hundred).GreaterThan(has.Mul(least))
	}
	cpu, memory := smaller(c.Request.CPU, want.CPU), smaller(c.Request.Memory, want.Memory)
	basis := c.Usage.basis()
	switch {
	case want.Memory.GreaterThan(c.Request.Memory) && c.Usage.Memory.GreaterThan(c.Request.Memory):
		// Less to spend it is not, but who follows the hints must know.
		hint.Text = fmt.Sprintf("container %s uses more memory than it asks for: %s of %s; ask for %s, or its node may end it (%s)",
			c.Name, bytes(c.Usage.Memory), bytes(c.Request.Memory), bytes(want.Memory), basis)
		return hint, true
	case !cpu && !memory:
		return hint, false
	case c.Autoscaled:
		hint.Text = fmt.Sprintf("container %s uses less than it asks for, but an autoscaler counts its pods by that: look at its target first (%s)", c.Name, basis)
		return hint, true
	}
	scope := prices.In(c.Tier, c.NodeSelector)
	saves := decimal.Zero
	var changes []string
	for _, part := range []struct {
		smaller  bool
		resource cost.Resource
		name     string
		has, to  decimal.Decimal
		show     func(decimal.Decimal) string
	}{{cpu, cost.CPU, "cpu", c.Request.CPU, want.CPU, cores}, {memory, cost.Memory, "memory", c.Request.Memory, want.Memory, bytes}} {
		if !part.smaller {
			continue
		}
		changes = append(changes, fmt.Sprintf("%s %s instead of %s", part.name, part.show(part.to), part.show(part.has)))
		if price, ok := scope.Price(cost.Item{Resource: part.resource}); ok {
			saves = saves.Add(part.has.Sub(part.to).Mul(price.Amount))
		}
	}
	saves = saves.Mul(month).Mul(decimal.NewFromInt(int64(c.Pods)))
	hint.Text = fmt.Sprintf("container %s may ask for %s, in %d pods (%s)", c.Name, strings.Join(changes, " and "), c.Pods, basis)
	if saves.IsPositive() {
		hint.Saves, hint.Currency = &saves, prices.Currency
	}
	return hint, true
}

// basis says of what a recommendation is.
func (u *Usage) basis() string {
	if u.Window == 0 {
		return "of one sample of each pod, just now: look again at a busy hour, or give --prometheus"
	}
	return fmt.Sprintf("90th percentile of cores and 95th of memory in %d days, and 15 %%", int(u.Window.Hours()/24))
}

// ofEnvironment are the hints of an environment.
func ofEnvironment(e *Environment, in *Input) []Hint {
	var hints []Hint
	add := func(kind Kind, text string, part decimal.Decimal) {
		hint := Hint{Kind: kind, Environment: e.Name, Text: text}
		// In one currency, as a rule.
		for _, currency := range slices.Sorted(maps.Keys(e.Monthly)) {
			if amount := e.Monthly[currency].Mul(part).Round(savedPlaces); amount.IsPositive() {
				hint.Saves, hint.Currency = &amount, currency
				break
			}
		}
		hints = append(hints, hint)
	}
	last := e.LastChange
	if last.IsZero() {
		last = e.Created
	}
	quiet := in.Now.Sub(last)
	one := decimal.NewFromInt(1)
	switch {
	case e.Preview && quiet > in.IdleAfter:
		add(Preview, fmt.Sprintf("nothing was released to this preview for %d days: close its pull request, or towpath env delete-preview", days(quiet)), one)
	case e.Preview && !e.Expires:
		add(Preview, "this preview has no end: have its class give it a lifetime", decimal.Zero)
	case e.Tier != platformv1alpha1.TierProduction && quiet > in.IdleAfter:
		add(Idle, fmt.Sprintf("nothing was released here for %d days: if nobody uses it, delete it, or have it sleep always", days(quiet)), one)
	}
	if e.Tier == platformv1alpha1.TierDevelopment && !e.Preview && !e.Sleeps && e.SleepKnown {
		add(Sleep, "it never sleeps: nights from 20:00 to 07:00 and weekends are 61 % of the week; at most so much of its cost, since volumes do not sleep",
			one.Sub(typicalAwake.DivRound(weekHours, gibPlaces)))
	}
	return hints
}

func days(d time.Duration) int { return int(d.Hours() / 24) }

// cores are cores as Kubernetes writes them.
func cores(amount decimal.Decimal) string { return amount.Mul(milli).Ceil().String() + "m" }

// bytes are GiB as Kubernetes writes them.
func bytes(amount decimal.Decimal) string { return amount.Mul(mib).Ceil().String() + "Mi" }

// Percentile is the nearest-rank percentile of samples: the least of them that so many are not above. False where there are
// none. They are sorted.
func Percentile(samples []decimal.Decimal, p decimal.Decimal) (decimal.Decimal, bool) {
	if len(samples) == 0 {
		return decimal.Zero, false
	}
	slices.SortFunc(samples, decimal.Decimal.Cmp)
	rank := int(p.Mul(decimal.NewFromInt(int64(len(samples)))).Ceil().IntPart())
	return samples[min(max(rank, 1), len(samples))-1], true
}
