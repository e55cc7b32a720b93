package promotion_test

import (
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
)

func versionOf(t *testing.T, overrides ...platformv1alpha1.Override) string {
	t.Helper()
	version, err := promotion.Version(&platformv1alpha1.ComponentSpec{
		Image: "registry.example/shop:1", Commit: &platformv1alpha1.Commit{SHA: "3f2c0de"}, Overrides: overrides,
		Env: []platformv1alpha1.EnvVar{{Name: "A", Value: "1"}}, Uses: []platformv1alpha1.Use{{Component: "db"}},
	}, map[string]any{"port": int64(8080)})
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func overriding(resource, patch string) platformv1alpha1.Override {
	return platformv1alpha1.Override{Resource: resource, Patch: apiextensionsv1.JSON{Raw: []byte(patch)}, Reason: "x"}
}

// An upgrade of Towpath must not give every Component a new version.
func TestVersion_StaysAsItWasBeforeThereWereOverrides(t *testing.T) {
	if got := versionOf(t); got[:promotion.ShortVersion] != "5d8d85baffa618be" {
		t.Errorf("the version is %s, and began with 5d8d85baffa618be", got)
	}
}

func TestVersion_HoldsWhatIsOverridden(t *testing.T) {
	first := versionOf(t, overriding("deployment", `{"spec":{"replicas":3,"paused":false}}`))
	if first == versionOf(t) || first == versionOf(t, overriding("deployment", `{"spec":{"replicas":4,"paused":false}}`)) ||
		first == versionOf(t, overriding("other", `{"spec":{"replicas":3,"paused":false}}`)) {
		t.Error("another override gives the same version")
	}
	if first != versionOf(t, overriding("deployment", `{ "spec": {"paused": false, "replicas": 3}}`)) {
		t.Error("the same override, written otherwise, gives another version")
	}
	extended := overriding("deployment", `{"spec":{"replicas":3,"paused":false}}`)
	extended.Reason, extended.Expires = "y", "2027-03-01"
	if first != versionOf(t, extended) {
		t.Error("reason and expiry change the version, and would restart nothing")
	}
}
