package guard_test

import (
	"strings"
	"testing"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
)

func TestAllowedKinds(t *testing.T) {
	deployments := platformv1alpha1.AllowedKind{Group: "apps", Kind: "Deployment"}
	services := platformv1alpha1.AllowedKind{Kind: "Service"}
	for name, tc := range map[string]struct {
		allowed []platformv1alpha1.AllowedKind
		object  string
		want    string
	}{
		"none named allows every kind": {nil, "{apiVersion: batch/v1, kind: Job, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}", ""},
		"one that is named":            {[]platformv1alpha1.AllowedKind{services, deployments}, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}", ""},
		"in whatever version":          {[]platformv1alpha1.AllowedKind{deployments}, "{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}", ""},
		"one that is not": {
			[]platformv1alpha1.AllowedKind{services, deployments}, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, $META}}",
			"ConfigMap a (resource r): kind: class production does not allow objects of kind ConfigMap, only Deployment.apps, Service;",
		},
		"one of another group": {
			[]platformv1alpha1.AllowedKind{deployments}, "{apiVersion: example.com/v1, kind: Deployment, metadata: {name: a, $META}}",
			"kind: class production does not allow objects of kind Deployment.example.com, only Deployment.apps;",
		},
		"one that is named and forbidden to all": {
			[]platformv1alpha1.AllowedKind{{Kind: "Secret"}}, "{apiVersion: v1, kind: Secret, metadata: {name: a, $META}}", "kind: kind Secret must not be templated",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy()
			p.Class, p.AllowedKinds = "production", tc.allowed
			o := object(t, tc.object)
			o.Resource = "r"
			refusals := guard.Check([]guard.Object{o}, p)
			if tc.want == "" {
				if len(refusals) > 0 {
					t.Errorf("it is refused: %v", refusals)
				}
				return
			}
			if len(refusals) != 1 || !strings.Contains(refusals[0].Error(), tc.want) {
				t.Errorf("got %v, want %s", refusals, tc.want)
			}
		})
	}
}
