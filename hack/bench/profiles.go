package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
)

// profileFor is how long the CPU profiles take. One of a process that rests meanwhile is no longer for that.
const profileFor = time.Minute

// profiles writes the profiles of one run: of the manager CPU, heap and allocations, of the API server, which
// does most of the work, CPU. Without -profile it does nothing.
type profiles struct {
	on     bool
	prefix string
	cpu    chan error
}

func profilesOf(o *options, name string, run int) *profiles {
	return &profiles{on: o.profile, prefix: filepath.Join(o.out, fmt.Sprintf("%s-%d", name, run)), cpu: make(chan error, 2)}
}

// begin begins the CPU profiles.
func (p *profiles) begin(ctx context.Context, c *cluster) {
	if !p.on {
		return
	}
	seconds := fmt.Sprintf("profile?seconds=%d", int(profileFor.Seconds()))
	go func() { p.cpu <- p.ofManager(ctx, c, seconds, "cpu") }()
	go func() { p.cpu <- p.ofAPIServer(ctx, c) }()
}

// end writes what was allocated and what is live, and waits for the CPU profiles.
func (p *profiles) end(ctx context.Context, c *cluster) error {
	if !p.on {
		return nil
	}
	return errors.Join(p.ofManager(ctx, c, "allocs", "allocs"), p.ofManager(ctx, c, "heap?gc=1", "heap"), <-p.cpu, <-p.cpu)
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
	return p.write(name, answer.Body)
}

func (p *profiles) ofAPIServer(ctx context.Context, c *cluster) error {
	kube, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return err
	}
	body, err := kube.Discovery().RESTClient().Get().AbsPath("/debug/pprof/profile").
		Param("seconds", fmt.Sprint(int(profileFor.Seconds()))).Stream(ctx)
	if err != nil {
		return fmt.Errorf("reading the API server's profile: %w", err)
	}
	defer func() { _ = body.Close() }()
	return p.write("apiserver-cpu", body)
}

func (p *profiles) write(name string, from io.Reader) error {
	file, err := os.Create(p.prefix + "." + name + ".pprof")
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Close())
}
