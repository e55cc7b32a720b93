package controlplane

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Names of the files below pki/, each with .crt and .key (or .pub).
const (
	// clusterCA signs serving certificates and the certificates of users.
	clusterCA = "ca"
	serving   = "serving"

	// etcd gets an authority of its own, as kubeadm does it: signed by the
	// cluster's, any user's certificate would open etcd and every Secret in it.
	etcdCA     = "etcd-ca"
	etcdServer = "etcd-server"
	etcdClient = "etcd-client"

	// The front proxy's authority must differ from the cluster's, or any user
	// could claim to be the aggregation layer, and through it to be anyone.
	frontProxyCA     = "front-proxy-ca"
	frontProxyClient = "front-proxy-client"

	serviceAccount = "sa"
)

// certificateLifetime is that of the whole cluster: nothing rotates here.
const certificateLifetime = 10 * 365 * 24 * time.Hour

// authority is a certificate authority.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// ensurePKI makes the cluster's keys and certificates unless they exist: tokens
// and kubeconfigs must outlive a restart. They appear all at once, by a rename.
func ensurePKI(l layout) error {
	final := l.pki("")
	if _, err := os.Stat(final); err == nil {
		return nil
	}
	tmp, err := os.MkdirTemp(l.root, "pki-")
	if err != nil {
		return err
	}
	if err := writePKI(tmp); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return os.Rename(tmp, final)
}

func writePKI(dir string) error {
	var authorities = map[string]*authority{}
	for _, name := range []string{clusterCA, etcdCA, frontProxyCA} {
		a, err := newAuthority("towpath-" + name)
		if err != nil {
			return err
		}
		authorities[name] = a
		if err := writePair(dir, name, a.cert, a.key); err != nil {
			return err
		}
	}
	for _, leaf := range []struct{ name, signer, commonName string }{
		{serving, clusterCA, "kube-apiserver"},
		{etcdServer, etcdCA, "etcd"},
		{etcdClient, etcdCA, "kube-apiserver"},
		{frontProxyClient, frontProxyCA, "front-proxy-client"},
	} {
		c, key, err := authorities[leaf.signer].issue(pkix.Name{CommonName: leaf.commonName})
		if err != nil {
			return err
		}
		if err := writePair(dir, leaf.name, c, key); err != nil {
			return err
		}
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	return writeKey(dir, serviceAccount, key)
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	return key, nil
}

func newAuthority(name string) (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	c, err := cert.NewSelfSignedCACert(cert.Config{CommonName: name}, key)
	if err != nil {
		return nil, fmt.Errorf("signing the authority %s: %w", name, err)
	}
	return &authority{cert: c, key: key}, nil
}

// issue signs a certificate that is good for serving on the loopback interface
// and as a client: within one throw-away cluster one kind is enough.
func (a *authority) issue(subject pkix.Name) (*x509.Certificate, crypto.Signer, error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	template := &x509.Certificate{
		Subject:      subject,
		SerialNumber: serial,
		// A minute back, for clocks that are set right while the cluster starts.
		NotBefore:   time.Now().Add(-time.Minute),
		NotAfter:    time.Now().Add(certificateLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing a certificate for %s: %w", subject.CommonName, err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("parsing the certificate of %s: %w", subject.CommonName, err)
	}
	return c, key, nil
}

// loadAuthority reads path.crt and path.key.
func loadAuthority(path string) (*authority, error) {
	certs, err := cert.CertsFromFile(path + ".crt")
	if err != nil {
		return nil, err
	}
	key, err := keyutil.PrivateKeyFromFile(path + ".key")
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s.key holds a %T, which cannot sign", path, key)
	}
	return &authority{cert: certs[0], key: signer}, nil
}

func writePair(dir, name string, c *x509.Certificate, key crypto.Signer) error {
	data, err := cert.EncodeCertificates(c)
	if err != nil {
		return fmt.Errorf("encoding the certificate %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".crt"), data, 0o600); err != nil {
		return err
	}
	return writeKey(dir, name, key)
}

func writeKey(dir, name string, key crypto.Signer) error {
	data, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return fmt.Errorf("encoding the key %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(dir, name+".key"), data, 0o600)
}
