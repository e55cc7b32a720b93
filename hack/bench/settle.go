package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

const (
	// idle is how long the manager must have asked for nothing to count as settled.
	idle = 5 * time.Second
	// look is how often it is looked whether it has.
	look = 50 * time.Millisecond
)

// letIn is what priority and fairness have let in at one level.
type letIn struct {
	// all are those until now, underWay those of them that have no answer yet, and those that wait.
	all, underWay int
}

// settle waits until Towpath has made no request for a while, and returns when the last one was answered. What it returns is never too
// early, and too late by the time between two looks. It does not look at the API server's metrics: these are megabytes, which cost
// what is measured as much as some twenty requests each time.
func (c *cluster) settle(ctx context.Context) (time.Time, error) {
	kube, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return time.Time{}, err
	}
	last, changed := letIn{all: -1}, time.Now()
	err = wait.PollUntilContextCancel(ctx, look, true, func(ctx context.Context) (bool, error) {
		now, err := readLetIn(ctx, kube)
		if err != nil {
			return false, err
		}
		if now.all != last.all || now.underWay > 0 {
			last, changed = now, time.Now()
		}
		return time.Since(changed) >= idle, nil
	})
	if err != nil {
		return changed, fmt.Errorf("the manager did not come to rest; it has made %d requests: %w", last.all, err)
	}
	return changed, nil
}

// readLetIn asks the API server what it has let in of the requests that count.
func readLetIn(ctx context.Context, kube kubernetes.Interface) (letIn, error) {
	text, err := kube.Discovery().RESTClient().Get().AbsPath("/debug/api_priority_and_fairness/dump_priority_levels").Do(ctx).Raw()
	if err != nil {
		return letIn{}, fmt.Errorf("reading the levels of priority and fairness: %w", err)
	}
	return parseLetIn(text)
}

// parseLetIn reads the table of levels, which has a row for each, and above them what its columns are.
func parseLetIn(table []byte) (letIn, error) {
	var header []string
	scanner := bufio.NewScanner(bytes.NewReader(table))
	for scanner.Scan() {
		var row []string
		for cell := range strings.SplitSeq(scanner.Text(), ",") {
			row = append(row, strings.TrimSpace(cell))
		}
		if header == nil {
			header = row
			continue
		}
		if row[0] != levelCounted || len(row) != len(header) {
			continue
		}
		cells := map[string]int{}
		for i, name := range header {
			if n, err := strconv.Atoi(row[i]); err == nil {
				cells[name] = n
			}
		}
		all, ok := cells["DispatchedRequests"]
		waiting, okWaiting := cells["WaitingRequests"]
		executing, okExecuting := cells["ExecutingRequests"]
		if ok && okWaiting && okExecuting {
			return letIn{all: all, underWay: waiting + executing}, nil
		}
	}
	return letIn{}, fmt.Errorf("the table of levels does not say what %s has let in: %q", levelCounted, table)
}
