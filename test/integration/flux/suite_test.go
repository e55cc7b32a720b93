// Package flux_test shows how Releases are delivered by the real controllers of Flux: source-controller fetches from a real Git server,
// and kustomize-controller applies, each as a process beside the control plane. They are built by make test-flux; where they are not
// there, the suite is skipped.
package flux_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/controlplane"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/hack/process"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/test/framework"
	"github.com/towpath-dev/towpath/test/framework/gitdelivery"
)

const (
	// required makes the absence of a controller a failure.
	required  = "TOWPATH_FLUX_REQUIRED"
	password  = "s3cr3t-t0ken"
	namespace = "flux-system"

	sourceController, kustomizeController = "source-controller", "kustomize-controller"
)

// deliverer is the account beside the Kustomizations that Flux acts as.
var deliverer = platformv1alpha1.DeliveryAccount{Namespace: namespace, Name: "deliverer"}

var (
	world   *gitdelivery.World
	cluster *framework.Cluster
	admin   client.Client
	server  *gittest.Server
)

func TestFlux(t *testing.T) {
	for _, name := range []string{sourceController, kustomizeController} {
		if _, err := process.Built(name); err != nil && os.Getenv(required) == "" {
			t.Skipf("%v (make test-flux does)", err)
		}
	}
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Flux")
}

var _ = BeforeSuite(func(ctx context.Context) {
	world = gitdelivery.Start(ctx, password)
	cluster, admin, server = world.Cluster, world.Admin, world.Server
	installFlux(ctx)
	world.Run(ctx, nil)
	for name, word := range map[string]string{"deploy": password, "expired": "no longer"} {
		Expect(admin.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: map[string]string{"username": gittest.Username, "password": word},
		})).To(Succeed())
	}
})

// installFlux makes what Flux needs of its own modules, the account of the classes, and the Role of the overlay; then it runs both controllers.
func installFlux(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	Expect(admin.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: deliverer.Namespace, Name: deliverer.Name}})).To(Succeed())
	create(ctx, "../../../config/overlays/flux/role.yaml")
	for _, name := range []string{"source", "kustomize"} {
		module := moduleOf(name)
		files, err := filepath.Glob(filepath.Join(module, "config", "crd", "bases", "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			create(ctx, file)
		}
	}
	for _, kind := range []string{"kustomize.toolkit.fluxcd.io/v1 Kustomization", "source.toolkit.fluxcd.io/v1 GitRepository"} {
		apiVersion, kind, _ := strings.Cut(kind, " ")
		Eventually(ctx, func(ctx context.Context) error {
			return admin.Get(ctx, types.NamespacedName{Namespace: namespace, Name: "none"}, object(apiVersion, kind))
		}).Should(Satisfy(apierrors.IsNotFound), "the kind is served")
	}

	dir := GinkgoT().TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	Expect(controlplane.WriteKubeconfig(kubeconfig, cluster.Plane.AdminConfig())).To(Succeed())
	var artifacts, health [2]int
	Expect(framework.FreePorts(&artifacts[0], &health[0], &health[1])).To(Succeed())
	at := func(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
	environment := []string{"KUBECONFIG=" + kubeconfig, "RUNTIME_NAMESPACE=" + namespace}
	for i, tool := range []*process.Tool{
		{Name: sourceController, Arguments: []string{"--storage-path=" + filepath.Join(dir, "artifacts"), "--storage-addr=" + at(artifacts[0]), "--storage-adv-addr=" + at(artifacts[0])}},
		{Name: kustomizeController},
	} {
		tool.Arguments = append(tool.Arguments, "--metrics-addr=0", "--health-addr="+at(health[i]), "--log-level=debug")
		tool.Environment, tool.Dir, tool.Ready = environment, dir, "http://"+at(health[i])+"/readyz"
		if i == 0 {
			Expect(os.Mkdir(filepath.Join(dir, "artifacts"), 0o750)).To(Succeed())
		}
		Expect(tool.Start(ctx)).To(Succeed())
		DeferCleanup(tool.Stop)
		DeferCleanup(func() {
			log, err := os.ReadFile(tool.Log())
			Expect(err).NotTo(HaveOccurred())
			AddReportEntry(tool.Name, string(log), ReportEntryVisibilityNever)
			if kept := os.Getenv("TOWPATH_LOGS"); kept != "" {
				Expect(os.WriteFile(filepath.Join(kept, tool.Name+".log"), log, 0o600)).To(Succeed())
			}
		})
	}
}

// moduleOf is where the module of a controller of Flux is, which hack/flux pins.
func moduleOf(name string) string {
	GinkgoHelper()
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/fluxcd/"+name+"-controller") //nolint:gosec // one of two names
	list.Dir = filepath.FromSlash("../../../hack/flux/" + name)
	list.Env = append(os.Environ(), "GOWORK=off")
	out, err := list.Output()
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(string(out))
}

// create makes all objects of a file.
func create(ctx context.Context, file string) {
	GinkgoHelper()
	text, err := os.Open(file) //nolint:gosec // of this repository, or of a module
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = text.Close() }()
	objects, err := install.Read(text)
	Expect(err).NotTo(HaveOccurred(), file)
	for _, o := range objects {
		Expect(admin.Create(ctx, o)).To(Succeed(), file)
	}
}

func object(apiVersion, kind string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	return u
}

// place is one whose class has Flux deliver.
type place struct{ *gitdelivery.Place }

// newPlace makes one whose repository Flux reads with a Secret.
func newPlace(ctx context.Context, secret string) *place {
	GinkgoHelper()
	p := &place{world.NewPlace(ctx, platformv1alpha1.GitDelivery{
		AppliedBy:  deliverer,
		Reconciler: &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerFlux, Namespace: namespace, SecretName: secret},
	})}
	for _, role := range []string{"towpath-applier", "view"} { // as docs/gitops.md says
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "deliverer-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: deliverer.Namespace, Name: deliverer.Name}},
		})).To(Succeed())
	}
	return p
}

// kustomization is that of the Component.
func (p *place) kustomization(ctx context.Context) *unstructured.Unstructured {
	GinkgoHelper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("kustomize.toolkit.fluxcd.io/v1")
	list.SetKind("KustomizationList")
	Eventually(ctx, func(ctx context.Context) ([]unstructured.Unstructured, error) {
		err := admin.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{
			platformv1alpha1.LabelTeam: p.Team, platformv1alpha1.LabelComponent: p.Component.Name})
		return list.Items, err
	}).Should(HaveLen(1))
	return &list.Items[0]
}
