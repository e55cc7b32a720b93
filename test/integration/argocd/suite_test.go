// Package argocd_test shows how Releases are delivered by the real Argo CD: its repository server fetches from a real Git server, and its
// application controller applies, each as a process beside the control plane. They are built by make test-argocd; where they are not there,
// the suite is skipped.
package argocd_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/hack/process"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	// required makes the absence of the program a failure.
	required  = "TOWPATH_ARGOCD_REQUIRED"
	password  = "s3cr3t-t0ken"
	namespace = "argocd"
	// program holds all of Argo CD that runs here: see hack/argocd.
	program = "argocd"
	project = "deliveries"
)

// deliverer is the account that Argo CD applies as.
var deliverer = platformv1alpha1.DeliveryAccount{Namespace: namespace, Name: "argocd-application-controller"}

var (
	cluster *framework.Cluster
	admin   client.Client
	server  *gittest.Server
)

func TestArgoCD(t *testing.T) {
	if _, err := process.Built(program); err != nil && os.Getenv(required) == "" {
		t.Skipf("%v (make test-argocd does)", err)
	}
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Argo CD")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	server, err = gittest.Start(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Close)
	server.SetPassword(password)
	cluster, err = framework.Start(ctx, framework.Options{Nodes: 1, Log: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	cluster.Configure = func(c *manager.Configuration) {
		c.Delivery = manager.DeliveryConfiguration{AllowedHosts: []string{"127.0.0.0/8"}, PlainHTTP: true}
	}
	installArgoCD(ctx)
	installOverlay(ctx)
	startArgoCD(ctx)
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(admin.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: platformv1alpha1.DeliverySecret},
		StringData: map[string]string{"deploy": "repository: " + server.Server.URL + "\nusername: " + gittest.Username + "\npassword: " + password},
	})).To(Succeed())
})

// installArgoCD makes what the module of Argo CD has for its installation, as far as what runs here needs it, an AppProject, and the
// credentials that Argo CD reads all repositories of the server with.
func installArgoCD(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	manifests := filepath.Join(module(), "manifests")
	for _, folder := range []string{"crds", "base/config", "base/application-controller-roles", "cluster-rbac/application-controller"} {
		files, err := filepath.Glob(filepath.Join(manifests, filepath.FromSlash(folder), "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty(), folder)
		for _, file := range files {
			if filepath.Base(file) != "kustomization.yaml" {
				create(ctx, file, nil)
			}
		}
	}
	for _, kind := range []string{"Application", "AppProject"} {
		Eventually(ctx, func(ctx context.Context) error {
			return admin.Get(ctx, types.NamespacedName{Namespace: namespace, Name: "none"}, object(kind))
		}).Should(Satisfy(apierrors.IsNotFound), "the kind is served")
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "argocd-secret"}}
	Expect(admin.Patch(ctx, secret, client.RawPatch(types.MergePatchType, []byte(`{"stringData":{"server.secretkey":"of-a-test"}}`)))).To(Succeed(), "Argo CD's API server makes it")
	deliveries := object("AppProject")
	deliveries.SetNamespace(namespace)
	deliveries.SetName(project)
	deliveries.Object["spec"] = map[string]any{
		"sourceRepos":  []any{server.Server.URL + "/*"},
		"destinations": []any{map[string]any{"server": "https://kubernetes.default.svc", "namespace": "t*"}},
	}
	Expect(admin.Create(ctx, deliveries)).To(Succeed())
	Expect(admin.Create(ctx, credentials("all", "repo-creds", server.Server.URL, password))).To(Succeed())
	teach(ctx)
}

// credentials is a Secret by which Argo CD knows a repository, or all below an address.
func credentials(name, kind, url, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"argocd.argoproj.io/secret-type": kind}},
		StringData: map[string]string{"type": "git", "url": url, "username": gittest.Username, "password": password},
	}
}

