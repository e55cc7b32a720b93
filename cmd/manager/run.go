package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/controllers/component"
	"github.com/towpath-dev/towpath/controllers/environment"
	"github.com/towpath-dev/towpath/controllers/environmentclass"
	"github.com/towpath-dev/towpath/controllers/release"
	"github.com/towpath-dev/towpath/controllers/servicetemplate"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/capability"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/openapi/live"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/walls"
	"github.com/towpath-dev/towpath/internal/webhookcert"
)

// run builds the manager and runs it until the context ends.
func run(ctx context.Context, o *options) error {
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	cfg.QPS = -1 // the API server's priority and fairness decides, not a limit of our own
	cfg.UserAgent = "towpath-manager"
	mgr, err := ctrl.NewManager(cfg, managerOptions(o))
	if err != nil {
		return fmt.Errorf("building the manager: %w", err)
	}
	if err := index.Register(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	certReady, err := webhookcert.Add(mgr, webhookcert.Options{Dir: o.certDir, Copy: o.copyCert, ExtraDNSNames: []string{"localhost"}})
	if err != nil {
		return err
	}
	if err := walls.Check(ctx, mgr.GetAPIReader()); err != nil {
		return err
	}
	if err := setUp(mgr, o, certReady); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func managerOptions(o *options) ctrl.Options {
	scheme := runtime.NewScheme()
	_ = clientgoscheme.AddToScheme(scheme)
	_ = platformv1alpha1.AddToScheme(scheme)
	ours := labels.SelectorFromSet(labels.Set{"app.kubernetes.io/managed-by": platformv1alpha1.ManagedBy})
	return ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddress, SecureServing: true, FilterProvider: filters.WithAuthenticationAndAuthorization},
		HealthProbeBindAddress:        o.probeAddress,
		LeaderElection:                o.leaderElection,
		LeaderElectionID:              "towpath-manager",
		LeaderElectionNamespace:       platformv1alpha1.SystemNamespace,
		LeaderElectionReleaseOnCancel: true,
		WebhookServer:                 webhook.NewServer(webhook.Options{Host: o.webhookHost, Port: o.webhookPort, CertDir: o.certDir}),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}},
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				// The manager may read service accounts where its own appliers are, and nowhere else.
				&corev1.ServiceAccount{}: {Namespaces: map[string]cache.Config{platformv1alpha1.ApplierNamespace: {}}},
				&rbacv1.RoleBinding{}:    {Label: ours},
			},
		},
	}
}

// setUp adds the controllers, the webhooks and the probes.
func setUp(mgr ctrl.Manager, o *options, certReady <-chan struct{}) error {
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("building the discovery client: %w", err)
	}
	writer, err := apply.NewWriter(mgr.GetConfig(), mgr.GetHTTPClient(), mgr.GetRESTMapper())
	if err != nil {
		return err
	}
	kinds := live.New(disco.OpenAPIV3())
	revisions := revision.NewCompiled(mgr.GetCache())
	recorder := mgr.GetEventRecorder("towpath")
	controllers := []interface{ SetupWithManager(ctrl.Manager) error }{
		&environmentclass.Reconciler{Client: mgr.GetClient()},
		&environment.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader()},
		&servicetemplate.Reconciler{Client: mgr.GetClient(), Kinds: kinds, Recorder: recorder},
		&component.Reconciler{
			Client: mgr.GetClient(), Revisions: revisions, Capabilities: capability.NewDetector(disco, clock.RealClock{}),
			Namespaced: writer.Namespaced, Recorder: recorder, LabelAliases: o.labelAliases, Workers: o.workers,
		},
		&release.Reconciler{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Writer: writer, Revisions: revisions,
			Clock: clock.RealClock{}, Recorder: recorder, Workers: o.workers,
		},
	}
	for _, c := range controllers {
		if err := c.SetupWithManager(mgr); err != nil {
			return fmt.Errorf("setting up %T: %w", c, err)
		}
	}
	hooks := &webhooks{mgr: mgr, certReady: certReady, validators: []validator{
		&servicetemplate.Validator{Kinds: kinds},
		&component.Validator{Reader: mgr.GetClient(), Revisions: revisions},
	}}
	if err := mgr.Add(hooks); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	return mgr.AddReadyzCheck("webhooks", hooks.ready)
}
