package override

import (
	"fmt"
	"math"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Bounds of a patch.
const (
	maxPatchBytes = 16 << 10
	maxDepth      = 32
)

// decode reads a patch, with what must not be in any.
func decode(raw apiextensionsv1.JSON) (map[string]any, error) {
	if len(raw.Raw) > maxPatchBytes {
		return nil, refuse("has %d bytes, and at most %d are allowed", len(raw.Raw), maxPatchBytes)
	}
	var patch map[string]any
	if err := utiljson.Unmarshal(raw.Raw, &patch); err != nil || patch == nil {
		return nil, refuse("must be an object: a part of what the resource makes")
	}
	if len(patch) == 0 {
		return nil, refuse("sets nothing: write the fields that differ, or take the override out")
	}
	if err := harmless(patch, nil); err != nil {
		return nil, err
	}
	wholeNumbers(patch)
	return patch, nil
}

// wholeNumbers makes 8080.0 the same as 8080 everywhere: as a key both select the same element, whose key would
// change its type.
func wholeNumbers(v any) any {
	const exact = 1 << 53
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < exact {
			return int64(v)
		}
	case map[string]any:
		for name, item := range v {
			v[name] = wholeNumbers(item)
		}
	case []any:
		for i, item := range v {
			v[i] = wholeNumbers(item)
		}
	}
	return v
}

// harmless refuses what could mean something else to somebody else than setting a field.
func harmless(v any, at Path) error {
	if len(at) > maxDepth {
		return refuse("has more than %d levels", maxDepth)
	}
	switch v := v.(type) {
	case nil:
		return refuse("sets %s to null: an override sets values, and cannot remove what the template sets", at)
	case map[string]any:
		for name, item := range v {
			here := append(slices.Clip(at), Step{Field: name})
			if name == "" || strings.HasPrefix(name, "$") {
				return refuse("holds the key %q (%s): directives such as $patch are not allowed, only fields and their values", name, here)
			}
			if err := harmless(item, here); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := harmless(item, append(slices.Clip(at), Step{})); err != nil {
				return err
			}
		}
	}
	return nil
}

// kindOf names the kind of a value for people.
func kindOf(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("the string %q", cut(v))
	default:
		return fmt.Sprint(v)
	}
}

func cut(s string) string {
	const most = 60
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
