package controlplane

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

const (
	adminUser    = "kubernetes-admin"
	mastersGroup = "system:masters"
)

// tokenLifetime outlives any local cluster, whose manager reads its token from
// a kubeconfig that nothing refreshes.
const tokenLifetime = 365 * 24 * time.Hour

// newConfig trusts the cluster at this port and carries no identity.
func (a *authority) newConfig(port int) *rest.Config {
	// PEM of a certificate that was just read cannot fail to encode.
	ca, _ := cert.EncodeCertificates(a.cert)
	return &rest.Config{
		Host:            "https://" + loopback(port),
		TLSClientConfig: rest.TLSClientConfig{CAData: ca},
		// The server's own priority and fairness decides; a limit in the client
		// would only hide what a controller asks of it.
		QPS: -1,
	}
}

// AdminConfig is the config of a user in system:masters, to which RBAC does not
// apply. Each call returns a copy.
func (c *ControlPlane) AdminConfig() *rest.Config { return rest.CopyConfig(c.admin) }

// UserConfig mints a client certificate: the API server sees its bearer as the
// user name in these groups (and in system:authenticated).
func (c *ControlPlane) UserConfig(name string, groups ...string) (*rest.Config, error) {
	if name == "" {
		return nil, errors.New("a user must have a name")
	}
	crt, key, err := c.ca.issue(pkix.Name{CommonName: name, Organization: groups})
	if err != nil {
		return nil, err
	}
	cfg := rest.AnonymousClientConfig(c.admin)
	cfg.QPS = c.admin.QPS
	if cfg.CertData, err = cert.EncodeCertificates(crt); err != nil {
		return nil, fmt.Errorf("encoding the certificate of %s: %w", name, err)
	}
	if cfg.KeyData, err = keyutil.MarshalPrivateKeyToPEM(key); err != nil {
		return nil, fmt.Errorf("encoding the key of %s: %w", name, err)
	}
	return cfg, nil
}

// ServiceAccountConfig requests a token for a service account that exists. The
// token is good for a year, or until the service account is deleted.
func (c *ControlPlane) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	client, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	seconds := int64(tokenLifetime / time.Second)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	token, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("requesting a token for service account %s/%s: %w", namespace, name, err)
	}
	cfg := rest.AnonymousClientConfig(c.admin)
	cfg.QPS = c.admin.QPS
	cfg.BearerToken = token.Status.Token
	return cfg, nil
}

// WriteKubeconfig writes a kubeconfig with cfg's server and identity, readable
// by its owner only, as it holds a key or a token.
func WriteKubeconfig(path string, cfg *rest.Config) error {
	const name = "towpath"
	data, err := clientcmd.Write(clientcmdapi.Config{
		CurrentContext: name,
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		Clusters: map[string]*clientcmdapi.Cluster{name: {
			Server:                   cfg.Host,
			CertificateAuthorityData: cfg.CAData,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{name: {
			ClientCertificateData: cfg.CertData,
			ClientKeyData:         cfg.KeyData,
			Token:                 cfg.BearerToken,
			Impersonate:           cfg.Impersonate.UserName,
			ImpersonateGroups:     cfg.Impersonate.Groups,
		}},
	})
	if err != nil {
		return fmt.Errorf("encoding a kubeconfig: %w", err)
	}
	if err := writeFile(path, data); err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return nil
}
