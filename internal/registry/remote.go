package registry

import (
	"context"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Remote returns how to ask registries for something else than a digest, under the same rules and with the same credentials. No more
// than a number of bytes is read of any answer. The context bounds what is asked; nothing is tried twice.
func (r *Resolver) Remote(ctx context.Context, most int64) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(r.upTo(most)), remote.WithAuthFromKeychain(r.keychain),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithJobs(1),
	}
}

// upTo is the transport with another bound.
func (r *Resolver) upTo(most int64) http.RoundTripper {
	return bounded{r.transport, most}
}

// Explained is what may be said of an error of such a question: what registries answer may hold anything, and is left out.
func Explained(ctx context.Context, err error) error { return explained(ctx, err) }
