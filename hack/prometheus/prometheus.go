// Package prometheus runs a real Prometheus for tests, with series that a test sets, and a real Alertmanager.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

const (
	// patience is how long a start, or a series, may take.
	patience = time.Minute
	interval = 200 * time.Millisecond
)

// Server is one that runs.
type Server struct {
	// Address to ask.
	Address string
	// CA is the authority of its certificate in PEM, where it is secured.
	CA string

	mu     sync.Mutex
	series map[string]float64
	target *httptest.Server
	stop   func()
}

// Binary is the path of Prometheus: TOWPATH_PROMETHEUS, or what fetch.sh wrote.
func Binary() (string, error) { return binary("prometheus", "TOWPATH_PROMETHEUS") }

// Promtool is the path of the tool that checks rules: TOWPATH_PROMTOOL, or what fetch.sh wrote.
func Promtool() (string, error) { return binary("promtool", "TOWPATH_PROMTOOL") }

func binary(name, variable string) (string, error) {
	path := os.Getenv(variable)
	if path == "" {
		_, file, _, _ := runtime.Caller(0)
		path = filepath.Join(filepath.Dir(file), "..", "..", "bin", name)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("there is no %s: run hack/prometheus/fetch.sh bin %s, or set %s: %w", name, name, variable, err)
	}
	return path, nil
}

// Start runs one that keeps its data in a folder, and returns when it is ready.
func Start(ctx context.Context, dir string) (*Server, error) {
	return startWithSeries(ctx, dir, &Server{})
}

// StartWith runs one with a configuration of its own, which names files by their place in the folder. It has no series that
// a test sets.
func StartWith(ctx context.Context, dir, configuration string) (*Server, error) {
	return start(ctx, dir, &Server{target: httptest.NewServer(http.NotFoundHandler())}, configuration)
}

// StartSecured runs one that is asked by https, with Username and Password.
func StartSecured(ctx context.Context, dir string) (*Server, error) {
	s := &Server{}
	config, err := s.secure(dir)
	if err != nil {
		return nil, err
	}
	return startWithSeries(ctx, dir, s, "--web.config.file="+config)
}

func startWithSeries(ctx context.Context, dir string, s *Server, flags ...string) (*Server, error) {
	s.series = map[string]float64{}
	s.target = httptest.NewServer(s)
	return start(ctx, dir, s, fmt.Sprintf(
		"global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: test\n  static_configs: [{targets: [%q]}]\n", s.target.Listener.Addr()), flags...)
}

func start(ctx context.Context, dir string, s *Server, config string, flags ...string) (*Server, error) {
	binary, err := Binary()
	if err != nil {
		s.target.Close()
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		s.target.Close()
		return nil, err
	}
	file := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		s.target.Close()
		return nil, err
	}
	s.Address = fmt.Sprintf("http://127.0.0.1:%d", port)
	if s.CA != "" {
		s.Address = fmt.Sprintf("https://127.0.0.1:%d", port)
	}
	flags = append(flags, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port), "--log.level=error")
	process := exec.Command(binary, flags...)
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		s.target.Close()
		return nil, fmt.Errorf("starting %s: %w", binary, err)
	}
	s.stop = sync.OnceFunc(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		s.target.Close()
	})
	if err := s.Await(ctx, "vector(1)"); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Stop ends it. To stop it again does nothing.
func (s *Server) Stop() { s.stop() }

// Set gives a series, such as errors{component="a"}, a value. Prometheus knows it a second later.
func (s *Server) Set(series string, value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.series[series] = value
}

// ServeHTTP serves the series to Prometheus.
func (s *Server) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.series)) {
		_, _ = fmt.Fprintf(w, "%s %v\n", name, s.series[name])
	}
}

// Await waits until a query has an answer that is not empty.
func (s *Server) Await(ctx context.Context, query string) error {
	transport := s.transport()
	defer transport.CloseIdleConnections()
	client, err := api.NewClient(api.Config{Address: s.Address, RoundTripper: authorized{transport}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last := errors.New("the answer is empty")
	for {
		value, _, err := prometheusv1.NewAPI(client).Query(ctx, query, time.Now())
		if vector, ok := value.(model.Vector); err == nil && ok && len(vector) > 0 {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", query, last)
		case <-time.After(interval):
		}
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.Join(errors.New("a TCP listener has no TCP address"), listener.Close())
	}
	return address.Port, listener.Close()
}
