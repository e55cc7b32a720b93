package prometheus

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	// Username is whom a secured Prometheus lets in.
	Username = "towpath"
	// Password is theirs.
	Password = "pr0m-canary"

	// hash is bcrypt's of the password, with the least cost.
	hash = "$2a$04$5trZf58DA0YeyewY8/R22eFD9qegB.bmSbnwXQK.FZdXfO/VWi2V2"
)

// secure writes a certificate and the configuration with it, and returns the path of the latter.
func (s *Server) secure(dir string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	s.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	config := filepath.Join(dir, "web.yaml")
	return config, errors.Join(
		os.WriteFile(filepath.Join(dir, "tls.crt"), []byte(s.CA), 0o600),
		os.WriteFile(filepath.Join(dir, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
		os.WriteFile(config, fmt.Appendf(nil, "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\nbasic_auth_users: {%s: %q}\n", Username, hash), 0o600))
}

// transport connects to the server.
func (s *Server) transport() *http.Transport {
	t := &http.Transport{}
	if s.CA != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(s.CA))
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return t
}

// authorized sends user and password along; one that is not secured does not ask for them.
type authorized struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.SetBasicAuth(Username, Password)
	return a.next.RoundTrip(req)
}
