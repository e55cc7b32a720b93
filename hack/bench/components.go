package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// run is what one run showed.
type run struct {
	// Seconds until all that was waited for was there; in the first benchmark, all children.
	Seconds float64 `json:"seconds"`
	// ChildrenSeconds is when all children existed, AppliedSeconds when the last write of the bench itself
	// was answered.
	ChildrenSeconds float64 `json:"childrenSeconds"`
	AppliedSeconds  float64 `json:"appliedSeconds"`
	// SettledSeconds is when the last request that Towpath made was answered.
	SettledSeconds float64 `json:"settledSeconds,omitempty"`
	// CPUSeconds is the CPU time in Seconds, by program.
	CPUSeconds map[string]float64 `json:"cpuSeconds"`
	// OthersCores is how many cores everybody else on the machine kept busy meanwhile, on average.
	OthersCores float64 `json:"othersCores"`

	// The rest is of runs with Towpath alone.

	// RequestsPerInstance are Towpath's own, but for events, watches and leases.
	RequestsPerInstance float64 `json:"requestsPerInstance,omitempty"`
	// AllRequestsPerInstance are those of everybody but the user, with the same exceptions: the API server
	// itself makes an IPAddress for each Service.
	AllRequestsPerInstance float64 `json:"allRequestsPerInstance,omitempty"`
	// RequestsByVerb and Requests are those of everybody, the user and the API server itself among them,
	// but for watches and leases.
	RequestsByVerb map[string]int `json:"requestsByVerb,omitempty"`
	Requests       []requestCount `json:"requests,omitempty"`
	// RequestsByUser are those of Towpath alone.
	RequestsByUser *byUser `json:"requestsByUser,omitempty"`
	// SettledCPUSeconds is the CPU time until Towpath had come to rest, by program.
	SettledCPUSeconds map[string]float64 `json:"settledCPUSeconds,omitempty"`
	// ManagerCPUSeconds is the manager's CPU time in SettledSeconds.
	ManagerCPUSeconds float64 `json:"managerCPUSeconds,omitempty"`
	PeakMiB           float64 `json:"peakMiB,omitempty"`
	// Steady is what Towpath asked for in the steady state, SteadyRequests what everybody did.
	Steady                  *byUser        `json:"steady,omitempty"`
	SteadyRequests          []requestCount `json:"steadyRequests,omitempty"`
	SteadyRequestsPerMinute float64        `json:"steadyRequestsPerMinute"`
	SteadyCPUSeconds        float64        `json:"steadyCPUSeconds,omitempty"`
	// Restart is what Towpath asked for after the manager was ended and started again, RestartRequests what everybody
	// did. RestartReadySeconds is when it was ready, and RestartSettledSeconds when it made its last request.
	Restart               *byUser        `json:"restart,omitempty"`
	RestartRequests       []requestCount `json:"restartRequests,omitempty"`
	RestartReadySeconds   float64        `json:"restartReadySeconds,omitempty"`
	RestartSettledSeconds float64        `json:"restartSettledSeconds,omitempty"`
}

// managerProgram is the name of the manager's program in run.CPUSeconds.
const managerProgram = "manager"

// components runs the bare client and Towpath in turn, each time on a fresh control plane: the API
// server becomes slower with every Service that it has.
func components(ctx context.Context, o *options, name string) error {
	host, err := readMachine()
	if err != nil {
		return err
	}
	r := &result{Benchmark: name, At: time.Now().UTC().Truncate(time.Second), Machine: host, Instances: o.instances, Children: len(childKinds)}
	fmt.Printf("%s: %d Components with %d objects each, %d runs with the bare client and with Towpath in turn\n", name, o.instances, len(childKinds), o.runs)
	for i := 1; i <= o.runs; i++ {
		bare, err := measure(ctx, o, runBare)
		if err != nil {
			return fmt.Errorf("run %d of the bare client: %w", i, err)
		}
		fmt.Printf("  run %d: bare client %6.1f s", i, bare.Seconds)
		towpath, err := measure(ctx, o, func(ctx context.Context, c *cluster, o *options) (*run, error) {
			return runTowpath(ctx, c, o, profilesOf(o, name, i))
		})
		if err != nil {
			fmt.Println()
			return fmt.Errorf("run %d of Towpath: %w", i, err)
		}
		fmt.Printf(", Towpath %6.1f s (others on the machine: %.1f and %.1f cores)\n", towpath.Seconds, bare.OthersCores, towpath.OthersCores)
		r.Runs = append(r.Runs, pair{Bare: bare, Towpath: towpath})
	}
	r.sumUp()
	path, err := writeResult(o.out, r.Benchmark, r)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\nwritten to %s\n", r.table(), path)
	return nil
}

// measure starts a control plane, runs something on it, and ends it, also when it failed.
func measure(ctx context.Context, o *options, do func(context.Context, *cluster, *options) (*run, error)) (*run, error) {
	c, err := startCluster(ctx, o)
	var got *run
	if err == nil {
		got, err = do(ctx, c, o)
	}
	if c == nil {
		return nil, err
	}
	// Of an interruption the logs say nothing.
	failed := err != nil && ctx.Err() == nil
	stopErr := c.stop(failed)
	if failed {
		err = fmt.Errorf("%w\nlogs: %s", err, c.logs())
	}
	return got, errors.Join(err, stopErr)
}

