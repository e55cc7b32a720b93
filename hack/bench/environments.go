package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// environmentsResult is what stands in build/bench/environments.json.
type environmentsResult struct {
	Benchmark    string    `json:"benchmark"`
	At           time.Time `json:"at"`
	Machine      machine   `json:"machine"`
	Teams        int       `json:"teams"`
	Environments int       `json:"environments"`
	// Phases are what was measured one after the other.
	Phases []*phase `json:"phases"`
	// The rest is as in components.json.
	SteadyRequestsPerMinute float64        `json:"steadyRequestsPerMinute"`
	SteadyRequests          []requestCount `json:"steadyRequests,omitempty"`
	RestartReadySeconds     float64        `json:"restartReadySeconds"`
	RestartWrites           int            `json:"restartWrites"`
	PeakMiB                 float64        `json:"peakMiB"`
	// Quiet is what a probe saw before the phases in which Environments fall asleep and wake, while nothing happened, and
	// SleepPeakMiB the most that the manager was resident with until they were over, since it was started again.
	Quiet        *answers `json:"quiet,omitempty"`
	SleepPeakMiB float64  `json:"sleepPeakMiB,omitempty"`
}

// phase is one thing that is done to many objects at once, and what it took.
type phase struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	// Seconds is when the last object was as it should be, SettledSeconds when Towpath made its last request.
	Seconds        float64 `json:"seconds"`
	SettledSeconds float64 `json:"settledSeconds"`
	// RequestsPerInstance are Towpath's own, but for events, watches and leases. Requests are those of everybody but the
	// bench, and RequestsByUser those of Towpath.
	RequestsPerInstance float64        `json:"requestsPerInstance"`
	Requests            []requestCount `json:"requests"`
	RequestsByUser      byUser         `json:"requestsByUser"`
	ManagerCPUSeconds   float64        `json:"managerCPUSeconds"`
	APIServerCPUSeconds float64        `json:"apiServerCPUSeconds"`
	OthersCores         float64        `json:"othersCores"`
	// Sleep is of the phases in which Environments fall asleep, and wake.
	Sleep *sleepPhase `json:"sleep,omitempty"`

	// settled is when Towpath made its last request.
	settled time.Time
}

// environments measures how Teams and then their Environments come about.
func environments(ctx context.Context, o *options) error {
	host, err := readMachine()
	if err != nil {
		return err
	}
	r := &environmentsResult{
		Benchmark: benchEnvironments, At: time.Now().UTC().Truncate(time.Second), Machine: host, Teams: o.teams, Environments: o.instances,
	}
	fmt.Printf("%s: %d Teams, and then %d Environments of them, each all at once; then %d of these asleep at the same minute\n", benchEnvironments, r.Teams, r.Environments, o.sleepers)
	return once(ctx, o, r.Benchmark, r)
}

func (r *environmentsResult) measure(ctx context.Context, c *cluster, o *options) error {
	if err := r.measurePlaces(ctx, c, o); err != nil {
		return err
	}
	return r.measureSleep(ctx, c, o)
}

// measurePlaces measures how Teams and Environments come about, and what they cost when nothing changes.
func (r *environmentsResult) measurePlaces(ctx context.Context, c *cluster, o *options) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	if err := c.startTowpath(ctx, o); err != nil {
		return err
	}
	for _, name := range []string{environmentName, sleepyClass} {
		if err := c.client.Create(ctx, guardedClass(name)); err != nil {
			return err
		}
	}
	if _, err := c.settle(ctx); err != nil {
		return err
	}
	p, err := watchPlaces(ctx, c, o)
	if err != nil {
		return err
	}
	// What else is done to many Environments at once goes behind these.
	for _, next := range []struct {
		name string
		of   *tally
		do   func(context.Context, int) error
	}{
		{"Teams", p.teams, func(ctx context.Context, i int) error { return c.client.Create(ctx, place(i)) }},
		{"Environments", p.environments, func(ctx context.Context, i int) error { return c.client.Create(ctx, placeEnvironment(i, o)) }},
	} {
		done, err := c.phase(ctx, o, next.name, next.of, next.do)
		if err != nil {
			return fmt.Errorf("%s: %w", next.name, err)
		}
		fmt.Printf("  %s: %.1f s, %.2f requests each\n", done.Name, done.Seconds, done.RequestsPerInstance)
		r.Phases = append(r.Phases, done)
	}
	var rest run
	if err := c.watchSteady(ctx, o, &rest); err != nil {
		return err
	}
	if err := c.restart(ctx, &rest); err != nil {
		return err
	}
	r.SteadyRequestsPerMinute, r.SteadyRequests, r.PeakMiB = rest.SteadyRequestsPerMinute, rest.SteadyRequests, round(rest.PeakMiB)
	r.RestartReadySeconds = round(rest.RestartReadySeconds)
	if again := rest.Restart; again != nil {
		r.RestartWrites = again.ManagerWrites + again.ManagerEvents + again.Appliers
	}
	return nil
}

