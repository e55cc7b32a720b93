// Package process runs the manager as a process of its own, with the rights of its service account and
// outside of the cluster: for a demo or a benchmark on a local control plane. It runs controllers of others
// beside one too, for tests.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/controlplane"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 15 * time.Second

	managerAccount = "towpath-manager"
)

// Manager is the manager's process. Its folder holds its log, its kubeconfig and its ports.
type Manager struct {
	// Dir is the folder.
	Dir string
	// Binary is the path of the manager.
	Binary string
	// Arguments are further flags.
	Arguments []string
	// Attached makes the process end with this one, even if that is killed. Else it outlives it.
	Attached bool
	// Ports are ports that others know already, by their name: webhook or probe. Others are chosen.
	Ports map[string]int
	// Via changes how the manager reaches the API server, such as through a proxy. Nil leaves it as it is.
	Via func(*rest.Config)
}

func (m *Manager) file(name string) string { return filepath.Join(m.Dir, name) }
func (m *Manager) kubeconfig() string      { return m.file("kubeconfig") }

// Log is the path of the manager's log.
func (m *Manager) Log() string { return m.file("manager.log") }

// Port returns a port that stays the same from one call to the next, for the webhooks are configured with it.
func (m *Manager) Port(name string) (int, error) {
	if port := m.Ports[name]; port != 0 {
		return port, nil
	}
	path := m.file(name + ".port")
	if raw, err := os.ReadFile(path); err == nil {
		return strconv.Atoi(strings.TrimSpace(string(raw)))
	}
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
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

// WebhookURL is where the API server reaches the webhooks; empty when no port could be had.
func (m *Manager) WebhookURL() string {
	port, err := m.Port("webhook")
	if err != nil {
		return ""
	}
	return fmt.Sprintf("https://localhost:%d", port)
}

// Start starts the manager as its service account, unless the same binary runs already, and waits until
// it is ready.
func (m *Manager) Start(ctx context.Context, plane *controlplane.ControlPlane) error {
	cfg, err := plane.ServiceAccountConfig(ctx, platformv1alpha1.SystemNamespace, managerAccount)
	if err != nil {
		return err
	}
	if m.Via != nil {
		m.Via(cfg)
	}
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return err
	}
	if err := controlplane.WriteKubeconfig(m.kubeconfig(), cfg); err != nil {
		return err
	}
	sum, err := m.sum()
	if err != nil {
		return fmt.Errorf("%w: run make build", err)
	}
	probes, err := m.Port("probe")
	if err != nil {
		return err
	}
	running, _ := os.ReadFile(m.file("sum"))
	if m.PID() == 0 || string(running) != sum {
		if err := m.Stop(ctx); err != nil {
			return err
		}
		if err := m.spawn(probes); err != nil {
			return err
		}
		if err := os.WriteFile(m.file("sum"), []byte(sum), 0o600); err != nil {
			return err
		}
	}
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, startTimeout, true, func(ctx context.Context) (bool, error) {
		if m.PID() == 0 {
			return false, errors.New("the manager ended")
		}
		return ready(ctx, probes), nil
	})
	if err != nil {
		return fmt.Errorf("the manager did not become ready: %w; see %s:\n%s", err, m.Log(), tail(m.Log()))
	}
	return nil
}

func (m *Manager) spawn(probes int) error {
	webhooks, err := m.Port("webhook")
	if err != nil {
		return err
	}
	out, err := os.OpenFile(m.Log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(m.Binary, append([]string{
		"--kubeconfig", m.kubeconfig(),
		"--health-probe-bind-address", "127.0.0.1:" + strconv.Itoa(probes),
		"--webhook-host", "127.0.0.1", "--webhook-port", strconv.Itoa(webhooks),
		"--webhook-cert-dir", m.file("webhook-cert"), "--webhook-cert-copy",
	}, m.Arguments...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if m.Attached {
		// Ctrl-C in a terminal reaches this process alone, which ends the manager in order.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	}
	if err := run(cmd); err != nil {
		return fmt.Errorf("starting the manager: %w", err)
	}
	return os.WriteFile(m.file("pid"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
}

// run starts a command and waits for its end beside the caller: one that nobody waits for is a zombie,
// which looks alive. The thread that forked stays until then, since the parent-death signal is sent when
// that thread ends.
func run(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			begun(cmd.Process.Pid)
		}
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return <-started
}

// begun returns once a process that was just started shows its arguments, or has ended. A start succeeds a moment before the kernel
// has put them in place, and until then PID would take the process for one that has ended.
func begun(pid int) {
	for {
		arguments, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || len(arguments) > 0 {
			return
		}
		if _, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil {
			return // a zombie has neither
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// PID returns the process ID of the running manager, 0 when none runs. A pid of another program, which
// got the number since, does not count.
func (m *Manager) PID() int {
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

// Kill ends the manager at once, as a crash would. It does nothing if none runs.
func (m *Manager) Kill() {
	if pid := m.PID(); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// Stop ends the manager, by force when it does not go.
func (m *Manager) Stop(ctx context.Context) error {
	pid := m.PID()
	if pid == 0 {
		return nil
	}
	_ = syscall.Kill(pid, syscall.SIGTERM)
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, stopTimeout, true, func(context.Context) (bool, error) {
		return m.PID() == 0, nil
	})
	if err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return os.Remove(m.file("pid"))
}

func (m *Manager) sum() (string, error) {
	raw, err := os.ReadFile(m.Binary)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

func ready(ctx context.Context, port int) bool {
	return answers(ctx, fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
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
