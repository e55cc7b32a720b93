package environment_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"testing"

	"github.com/towpath-dev/towpath/internal/environment"
)

// Names that differ must not meet, though the hash of one be the name of another environment.
func TestNamespaceName_DoesNotMeetOneWithAHash(t *testing.T) {
	legal := regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	for i := range 100 {
		team, env := "shop", fmt.Sprintf("pr-%d", i)
		sum := sha256.Sum256([]byte(team + "/" + env))
		other := hex.EncodeToString(sum[:])[:8]
		if !legal.MatchString(other) {
			continue
		}
		if a, b := environment.NamespaceName(team, env), environment.NamespaceName(team+"-"+env, other); a == b {
			t.Errorf("environment %s of team %s and environment %s of team %s-%s are both %s", env, team, other, team, env, a)
			return
		}
	}
}
