package release

import (
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestSelectorError_SaysHowToMendIt(t *testing.T) {
	labels := func(pairs map[string]any) map[string]any { return map[string]any{"matchLabels": pairs} }
	plain := labels(map[string]any{"app": "web"})
	for name, tc := range map[string]struct {
		found any
		alone bool
		want  string
	}{
		"on a path of one":       {plain, true, `To mend it, delete Component shop and make it again, with podSelector {"app":"web"} in adopt.`},
		"on a longer path":       {plain, false, `To mend it, take prod out of spec.environments of Component shop and put it in again, with podSelector {"app":"web"} in adopt.`},
		"by labels of Towpath":   {labels(map[string]any{platformv1alpha1.LabelComponent: "web"}), true, "without podSelector in adopt"},
		"by more than labels":    {map[string]any{"matchLabels": map[string]any{}, "matchExpressions": []any{}}, true, "make it anew so"},
		"by expressions alone":   {map[string]any{"matchExpressions": []any{}}, true, "make it anew so"},
		"by nothing that is one": {nil, true, "make it anew so"},
	} {
		t.Run(name, func(t *testing.T) {
			release := &platformv1alpha1.Release{}
			release.Spec.Component.Name, release.Spec.Environment.Name = "shop", "prod"
			got := (&selectorError{found: tc.found}).next(&scope{release: release, alone: tc.alone})
			if !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want it to hold %q", got, tc.want)
			}
		})
	}
}
