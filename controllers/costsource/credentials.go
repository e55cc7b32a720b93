package costsource

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/cost/source/awskeys"
	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/prometheus/credentials"
)

const (
	// SecretName is the Secret with the credentials for sources of bills, in the manager's namespace. It is one by name, so that the
	// manager need not read others. What goes to an address by HTTP is bound to that address, as for Prometheus; what AWS gets is
	// named by its key, and never sent: it signs requests.
	SecretName = "towpath-costsources"

	secretTitle = "Secret " + platformv1alpha1.SystemNamespace + "/" + SecretName

	// requestTimeout bounds a request. OpenCost takes minutes for a day of a large cluster.
	requestTimeout = 5 * time.Minute
)

// known are the credentials.
type known struct {
	data map[string][]byte
	set  *credentials.Set
}

// credentials reads the Secret past the cache, which would list. Where there is none, or it must not be read, there are none.
func (r *Reconciler) credentials(ctx context.Context) (*known, error) {
	var secret corev1.Secret
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: platformv1alpha1.SystemNamespace, Name: SecretName}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return &known{set: &credentials.Set{}}, nil
	case apierrors.IsForbidden(err):
		return nil, source.Fail(source.CredentialsRefused, fmt.Errorf("the manager may not read %s", secretTitle), "Apply config/rbac.")
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", secretTitle, err)
	}
	return &known{data: secret.Data, set: credentials.Parse(secret.Data)}, nil
}

// endpoint is the client for an address, and the headers that go with each request to it.
func (k *known) endpoint(rules outbound.Rules, u *url.URL) (*http.Client, map[string]string, error) {
	entry, err := k.set.For(u.String())
	if err != nil {
		return nil, nil, source.Fail(source.CredentialsRefused, fmt.Errorf("%s: %w", secretTitle, err), "Correct the entry.")
	}
	var roots *x509.CertPool
	headers := map[string]string{}
	if entry != nil {
		roots, _ = entry.Roots()
		headers = entry.Headers()
	}
	return rules.Client(roots, requestTimeout), headers, nil
}

// aws is as whom AWS is asked.
func (k *known) aws(ctx context.Context, key, region string) (aws.CredentialsProvider, error) {
	if key == "" {
		return awskeys.Provider(ctx, nil, region)
	}
	text, ok := k.data[key]
	if !ok {
		return nil, source.Fail(source.CredentialsRefused, fmt.Errorf("%s has no key %s", secretTitle, key),
			"Put accessKeyID and secretAccessKey there, in YAML, or leave credentialsKey out.")
	}
	keys, err := awskeys.Parse(text)
	if err != nil {
		return nil, source.Fail(source.CredentialsRefused, fmt.Errorf("the key %s of %s: %w", key, secretTitle, err), "")
	}
	return awskeys.Provider(ctx, keys, region)
}
