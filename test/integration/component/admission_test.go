package component_test

import (
	"context"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("What a Component asks for", func() {
	It("may be a template that does not exist yet: it waits, and proceeds when it comes", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		name := framework.Name("late-")
		component := deploy(ctx, framework.Component(t.home, "shop", name, "dev"))
		Expect(warned.all()).To(ContainElement(ContainSubstring("ServiceTemplate %s does not exist (yet)", name)))
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonTemplateNotFound, name, "kubectl get servicetemplates"),
			framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonTemplateNotFound),
			beForKstatus(status.InProgressStatus),
		))
		publish(ctx, light(name))
		settled(ctx, component)
	})

	It("may be a revision that does not exist yet: it waits, and proceeds when it comes", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "dev")
		second := int64(2)
		component.Spec.TemplateRef.Revision = &second
		deploy(ctx, component)
		Expect(warned.all()).To(ContainElement(ContainSubstring("revision 2 of ServiceTemplate %s does not exist (yet)", template.Name)))
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonRevisionNotFound, "Revision 2 of ServiceTemplate "+template.Name, "the newest is 1"),
			beForKstatus(status.InProgressStatus),
		))
		change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) {
			s.Spec.Resources = append(s.Spec.Resources, framework.ConfigMap("more"))
		})
		settled(ctx, component)
		Expect(read(ctx, t.release("shop", "dev", 1)).Spec.Revision.Number).To(BeEquivalentTo(2))

		By("a pin, which a newer revision does not move")
		change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) {
			s.Spec.Resources = append(s.Spec.Resources, framework.ConfigMap("evenMore"))
		})
		Eventually(ctx, framework.Read(admin, template)).Should(HaveField("Status.LatestRevision.Number", BeEquivalentTo(3)))
		Consistently(ctx, exists(t.release("shop", "dev", 2))).Should(BeFalse(), "the Component is pinned to revision 2")
	})

	It("may be an environment that does not exist yet: it waits, and proceeds when it comes", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		Expect(warned.all()).To(ContainElement(ContainSubstring("spec.environments[prod]: Environment prod does not exist (yet)")))
		Eventually(ctx, framework.Read(admin, t.release("shop", "dev", 1))).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonEnvironmentNotFound, "Environment prod does not exist in namespace "+t.home),
			framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonEnvironmentNotFound),
			beForKstatus(status.InProgressStatus),
		))
		t.addEnvironment(ctx, "prod")
		settled(ctx, component)

		By("a path of that one alone, which cannot do without")
		lone := deploy(ctx, framework.Component(t.home, "lone", template.Name, "nowhere"))
		Eventually(ctx, framework.Read(admin, lone)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonEnvironmentNotFound,
			"Create it, or name another in spec.environments"))
	})

	It("is refused with every error of every environment at once", func(ctx context.Context) {
		t := newTeam(ctx)
		template := publish(ctx, web(framework.Name("web-")))
		component := framework.Component(t.home, "shop", template.Name, "dev", "staging", "prod")
		component.Spec.Parameters = framework.JSON(`{port: 70000, colour: red}`)
		component.Spec.Environments[1].Parameters = framework.JSON(`{port: many, color: red}`)
		component.Spec.Environments[2].Parameters = framework.JSON(`{port: 8081, deadline: 0, colour: null}`)
		err := developer.Create(ctx, component)
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		for _, text := range []string{
			`spec.parameters.port: Invalid value: 70000: `, `less than or equal to 65535`,
			`spec.parameters.colour: `,
			`spec.environments[staging].parameters.port: `, `"many": must be of type integer`,
			`spec.environments[staging].parameters.color: Unsupported value: "red": supported values: "blue", "green"`,
			`spec.environments[prod].parameters.deadline: Invalid value: 0: `, `greater than or equal to 1`,
		} {
			Expect(err).To(MatchError(ContainSubstring(text)))
		}
		Expect(err).NotTo(MatchError(ContainSubstring("environments[dev]")), "dev changes nothing: its errors stand at spec.parameters")
		Expect(err).NotTo(MatchError(ContainSubstring("environments[staging].parameters.colour")), "it is inherited")
		Expect(err).NotTo(MatchError(ContainSubstring("environments[prod].parameters.port")))
		Expect(err).NotTo(MatchError(ContainSubstring("environments[prod].parameters.colour")))

		By("a rule of the schema, which looks at more than one parameter")
		component.Spec.Parameters = framework.JSON(`{deadline: 8081}`)
		component.Spec.Environments[1].Parameters = nil
		component.Spec.Environments[2].Parameters = framework.JSON(`{port: 8081}`)
		Expect(developer.Create(ctx, component)).To(MatchError(And(
			ContainSubstring("spec.environments[prod].parameters.port: Invalid value"), ContainSubstring("must differ from deadline"))))

		By("the same in an update")
		component.Spec.Environments[2].Parameters = nil
		deploy(ctx, component)
		Eventually(ctx, func(ctx context.Context) error {
			live := read(ctx, component)
			live.Spec.Parameters = framework.JSON(`{port: 0}`)
			return developer.Update(ctx, live)
		}).Should(MatchError(ContainSubstring("spec.parameters.port: Invalid value: 0")))
	})

	It("may not fit a newer revision: it says so, and what runs goes on running", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "dev")
		component.Spec.Parameters = framework.JSON(`{color: green}`)
		deploy(ctx, component)
		settled(ctx, component)
		change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) {
			s.Spec.Parameters = framework.JSON(`{type: object, required: [size], properties: {color: {type: string}, size: {type: string}}}`)
		})
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.BeStalled(platformv1alpha1.ReasonParametersInvalid, "dev: ", "size", "revision 2"), beForKstatus(status.FailedStatus)))
		Expect(exists(configMapOf(t.workload("dev"), "shop-config"))(ctx)).To(BeTrue())
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{color: green, size: xl}`) })
		settled(ctx, component)
	})

	It("may be what the guard refuses: then nothing is made, and it says why", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := light(framework.Name("light-"))
		template.Spec.Resources = []platformv1alpha1.ResourceTemplate{framework.Resource("web", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    spec:
      hostNetwork: "${params.color == 'blue'}"
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      containers:
      - {name: app, image: "${release.image}", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
`)}
		publish(ctx, template)
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev"))
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.BeStalled(platformv1alpha1.ReasonRefused, "dev: ", "Deployment shop (resource web)", "hostNetwork"), beForKstatus(status.FailedStatus)))
		Expect(exists(t.release("shop", "dev", 1))(ctx)).To(BeFalse())
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{color: green}`) })
		Eventually(ctx, exists(deploymentOf(t.workload("dev"), "shop"))).Should(BeTrue())
	})

	It("may have names as long as they can be", func(ctx context.Context) {
		letters := func(prefix string, n int) string {
			for len(prefix) < n {
				prefix += "x"
			}
			return prefix
		}
		t := &team{name: letters(framework.Name("t"), 63)}
		home := framework.TeamNamespace(t.name)
		home.Name = letters(framework.Name("h"), 63)
		home.Labels[platformv1alpha1.LabelCostCenter] = letters("cc-", 63)
		t.home = home.Name
		Expect(admin.Create(ctx, home)).To(Succeed())
		dev, prod := letters("d", 30), letters("p-", 30)
		t.addEnvironment(ctx, dev)
		t.addEnvironment(ctx, prod)
		template := publish(ctx, web(letters(framework.Name("web-"), 40), framework.ConfigMap("config")))
		component := deploy(ctx, framework.Component(t.home, letters("shop", 40), template.Name, dev, prod))
		live := settled(ctx, component)
		for _, environment := range live.Status.Environments {
			release := read(ctx, &platformv1alpha1.Release{ObjectMeta: objectMeta(t.home, environment.Release)})
			namespace := read(ctx, t.environment(environment.Name)).Status.Namespace
			Expect(len(namespace)).To(BeNumerically("<=", 63))
			Expect(release.Spec.Environment.Namespace).To(Equal(namespace))
			Expect(read(ctx, deploymentOf(namespace, component.Name)).Labels).To(HaveKeyWithValue(platformv1alpha1.LabelComponent, component.Name))
		}

		By("names that are longer")
		long := framework.Component(t.home, letters("shop", 41), template.Name, dev)
		Expect(developer.Create(ctx, long)).To(MatchError(ContainSubstring("metadata.name must be a DNS-1035 label of at most 40 characters")))
		Expect(developer.Create(ctx, framework.Environment(t.home, letters("e", 31), production))).To(
			MatchError(ContainSubstring("metadata.name must be a DNS-1035 label of at most 30 characters")))
	})
})
