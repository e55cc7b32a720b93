package promotion_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/towpath-dev/towpath/internal/promotion"
)

func TestReleaseName_DoesNotMeetOneWithAHash(t *testing.T) {
	for i := range 100 {
		env := fmt.Sprintf("eu-%d", i)
		sum := sha256.Sum256([]byte("shop/" + env))
		other := hex.EncodeToString(sum[:])[:8]
		if other[0] < 'a' {
			continue
		}
		if a, b := promotion.ReleaseName("shop", env, 1), promotion.ReleaseName("shop-"+env, other, 1); a == b {
			t.Errorf("Component shop in %s and Component shop-%s in %s have both Release %s", env, env, other, a)
			return
		}
	}
}
