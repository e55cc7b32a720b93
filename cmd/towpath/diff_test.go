package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/diff"
	"github.com/towpath-dev/towpath/internal/template"
)

const pathTemplate = `
apiVersion: platform.towpath.dev/v1alpha1
kind: ServiceTemplate
metadata: {name: small}
spec:
  summary: A small path.
  parameters: {type: object, properties: {port: {type: integer, default: 8080, maximum: 65535}}}
  resources:
  - id: web
    object:
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: "${component.name}"}
      spec:
        selector: {matchLabels: {app: "${component.name}"}}
        template:
          metadata: {labels: {app: "${component.name}"}}
          spec:
            automountServiceAccountToken: false
            securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
            containers:
            - name: app
              image: "${release.image}"
              securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
              ports: [{name: http, containerPort: "${params.port}"}]
  - id: settings
    object: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.name}"}, data: {mode: a}}
`

const pathComponents = `
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: one, namespace: team-shop}
spec: {templateRef: {name: small}, image: registry.example/one:1, environments: [{name: dev}, {name: prod, parameters: {port: 9000}}]}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: two, namespace: team-shop}
spec: {templateRef: {name: small}, image: registry.example/two:1, environments: [{name: dev}]}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: three, namespace: team-shop}
spec: {templateRef: {name: small, revision: 1}, image: registry.example/three:1, environments: [{name: dev}]}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: other, namespace: team-shop}
spec: {templateRef: {name: web-service}, image: registry.example/other:1, environments: [{name: dev}]}
`

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDiff_OfAFolder(t *testing.T) {
	changed := strings.NewReplacer("maximum: 65535", "maximum: 8500", "name: http,", "name: web,", "mode: a", "mode: b").Replace(pathTemplate)
	dir := folder(t, map[string]string{"old.yaml": pathTemplate, "components.yaml": pathComponents})
	next := filepath.Join(folder(t, map[string]string{"new.yaml": changed}), "new.yaml")
	got := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir)
	for _, want := range []string{
		"template small\n  Breaking  parameters.port: narrowed: maximum was 65535, is 8500\n",
		"resources[web].object: spec.template.spec.containers: pods restart",
		"Followed in 3 environments; something changes in 2 of them, and pods restart in 2. 1 of them cannot get it. The change is BREAKING",
		"ConfigMap (resource settings): changed\n  ~ data.mode: \"a\" -> \"b\"\n  in team-shop/one in dev, team-shop/two in dev\n",
		"Deployment (resource web): changed, pods restart\n",
		"- spec.template.spec.containers[name=app].ports[name=http]: was {",
		"+ spec.template.spec.containers[name=app].ports[name=web]: {",
		"cannot get it\n  " + filepath.Join(dir, "components.yaml") + ":5: Component/one: spec.environments[1].parameters.port: ",
		"pinned, and stay as they are\n  team-shop/three at 1\n",
	} {
		if got.code != exitFindings || !strings.Contains(got.out, want) {
			t.Errorf("exit code %d; %q is missing in\n%s%s", got.code, want, got.out, got.err)
		}
	}
	if strings.Contains(got.out, "other") {
		t.Errorf("a Component of another template is named:\n%s", got.out)
	}

	markdown := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir, "-o", "markdown")
	for _, want := range []string{"### Golden path `small`", "| Breaking | `parameters.port` |", "```diff\n- data.mode: \"a\"\n+ data.mode: \"b\"\n```", "**cannot get it**"} {
		if !strings.Contains(markdown.out, want) {
			t.Errorf("%q is missing in\n%s", want, markdown.out)
		}
	}

	allowed := strings.Replace(changed, "  parameters:", "  rollout: {allowBreaking: {fromRevision: 1, reason: a test}}\n  parameters:", 1)
	next = filepath.Join(folder(t, map[string]string{"new.yaml": allowed}), "new.yaml")
	if got := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir); !strings.Contains(got.out, "The change is BREAKING, and allowed only from revision 1: the files do not tell whether that is the newest.") || got.code != exitFindings {
		t.Errorf("with leave, and one that cannot get it: exit code %d\n%s", got.code, got.out)
	}
}

