// Package docs_test applies every YAML of the documentation, as its readers do: to a real API server, with the kinds,
// policies and webhooks of Towpath, and waits for what the controllers say of it.
//
// Each page is a spec, and its blocks are applied in their order. A block that is not to be applied as it stands says so by a
// comment right above it, which readers do not see; there are four:
//
//	<!-- yaml: part of Component -->          some fields for the Component that the page showed last: these are merged into it,
//	                                          below spec unless the block has spec itself
//	<!-- yaml: by bob@shop.example -->        made by this user
//	<!-- yaml: file of kustomize -->          a file of a tool, or of the manager: no object. See files
//	<!-- yaml: shown -->                      output of a command that holds YAML, and leaves some of it out
package docs_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/supplychain/signtest"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	root = "../../.."
	// approvers is a group that everybody is in whom a page names as the author of an object.
	approvers = "approvers"
)

var (
	cluster *framework.Cluster
	admin   client.Client

	// The pages name dates, which must not pass while they are tested.
	today = testingclock.NewFakePassiveClock(time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC))
)

func TestDocs(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Docs")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter, Clock: today})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	trusted := filepath.Join(GinkgoT().TempDir(), "trusted_root.json")
	Expect(os.WriteFile(trusted, signtest.NewSigstore().Root(false), 0o600)).To(Succeed())
	cluster.Configure = func(c *manager.Configuration) {
		c.History.SQLite = filepath.Join(cluster.Dir, "history.db")
		// Without it no class may list identities, as a page does.
		c.SupplyChain.TrustedRootFile = trusted
	}
	// What golden paths and pages name of others. These are there before the manager, which finds them when it starts.
	for _, kind := range [][2]string{{"cert-manager.io", "Certificate"}, {"keda.sh", "ScaledObject"}, {"postgresql.cnpg.io", "Cluster"}} {
		Expect(admin.Create(ctx, definition(kind[0], kind[1]))).To(Succeed())
	}
	Expect(cluster.StartManager(ctx)).To(Succeed())
	world(ctx)
})

// world is what the pages take for granted: the catalogue, team shop with an environment of each class, and team hello with
// dev. Applied again, it mends what a page changed of it.
func world(ctx context.Context) {
	GinkgoHelper()
	Expect(install.Catalog(ctx, admin, config.Manifests{})).To(Succeed())
	objects := parse(`
apiVersion: platform.towpath.dev/v1alpha1
kind: Team
metadata: {name: shop, labels: {on-call: "yes"}}
spec:
  costCenter: cc-4711
  members: [{kind: User, name: ada@shop.example, role: Owner}]
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Team
metadata: {name: hello}
spec:
  costCenter: cc-1000
  members: [{kind: User, name: ada@hello.example, role: Owner, emails: [ada@hello.example]}]
`)
	for _, environment := range []struct{ team, name, class string }{
		{"shop", "dev", "development"}, {"shop", "staging", "staging"}, {"shop", "prod", "production"}, {"hello", "dev", "development"},
	} {
		objects = append(objects, parse(`
apiVersion: platform.towpath.dev/v1alpha1
kind: Environment
metadata: {name: `+environment.name+`, namespace: team-`+environment.team+`}
spec: {classRef: {name: `+environment.class+`}}
`)...)
	}
	for _, object := range objects {
		Eventually(ctx, func() error { return install.Apply(ctx, admin, object) }).Should(Succeed(), "its namespace is made by its Team")
	}
	for _, object := range objects {
		Eventually(ctx, func() (client.Object, error) { return typed(ctx, object) }).Should(framework.BeReady())
	}
	mayApprove(ctx)
}

// mayApprove gives approvers what a platform team gives them.
func mayApprove(ctx context.Context) {
	GinkgoHelper()
	Expect(client.IgnoreAlreadyExists(admin.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "approvers"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "towpath-approver"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: approvers}},
	}))).To(Succeed())
}

// definition defines a kind of others, whose objects may hold anything.
func definition(group, kind string) *apiextensionsv1.CustomResourceDefinition {
	keep := true
	crd := framework.CRD(group, kind)
	schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	schema.Properties["spec"] = apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &keep}
	if group == "keda.sh" {
		crd.Spec.Versions[0].Name = "v1alpha1"
	}
	return crd
}

// pages are all that a reader finds.
func pages() []string {
	var found []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "config/catalog/*.md", "config/catalog/*/*.md", "hack/*/*.md"} {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		Expect(err).NotTo(HaveOccurred())
		found = append(found, matches...)
	}
	return found
}

func text(path string) string {
	GinkgoHelper()
	data, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}

// onItsWay are those of a Component that a page may show: it is on its way, or there.
var onItsWay = []string{platformv1alpha1.ReasonReady, platformv1alpha1.ReasonProgressing, platformv1alpha1.ReasonWaitingForProvider, platformv1alpha1.ReasonWaitingForBuild}
