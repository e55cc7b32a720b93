package manager

import (
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// newMapper is the mapper of all clients: the library's, which asks the API server for a kind when it is first met, and
// whose answers are kept.
func newMapper(cfg *rest.Config, httpClient *http.Client) (meta.RESTMapper, error) {
	found, err := apiutil.NewDynamicRESTMapper(cfg, httpClient)
	if err != nil {
		return nil, err
	}
	return &mapper{RESTMapper: found}, nil
}

// mapper remembers where the kinds are served. The library keeps what it learnt too, but looks through all groups for each
// kind that it is asked for, which is once an object written or looked at: 8 % of all that the manager allocated while
// 1,000 Components were made. Neither forgets a kind that is served no more; the API server says so to a request for it.
type mapper struct {
	meta.RESTMapper

	known sync.Map // of *meta.RESTMapping, by mapperKey
}

// mapperKey is what is asked for: a version, or any where that is empty.
type mapperKey struct {
	schema.GroupKind

	version string
}

// RESTMapping tells where a kind is served. What is not found may be served later, and is asked for again.
func (m *mapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	key := mapperKey{GroupKind: kind}
	switch len(versions) {
	case 0:
	case 1:
		key.version = versions[0]
	default:
		return m.RESTMapper.RESTMapping(kind, versions...)
	}
	if found, ok := m.known.Load(key); ok {
		return found.(*meta.RESTMapping), nil
	}
	found, err := m.RESTMapper.RESTMapping(kind, versions...)
	if err != nil {
		return nil, err
	}
	m.known.Store(key, found)
	return found, nil
}
