// Package live is a Source of the kinds that an API server serves, over its OpenAPI v3 endpoint.
package live

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientopenapi "k8s.io/client-go/openapi"
	"k8s.io/utils/clock"

	"github.com/towpath-dev/towpath/internal/openapi"
)

const (
	// maxAge is how old the list of documents may be before it is read again. The list holds a hash
	// of each document, so a document is fetched again only where it changed.
	maxAge = time.Minute
	// retryAfter is how long the list stands when a kind was not in it: many templates that name a
	// kind which is not there must not ask the server each time.
	retryAfter = 3 * time.Second
)

// Source reads documents lazily, one group and version at a time, and keeps each until the server
// has another one. It is safe for concurrent use; concurrent callers share one request.
type Source struct {
	client clientopenapi.Client
	clock  clock.PassiveClock

	// mu is held during requests too: whoever waits would ask the same.
	mu        sync.Mutex
	paths     map[string]clientopenapi.GroupVersion
	readAt    time.Time
	documents map[string]document
}

// document is a parsed document with the URL that it came from, which holds the server's hash.
type document struct {
	url string
	*openapi.Document
}

var _ openapi.Source = &Source{}

// New returns a Source over a client, which the discovery client of client-go gives by OpenAPIV3.
// It asks nothing yet.
func New(client clientopenapi.Client) *Source {
	return NewWithClock(client, clock.RealClock{})
}

// NewWithClock is New with a clock, for tests.
func NewWithClock(client clientopenapi.Client, c clock.PassiveClock) *Source {
	return &Source{client: client, clock: c, documents: make(map[string]document)}
}

// Refresh makes the next call read the list of documents again, such as after a
// CustomResourceDefinition changed. The server publishes a change within a second or so.
func (s *Source) Refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readAt = time.Time{}
}

// Kind implements openapi.Source. A kind that is not known is looked for anew at most every few
// seconds. An error that does not wrap openapi.ErrUnknownKind means that the server did not answer,
// or not with a document.
func (s *Source) Kind(gvk schema.GroupVersionKind) (*openapi.Kind, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refresh(maxAge); err != nil {
		return nil, err
	}
	kind, err := s.find(gvk)
	if !errors.Is(err, openapi.ErrUnknownKind) {
		return kind, err
	}
	if err := s.refresh(retryAfter); err != nil {
		return nil, err
	}
	return s.find(gvk)
}

// refresh reads the list of documents if it is older than age.
func (s *Source) refresh(age time.Duration) error {
	if s.paths != nil && s.clock.Since(s.readAt) < age {
		return nil
	}
	paths, err := s.client.Paths()
	if err != nil {
		return fmt.Errorf("reading the list of OpenAPI documents: %w", err)
	}
	s.paths, s.readAt = paths, s.clock.Now()
	for path := range s.documents {
		if _, ok := paths[path]; !ok {
			delete(s.documents, path)
		}
	}
	return nil
}

func (s *Source) find(gvk schema.GroupVersionKind) (*openapi.Kind, error) {
	path := "apis/" + gvk.Group + "/" + gvk.Version
	if gvk.Group == "" {
		path = "api/" + gvk.Version
	}
	groupVersion, ok := s.paths[path]
	if !ok {
		return nil, fmt.Errorf("%s: the server has no such group and version: %w", gvk, openapi.ErrUnknownKind)
	}
	if known, ok := s.documents[path]; ok && known.url == groupVersion.ServerRelativeURL() {
		return known.Kind(gvk)
	}
	data, err := groupVersion.Schema(runtime.ContentTypeJSON)
	if err != nil {
		// The document may have moved on since the list was read.
		s.readAt = time.Time{}
		return nil, fmt.Errorf("reading OpenAPI document %s: %w", path, err)
	}
	parsed, err := openapi.ParseDocument(data)
	if err != nil {
		return nil, fmt.Errorf("reading OpenAPI document %s: %w", path, err)
	}
	s.documents[path] = document{url: groupVersion.ServerRelativeURL(), Document: parsed}
	return parsed.Kind(gvk)
}