// TestDiff_OfWhatCannotBeChanged has a template whose selector hangs on a parameter: another default is refused by the API server
// wherever a Component says nothing, and that is nobody's change.
func TestDiff_OfWhatCannotBeChanged(t *testing.T) {
	tiered := strings.NewReplacer("properties: {port:", "properties: {tier: {type: string, default: web}, port:",
		`{app: "${component.name}"}`, `{app: "${component.name}", tier: "${params.tier}"}`).Replace(pathTemplate)
	set := strings.Replace(pathComponents, "image: registry.example/two:1,", "image: registry.example/two:1, parameters: {tier: web},", 1)
	dir := folder(t, map[string]string{"old.yaml": tiered, "components.yaml": set})
	next := filepath.Join(folder(t, map[string]string{"new.yaml": strings.Replace(tiered, "default: web", "default: api", 1)}), "new.yaml")
	got := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir)
	for _, want := range []string{
		"Followed in 3 environments; something changes in 0 of them, and pods restart in 0. 2 of them cannot get it.\n",
		"Deployment (resource web): changed, and REFUSED by the API server where it exists\n",
		"cannot get it\n  team-shop/one in dev: Deployment one (resource web): the API server does not let spec.selector.matchLabels.tier be changed\n  team-shop/one in prod: ",
	} {
		if got.code != exitFindings || !strings.Contains(got.out, want) {
			t.Errorf("exit code %d; %q is missing in\n%s%s", got.code, want, got.out, got.err)
		}
	}
}

// TestDiff_CountsEnvironments has a Component with two things wrong with it in one environment, and one that was not valid before.
func TestDiff_CountsEnvironments(t *testing.T) {
	sized := strings.Replace(pathTemplate, "maximum: 65535}", "maximum: 65535}, size: {type: integer, default: 1, maximum: 9}", 1)
	components := strings.NewReplacer("{port: 9000}", "{port: 9000, size: 5}", "image: registry.example/two:1,", "image: registry.example/two:1, parameters: {prot: 1},").Replace(pathComponents)
	dir := folder(t, map[string]string{"old.yaml": sized, "components.yaml": components})
	narrowed := strings.NewReplacer("maximum: 65535", "maximum: 8500", "maximum: 9}", "maximum: 3}").Replace(sized)
	next := filepath.Join(folder(t, map[string]string{"new.yaml": narrowed}), "new.yaml")
	got := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir, "-o", "json")
	var report diff.Report
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != exitFindings {
		t.Fatalf("%v\n%+v", err, got)
	}
	if report.Following != 3 || report.Changed != 0 || report.Refused != 1 || report.Invalid != 1 || len(report.Cannot) != 2 ||
		len(report.Already) != 1 || !strings.Contains(report.Already[0], "Component/two: spec.parameters.prot: ") {
		t.Errorf("got %s", got.out)
	}
	text := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir)
	if want := "1 of them cannot get it. 1 of them cannot be compared, since the Component is not valid as it is."; !strings.Contains(text.out, want) {
		t.Errorf("%q is missing in\n%s", want, text.out)
	}

	next = filepath.Join(folder(t, map[string]string{"new.yaml": strings.Replace(sized, "mode: a", "mode: b", 1)}), "new.yaml")
	if got := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir); got.code != exitOK || !strings.Contains(got.out, "not valid as it is, whatever changes\n  ") {
		t.Errorf("what was wrong before is not due to the change: exit code %d\n%s", got.code, got.out)
	}
}

