// Package webhookcert gives the webhook server its certificate. cert-controller makes it, keeps it
// in a Secret, renews it and writes its authority into the webhook configuration.
package webhookcert

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// SecretName is the Secret that keeps the certificate, in the manager's namespace.
	SecretName = "towpath-webhook-cert"
	// ConfigurationName is the ValidatingWebhookConfiguration that gets the authority.
	ConfigurationName = "towpath-validating"
	serviceName       = "towpath-webhook"
	// retryInterval is how long a folder that could not be written to is left alone.
	retryInterval = time.Second
)

// Options says where the certificate is wanted.
type Options struct {
	// Dir is the folder that the webhook server reads tls.crt and tls.key from.
	Dir string
	// Copy writes the certificate from its Secret to Dir. Outside of a cluster nobody else would, and in a
	// pod the kubelet takes up to two minutes for a Secret that is filled once the pod runs.
	Copy bool
	// ExtraDNSNames are names, beside those of the Service, that the certificate holds.
	ExtraDNSNames []string
	// ControllerName is the name of the controller, which must be the only one of that name in the
	// process. Default: webhook-certificate.
	ControllerName string
}

// Add adds the rotation to the manager. The channel is closed once the certificate is in place: the
// webhook server must not start before.
func Add(mgr ctrl.Manager, o Options) (<-chan struct{}, error) {
	secret := types.NamespacedName{Namespace: platformv1alpha1.SystemNamespace, Name: SecretName}
	ready := make(chan struct{})
	err := rotator.AddRotator(sparing{mgr}, &rotator.CertRotator{
		SecretKey:      secret,
		CertDir:        o.Dir,
		CAName:         "towpath-ca",
		CAOrganization: "towpath",
		DNSName:        fmt.Sprintf("%s.%s.svc", serviceName, platformv1alpha1.SystemNamespace),
		ExtraDNSNames:  o.ExtraDNSNames,
		IsReady:        ready,
		Webhooks:       []rotator.WebhookInfo{{Name: ConfigurationName, Type: rotator.Validating}},
		ControllerName: cmp.Or(o.ControllerName, "webhook-certificate"),
		// Every replica serves the webhooks, so every one waits for the certificate itself.
		RequireLeaderElection: false,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up certificate rotation: %w", err)
	}
	if o.Copy {
		if err := mgr.Add(&copier{cache: mgr.GetCache(), secret: secret, dir: o.Dir, changed: make(chan struct{}, 1)}); err != nil {
			return nil, err
		}
	}
	return ready, nil
}

// CacheOptions limits what a cache holds of Secrets to the one with the certificate.
func CacheOptions() cache.ByObject {
	return cache.ByObject{
		Namespaces: map[string]cache.Config{platformv1alpha1.SystemNamespace: {}},
		Field:      fields.OneTermEqualSelector(metav1.ObjectNameField, SecretName),
	}
}

// copier keeps a folder in step with a Secret. It watches: to ask again and again would be requests in a
// steady state, and a replica would serve the certificate of before until it asks.
type copier struct {
	cache  cache.Cache
	secret types.NamespacedName
	dir    string
	// changed holds that there is something to do since copy began last.
	changed chan struct{}
	// seen is the resource version that was written last.
	seen string
}

var _ manager.LeaderElectionRunnable = &copier{}

// NeedLeaderElection says that every replica copies.
func (c *copier) NeedLeaderElection() bool { return false }

// Start copies until the context ends.
func (c *copier) Start(ctx context.Context) error {
	informer, err := c.cache.GetInformer(ctx, &corev1.Secret{})
	if err != nil {
		return fmt.Errorf("watching Secret %s: %w", c.secret, err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { c.wake() },
		UpdateFunc: func(any, any) { c.wake() },
	})
	if err != nil {
		return fmt.Errorf("watching Secret %s: %w", c.secret, err)
	}
	for {
		var again <-chan time.Time
		if err := c.copy(ctx); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Copying the webhook certificate failed")
			again = time.After(retryInterval)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.changed:
		case <-again:
		}
	}
}

// wake has the Secret copied once more, also if it is being copied now.
func (c *copier) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *copier) copy(ctx context.Context) error {
	var secret corev1.Secret
	if err := c.cache.Get(ctx, c.secret, &secret); err != nil {
		return client.IgnoreNotFound(err)
	}
	if secret.ResourceVersion == c.seen || len(secret.Data["tls.crt"]) == 0 || len(secret.Data["tls.key"]) == 0 {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	// Not the key of the authority, which is in the Secret too: no server needs it.
	for _, name := range []string{"tls.key", "tls.crt"} {
		if err := writeFile(filepath.Join(c.dir, name), secret.Data[name]); err != nil {
			return err
		}
	}
	c.seen = secret.ResourceVersion
	return nil
}

// writeFile replaces a file in one step: the server may read it at any time.
func writeFile(path string, content []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
