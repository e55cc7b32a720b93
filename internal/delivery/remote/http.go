package remote

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/towpath-dev/towpath/internal/delivery"
)

// overHTTP speaks Git's protocol by HTTP: a GET for the greeting, and a POST for the request.
type overHTTP struct {
	place     place
	client    *http.Client
	authorise func(*http.Request)
	// known says whether there are credentials at all.
	known bool
}

type httpConversation struct {
	overHTTP
	service string
	hello   io.ReadCloser
}

func (h overHTTP) open(ctx context.Context, service string) (conversation, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.place.URL.String()+"/info/refs?service="+service, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := h.do(request, "application/x-"+service+"-advertisement", service)
	if err != nil {
		return nil, err
	}
	return &httpConversation{h, service, answer.Body}, nil
}

func (c *httpConversation) greeting() io.Reader { return c.hello }

func (c *httpConversation) close() { _ = c.hello.Close() }

func (c *httpConversation) send(ctx context.Context, request []byte) (io.ReadCloser, error) {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, c.place.URL.String()+"/"+c.service, bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	// A body that can be read again would be sent again by net/http itself, should the connection break; when to try again is
	// decided by who knows what has become of the branch.
	post.GetBody = nil
	post.Header.Set("Content-Type", "application/x-"+c.service+"-request")
	answer, err := c.do(post, "application/x-"+c.service+"-result", c.service)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

func (h overHTTP) do(request *http.Request, accept, service string) (*http.Response, error) {
	request.Header.Set("Accept", accept)
	// Some forges tell Git from a browser by this.
	request.Header.Set("User-Agent", agent)
	h.authorise(request)
	answer, err := h.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		if got := answer.Header.Get("Content-Type"); got != accept {
			_ = answer.Body.Close()
			return nil, problem(ReasonNotFound, "%s answers with %s, which is not Git's protocol: check that the URL is that of the repository, not of its page",
				h.place, delivery.OneLine(got, 60))
		}
		return answer, nil
	}
	_ = answer.Body.Close()
	return nil, h.refusal(answer, service)
}

// refusal says what a status other than 200 means, and what to do.
func (h overHTTP) refusal(answer *http.Response, service string) error {
	action := "read"
	if service == writeService {
		action = "write"
	}
	switch code := answer.StatusCode; {
	case code == http.StatusUnauthorized && !h.known:
		return problem(ReasonCredentials, "%s asks for credentials, and none are set: give a user name and a token that may %s it", h.place, action)
	case code == http.StatusUnauthorized:
		return problem(ReasonCredentials, "%s does not accept the credentials (401): they are wrong, revoked or expired; make a new token that may %s it, "+
			"and put it in their place", h.place, action)
	case code == http.StatusForbidden:
		return problem(ReasonCredentials, "%s does not let these credentials %s (403): give their owner the right to %s it", h.place, action, action)
	case code == http.StatusNotFound, code == http.StatusGone:
		return problem(ReasonNotFound, "%s does not exist, or the credentials do not see it (%d): check the URL, and that the token is for it", h.place, code)
	case code >= 300 && code < 400:
		return problem(ReasonAddress, "%s has moved (%d to %s); redirects are not followed, so set the URL that it has now", h.place, code, moved(answer))
	case code == http.StatusRequestEntityTooLarge:
		return problem(ReasonTooLarge, "%s does not take a push of this size (413): raise the limit of the server or of the proxy before it", h.place)
	case code == http.StatusTooManyRequests, code >= 500:
		return &unreachableError{place: h.place.String(), why: "it answers " + delivery.OneLine(answer.Status, 60)}
	default:
		return problem(ReasonUnsupported, "%s answers %s to %s", h.place, delivery.OneLine(answer.Status, 60), service)
	}
}

// moved is where a redirect leads, as far as it can be shown: its host alone, since the rest may hold a token.
func moved(answer *http.Response) string {
	to, err := answer.Location()
	if err != nil {
		return "nowhere"
	}
	return delivery.OneLine(strings.ToLower(to.Scheme+"://"+to.Host), 253)
}
