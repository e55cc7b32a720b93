// Package manager puts Towpath's controllers, admission webhooks, certificate and probes together. The
// command manager runs it with its flags; suites run the very same in their own process.
package manager

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/approval"
	"github.com/towpath-dev/towpath/controllers/build"
	"github.com/towpath-dev/towpath/controllers/check"
	"github.com/towpath-dev/towpath/controllers/component"
	"github.com/towpath-dev/towpath/controllers/environment"
	"github.com/towpath-dev/towpath/controllers/environmentclass"
	"github.com/towpath-dev/towpath/controllers/release"
	"github.com/towpath-dev/towpath/controllers/rollout"
	"github.com/towpath-dev/towpath/controllers/servicetemplate"
	"github.com/towpath-dev/towpath/controllers/team"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/capability"
	"github.com/towpath-dev/towpath/internal/definitions"
	environments "github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/fairness"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/intern"
	"github.com/towpath-dev/towpath/internal/openapi/live"
	"github.com/towpath-dev/towpath/internal/prometheus"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/walls"
	"github.com/towpath-dev/towpath/internal/webhookcert"
)

// Options say what runs.
type Options struct {
	// Configuration is what a file and flags may set.
	Configuration Configuration
	// Again says that this process may have built a manager before, as a test does that restarts
	// it: the names of controllers are then not held to be unique in the process.
	Again bool
	// Clock tells when overrides expire and environments end. If nil, the real one.
	Clock clock.PassiveClock
	// History is where daily costs are kept in place of what the configuration says, as a test does that fills one.
	History history.Store
	// PollSecond is how long a second of spec.source.intervalSeconds lasts, for a test that has no time. If zero, a second.
	PollSecond time.Duration
	// AskAgain is after which time a registry that lacks a proof is asked again, for a test that has no time. If zero, it grows from
	// seconds to minutes.
	AskAgain time.Duration
	// Wrap changes the manager to which controllers and webhooks are added, as a test does that runs controllers by
	// hand. If nil, it stays as it is.
	Wrap func(ctrl.Manager) ctrl.Manager
}

// Run builds the manager and runs it until the context ends.
func Run(ctx context.Context, cfg *rest.Config, o Options) error {
	mgr, err := New(ctx, cfg, o)
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// built counts the managers that this process built with Options.Again.
var built atomic.Int64

// New builds the manager with everything that it runs. The identity of cfg needs the rights of
// config/rbac/manager.yaml, and no others.
func New(ctx context.Context, cfg *rest.Config, o Options) (ctrl.Manager, error) {
	if err := o.Configuration.Validate(); err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1 // the API server's priority and fairness decides, not a limit of our own
	// Compressed watches cost the API server a thirtieth of all its work, and save bytes on the shortest of ways.
	cfg.DisableCompression = true
	cfg.UserAgent = "towpath-manager"
	cfg.Wrap(fairness.NewSlots(o.Configuration.Workers).Wrap)
	options := managerOptions(&o)
	var err error
	if options.LeaderElectionResourceLockInterface, err = leaderLock(cfg, &o.Configuration.LeaderElection); err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(cfg, options)
	if err != nil {
		return nil, fmt.Errorf("building the manager: %w", err)
	}
	if err := index.Register(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, err
	}
	certificate := webhookcert.Options{
		Dir: o.Configuration.Webhook.CertDir, Copy: o.Configuration.Webhook.CopyCert, ExtraDNSNames: []string{"localhost", metricsHost},
	}
	if o.Again {
		// The rotation does not ask the manager's options whether its name must be unique.
		certificate.ControllerName = fmt.Sprintf("webhook-certificate-%d", built.Add(1))
	}
	certReady, err := webhookcert.Add(mgr, certificate)
	if err != nil {
		return nil, err
	}
	if err := walls.Check(ctx, mgr.GetAPIReader()); err != nil {
		return nil, err
	}
	complain := func(message string, keysAndValues ...any) { mgr.GetLogger().Error(nil, message, keysAndValues...) }
	if err := definitions.Report(ctx, mgr.GetAPIReader(), complain); err != nil {
		return nil, err
	}
	target := mgr
	if o.Wrap != nil {
		target = o.Wrap(mgr)
	}
	if err := setUp(target, &o, certReady); err != nil {
		return nil, err
	}
	return mgr, nil
}

// leaderLock is the Lease by which a leader is elected, nil for none. The default would write an event for each new leader, and a
// restart should write nothing; who leads stands in the Lease, and in the log.
func leaderLock(cfg *rest.Config, c *LeaderElectionConfiguration) (resourcelock.Interface, error) {
	if !c.Enabled {
		return nil, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("naming this replica: %w", err)
	}
	lock := resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())}
	return resourcelock.NewFromKubeconfig(
		resourcelock.LeasesResourceLock, platformv1alpha1.SystemNamespace, "towpath-manager", lock, cfg, *seconds(c.RenewDeadlineSeconds))
}

