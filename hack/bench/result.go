package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what stands in build/bench/<name>.json. Times, the ratio and CPU are medians of the runs;
// requests and memory are the most of any, since a promise about them holds for every run.
type result struct {
	Benchmark string    `json:"benchmark"`
	At        time.Time `json:"at"`
	Machine   machine   `json:"machine"`
	Instances int       `json:"instances"`
	// Children is how many objects a Component has.
	Children    int     `json:"children"`
	Seconds     float64 `json:"seconds"`
	BareSeconds float64 `json:"bareSeconds"`
	// Ratio is the median of the ratios of each run with Towpath to the bare one just before it.
	Ratio float64 `json:"ratio"`
	// RequestsPerInstance are Towpath's own, but for events, watches and leases; AllRequestsPerInstance has
	// those too which the API server makes itself, and RequestsByVerb everybody's.
	RequestsPerInstance    float64        `json:"requestsPerInstance"`
	AllRequestsPerInstance float64        `json:"allRequestsPerInstance"`
	RequestsByVerb         map[string]int `json:"requestsByVerb"`
	ManagerCPUSeconds      float64        `json:"managerCPUSeconds"`
	// APIServerCPUSeconds and BareAPIServerCPUSeconds vary less than the times do when others use the
	// machine.
	APIServerCPUSeconds     float64 `json:"apiServerCPUSeconds"`
	BareAPIServerCPUSeconds float64 `json:"bareAPIServerCPUSeconds"`
	PeakMiB                 float64 `json:"peakMiB"`
	SteadyRequestsPerMinute float64 `json:"steadyRequestsPerMinute"`
	// SettledRatio is as Ratio, until Towpath made its last request.
	SettledRatio float64 `json:"settledRatio"`
	// RestartReadySeconds is how long the manager took to be ready again with everything there, and RestartWrites how
	// much it wrote then.
	RestartReadySeconds float64 `json:"restartReadySeconds"`
	RestartWrites       int     `json:"restartWrites"`
	Runs                []pair  `json:"runs"`
}

// pair is two runs next to each other.
type pair struct {
	Bare    *run `json:"bare"`
	Towpath *run `json:"towpath"`
}

// machine is what it ran on.
type machine struct {
	CPUs      int     `json:"cpus"`
	Model     string  `json:"model"`
	MemoryGiB float64 `json:"memoryGiB"`
	// Load is the average of the last minute, when the benchmark began.
	Load float64 `json:"load"`
}

func readMachine() (machine, error) {
	m := machine{CPUs: runtime.NumCPU()}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	m.Model = field(info, "model name")
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return m, err
	}
	kib, err := strconv.ParseFloat(strings.TrimSuffix(field(memory, "MemTotal"), " kB"), 64)
	if err != nil {
		return m, err
	}
	m.MemoryGiB = round(kib / (1 << 20))
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return m, err
	}
	first, _, _ := strings.Cut(string(load), " ")
	m.Load, err = strconv.ParseFloat(first, 64)
	return m, err
}

