package environment_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/towpath-dev/towpath/internal/environment"
)

func TestNamespaceName(t *testing.T) {
	long := strings.Repeat("t", 60)
	for _, tc := range []struct{ team, environment, want string }{
		{"shop", "dev", "shop-dev"},
		{"web-shop", "dev", "web-shop-dev"},
		{"shop", "pr-17", "shop-pr-17-4ac96364"},
		{long, "dev", strings.Repeat("t", 54) + "-67821b40"},
	} {
		got := environment.NamespaceName(tc.team, tc.environment)
		if len(validation.IsDNS1123Label(got)) != 0 {
			t.Errorf("NamespaceName(%q, %q) = %q is no DNS label", tc.team, tc.environment, got)
		}
		if got != tc.want {
			t.Errorf("NamespaceName(%q, %q) = %q, want %q", tc.team, tc.environment, got, tc.want)
		}
	}
}

func TestNamespaceName_TellsTeamsWithHyphensApart(t *testing.T) {
	seen := map[string]string{}
	for _, pair := range [][2]string{{"a", "b-c"}, {"a-b", "c"}, {"a", "b"}, {"a-b", "c-d"}, {"a", "b-c-d"}, {"a-b-c", "d"}} {
		name := environment.NamespaceName(pair[0], pair[1])
		if other, ok := seen[name]; ok {
			t.Errorf("%v and %s share the namespace %s", pair, other, name)
		}
		seen[name] = pair[0] + "/" + pair[1]
	}
}
