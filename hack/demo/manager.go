package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	managerStart = 60 * time.Second
	managerStop  = 15 * time.Second
)

// manager is the manager's process, which outlives the demo's.
type manager struct {
	dir, binary string
}

func newManager(dir, binary string) *manager {
	return &manager{dir: filepath.Join(dir, "manager"), binary: binary}
}

func (m *manager) file(name string) string { return filepath.Join(m.dir, name) }
func (m *manager) log() string             { return m.file("manager.log") }
func (m *manager) kubeconfig() string      { return m.file("kubeconfig") }

// port returns a port that stays the same from one call to the next, for the webhooks are configured with it.
func (m *manager) port(name string) (int, error) {
	path := m.file(name + ".port")
	if raw, err := os.ReadFile(path); err == nil {
		return strconv.Atoi(strings.TrimSpace(string(raw)))
	}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return 0, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = listener.Close() }()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("no TCP address")
	}
	return address.Port, os.WriteFile(path, []byte(strconv.Itoa(address.Port)), 0o600)
}

// webhookURL is where the API server reaches the webhooks; empty when no port could be had.
func (m *manager) webhookURL() string {
	port, err := m.port("webhook")
	if err != nil {
		return ""
	}
	return fmt.Sprintf("https://localhost:%d", port)
}

// start starts the manager, unless the same binary runs already, and waits until it is ready.
func (m *manager) start(ctx context.Context) error {
	sum, err := m.sum()
	if err != nil {
		return fmt.Errorf("%w: run make build", err)
	}
	probes, err := m.port("probe")
	if err != nil {
		return err
	}
	running, _ := os.ReadFile(m.file("sum"))
	if m.pid() == 0 || string(running) != sum {
		if err := m.stop(ctx); err != nil {
			return err
		}
		if err := m.spawn(probes); err != nil {
			return err
		}
		if err := os.WriteFile(m.file("sum"), []byte(sum), 0o600); err != nil {
			return err
		}
	}
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, managerStart, true, func(ctx context.Context) (bool, error) {
		if m.pid() == 0 {
			return false, errors.New("the manager ended")
		}
		return ready(ctx, probes), nil
	})
	if err != nil {
		return fmt.Errorf("the manager did not become ready: %w; see %s:\n%s", err, m.log(), tail(m.log()))
	}
	return nil
}

func (m *manager) spawn(probes int) error {
	webhooks, err := m.port("webhook")
	if err != nil {
		return err
	}
	out, err := os.OpenFile(m.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(m.binary,
		"--kubeconfig", m.kubeconfig(),
		"--health-probe-bind-address", "127.0.0.1:"+strconv.Itoa(probes),
		"--webhook-host", "127.0.0.1", "--webhook-port", strconv.Itoa(webhooks),
		"--webhook-cert-dir", m.file("webhook-cert"), "--webhook-cert-copy",
		// The labels that OpenCost reads by default.
		"--label-alias", "team=team", "--label-alias", "env=environment", "--label-alias", "app=component",
		"--label-alias", "owner=team", "--label-alias", "cost-center=cost-center",
	)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the manager: %w", err)
	}
	go func() { _ = cmd.Wait() }() // so that one which ends at once is no zombie, which would look alive
	return os.WriteFile(m.file("pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
}

// pid returns the process ID of the running manager, 0 when none runs. A pid of another program,
// which got the number since, does not count.
func (m *manager) pid() int {
	raw, err := os.ReadFile(m.file("pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0
	}
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(command), m.kubeconfig()) {
		return 0
	}
	return pid
}

// stop ends the manager, by force when it does not go.
func (m *manager) stop(ctx context.Context) error {
	pid := m.pid()
	if pid == 0 {
		return nil
	}
	_ = syscall.Kill(pid, syscall.SIGTERM)
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, managerStop, true, func(context.Context) (bool, error) {
		return m.pid() == 0, nil
	})
	if err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return os.Remove(m.file("pid"))
}

func (m *manager) sum() (string, error) {
	raw, err := os.ReadFile(m.binary)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

func ready(ctx context.Context, port int) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/readyz", port), nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// tail returns the last lines of a log.
func tail(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