// field returns the value of the first line "key: value".
func field(text []byte, key string) string {
	for line := range bytes.Lines(text) {
		if k, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// apiServerProgram is the name of the API server's program, as the kernel cuts it.
const apiServerProgram = "kube-apiserver"

// sumUp fills in what follows from the runs.
func (r *result) sumUp() {
	if len(r.Runs) == 0 {
		return
	}
	of := func(get func(pair) float64) []float64 {
		var values []float64
		for _, p := range r.Runs {
			values = append(values, get(p))
		}
		return values
	}
	r.Seconds = round(median(of(func(p pair) float64 { return p.Towpath.Seconds })))
	r.BareSeconds = round(median(of(func(p pair) float64 { return p.Bare.Seconds })))
	r.Ratio = round(median(of(func(p pair) float64 { return p.Towpath.Seconds / p.Bare.Seconds })))
	r.ManagerCPUSeconds = round(median(of(func(p pair) float64 { return p.Towpath.ManagerCPUSeconds })))
	r.APIServerCPUSeconds = round(median(of(func(p pair) float64 { return p.Towpath.CPUSeconds[apiServerProgram] })))
	r.BareAPIServerCPUSeconds = round(median(of(func(p pair) float64 { return p.Bare.CPUSeconds[apiServerProgram] })))
	r.PeakMiB = round(slices.Max(of(func(p pair) float64 { return p.Towpath.PeakMiB })))
	r.SteadyRequestsPerMinute = round(slices.Max(of(func(p pair) float64 { return p.Towpath.SteadyRequestsPerMinute })))
	r.SettledRatio = round(median(of(func(p pair) float64 { return p.Towpath.SettledSeconds / p.Bare.Seconds })))
	r.RestartReadySeconds = round(slices.Max(of(func(p pair) float64 { return p.Towpath.RestartReadySeconds })))
	for _, p := range r.Runs {
		if again := p.Towpath.Restart; again != nil {
			r.RestartWrites = max(r.RestartWrites, again.ManagerWrites+again.ManagerEvents+again.Appliers)
		}
	}
	worst := r.worst()
	r.RequestsPerInstance, r.AllRequestsPerInstance = round(worst.RequestsPerInstance), round(worst.AllRequestsPerInstance)
	r.RequestsByVerb = worst.RequestsByVerb
}

// worst is the run with the most requests.
func (r *result) worst() *run {
	return slices.MaxFunc(r.Runs, func(a, b pair) int {
		return int(math.Copysign(1, a.Towpath.RequestsPerInstance-b.Towpath.RequestsPerInstance))
	}).Towpath
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// round keeps two digits behind the point: more of them would be noise.
func round(value float64) float64 { return math.Round(value*100) / 100 }

// writeResult writes the result of a benchmark, and returns the path.
func writeResult(dir, benchmark string, result any) (string, error) {
	data, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, benchmark+".json")
	return path, os.WriteFile(path, append(data, '\n'), 0o644)
}

// table is the result for people.
func (r *result) table() string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	row := func(format string, values ...any) { _, _ = fmt.Fprintf(table, format+"\n", values...) }
	row("\tTowpath\tbare client\tratio")
	row("time\t%.1f s\t%.1f s\t%.2f", r.Seconds, r.BareSeconds, r.Ratio)
	row("CPU of the API server\t%.1f s\t%.1f s\t%.2f", r.APIServerCPUSeconds, r.BareAPIServerCPUSeconds, r.APIServerCPUSeconds/r.BareAPIServerCPUSeconds)
	row("CPU of the manager\t%.1f s", r.ManagerCPUSeconds)
	row("peak memory of the manager\t%.0f MiB", r.PeakMiB)
	row("requests an instance\t%.2f\t\t(with the API server's own: %.2f)", r.RequestsPerInstance, r.AllRequestsPerInstance)
	row("steady state, requests a minute\t%.1f", r.SteadyRequestsPerMinute)
	row("until all is settled\t\t\t%.2f", r.SettledRatio)
	row("manager started again: ready\t%.1f s\t\t(it wrote %d times)", r.RestartReadySeconds, r.RestartWrites)
	_ = table.Flush()
	worst := r.worst()
	out.WriteString("\nrequests of everybody, by verb:")
	for _, verb := range slices.Sorted(maps.Keys(r.RequestsByVerb)) {
		fmt.Fprintf(&out, " %s %d", verb, r.RequestsByVerb[verb])
	}
	out.WriteString("\n")
	if worst.RequestsByUser != nil {
		fmt.Fprintf(&out, "of Towpath: %s\n", worst.RequestsByUser)
	}
	for _, c := range worst.Requests {
		if few := r.Instances / 100; c.Count > few {
			fmt.Fprintf(&out, "  %7d  %-6s %s\n", c.Count, c.Verb, c.Resource)
		}
	}
	return out.String()
}
