package upgrade_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/controlplane"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/hack/process"
	"github.com/towpath-dev/towpath/test/framework"
)

// site is a cluster in which one release after the other is installed.
type site struct {
	dir     string
	plane   *controlplane.ControlPlane
	admin   client.Client
	manager *process.Manager
	// costs says that the version it began with knows costs, so that the managers keep a history of them.
	costs bool
	// runs is the release whose manager runs, and since when.
	runs  release
	since time.Time
}

// configuration has the managers write every object anew all the time, so that one that renders anything else than the
// one before shows it at once, and not ten hours later.
const configuration = `apiVersion: config.platform.towpath.dev/v1alpha1
kind: ManagerConfiguration
reapplySeconds: 4
`

// newSite starts a cluster with nothing of Towpath in it.
func newSite(ctx context.Context) *site {
	GinkgoHelper()
	s := &site{dir: GinkgoT().TempDir()}
	var err error
	s.plane, err = controlplane.Start(ctx, controlplane.Options{Dir: s.dir, Nodes: 1, AuditLog: filepath.Join(s.dir, "audit.log")})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { Expect(s.plane.Stop(ctx)).To(Succeed()) })

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, platformv1alpha1.AddToScheme} {
		Expect(add(scheme)).To(Succeed())
	}
	s.admin, err = client.New(s.plane.AdminConfig(), client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())

	var webhook, probe int
	Expect(framework.FreePorts(&webhook, &probe)).To(Succeed())
	s.manager = &process.Manager{
		Dir: filepath.Join(s.dir, "manager"), Attached: true, Arguments: []string{"--config", s.configuration()},
		Ports: map[string]int{"webhook": webhook, "probe": probe},
	}
	s.makeVolumes(ctx)
	return s
}

func (s *site) configuration() string { return filepath.Join(s.dir, "configuration.yaml") }

// configure writes the managers' configuration. The oldest versions refuse what they do not know.
func (s *site) configure() {
	GinkgoHelper()
	text := configuration
	if s.costs {
		text += fmt.Sprintf("history: {sqlite: %q}\n", filepath.Join(s.dir, "history.db"))
	}
	Expect(os.WriteFile(s.configuration(), []byte(text), 0o600)).To(Succeed())
}

// makeVolumes makes what StatefulSets claim: nobody provisions volumes here.
func (s *site) makeVolumes(ctx context.Context) {
	GinkgoHelper()
	for i := range 6 {
		name := fmt.Sprintf("volume-%d", i)
		Expect(s.admin.Create(ctx, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeSpec{
				Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Ti")},
				AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/nowhere/" + name}},
			},
		})).To(Succeed())
	}
}

// install applies what a release is made of, but for its manager, over what is there.
func (s *site) install(ctx context.Context, r release) {
	GinkgoHelper()
	Expect(install.Towpath(ctx, s.admin, install.Options{WebhookURL: s.manager.WebhookURL(), Manifests: r.manifests})).To(Succeed())
}

// expectNoConflict says that kubectl apply --server-side, which forces nothing, could install a release over what is there.
func (s *site) expectNoConflict(ctx context.Context, r release) {
	GinkgoHelper()
	for _, objects := range [][]*unstructured.Unstructured{r.manifests.CRDs(), r.manifests.Namespaces(), r.manifests.RBAC(), r.manifests.Policies(), r.manifests.WebhookConfiguration()} {
		for _, o := range objects {
			if o.GetKind() == "Kustomization" {
				continue
			}
			err := s.admin.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("towpath-install"), client.DryRunAll)
			Expect(err).NotTo(HaveOccurred(), "%s %s", o.GetKind(), o.GetName())
		}
	}
}

// run has the manager of a release take the place of the one that runs.
func (s *site) run(ctx context.Context, r release) {
	GinkgoHelper()
	By("running the manager of " + r.name)
	Expect(s.manager.Stop(ctx)).To(Succeed())
	s.configure()
	s.manager.Binary, s.runs, s.since = r.manager, r, time.Now()
	Expect(s.manager.Start(ctx, s.plane)).To(Succeed())
}

// stop ends the manager.
func (s *site) stop(ctx context.Context) {
	GinkgoHelper()
	Expect(s.manager.Stop(ctx)).To(Succeed())
}

// begin installs a release, and makes everything in testdata/life with it.
func (s *site) begin(ctx context.Context, r release) {
	GinkgoHelper()
	s.costs = knowsCosts(r)
	s.install(ctx, r)
	s.run(ctx, r)
	DeferCleanup(s.stop)
	Expect(install.Catalog(ctx, s.admin, r.manifests)).To(Succeed())
	s.live(ctx)
	s.settle(ctx)
}

// tellOf shows after a spec that failed what the managers complained of: their log goes with the cluster.
func tellOf(s **site) func() {
	return func() {
		if *s == nil || !CurrentSpecReport().Failed() {
			return
		}
		lines := (*s).complaints()
		GinkgoWriter.Println(strings.Join(lines[max(0, len(lines)-100):], ""))
	}
}

// audit is what was written since the manager started that runs.
func (s *site) audit() (framework.Audit, error) {
	all, err := (&framework.Cluster{Dir: s.dir}).Audit()
	return all.Since(s.since), err
}
