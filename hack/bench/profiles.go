package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
)

const (
	// slice is how long each of the CPU profiles takes, one after the other, so that what is done while objects are made and
	// what is done after that stand apart.
	slice = 2 * time.Second
	// tick is how often it is written down who is busy.
	tick = 500 * time.Millisecond
)

// The phases that the names of CPU profiles have: a slice belongs to the one that it begins in.
const (
	phaseChildren = "children"
	phaseSettling = "settling"
)

// profiles writes the profiles of one run: of the manager CPU, heap and allocations, of the API server, which
// does most of the work, CPU; and how busy each program was, half-second by half-second. Without -profile it does nothing.
type profiles struct {
	on     bool
	prefix string
	phase  atomic.Value
	stop   context.CancelFunc
	done   *errgroup.Group
}

func profilesOf(o *options, name string, run int) *profiles {
	return &profiles{on: o.profile, prefix: filepath.Join(o.out, fmt.Sprintf("%s-%d", name, run))}
}

// begin begins the CPU profiles.
func (p *profiles) begin(ctx context.Context, c *cluster) {
	p.phase.Store(phaseChildren)
	if !p.on {
		return
	}
	var until context.Context
	until, p.stop = context.WithCancel(ctx)
	p.done = &errgroup.Group{}
	seconds := fmt.Sprintf("profile?seconds=%d", int(slice.Seconds()))
	p.done.Go(func() error {
		return p.slices(until, func(name string) error { return p.ofManager(ctx, c, seconds, "cpu."+name) })
	})
	p.done.Go(func() error {
		return p.slices(until, func(name string) error { return p.ofAPIServer(ctx, c, "apiserver-cpu."+name) })
	})
	p.done.Go(func() error { return p.timeline(until) })
}

// settling says that all children exist.
func (p *profiles) settling() { p.phase.Store(phaseSettling) }

// slices takes one profile after the other until the context ends. The last one is finished.
func (p *profiles) slices(until context.Context, take func(name string) error) error {
	for i := 0; until.Err() == nil; i++ {
		if err := take(fmt.Sprintf("%s.%02d", p.phase.Load(), i)); err != nil {
			return err
		}
	}
	return nil
}

// timeline writes down how many cores each program keeps busy.
func (p *profiles) timeline(until context.Context) error {
	var text bytes.Buffer
	start := time.Now()
	at := start
	before, err := readUsage()
	for every := time.Tick(tick); err == nil && until.Err() == nil; {
		select {
		case <-until.Done():
			continue
		case <-every:
		}
		var now usage
		if now, err = readUsage(); err != nil {
			break
		}
		used, took := now.since(before), time.Since(at).Seconds()
		_, _ = fmt.Fprintf(&text, "%5.1f s %s:", time.Since(start).Seconds(), p.phase.Load())
		for _, name := range slices.Sorted(maps.Keys(used.by)) {
			_, _ = fmt.Fprintf(&text, " %s %.2f", name, used.by[name]/took)
		}
		_, _ = fmt.Fprintf(&text, "; all %.2f\n", used.machine/took)
		before, at = now, time.Now()
	}
	return errors.Join(err, p.write("timeline.txt", &text))
}

// end writes what was allocated and what is live, and waits for the CPU profiles.
func (p *profiles) end(ctx context.Context, c *cluster) error {
	if !p.on {
		return nil
	}
	p.stop()
	return errors.Join(p.ofManager(ctx, c, "allocs", "allocs"), p.ofManager(ctx, c, "heap?gc=1", "heap"), p.done.Wait())
}

func (p *profiles) ofManager(ctx context.Context, c *cluster, what, name string) error {
	port, err := c.manager.Port("pprof")
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/%s", port, what), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("reading the manager's profile: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("reading the manager's profile %s: %s", name, answer.Status)
	}
	return p.write(name+".pprof", answer.Body)
}

func (p *profiles) ofAPIServer(ctx context.Context, c *cluster, name string) error {
	kube, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return err
	}
	body, err := kube.Discovery().RESTClient().Get().AbsPath("/debug/pprof/profile").
		Param("seconds", fmt.Sprint(int(slice.Seconds()))).Stream(ctx)
	if err != nil {
		return fmt.Errorf("reading the API server's profile: %w", err)
	}
	defer func() { _ = body.Close() }()
	return p.write(name+".pprof", body)
}

func (p *profiles) write(name string, from io.Reader) error {
	file, err := os.Create(p.prefix + "." + name)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}
