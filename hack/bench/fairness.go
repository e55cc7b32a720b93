package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// inTurn is how many requests whoever makes many Components has under way: kubectl apply sends one after the other, and what an
	// API server answers to more of them at once is no matter of Towpath.
	inTurn = 1
	// samples are how many Components the quiet team makes while nobody else does anything.
	samples = 120
	// invalids are how many Components cannot be rendered, and as many again are refused by the API server.
	invalids = 500
	// The busy team is the first, the quiet one the second, the third has what is invalid, and the fourth is the quiet one while
	// nobody reconciles: what it makes then is left for later, and would be a burst of its own.
	busyTeam, quietTeam, invalidTeam, bareTeam = 0, 1, 2, 3
)

// The parts of the benchmark, in their order.
const (
	partAlone       = "alone"
	partInvalid     = "while invalid are made"
	partStanding    = "beside invalid, once told"
	partBareAlone   = "bare: alone"
	partBareCreated = "bare: while a burst is made"
	partWaiting     = "beside a burst that is there"
	partBurst       = "while a burst is made"
	partAgain       = "alone again"
)

// fairnessResult is what stands in build/bench/fairness.json.
type fairnessResult struct {
	Benchmark string    `json:"benchmark"`
	At        time.Time `json:"at"`
	Machine   machine   `json:"machine"`
	// Burst is how many Components the busy team makes at once, Invalid how many are invalid.
	Burst   int `json:"burst"`
	Invalid int `json:"invalid"`
	// Parts are what the quiet team saw, one after the other.
	Parts []*fairnessPart `json:"parts"`
	// InvalidRequestsPerMinute is what Towpath asked for when all that is invalid had been told so.
	InvalidRequestsPerMinute float64 `json:"invalidRequestsPerMinute"`
	PeakMiB                  float64 `json:"peakMiB"`

	// busy is how many Components the busy team has.
	busy int
}

// fairnessPart is what the quiet team saw while others did something.
type fairnessPart struct {
	Name string `json:"name"`
	// Seconds is how long it went on.
	Seconds float64 `json:"seconds"`
	// All is from when a Component was due until all of its objects existed; in a bare part, where nobody makes any, until it was
	// created and read again.
	All sample `json:"all"`
	// Ratio is that of the 99th percentile, and MedianRatio that of the median, to those alone: in a bare part to the bare ones.
	Ratio       float64 `json:"ratio"`
	MedianRatio float64 `json:"medianRatio"`
	// Created is how much of All went by until the API server had taken the Component, webhooks and all, Released from then until
	// its Release was seen, and Applied from then until all objects were.
	Created  sample  `json:"created"`
	Released *sample `json:"released,omitempty"`
	Applied  *sample `json:"applied,omitempty"`
	// CPUCores are how many cores each program kept busy, and OthersCores how many everybody else on the machine did.
	CPUCores    map[string]float64 `json:"cpuCores"`
	OthersCores float64            `json:"othersCores"`
}

// fairness measures one team's Components beside what others do.
func fairness(ctx context.Context, o *options) error {
	host, err := readMachine()
	if err != nil {
		return err
	}
	r := &fairnessResult{Benchmark: benchFairness, At: time.Now().UTC().Truncate(time.Second), Machine: host, Burst: o.instances, Invalid: 2 * invalids}
	fmt.Printf("%s: a Component of one team every %s, alone, beside %d of another that are invalid, and beside %d of another at once\n",
		benchFairness, apart, r.Invalid, r.Burst)
	return once(ctx, o, r.Benchmark, r)
}

func (r *fairnessResult) measure(ctx context.Context, c *cluster, o *options) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if err := c.installTowpath(ctx, o); err != nil {
		return err
	}
	if err := c.makeInvalidTemplates(ctx); err != nil {
		return err
	}
	l, err := watchLatencies(ctx, c)
	if err != nil {
		return err
	}
	q := &quiet{cluster: c, latencies: l}
	// What the manager does for the first time, such as to open watches, is no part of it.
	if _, err := q.make(ctx, quietTeam, times(10)); err != nil {
		return err
	}
	if err := r.part(ctx, q, partAlone, quietTeam, times(samples)); err != nil {
		return err
	}
	for _, next := range []func(context.Context, *cluster, *options, *quiet) error{r.measureInvalid, r.measureWaiting, r.measureBurst} {
		if err := next(ctx, c, o, q); err != nil {
			return err
		}
	}
	if _, err := c.settle(ctx); err != nil {
		return err
	}
	if err := r.part(ctx, q, partAgain, quietTeam, times(samples)); err != nil {
		return err
	}
	r.PeakMiB, err = peakMiB(c.manager.PID())
	r.PeakMiB = round(r.PeakMiB)
	return err
}

