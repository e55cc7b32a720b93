package main

import (
	"bufio"
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// The API server's counters that are read.
const (
	requestsTotal   = "apiserver_request_total"
	dispatchedTotal = "apiserver_flowcontrol_dispatched_requests_total"
)

// series are all that are read.
var series = []string{requestsTotal, dispatchedTotal, durations}

// request is a kind of request: what was done to which kind of object.
type request struct {
	// Verb as the API server's metrics name it: POST, APPLY, PATCH, LIST, …
	Verb string `json:"verb"`
	// Resource is the plural, its group after a dot and its subresource after a slash.
	Resource string `json:"resource"`
}

// counters are the API server's at one moment, or how much they grew between two.
type counters struct {
	// requests are those of everybody, but for paths that are no resources, such as /metrics.
	requests map[request]int
	// flows are those that API priority and fairness let pass, by flow schema; see flows.go.
	flows map[string]int
}

// parseCounters reads the text format of Prometheus. It reads no more than it needs: the API server's
// metrics have some megabytes.
func parseCounters(text []byte) counters {
	c := counters{requests: map[request]int{}, flows: map[string]int{}}
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		name, labels, value, ok := parseSeries(scanner.Text())
		if !ok {
			continue
		}
		switch name {
		case requestsTotal:
			if labels["resource"] != "" {
				c.requests[request{labels["verb"], resourceName(labels["resource"], labels["group"], labels["subresource"])}] += value
			}
		case dispatchedTotal:
			c.flows[labels["flow_schema"]] += value
		}
	}
	return c
}

// parseSeries reads one line of the two counters or of durations; ok is false for any other.
func parseSeries(line string) (name string, labels map[string]string, value int, ok bool) {
	name, rest, found := strings.Cut(line, "{")
	if !found || !slices.Contains(series, name) {
		return "", nil, 0, false
	}
	end := strings.LastIndexByte(rest, '}')
	if end < 0 {
		return "", nil, 0, false
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(rest[end+1:]), 64)
	if err != nil {
		return "", nil, 0, false
	}
	labels = map[string]string{}
	// No value of these labels holds a quote or a comma.
	for pair := range strings.SplitSeq(rest[:end], ",") {
		key, quoted, _ := strings.Cut(pair, "=")
		labels[key] = strings.Trim(quoted, `"`)
	}
	return name, labels, int(number), true
}

// resourceName joins the parts as request.Resource has them.
func resourceName(resource, group, subresource string) string {
	if group != "" {
		resource += "." + group
	}
	if subresource != "" {
		resource += "/" + subresource
	}
	return resource
}

// since returns by how much the counters grew. What did not grow is left out.
func (c counters) since(before counters) counters {
	return counters{requests: minus(c.requests, before.requests), flows: minus(c.flows, before.flows)}
}

func minus[K comparable](a, b map[K]int) map[K]int {
	grown := map[K]int{}
	for key, n := range a {
		if d := n - b[key]; d > 0 {
			grown[key] = d
		}
	}
	return grown
}

// Resources that are counted apart.
const (
	leases     = "leases.coordination.k8s.io"
	events     = "events.events.k8s.io"
	coreEvents = "events"
)

// counted says whether a kind of request is one of those that a benchmark counts at all: a watch is
// open all the time, and leases are renewed whatever happens.
func counted(r request) bool { return r.Verb != "WATCH" && r.Resource != leases }

// byVerb sums up the requests that are counted.
func byVerb(requests map[request]int) map[string]int {
	sums := map[string]int{}
	for r, n := range requests {
		if counted(r) {
			sums[r.Verb] += n
		}
	}
	return sums
}

// withoutUser sums up the requests that are counted, but for events and for the bench's own.
func withoutUser(requests, own map[request]int) int {
	sum := 0
	for r, n := range minus(requests, own) {
		if counted(r) && r.Resource != events && r.Resource != coreEvents {
			sum += n
		}
	}
	return sum
}

// requestCount is a kind of request and how often it was made.
type requestCount struct {
	request
	Count int `json:"count"`
}

// ranked lists requests that are counted, the most frequent first.
func ranked(requests map[request]int) []requestCount {
	var list []requestCount
	for r, n := range requests {
		if counted(r) {
			list = append(list, requestCount{r, n})
		}
	}
	slices.SortFunc(list, func(a, b requestCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Verb, b.Verb))
	})
	return list
}
