package framework

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Request is one mutating request that the API server answered.
type Request struct {
	// User is who connected, and As whom they impersonated, if anybody.
	User, As string
	Verb     string
	// Resource is the plural with its group, and its subresource after a slash: deployments.apps/scale.
	Resource        string
	Namespace, Name string
	// DryRun says that nothing was to be written.
	DryRun bool
	// Code is the HTTP status of the answer.
	Code int32
	At   time.Time
}

// String shows a request in one line.
func (r Request) String() string {
	user := r.User
	if r.As != "" {
		user += " as " + r.As
	}
	return fmt.Sprintf("%s %s %s %s/%s: %d", user, r.Verb, r.Resource, r.Namespace, r.Name, r.Code)
}

// Audit is the mutating requests that the API server answered, in the order of its log.
type Audit []Request

func (c *Cluster) auditLog() string { return filepath.Join(c.Dir, "audit.log") }

// Audit reads the audit log. A request stands in it before its answer is out.
func (c *Cluster) Audit() (Audit, error) {
	data, err := os.ReadFile(c.auditLog())
	if err != nil {
		return nil, err
	}
	var requests Audit
	for line := range bytes.Lines(data) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // the server is writing it
		}
		var event auditv1.Event
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		// A request that is not of a resource, such as one of discovery, has no reference.
		// Reads are there too where the suite records rights.
		if event.Stage != auditv1.StageResponseComplete || event.ObjectRef == nil || reads[event.Verb] {
			continue
		}
		requests = append(requests, request(&event))
	}
	return requests, nil
}

var reads = map[string]bool{"get": true, "list": true, "watch": true}

func request(event *auditv1.Event) Request {
	ref := event.ObjectRef
	r := Request{
		User: event.User.Username, Verb: event.Verb, Resource: ref.Resource, Namespace: ref.Namespace, Name: ref.Name,
		DryRun: strings.Contains(event.RequestURI, "dryRun="), At: event.RequestReceivedTimestamp.Time,
	}
	if ref.APIGroup != "" {
		r.Resource += "." + ref.APIGroup
	}
	if ref.Subresource != "" {
		r.Resource += "/" + ref.Subresource
	}
	if event.ImpersonatedUser != nil {
		r.As = event.ImpersonatedUser.Username
	}
	if event.ResponseStatus != nil {
		r.Code = event.ResponseStatus.Code
	}
	return r
}

// By keeps the requests that a user made, or that were made as that user.
func (a Audit) By(user string) Audit {
	return a.filter(func(r Request) bool { return r.User == user || r.As == user })
}

// ByTowpath keeps what the manager and the appliers wrote: everything but leases and dry runs. Events
// count.
func (a Audit) ByTowpath() Audit {
	return a.filter(func(r Request) bool {
		ours := r.User == ManagerUser || strings.HasPrefix(r.As, "system:serviceaccount:"+platformv1alpha1.ApplierNamespace+":")
		return ours && !r.DryRun && r.Resource != "leases.coordination.k8s.io"
	})
}

// Since keeps the requests that came after a time.
func (a Audit) Since(t time.Time) Audit {
	return a.filter(func(r Request) bool { return r.At.After(t) })
}

// About keeps the requests about objects of these names, or in namespaces of these names.
func (a Audit) About(names ...string) Audit {
	return a.filter(func(r Request) bool { return slices.Contains(names, r.Name) || slices.Contains(names, r.Namespace) })
}

// Succeeded keeps the requests that were not refused.
func (a Audit) Succeeded() Audit {
	return a.filter(func(r Request) bool { return r.Code < 300 })
}

func (a Audit) filter(keep func(Request) bool) Audit {
	var kept Audit
	for _, r := range a {
		if keep(r) {
			kept = append(kept, r)
		}
	}
	return kept
}
