package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const metricsBefore = `# HELP apiserver_request_total Counter of apiserver requests.
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",component="apiserver",dry_run="",group="platform.towpath.dev",resource="components",scope="resource",subresource="",verb="POST",version="v1alpha1"} 3
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource="",verb="GET",version="v1"} 40
apiserver_flowcontrol_dispatched_requests_total{flow_schema="bench-manager-writes",priority_level="workload-low"} 7
`

const metricsAfter = `apiserver_request_total{code="201",component="apiserver",dry_run="",group="platform.towpath.dev",resource="components",scope="resource",subresource="",verb="POST",version="v1alpha1"} 5
apiserver_request_total{code="200",component="apiserver",dry_run="",group="platform.towpath.dev",resource="components",scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 4
apiserver_request_total{code="409",component="apiserver",dry_run="",group="platform.towpath.dev",resource="components",scope="resource",subresource="status",verb="PATCH",version="v1alpha1"} 1
apiserver_request_total{code="201",component="apiserver",dry_run="",group="apps",resource="deployments",scope="resource",subresource="",verb="APPLY",version="v1"} 2
apiserver_request_total{code="201",component="apiserver",dry_run="",group="events.k8s.io",resource="events",scope="namespace",subresource="",verb="POST",version="v1"} 2
apiserver_request_total{code="200",component="apiserver",dry_run="",group="coordination.k8s.io",resource="leases",scope="resource",subresource="",verb="PUT",version="v1"} 9
apiserver_request_total{code="0",component="apiserver",dry_run="",group="apps",resource="deployments",scope="cluster",subresource="",verb="WATCH",version="v1"} 1
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource="",verb="GET",version="v1"} 40
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="",scope="",subresource="",verb="GET",version=""} 8
apiserver_request_duration_seconds_bucket{group="",resource="configmaps",le="0.5"} 99
apiserver_flowcontrol_dispatched_requests_total{flow_schema="bench-manager-writes",priority_level="workload-low"} 1.2e+01
apiserver_flowcontrol_dispatched_requests_total{flow_schema="bench-appliers",priority_level="workload-low"} 2
apiserver_flowcontrol_dispatched_requests_total{flow_schema="exempt",priority_level="exempt"} 100
`

func TestCountersGrow(t *testing.T) {
	grown := parseCounters([]byte(metricsAfter)).since(parseCounters([]byte(metricsBefore)))
	want := map[request]int{
		{"POST", "components.platform.towpath.dev"}:         2,
		{"PATCH", "components.platform.towpath.dev/status"}: 5, // with those that failed
		{"APPLY", "deployments.apps"}:                       2,
		{"POST", "events.events.k8s.io"}:                    2,
		{"PUT", "leases.coordination.k8s.io"}:               9,
		{"WATCH", "deployments.apps"}:                       1,
	}
	if !maps.Equal(grown.requests, want) {
		t.Errorf("requests grew by %v, want %v", grown.requests, want)
	}
	users := byUserOf(grown.flows)
	if users != (byUser{ManagerWrites: 5, Appliers: 2}) || users.all() != 7 {
		t.Errorf("by user they are %+v", users)
	}
	if got := byVerb(grown.requests); !maps.Equal(got, map[string]int{"POST": 4, "PATCH": 5, "APPLY": 2}) {
		t.Errorf("by verb they are %v: watches and leases do not count, events and the user's writes do", got)
	}
	if got := withoutUser(grown.requests, map[request]int{{"POST", "components.platform.towpath.dev"}: 2}); got != 7 {
		t.Errorf("without the user, events, watches and leases they are %d, want 7", got)
	}
	if got := ranked(grown.requests); len(got) != 4 || got[0] != (requestCount{request{"PATCH", "components.platform.towpath.dev/status"}, 5}) {
		t.Errorf("ranked they are %v", got)
	}
}

const levels = `PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, ExecutingRequests, DispatchedRequests, RejectedRequests, TimedoutRequests, CancelledRequests
exempt,            0,            false,  false,       0,               3,                 900,                0,                0,                0
workload-low,      1,            false,  false,       2,               5,                 8020,               0,                0,                0
`