// installOverlay applies the Role and the policy of the overlay. As a platform team does, it names its own repositories and AppProject in it.
func installOverlay(ctx context.Context) {
	GinkgoHelper()
	named := strings.NewReplacer(`name: repositories
    expression: "[]"`, `name: repositories
    expression: "['`+server.Server.URL+`']"`, `name: projects
    expression: "[]"`, `name: projects
    expression: "['`+project+`']"`)
	for _, file := range []string{"role.yaml", "policy.yaml"} {
		create(ctx, "../../../config/overlays/argocd/"+file, named)
	}
	unlabelled := object("Application")
	unlabelled.SetNamespace(namespace)
	unlabelled.SetName("unlabelled")
	unlabelled.Object["spec"] = map[string]any{"project": project, "destination": map[string]any{}}
	Eventually(ctx, func(ctx context.Context) error {
		return cluster.ManagerClient.Create(ctx, unlabelled.DeepCopy(), client.DryRunAll)
	}).Should(MatchError(ContainSubstring("towpath-delivery-")), "policies take a moment")
}

// module is where the module of Argo CD is, which hack/argocd pins.
func module() string {
	GinkgoHelper()
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/argoproj/argo-cd/v3")
	list.Dir = filepath.FromSlash("../../../hack/argocd")
	list.Env = append(os.Environ(), "GOWORK=off")
	out, err := list.Output()
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(string(out))
}

// create makes all objects of a file, with what is changed in it. What names no namespace is of Argo CD's.
func create(ctx context.Context, file string, change *strings.Replacer) {
	GinkgoHelper()
	text, err := os.ReadFile(file) //nolint:gosec // of this repository, or of a module
	Expect(err).NotTo(HaveOccurred())
	if change != nil {
		text = []byte(change.Replace(string(text)))
	}
	objects, err := install.Read(strings.NewReader(string(text)))
	Expect(err).NotTo(HaveOccurred(), file)
	for _, o := range objects {
		namespaced, err := admin.IsObjectNamespaced(o)
		Expect(err).NotTo(HaveOccurred(), file)
		if namespaced && o.GetNamespace() == "" {
			o.SetNamespace(namespace)
		}
		if subjects, found, _ := unstructured.NestedSlice(o.Object, "subjects"); found && o.GetKind() == "RoleBinding" && namespaced {
			for _, subject := range subjects {
				if s := subject.(map[string]any); s["namespace"] == nil {
					s["namespace"] = namespace
				}
			}
			Expect(unstructured.SetNestedSlice(o.Object, subjects, "subjects")).To(Succeed())
		}
		Expect(admin.Create(ctx, o)).To(Succeed(), file)
	}
}

func object(kind string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("argoproj.io/v1alpha1")
	u.SetKind(kind)
	return u
}

// place is what one spec works with: a repository, a class that has Argo CD deliver from it, and a team with an environment, dev.
type place struct {
	repository              *gittest.Repository
	name, team, home, class string
	namespace               string
	account                 platformv1alpha1.DeliveryAccount
	component               *platformv1alpha1.Component
	template                *platformv1alpha1.ServiceTemplate
}

// newPlace makes one whose class names an account that Argo CD applies as; its own, if none is given.
func newPlace(ctx context.Context, account ...platformv1alpha1.DeliveryAccount) *place {
	GinkgoHelper()
	p := &place{team: framework.Name("t"), name: framework.Name("r"), class: framework.Name("class-"), account: deliverer}
	if len(account) > 0 {
		p.account = account[0]
	}
	var err error
	p.repository, err = gittest.New(ctx, server.Root, p.name)
	Expect(err).NotTo(HaveOccurred())
	p.git(ctx, "config", "http.receivepack", "true")
	_, err = p.repository.Push(ctx, "main", gittest.Change{Files: map[string]string{"README.md": "Deliveries."}, Message: "First"})
	Expect(err).NotTo(HaveOccurred())
	Expect(admin.Create(ctx, p.byGit(p.class, platformv1alpha1.TierDevelopment))).To(Succeed())
	home := framework.TeamNamespace(p.team)
	p.home, p.namespace = home.Name, p.team+"-dev"
	Expect(admin.Create(ctx, home)).To(Succeed())
	p.environment(ctx, "dev", p.class)
	return p
}

