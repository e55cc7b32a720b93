package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Names of the binaries, the logs and the pid files.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	kwok              = "kwok"
)

// component is a process to be run.
type component struct {
	name string
	args []string
}

// componentsOf lists what runs under these options.
func componentsOf(opts Options) []string {
	names := []string{etcd, apiServer}
	if !opts.Bare {
		names = append(names, controllerManager)
	}
	if opts.Nodes > 0 {
		names = append(names, scheduler, kwok)
	}
	return names
}

// run starts the components and waits until the cluster is usable.
func (c *ControlPlane) run(ctx context.Context) error {
	last, err := c.dir.readState()
	if err != nil {
		return err
	}
	ports, err := choosePorts(last)
	if err != nil {
		return err
	}
	if err := c.dir.writeState(newState(c.opts, ports)); err != nil {
		return err
	}
	if err := c.useEndpoint(ports); err != nil {
		return err
	}
	if err := WriteKubeconfig(c.AdminKubeconfig(), c.admin); err != nil {
		return err
	}
	c.spawner = newSpawner()

	// The API server waits for etcd by itself, and needs a moment before it asks.
	if err := c.launch(component{etcd, c.etcdArgs(ports)}); err != nil {
		return err
	}
	apiServerArgs, err := c.apiServerArgs(ports)
	if err != nil {
		return err
	}
	if err := c.launch(component{apiServer, apiServerArgs}); err != nil {
		return err
	}
	if err := c.await(ctx, apiServer, "the API server to be ready", c.apiServerReady); err != nil {
		return err
	}
	if c.opts.Bare {
		return nil
	}
	return c.runControllers(ctx, ports)
}

// runControllers starts what acts on the API: only now, since
// kube-controller-manager gives up when no API server answers it at once.
func (c *ControlPlane) runControllers(ctx context.Context, ports portSet) error {
	client, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	launch := func(name, user string, groups []string, args func(kubeconfig string) []string) error {
		cfg, err := c.UserConfig(user, groups...)
		if err != nil {
			return err
		}
		kubeconfig := c.dir.kubeconfig(name)
		if err := WriteKubeconfig(kubeconfig, cfg); err != nil {
			return err
		}
		return c.launch(component{name, args(kubeconfig)})
	}

	err = launch(controllerManager, "system:kube-controller-manager", nil, func(kubeconfig string) []string {
		return c.controllerManagerArgs(kubeconfig, ports)
	})
	if err != nil {
		return err
	}
	if c.opts.Nodes > 0 {
		err = launch(scheduler, "system:kube-scheduler", nil, func(kubeconfig string) []string {
			return c.schedulerArgs(kubeconfig, ports)
		})
		if err != nil {
			return err
		}
		stages, err := c.stages()
		if err != nil {
			return err
		}
		err = launch(kwok, "kwok", []string{mastersGroup}, func(kubeconfig string) []string {
			return append(c.kwokArgs(kubeconfig, ports), stages...)
		})
		if err != nil {
			return err
		}
		if err := createNodes(ctx, client, c.opts.Nodes); err != nil {
			return err
		}
	}

	if err := c.await(ctx, controllerManager, "controllers to fill the cluster", controllersWork(client)); err != nil {
		return err
	}
	if c.opts.Nodes == 0 {
		return nil
	}
	if err := c.await(ctx, kwok, "nodes to be ready", nodesReady(client, c.opts.Nodes)); err != nil {
		return err
	}
	return c.await(ctx, scheduler, "the scheduler to be ready", func(ctx context.Context) error {
		return c.healthy(ctx, ports.Scheduler)
	})
}

// apiServerReady asks /readyz.
func (c *ControlPlane) apiServerReady(ctx context.Context) error {
	return get(ctx, c.admin, "/readyz")
}

// healthy asks /healthz of a component that serves with the cluster's own
// certificate.
func (c *ControlPlane) healthy(ctx context.Context, port int) error {
	cfg := rest.AnonymousClientConfig(c.admin)
	cfg.Host = "https://" + loopback(port)
	return get(ctx, cfg, "/healthz")
}

func get(ctx context.Context, cfg *rest.Config, path string) error {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return client.Discovery().RESTClient().Get().AbsPath(path).MaxRetries(0).Do(ctx).Error()
}

func (c *ControlPlane) etcdArgs(ports portSet) []string {
	client, peer := "https://"+loopback(ports.EtcdClient), "http://"+loopback(ports.EtcdPeer)
	return []string{
		"--name=towpath",
		"--data-dir=" + c.dir.etcd(),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--cert-file=" + c.dir.pki(etcdServer+".crt"),
		"--key-file=" + c.dir.pki(etcdServer+".key"),
		"--trusted-ca-file=" + c.dir.pki(etcdCA+".crt"),
		"--client-cert-auth",
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=towpath=" + peer,
		// What a power cut may cost here is a demo; what fsync costs is most of
		// the time of every write.
		"--unsafe-no-fsync",
	}
}