// part has the quiet team go on until it is enough, and keeps what it saw.
func (r *fairnessResult) part(ctx context.Context, q *quiet, name string, team int, enough func(int) bool) error {
	before, err := readUsage()
	if err != nil {
		return err
	}
	start := time.Now()
	p, err := q.make(ctx, team, enough)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	used, err := readUsage()
	if err != nil {
		return err
	}
	used, p.Name, p.Seconds, p.CPUCores = used.since(before), name, round(time.Since(start).Seconds()), map[string]float64{}
	for program, seconds := range used.by {
		p.CPUCores[program] = round(seconds / time.Since(start).Seconds())
	}
	p.OthersCores = round(used.others() / time.Since(start).Seconds())
	r.Parts = append(r.Parts, p)
	p.compare(r.Parts)
	fmt.Printf("  %s: p50 %.3f s, p99 %.3f s of %d\n", p.Name, p.All.P50Seconds, p.All.P99Seconds, p.All.Count)
	return nil
}

// beside has the quiet team go on while something is done.
func (r *fairnessResult) beside(ctx context.Context, q *quiet, name string, team int, do func(context.Context) error) error {
	over := make(chan struct{})
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(over)
		return do(groupCtx)
	})
	group.Go(func() error { return r.part(groupCtx, q, name, team, until(over)) })
	return group.Wait()
}

// measureInvalid has somebody make what is invalid while the quiet team goes on, and looks what it costs afterwards.
func (r *fairnessResult) measureInvalid(ctx context.Context, c *cluster, o *options, q *quiet) error {
	err := r.beside(ctx, q, partInvalid, quietTeam, func(ctx context.Context) error {
		return each(ctx, inTurn, 2*invalids, func(ctx context.Context, i int) error {
			template := templateUnrenderable
			if i%2 == 1 {
				template = templateRefused
			}
			return c.client.Create(ctx, component(i*teams+invalidTeam, template))
		})
	})
	if err != nil {
		return err
	}
	if _, err := c.settle(ctx); err != nil {
		return err
	}
	if err := c.checkInvalid(ctx); err != nil {
		return err
	}
	var steady run
	if err := c.watchSteady(ctx, o, &steady); err != nil {
		return err
	}
	r.InvalidRequestsPerMinute = steady.SteadyRequestsPerMinute
	return r.part(ctx, q, partStanding, quietTeam, times(samples))
}

// measureWaiting has the busy team make its Components while the manager answers webhooks and reconciles nothing, so that it is seen
// what they cost the quiet team without it. Then the manager finds all of them, as after an outage or a change of what they are made of.
func (r *fairnessResult) measureWaiting(ctx context.Context, c *cluster, _ *options, q *quiet) error {
	if _, err := c.settle(ctx); err != nil { // what is not written yet would be done again
		return err
	}
	release, err := c.standBy(ctx)
	if err != nil {
		return err
	}
	if _, err := q.make(ctx, bareTeam, times(10)); err != nil { // webhooks open watches, too
		return err
	}
	if err := r.part(ctx, q, partBareAlone, bareTeam, times(samples/2)); err != nil {
		return err
	}
	var keys []types.NamespacedName
	err = r.beside(ctx, q, partBareCreated, bareTeam, func(ctx context.Context) (err error) {
		keys, err = r.burst(ctx, c)
		return err
	})
	if err != nil {
		return err
	}
	if err := release(ctx); err != nil {
		return err
	}
	if _, err := q.latencies.awaitAny(ctx, keys); err != nil { // until then nobody leads
		return err
	}
	return r.beside(ctx, q, partWaiting, quietTeam, func(ctx context.Context) error {
		_, err := q.latencies.await(ctx, keys)
		return err
	})
}

// measureBurst has the busy team make all of its Components at once while the quiet team goes on until they have their objects.
func (r *fairnessResult) measureBurst(ctx context.Context, c *cluster, _ *options, q *quiet) error {
	if _, err := c.settle(ctx); err != nil {
		return err
	}
	return r.beside(ctx, q, partBurst, quietTeam, func(ctx context.Context) error {
		keys, err := r.burst(ctx, c)
		if err != nil {
			return err
		}
		_, err = q.latencies.await(ctx, keys)
		return err
	})
}

// burst has the busy team make all of its Components, and returns the keys of what they become.
func (r *fairnessResult) burst(ctx context.Context, c *cluster) ([]types.NamespacedName, error) {
	keys, first := make([]types.NamespacedName, r.Burst), r.busy
	r.busy += r.Burst
	for i := range keys {
		keys[i] = types.NamespacedName{Namespace: workloadNamespace(busyTeam), Name: componentName((first+i)*teams + busyTeam)}
	}
	return keys, each(ctx, inTurn, r.Burst, func(ctx context.Context, i int) error {
		return c.client.Create(ctx, component((first+i)*teams+busyTeam, templateName))
	})
}
