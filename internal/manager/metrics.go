package manager

import (
	"crypto/tls"
	"fmt"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// metricsHost is the name of the Service of the metrics, which the certificate holds too.
const metricsHost = "towpath-metrics." + platformv1alpha1.SystemNamespace + ".svc"

// certificateFile has the certificate of the webhooks and the metrics.
func certificateFile(c *Configuration) string { return filepath.Join(c.Webhook.CertDir, "tls.crt") }

// metricsOptions serve metrics by TLS, to callers whose token may get /metrics.
//
// The certificate is the one of the webhooks. A self-signed one, which the server would make for itself,
// nobody could check: a scraper would send its token to whoever answers. It is read at each handshake,
// because at the first start it does not exist yet when the server starts, and so that a renewed one
// is served at once. Scrapers are few, and keep their connection.
func metricsOptions(c *Configuration) metricsserver.Options {
	certificate := certificateFile(c)
	key := filepath.Join(c.Webhook.CertDir, "tls.key")
	return metricsserver.Options{
		BindAddress:    c.Metrics.BindAddress,
		SecureServing:  true,
		FilterProvider: filters.WithAuthenticationAndAuthorization,
		TLSOpts: []func(*tls.Config){func(config *tls.Config) {
			config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(certificate, key)
				if err != nil {
					return nil, fmt.Errorf("the certificate is not there yet: %w", err)
				}
				return &pair, nil
			}
		}},
	}
}