// phase does something to many objects at once, waits until all were seen as they should be and Towpath has come to
// rest, and says what it took.
func (c *cluster) phase(ctx context.Context, o *options, name string, of *tally, do func(context.Context, int) error) (*phase, error) {
	before, err := c.counters(ctx)
	if err != nil {
		return nil, err
	}
	ownBefore := c.own.snapshot()
	usedBefore, err := readUsage()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := each(ctx, o.workers, of.want, do); err != nil {
		return nil, err
	}
	at, err := of.await(ctx)
	if err != nil {
		return nil, err
	}
	settled, err := c.settle(ctx)
	if err != nil {
		return nil, err
	}
	used, err := readUsage()
	if err != nil {
		return nil, err
	}
	used = used.since(usedBefore)
	after, err := c.counters(ctx)
	if err != nil {
		return nil, err
	}
	grown := after.since(before)
	users := byUserOf(grown.flows)
	return &phase{
		settled: settled, Name: name, Count: of.want, Seconds: round(at.Sub(start).Seconds()), SettledSeconds: round(max(settled.Sub(start), at.Sub(start)).Seconds()),
		RequestsPerInstance: round(float64(users.all()-users.ManagerEvents) / float64(of.want)),
		Requests:            ranked(minus(grown.requests, minus(c.own.snapshot(), ownBefore))), RequestsByUser: users,
		ManagerCPUSeconds: round(used.by[managerProgram]), APIServerCPUSeconds: round(used.by[apiServerProgram]),
		OthersCores: round(used.others() / time.Since(start).Seconds()),
	}, nil
}

// places counts what is Ready.
type places struct{ teams, environments *tally }

// watchPlaces begins to watch, and returns when all watches are open. It ends with the context.
func watchPlaces(ctx context.Context, c *cluster, o *options) (*places, error) {
	p := &places{teams: newTally("Teams are Ready", o.teams), environments: newTally("Environments are Ready", o.instances)}
	watched, err := cache.New(c.config, cache.Options{Scheme: c.client.Scheme(), DefaultTransform: cache.TransformStripManagedFields()})
	if err != nil {
		return nil, err
	}
	err = observe(ctx, watched, &platformv1alpha1.Team{}, func(object any) {
		if t, ok := object.(*platformv1alpha1.Team); ok && meta.IsStatusConditionTrue(t.Status.Conditions, platformv1alpha1.ConditionReady) {
			p.teams.add(t.Name)
		}
	})
	if err != nil {
		return nil, err
	}
	err = observe(ctx, watched, &platformv1alpha1.Environment{}, func(object any) {
		if e, ok := object.(*platformv1alpha1.Environment); ok && meta.IsStatusConditionTrue(e.Status.Conditions, platformv1alpha1.ConditionReady) {
			p.environments.add(client.ObjectKeyFromObject(e).String())
		}
	})
	if err != nil {
		return nil, err
	}
	return p, start(ctx, watched)
}

