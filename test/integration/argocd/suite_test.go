// Package argocd_test shows how Releases are delivered by the real Argo CD: its repository server fetches from a real Git server, and its
// application controller applies, each as a process beside the control plane. They are built by make test-argocd; where they are not there,
// the suite is skipped.
package argocd_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
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
	"github.com/towpath-dev/towpath/test/framework"
	"github.com/towpath-dev/towpath/test/framework/gitdelivery"
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
	world   *gitdelivery.World
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
	world = gitdelivery.Start(ctx, password)
	cluster, admin, server = world.Cluster, world.Admin, world.Server
	installArgoCD(ctx)
	installOverlay(ctx)
	startArgoCD(ctx)
	world.Run(ctx, nil)
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

// place is one whose classes have Argo CD deliver.
type place struct{ *gitdelivery.Place }

// newPlace makes one whose class names an account that Argo CD applies as; its own, if none is given.
func newPlace(ctx context.Context, account ...platformv1alpha1.DeliveryAccount) *place {
	GinkgoHelper()
	return &place{world.NewPlace(ctx, platformv1alpha1.GitDelivery{
		AppliedBy:  append(account, deliverer)[0],
		Reconciler: &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerArgoCD, Namespace: namespace, Project: project},
	})}
}

// application is that of the Component in dev.
func (p *place) application(ctx context.Context) *unstructured.Unstructured {
	GinkgoHelper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("argoproj.io/v1alpha1")
	list.SetKind("ApplicationList")
	Eventually(ctx, func(ctx context.Context) ([]unstructured.Unstructured, error) {
		err := admin.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{
			platformv1alpha1.LabelTeam: p.Team, platformv1alpha1.LabelComponent: p.Component.Name, platformv1alpha1.LabelEnvironment: "dev"})
		return list.Items, err
	}).Should(HaveLen(1))
	return &list.Items[0]
}

// patch changes the Application of the Component, as people do.
func (p *place) patch(ctx context.Context, text string) {
	GinkgoHelper()
	Expect(admin.Patch(ctx, p.application(ctx), client.RawPatch(types.MergePatchType, []byte(text)))).To(Succeed())
}