func (c *ControlPlane) apiServerArgs(ports portSet) ([]string, error) {
	pki := c.dir.pki
	args := []string{
		"--etcd-servers=https://" + loopback(ports.EtcdClient),
		"--etcd-cafile=" + pki(etcdCA+".crt"),
		"--etcd-certfile=" + pki(etcdClient+".crt"),
		"--etcd-keyfile=" + pki(etcdClient+".key"),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(ports.APIServer),
		// A loopback address may not stand in the EndpointSlice of the service
		// "kubernetes"; without the reconciler nobody tries to put it there.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + pki(serving+".crt"),
		"--tls-private-key-file=" + pki(serving+".key"),
		"--client-ca-file=" + pki(clusterCA+".crt"),
		"--requestheader-client-ca-file=" + pki(frontProxyCA+".crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + pki(frontProxyClient+".crt"),
		"--proxy-client-key-file=" + pki(frontProxyClient+".key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + pki(serviceAccount+".key"),
		"--service-account-signing-key-file=" + pki(serviceAccount+".key"),
		"--service-cluster-ip-range=" + ServiceCIDR,
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
	}
	if c.opts.AuditLog != "" {
		if err := writeFile(c.dir.auditPolicy(), []byte(auditPolicy(c.opts.AuditReads))); err != nil {
			return nil, fmt.Errorf("writing the audit policy: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(c.opts.AuditLog), 0o700); err != nil {
			return nil, fmt.Errorf("making the folder of the audit log: %w", err)
		}
		args = append(args,
			"--audit-policy-file="+c.dir.auditPolicy(),
			"--audit-log-path="+c.opts.AuditLog,
			// Whoever counts requests reads one file: it is rotated late.
			"--audit-log-maxsize=1000",
			"--audit-log-maxbackup=1",
		)
	}
	return append(args, c.opts.APIServerArgs...), nil
}

// auditPolicy records who did what to which object, and no content.
func auditPolicy(reads bool) string {
	policy := `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
`
	if reads {
		return policy + "- level: Metadata\n"
	}
	return policy + "- level: None\n"
}

// servingArgs are common to the components that serve health and metrics.
func (c *ControlPlane) servingArgs(kubeconfig string, port int) []string {
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + c.dir.pki(serving+".crt"),
		"--tls-private-key-file=" + c.dir.pki(serving+".key"),
		// There is one of each, so an election would only cost time and leases.
		"--leader-elect=false",
		// The defaults (20 and 30) make the creation of some forty clients, one a
		// controller, the longest part of the start.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}

func (c *ControlPlane) controllerManagerArgs(kubeconfig string, ports portSet) []string {
	return append(c.servingArgs(kubeconfig, ports.ControllerManager),
		"--use-service-account-credentials=true",
		"--root-ca-file="+c.dir.pki(clusterCA+".crt"),
		"--service-account-private-key-file="+c.dir.pki(serviceAccount+".key"),
		"--cluster-signing-cert-file="+c.dir.pki(clusterCA+".crt"),
		"--cluster-signing-key-file="+c.dir.pki(clusterCA+".key"),
	)
}

func (c *ControlPlane) schedulerArgs(kubeconfig string, ports portSet) []string {
	return c.servingArgs(kubeconfig, ports.Scheduler)
}

func (c *ControlPlane) kwokArgs(kubeconfig string, ports portSet) []string {
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--manage-all-nodes=true",
		// The kubelet's default. Without it kwok renews no lease, and a minute
		// later the nodes are lost and the pods on them unready.
		"--node-lease-duration-seconds=40",
		"--cidr=" + PodCIDR,
		// Left out, kwok would listen on every interface, and always on the same
		// port, which a second cluster could not have.
		"--server-address=" + loopback(ports.Kwok),
		"--node-port=" + strconv.Itoa(ports.Kwok),
		"--node-ip=127.0.0.1",
	}
}

// stages are the rules by which kwok makes nodes and pods ready.
func (c *ControlPlane) stages() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(c.opts.BinDir, "stages", "*", "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("looking for the stages of kwok: %w", err)
	}
	if len(files) == 0 {
		return nil, errors.New("the stages of kwok are missing: run make kube")
	}
	files = append(files, c.opts.Stages...)
	args := make([]string, 0, len(files))
	for _, file := range files {
		args = append(args, "--config="+file)
	}
	return args, nil
}
