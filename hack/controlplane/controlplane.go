// Package controlplane runs a whole Kubernetes cluster as child processes on
// the loopback interface: etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler, and kwok, which simulates nodes on which pods become Ready.
//
// It stands where envtest stops: envtest has no kube-controller-manager, so
// that aggregated ClusterRoles stay empty, nothing is garbage collected and no
// Deployment ever has a pod. It needs no container runtime and no root, and it
// runs on Linux only, because it relies on /proc and on the parent-death signal.
//
// The binaries come from hack/kube; see FindBinaries.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
)

const (
	// ServiceCIDR is the range of cluster IPs. A /16, as production clusters
	// have it: the /24 of envtest is exhausted by a scale test.
	ServiceCIDR = "10.96.0.0/16"

	// PodCIDR is the range from which kwok takes the addresses of pods.
	PodCIDR = "10.244.0.0/16"

	defaultStartTimeout = 2 * time.Minute

	// stopTimeout is for a caller whose own context is already over, which must
	// not leave processes behind.
	stopTimeout = 30 * time.Second
)

// Options say what Start runs, and where.
type Options struct {
	// Dir holds everything about the cluster: etcd's data, certificates,
	// kubeconfigs, logs and pid files. A later Start in the same folder finds
	// the same objects again. If empty, a temporary folder is made, and removed
	// by Stop.
	Dir string

	// BinDir holds the binaries. If empty, FindBinaries looks for them.
	BinDir string

	// Bare runs etcd and kube-apiserver alone, which start fastest.
	Bare bool

	// Nodes is how many nodes kwok simulates. With none, neither kube-scheduler
	// nor kwok runs, and pods stay pending.
	Nodes int

	// Stages are files with further rules by which kwok treats pods and nodes, beside those that make them ready.
	Stages []string

	// AuditLog is the path of the audit log: one JSON object a line with user,
	// impersonatedUser, verb and objectRef of each mutating request. If empty,
	// nothing is audited.
	AuditLog string

	// AuditReads puts reads into the audit log too.
	AuditReads bool

	// APIServerArgs are added to the arguments of kube-apiserver, and win over
	// those that stand there already.
	APIServerArgs []string

	// Detach lets the processes outlive this one. Without it they die with it,
	// even if it is killed.
	Detach bool

	// StartTimeout bounds Start; two minutes if zero.
	StartTimeout time.Duration
}

// ControlPlane is a running cluster.
type ControlPlane struct {
	opts      Options
	dir       layout
	temporary bool
	attached  bool
	ca        *authority
	admin     *rest.Config
	spawner   *spawner
	children  []*child
}

// Start brings up a cluster and returns when it is usable: the API server is
// ready, controllers run, aggregated ClusterRoles are filled and every node is
// Ready. If the folder's cluster runs already with the same options, Start
// attaches to it; if it runs with others, or only in part, it is restarted on
// the same data.
//
// ctx bounds the start only. If Start fails, it leaves no process, but it
// leaves the folder, since its error names the log to read.
func Start(ctx context.Context, opts Options) (_ *ControlPlane, err error) {
	if opts.StartTimeout == 0 {
		opts.StartTimeout = defaultStartTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, opts.StartTimeout)
	defer cancel()

	c, err := prepare(opts)
	if err != nil {
		return nil, err
	}
	unlock, err := c.dir.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()

	if err := c.loadIdentity(); err != nil {
		return nil, err
	}
	if c.attached, err = c.attach(ctx); err != nil || c.attached {
		return c, err
	}
	// What a crash or a change of options left running would hold the ports and
	// the lock of etcd's data.
	if err := stopProcesses(ctx, c.dir); err != nil {
		return nil, fmt.Errorf("stopping what an earlier cluster left in %s: %w", c.dir.root, err)
	}
	if err := c.run(ctx); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopErr := c.stopLocked(stopCtx)
		return nil, errors.Join(fmt.Errorf("starting the control plane in %s: %w", c.dir.root, err), stopErr)
	}
	return c, nil
}