// once measures something on a control plane of its own, and writes and shows the result.
func once(ctx context.Context, o *options, name string, r interface {
	measure(ctx context.Context, c *cluster, o *options) error
	table() string
}) error {
	_, err := measure(ctx, o, func(ctx context.Context, c *cluster, o *options) (*run, error) { return nil, r.measure(ctx, c, o) })
	if err != nil {
		return err
	}
	path, err := writeResult(o.out, name, r)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\nwritten to %s\n", r.table(), path)
	return nil
}

// runBare has the bare client apply everything.
func runBare(ctx context.Context, c *cluster, o *options) (*run, error) {
	b, err := newBareClient(c, o)
	if err != nil {
		return nil, err
	}
	if err := makeNamespaces(ctx, c); err != nil {
		return nil, err
	}
	return c.clock(ctx, o, func(ctx context.Context) error { return b.run(ctx, o.workers) }, nil)
}

// runTowpath makes the Components, and looks on.
func runTowpath(ctx context.Context, c *cluster, o *options, p *profiles) (*run, error) {
	t, err := serviceTemplate()
	if err != nil {
		return nil, err
	}
	if err := c.installTowpath(ctx, o); err != nil {
		return nil, err
	}
	create := func(ctx context.Context) error {
		return each(ctx, o.workers, o.instances, func(ctx context.Context, i int) error {
			return c.client.Create(ctx, component(i, t.Name))
		})
	}
	before, err := c.counters(ctx)
	if err != nil {
		return nil, err
	}
	ownBefore := c.own.snapshot()
	p.begin(ctx, c)
	got, err := c.clock(ctx, o, create, func(ctx context.Context) (time.Time, error) {
		p.settling()
		return c.settle(ctx)
	})
	if err != nil {
		return nil, err
	}
	after, err := c.counters(ctx)
	if err != nil {
		return nil, err
	}
	grown := after.since(before)
	users := byUserOf(grown.flows)
	got.RequestsByUser = &users
	got.RequestsByVerb, got.Requests = byVerb(grown.requests), ranked(grown.requests)
	got.RequestsPerInstance = float64(users.all()-users.ManagerEvents) / float64(o.instances)
	got.AllRequestsPerInstance = float64(withoutUser(grown.requests, minus(c.own.snapshot(), ownBefore))) / float64(o.instances)
	if users.Appliers < o.instances*len(childKinds) {
		return nil, fmt.Errorf("the flow schemas counted %d requests of the appliers, which have made %d objects", users.Appliers, o.instances*len(childKinds))
	}
	if err := p.end(ctx, c); err != nil {
		return nil, err
	}
	if err := c.watchSteady(ctx, o, got); err != nil {
		return nil, err
	}
	return got, c.restart(ctx, got)
}

// clock takes the time from before something is done until all of it is there, and, where settle is
// given, until Towpath has come to rest.
func (c *cluster) clock(ctx context.Context, o *options, do func(context.Context) error, settle func(context.Context) (time.Time, error)) (*run, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	p, err := watchProgress(ctx, c, o)
	if err != nil {
		return nil, err
	}
	usedBefore, err := readUsage()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := do(ctx); err != nil {
		return nil, err
	}
	got := &run{AppliedSeconds: time.Since(start).Seconds()}
	waits := []*tally{p.children}
	if o.ready {
		waits = append(waits, p.available)
		if c.manager != nil {
			waits = append(waits, p.ready)
		}
	}
	for _, wait := range waits {
		at, err := wait.await(ctx)
		if err != nil {
			return nil, err
		}
		got.Seconds = max(got.Seconds, at.Sub(start).Seconds())
		if wait == p.children {
			got.ChildrenSeconds = at.Sub(start).Seconds()
		}
	}
	used, err := readUsage()
	if err != nil {
		return nil, err
	}
	used = used.since(usedBefore)
	got.CPUSeconds, got.OthersCores = used.by, used.others()/time.Since(start).Seconds()
	if settle == nil {
		return got, nil
	}
	at, err := settle(ctx)
	if err != nil {
		return nil, err
	}
	got.SettledSeconds = max(at.Sub(start).Seconds(), got.Seconds)
	used, err = readUsage()
	got.SettledCPUSeconds = used.since(usedBefore).by
	got.ManagerCPUSeconds = got.SettledCPUSeconds[managerProgram]
	return got, err
}

// watchSteady looks what Towpath does when there is nothing to do.
func (c *cluster) watchSteady(ctx context.Context, o *options, got *run) error {
	before, err := c.counters(ctx)
	if err != nil {
		return err
	}
	usedBefore, err := readUsage()
	if err != nil {
		return err
	}
	select {
	case <-time.After(o.steady):
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := c.counters(ctx)
	if err != nil {
		return err
	}
	used, err := readUsage()
	if err != nil {
		return err
	}
	grown := after.since(before)
	users := byUserOf(grown.flows)
	got.Steady, got.SteadyRequests = &users, ranked(grown.requests)
	got.SteadyRequestsPerMinute = float64(users.all()) / o.steady.Minutes()
	got.SteadyCPUSeconds = used.since(usedBefore).by[managerProgram]
	got.PeakMiB, err = peakMiB(c.manager.PID())
	return err
}