// byGit is a class that has Argo CD deliver from the repository.
func (p *place) byGit(name string, tier platformv1alpha1.Tier) *platformv1alpha1.EnvironmentClass {
	class := framework.Class(name, tier)
	class.Spec.Delivery = &platformv1alpha1.Delivery{Mode: platformv1alpha1.DeliveryGit, Git: &platformv1alpha1.GitDelivery{
		URL: server.URL(p.name), CredentialsKey: "deploy", AppliedBy: p.account,
		Reconciler: &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerArgoCD, Namespace: namespace, Project: project},
	}}
	return class
}

func (p *place) environment(ctx context.Context, name, class string) {
	GinkgoHelper()
	environment := framework.Environment(p.home, name, class)
	Expect(admin.Create(ctx, environment)).To(Succeed())
	Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
}

// deploy makes a Component of a template of these resources.
func (p *place) deploy(ctx context.Context, name string, resources ...platformv1alpha1.ResourceTemplate) {
	GinkgoHelper()
	p.template = framework.Template(framework.Name("template-"), resources...)
	p.template.Spec.Parameters = framework.JSON(`{type: object, properties: {extra: {type: boolean, default: true}}}`)
	Expect(admin.Create(ctx, p.template)).To(Succeed())
	Eventually(ctx, framework.Read(admin, p.template)).Should(framework.BeReady())
	p.component = framework.Component(p.home, name, p.template.Name, "dev")
	Expect(admin.Create(ctx, p.component)).To(Succeed())
}

// image gives the Component another one.
func (p *place) image(ctx context.Context, image string) {
	GinkgoHelper()
	change(ctx, p.component, func(c *platformv1alpha1.Component) { c.Spec.Image = image })
}

// git runs git in the bare repository.
func (p *place) git(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := p.repository.Git(ctx, append([]string{"-C", p.repository.Bare()}, args...)...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// release is the Release of that number in dev.
func (p *place) release(number int64) *platformv1alpha1.Release { return p.releaseIn("dev", number) }

func (p *place) releaseIn(environment string, number int64) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: p.home, Name: promotion.ReleaseName(p.component.Name, environment, number)}}
}

func (p *place) configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name}}
}

// writes are what was written to an object of that name in the namespace of the Environment.
func (p *place) writes(name string) framework.Audit {
	GinkgoHelper()
	audit, err := cluster.Audit()
	Expect(err).NotTo(HaveOccurred())
	return slices.DeleteFunc(audit.About(name).Succeeded(), func(r framework.Request) bool { return r.Namespace != p.namespace || r.DryRun })
}

// application is that of the Component in dev.
func (p *place) application(ctx context.Context) *unstructured.Unstructured {
	GinkgoHelper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("argoproj.io/v1alpha1")
	list.SetKind("ApplicationList")
	Eventually(ctx, func(ctx context.Context) ([]unstructured.Unstructured, error) {
		err := admin.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{
			platformv1alpha1.LabelTeam: p.team, platformv1alpha1.LabelComponent: p.component.Name, platformv1alpha1.LabelEnvironment: "dev"})
		return list.Items, err
	}).Should(HaveLen(1))
	return &list.Items[0]
}

// patch changes the Application of the Component, as people do.
func (p *place) patch(ctx context.Context, text string) {
	GinkgoHelper()
	Expect(admin.Patch(ctx, p.application(ctx), client.RawPatch(types.MergePatchType, []byte(text)))).To(Succeed())
}

// change changes the Component, or its template.
func change[T client.Object](ctx context.Context, o T, with func(T)) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		live, err := framework.Read(admin, o)(ctx)
		if err != nil {
			return err
		}
		with(live)
		return admin.Update(ctx, live)
	}).Should(Succeed())
}
