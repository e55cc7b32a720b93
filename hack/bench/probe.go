package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// beat is how far from each other a probe's requests are. It does not wait for one before it makes the next, so a slow
	// one does not make the others look fast.
	beat = 100 * time.Millisecond
	// probeName is the user of a probe.
	probeName = "bench-probe"
)

// probe is a user who asks the API server for something all the time, and takes the time until it answers. API priority
// and fairness has no exception for them: the administrator, whom it lets pass, would see less of a load than others do.
type probe struct {
	asks []ask

	mu      sync.Mutex
	samples []answer
	wait    sync.WaitGroup
	stop    context.CancelFunc
	err     error
}

// ask is one of the requests that a probe makes in turn.
type ask struct {
	name string
	do   func(context.Context) error
}

// answer is how long the API server took for a request that was due at a time.
type answer struct {
	name    string
	due     time.Time
	seconds float64
}

// newProbe makes a probe, with the rights that it needs. It reads an Environment and what is around it, and does what
// changes nothing: a dry run is admitted as anything else is, by policies and webhooks too.
func newProbe(ctx context.Context, c *cluster, e *platformv1alpha1.Environment, co *platformv1alpha1.Component) (*probe, error) {
	err := c.client.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: probeName},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: probeName}},
	})
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(c.config)
	config.QPS, config.Impersonate = -1, rest.ImpersonationConfig{UserName: probeName, Groups: []string{"system:authenticated"}}
	user, err := client.New(config, client.Options{Scheme: c.client.Scheme()})
	if err != nil {
		return nil, err
	}
	workloads := client.InNamespace(e.Status.Namespace)
	return &probe{asks: []ask{
		{"get Environment", func(ctx context.Context) error {
			return user.Get(ctx, client.ObjectKeyFromObject(e), &platformv1alpha1.Environment{})
		}},
		{"list Deployments", func(ctx context.Context) error { return user.List(ctx, &appsv1.DeploymentList{}, workloads) }},
		{"list all Environments", func(ctx context.Context) error { return user.List(ctx, &platformv1alpha1.EnvironmentList{}) }},
		{"create Component", func(ctx context.Context) error {
			another := co.DeepCopy()
			another.ObjectMeta = metav1.ObjectMeta{Namespace: co.Namespace, Name: probeName}
			return user.Create(ctx, another, client.DryRunAll)
		}},
		{"create ConfigMap", func(ctx context.Context) error {
			return user.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: co.Namespace, Name: probeName}}, client.DryRunAll)
		}},
		{"patch Environment", func(ctx context.Context) error {
			patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"example.com/probe":"1"}}}`))
			return user.Patch(ctx, e.DeepCopy(), patch, client.DryRunAll)
		}},
	}}, nil
}

// begin has the probe ask until end, or the context, ends it.
func (p *probe) begin(ctx context.Context) {
	ctx, p.stop = context.WithCancel(ctx)
	p.samples, p.err = nil, nil
	start := time.Now()
	p.wait.Go(func() {
		for i := 0; ; i++ {
			due := start.Add(time.Duration(i) * beat)
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return
			}
			next := p.asks[i%len(p.asks)]
			p.wait.Go(func() {
				// What is under way when the probe ends is answered: the slow ones would be missing else.
				err := next.do(context.WithoutCancel(ctx))
				p.mu.Lock()
				defer p.mu.Unlock()
				p.samples = append(p.samples, answer{next.name, due, time.Since(due).Seconds()})
				if err != nil && p.err == nil {
					p.err = fmt.Errorf("the probe was refused to %s: %w", next.name, err)
				}
			})
		}
	})
}

// end ends the probe, and returns its answers.
func (p *probe) end() ([]answer, error) {
	p.stop()
	p.wait.Wait()
	return p.samples, p.err
}

// answers sums up what a probe saw from a time until another.
type answers struct {
	sample
	// ByRequest are the 99th percentiles of each kind of request.
	ByRequest map[string]float64 `json:"p99SecondsByRequest"`
}

func answersOf(all []answer, from, until time.Time) (*answers, error) {
	var seconds []float64
	by := map[string][]float64{}
	for _, a := range all {
		if a.due.Before(from) || a.due.After(until) {
			continue
		}
		seconds = append(seconds, a.seconds)
		by[a.name] = append(by[a.name], a.seconds)
	}
	if len(seconds) == 0 {
		return nil, fmt.Errorf("the probe asked nothing in %s", until.Sub(from))
	}
	sum := &answers{sample: sampleOf(seconds), ByRequest: map[string]float64{}}
	for name, of := range by {
		sum.ByRequest[name] = sampleOf(of).P99Seconds
	}
	return sum, nil
}

func (a *answers) String() string {
	var by []string
	for _, name := range slices.Sorted(maps.Keys(a.ByRequest)) {
		by = append(by, fmt.Sprintf("%s %.3f", name, a.ByRequest[name]))
	}
	return fmt.Sprintf("p50 %.3f s, p99 %.3f s, most %.3f s of %d (p99 by request: %s)", a.P50Seconds, a.P99Seconds, a.MaxSeconds, a.Count, strings.Join(by, ", "))
}

// durations is the API server's own metric of how long requests take.
const durations = "apiserver_request_duration_seconds_bucket"

// buckets are how many requests took at most so many seconds, of everybody's, but for watches and for what is no
// resource, such as /metrics.
type buckets map[float64]int

func parseBuckets(text []byte) buckets {
	b := buckets{}
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		name, labels, value, ok := parseSeries(scanner.Text())
		if !ok || name != durations || labels["resource"] == "" || labels["verb"] == "WATCH" || labels["verb"] == "CONNECT" {
			continue
		}
		if most, err := strconv.ParseFloat(labels["le"], 64); err == nil {
			b[most] += value
		}
	}
	return b
}

// percentile is the bound of the bucket with a share of all; the last bound where they took longer.
func (b buckets) percentile(share float64) float64 {
	bounds := slices.Sorted(maps.Keys(b))
	if len(bounds) == 0 {
		return 0
	}
	all, last := b[bounds[len(bounds)-1]], 0.0
	for _, bound := range bounds {
		if math.IsInf(bound, 1) {
			break
		}
		if last = bound; float64(b[bound]) >= share*float64(all) {
			break
		}
	}
	return last
}
