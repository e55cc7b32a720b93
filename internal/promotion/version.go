package promotion

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// ShortVersion is how many digits of the hash the version of a Release has that was made before all of them were kept.
// Whoever chooses both versions finds two that share so few: one that is let in, and another that is taken for it.
const ShortVersion = 16

// Version identifies what is promoted, as it is in one environment: the image, the commit, the
// parameters merged for that environment (without the template's defaults, which belong to the
// revision), the variables, what is used (not what that gives: it differs from environment to
// environment), and what is overridden (not why, nor until when: neither changes a byte of what runs). The order
// of keys in parameters and patches does not matter.
func Version(spec *platformv1alpha1.ComponentSpec, parameters map[string]any) (string, error) {
	var commit string
	if spec.Commit != nil {
		commit = spec.Commit.SHA
	}
	hashed := []any{spec.Image, commit, parameters, orNone(spec.Env), orNone(spec.SecretEnv)}
	if len(spec.Uses) > 0 {
		hashed = append(hashed, spec.Uses)
	}
	if len(spec.Overrides) > 0 {
		patches, err := patches(spec.Overrides)
		if err != nil {
			return "", err
		}
		hashed = append(hashed, map[string]any{"overrides": patches})
	}
	canonical, err := json.Marshal(hashed)
	if err != nil {
		return "", fmt.Errorf("hashing the version: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// patches are the overrides without what does not change what runs.
func patches(overrides []platformv1alpha1.Override) ([]any, error) {
	hashed := make([]any, len(overrides))
	for i := range overrides {
		var patch any
		if err := utiljson.Unmarshal(overrides[i].Patch.Raw, &patch); err != nil {
			return nil, fmt.Errorf("hashing the version: spec.overrides[%d].patch: %w", i, err)
		}
		hashed[i] = []any{overrides[i].Resource, patch}
	}
	return hashed, nil
}

// orNone makes an empty list and none the same: both mean that there is nothing.
func orNone[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// hash is what names that could meet end in.
var hash = regexp.MustCompile(`^[0-9a-f]{8}$`)

// ReleaseName returns the name of a Release: <component>-<environment>-<number>. An environment
// whose name holds a hyphen, or could be a hash, gets a short hash behind it, so that the Release of component a in b-c
// and that of component a-b in c never meet.
func ReleaseName(component, environment string, number int64) string {
	name := component + "-" + environment
	if strings.Contains(environment, "-") || hash.MatchString(environment) {
		sum := sha256.Sum256([]byte(component + "/" + environment))
		name += "-" + hex.EncodeToString(sum[:])[:8]
	}
	return name + "-" + strconv.FormatInt(number, 10)
}
