package render_test

import (
	"testing"

	"github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

// A Release that was made before Towpath asked for tokens runs on; one that says so is held to it.
func TestPolicy_OfTokens(t *testing.T) {
	for said, want := range map[v1alpha1.ServiceAccountTokens]v1alpha1.ServiceAccountTokens{
		"": v1alpha1.TokensAllowed, v1alpha1.TokensForbidden: v1alpha1.TokensForbidden, v1alpha1.TokensAudienceBound: v1alpha1.TokensAudienceBound,
	} {
		r := release("{}")
		r.Spec.ServiceAccountTokens = said
		if got := render.Policy(r).Tokens; got != want {
			t.Errorf("%q counts as %q, want %q", said, got, want)
		}
	}
}
