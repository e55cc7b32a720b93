package cli_test

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// teamOf makes a Team with a developer, and an Environment dev in its home.
func teamOf(ctx context.Context, developer string) (team *platformv1alpha1.Team, home string) {
	GinkgoHelper()
	team = framework.Team(framework.Name("t"), platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberUser, Name: developer, Role: platformv1alpha1.TeamDeveloper})
	Expect(cluster.Client.Create(ctx, team)).To(Succeed())
	Eventually(ctx, framework.Read(cluster.Client, team)).Should(framework.BeReady())
	home = "team-" + team.Name
	Expect(cluster.Client.Create(ctx, framework.Environment(home, "dev", "development"))).To(Succeed())
	return team, home
}

var _ = Describe("A new service", func() {
	It("is made from a golden path of the cluster, runs, and is in the catalogue of who may see it", func(ctx context.Context) {
		dora := framework.Name("dora")
		kubeconfig := asUser(dora)
		team, home := teamOf(ctx, dora)
		other, theirs := teamOf(ctx, framework.Name("otto"))
		Expect(cluster.Client.Create(ctx, framework.Component(theirs, "secret-project", "web-service", "dev"))).To(Succeed())

		By("a golden path that ships with Towpath, as the API server gives it")
		dir := filepath.Join(GinkgoT().TempDir(), "hello")
		code, out, stderr := run(ctx, "new", "web-service", "hello", "-n", home, "--team", team.Name, "--set", "replicas.min=1", "--from-cluster", "-o", dir, "--kubeconfig", kubeconfig)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(ContainSubstring("component.yaml"))
		Expect(filepath.Join(dir, ".towpath")).NotTo(BeAnExistingFile(), "lint knows what ships with Towpath")

		By("applying what it wrote, as the developer")
		text, err := os.ReadFile(filepath.Join(dir, "component.yaml"))
		Expect(err).NotTo(HaveOccurred())
		component := &platformv1alpha1.Component{}
		Expect(yaml.UnmarshalStrict(text, component)).To(Succeed())
		developer, err := cluster.UserClient(dora)
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, func() error { return developer.Create(ctx, component) }).Should(Succeed(), "the authorizer lags behind the binding")
		Eventually(ctx, framework.Read(cluster.Client, component)).Should(framework.BeReady())

		By("a golden path of the platform's own")
		own := framework.Template(framework.Name("own"), framework.ConfigMap("settings"))
		Expect(cluster.Client.Create(ctx, own)).To(Succeed())
		DeferCleanup(func(ctx context.Context) {
			Expect(client.IgnoreNotFound(cluster.Client.Delete(ctx, own))).To(Succeed())
			revision := &platformv1alpha1.ServiceTemplateRevision{ObjectMeta: metav1.ObjectMeta{Name: own.Name + "-1"}}
			Eventually(ctx, framework.Gone(cluster.Client, revision)).Should(BeTrue(), "another spec looks at all that is in the cluster, and at what goes")
		})
		dir = filepath.Join(GinkgoT().TempDir(), "ours")
		code, _, stderr = run(ctx, "new", own.Name, "ours", "-n", home, "--from-cluster", "-o", dir, "--kubeconfig", kubeconfig)
		Expect(code).To(BeZero(), stderr)
		code, _, stderr = run(ctx, "lint", "--templates", filepath.Join(dir, ".towpath", "templates"), filepath.Join(dir, "component.yaml"))
		Expect(code).To(BeZero(), stderr)

		By("the catalogue of the developer")
		code, out, stderr = run(ctx, "catalog", "export", "--kubeconfig", kubeconfig)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(And(
			ContainSubstring("platform.towpath.dev/object: "+home+"/hello\n"), ContainSubstring("platform.towpath.dev/object: "+home+"/dev\n"),
			ContainSubstring("owner: group:default/"+team.Name+"\n"), ContainSubstring("description: "+summaryOf(ctx, "web-service")+"\n"),
			Not(ContainSubstring("secret-project"))))
		Expect(stderr).To(ContainSubstring("you may not read namespace " + theirs + ": it is missing"))
		_, again, _ := run(ctx, "catalog", "export", "-n", home, "--kubeconfig", kubeconfig)
		_, once, _ := run(ctx, "catalog", "export", "-n", home, "--kubeconfig", kubeconfig)
		Expect(again).To(Equal(once))
		code, _, stderr = run(ctx, "catalog", "export", "-n", theirs, "--kubeconfig", kubeconfig)
		Expect(code).To(Equal(2))
		Expect(stderr).To(ContainSubstring("ask the platform team for the missing right"))

		By("the catalogue of who may read all")
		code, out, stderr = towpath(ctx, "catalog", "export")
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(And(ContainSubstring(theirs+"/secret-project\n"), ContainSubstring(home+"/hello\n"), ContainSubstring("name: "+other.Name+"\n")))
	})
})

func summaryOf(ctx context.Context, template string) string {
	GinkgoHelper()
	found := &platformv1alpha1.ServiceTemplate{}
	Expect(cluster.Client.Get(ctx, client.ObjectKey{Name: template}, found)).To(Succeed())
	return found.Spec.Summary
}
