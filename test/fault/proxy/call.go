package proxy

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/transport"
)

// Call is one request of a client.
type Call struct {
	// Verb is that of the API: get, list, watch, create, patch, delete. It is the lower-case HTTP method where the call
	// is of no resource.
	Verb string
	// Resource is the plural with its group, and its subresource after a slash: deployments.apps/scale. Of a call that
	// is of no resource, it is the path.
	Resource string
	// Namespace and Name are those of the object.
	Namespace, Name string
	// As is the user that is impersonated, empty for nobody.
	As string
	// At is when it came.
	At time.Time

	code     atomic.Int64
	injected atomic.Bool
	ofObject bool
}

var parser = &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

// parse finds out what a request is about.
func parse(r *http.Request) *Call {
	c := &Call{Verb: r.Method, Resource: r.URL.Path, As: r.Header.Get(transport.ImpersonateUserHeader), At: time.Now()}
	info, err := parser.NewRequestInfo(r)
	if err != nil {
		return c
	}
	c.Verb = info.Verb
	if !info.IsResourceRequest {
		return c
	}
	c.ofObject = true
	c.Resource, c.Namespace, c.Name = info.Resource, info.Namespace, info.Name
	if info.APIGroup != "" {
		c.Resource += "." + info.APIGroup
	}
	if info.Subresource != "" {
		c.Resource += "/" + info.Subresource
	}
	return c
}

// Code is what the API server answered; 0 where it was not asked, or has not answered.
func (c *Call) Code() int { return int(c.code.Load()) }

// Injected says that a fault changed what came of the call.
func (c *Call) Injected() bool { return c.injected.Load() }

// Inject marks the call as one that a fault changed.
func (c *Call) Inject() { c.injected.Store(true) }

// Writes says whether the call may change what is stored. Events and leases do not count: they tell of the work, and
// are no part of it.
func (c *Call) Writes() bool {
	switch c.Verb {
	case "create", "update", "patch", "delete", "deletecollection":
		return c.ofObject && !c.Background()
	}
	return false
}

// Watches says whether the call is a watch.
func (c *Call) Watches() bool { return c.Verb == "watch" }

// Background says whether the call is one that a manager makes at any time, whatever there is to do.
func (c *Call) Background() bool {
	switch c.Resource {
	case "leases.coordination.k8s.io", "events", "events.events.k8s.io":
		return true
	}
	return c.Watches()
}

// String shows the call in one line.
func (c *Call) String() string {
	return fmt.Sprintf("%s %s %s/%s: %d", c.Verb, c.Resource, c.Namespace, c.Name, c.Code())
}

// Calls are requests, in the order in which they came.
type Calls []*Call

// Where keeps the calls for which a condition holds.
func (all Calls) Where(holds func(*Call) bool) Calls {
	var kept Calls
	for _, c := range all {
		if holds(c) {
			kept = append(kept, c)
		}
	}
	return kept
}

// Injected keeps the calls that a fault changed.
func (all Calls) Injected() Calls { return all.Where((*Call).Injected) }

// Writes keeps the calls that may change what is stored.
func (all Calls) Writes() Calls { return all.Where((*Call).Writes) }

// Created keeps the calls that made an object.
func (all Calls) Created() Calls {
	return all.Where(func(c *Call) bool { return c.Writes() && c.Code() == http.StatusCreated })
}
