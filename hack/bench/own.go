package main

import (
	"net/http"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	apirequest "k8s.io/apiserver/pkg/endpoints/request"
)

// own counts the requests that the bench itself makes, as the API server's metrics name them, so that
// they can be taken off those of everybody.
type own struct {
	mu    sync.Mutex
	count map[request]int
}

var resolver = &apirequest.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

// wrap counts what goes through a transport.
func (o *own) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if r, ok := requestOf(req); ok {
			o.mu.Lock()
			if o.count == nil {
				o.count = map[request]int{}
			}
			o.count[r]++
			o.mu.Unlock()
		}
		return next.RoundTrip(req)
	})
}

// snapshot returns what was counted until now.
func (o *own) snapshot() map[request]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return minus(o.count, nil)
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// requestOf tells of which kind a request is; ok is false where it is not about a resource.
func requestOf(req *http.Request) (r request, ok bool) {
	info, err := resolver.NewRequestInfo(req)
	if err != nil || !info.IsResourceRequest {
		return request{}, false
	}
	verb := strings.ToUpper(info.Verb)
	switch info.Verb {
	case "create":
		verb = http.MethodPost
	case "update":
		verb = http.MethodPut
	case "patch":
		if strings.HasPrefix(req.Header.Get("Content-Type"), string(types.ApplyPatchType)) {
			verb = "APPLY"
		}
	}
	return request{verb, resourceName(info.Resource, info.APIGroup, info.Subresource)}, true
}
