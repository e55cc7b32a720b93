package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// inTurn is how many requests whoever makes many Components has under way: kubectl apply sends one after the other, and what an
	// API server answers to more of them at once is no matter of Towpath.
	inTurn = 1
	// samples are how many Components the quiet team makes in each part, and apart how far from each other: it does not wait for
	// one before it makes the next, so a slow one does not make the others look fast.
	samples = 200
	apart   = 250 * time.Millisecond
	// invalids are how many Components cannot be rendered, and as many again are refused by the API server.
	invalids = 500
	// The busy team is the first, the quiet one the second, and the third has what is invalid.
	busyTeam, quietTeam, invalidTeam = 0, 1, 2
)

// fairnessResult is what stands in build/bench/fairness.json.
type fairnessResult struct {
	Benchmark string    `json:"benchmark"`
	At        time.Time `json:"at"`
	Machine   machine   `json:"machine"`
	// Burst is how many Components the busy team makes at once, Invalid how many are invalid.
	Burst   int `json:"burst"`
	Invalid int `json:"invalid"`
	// Alone, BesideInvalid and BesideBurst are the quiet team's Components.
	Alone         sample `json:"alone"`
	BesideInvalid sample `json:"besideInvalid"`
	BesideBurst   sample `json:"besideBurst"`
	// The ratios are those of the 99th percentiles to that of the team alone.
	InvalidRatio float64 `json:"invalidRatio"`
	BurstRatio   float64 `json:"burstRatio"`
	// InvalidRequestsPerMinute is what Towpath asked for when all that is invalid had been told so.
	InvalidRequestsPerMinute float64 `json:"invalidRequestsPerMinute"`
	// BurstSeconds is how long the burst took.
	BurstSeconds float64 `json:"burstSeconds"`
	PeakMiB      float64 `json:"peakMiB"`
}

// fairness measures one team's Components beside what others do.
func fairness(ctx context.Context, o *options) error {
	host, err := readMachine()
	if err != nil {
		return err
	}
	r := &fairnessResult{Benchmark: benchFairness, At: time.Now().UTC().Truncate(time.Second), Machine: host, Burst: o.instances, Invalid: 2 * invalids}
	fmt.Printf("%s: %d Components of one team, every %s, alone, beside %d of another that are invalid, and beside %d of another at once\n",
		benchFairness, samples, apart, r.Invalid, r.Burst)
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
	if _, err := q.make(ctx, 10); err != nil {
		return err
	}
	if r.Alone, err = q.make(ctx, samples); err != nil {
		return err
	}
	fmt.Printf("  alone: p99 %.3f s\n", r.Alone.P99Seconds)
	if err := r.measureInvalid(ctx, c, o, q); err != nil {
		return err
	}
	fmt.Printf("  beside what is invalid: p99 %.3f s; then %.1f requests a minute\n", r.BesideInvalid.P99Seconds, r.InvalidRequestsPerMinute)
	if err := r.measureBurst(ctx, c, o, q); err != nil {
		return err
	}
	r.InvalidRatio, r.BurstRatio = round(r.BesideInvalid.P99Seconds/r.Alone.P99Seconds), round(r.BesideBurst.P99Seconds/r.Alone.P99Seconds)
	r.PeakMiB, err = peakMiB(c.manager.PID())
	r.PeakMiB = round(r.PeakMiB)
	return err
}

// measureInvalid has somebody make what is invalid while the quiet team goes on, and looks what it costs afterwards.
func (r *fairnessResult) measureInvalid(ctx context.Context, c *cluster, o *options, q *quiet) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return each(groupCtx, inTurn, 2*invalids, func(ctx context.Context, i int) error {
			template := templateUnrenderable
			if i%2 == 1 {
				template = templateRefused
			}
			return c.client.Create(ctx, component(i*teams+invalidTeam, template))
		})
	})
	group.Go(func() (err error) {
		r.BesideInvalid, err = q.make(groupCtx, samples)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if _, err := c.settle(ctx); err != nil {
		return err
	}
	if err := c.checkInvalid(ctx); err != nil {
		return err
	}
	var steady run
	err := c.watchSteady(ctx, o, &steady)
	r.InvalidRequestsPerMinute = steady.SteadyRequestsPerMinute
	return err
}

// measureBurst has the busy team make all of its Components at once while the quiet team goes on.
func (r *fairnessResult) measureBurst(ctx context.Context, c *cluster, o *options, q *quiet) error {
	start := time.Now()
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return each(groupCtx, inTurn, o.instances, func(ctx context.Context, i int) error {
			return c.client.Create(ctx, component(i*teams+busyTeam, templateName))
		})
	})
	group.Go(func() (err error) {
		r.BesideBurst, err = q.make(groupCtx, samples)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	done := time.Now()
	keys := make([]types.NamespacedName, o.instances)
	for i := range keys {
		keys[i] = types.NamespacedName{Namespace: workloadNamespace(busyTeam), Name: componentName(i*teams + busyTeam)}
	}
	last, err := q.latencies.await(ctx, keys)
	if err != nil {
		return err
	}
	r.BurstSeconds = round(last.Sub(start).Seconds())
	if last.Before(done) {
		fmt.Printf("  the burst was over after %.1f s, %.1f s before the quiet team was: its figures are of less than a burst\n", r.BurstSeconds, done.Sub(last).Seconds())
	}
	return nil
}

// quiet is the team that changes one thing after the other.
type quiet struct {
	cluster   *cluster
	latencies *latencies
	made      int
}

// make makes Components, and waits until all have their objects.
func (q *quiet) make(ctx context.Context, n int) (sample, error) {
	keys, due := make([]types.NamespacedName, n), make([]time.Time, n)
	start := time.Now()
	var wait sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		due[i] = start.Add(time.Duration(i) * apart)
		select {
		case <-time.After(time.Until(due[i])):
		case <-ctx.Done():
			return sample{}, ctx.Err()
		}
		number := q.made*teams + quietTeam
		q.made++
		keys[i] = types.NamespacedName{Namespace: workloadNamespace(quietTeam), Name: componentName(number)}
		wait.Go(func() { errs[i] = q.cluster.client.Create(ctx, component(number, templateName)) })
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return sample{}, err
		}
	}
	if _, err := q.latencies.await(ctx, keys); err != nil {
		return sample{}, err
	}
	seconds := make([]float64, n)
	for i, key := range keys {
		at, _ := q.latencies.at(key)
		seconds[i] = at.Sub(due[i]).Seconds()
	}
	return sampleOf(seconds), nil
}

