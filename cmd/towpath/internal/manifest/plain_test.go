package manifest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
)

func TestPlainKeepsTheLabelsOfTheOwner(t *testing.T) {
	set := map[string]string{"app.kubernetes.io/managed-by": "towpath", "owner": "shop", "platform.towpath.dev/team": "shop"}
	aliases := map[string]string{"owner": "team", "app": "component"}
	for name, tc := range map[string]struct{ labels, want map[string]string }{
		"Towpath's own":   {map[string]string{"app.kubernetes.io/managed-by": "towpath", "owner": "shop", "platform.towpath.dev/team": "shop", "a": "b"}, map[string]string{"a": "b"}},
		"of other values": {map[string]string{"app.kubernetes.io/managed-by": "Helm", "owner": "ada", "app": "web"}, map[string]string{"app.kubernetes.io/managed-by": "Helm", "owner": "ada", "app": "web"}},
		"as it was found": {map[string]string{"platform.towpath.dev/as-found": "true", "app.kubernetes.io/managed-by": "towpath", "owner": "shop"}, map[string]string{"app.kubernetes.io/managed-by": "towpath", "owner": "shop"}},
	} {
		object := &unstructured.Unstructured{Object: map[string]any{"kind": "ConfigMap", "metadata": map[string]any{"name": "a"}}}
		object.SetLabels(tc.labels)
		if diff := cmp.Diff(tc.want, manifest.Plain(object, set, aliases).GetLabels()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
