package gitsource

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/towpath-dev/towpath/internal/gittext"
)

const (
	service = "git-upload-pack"
	agent   = "git/towpath"
)

// overHTTP speaks Git's protocol by HTTP: a GET for the greeting, and a POST for the request. It follows no redirect: credentials
// would go where nobody meant them to.
type overHTTP struct {
	place       place
	client      *http.Client
	credentials Credentials
}

type httpConversation struct {
	*overHTTP
	hello io.ReadCloser
}

func (h *overHTTP) open(ctx context.Context) (conversation, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.place.URL.String()+"/info/refs?service="+service, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := h.do(request, "application/x-"+service+"-advertisement")
	if err != nil {
		return nil, err
	}
	return &httpConversation{h, answer.Body}, nil
}

func (c *httpConversation) greeting() io.Reader { return c.hello }

func (c *httpConversation) close() { _ = c.hello.Close() }

func (c *httpConversation) send(ctx context.Context, request []byte) (io.ReadCloser, error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, c.place.URL.String()+"/"+service, bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	post.Header.Set("Content-Type", "application/x-"+service+"-request")
	answer, err := c.do(post, "application/x-"+service+"-result")
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

func (h *overHTTP) do(request *http.Request, accept string) (*http.Response, error) {
	request.Header.Set("Accept", accept)
	// Some forges tell Git from a browser by this.
	request.Header.Set("User-Agent", agent)
	if h.credentials.Username != "" || h.credentials.Password != "" {
		request.SetBasicAuth(h.credentials.Username, h.credentials.Password)
	}
	answer, err := h.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close()
		return nil, h.refusal(answer)
	}
	if got := answer.Header.Get("Content-Type"); got != accept {
		_ = answer.Body.Close()
		return nil, problem(RepositoryNotFound, "%s answers with %q, which is not Git's protocol: check that the URL is that of the repository, not of its page",
			h.place, gittext.Line(got, 60))
	}
	return answer, nil
}

// refusal says what a status other than 200 means, and what to do.
func (h *overHTTP) refusal(answer *http.Response) error {
	known := h.credentials.Password != ""
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized && !known:
		return problem(CredentialsMissing, "%s asks for credentials: name a Secret with username and password in spec.source.secretRef, or check the URL; "+
			"some servers ask also where there is no such repository", h.place)
	case code == http.StatusUnauthorized:
		return problem(CredentialsRefused, "%s does not accept the credentials (401): they are wrong, revoked or expired; put a token that may read it into the Secret", h.place)
	case code == http.StatusForbidden:
		return problem(CredentialsRefused, "%s does not let these credentials read it (403): give their owner the right to", h.place)
	case code == http.StatusNotFound, code == http.StatusGone:
		return problem(RepositoryNotFound, "%s does not exist, or the credentials do not see it (%d): check the URL, and that the token is for it", h.place, code)
	case code >= 300 && code < 400:
		return problem(AddressRefused, "%s has moved (%d to %s); redirects are not followed, so set the URL that it has now", h.place, code, moved(answer))
	default:
		return problem(NotReachable, "%s answers %s", h.place, gittext.Line(answer.Status, 60))
	}
}

// moved is where a redirect leads, as far as it can be shown: its host alone, since the rest may hold a token.
func moved(answer *http.Response) string {
	to, err := answer.Location()
	if err != nil {
		return "nowhere"
	}
	return gittext.Line(strings.ToLower(to.Scheme+"://"+to.Host), 253)
}
