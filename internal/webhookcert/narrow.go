package webhookcert

import (
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// GetConfig implements cluster.Cluster. The rotation has a cache of its own, of every Secret of the namespace; with this
// configuration it asks for the one with the certificate, and the manager needs no right to list and watch others.
func (m sparing) GetConfig() *rest.Config {
	cfg := rest.CopyConfig(m.Manager.GetConfig())
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return narrow{next} })
	return cfg
}

// narrow asks for a single Secret where all of the namespace are asked for.
type narrow struct{ next http.RoundTripper }

// WrappedRoundTripper returns what is wrapped, as k8s.io/apimachinery/pkg/util/net asks for it.
func (n narrow) WrappedRoundTripper() http.RoundTripper { return n.next }

// RoundTrip implements http.RoundTripper.
func (n narrow) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "/api/v1/namespaces/"+platformv1alpha1.SystemNamespace+"/secrets") {
		req = req.Clone(req.Context())
		query := req.URL.Query()
		query.Set("fieldSelector", fields.OneTermEqualSelector(metav1.ObjectNameField, SecretName).String())
		req.URL.RawQuery = query.Encode()
	}
	return n.next.RoundTrip(req)
}
