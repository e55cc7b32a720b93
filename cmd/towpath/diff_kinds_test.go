package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/diff"
)

// narrowEnvironments are two places with allowed kinds: dev by its class, prod by what its status has of a class that the
// files do not hold.
const narrowEnvironments = `
apiVersion: platform.towpath.dev/v1alpha1
kind: EnvironmentClass
metadata: {name: narrow}
spec: {tier: Development, allowedKinds: [{group: apps, kind: Deployment}, {group: "", kind: ConfigMap}]}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Environment
metadata: {name: dev, namespace: team-shop}
spec: {classRef: {name: narrow}}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Environment
metadata: {name: prod, namespace: team-shop}
spec: {classRef: {name: elsewhere}}
status: {tier: Production, allowedKinds: [{group: apps, kind: Deployment}, {group: "", kind: ConfigMap}, {group: "", kind: Service}]}
`

// withService is the small path with a kind more.
const withService = pathTemplate + `
  - id: service
    object: {apiVersion: v1, kind: Service, metadata: {name: "${component.name}"}, spec: {selector: {app: "${component.name}"}, ports: [{name: http, port: 80}]}}
`

func TestDiff_OfKindsThatAClassDoesNotAllow(t *testing.T) {
	files := map[string]string{"old.yaml": pathTemplate, "components.yaml": pathComponents, "environments.yaml": narrowEnvironments}
	dir := folder(t, files)
	next := filepath.Join(folder(t, map[string]string{"new.yaml": withService}), "new.yaml")
	got := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir)
	at := filepath.Join(dir, "components.yaml")
	for _, want := range []string{
		"2 of them cannot get it.", "\ncannot get it\n",
		at + ":5: Component/one: spec.environments[0]: template small makes what is refused: ",
		at + ":10: Component/two: spec.environments[0]: template small makes what is refused: ",
		"class narrow does not allow objects of kind Service, only ConfigMap, Deployment.apps; ",
		"Service (resource service): added\n  in team-shop/one in prod\n",
	} {
		if got.code != exitFindings || !strings.Contains(got.out, want) {
			t.Errorf("exit code %d; %q is missing in\n%s%s", got.code, want, got.out, got.err)
		}
	}
	markdown := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir, "-o", "markdown")
	if markdown.code != exitFindings || !strings.Contains(markdown.out, "**cannot get it**") || !strings.Contains(markdown.out, "class narrow does not allow") {
		t.Errorf("exit code %d:\n%s", markdown.code, markdown.out)
	}

	files["environments.yaml"] = strings.Replace(narrowEnvironments, `kind: ConfigMap}]}`, `kind: ConfigMap}, {group: "", kind: Service}]}`, 1)
	if got := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", folder(t, files)); got.code != exitOK || strings.Contains(got.out, "cannot") {
		t.Errorf("with a class that allows it: exit code %d\n%s%s", got.code, got.out, got.err)
	}
}

// TestDiff_OfAClusterWhoseClassChanged has Releases that were made when their class allowed other kinds than it does now.
func TestDiff_OfAClusterWhoseClassChanged(t *testing.T) {
	changed := filepath.Join(folder(t, map[string]string{"t.yaml": withService}), "t.yaml")
	kinds := func(names ...string) []platformv1alpha1.AllowedKind {
		all := []platformv1alpha1.AllowedKind{{Group: "apps", Kind: "Deployment"}}
		for _, name := range names {
			all = append(all, platformv1alpha1.AllowedKind{Kind: name})
		}
		return all
	}
	for name, tc := range map[string]struct {
		then, now []platformv1alpha1.AllowedKind
		cannot    string
	}{
		"narrowed since":       {nil, kinds("ConfigMap"), "class development does not allow objects of kind Service, only ConfigMap, Deployment.apps"},
		"as narrow as it was":  {kinds("ConfigMap"), kinds("ConfigMap"), "class development does not allow objects of kind Service"},
		"wide enough":          {nil, kinds("ConfigMap", "Service"), ""},
		"widened since":        {kinds("ConfigMap"), kinds("ConfigMap", "Service"), ""},
		"without bounds since": {kinds("ConfigMap"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			objects := runningSmall(t)
			for _, object := range objects {
				if release, ok := object.(*platformv1alpha1.Release); ok {
					release.Spec.AllowedKinds = tc.then
				}
			}
			environment := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "dev"}}
			environment.Spec.ClassRef.Name = "development"
			environment.Status.PodSecurity, environment.Status.AllowedKinds = platformv1alpha1.PodSecurityRestricted, tc.now
			got := towpath(t, append(objects, environment), "diff", "-f", changed, "-o", "json")
			var report diff.Report
			if err := json.Unmarshal([]byte(got.out), &report); err != nil {
				t.Fatalf("%v\n%+v", err, got)
			}
			cannot := strings.Join(report.Cannot, "\n")
			if (tc.cannot == "") != (cannot == "") || !strings.Contains(cannot, tc.cannot) || (got.code == exitOK) != (tc.cannot == "") {
				t.Errorf("exit code %d, and it says that it cannot get it: %q, want %q", got.code, cannot, tc.cannot)
			}
		})
	}
}
