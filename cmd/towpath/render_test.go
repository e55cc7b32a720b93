package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

const uid = "5b9c1c1e-7a5e-4d0c-9d0a-3f1f6f2f7a11"

func TestRenderPrintsObjectsAsTheyAreApplied(t *testing.T) {
	expect(t, offlineCall(t, "", "render", "-f", "testdata/component.yaml,testdata/team.yaml", "--templates", "testdata/template.yaml",
		"--owner-uid", uid, "--label-alias", "owner=platform.towpath.dev/team"), exitOK, `
---
# component hello, environment prod, resource config
apiVersion: v1
data:
  greeting: good morning, shop
  image: registry.example/shop/hello:1.0.0
  size: "1"
  tier: Production
kind: ConfigMap
metadata:
  labels:
    app.kubernetes.io/instance: hello-prod
    app.kubernetes.io/managed-by: towpath
    app.kubernetes.io/name: hello
    app.kubernetes.io/part-of: shop
    app.kubernetes.io/version: 1.0.0
    owner: shop
    platform.towpath.dev/component: hello
    platform.towpath.dev/cost-center: cc-4711
    platform.towpath.dev/environment: prod
    platform.towpath.dev/owner-uid: `+uid+`
    platform.towpath.dev/team: shop
    platform.towpath.dev/template: settings
    platform.towpath.dev/tier: Production
  name: hello
  namespace: shop-prod
`, "")
}

func TestRenderSaysWhatItHadToAssume(t *testing.T) {
	got := offlineCall(t, "", "render", "-f", "testdata/component.yaml", "--templates", "testdata/template.yaml", "--tier", "Staging")
	if got.code != exitOK || !strings.Contains(got.out, "tier: Staging\n") || !strings.Contains(got.out, "namespace: unknown-prod\n") {
		t.Errorf("got %+v", got)
	}
	if want := `note: not told, so assumed: cost centre (give --cost-center, the Team, or the Namespace with its labels)
note: not told, so assumed: no label aliases (give --label-alias as the manager has it, if it has any)
note: not told, so assumed: team (give --team, the Team, or the Namespace with its labels)
`; got.err != want {
		t.Errorf("got %s", got.err)
	}
}

func TestRenderRefusesWhatItCannotDo(t *testing.T) {
	expect(t, offlineCall(t, "", "render"), exitTrouble, "", `
towpath: name a file or a folder with -f
next: towpath render --help
`)
	expect(t, offlineCall(t, "", "render", "-f", "-", "--tier", "Gold"), exitTrouble, "", `
towpath: --tier "Gold": must be one of Development, Staging, Production, Preview
next: towpath render --help
`)
	expect(t, offlineCall(t, "", "render", "-f", "-", "--capabilities", "HTTPRoute"), exitTrouble, "", `
towpath: --capabilities "HTTPRoute": must be group/version/Kind, such as gateway.networking.k8s.io/v1/HTTPRoute
next: towpath render --help
`)
	files := []string{"render", "-f", "testdata/component.yaml", "--templates", "testdata/template.yaml"}
	expect(t, offlineCall(t, "", append(files, "helo")...), exitFindings, "", `
towpath: the files have no Component "helo"; they have hello
next: name one of them, or leave the name out
`)
	expect(t, offlineCall(t, "", append(files, "-e", "dev")...), exitFindings, "", `
towpath: the files have no Component in environment dev
next: leave -e out to see all environments
`)
	got := offlineCall(t, "", "render", "-f", "testdata/wrong.yaml", "--templates", "testdata/template.yaml", "one", "-e", "prod")
	if got.code != exitFindings || got.out != "" || !strings.Contains(got.err, "wrong.yaml:9: Component/one: spec.parameters.size: Invalid value: 12") {
		t.Errorf("got %+v", got)
	}
}

// webService is the golden path and its compiled form.
func webService(t *testing.T) (*platformv1alpha1.ServiceTemplate, *template.Template) {
	t.Helper()
	for _, object := range config.Catalog() {
		if object.GetName() != "web-service" {
			continue
		}
		found := &platformv1alpha1.ServiceTemplate{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, found); err != nil {
			t.Fatal(err)
		}
		compiled, _, errs := template.Compile(&found.Spec, nil)
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		return found, compiled
	}
	t.Fatal("the catalogue has no web-service")
	return nil, nil
}

