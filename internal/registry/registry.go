// Package registry asks container registries which digest a tag means now. It goes over the network.
package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/towpath-dev/towpath/internal/outbound"
)

const (
	// timeout bounds one question, with all requests that it takes.
	timeout = 10 * time.Second
	// maxBody is how much of an answer is read: manifests have at most 4 MiB, and tokens are shorter.
	maxBody = 4 << 20
)

var (
	// ErrUnknown is among the errors where the registry answers that it has no such image.
	ErrUnknown = errors.New("the registry has no such image")
	// ErrDenied is among the errors where the registry does not tell whoever asks.
	ErrDenied = errors.New("it refuses")
	// ErrNoRegistry is among the errors where what answers is no registry: what it answers is not told.
	ErrNoRegistry = errors.New("what answers there is not as a registry answers")
	// ErrNoHost is among the errors where no such registry is known.
	ErrNoHost = errors.New("its name is not known to DNS: look whether the image is spelt right")
)

// Final says of an error of Resolve that it would be the same a moment later.
func Final(err error) bool {
	var refused *outbound.RefusedError
	return errors.Is(err, ErrDenied) || errors.Is(err, ErrNoHost) || errors.As(err, &refused) || errors.Is(err, &name.ErrBadName{})
}

// Resolver asks registries. Many may use it at once.
type Resolver struct {
	transport http.RoundTripper
	keychain  authn.Keychain
}

// Options are the settings of a Resolver.
type Options struct {
	// Rules say which addresses may be reached: who names an image chooses the host.
	Rules outbound.Rules
	// Roots are the authorities of registries' certificates; nil for those of the system.
	Roots *x509.CertPool
	// CredentialsFile is a file as ~/.docker/config.json, with auths by registry. It is read at each question, so that it may be
	// renewed. Helpers that it names are not run. Empty for none: only what is public can be asked.
	CredentialsFile string
}

// New returns a Resolver.
func New(options Options) *Resolver {
	r := &Resolver{transport: options.Rules.Client(options.Roots, timeout).Transport, keychain: authn.NewMultiKeychain()}
	if options.CredentialsFile != "" {
		r.keychain = credentials(options.CredentialsFile)
	}
	return r
}

// Resolve returns an image by its digest: as it was written, with the digest behind it. One that has a digest stays as it is, and
// nobody is asked. An error does not hold credentials, nor what the registry answered beyond its status.
func (r *Resolver) Resolve(ctx context.Context, image string) (string, error) {
	if strings.Contains(image, "@") {
		return image, nil
	}
	tag, err := name.NewTag(image)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", image, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it did not answer within %s", timeout))
	defer cancel()
	descriptor, err := remote.Head(tag, remote.WithContext(ctx), remote.WithTransport(r.upTo(maxBody)), remote.WithAuthFromKeychain(r.keychain), remote.WithRetryBackoff(remote.Backoff{Steps: 1}))
	if err != nil {
		return "", fmt.Errorf("asking registry %s for the digest of %s: %w", tag.RegistryStr(), image, explained(ctx, err))
	}
	return image + "@" + descriptor.Digest.String(), nil
}

// explained is what is said of an error: answers of registries may hold anything.
func explained(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var refused *outbound.RefusedError
	if errors.As(err, &refused) {
		return refused
	}
	var host *net.DNSError
	if errors.As(err, &host) && host.IsNotFound {
		return ErrNoHost
	}
	var answer *transport.Error
	if !errors.As(err, &answer) {
		var network net.Error
		var certificate *tls.CertificateVerificationError
		if errors.As(err, &network) || errors.As(err, &certificate) {
			return outbound.Innermost(err)
		}
		return ErrNoRegistry // the error may hold what was answered
	}
	switch answer.StatusCode {
	case http.StatusNotFound:
		return ErrUnknown
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w with status %d: look whether the image is there, and whether the manager has credentials for it", ErrDenied, answer.StatusCode)
	}
	return fmt.Errorf("it answers with status %d", answer.StatusCode)
}

// credentials is a file of credentials.
type credentials string

// Resolve implements authn.Keychain.
func (c credentials) Resolve(of authn.Resource) (authn.Authenticator, error) {
	raw, err := os.ReadFile(string(c))
	if err != nil {
		return nil, fmt.Errorf("reading the credentials of registries: %w", err)
	}
	file, err := config.LoadFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("reading the credentials of registries: the file is not as ~/.docker/config.json")
	}
	key := of.RegistryStr()
	if key == name.DefaultRegistry {
		key = authn.DefaultAuthKey
	}
	for _, known := range []string{key, "https://" + key, of.RegistryStr()} {
		if found, ok := file.AuthConfigs[known]; ok {
			return authn.FromConfig(authn.AuthConfig{
				Username: found.Username, Password: found.Password, Auth: found.Auth, IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken,
			}), nil
		}
	}
	return authn.Anonymous, nil
}

// bounded reads no more of an answer than it should have.
type bounded struct {
	next http.RoundTripper
	most int64
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err == nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, b.most), response.Body}
	}
	return response, err
}