// prepare checks the options and makes the folder.
func prepare(opts Options) (*ControlPlane, error) {
	if opts.Bare && opts.Nodes > 0 {
		return nil, errors.New("a bare control plane must not have nodes: nothing would place pods on them")
	}
	if opts.BinDir == "" {
		dir, err := FindBinaries()
		if err != nil {
			return nil, err
		}
		opts.BinDir = dir
	}
	var err error
	// The link "current" moves on with each build; the cluster must not, so
	// that a restart on new binaries is noticed.
	if opts.BinDir, err = filepath.EvalSymlinks(opts.BinDir); err != nil {
		return nil, fmt.Errorf("resolving the folder of binaries: %w", err)
	}
	if opts.BinDir, err = filepath.Abs(opts.BinDir); err != nil {
		return nil, fmt.Errorf("resolving the folder of binaries: %w", err)
	}
	if err := checkBinaries(opts.BinDir, opts); err != nil {
		return nil, err
	}

	c := &ControlPlane{opts: opts}
	if opts.Dir == "" {
		c.temporary = true
		if opts.Dir, err = os.MkdirTemp("", "towpath-controlplane-"); err != nil {
			return nil, fmt.Errorf("making a folder for the control plane: %w", err)
		}
	}
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, fmt.Errorf("resolving the folder of the control plane: %w", err)
	}
	if opts.AuditLog != "" {
		if c.opts.AuditLog, err = filepath.Abs(opts.AuditLog); err != nil {
			return nil, fmt.Errorf("resolving the path of the audit log: %w", err)
		}
	}
	c.dir = layout{root: opts.Dir}
	return c, c.dir.create()
}

// loadIdentity makes or reads the certificates, and the administrator's config.
func (c *ControlPlane) loadIdentity() error {
	if err := ensurePKI(c.dir); err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}
	ca, err := loadAuthority(c.dir.pki(clusterCA))
	if err != nil {
		return fmt.Errorf("reading the cluster's certificate authority: %w", err)
	}
	c.ca = ca
	return nil
}

// attach reports whether the cluster of this folder runs already, just as the
// options ask for it.
func (c *ControlPlane) attach(ctx context.Context) (bool, error) {
	st, err := c.dir.readState()
	if err != nil || st == nil || !st.sameOptions(c.opts) {
		return false, err
	}
	for _, name := range componentsOf(c.opts) {
		if _, alive := c.dir.findProcess(name); !alive {
			return false, nil
		}
	}
	if err := c.useEndpoint(st.Ports); err != nil {
		return false, err
	}
	if err := c.apiServerReady(ctx); err != nil {
		return false, nil //nolint:nilerr // Not ready is an answer, not a failure: the cluster is restarted.
	}
	return true, nil
}

// useEndpoint makes the administrator's config for the address in ports.
func (c *ControlPlane) useEndpoint(ports portSet) error {
	c.admin = c.ca.newConfig(ports.APIServer)
	admin, err := c.UserConfig(adminUser, mastersGroup)
	if err != nil {
		return err
	}
	c.admin = admin
	return nil
}

// Dir is the folder that holds the cluster's data, certificates and logs.
func (c *ControlPlane) Dir() string { return c.dir.root }

// BinDir is the folder of the binaries in use, kubectl among them.
func (c *ControlPlane) BinDir() string { return c.opts.BinDir }

// Attached reports whether Start found the cluster running.
func (c *ControlPlane) Attached() bool { return c.attached }

// AdminKubeconfig is the path of the administrator's kubeconfig.
func (c *ControlPlane) AdminKubeconfig() string { return c.dir.kubeconfig(adminUser) }

// LogFile is the path of the log of one component, such as "kube-apiserver".
func (c *ControlPlane) LogFile(component string) string { return c.dir.log(component) }

// Stop ends every process of the cluster. A temporary folder is removed; any
// other is kept with its data, and can be started again.
func (c *ControlPlane) Stop(ctx context.Context) error {
	unlock, err := c.dir.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.stopLocked(ctx); err != nil {
		return err
	}
	if c.temporary {
		if err := os.RemoveAll(c.dir.root); err != nil {
			return fmt.Errorf("removing the control plane's folder: %w", err)
		}
	}
	return nil
}

// stopLocked is Stop for a caller who holds the folder's lock.
func (c *ControlPlane) stopLocked(ctx context.Context) error {
	err := stopProcesses(ctx, c.dir)
	if c.spawner != nil && err == nil {
		c.spawner.close()
		c.spawner = nil
	}
	return err
}

// Stop ends every process of the cluster in dir, whoever started it, and keeps
// its data. It succeeds if nothing runs there.
func Stop(ctx context.Context, dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("resolving the folder of the control plane: %w", err)
	}
	d := layout{root: abs}
	if _, err := os.Stat(abs); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	unlock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return stopProcesses(ctx, d)
}