// The controller makes a Release, and renders that: so does this test, for a Component of the
// samples. The CLI must print the same, from the Component's file and from the Release.
func TestRenderGivesTheSameBytesAsTheController(t *testing.T) {
	path, compiled := webService(t)
	release := &platformv1alpha1.Release{
		TypeMeta:   metav1.TypeMeta{APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "Release"},
		ObjectMeta: metav1.ObjectMeta{Name: "checkout-prod-7", Namespace: "team-shop"},
		Spec: platformv1alpha1.ReleaseSpec{
			Number: 7, Component: platformv1alpha1.ReleaseComponent{Name: "checkout", UID: uid},
			Environment: platformv1alpha1.ReleaseEnvironment{Name: "prod", UID: "e", Namespace: "shop-prod", Class: "production", Tier: platformv1alpha1.TierProduction},
			Template:    "web-service", Revision: platformv1alpha1.RevisionReference{Name: "web-service-1", Number: 1},
			Version: "abc", Cause: platformv1alpha1.CausePromotion, Image: "registry.example/shop/checkout:1.4.2",
			Commit: &platformv1alpha1.Commit{SHA: "3f2c81d07be94a5566f1e2d3c4b5a69788796a5b"},
			Parameters: &apiextensionsv1.JSON{Raw: []byte(
				`{"replicas":{"min":4,"max":20},"shutdown":{"drainSeconds":60},"resources":{"cpu":"500m","memory":"512Mi"}}`)},
			Env: []platformv1alpha1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}, {Name: "CATALOGUE_URL", Value: "http://catalogue"}},
			SecretEnv: []platformv1alpha1.SecretEnvVar{
				{Name: "PAYMENT_API_KEY", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "payments", Key: "api-key"}},
			},
			Team: "shop", CostCenter: "cc-4711", PodSecurity: platformv1alpha1.PodSecurityRestricted,
			Inventory: []platformv1alpha1.ReleaseObject{{Resource: "service", APIVersion: "v1", Kind: "Service", Name: "checkout"}},
		},
	}
	objects, err := render.Release(compiled, release)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, object := range objects {
		data, err := json.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(data))
	}
	revision := &platformv1alpha1.ServiceTemplateRevision{
		TypeMeta:   metav1.TypeMeta{APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "ServiceTemplateRevision"},
		ObjectMeta: metav1.ObjectMeta{Name: "web-service-1"},
		Spec: platformv1alpha1.ServiceTemplateRevisionSpec{
			TemplateName: "web-service", Number: 1, Hash: strings.Repeat("0", 64), Template: path.Spec,
		},
	}
	list, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{release, revision}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		got  call
		told string
	}{
		"from the Component": {offlineCall(t, "", "render", "-f", "../../config/samples", "checkout", "-e", "prod", "--owner-uid", uid, "-o", "json"),
			"note: not told, so assumed: no label aliases (give --label-alias as the manager has it, if it has any)\n"},
		// A Release tells its label aliases.
		"from the Release": {offlineCall(t, string(list), "render", "-f", "-", "-o", "json"), ""},
	} {
		got := c.got
		if got.code != exitOK || got.err != c.told {
			t.Errorf("%s: %d: %s", name, got.code, got.err)
		}
		var printed struct{ Items []json.RawMessage }
		if err := json.Unmarshal([]byte(got.out), &printed); err != nil {
			t.Fatal(err)
		}
		if len(printed.Items) != len(want) {
			t.Fatalf("%s: %d objects, want %d", name, len(printed.Items), len(want))
		}
		for i := range want {
			if compact := compacted(t, printed.Items[i]); compact != want[i] {
				t.Errorf("%s:\ngot  %s\nwant %s", name, compact, want[i])
			}
		}
	}
}

// compacted undoes the indentation.
func compacted(t *testing.T, data json.RawMessage) string {
	t.Helper()
	compact, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return string(compact)
}

func TestRenderTakesOutputsFromTheFiles(t *testing.T) {
	files := []string{"render", "-f", "testdata/uses/components.yaml,testdata/team.yaml", "shop"}
	got := offlineCall(t, "", files...)
	for _, want := range []string{"host: orders-db.shop-prod\n", "variables: DB_HOST\n", "connections: orders-db 5432\n"} {
		if got.code != exitOK || !strings.Contains(got.out, want) {
			t.Errorf("want %q, got %+v", want, got)
		}
	}
	if lint := offlineCall(t, "", "lint", "testdata/uses/components.yaml", "testdata/team.yaml"); lint.code != exitOK {
		t.Errorf("got %+v", lint)
	}
}

func TestCirclesAndMissingProvidersAreFoundInFiles(t *testing.T) {
	data, err := os.ReadFile("testdata/uses/components.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	alone, _, _ := strings.Cut(text, "---\napiVersion: platform.towpath.dev/v1alpha1\nkind: Component\nmetadata: {name: orders-db")
	got := offlineCall(t, alone, "render", "-f", "-")
	if want := "note: not told, so assumed: what orders-db gives as db (add the file of Component orders-db)"; got.code != exitOK || !strings.Contains(got.err, want) || !strings.Contains(got.out, "host: none\n") {
		t.Errorf("want %q, got %+v", want, got)
	}
	got = offlineCall(t, alone, "lint", "-")
	if want := "what it becomes in prod is not checked, for lack of what orders-db gives as db"; got.code != exitOK || !strings.Contains(got.out, want) {
		t.Errorf("want %q, got %+v", want, got)
	}
	circle := text[:len(text)-1] + "\n  uses: [{component: shop}]\n"
	for _, verb := range [][]string{{"lint", "-"}, {"render", "-f", "-"}} {
		got = offlineCall(t, circle, verb...)
		if want := "components must not use each other in a circle: shop -> orders-db -> shop"; got.code != exitFindings || !strings.Contains(got.out+got.err, want) {
			t.Errorf("%s: want %q, got %+v", verb[0], want, got)
		}
	}
}