// TestDiff_SaysWhatAChangeCosts has three environments follow a template, in each of which a pod asks for a core, and then for two.
func TestDiff_SaysWhatAChangeCosts(t *testing.T) {
	sized := func(cores string) string {
		return strings.Replace(pathTemplate, "              ports:", "              resources: {requests: {cpu: \""+cores+"\"}}\n              ports:", 1)
	}
	dir := folder(t, map[string]string{"old.yaml": sized("1"), "components.yaml": pathComponents})
	prices := filepath.Join(folder(t, map[string]string{"prices.yaml": "{currency: EUR, cpuCoreHour: 0.1, memoryGiBHour: 0.01}"}), "prices.yaml")
	for name, tc := range map[string]struct {
		cores string
		flags []string
		want  string
	}{
		// 0.031611 × 730 × 3 = 69.23
		"more":           {"2", nil, "It is estimated to cost 138.46 USD a month, 69.23 more than before (by OpenCost's default prices, which may not be yours: give --prices)."},
		"less":           {"0.5", nil, "It is estimated to cost 34.61 USD a month, 34.61 less than before (by"},
		"by your prices": {"2", []string{"--prices", prices}, "It is estimated to cost 438.00 EUR a month, 219.00 more than before."},
		"as a structure": {"2", []string{"--prices", prices, "-o", "json"}, `"cost": {
    "currency": "EUR",
    "before": "219",
    "after": "438",
    "change": "219"
  }`},
	} {
		t.Run(name, func(t *testing.T) {
			next := filepath.Join(folder(t, map[string]string{"new.yaml": sized(tc.cores)}), "new.yaml")
			got := with(t, nil, "", append([]string{"towpath", "diff", "-f", next, "--from-dir", dir}, tc.flags...)...)
			if !strings.Contains(got.out, tc.want) {
				t.Errorf("exit code %d; %q is missing in\n%s%s", got.code, tc.want, got.out, got.err)
			}
		})
	}
}

func TestDiff_OfNothing(t *testing.T) {
	dir := folder(t, map[string]string{"components.yaml": pathComponents})
	got := with(t, nil, pathTemplate, "towpath", "diff", "-f", filepath.Join(folder(t, map[string]string{"t.yaml": pathTemplate}), "t.yaml"), "--base", "-", "--from-dir", dir)
	if got.code != exitOK || !strings.Contains(got.out, "nothing changes") || !strings.Contains(got.out, "something changes in 0 of them") {
		t.Errorf("got %+v", got)
	}
}

func TestDiff_WhatCannotBeCompared(t *testing.T) {
	dir := folder(t, map[string]string{"components.yaml": pathComponents})
	file := func(content string) string {
		return filepath.Join(folder(t, map[string]string{"t.yaml": content}), "t.yaml")
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no file":                  {nil, exitTrouble, "name the file of a ServiceTemplate with -f"},
		"a file that is not there": {[]string{"-f", "/nowhere.yaml"}, exitTrouble, "nowhere.yaml"},
		"no template":              {[]string{"-f", filepath.Join(dir, "components.yaml")}, exitTrouble, "must hold one ServiceTemplate, and holds 0"},
		"no base":                  {[]string{"-f", file(pathTemplate), "--from-dir", dir}, exitTrouble, "the template small as it was is in none of the files"},
		"one that does not compile": {
			[]string{"-f", file(strings.Replace(pathTemplate, "${params.port}", "${params.prt}", 1)), "--base", file(pathTemplate), "--from-dir", dir}, exitFindings, "params.prt",
		},
		"another format": {[]string{"-f", file(pathTemplate), "-o", "html"}, exitTrouble, "must be one of json, yaml, markdown"},
	} {
		got := with(t, nil, "", append([]string{"towpath", "diff"}, c.args...)...)
		if got.code != c.code || !strings.Contains(got.err, c.want) {
			t.Errorf("%s: exit code %d, want %d; %q is missing in %q", name, got.code, c.code, c.want, got.err)
		}
	}
}