// guardedClass is a class that has an Environment make everything that one can.
func guardedClass(name string) *platformv1alpha1.EnvironmentClass {
	class := environmentClass()
	class.Name = name
	class.Spec.Guardrails = platformv1alpha1.Guardrails{
		Quota: corev1.ResourceList{"requests.cpu": resource.MustParse("20"), "limits.memory": resource.MustParse("40Gi"), "pods": resource.MustParse("60")},
		Containers: &platformv1alpha1.ContainerLimits{
			Default: corev1.ResourceList{"memory": resource.MustParse("256Mi")}, DefaultRequest: corev1.ResourceList{"cpu": resource.MustParse("50m")},
		},
		Isolation:            platformv1alpha1.IsolationIsolated,
		NamespaceLabels:      map[string]string{"istio-injection": "enabled"},
		NamespaceAnnotations: map[string]string{"example.com/backup": "daily"},
	}
	return class
}

func placeName(i int) string { return fmt.Sprintf("place%04d", i) }

// place is the i-th Team, with a member of each role.
func place(i int) *platformv1alpha1.Team {
	name := placeName(i)
	return &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: platformv1alpha1.TeamSpec{
		CostCenter: "cc-" + name,
		Members: []platformv1alpha1.TeamMember{
			{Kind: platformv1alpha1.MemberUser, Name: name + "-lead", Role: platformv1alpha1.TeamOwner},
			{Kind: platformv1alpha1.MemberGroup, Name: name, Role: platformv1alpha1.TeamDeveloper},
			{Kind: platformv1alpha1.MemberGroup, Name: name + "-guests", Role: platformv1alpha1.TeamViewer},
		},
	}}
}

// placeEnvironment is the i-th Environment, of the Teams in turn. The first are those that fall asleep.
func placeEnvironment(i int, o *options) *platformv1alpha1.Environment {
	class := environmentName
	if i < o.sleepers {
		class = sleepyClass
	}
	return &platformv1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-" + placeName(i%o.teams), Name: fmt.Sprintf("env%d", i/o.teams)},
		Spec:       platformv1alpha1.EnvironmentSpec{ClassRef: platformv1alpha1.ClassReference{Name: class}},
	}
}

// table is the result for people.
func (r *environmentsResult) table() string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(format string, values ...any) { _, _ = fmt.Fprintf(table, format+"\n", values...) }
	row("phase\tall done\tsettled\trequests each\tCPU of the manager\tCPU of the API server\tothers")
	for _, p := range r.Phases {
		row("%d %s\t%.1f s\t%.1f s\t%.2f\t%.1f s\t%.1f s\t%.1f cores",
			p.Count, p.Name, p.Seconds, p.SettledSeconds, p.RequestsPerInstance, p.ManagerCPUSeconds, p.APIServerCPUSeconds, p.OthersCores)
	}
	_ = table.Flush()
	fmt.Fprintf(&out, "\npeak memory of the manager %.0f MiB; steady state, requests a minute: %.1f\nmanager started again: ready after %.1f s, it wrote %d times\n",
		r.PeakMiB, r.SteadyRequestsPerMinute, r.RestartReadySeconds, r.RestartWrites)
	if r.Quiet != nil {
		fmt.Fprintf(&out, "\nAPI latency, nothing happens: %s\n", r.Quiet)
	}
	for _, p := range r.Phases {
		if s := p.Sleep; s != nil {
			fmt.Fprintf(&out, "API latency, %d %s: %s; of all requests, 99 of 100 took at most %g s\n", p.Count, p.Name, s.Probe, s.APIServerP99Seconds)
			fmt.Fprintf(&out, "  spread over %.0f s, the first after %.1f s, at most %d in a second\n", s.SpreadSeconds, s.FirstSeconds, s.MostInASecond)
		}
	}
	for _, p := range r.Phases {
		fmt.Fprintf(&out, "\n%s: %s\n", p.Name, p.RequestsByUser)
		for _, c := range p.Requests {
			if c.Count > p.Count/100 {
				fmt.Fprintf(&out, "  %7d  %-6s %s\n", c.Count, c.Verb, c.Resource)
			}
		}
	}
	return out.String()
}