func TestTheLevelSaysWhoAsks(t *testing.T) {
	got, err := parseLetIn([]byte(levels))
	if want := (letIn{all: 8020, underWay: 7}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for name, table := range map[string]string{
		"without the level":  strings.ReplaceAll(levels, "workload-low", "workload-high"),
		"without the column": strings.ReplaceAll(levels, "DispatchedRequests", "Dispatched"),
		"empty":              "",
	} {
		if got, err := parseLetIn([]byte(table)); err == nil {
			t.Errorf("%s it says %+v", name, got)
		}
	}
}

// What counts must be let in by the level that is looked at, and nothing else of Towpath's.
func TestFlowsAreAtTheirLevels(t *testing.T) {
	for _, schema := range flowSchemas() {
		want := levelCounted
		if schema.Name == flowWatches || schema.Name == flowLeases {
			want = levelOthers
		}
		if got := schema.Spec.PriorityLevelConfiguration.Name; got != want {
			t.Errorf("%s is let in by %s, want %s", schema.Name, got, want)
		}
	}
}

func TestOwnRequestsAreNamedAsTheMetricsDo(t *testing.T) {
	for _, c := range []struct {
		method, url, content string
		want                 request
		counted              bool
	}{
		{"POST", "/apis/platform.towpath.dev/v1alpha1/namespaces/team-a/components", "application/json", request{"POST", "components.platform.towpath.dev"}, true},
		{"PATCH", "/apis/apps/v1/namespaces/a/deployments/b?fieldManager=bench", "application/apply-patch+yaml", request{"APPLY", "deployments.apps"}, true},
		{"PATCH", "/api/v1/namespaces/a/services/b", "application/merge-patch+json", request{"PATCH", "services"}, true},
		{"GET", "/api/v1/services?limit=500", "", request{"LIST", "services"}, true},
		{"GET", "/api/v1/services?watch=true", "", request{"WATCH", "services"}, true},
		{"GET", "/apis/apps/v1/namespaces/a/deployments/b/scale", "", request{"GET", "deployments.apps/scale"}, true},
		{"GET", "/metrics", "", request{}, false},
		{"GET", "/apis/apps/v1", "", request{}, false},
	} {
		var o own
		transport := o.wrap(roundTripper(func(*http.Request) (*http.Response, error) { return nil, io.EOF }))
		req, err := http.NewRequestWithContext(t.Context(), c.method, "https://localhost"+c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.content)
		_, _ = transport.RoundTrip(req) //nolint:bodyclose // there is none
		want := map[request]int{}
		if c.counted {
			want[c.want] = 1
		}
		if got := o.snapshot(); !maps.Equal(got, want) {
			t.Errorf("%s %s counts as %v, want %v", c.method, c.url, got, want)
		}
	}
}

func TestProcFilesAreRead(t *testing.T) {
	p, err := parseProcess([]byte("812 (a (strange) name) S 7 812 812 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 9 0 1 2 3\n"))
	if err != nil || p != (processStat{pid: 812, parent: 7, name: "a (strange) name", cpu: 3}) {
		t.Errorf("got %+v, %v", p, err)
	}
	machine, err := parseMachine([]byte("cpu  100 100 100 9999 9999 100 100 100 0 0\ncpu0 1 2 3\n"))
	if err != nil || machine != 6 {
		t.Errorf("the machine used %v s, %v; idle and iowait are not used", machine, err)
	}
	peak, err := parsePeak([]byte("Name:\tmanager\nVmPeak:\t 999999 kB\nVmHWM:\t   98304 kB\nVmRSS:\t 1 kB\n"))
	if err != nil || peak != 96 {
		t.Errorf("the peak is %v MiB, %v", peak, err)
	}
	for _, wrong := range []string{"", "812 name S 7", "812 (name) S"} {
		if _, err := parseProcess([]byte(wrong)); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
	if _, err := parsePeak([]byte("Name: x\n")); err == nil {
		t.Error("a status without a peak is accepted")
	}
	before := usage{by: map[string]float64{"manager": 1}, machine: 10}
	after := usage{by: map[string]float64{"manager": 3, "etcd": 2}, machine: 20}
	if used := after.since(before); used.by["manager"] != 2 || used.by["etcd"] != 2 || used.others() != 6 {
		t.Errorf("used %+v, others %v", used, used.others())
	}
}

func sampleResult() *result {
	bare := func(seconds float64) *run {
		return &run{Seconds: seconds, CPUSeconds: map[string]float64{apiServerProgram: 10}}
	}
	towpath := func(seconds, requests, peak, steady float64) *run {
		return &run{
			Seconds: seconds, RequestsPerInstance: requests, AllRequestsPerInstance: requests + 1, PeakMiB: peak,
			SteadyRequestsPerMinute: steady, ManagerCPUSeconds: 5, CPUSeconds: map[string]float64{apiServerProgram: 15, managerProgram: 4},
			RequestsByVerb: map[string]int{"APPLY": 500, "PATCH": int(requests)}, RequestsByUser: &byUser{Appliers: 500},
			Requests: []requestCount{{request{"APPLY", "services"}, 100}, {request{"GET", "configmaps"}, 1}},
		}
	}
	return &result{Benchmark: "components", At: time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC), Instances: 100, Children: 5, Runs: []pair{
		{bare(10), towpath(20, 11, 90, 0)}, {bare(40), towpath(60, 12, 80, 0)}, {bare(20), towpath(24, 10, 100, 3)},
	}}
}

func TestResultsAreMediansAndWorstCases(t *testing.T) {
	r := sampleResult()
	r.sumUp()
	if r.Seconds != 24 || r.BareSeconds != 20 {
		t.Errorf("the medians are %v and %v", r.Seconds, r.BareSeconds)
	}
	if r.Ratio != 1.5 {
		t.Errorf("the ratio is %v, want the median of 2, 1.5 and 1.2: each run is held to its neighbour", r.Ratio)
	}
	if r.RequestsPerInstance != 12 || r.AllRequestsPerInstance != 13 || r.RequestsByVerb["PATCH"] != 12 || r.PeakMiB != 100 || r.SteadyRequestsPerMinute != 3 {
		t.Errorf("not the worst of all runs: %+v", r)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("the median of an even number is %v", got)
	}
}

func TestTheResultIsWritten(t *testing.T) {
	r := sampleResult()
	r.sumUp()
	dir := t.TempDir()
	path, err := writeResult(dir, r.Benchmark, r)
	if err != nil || path != filepath.Join(dir, "components.json") {
		t.Fatal(path, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"instances", "seconds", "bareSeconds", "ratio", "requestsPerInstance", "requestsByVerb", "managerCPUSeconds", "peakMiB",
		"steadyRequestsPerMinute", "machine", "runs",
	} {
		if _, ok := fields[want]; !ok {
			t.Errorf("%s lacks %s", path, want)
		}
	}
	first := fields["runs"].([]any)[0].(map[string]any)["towpath"].(map[string]any)["requests"].([]any)[0]
	if got := first.(map[string]any); got["verb"] != "APPLY" || got["resource"] != "services" || got["count"] != 100.0 {
		t.Errorf("a request is written as %v", got)
	}
}

func TestTheTableHasTheFigures(t *testing.T) {
	r := sampleResult()
	r.sumUp()
	got := r.table()
	for _, want := range []string{
		"time                             24.0 s   20.0 s       1.50\n",
		"requests an instance             12.00    ", "(with the API server's own: 13.00)",
		"steady state, requests a minute  3.0", "by verb: APPLY 500 PATCH 12\n", "      100  APPLY  services\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "configmaps") {
		t.Errorf("what does not grow with the Components only hides the rest:\n%s", got)
	}
}

func TestTheBareClientSendsFiveObjectsAnInstance(t *testing.T) {
	all, err := renderAll(teams + 1)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, w := range all[teams] {
		paths = append(paths, strings.Join(w.path, "/"))
		if body := string(w.body); !strings.Contains(body, `"platform.towpath.dev/owner-uid":"00000000-`) {
			t.Errorf("an object lacks Towpath's labels: %s", body)
		}
	}
	slices.Sort(paths)
	want := []string{
		"api/v1/namespaces/team00-bench/serviceaccounts/service-00020", "api/v1/namespaces/team00-bench/services/service-00020",
		"apis/apps/v1/namespaces/team00-bench/deployments/service-00020",
		"apis/autoscaling/v2/namespaces/team00-bench/horizontalpodautoscalers/service-00020",
		"apis/networking.k8s.io/v1/namespaces/team00-bench/networkpolicies/service-00020",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("it sends %v, want %v", paths, want)
	}
	if len(want) != len(childKinds) {
		t.Errorf("%d kinds are watched", len(childKinds))
	}
}

func TestATallyCountsEachOnce(t *testing.T) {
	tally := newTally("children exist", 2)
	tally.add("a")
	tally.add("a")
	select {
	case <-tally.done:
		t.Fatal("it is done after one")
	default:
	}
	tally.add("b")
	tally.add("c")
	if at, err := tally.await(t.Context()); err != nil || at.IsZero() {
		t.Error(at, err)
	}
}

func TestArguments(t *testing.T) {
	var said strings.Builder
	o, name, err := parse([]string{"-n", "50", "-profile", "components-ready"}, &said)
	if err != nil || name != benchReady || o.instances != 50 || !o.profile || !o.ready || o.workers != 16 {
		t.Errorf("got %+v, %s, %v", o, name, err)
	}
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"-n", "0"}, "at least 1"},
		{[]string{"-teams", "0", "environments"}, "at least 1"},
		{[]string{"else"}, "name one benchmark of components, components-ready, fairness, environments"},
		{[]string{"components", "-n", "5"}, "after the flags"},
		{[]string{"-h"}, "usage: go run ./hack/bench [flags] [components|components-ready|fairness|environments]"},
	} {
		said.Reset()
		if _, _, err := parse(c.arguments, &said); err == nil || !strings.Contains(said.String(), c.want) {
			t.Errorf("%v says %q, want %q", c.arguments, said.String(), c.want)
		}
	}
}
