package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// layout knows where each file lies below the cluster's folder.
type layout struct{ root string }

func (l layout) pki(name string) string        { return filepath.Join(l.root, "pki", name) }
func (l layout) kubeconfig(user string) string { return filepath.Join(l.root, user+".kubeconfig") }
func (l layout) log(component string) string   { return filepath.Join(l.root, "logs", component+".log") }
func (l layout) pid(component string) string   { return filepath.Join(l.root, "run", component+".pid") }
func (l layout) etcd() string                  { return filepath.Join(l.root, "etcd") }
func (l layout) auditPolicy() string           { return filepath.Join(l.root, "audit-policy.yaml") }
func (l layout) state() string                 { return filepath.Join(l.root, "state.json") }

// create makes the folders. They are the owner's alone, since they hold keys.
func (l layout) create() error {
	for _, dir := range []string{l.root, filepath.Join(l.root, "logs"), filepath.Join(l.root, "run"), l.etcd()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the control plane's folder: %w", err)
		}
	}
	return nil
}

// lock keeps two callers from starting or stopping the same cluster at once.
// The kernel frees it if its holder dies.
func (l layout) lock(ctx context.Context) (unlock func(), err error) {
	path := filepath.Join(l.root, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the control plane's lock: %w", err)
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for %s, which another process holds: %w", path, ctx.Err()), f.Close())
		case <-ticker.C:
		}
	}
}

// portSet is where each component listens on the loopback interface.
type portSet struct {
	APIServer         int `json:"apiServer"`
	EtcdClient        int `json:"etcdClient"`
	EtcdPeer          int `json:"etcdPeer"`
	ControllerManager int `json:"controllerManager"`
	Scheduler         int `json:"scheduler"`
	Kwok              int `json:"kwok"`
}

// state is what a later Start must know of this one.
type state struct {
	Ports         portSet  `json:"ports"`
	BinDir        string   `json:"binDir"`
	Bare          bool     `json:"bare"`
	Nodes         int      `json:"nodes"`
	AuditLog      string   `json:"auditLog,omitempty"`
	AuditReads    bool     `json:"auditReads,omitempty"`
	APIServerArgs []string `json:"apiServerArgs,omitempty"`
	Stages        []string `json:"stages,omitempty"`
}

func newState(opts Options, ports portSet) *state {
	return &state{
		Ports: ports, BinDir: opts.BinDir, Bare: opts.Bare, Nodes: opts.Nodes,
		AuditLog: opts.AuditLog, AuditReads: opts.AuditReads, APIServerArgs: opts.APIServerArgs, Stages: opts.Stages,
	}
}

// sameOptions reports whether a cluster in this state is what opts ask for.
func (s *state) sameOptions(opts Options) bool {
	return s.BinDir == opts.BinDir && s.Bare == opts.Bare && s.Nodes == opts.Nodes &&
		s.AuditLog == opts.AuditLog && s.AuditReads == opts.AuditReads && slices.Equal(s.APIServerArgs, opts.APIServerArgs) &&
		slices.Equal(s.Stages, opts.Stages)
}

// readState returns nil if no cluster was ever started in the folder.
func (l layout) readState() (*state, error) {
	data, err := os.ReadFile(l.state())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the control plane's state: %w", err)
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("decoding %s (remove it to start afresh): %w", l.state(), err)
	}
	return s, nil
}

func (l layout) writeState(s *state) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the control plane's state: %w", err)
	}
	if err := writeFile(l.state(), data); err != nil {
		return fmt.Errorf("writing the control plane's state: %w", err)
	}
	return nil
}

// writeFile replaces a file by a rename, so that a reader never sees half of it.
func writeFile(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// choosePorts takes the ports of the last run where they are still free, so
// that kubeconfigs which were handed out stay good after a restart.
func choosePorts(last *state) (portSet, error) {
	var ports portSet
	if last != nil {
		ports = last.Ports
	}
	// All are held until all are chosen, or the kernel could give one out twice.
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for _, port := range []*int{
		&ports.APIServer, &ports.EtcdClient, &ports.EtcdPeer, &ports.ControllerManager, &ports.Scheduler, &ports.Kwok,
	} {
		l, err := net.Listen("tcp", loopback(*port))
		if err != nil {
			l, err = net.Listen("tcp", loopback(0))
		}
		if err != nil {
			return portSet{}, fmt.Errorf("finding a free port: %w", err)
		}
		held = append(held, l)
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// FindBinaries returns the folder of the control plane's binaries: the one
// named by TOWPATH_KUBE_ASSETS or KUBEBUILDER_ASSETS, else bin/kube/current of
// the repository around the working directory, which "make kube" builds.
func FindBinaries() (string, error) {
	for _, name := range []string{"TOWPATH_KUBE_ASSETS", "KUBEBUILDER_ASSETS"} {
		if dir := os.Getenv(name); dir != "" {
			return dir, nil
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the control plane's binaries: %w", err)
	}
	for {
		candidate := filepath.Join(dir, "bin", "kube", "current")
		if _, err := os.Stat(candidate); err == nil {
			return candidate, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the control plane's binaries are not built: run make kube")
		}
		dir = parent
	}
}

// checkBinaries names what is missing before anything starts.
func checkBinaries(dir string, opts Options) error {
	wanted := componentsOf(opts)
	if opts.Nodes > 0 {
		wanted = append(wanted, filepath.Join("stages", "node"), filepath.Join("stages", "pod"))
	}
	var absent []string
	for _, name := range wanted {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			absent = append(absent, name)
		}
	}
	if len(absent) > 0 {
		return fmt.Errorf("%s lacks %s: run make kube", dir, strings.Join(absent, ", "))
	}
	return nil
}
