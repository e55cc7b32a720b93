// Package fault_test shows that Towpath keeps working: a real manager runs as a process of its own behind a proxy that
// has calls fail, is killed from outside, and meets what happens in a cluster's life. After each fault everything is as
// it is without it: each object but for what is volatile, none twice, none left behind, none of others touched.
//
// The short form is part of make test; make test-fault runs the long one. What is drawn is drawn from a seed, which is
// printed, and can be given: TOWPATH_FAULT_SEED.
package fault_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/process"
	"github.com/towpath-dev/towpath/test/fault/proxy"
	"github.com/towpath-dev/towpath/test/framework"
)

var (
	cluster *framework.Cluster
	admin   client.Client
	// between is what the manager takes for the API server.
	between *proxy.Proxy
	manager *supervised

	// long says that faults last as long, and are as many, as the design has them; else CI waits for them.
	long = os.Getenv("TOWPATH_FAULT") == "long"
	// seed is what everything that is drawn is drawn from.
	seed = seedOf(os.Getenv("TOWPATH_FAULT_SEED"))
)

func seedOf(text string) uint64 {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	return uint64(time.Now().Unix())
}

// either is the first in the long form, else the second.
func either[T any](inLong, inShort T) T {
	if long {
		return inLong
	}
	return inShort
}

// inLongForm skips a spec in the short form, which has another one like it.
func inLongForm() {
	if !long {
		Skip("a part of make test-fault")
	}
}

func TestFault(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	t.Logf("TOWPATH_FAULT_SEED=%d", seed)
	RunSpecs(t, "Fault")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Nodes: 1, Log: GinkgoWriter, Via: viaBetween, Wrap: takenInHand})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	between, err = proxy.New(cluster.Plane.AdminConfig())
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(between.Close)

	binary := filepath.Join(cluster.Dir, "bin", "manager")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "../../cmd/manager")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	manager = &supervised{Manager: process.Manager{
		Dir: filepath.Join(cluster.Dir, "manager"), Binary: binary, Attached: true, Via: between.Config,
		Ports: map[string]int{"webhook": cluster.WebhookPort()},
	}}
	manager.profiles = "127.0.0.1:" + strconv.Itoa(portOf("profiles"))
	manager.Arguments = []string{"--leader-elect=false", "--workers=4", "--pprof-bind-address=" + manager.profiles}
	manager.run(ctx)
	DeferCleanup(manager.end)

	makeWorld(ctx)
	undisturbed = live(ctx, calm)
	GinkgoWriter.Printf("a life without faults took %s and %d calls, %d of them writes\n",
		undisturbed.took, undisturbed.calls, undisturbed.writes)
})

// viaBetween has a manager in this process reach the API server through the proxy too, and panic where a spec says so.
func viaBetween(cfg *rest.Config) {
	between.Config(cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &panicking{next} })
}

// carried is what a manager carries at rest that has led a Component through a life.
var carried weight

// Whatever a spec did, the next one begins with a manager that runs, a proxy that passes everything on, and no Component; and the
// manager carries no more than before.
var _ = BeforeEach(func(ctx context.Context) {
	heal(ctx)
	if manager.runs() && lived == manager.started() {
		carried = weighed(ctx)
	}
	DeferCleanup(func(ctx context.Context) {
		if CurrentSpecReport().Failed() {
			manager.tell()
		}
		heal(ctx)
		component := newComponent()
		Expect(client.IgnoreNotFound(admin.Delete(ctx, component))).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).WithTimeout(2 * time.Minute).Should(BeTrue())
		settle()
		if manager.runs() && !CurrentSpecReport().Failed() {
			manager.backTo(ctx, carried)
		}
	})
})

// heal ends every fault.
func heal(ctx context.Context) {
	GinkgoHelper()
	between.Inject(nil)
	between.Lag(nil)
	between.Back()
	manager.run(ctx)
}

// portOf is a port that nobody listens on.
func portOf(name string) int {
	GinkgoHelper()
	port, err := manager.Port(name)
	Expect(err).NotTo(HaveOccurred())
	return port
}

// settle waits until the manager asks for nothing any more.
func settle() {
	GinkgoHelper()
	Eventually(between.Quiet).WithTimeout(time.Minute).Should(BeNumerically(">", quiet), "the manager does not come to rest")
}

// quiet is how long the manager must have asked for nothing to be at rest. A status is held back for a quarter second.
const quiet = 800 * time.Millisecond

const (
	teamName = "fault"
	home     = "team-fault"
	class    = "fault"
	template = "fault-web"
	image    = "registry.example/shop:"
)

var (
	// path is that of every Component. Promotion doubles the calls of a life.
	path       = either([]string{"dev", "prod"}, []string{"dev"})
	workspaces = either([]string{teamName + "-dev", teamName + "-prod"}, []string{teamName + "-dev"})
)

// makeWorld makes what a Component needs, and what is of others beside it.
func makeWorld(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.Create(ctx, framework.Class(class, platformv1alpha1.TierDevelopment))).To(Succeed())
	web := webTemplate()
	Expect(admin.Create(ctx, web)).To(Succeed())
	Eventually(ctx, framework.Read(admin, web)).Should(framework.BeReady())
	Expect(admin.Create(ctx, framework.TeamNamespace(teamName))).To(Succeed())
	for _, name := range path {
		environment := framework.Environment(home, name, class)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
	}
	for _, namespace := range append([]string{home}, workspaces...) {
		makeForeign(ctx, namespace)
	}
}

// webTemplate has objects that stay, and one whose name changes with the image, so that one is pruned.
func webTemplate() *platformv1alpha1.ServiceTemplate {
	return framework.Template(template, framework.Resource("web", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  replicas: 1
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: "${release.image}"
        env: "${component.env}"
        ports: [{name: http, containerPort: 8080}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`), framework.Resource("service", `
apiVersion: v1
kind: Service
metadata: {name: "${component.name}"}
spec:
  selector: {app.kubernetes.io/name: "${component.name}"}
  ports: [{name: http, port: 80, targetPort: http}]
`), framework.ConfigMap("settings"), framework.Resource("once", `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${component.name}-${release.image.split(':')[1]}"}
data: {image: "${release.image}"}
`))
}
