package kind

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// test/upgrade shows field by field that an upgrade changes nothing, where pods are simulated. Here they run: none is started
// again, and no request fails. It runs alone, since the manager is another one for a while.
var _ = Describe("An upgrade", Serial, Label("disruptive"), func() {
	versions, err := framework.ReadVersions(filepath.Join("..", "upgrade", "versions"))
	if err != nil {
		panic(err) // while the tree of specs is built, nothing else can be done
	}
	for _, version := range versions {
		It(fmt.Sprintf("from %s and back starts no pod again, and drops no request", version.Name), func(ctx context.Context) {
			version.SkipIfMissing(ctx)
			DeferCleanup(kind.install)
			tree, manager := olderManager(ctx, version)
			older := func() { deploy(ctx, tree, manager) }
			older()

			// Golden paths of that version's catalogue, under names of their own: those of the catalogue change with the version, as
			// whoever installs it wants, and what changes makes Releases.
			webs, workers := goldenPath(ctx, tree, "web-service"), goldenPath(ctx, tree, "worker")
			t := newTeam(ctx)
			namespace := t.environment(ctx, "dev", "development")
			web := t.component("web", webs, "1", small, "dev")
			Expect(kind.Create(ctx, web)).To(Succeed())
			worker := t.component("mailer", workers, "1", `{args: [worker], replicas: {min: 1, max: 1}, resources: {cpu: 10m, memory: 32Mi}}`, "dev")
			Expect(kind.Create(ctx, worker)).To(Succeed())
			running(ctx, web)
			running(ctx, worker)
			caller := call(ctx, namespace, address(namespace, "web"))
			before := stateOf(ctx, t, namespace)
			Expect(before).To(HaveKey("Deployment web"), "or this spec could not fail")

			for i, step := range []struct {
				to  string
				run func()
			}{{"the present", func() { kind.install(ctx) }}, {version.Name, older}, {"the present again", func() { kind.install(ctx) }}} {
				By("to " + step.to)
				step.run()
				led(ctx)
				By("which lets something new in")
				// Of a golden path that both versions know: an older manager does not compile what a newer catalogue uses.
				next := t.component(fmt.Sprintf("next-%d", i), webs, "1", small, "dev")
				Eventually(func() error { return kind.Create(ctx, next) }).WithContext(ctx).Should(Succeed(),
					"the version before left the Service of its webhooks without waiting")
				running(ctx, next)
				Consistently(func() map[string]string { return stateOf(ctx, t, namespace) }).WithTimeout(10*time.Second).WithPolling(time.Second).
					Should(Equal(before), "each Release was looked at when the manager came, and at the latest now")
				Expect(kind.Delete(ctx, next)).To(Succeed())
				Eventually(framework.Gone(kind, next)).WithContext(ctx).Should(BeTrue())
			}
			caller.hears(ctx, "version 1")
			caller.neverFailed(ctx)

			By("and the version after it")
			ship(ctx, web, "2")
			running(ctx, web)
			Eventually(imagesOf(namespace, "web")).WithContext(ctx).Should(ConsistOf(image("2")))
			caller.neverFailed(ctx)
		})
	}
})

// goldenPath makes a copy of one that the catalogue of a folder has, and returns its name.
func goldenPath(ctx context.Context, tree, name string) string {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(tree, "config", "catalog", name, "template.yaml"))
	Expect(err).NotTo(HaveOccurred())
	template := &platformv1alpha1.ServiceTemplate{}
	Expect(yaml.Unmarshal(text, template)).To(Succeed())
	template.Name = framework.Name(name + "-")
	Eventually(func() error { return kind.Create(ctx, template) }).WithContext(ctx).Should(Succeed(), "the webhooks answer")
	DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(kind.Delete(ctx, template))).To(Succeed()) })
	Eventually(framework.Read(kind, template)).WithContext(ctx).Should(framework.BeReady())
	return template.Name
}

// olderManager builds the image of an earlier version in a folder of its own, and loads it into the node.
func olderManager(ctx context.Context, version framework.Version) (tree, image string) {
	GinkgoHelper()
	tree = filepath.Join(kind.root, "bin", "kind", "upgrade", version.Name)
	remove, err := version.CheckOut(ctx, tree)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(remove)
	image = "towpath:kind-" + version.Commit[:12]
	docker := strings.TrimSpace(kind.must(ctx, filepath.Join(kind.root, "hack", "kind", "docker.sh"), "builder"))
	kind.must(ctx, "make", "-C", tree, "--no-print-directory", "docker-build", "BINARY=host", "DOCKER="+docker, "IMG="+image)
	kind.must(ctx, filepath.Join(kind.root, "bin", "kind", "cluster"), "load", image)
	return tree, image
}

// deploy installs the version of a folder over what is there, by the target that its users have for it.
func deploy(ctx context.Context, tree, image string) {
	GinkgoHelper()
	out, err := kind.run(ctx, "make", "-C", tree, "--no-print-directory", "deploy", "IMG="+image, "KUBECTL="+kind.kubectlPath())
	Expect(err).NotTo(HaveOccurred(), out)
	GinkgoWriter.Println(out)
}

// led waits until a manager leads that is not on its way out.
func led(ctx context.Context) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var lease coordinationv1.Lease
		g.Expect(kind.Get(ctx, client.ObjectKey{Namespace: platformv1alpha1.SystemNamespace, Name: "towpath-manager"}, &lease)).To(Succeed())
		g.Expect(lease.Spec.HolderIdentity).NotTo(BeNil())
		name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
		var pod corev1.Pod
		g.Expect(kind.Get(ctx, client.ObjectKey{Namespace: platformv1alpha1.SystemNamespace, Name: name}, &pod)).To(Succeed())
		g.Expect(pod.DeletionTimestamp).To(BeNil())
	}).WithContext(ctx).Should(Succeed(), "the one before gives up its lease")
}

// stateOf is what an upgrade must leave alone of the Components web and mailer: which pods run and how often their containers
// were started, the objects and how often their specification changed, and the Releases.
func stateOf(ctx context.Context, t *team, namespace string) map[string]string {
	GinkgoHelper()
	state := map[string]string{}
	for _, name := range []string{"web", "mailer"} {
		live, err := pods(ctx, namespace, name)
		Expect(err).NotTo(HaveOccurred())
		state["pods of "+name] = fmt.Sprint(identitiesOf(live))
		of := []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{platformv1alpha1.LabelComponent: name}}
		var deployments appsv1.DeploymentList
		Expect(kind.List(ctx, &deployments, of...)).To(Succeed())
		for i := range deployments.Items {
			d := &deployments.Items[i]
			state["Deployment "+d.Name] = fmt.Sprintf("%s, generation %d", d.UID, d.Generation)
		}
		var services corev1.ServiceList
		Expect(kind.List(ctx, &services, of...)).To(Succeed())
		for i := range services.Items {
			state["Service "+services.Items[i].Name] = string(services.Items[i].UID)
		}
	}
	var releases platformv1alpha1.ReleaseList
	Expect(kind.List(ctx, &releases, client.InNamespace(t.home))).To(Succeed())
	for i := range releases.Items {
		if r := &releases.Items[i]; r.Spec.Component.Name == "web" || r.Spec.Component.Name == "mailer" {
			state["Release "+r.Name] = string(r.UID)
		}
	}
	return state
}
