// Package label makes values that Kubernetes accepts as labels.
package label

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	hashLength   = 8
	digestLength = 12
)

// Value returns a string as a label value. A valid value stays as it is. In any other, characters
// that labels do not allow become hyphens, the ends are trimmed to letters and digits, the length is
// cut to 63, and a short hash of the original goes behind it, so that two strings that differ give
// two values. The empty string stays empty. Value(Value(s)) is Value(s).
func Value(s string) string {
	if len(validation.IsValidLabelValue(s)) == 0 {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	suffix := hex.EncodeToString(sum[:])[:hashLength]
	clean := strings.Trim(strings.Map(allowed, s), "-_.")
	if room := validation.LabelValueMaxLength - len(suffix) - 1; len(clean) > room {
		clean = strings.TrimRight(clean[:room], "-_.")
	}
	if clean == "" {
		return suffix
	}
	return clean + "-" + suffix
}

// allowed replaces what a label value must not hold.
func allowed(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
		return r
	}
	return '-'
}

// Version returns what stands in app.kubernetes.io/version for an image: its tag, else the first
// digits of its digest as in sha256-0123456789ab, else latest.
func Version(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") && colon+1 < len(name) {
		return Value(name[colon+1:])
	}
	if algorithm, sum, ok := strings.Cut(digest, ":"); ok && algorithm != "" {
		return Value(algorithm + "-" + sum[:min(len(sum), digestLength)])
	}
	return "latest"
}

// Contains says whether a map of labels or annotations holds everything that another one does.
func Contains(live, want map[string]string) bool {
	for key, value := range want {
		if got, ok := live[key]; !ok || got != value {
			return false
		}
	}
	return true
}