// Templates whose Components are admitted and fail later.
const (
	templateUnrenderable = "bench-unrenderable"
	templateRefused      = "bench-refused"
)

// makeInvalidTemplates makes one template that no Component can be rendered with, since it divides by zero, and one of which
// the API server refuses the Deployment, since it asks for more memory than it limits itself to.
func (c *cluster) makeInvalidTemplates(ctx context.Context) error {
	for name, memory := range map[string]string{templateUnrenderable: `${string(128 / params.zero)}Mi`, templateRefused: "1Gi"} {
		t, err := serviceTemplate()
		if err != nil {
			return err
		}
		text := strings.Replace(string(t.Spec.Resources[1].Object.Raw), `"requests":{"cpu":"100m","memory":"${params.memory}"}`, `"requests":{"cpu":"100m","memory":"`+memory+`"}`, 1)
		if text == string(t.Spec.Resources[1].Object.Raw) {
			return fmt.Errorf("the template of the benchmark asks for no memory")
		}
		t.Name = name
		t.Spec.Resources[1].Object.Raw = []byte(text)
		t.Spec.Parameters.Raw = []byte(strings.Replace(string(t.Spec.Parameters.Raw), `"properties":{`, `"properties":{"zero":{"type":"integer","default":0},`, 1))
		if err := c.client.Create(ctx, t); err != nil {
			return err
		}
		if err := c.awaitReady(ctx, t, func() []metav1.Condition { return t.Status.Conditions }); err != nil {
			return err
		}
	}
	return nil
}

// checkInvalid fails unless each of them says that it is stalled: else there was nothing to measure.
func (c *cluster) checkInvalid(ctx context.Context) error {
	var list platformv1alpha1.ComponentList
	if err := c.client.List(ctx, &list); err != nil {
		return err
	}
	reasons := map[string]int{}
	for i := range list.Items {
		if list.Items[i].Namespace != homeNamespace(invalidTeam) {
			continue
		}
		for _, condition := range list.Items[i].Status.Conditions {
			if condition.Type == platformv1alpha1.ConditionStalled && condition.Status == metav1.ConditionTrue {
				reasons[condition.Reason]++
			}
		}
	}
	fmt.Printf("  what is invalid: %v\n", reasons)
	sum := 0
	for _, n := range reasons {
		sum += n
	}
	if sum != 2*invalids {
		return fmt.Errorf("%d of %d invalid Components are stalled", sum, 2*invalids)
	}
	return nil
}

// table is the result for people.
func (r *fairnessResult) table() string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(format string, values ...any) { _, _ = fmt.Fprintf(table, format+"\n", values...) }
	row("until all objects exist\tp50\tp99\tmost\tp99 against alone")
	for _, part := range []struct {
		name  string
		of    sample
		ratio float64
	}{
		{"alone", r.Alone, 1}, {fmt.Sprintf("beside %d invalid", r.Invalid), r.BesideInvalid, r.InvalidRatio}, {fmt.Sprintf("beside %d at once", r.Burst), r.BesideBurst, r.BurstRatio},
	} {
		row("%s\t%.3f s\t%.3f s\t%.3f s\t%.2f", part.name, part.of.P50Seconds, part.of.P99Seconds, part.of.MaxSeconds, part.ratio)
	}
	_ = table.Flush()
	fmt.Fprintf(&out, "\nrequests a minute for what is invalid, when it has been told so: %.1f\nthe burst took %.1f s; peak memory of the manager %.0f MiB\n",
		r.InvalidRequestsPerMinute, r.BurstSeconds, r.PeakMiB)
	return out.String()
}