func managerOptions(o *Options) ctrl.Options {
	c := &o.Configuration
	scheme := runtime.NewScheme()
	_ = clientgoscheme.AddToScheme(scheme)
	_ = platformv1alpha1.AddToScheme(scheme)
	guardrails := fields.OneTermEqualSelector("metadata.name", platformv1alpha1.GuardrailsName)
	ours := labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": platformv1alpha1.ManagedBy})
	return ctrl.Options{
		Scheme:                        scheme,
		MapperProvider:                newMapper,
		Metrics:                       metricsOptions(c),
		HealthProbeBindAddress:        c.Health.BindAddress,
		PprofBindAddress:              c.Profiling.BindAddress,
		LeaderElection:                c.LeaderElection.Enabled,
		LeaseDuration:                 seconds(c.LeaderElection.LeaseDurationSeconds),
		RenewDeadline:                 seconds(c.LeaderElection.RenewDeadlineSeconds),
		RetryPeriod:                   seconds(c.LeaderElection.RetryPeriodSeconds),
		LeaderElectionReleaseOnCancel: true,
		WebhookServer:                 newWebhookServer(&c.Webhook),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		Controller:                    config.Controller{SkipNameValidation: &o.Again},
		Cache: cache.Options{
			DefaultTransform: lighten,
			ByObject: map[client.Object]cache.ByObject{
				// The manager may read service accounts where its own appliers are, and nowhere else.
				&corev1.ServiceAccount{}: {Namespaces: map[string]cache.Config{platformv1alpha1.ApplierNamespace: {}}},
				&rbacv1.RoleBinding{}:    {Label: ours},
				&corev1.Namespace{}:      {Transform: environments.CacheTransform},
				// Those of Environments alone; what golden paths make are children of Releases, with a cache apart.
				&corev1.ResourceQuota{}:       {Field: guardrails},
				&corev1.LimitRange{}:          {Field: guardrails},
				&networkingv1.NetworkPolicy{}: {Field: guardrails},
				&corev1.Secret{}:              webhookcert.CacheOptions(),
			},
		},
	}
}

// lighten takes managed fields out of what is cached, and keeps one copy of what stands in many objects.
func lighten(object any) (any, error) {
	object, err := cache.TransformStripManagedFields()(object)
	if err != nil {
		return nil, err
	}
	return intern.Transform(object)
}

// newWebhookServer returns a server that answers 404 to what no webhook takes. Its multiplexer is made by
// that first registration, and not only when the server starts: webhooks are added at the same moment.
func newWebhookServer(c *WebhookConfiguration) webhook.Server {
	server := webhook.NewServer(webhook.Options{Host: c.Host, Port: c.Port, CertDir: c.CertDir})
	server.Register("/", http.NotFoundHandler())
	return server
}

