package template

import (
	"strings"
	"testing"
)

func TestKnown_RemembersNothingLarge(t *testing.T) {
	var k known
	small, large := map[string]any{"a": "b"}, map[string]any{"a": strings.Repeat("x", maxKnownBytes)}
	k.put(keyOf(small), small, large)
	k.put(keyOf(large), large, small)
	if len(k.all) != 0 {
		t.Errorf("it remembers %d", len(k.all))
	}
	k.put(keyOf(small), small, small)
	if got, ok := k.get(keyOf(small), small); !ok || got["a"] != "b" {
		t.Errorf("it is %v", got)
	}
}
