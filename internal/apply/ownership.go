package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FieldOwner is the name under which the fields of rendered objects are owned.
const FieldOwner = "towpath-release"

// Owned returns a hash of what Towpath owns of an object: the API version, the set of fields and
// the time of its own apply. It is empty where Towpath owns nothing.
//
// Two equal hashes mean that nobody changed a field of ours in between: whoever changes the value
// of an owned field by force takes it out of our set. The time is part of it since a writer under
// our own name could change a value and keep the set. Fields of others do not matter.
func Owned(entries []metav1.ManagedFieldsEntry) string {
	for i := range entries {
		e := &entries[i]
		if !ours(e) {
			continue
		}
		h := sha256.New()
		h.Write([]byte(e.APIVersion))
		h.Write([]byte{0})
		h.Write(canonical(e.FieldsV1.GetRawBytes()))
		if e.Time != nil {
			h.Write([]byte(e.Time.UTC().Format(time.RFC3339)))
		}
		return hex.EncodeToString(h.Sum(nil))[:32]
	}
	return ""
}

// canonical puts the keys of a set of fields into one order. The API server orders list items by the
// value of their key, so that port 80 comes before port 443; the cache decoded the set into a map,
// which sorts them as text. Unless both are brought into one order, such an object always seems changed.
func canonical(raw []byte) []byte {
	if isCanonical(raw) {
		return raw
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return raw
	}
	sorted, err := json.Marshal(fields)
	if err != nil {
		return raw
	}
	return sorted
}

// isCanonical says that a set of fields is as canonical would write it. Most are: the API server's order is another one only for
// list items with numbers as keys. To tell costs nothing, and to write it anew was a twentieth of what the manager allocated.
func isCanonical(raw []byte) bool {
	rest, ok := canonicalObject(raw, 100)
	return ok && len(rest) == 0
}

// canonicalObject reads an object of objects, so deep at most, without spaces and with its keys in order, and returns what follows it.
func canonicalObject(raw []byte, depth int) ([]byte, bool) {
	if depth == 0 || len(raw) < 2 || raw[0] != '{' {
		return nil, false
	}
	if raw[1] == '}' {
		return raw[2:], true
	}
	var before []byte
	for raw = raw[1:]; ; raw = raw[1:] {
		key, rest, ok := canonicalKey(raw)
		if !ok || before != nil && !keyBefore(before, key) || len(rest) == 0 || rest[0] != ':' {
			return nil, false
		}
		if raw, ok = canonicalObject(rest[1:], depth-1); !ok || len(raw) == 0 {
			return nil, false
		}
		switch raw[0] {
		case '}':
			return raw[1:], true
		case ',':
			before = key
		default:
			return nil, false
		}
	}
}

// canonicalKey reads a key that encoding/json would write as it is, and returns it without its quotes, its escapes left in.
func canonicalKey(raw []byte) (key, rest []byte, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			return raw[1:i], raw[i+1:], true
		case c == '\\' && i+1 < len(raw) && (raw[i+1] == '"' || raw[i+1] == '\\'):
			i++
		case c < ' ', c > '~', c == '\\', c == '<', c == '>', c == '&':
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// keyBefore says that one key comes before another, as text without escapes.
func keyBefore(a, b []byte) bool {
	for len(a) > 0 && len(b) > 0 {
		if a[0] == '\\' {
			a = a[1:]
		}
		if b[0] == '\\' {
			b = b[1:]
		}
		if a[0] != b[0] {
			return a[0] < b[0]
		}
		a, b = a[1:], b[1:]
	}
	return len(a) == 0 && len(b) > 0
}
