package live_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	clientopenapi "k8s.io/client-go/openapi"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/openapi/live"
)

const widgets = `{"paths":{"/apis/example.com/v1/namespaces/{namespace}/widgets":{"post":{"x-kubernetes-group-version-kind":{"group":"example.com","version":"v1","kind":"Widget"}}}},
"components":{"schemas":{"com.example.v1.Widget":{"type":"object","properties":{"spec":{"type":"string"}},"x-kubernetes-group-version-kind":[{"group":"example.com","version":"v1","kind":"Widget"}]}}}}`

var widget = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}

// server counts what is asked of it.
type server struct {
	mu             sync.Mutex
	hashes         map[string]string
	lists, fetches int
	err            error
}

func (s *server) Paths() (map[string]clientopenapi.GroupVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	paths := map[string]clientopenapi.GroupVersion{}
	for path, hash := range s.hashes {
		paths[path] = groupVersion{server: s, url: "/openapi/v3/" + path + "?hash=" + hash}
	}
	return paths, s.err
}

type groupVersion struct {
	server *server
	url    string
}

func (g groupVersion) ServerRelativeURL() string { return g.url }

func (g groupVersion) Schema(string) ([]byte, error) {
	g.server.mu.Lock()
	defer g.server.mu.Unlock()
	g.server.fetches++
	return []byte(widgets), g.server.err
}

func TestDocumentIsFetchedOnceUntilItsHashChanges(t *testing.T) {
	s := &server{hashes: map[string]string{"apis/example.com/v1": "1"}}
	clock := testingclock.NewFakePassiveClock(time.Unix(0, 0))
	source := live.NewWithClock(s, clock)
	for range 3 {
		kind, err := source.Kind(widget)
		if err != nil || !kind.Namespaced || kind.Schema == nil {
			t.Fatalf("Kind = %v, %v", kind, err)
		}
	}
	if s.lists != 1 || s.fetches != 1 {
		t.Errorf("asked %d lists and %d documents, want 1 and 1", s.lists, s.fetches)
	}
	clock.SetTime(time.Unix(120, 0))
	if _, err := source.Kind(widget); err != nil || s.lists != 2 || s.fetches != 1 {
		t.Errorf("after two minutes: %v, %d lists, %d documents, want 2 and 1", err, s.lists, s.fetches)
	}
	s.hashes["apis/example.com/v1"] = "2"
	source.Refresh()
	if _, err := source.Kind(widget); err != nil || s.lists != 3 || s.fetches != 2 {
		t.Errorf("after a change: %v, %d lists, %d documents, want 3 and 2", err, s.lists, s.fetches)
	}
}

func TestUnknownKindIsLookedForAtMostEveryFewSeconds(t *testing.T) {
	s := &server{hashes: map[string]string{}}
	clock := testingclock.NewFakePassiveClock(time.Unix(0, 0))
	source := live.NewWithClock(s, clock)
	for range 5 {
		if _, err := source.Kind(widget); !errors.Is(err, openapi.ErrUnknownKind) {
			t.Fatalf("error %v, want ErrUnknownKind", err)
		}
	}
	if s.lists != 1 {
		t.Errorf("asked %d lists within the same second, want 1", s.lists)
	}
	s.hashes["apis/example.com/v1"] = "1"
	clock.SetTime(time.Unix(4, 0))
	if _, err := source.Kind(widget); err != nil || s.lists != 2 {
		t.Errorf("once installed: %v after %d lists", err, s.lists)
	}
	if _, err := source.Kind(widget.GroupVersion().WithKind("Gadget")); !errors.Is(err, openapi.ErrUnknownKind) {
		t.Errorf("unknown kind of a known group: error %v, want ErrUnknownKind", err)
	}
}

func TestServerThatFailsIsNotAnUnknownKind(t *testing.T) {
	s := &server{hashes: map[string]string{"apis/example.com/v1": "1"}, err: errors.New("no answer")}
	source := live.NewWithClock(s, testingclock.NewFakePassiveClock(time.Unix(0, 0)))
	if _, err := source.Kind(widget); err == nil || errors.Is(err, openapi.ErrUnknownKind) {
		t.Errorf("error %v, want one that does not wrap ErrUnknownKind", err)
	}
	s.err = nil
	if _, err := source.Kind(widget); err != nil {
		t.Errorf("once the server answers: %v", err)
	}
}

func TestConcurrentCallersShareOneDocument(t *testing.T) {
	s := &server{hashes: map[string]string{"apis/example.com/v1": "1"}}
	source := live.New(s)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := source.Kind(widget); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if s.fetches != 1 {
		t.Errorf("fetched %d documents, want 1", s.fetches)
	}
}
