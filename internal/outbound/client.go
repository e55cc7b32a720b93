package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	dialTimeout = 5 * time.Second
	// maxHeader is how many bytes of headers an answer may have.
	maxHeader = 64 << 10
)

// Client returns a client of these rules, for requests of at most a time. The authorities are those of the system where roots is
// nil. It follows no redirect: a caller gets that answer itself. It goes through no proxy, also not one of the environment, which
// would connect in its place where nothing is checked; and it keeps no connection, which might outlive the rules.
func (r Rules) Client(roots *x509.CertPool, timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            r.dial,
			DisableKeepAlives:      true,
			TLSHandshakeTimeout:    dialTimeout,
			MaxResponseHeaderBytes: maxHeader,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		},
	}
}

// DialContext connects under these rules, for protocols other than HTTP. It goes through no proxy.
func (r Rules) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return r.dial(ctx, network, address)
}

// dial connects, and asks the rules about each address once the name is resolved: there is no time in between in which the name
// could come to mean another one.
func (r Rules) dial(ctx context.Context, network, address string) (net.Conn, error) {
	asked, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	host, err := hostOf(asked)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{
		Timeout:  dialTimeout,
		Resolver: r.resolver,
		ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			target, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return &RefusedError{host, "leads to an address that cannot be read"}
			}
			return r.check(host, port, target.Addr())
		},
	}
	return dialer.DialContext(ctx, network, net.JoinHostPort(asked, port))
}

// Roots are the authorities of the system and those of a bundle in PEM; nil, which means the former, for an empty bundle.
func Roots(bundle []byte) (*x509.CertPool, error) {
	if len(bundle) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(bundle) {
		return nil, errors.New("its CA bundle must be certificates in PEM")
	}
	return pool, nil
}

// Innermost is the error at the bottom: those of net/http name the URL, and those of net the address that a name leads to, which is not
// repeated.
func Innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
