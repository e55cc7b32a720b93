package focus

import (
	"bytes"
	"encoding/json"

	"github.com/towpath-dev/towpath/internal/cost/source"
)

// tagReader finds owners in tags. Bills have the same tags in many rows, so what was found is remembered.
type tagReader struct {
	attribution source.Attribution
	wanted      map[string]bool
	found       map[string]tagged
	size        int
	values      map[string]string
}

// tagged is what tags say.
type tagged struct {
	owner   source.Owner
	unknown string
	bad     bool
}

// maxCachedTags is how many bytes of tags are remembered, and maxCachedTag the longest ones.
const (
	maxCachedTags = 8 << 20
	maxCachedTag  = 4 << 10
)

func newTagReader(attribution source.Attribution) *tagReader {
	t := &tagReader{attribution: attribution, wanted: map[string]bool{}, found: map[string]tagged{}, values: map[string]string{}}
	for _, keys := range [][]string{attribution.TeamKeys, attribution.EnvironmentKeys, attribution.ComponentKeys} {
		for _, key := range keys {
			t.wanted[key] = true
		}
	}
	return t
}

func (t *tagReader) read(c *cell) tagged {
	switch c.kind {
	case text:
		if found, ok := t.found[string(c.text)]; ok {
			return found
		}
		found := t.parse(c.text)
		if len(c.text) <= maxCachedTag {
			if t.size += len(c.text); t.size > maxCachedTags {
				clear(t.found)
				t.size = len(c.text)
			}
			t.found[string(c.text)] = found
		}
		return found
	case pairs:
		clear(t.values)
		for _, p := range c.pairs {
			if t.wanted[string(p.key)] {
				t.values[string(p.key)] = string(p.value)
			}
		}
		return t.owner()
	}
	return tagged{}
}

// parse reads a JSON object. Tags have text as values, or true where a provider's tags have none; what is no text names nobody.
func (t *tagReader) parse(b []byte) tagged {
	clear(t.values)
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(b))
	if err := decoder.Decode(&object); err != nil || object == nil || len(bytes.TrimSpace(b[decoder.InputOffset():])) > 0 {
		return tagged{bad: true}
	}
	for key, value := range object {
		if s, ok := value.(string); ok && t.wanted[key] {
			t.values[key] = s
		}
	}
	return t.owner()
}

func (t *tagReader) owner() tagged {
	owner, unknown := t.attribution.Owner(func(key string) string { return t.values[key] })
	return tagged{owner: owner, unknown: unknown}
}
