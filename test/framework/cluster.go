// Package framework gives a suite a cluster with Towpath in it: a real control plane, installed as the
// demo installs it, with the manager's controllers and webhooks in the suite's own process and with the
// rights of the manager's service account, no others.
//
// A suite starts one cluster, and its specs share it: each takes names of its own (Name), so that they
// run in any order.
package framework

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/controlplane"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/webhookcert"
)

const (
	// ManagerUser is whom the API server sees when the manager writes.
	ManagerUser = "system:serviceaccount:" + platformv1alpha1.SystemNamespace + ":" + managerAccount

	// LabelUnchecked keeps Towpath's webhooks from an object that bears it, with any value: so a spec can make
	// what they would refuse, as if it had been made before they were installed. Admission policies and the kinds'
	// own validation hold all the same.
	LabelUnchecked = "test.towpath.dev/unchecked"

	managerAccount = "towpath-manager"

	managerTimeout = 90 * time.Second
	stopTimeout    = 30 * time.Second
	pollInterval   = 50 * time.Millisecond
)

// Options say what a cluster has.
type Options struct {
	// Nodes is how many simulated nodes there are. With none, pods stay pending. kube-controller-manager
	// runs in any case.
	Nodes int
	// LabelAliases are the manager's; none if nil.
	LabelAliases map[string]string
	// Metrics makes the manager serve metrics, at MetricsAddress.
	Metrics bool
	// LeaderElection makes the manager hold the lease, as it does in a pod.
	LeaderElection bool
	// Log takes what the manager logs, such as GinkgoWriter. If nil, it goes to manager.log in Dir.
	Log io.Writer
	// Via changes how the manager reaches the API server, such as through a proxy. Nil leaves it as it is.
	Via func(*rest.Config)
	// Wrap changes the manager to which controllers are added; see manager.Options.
	Wrap func(ctrl.Manager) ctrl.Manager
	// Clock tells the manager when overrides expire and environments end. If nil, it goes by the real one.
	Clock clock.PassiveClock
	// PollSecond is how long a second of the interval lasts at which repositories are asked. If zero, a second.
	PollSecond time.Duration
	// AskAgain is after which time a registry that lacks a proof is asked again. If zero, it grows from seconds to minutes.
	AskAgain time.Duration
	// History is where the manager reads daily costs; nil for nowhere.
	History history.Store
}

// Cluster is a control plane with Towpath installed.
type Cluster struct {
	// Client is the administrator's, without a cache. RBAC does not apply to it; admission policies do.
	Client client.Client
	// ManagerClient has the identity of the manager: for what policies allow to nobody else.
	ManagerClient client.Client
	// Plane is the control plane.
	Plane *controlplane.ControlPlane
	// Dir holds logs, certificates and the audit log. Stop removes it.
	Dir string
	// Configure changes what the manager runs with, from its next start; nothing if nil.
	Configure func(*manager.Configuration)

	options     Options
	scheme      *runtime.Scheme
	managerCfg  *rest.Config
	webhookPort int
	probePort   int
	metricsPort int

	mu      sync.Mutex
	running *run
}

// run is a manager that runs.
type run struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// Start brings up a cluster and installs Towpath. The manager does not run yet: see StartManager. ctx
// bounds the start only.
func Start(ctx context.Context, options Options) (_ *Cluster, err error) {
	c := &Cluster{options: options, scheme: runtime.NewScheme()}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, platformv1alpha1.AddToScheme} {
		if err := add(c.scheme); err != nil {
			return nil, err
		}
	}
	if c.Dir, err = os.MkdirTemp("", "towpath-suite-"); err != nil {
		return nil, err
	}
	// Before anything else asks for a logger: half a minute after that, controller-runtime takes none any more.
	if err := c.log(); err != nil {
		return nil, err
	}
	if err := FreePorts(&c.webhookPort, &c.probePort, &c.metricsPort); err != nil {
		return nil, err
	}
	c.Plane, err = controlplane.Start(ctx, controlplane.Options{Dir: c.Dir, Nodes: options.Nodes, AuditLog: c.auditLog(), AuditReads: recordsRights()})
	if err != nil {
		return nil, err
	}
	if err := c.install(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// install puts Towpath in, and waits until it holds.
func (c *Cluster) install(ctx context.Context) error {
	var err error
	if c.Client, err = client.New(c.Plane.AdminConfig(), client.Options{Scheme: c.scheme}); err != nil {
		return err
	}
	url := "https://localhost:" + strconv.Itoa(c.webhookPort)
	if err := install.Towpath(ctx, c.Client, install.Options{WebhookURL: url}); err != nil {
		return err
	}
	if c.managerCfg, err = c.Plane.ServiceAccountConfig(ctx, platformv1alpha1.SystemNamespace, managerAccount); err != nil {
		return err
	}
	suiteCfg := rest.CopyConfig(c.managerCfg)
	suiteCfg.UserAgent = suiteAgent
	if c.ManagerClient, err = client.New(suiteCfg, client.Options{Scheme: c.scheme}); err != nil {
		return err
	}
	if err := c.exemptUnchecked(ctx); err != nil {
		return err
	}
	return c.awaitAdmission(ctx)
}

// exemptUnchecked keeps the webhooks from objects with LabelUnchecked.
func (c *Cluster) exemptUnchecked(ctx context.Context) error {
	var configuration admissionregistrationv1.ValidatingWebhookConfiguration
	if err := c.Client.Get(ctx, types.NamespacedName{Name: webhookcert.ConfigurationName}, &configuration); err != nil {
		return err
	}
	for i := range configuration.Webhooks {
		configuration.Webhooks[i].ObjectSelector = &metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: LabelUnchecked, Operator: metav1.LabelSelectorOpDoesNotExist}},
		}
	}
	return c.Client.Update(ctx, &configuration)
}

