package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// sleepyClass is the class of the Environments that fall asleep.
	sleepyClass = "bench-sleepy"
	// wall is how times of windows are written.
	wall = "2006-01-02T15:04"
	// nightBefore is since when the window is open, or how long it still is, when it does not matter: long enough that the
	// class's spread is not cut to a quarter of it.
	nightBefore = 24 * time.Hour
	// quietly is how long the probe asks while nothing happens, to hold the rest to.
	quietly = 15 * time.Second
)

// sleepPhase is what a phase says beside all others in which many Environments fall asleep, or wake.
type sleepPhase struct {
	// SpreadSeconds is over how long the class spreads it, FirstSeconds when the first was done, and MostInASecond how
	// many were done in the same second.
	SpreadSeconds float64 `json:"spreadSeconds"`
	FirstSeconds  float64 `json:"firstSeconds"`
	MostInASecond int     `json:"mostInASecond"`
	// Probe is what a user saw meanwhile who asked for something ten times a second.
	Probe *answers `json:"probe"`
	// APIServerP99Seconds is how long 99 of 100 requests of everybody took at most, as a bucket of the API server's metric.
	APIServerP99Seconds float64 `json:"apiServerP99Seconds"`
}

// nights are Environments that fall asleep at the same minute, each with a Component.
type nights struct {
	cluster *cluster
	options *options
	// made are the Deployments that run, asleep those without pods, and awake those that have them back.
	made, asleep, awake *tally
	probe               *probe
}

// measureSleep has many Environments fall asleep at the same minute, and wake.
func (r *environmentsResult) measureSleep(ctx context.Context, c *cluster, o *options) error {
	if o.sleepers == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout+2*o.spread)
	defer cancel()
	n := &nights{
		cluster: c, options: o,
		made:   newTally("Deployments run", o.sleepers),
		asleep: newTally("Deployments have no pods", o.sleepers),
		awake:  newTally("Deployments have their pods back", o.sleepers),
	}
	made, err := n.make(ctx)
	if err != nil {
		return fmt.Errorf("making the Components: %w", err)
	}
	fmt.Printf("  %s: %.1f s, %.2f requests each\n", made.Name, made.Seconds, made.RequestsPerInstance)
	r.Phases = append(r.Phases, made)
	if r.Quiet, err = n.quiet(ctx); err != nil {
		return err
	}
	for _, turn := range []struct {
		name string
		of   *tally
		set  func(context.Context) (time.Time, error)
	}{
		{"fall asleep", n.asleep, n.evening},
		{"wake", n.awake, n.morning},
	} {
		at, err := turn.set(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", turn.name, err)
		}
		done, err := n.turn(ctx, turn.name, turn.of, at)
		if err != nil {
			return fmt.Errorf("%s: %w", turn.name, err)
		}
		fmt.Printf("  %s: %.1f s, %.2f requests each, p99 of the API %.3f s\n", done.Name, done.Seconds, done.RequestsPerInstance, done.Sleep.Probe.P99Seconds)
		r.Phases = append(r.Phases, done)
	}
	r.SleepPeakMiB, err = peakMiB(c.manager.PID())
	r.SleepPeakMiB = round(r.SleepPeakMiB)
	return err
}

// make makes a Component in each of the Environments, and a probe.
func (n *nights) make(ctx context.Context) (*phase, error) {
	c, o := n.cluster, n.options
	t, err := serviceTemplate()
	if err != nil {
		return nil, err
	}
	if err := c.client.Create(ctx, t); err != nil {
		return nil, err
	}
	if err := c.awaitReady(ctx, t, func() []metav1.Condition { return t.Status.Conditions }); err != nil {
		return nil, err
	}
	children, err := watchChildren(ctx, c, func(string, any) {})
	if err != nil {
		return nil, err
	}
	if err := observe(ctx, children, &appsv1.Deployment{}, n.deployment); err != nil {
		return nil, err
	}
	if err := start(ctx, children); err != nil {
		return nil, err
	}
	first := placeEnvironment(0, o)
	if err := c.client.Get(ctx, client.ObjectKeyFromObject(first), first); err != nil {
		return nil, err
	}
	if n.probe, err = newProbe(ctx, c, first, placeComponent(0, o)); err != nil {
		return nil, err
	}
	return c.phase(ctx, o, "Components", n.made, func(ctx context.Context, i int) error { return c.client.Create(ctx, placeComponent(i, o)) })
}

// deployment looks whether one runs or sleeps. Where there are no controllers, its spec alone says so.
func (n *nights) deployment(object any) {
	d, ok := object.(*appsv1.Deployment)
	if !ok || d.Spec.Replicas == nil {
		return
	}
	key, wanted := client.ObjectKeyFromObject(d).String(), *d.Spec.Replicas
	switch {
	case wanted > 0 && n.options.ready && (d.Status.ObservedGeneration != d.Generation || d.Status.AvailableReplicas < wanted):
	case wanted > 0 && n.asleep.has(key):
		n.awake.add(key)
	case wanted > 0:
		n.made.add(key)
	case d.Status.Replicas == 0:
		n.asleep.add(key)
	}
}

