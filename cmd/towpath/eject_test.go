package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
)

// ejectable is a Component with a Release in dev, and what that was rendered from.
func ejectable(t *testing.T, cause platformv1alpha1.Cause) []client.Object {
	t.Helper()
	path, _ := webService(t)
	revision := &platformv1alpha1.ServiceTemplateRevision{ObjectMeta: metav1.ObjectMeta{Name: "web-service-1"}}
	revision.Spec.TemplateName, revision.Spec.Number, revision.Spec.Template = "web-service", 1, path.Spec
	c := component("checkout")
	c.UID = uid
	release := &platformv1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "checkout-dev-1"},
		Spec: platformv1alpha1.ReleaseSpec{
			Number: 1, Template: "web-service", Revision: platformv1alpha1.RevisionReference{Name: "web-service-1", Number: 1}, Cause: cause,
			Component: platformv1alpha1.ReleaseComponent{Name: "checkout", UID: uid}, Image: c.Spec.Image, Team: "shop", CostCenter: "cc-4711",
			LabelAliases: map[string]string{"owner": "platform.towpath.dev/team"},
			Environment: platformv1alpha1.ReleaseEnvironment{
				Name: "dev", Namespace: "shop-dev", Class: "development", Tier: platformv1alpha1.TierDevelopment,
			},
		},
	}
	return []client.Object{home(), revision, c, release}
}

func TestEjectWritesPlainManifestsAndChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	want := `
wrote 6 objects of 1 environment to ` + dir + `
letting go would take the labels and the ownership of Towpath off these objects, delete the Component team-shop/checkout,
and restart nothing; the objects run on, and Towpath ignores them
nothing was changed in the cluster; to go on: towpath eject checkout -n team-shop -o ` + dir + ` --yes
`
	objects := ejectable(t, platformv1alpha1.CauseImageChange)
	expect(t, towpath(t, objects, "eject", "checkout", "-o", dir), exitOK, want, "")
	expect(t, towpath(t, objects, "eject", "checkout", "-o", dir), exitOK, want, "") // the same files may stand there
	for file, want := range map[string]string{
		"kustomization.yaml":     "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- dev\n",
		"dev/kustomization.yaml": "- deployment-checkout.yaml\n",
		"dev/service-checkout.yaml": `metadata:
  labels:
    app.kubernetes.io/instance: checkout-dev
    app.kubernetes.io/name: checkout
    app.kubernetes.io/part-of: shop
    app.kubernetes.io/version: "1"
  name: checkout
  namespace: shop-dev
`,
		// The pods keep every label, or they would restart.
		"dev/deployment-checkout.yaml": `    metadata:
      labels:
        app.kubernetes.io/instance: checkout-dev
        app.kubernetes.io/managed-by: towpath
        app.kubernetes.io/name: checkout
        app.kubernetes.io/part-of: shop
        app.kubernetes.io/version: "1"
        owner: shop
        platform.towpath.dev/component: checkout
`,
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, want %s in\n%s", file, err, want, text)
		}
	}
}

func TestEjectTakesWhatIsAsFoundFromTheCluster(t *testing.T) {
	documents, problems := manifest.Parse("test", []byte(`
apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  namespace: shop-dev
  uid: 1-2-3
  labels: {app: checkout, owner: shop, app.kubernetes.io/managed-by: Helm, platform.towpath.dev/team: shop, platform.towpath.dev/as-found: "true"}
  annotations: {mine: kept, deployment.kubernetes.io/revision: "3"}
spec: {selector: {matchLabels: {app: checkout}}, template: {metadata: {labels: {app: checkout}}, spec: {containers: [{name: web, image: "web:1"}]}}}
status: {replicas: 1}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	dir := t.TempDir()
	objects := append(ejectable(t, platformv1alpha1.CauseAdoption), documents[0].Object)
	for _, object := range objects {
		if release, ok := object.(*platformv1alpha1.Release); ok {
			release.Spec.Adopt = &platformv1alpha1.Adoption{Objects: []platformv1alpha1.AdoptedObject{{Resource: "deployment", Name: "checkout"}}}
		}
	}
	got := towpath(t, objects, "eject", "checkout", "-o", dir)
	if got.code != exitOK || !strings.HasPrefix(got.out, "wrote 1 object of 1 environment") {
		t.Fatalf("got %+v", got)
	}
	text, err := os.ReadFile(filepath.Join(dir, "dev", "deployment-checkout.yaml"))
	if want := `apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    mine: kept
  labels:
    app: checkout
    app.kubernetes.io/managed-by: Helm
    owner: shop
  name: checkout
  namespace: shop-dev
spec:
`; err != nil || !strings.HasPrefix(string(text), want) || strings.Contains(string(text), "status") {
		t.Errorf("%v, got\n%s", err, text)
	}
}

func TestEjectLetsGo(t *testing.T) {
	dir := t.TempDir()
	got := towpath(t, ejectable(t, platformv1alpha1.CauseImageChange), "eject", "checkout", "-o", dir, "--yes")
	for _, want := range []string{
		"component team-shop/checkout is gone; what it ran runs on, and is yours\n",
		"kubectl annotate namespace shop-dev platform.towpath.dev/keep=true\n",
	} {
		if got.code != exitOK || !strings.Contains(got.out, want) {
			t.Errorf("want %q in %+v", want, got)
		}
	}
}

func TestEjectRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, towpath(t, ejectable(t, platformv1alpha1.CauseImageChange), "eject", "checkout", "-o", dir, "--yes"), exitTrouble, "", `
towpath: `+dir+` is not empty: manifests of others could mix with these
next: name another folder with -o
`)
	expect(t, towpath(t, []client.Object{component("checkout")}, "eject", "checkout", "-o", dir), exitTrouble, "", `
towpath: component checkout runs in no environment: there is nothing to eject
next: towpath status -n team-shop checkout
`)
	expect(t, towpath(t, nil, "eject", "checkout", "-o", dir), exitTrouble, "", `
towpath: component "checkout" does not exist in namespace team-shop
next: towpath status -n team-shop
`)
}
