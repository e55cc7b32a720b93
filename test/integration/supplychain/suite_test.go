// Package supplychain_test shows on a real cluster, with a real registry, that only proven images enter environments of a class that
// asks for proofs.
package supplychain_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/supplychain/signtest"
	"github.com/towpath-dev/towpath/test/framework"
)

const home = "team-shop"

var (
	cluster *framework.Cluster
	admin   client.Client
	// host is the registry, asked are the paths of the requests that it got, and away says that it answers none.
	host    string
	counted sync.Mutex
	asked   []string
	away    atomic.Bool
	// ci is the key of the platform, other is one that nobody knows.
	ci, other = signtest.New(), signtest.New()
	// sigstore gives certificates that the manager trusts.
	sigstore = signtest.NewSigstore()
)

func TestSupplyChain(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Supply chain")
}

var _ = BeforeSuite(func(ctx context.Context) {
	images := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			http.Error(w, "token=s3cr3t", http.StatusServiceUnavailable)
			return
		}
		counted.Lock()
		asked = append(asked, r.URL.Path)
		counted.Unlock()
		images.ServeHTTP(w, r)
	}))
	DeferCleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "http://")
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter, AskAgain: 200 * time.Millisecond})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	root := filepath.Join(GinkgoT().TempDir(), "trusted_root.json")
	Expect(os.WriteFile(root, sigstore.Root(false), 0o600)).To(Succeed())
	cluster.Configure = func(c *manager.Configuration) {
		c.SupplyChain.TrustedRootFile = root
		c.Registries = manager.RegistriesConfiguration{AllowedHosts: []string{"127.0.0.0/8"}}
	}
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(admin.Create(ctx, framework.TeamNamespace("shop"))).To(Succeed())
	Expect(admin.Create(ctx, framework.Template("web", job("")))).To(Succeed())
	Expect(admin.Create(ctx, framework.Template("meshed", job(host+"/mesh/proxy:1")))).To(Succeed())
})

// job makes a CronJob that never runs, with a container beside that of the Component where it gets an image for one.
func job(beside string) platformv1alpha1.ResourceTemplate {
	containers := `{name: app, image: "${release.image}", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}`
	if beside != "" {
		containers += ", " + strings.NewReplacer("app", "beside", "${release.image}", beside).Replace(containers)
	}
	return framework.Resource("job", `
apiVersion: batch/v1
kind: CronJob
metadata: {name: "${component.name}"}
spec:
  schedule: "0 0 1 1 *"
  suspend: true
  jobTemplate:
    spec:
      template:
        spec:
          automountServiceAccountToken: false
          restartPolicy: Never
          securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
          containers: [`+containers+`]
`)
}

// environment makes one of a class that asks for proofs.
func environment(ctx context.Context, proofs ...platformv1alpha1.RequiredProof) string {
	GinkgoHelper()
	class := framework.Class(framework.Name("proven-"), platformv1alpha1.TierProduction)
	class.Spec.SupplyChain = &platformv1alpha1.SupplyChain{
		Keys:   []platformv1alpha1.SupplyChainKey{{Name: "ci", PublicKey: ci.Public()}},
		Proofs: proofs,
	}
	Expect(admin.Create(ctx, class)).To(Succeed())
	made := framework.Environment(home, framework.Name("e"), class.Name)
	Expect(admin.Create(ctx, made)).To(Succeed())
	Eventually(ctx, framework.Read(admin, made)).Should(framework.BeReady())
	return made.Name
}

// changeClass changes that of an environment.
func changeClass(ctx context.Context, environment string, to func(*platformv1alpha1.SupplyChain)) {
	GinkgoHelper()
	env := &platformv1alpha1.Environment{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: home, Name: environment}, env)).To(Succeed())
	class := &platformv1alpha1.EnvironmentClass{}
	Expect(admin.Get(ctx, client.ObjectKey{Name: env.Spec.ClassRef.Name}, class)).To(Succeed())
	before := class.DeepCopy()
	to(class.Spec.SupplyChain)
	Expect(admin.Patch(ctx, class, client.MergeFrom(before))).To(Succeed())
}

// change changes a Component.
func change(ctx context.Context, c *platformv1alpha1.Component, to func(*platformv1alpha1.Component)) {
	GinkgoHelper()
	live := &platformv1alpha1.Component{}
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(c), live)).To(Succeed())
	before := live.DeepCopy()
	to(live)
	Expect(admin.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
}

// release is one of a Component, by its number.
func release(c *platformv1alpha1.Component, number int64) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: promotion.ReleaseName(c.Name, c.Spec.Environments[0].Name, number)}}
}

// component makes one that runs an image in an environment.
func component(ctx context.Context, image, environment string, also ...func(*platformv1alpha1.Component)) *platformv1alpha1.Component {
	GinkgoHelper()
	c := framework.Component(home, framework.Name("c"), "web", environment)
	c.Spec.Image = image
	for _, do := range also {
		do(c)
	}
	Expect(admin.Create(ctx, c)).To(Succeed())
	return c
}

// image puts a new one into the registry.
func image() string {
	GinkgoHelper()
	made, err := signtest.Image(host + "/shop/" + framework.Name("i"))
	Expect(err).NotTo(HaveOccurred())
	return made
}

// questions are how many requests there were about an image.
func questions(image string) func() int {
	repository, _, _ := strings.Cut(strings.TrimPrefix(image, host), "@")
	return func() int {
		counted.Lock()
		defer counted.Unlock()
		n := 0
		for _, path := range asked {
			if strings.HasPrefix(path, "/v2"+repository+"/") {
				n++
			}
		}
		return n
	}
}

func digest(image string) string {
	_, digest, _ := strings.Cut(image, "@")
	return digest
}
