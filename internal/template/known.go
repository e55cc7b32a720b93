package template

import (
	"encoding/json"
	"maps"
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
)

const (
	// maxKnown is how many parameters that fit are remembered of a template, and maxKnownBytes how large each may be, with the
	// defaults too: a tenant chooses which there are.
	maxKnown, maxKnownBytes = 256, 4096
)

// known remembers parameters that fit, with the defaults of the schema. To check those of one Component takes 50 µs, and is asked
// for five times on its way to the cluster: when it is admitted, estimated, rendered, and rendered again. The zero value is ready.
type known struct {
	mu  sync.Mutex
	all map[string]resolution
}

// resolution is what became of parameters.
type resolution struct{ values, resolved map[string]any }

// keyOf is by what parameters are remembered; empty for what is not. It does not tell whole numbers from others, which get does.
func keyOf(values map[string]any) string {
	raw, err := json.Marshal(values)
	if err != nil || len(raw) > maxKnownBytes {
		return ""
	}
	return string(raw)
}

// get returns a copy of what became of the same parameters.
func (k *known) get(key string, values map[string]any) (map[string]any, bool) {
	k.mu.Lock()
	found, ok := k.all[key]
	k.mu.Unlock()
	if !ok || !reflect.DeepEqual(found.values, values) {
		return nil, false
	}
	return runtime.DeepCopyJSON(found.resolved), true
}

func (k *known) put(key string, values, resolved map[string]any) {
	if key == "" || keyOf(resolved) == "" {
		return
	}
	entry := resolution{values: runtime.DeepCopyJSON(values), resolved: runtime.DeepCopyJSON(resolved)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		k.all = map[string]resolution{}
	}
	if len(k.all) >= maxKnown { // half go, whichever they are
		left := maxKnown / 2
		maps.DeleteFunc(k.all, func(string, resolution) bool { left--; return left >= 0 })
	}
	k.all[key] = entry
}