// awaitAdmission waits until the API server acts on the exemption and on the policy that it read last, and knows the
// schemas of what the policy towpath-holding changes, without which it refuses each: it takes a moment after they were
// written.
func (c *Cluster) awaitAdmission(ctx context.Context) error {
	return poll(ctx, stopTimeout, func(ctx context.Context) error {
		unchecked := Template("towpath-probe", ConfigMap("config"))
		unchecked.Labels = map[string]string{LabelUnchecked: ""}
		if err := c.Client.Create(ctx, unchecked, client.DryRunAll); err != nil {
			return fmt.Errorf("the webhooks are not kept from %s: %w", LabelUnchecked, err)
		}
		forged := Revision("towpath-probe", 1, ConfigMap("config"))
		if err := c.Client.Create(ctx, forged, client.DryRunAll); err == nil {
			return errors.New("the policy towpath-records does not hold yet")
		}
		const probe = "towpath-probe"
		for _, held := range []client.Object{
			Team(probe), Environment(metav1.NamespaceDefault, probe, probe), Component(metav1.NamespaceDefault, probe, probe, probe),
		} {
			held.SetLabels(map[string]string{LabelUnchecked: ""})
			if err := c.Client.Create(ctx, held, client.DryRunAll); apierrors.IsServiceUnavailable(err) {
				return err
			}
		}
		return nil
	})
}

// Stop ends the manager and the control plane, and removes the folder.
func (c *Cluster) Stop() error {
	err := c.StopManager()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if stopErr := c.Plane.Stop(ctx); stopErr != nil {
		return errors.Join(err, stopErr)
	}
	return errors.Join(err, RecordRights(c.auditLog()), os.RemoveAll(c.Dir))
}

// ManagerConfig is how the manager reaches the API server, as Options.Via has it, and with its identity.
func (c *Cluster) ManagerConfig() *rest.Config {
	cfg := rest.CopyConfig(c.managerCfg)
	if c.options.Via != nil {
		c.options.Via(cfg)
	}
	return cfg
}

// UserClient returns a client of a user in these groups, who has the rights that RBAC gives.
func (c *Cluster) UserClient(name string, groups ...string) (client.Client, error) {
	cfg, err := c.Plane.UserConfig(name, groups...)
	if err != nil {
		return nil, err
	}
	cfg.UserAgent = suiteAgent
	return client.New(cfg, client.Options{Scheme: c.scheme})
}

// ApplierClient returns a client that writes as the applier of a workload namespace, as the manager does: by
// impersonation.
func (c *Cluster) ApplierClient(namespace string) (client.Client, error) {
	cfg := rest.CopyConfig(c.managerCfg)
	cfg.UserAgent = suiteAgent
	cfg.Impersonate.UserName = applierPrefix + namespace
	return client.New(cfg, client.Options{Scheme: c.scheme, Mapper: c.Client.RESTMapper()})
}

// logOnce keeps what managers log in one place: controller-runtime takes a logger once a process.
var logOnce sync.Once