// setUp adds the controllers, the webhooks and the probes.
func setUp(mgr ctrl.Manager, o *Options, certReady <-chan struct{}) error {
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("building the discovery client: %w", err)
	}
	standing := func(ctx context.Context) error { return walls.Check(ctx, mgr.GetClient()) }
	kinds := live.New(disco.OpenAPIV3())
	writer, err := apply.NewWriter(mgr.GetConfig(), mgr.GetHTTPClient(), mgr.GetRESTMapper(), kinds, standing)
	if err != nil {
		return err
	}
	revisions := revision.NewCompiled(mgr.GetCache())
	capabilities := capability.NewDetector(disco, clock.RealClock{})
	recorder := mgr.GetEventRecorder("towpath")
	money, err := newMoney(mgr, o)
	if err != nil {
		return err
	}
	registries, trusted, err := newProofs(o)
	if err != nil {
		return err
	}
	deliveries, err := newDeliveries(&o.Configuration)
	if err != nil {
		return err
	}
	// Twice as many as there may be requests under way: while some wait for an answer, others compute.
	reconcilers := 2 * o.Configuration.Workers
	components := &component.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Revisions: revisions, Capabilities: capabilities,
		Namespaced: writer.Namespaced, Kinds: kinds, Clock: o.Clock, Recorder: recorder, LabelAliases: o.Configuration.LabelAliases, Workers: reconcilers,
		Estimator: money.estimator, Limits: money.gate, TrustedRoot: trusted,
	}
	read, err := addEvidence(mgr, o, registries, components)
	if err != nil {
		return err
	}
	controllers := []interface{ SetupWithManager(ctrl.Manager) error }{
		&approval.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader()},
		&environmentclass.Reconciler{Client: mgr.GetClient(), TrustedRoot: trusted},
		&team.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Currency: money.estimator.Currency()},
		&environment.Reconciler{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: o.Clock, Recorder: recorder, LabelAliases: o.Configuration.LabelAliases,
			Currency: money.estimator.Currency(),
		},
		&servicetemplate.Reconciler{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Kinds: kinds, Refresh: kinds.Refresh, Clock: clock.RealClock{}, Recorder: recorder,
		},
		components,
		&release.Reconciler{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Writer: writer, Revisions: revisions,
			Clock: clock.RealClock{}, Recorder: recorder, Workers: reconcilers,
			ReapplyAfter: time.Duration(o.Configuration.ReapplySeconds) * time.Second,
			Git:          deliveries, Capabilities: capabilities,
		},
		&check.Reconciler{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Writer: writer, Clock: clock.RealClock{}, Workers: reconcilers,
			Prometheus: prometheus.New(prometheus.NewSecret(mgr.GetAPIReader(), clock.RealClock{})),
		},
		&build.Reconciler{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Writer: writer, Revisions: revisions, Clock: o.Clock, Recorder: recorder,
			Standard: o.Configuration.standardStages(), Workspace: o.Configuration.Pipeline.workspace(),
			Caches: o.Configuration.Pipeline.Cache.caches(), Registry: o.Configuration.Pipeline.Digests.from(registries), Evidence: read, Capabilities: capabilities,
			LabelAliases: o.Configuration.LabelAliases, Workers: reconcilers,
		},
		&rollout.Reconciler{
			Client: mgr.GetClient(), Revisions: revisions, Capabilities: capabilities, Namespaced: writer.Namespaced,
			Clock: clock.RealClock{}, Recorder: recorder,
		},
	}
	repositories, err := newSources(mgr, o, revisions)
	if err != nil {
		return err
	}
	controllers = append(append(controllers, money.controllers...), repositories...)
	collect().sources.Store(&sources{reader: mgr.GetClient(), certificate: certificateFile(&o.Configuration)})
	for _, c := range controllers {
		if err := c.SetupWithManager(mgr); err != nil {
			return fmt.Errorf("setting up %T: %w", c, err)
		}
	}
	hooks := &webhooks{mgr: mgr, certReady: certReady, validators: []validator{
		&servicetemplate.Validator{Reader: mgr.GetClient(), Kinds: kinds},
		&team.Validator{Reader: mgr.GetClient()},
		&environment.Validator{Reader: mgr.GetClient(), Clock: o.Clock},
		&environmentclass.Validator{Reader: mgr.GetClient(), Kinds: kinds, TrustedRoot: trusted},
		&component.Validator{Reader: mgr.GetClient(), Revisions: revisions, Kinds: kinds, Clock: o.Clock, Estimator: money.estimator, Limits: money.gate},
		money.validator,
	}}
	if err := mgr.Add(hooks); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := mgr.AddReadyzCheck("policies", func(req *http.Request) error { return standing(req.Context()) }); err != nil {
		return err
	}
	return mgr.AddReadyzCheck("webhooks", hooks.ready)
}
