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
