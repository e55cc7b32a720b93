package prometheus

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/towpath-dev/towpath/internal/prometheus/credentials"
)

const (
	// maxAnswer is how many bytes of an answer are read, maxRefusal how many of one that says nothing but no.
	maxAnswer, maxRefusal = 1 << 20, 4 << 10
)

// transports are the connections: apart by the authorities that the addresses are checked against.
type transports struct {
	mu sync.Mutex
	// set is the one that the transports below are of.
	set  *credentials.Set
	byCA map[[sha256.Size]byte]*http.Transport
}

// of returns what connects to the address of an entry, nil for none. Connections of entries that are no more are closed.
func (t *transports) of(set *credentials.Set, entry *credentials.Entry) http.RoundTripper {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set != set {
		t.set = set
		t.prune()
	}
	if entry == nil {
		entry = &credentials.Entry{}
	}
	roots, sum := entry.Roots()
	if t.byCA[sum] == nil {
		if t.byCA == nil {
			t.byCA = map[[sha256.Size]byte]*http.Transport{}
		}
		t.byCA[sum] = &http.Transport{
			MaxIdleConns: 32, MaxConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		}
	}
	return bounded{t.byCA[sum]}
}

func (t *transports) prune() {
	_, system := (&credentials.Entry{}).Roots()
	keep := map[[sha256.Size]byte]bool{system: true}
	for _, entry := range t.set.Entries() {
		_, sum := entry.Roots()
		keep[sum] = true
	}
	for sum, transport := range t.byCA {
		if !keep[sum] {
			transport.CloseIdleConnections()
			delete(t.byCA, sum)
		}
	}
}

// bounded reads no more of an answer than it may have.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	answer.Body = http.MaxBytesReader(nil, answer.Body, maxAnswer)
	return answer, nil
}

// refusedError is an answer that says that the credentials do not do.
type refusedError struct{ status int }

func (e *refusedError) Error() string {
	return fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
}

// authorized sends an entry's credentials along, nil for none.
type authorized struct {
	next  http.RoundTripper
	entry *credentials.Entry
}

// RoundTrip implements http.RoundTripper.
func (a *authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	if a.entry != nil {
		// It was chosen for the address; here stands what is really asked.
		if !a.entry.Covers(req.URL) {
			if req.Body != nil {
				_ = req.Body.Close()
			}
			return nil, errors.New("the credentials are not for this address")
		}
		req = req.Clone(req.Context())
		for name, value := range a.entry.Headers() {
			req.Header.Set(name, value)
		}
	}
	answer, err := a.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	// Where POST is forbidden, the client asks by GET.
	if code := answer.StatusCode; code == http.StatusUnauthorized || code == http.StatusForbidden && req.Method == http.MethodGet {
		_, _ = io.CopyN(io.Discard, answer.Body, maxRefusal) // so that the connection serves again
		_ = answer.Body.Close()
		return nil, &refusedError{code}
	}
	return answer, nil
}

// explain says what went wrong, and what about the credentials may help. The answer's own text stands in it where it is
// neither about these nor holds them.
func explain(err error, address string, set *credentials.Set, entry *credentials.Entry) error {
	var refused *refusedError
	isRefused := errors.As(err, &refused)
	var unknown x509.UnknownAuthorityError
	distrusted := errors.As(err, &unknown)
	lost := ""
	if entry == nil && set.Lost() != "" {
		lost = "; what cannot be read there: " + set.Lost()
	}
	switch {
	case isRefused && entry != nil:
		return fmt.Errorf("%w with what entry %s of %s sends: correct that; the address is %s", refused, entry.Key(), secretTitle, address)
	case isRefused:
		return fmt.Errorf("%w, and no entry of %s is for its address, %s: add one%s", refused, secretTitle, address, lost)
	case distrusted && entry != nil:
		return fmt.Errorf("nobody known signed its certificate: set ca in entry %s of %s; the address is %s", entry.Key(), secretTitle, address)
	case distrusted:
		return fmt.Errorf("nobody known signed its certificate: add an entry with ca for its address, %s, to %s%s", address, secretTitle, lost)
	case entry != nil:
		return errors.New(entry.Redact(err.Error()))
	}
	return err
}