// quiet has the probe ask while nothing happens.
func (n *nights) quiet(ctx context.Context) (*answers, error) {
	from := time.Now()
	n.probe.begin(ctx)
	_, err := awaitTime(ctx, from.Add(quietly))
	all, probeErr := n.probe.end()
	if err := errors.Join(err, probeErr); err != nil {
		return nil, err
	}
	return answersOf(all, from, time.Now())
}

// lead is how long before something begins the class says so: its Environments have written down by then when it does.
func (n *nights) lead() time.Duration {
	return 4*idle + time.Duration(n.options.sleepers)*60*time.Millisecond
}

// evening has the class sleep from a minute on that comes soon, and returns when that is.
func (n *nights) evening(ctx context.Context) (time.Time, error) {
	begins := nextMinute(time.Now().Add(n.lead()))
	return begins, n.window(ctx, begins, begins.Add(nightBefore))
}

// morning has the class sleep no longer than until a minute that comes soon, and returns when the first may wake.
func (n *nights) morning(ctx context.Context) (time.Time, error) {
	ends := nextMinute(time.Now().Add(n.lead() + n.options.spread))
	return ends.Add(-n.options.spread), n.window(ctx, ends.Add(-2*nightBefore), ends)
}

// window gives the class a window that comes once, and waits until all who look at it have come to rest.
func (n *nights) window(ctx context.Context, from, until time.Time) error {
	class := &platformv1alpha1.EnvironmentClass{ObjectMeta: metav1.ObjectMeta{Name: sleepyClass}}
	if err := n.cluster.client.Get(ctx, client.ObjectKeyFromObject(class), class); err != nil {
		return err
	}
	class.Spec.Sleep = &platformv1alpha1.ClassSleep{
		Windows:       []platformv1alpha1.SleepWindow{{Name: "night", TimeZone: "UTC", From: from.UTC().Format(wall), Until: until.UTC().Format(wall)}},
		SpreadSeconds: new(int32(n.options.spread / time.Second)),
	}
	if err := n.cluster.client.Update(ctx, class); err != nil {
		return err
	}
	_, err := n.cluster.settle(ctx)
	return err
}

// turn measures what is done from a time on.
func (n *nights) turn(ctx context.Context, name string, of *tally, at time.Time) (*phase, error) {
	if early, err := awaitTime(ctx, at.Add(-2*time.Second)); err != nil {
		return nil, err
	} else if !early {
		return nil, errors.New("the Environments had not come to rest when it was time: the machine is too slow for so many, or busy")
	}
	before, err := n.cluster.metrics(ctx)
	if err != nil {
		return nil, err
	}
	n.probe.begin(ctx)
	done, err := n.cluster.phase(ctx, n.options, name, of, func(ctx context.Context, _ int) error {
		_, err := awaitTime(ctx, at)
		return err
	})
	all, probeErr := n.probe.end()
	if err := errors.Join(err, probeErr); err != nil {
		return nil, err
	}
	after, err := n.cluster.metrics(ctx)
	if err != nil {
		return nil, err
	}
	done.Seconds = round(of.at.Sub(at).Seconds())
	done.SettledSeconds = round(done.settled.Sub(at).Seconds())
	times := of.times()
	done.Sleep = &sleepPhase{
		SpreadSeconds: n.options.spread.Seconds(), FirstSeconds: round(times[0].Sub(at).Seconds()), MostInASecond: mostInASecond(times),
		APIServerP99Seconds: buckets(minus(parseBuckets(after), parseBuckets(before))).percentile(0.99),
	}
	done.Sleep.Probe, err = answersOf(all, at, done.settled)
	return done, err
}

// mostInASecond is how many of times in order lie within a second.
func mostInASecond(times []time.Time) int {
	most, first := 0, 0
	for i := range times {
		for times[i].Sub(times[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// awaitTime waits until a time, and says whether it was still to come.
func awaitTime(ctx context.Context, at time.Time) (early bool, err error) {
	left := time.Until(at)
	select {
	case <-time.After(left):
		return left > 0, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// nextMinute is the first full one after a time.
func nextMinute(t time.Time) time.Time { return t.Truncate(time.Minute).Add(time.Minute) }

// placeComponent is the Component of the i-th Environment.
func placeComponent(i int, o *options) *platformv1alpha1.Component {
	e, c := placeEnvironment(i, o), component(i, templateName)
	c.Namespace, c.Spec.Environments = e.Namespace, []platformv1alpha1.PathEnvironment{{Name: e.Name}}
	return c
}