// StartManager starts the manager and waits until it is ready and the API server reaches its webhooks.
// ctx bounds the start only.
func (c *Cluster) StartManager(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil {
		return errors.New("the manager runs already")
	}
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &run{cancel: cancel, done: make(chan struct{})}
	mgr, err := manager.New(runCtx, c.ManagerConfig(), manager.Options{
		Configuration: *c.configuration(), Again: true, Clock: c.options.Clock, History: c.options.History,
		PollSecond: c.options.PollSecond, AskAgain: c.options.AskAgain, Wrap: c.options.Wrap,
	})
	if err != nil {
		cancel()
		return err
	}
	go func() {
		defer close(r.done)
		r.err = mgr.Start(runCtx)
	}()
	c.running = r
	if err := c.awaitManager(ctx, r); err != nil {
		return errors.Join(err, c.stopManager())
	}
	return nil
}

// configuration is what the manager runs with: on the loopback interface, and not many at once.
func (c *Cluster) configuration() *manager.Configuration {
	configuration := manager.DefaultConfiguration()
	if c.options.Metrics {
		configuration.Metrics.BindAddress = c.MetricsAddress()
	}
	configuration.Health.BindAddress = loopback(c.probePort)
	configuration.Webhook = manager.WebhookConfiguration{
		Host: "127.0.0.1", Port: c.webhookPort, CertDir: filepath.Join(c.Dir, "webhook-cert"), CopyCert: true,
	}
	configuration.LeaderElection.Enabled = c.options.LeaderElection
	configuration.LabelAliases = c.options.LabelAliases
	configuration.Workers = 4
	configuration.Pipeline.Digests.Resolve = "Never" // the registries of suites do not exist; those that have one say so
	if c.Configure != nil {
		c.Configure(configuration)
	}
	return configuration
}

// MetricsAddress is where the manager serves metrics, if Options.Metrics says so.
func (c *Cluster) MetricsAddress() string { return loopback(c.metricsPort) }

// WebhookPort is where the API server expects the webhooks, on the loopback interface.
func (c *Cluster) WebhookPort() int { return c.webhookPort }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// log sends what the manager logs where the options say.
func (c *Cluster) log() error {
	var err error
	logOnce.Do(func() {
		out := c.options.Log
		if out == nil {
			out, err = os.OpenFile(filepath.Join(c.Dir, "manager.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		}
		ctrl.SetLogger(zap.New(zap.WriteTo(out), zap.UseDevMode(true)))
	})
	return err
}

// awaitManager waits until the manager is ready and its webhooks answer.
func (c *Cluster) awaitManager(ctx context.Context, r *run) error {
	return poll(ctx, managerTimeout, func(ctx context.Context) error {
		select {
		case <-r.done:
			return final{fmt.Errorf("the manager ended: %w", r.err)}
		default:
		}
		if err := c.Ready(ctx); err != nil {
			return err
		}
		return c.Client.Create(ctx, Template("towpath-probe", ConfigMap("config")), client.DryRunAll)
	})
}

// Ready returns an error while the manager does not say that it is ready.
func (c *Cluster) Ready(ctx context.Context) error {
	url := fmt.Sprintf("http://127.0.0.1:%d/readyz", c.probePort)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the manager is not ready: %s", answer.Status)
	}
	return nil
}

// StopManager stops the manager, and returns what it ended with. It does nothing if none runs.
func (c *Cluster) StopManager() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopManager()
}

func (c *Cluster) stopManager() error {
	r := c.running
	if r == nil {
		return nil
	}
	c.running = nil
	r.cancel()
	select {
	case <-r.done:
		return r.err
	case <-time.After(stopTimeout):
		return errors.New("the manager does not end")
	}
}

// Where FreePorts looks: below the ports that a kernel gives to connections that go out, by default those from 32768 on.
// A manager that starts again could find one of those taken by somebody's connection.
const (
	lowestPort = 15000
	portCount  = 15000
)

// FreePorts sets ports of the loopback interface that nobody listens on.
func FreePorts(ports ...*int) error {
	for _, port := range ports {
		listener, err := listen()
		if err != nil {
			return err
		}
		// Each is held until all are chosen, or one could be chosen twice.
		defer func() { _ = listener.Close() }() //nolint:gocritic // there are few
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return errors.New("no TCP address")
		}
		*port = address.Port
	}
	return nil
}

// listen listens on a port of the range that nobody has. Suites run beside each other, so each begins anywhere.
func listen() (listener net.Listener, err error) {
	for range 100 {
		listener, err = net.Listen("tcp", loopback(lowestPort+rand.IntN(portCount)))
		if err == nil {
			return listener, nil
		}
	}
	return nil, err
}

// final is an error that trying again does not mend.
type final struct{ error }

// poll calls a function until it succeeds, and returns its last error when it never does.
func poll(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, pollInterval, timeout, true, func(ctx context.Context) (bool, error) {
		last = do(ctx)
		var stop final
		if errors.As(last, &stop) {
			return false, stop.error
		}
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}