// runningSmall is the small path in a cluster, with a Component that follows it and has two Releases, and one that is pinned.
// The template comes first.
func runningSmall(t *testing.T) []client.Object {
	t.Helper()
	var st platformv1alpha1.ServiceTemplate
	if err := yaml.UnmarshalStrict([]byte(pathTemplate), &st); err != nil {
		t.Fatal(err)
	}
	st.Status.LatestRevision = &platformv1alpha1.RevisionReference{Name: "small-3", Number: 3}
	hash, err := template.Hash(&st.Spec)
	if err != nil {
		t.Fatal(err)
	}
	rev := &platformv1alpha1.ServiceTemplateRevision{
		ObjectMeta: metav1.ObjectMeta{Name: "small-3"},
		Spec:       platformv1alpha1.ServiceTemplateRevisionSpec{TemplateName: "small", Number: 3, Hash: hash, Template: template.Content(&st.Spec)},
	}
	follows := component("one")
	follows.Spec.TemplateRef.Name = "small"
	follows.Status.Environments = []platformv1alpha1.ComponentEnvironmentStatus{{Name: "dev", Release: "one-dev-2"}}
	pin := int64(2)
	pinned := component("two")
	pinned.Spec.TemplateRef = platformv1alpha1.TemplateReference{Name: "small", Revision: &pin}
	release := func(name string, number int64) *platformv1alpha1.Release {
		return &platformv1alpha1.Release{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: name},
			Spec: platformv1alpha1.ReleaseSpec{
				Number: number, Component: platformv1alpha1.ReleaseComponent{Name: "one", UID: "1"}, Template: "small",
				Environment: platformv1alpha1.ReleaseEnvironment{Name: "dev", UID: "2", Namespace: "shop-dev", Class: "development", Tier: platformv1alpha1.TierDevelopment},
				Revision:    platformv1alpha1.RevisionReference{Name: "small-3", Number: 3}, Image: "registry.example/one:1", Version: strings.Repeat("0", 16), Cause: platformv1alpha1.CauseImageChange,
				Team: "shop", CostCenter: "cc", PodSecurity: platformv1alpha1.PodSecurityRestricted,
				Inventory: []platformv1alpha1.ReleaseObject{{Resource: "web", APIVersion: "apps/v1", Kind: "Deployment", Name: "one"}},
			},
		}
	}
	return []client.Object{&st, rev, follows, pinned, release("one-dev-1", 1), release("one-dev-2", 2)}
}

func TestDiff_OfACluster(t *testing.T) {
	objects := runningSmall(t)
	changed := filepath.Join(folder(t, map[string]string{"t.yaml": strings.Replace(pathTemplate, "mode: a", "mode: b", 1)}), "t.yaml")
	got := towpath(t, objects, "diff", "-f", changed, "-o", "json")
	var report diff.Report
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != exitOK {
		t.Fatalf("%v\n%+v", err, got)
	}
	if report.Kind != diff.Kind || report.Following != 1 || report.Changed != 1 || report.Restarting != 0 || len(report.Cannot) > 0 ||
		len(report.Pinned) != 1 || report.Pinned[0] != "team-shop/two at 2" || len(report.Objects) != 1 || report.Objects[0].Places[0] != "team-shop/one in dev" {
		t.Errorf("got %s", got.out)
	}

	if got := towpath(t, objects[2:], "diff", "-f", changed); got.code != exitFindings || !strings.Contains(got.err, "the cluster has no ServiceTemplate small") {
		t.Errorf("without the template: %+v", got)
	}
}

// TestDiff_OfWhatBecomesExperimental has a breaking change make its template experimental: it counts what the newest revision was.
func TestDiff_OfWhatBecomesExperimental(t *testing.T) {
	experimental := strings.NewReplacer("  parameters:", "  maturity: Experimental\n  parameters:", "maximum: 65535", "maximum: 9000").Replace(pathTemplate)
	next := filepath.Join(folder(t, map[string]string{"t.yaml": experimental}), "t.yaml")
	for promised, code := range map[platformv1alpha1.Maturity]int{
		"": exitFindings, platformv1alpha1.MaturityStable: exitFindings, platformv1alpha1.MaturityExperimental: exitOK,
	} {
		objects := runningSmall(t)
		objects[1].(*platformv1alpha1.ServiceTemplateRevision).Status.Maturity = promised
		if got := towpath(t, objects, "diff", "-f", next); got.code != code || strings.Contains(got.out, "BREAKING") != (code != exitOK) {
			t.Errorf("from a revision that is %q: exit code %d\n%s%s", promised, got.code, got.out, got.err)
		}
	}

	dir := folder(t, map[string]string{"old.yaml": pathTemplate, "components.yaml": strings.ReplaceAll(pathComponents, "port: 9000", "port: 80")})
	if got := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir); got.code != exitFindings || !strings.Contains(got.out, "BREAKING") {
		t.Errorf("of files, from Stable: exit code %d\n%s%s", got.code, got.out, got.err)
	}
	dir = folder(t, map[string]string{"old.yaml": strings.Replace(pathTemplate, "  parameters:", "  maturity: Experimental\n  parameters:", 1), "components.yaml": pathComponents})
	if got := with(t, nil, "", "towpath", "diff", "-f", next, "--from-dir", dir); got.code != exitOK {
		t.Errorf("of files, from Experimental: exit code %d\n%s%s", got.code, got.out, got.err)
	}
}
