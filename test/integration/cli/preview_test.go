package cli_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("The preview of a pull request", func() {
	It("is made, updated and deleted by one command each, and leaves nothing behind", func(ctx context.Context) {
		home := framework.TeamNamespace(framework.Name("t"))
		original := framework.Component(home.Name, "catalogue", "web-service", "dev")
		original.Spec.Parameters = framework.JSON(`{replicas: {min: 1, max: 1}}`)
		for _, object := range []client.Object{home, framework.Environment(home.Name, "dev", "development"), original} {
			Expect(cluster.Client.Create(ctx, object)).To(Succeed())
		}
		Eventually(ctx, framework.Read(cluster.Client, original)).Should(And(framework.BeReady(), framework.HaveCondition("Promoted", metav1.ConditionTrue, "")))
		before, err := cluster.Everything(ctx)
		Expect(err).NotTo(HaveOccurred())
		pr := "https://git.example/" + home.Name + "/catalogue/pull/12"
		preview := []string{"env", "preview", "-n", home.Name, "--pr", pr, "--component", "catalogue", "--image"}

		By("a dry run, which writes nothing")
		code, out, stderr := towpath(ctx, append(preview, "registry.example/catalogue:1", "--dry-run")...)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(And(ContainSubstring("environment pr-12-"), ContainSubstring("created (dry run)")))
		dry, err := cluster.Everything(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(dry.Without(before)).To(BeEmpty())

		By("the first push")
		code, out, stderr = towpath(ctx, append(preview, "registry.example/catalogue:1", "--for", "48h", "--wait", "--timeout", "40s")...)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(And(ContainSubstring("ends at "), ContainSubstring("port-forward deployment/catalogue-pr-12-")))
		environment, copied := only(ctx, home.Name)
		Expect(copied).To(framework.BeReady())
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: environment.Status.Namespace, Name: copied.Name}}
		Expect(framework.Read(cluster.Client, deployment)(ctx)).To(HaveField("Spec.Template.Spec.Containers", ContainElement(HaveField("Image", "registry.example/catalogue:1"))))

		By("the same again, and another image")
		code, out, stderr = towpath(ctx, append(preview, "registry.example/catalogue:1")...)
		Expect(code).To(BeZero(), stderr)
		Expect(strings.Count(out, " unchanged")).To(Equal(2), out)
		code, out, stderr = towpath(ctx, append(preview, "registry.example/catalogue:2", "--wait", "--timeout", "40s")...)
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(And(ContainSubstring("environment "+environment.Name+" unchanged"), ContainSubstring("component "+copied.Name+" updated")))
		Expect(framework.Read(cluster.Client, deployment)(ctx)).To(HaveField("Spec.Template.Spec.Containers", ContainElement(HaveField("Image", "registry.example/catalogue:2"))))

		By("what people see of it")
		_, out, _ = towpath(ctx, "env", "list", "-n", home.Name, "--previews")
		Expect(out).To(MatchRegexp(environment.Name + ` +preview +Ready +20.*Z +` + pr + ` +` + copied.Name))
		_, out, _ = towpath(ctx, "status", "-n", home.Name, copied.Name)
		Expect(out).To(ContainSubstring("ends in "))
		code, out, stderr = towpath(ctx, "env", "extend", environment.Name, "-n", home.Name, "--for", "96h")
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(ContainSubstring("lives until"))

		By("closing it")
		code, out, stderr = towpath(ctx, "env", "delete-preview", "-n", home.Name, "--pr", pr, "--wait", "--timeout", "40s")
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(ContainSubstring("environment " + environment.Name + " deleted"))
		after, err := cluster.Everything(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Without(before)).To(BeEmpty(), "something was left behind")
		Expect(before.Without(after)).To(BeEmpty(), "something else is gone")
		code, out, stderr = towpath(ctx, "env", "delete-preview", "-n", home.Name, "--pr", pr, "--wait")
		Expect(code).To(BeZero(), stderr)
		Expect(out).To(ContainSubstring("environment " + environment.Name + " gone"))
	})

	It("leaves no environment behind where the copy is refused", func(ctx context.Context) {
		home := framework.TeamNamespace(framework.Name("t"))
		class := framework.Class(framework.Name("preview-"), platformv1alpha1.TierPreview)
		for _, object := range []client.Object{home, class, framework.Component(home.Name, "catalogue", "web-service", "dev")} {
			Expect(cluster.Client.Create(ctx, object)).To(Succeed())
		}
		environments := func(ctx context.Context) ([]platformv1alpha1.Environment, error) {
			var list platformv1alpha1.EnvironmentList
			err := cluster.Client.List(ctx, &list, client.InNamespace(home.Name))
			return list.Items, err
		}
		args := []string{"env", "preview", "-n", home.Name, "--pr", "7", "--component", "catalogue", "--class", class.Name, "--image"}
		code, _, stderr := towpath(ctx, append(args, "registry.example/catalogue:1", "--parameters", "replicas: many")...)
		Expect(code).NotTo(BeZero())
		Expect(stderr).To(And(ContainSubstring("replicas"), MatchRegexp("environment .*, which was made for it, is deleted again")))
		Eventually(ctx, environments).Should(BeEmpty())

		By("the same beside a copy that is there")
		code, _, stderr = towpath(ctx, append(args, "registry.example/catalogue:1")...)
		Expect(code).To(BeZero(), stderr)
		code, _, stderr = towpath(ctx, append(args, "registry.example/catalogue:2", "--parameters", "replicas: many")...)
		Expect(code).NotTo(BeZero())
		Expect(stderr).NotTo(ContainSubstring("deleted again"))
		Expect(environments(ctx)).To(HaveExactElements(HaveField("DeletionTimestamp", BeNil())))
	})

	It("that the team may not have is refused with what there is", func(ctx context.Context) {
		home := framework.TeamNamespace(framework.Name("t"))
		class := framework.Class(framework.Name("few-"), platformv1alpha1.TierPreview)
		class.Spec.MaxPerTeam = 1
		for _, object := range []client.Object{home, class, framework.Environment(home.Name, "dev", class.Name), framework.Component(home.Name, "catalogue", "web-service", "dev")} {
			Expect(cluster.Client.Create(ctx, object)).To(Succeed())
		}
		Eventually(ctx, framework.Read(cluster.Client, framework.Environment(home.Name, "dev", ""))).Should(framework.BeReady())
		code, _, stderr := towpath(ctx, "env", "preview", "-n", home.Name, "--pr", "7", "--component", "catalogue", "--image", "registry.example/catalogue:1",
			"--class", class.Name, "--wait", "--timeout", "40s")
		Expect(code).To(Equal(1))
		Expect(stderr).To(And(ContainSubstring("TeamLimitReached"), ContainSubstring("there are 1: dev"), ContainSubstring("next: ")))
		code, _, stderr = towpath(ctx, "env", "delete-preview", "-n", home.Name, "--pr", "7", "--component", "catalogue", "--wait", "--timeout", "40s")
		Expect(code).To(BeZero(), stderr)
		var namespaces corev1.NamespaceList
		Expect(cluster.Client.List(ctx, &namespaces, client.MatchingLabels{"platform.towpath.dev/team": strings.TrimPrefix(home.Name, "team-")}, client.HasLabels{"platform.towpath.dev/environment"})).To(Succeed())
		Expect(namespaces.Items).To(HaveLen(1))
	})
})

// only is the one Environment of a pull request in a home, and the one copy in it.
func only(ctx context.Context, home string) (*platformv1alpha1.Environment, *platformv1alpha1.Component) {
	GinkgoHelper()
	var environments platformv1alpha1.EnvironmentList
	Expect(cluster.Client.List(ctx, &environments, client.InNamespace(home))).To(Succeed())
	var components platformv1alpha1.ComponentList
	Expect(cluster.Client.List(ctx, &components, client.InNamespace(home), client.HasLabels{"platform.towpath.dev/preview-of"})).To(Succeed())
	Expect(environments.Items).To(HaveLen(2))
	Expect(components.Items).To(HaveLen(1))
	for i := range environments.Items {
		if environments.Items[i].Spec.SourceRef != nil {
			return &environments.Items[i], &components.Items[0]
		}
	}
	Fail("no Environment names a pull request")
	return nil, nil
}
