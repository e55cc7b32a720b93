package component_test

import (
	"context"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A Component", func() {
	It("runs in each environment of its path, by Releases that are complete", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		autoscaler := framework.Resource("autoscaler", `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: "${component.name}"}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "${component.name}"}
  minReplicas: 1
  maxReplicas: 2
`)
		autoscaler.IncludeWhen = `${"example.com/v1/None" in capabilities}`
		config := framework.ConfigMap("config")
		config.IncludeWhen = `${"autoscaling/v2/HorizontalPodAutoscaler" in capabilities}`
		template := publish(ctx, web(framework.Name("web-"), config, autoscaler))
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.Parameters = framework.JSON(`{port: 9090, color: green}`)
		component.Spec.Environments[1].Parameters = framework.JSON(`{color: null, deadline: 300}`)
		component.Spec.Commit = &platformv1alpha1.Commit{SHA: "3f2c9d1", Author: "ada@shop.example"}
		deploy(ctx, component)

		live := settled(ctx, component)
		Expect(live).To(beForKstatus(status.CurrentStatus))
		Expect(live.Status.Environments).To(HaveExactElements(
			HaveField("Release", "shop-dev-1"), HaveField("Release", "shop-prod-1")))

		dev, prod := read(ctx, t.release("shop", "dev", 1)), read(ctx, t.release("shop", "prod", 1))
		Expect(dev.Spec.Cause).To(Equal(platformv1alpha1.CauseImageChange))
		Expect(prod.Spec.Cause).To(Equal(platformv1alpha1.CausePromotion))
		Expect(parametersOf(dev)).To(Equal(map[string]any{"port": 9090.0, "color": "green"}))
		Expect(parametersOf(prod)).To(Equal(map[string]any{"port": 9090.0, "deadline": 300.0}))
		Expect(prod.CreationTimestamp.Time).NotTo(BeTemporally("<", dev.Status.ReadyAt.Time))
		for _, release := range []*platformv1alpha1.Release{dev, prod} {
			spec := release.Spec
			environment := read(ctx, t.environment(spec.Environment.Name))
			Expect(spec.Number).To(BeEquivalentTo(1))
			Expect(spec.Component).To(Equal(platformv1alpha1.ReleaseComponent{Name: "shop", UID: live.UID}))
			Expect(spec.Environment).To(Equal(platformv1alpha1.ReleaseEnvironment{
				Name: environment.Name, UID: environment.UID, Namespace: t.workload(environment.Name),
				Class: environment.Spec.ClassRef.Name, Tier: environment.Status.Tier,
			}))
			Expect(spec.Template).To(Equal(template.Name))
			Expect(spec.Revision).To(Equal(platformv1alpha1.RevisionReference{Name: template.Name + "-1", Number: 1}))
			Expect(spec.Image).To(Equal(component.Spec.Image))
			Expect(spec.Commit).To(Equal(component.Spec.Commit))
			Expect(spec.Version).To(MatchRegexp(`^[0-9a-f]{64}$`))
			Expect(spec.Capabilities).To(ConsistOf("autoscaling/v2/HorizontalPodAutoscaler"))
			Expect(spec.Team).To(Equal(t.name))
			Expect(spec.CostCenter).To(Equal("cc-" + t.name))
			Expect(spec.PodSecurity).To(Equal(platformv1alpha1.PodSecurityRestricted))
			Expect(spec.Inventory).To(ConsistOf(
				platformv1alpha1.ReleaseObject{Resource: "deployment", APIVersion: "apps/v1", Kind: "Deployment", Name: "shop"},
				platformv1alpha1.ReleaseObject{Resource: "config", APIVersion: "v1", Kind: "ConfigMap", Name: "shop-config"},
			))
			Expect(release.OwnerReferences).To(ConsistOf(HaveField("UID", live.UID)))
			Expect(release).To(beForKstatus(status.CurrentStatus))
			Expect(release.Status.Objects).To(HaveEach(HaveField("Health", platformv1alpha1.ObjectReady)))
			Expect(release.Status.AppliedAt).NotTo(BeNil())
		}
		Expect(dev.Spec.Version).NotTo(Equal(prod.Spec.Version), "their parameters differ")
	})

	It("is labelled on every object and every pod", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, web(framework.Name("web-"), framework.ConfigMap("config")))
		component := settled(ctx, deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev")))

		labels := map[string]string{
			"app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": "shop-dev", "app.kubernetes.io/version": "1.0.0",
			"app.kubernetes.io/part-of": t.name, "app.kubernetes.io/managed-by": "towpath",
			"platform.towpath.dev/team": t.name, "platform.towpath.dev/component": "shop", "platform.towpath.dev/environment": "dev",
			"platform.towpath.dev/tier": "Development", "platform.towpath.dev/template": template.Name, "platform.towpath.dev/cost-center": "cc-" + t.name,
		}
		var pods corev1.PodList
		Expect(admin.List(ctx, &pods, client.InNamespace(t.workload("dev")))).To(Succeed())
		Expect(pods.Items).NotTo(BeEmpty())
		deployment := read(ctx, deploymentOf(t.workload("dev"), "shop"))
		for key, value := range labels {
			Expect(pods.Items).To(HaveEach(HaveField("Labels", HaveKeyWithValue(key, value))))
			Expect(deployment.Spec.Template.Labels).To(HaveKeyWithValue(key, value))
		}
		Expect(pods.Items).To(HaveEach(HaveField("Labels", Not(HaveKey(platformv1alpha1.LabelOwnerUID)))))
		labels[platformv1alpha1.LabelOwnerUID] = string(component.UID)
		config := read(ctx, configMapOf(t.workload("dev"), "shop-config"))
		for key, value := range labels {
			Expect(deployment.Labels).To(HaveKeyWithValue(key, value))
			Expect(config.Labels).To(HaveKeyWithValue(key, value))
		}
	})

	It("says in each Release what caused it", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		settled(ctx, component)

		causes := func(environment string) []platformv1alpha1.Cause {
			GinkgoHelper()
			releases, err := t.releases(ctx, "shop", environment)
			Expect(err).NotTo(HaveOccurred())
			var causes []platformv1alpha1.Cause
			for i := range releases {
				causes = append(causes, releases[i].Spec.Cause)
			}
			return causes
		}
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		settled(ctx, component)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{color: green}`) })
		settled(ctx, component)
		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Env = []platformv1alpha1.EnvVar{{Name: "LEVEL", Value: "debug"}}
		})
		settled(ctx, component)
		Expect(causes("dev")).To(HaveExactElements(
			platformv1alpha1.CauseImageChange, platformv1alpha1.CauseImageChange, platformv1alpha1.CauseParameterChange, platformv1alpha1.CauseParameterChange))
		Expect(causes("prod")).To(HaveExactElements(
			platformv1alpha1.CausePromotion, platformv1alpha1.CausePromotion, platformv1alpha1.CausePromotion, platformv1alpha1.CausePromotion))

		change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) {
			s.Spec.Resources = append(s.Spec.Resources, framework.ConfigMap("more"))
		})
		for _, environment := range []string{"dev", "prod"} {
			Eventually(ctx, framework.Read(admin, t.release("shop", environment, 5))).Should(And(
				framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseTemplateRollout), HaveField("Spec.Revision.Number", BeEquivalentTo(2))))
		}
		Expect(admin.Delete(ctx, t.release("shop", "prod", 5))).To(Succeed())
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 6))).Should(And(
			framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseManual), HaveField("Spec.Revision.Number", BeEquivalentTo(2))))
		Eventually(ctx, framework.Gone(admin, t.release("shop", "prod", 5))).Should(BeTrue())
		settled(ctx, component)
	})

	It("keeps a version that does not become ready in the first environment", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, web(framework.Name("web-")))
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.Parameters = framework.JSON(`{deadline: 8}`)
		deploy(ctx, component)
		settled(ctx, component)
		good := component.Spec.Image

		By("an image whose pods no node takes")
		change(ctx, component, withImage("registry.example/shop:2.0.0-broken"))
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonProgressing, "dev: ", "Deployment shop"),
			framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonProgressing, "dev"),
			HaveField("Status.Environments", ContainElement(And(
				HaveField("Name", "prod"), HaveField("Reason", platformv1alpha1.ReasonWaitingForPrevious), HaveField("Image", good)))),
			beForKstatus(status.InProgressStatus),
		))
		By("the deadline of its roll-out")
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.BeStalled(platformv1alpha1.ReasonReleaseFailed, "dev: ", "deadline"), beForKstatus(status.FailedStatus)))
		Expect(read(ctx, t.release("shop", "dev", 2))).To(And( // the scheduler says why as soon as it has tried
			Or(framework.BeStalled(platformv1alpha1.ReasonRolloutFailed, "Deployment shop"), framework.BeStalled(platformv1alpha1.ReasonUnschedulable, "Deployment shop")),
			beForKstatus(status.FailedStatus)))
		Consistently(ctx, runs(t.workload("prod"), "shop")).Should(Equal(good), "a version that was never ready must not be promoted")
		Expect(exists(t.release("shop", "prod", 2))(ctx)).To(BeFalse())

		By("an image that works")
		change(ctx, component, withImage("registry.example/shop:2.0.1"))
		Expect(settled(ctx, component)).To(beForKstatus(status.CurrentStatus))
		Expect(runs(t.workload("prod"), "shop")(ctx)).To(Equal("registry.example/shop:2.0.1"))
		Expect(read(ctx, t.release("shop", "prod", 2)).Spec.Image).To(Equal("registry.example/shop:2.0.1"), "the broken one was never there")
	})

	It("gets a new revision of its template environment by environment, and never together with a version", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, web(framework.Name("web-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		settled(ctx, component)

		By("a revision that does not become ready in dev")
		revise := func(number int64, node string) {
			GinkgoHelper()
			change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) {
				s.Spec.Resources = web("", framework.Resource("marker", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}-marker"}
spec:
  replicas: 1
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    spec:
      nodeSelector: {kubernetes.io/os: `+node+`}
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      containers:
      - {name: app, image: "${release.image}", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
`)).Spec.Resources
			})
			Eventually(ctx, framework.Read(admin, t.release("shop", "dev", number))).Should(And(
				HaveField("Spec.Cause", platformv1alpha1.CauseTemplateRollout),
				HaveField("Spec.Revision.Number", BeEquivalentTo(number))))
		}
		revise(2, "none")
		Consistently(ctx, exists(t.release("shop", "prod", 2))).Should(BeFalse(), "prod gets no revision that dev has not had Ready")

		By("a revision that does")
		revise(3, "linux")
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 2))).Should(And(
			framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseTemplateRollout), HaveField("Spec.Revision.Number", BeEquivalentTo(3))))

		By("a revision and a version at once")
		change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) {
			s.Spec.Resources = append(s.Spec.Resources, framework.ConfigMap("config"))
		})
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		settled(ctx, component)
		type pair struct {
			version  string
			revision platformv1alpha1.RevisionReference
		}
		var tried []pair // what dev has had Ready
		for _, environment := range []string{"dev", "prod"} {
			Eventually(ctx, func(ctx context.Context) (int64, error) {
				releases, err := t.releases(ctx, "shop", environment)
				if err != nil || len(releases) == 0 {
					return 0, err
				}
				return releases[len(releases)-1].Spec.Revision.Number, nil
			}).Should(BeEquivalentTo(4))
			releases, err := t.releases(ctx, "shop", environment)
			Expect(err).NotTo(HaveOccurred())
			for i := 1; i < len(releases); i++ {
				was, is := releases[i-1].Spec, releases[i].Spec
				if was.Version == is.Version || was.Revision == is.Revision {
					continue
				}
				// Prod gets both where dev was quicker than prod, and so had the version Ready with the new revision
				// alone: what was never tried before is not tried in prod.
				Expect(environment).To(Equal("prod"), "Release %s changes both version and revision", releases[i].Name)
				Expect(tried).To(ContainElement(pair{is.Version, is.Revision}), "Release %s is the first of its kind", releases[i].Name)
				Expect(tried).NotTo(ContainElement(pair{is.Version, was.Revision}), "Release %s could have changed the version alone", releases[i].Name)
			}
			for i := range releases {
				if releases[i].Status.ReadyAt != nil {
					tried = append(tried, pair{releases[i].Spec.Version, releases[i].Spec.Revision})
				}
			}
		}
		settled(ctx, component)
	})

	It("takes what it runs out of an environment that leaves its path, and comes back to it", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		settled(ctx, component)
		inProd, inDev := read(ctx, configMapOf(t.workload("prod"), "shop-config")), read(ctx, configMapOf(t.workload("dev"), "shop-config"))

		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Environments = c.Spec.Environments[:1] })
		Eventually(ctx, framework.Gone(admin, inProd)).Should(BeTrue())
		Eventually(ctx, framework.Gone(admin, t.release("shop", "prod", 1))).Should(BeTrue())
		Expect(settled(ctx, component).Status.Environments).To(HaveExactElements(HaveField("Name", "dev")))
		Expect(framework.Gone(admin, inDev)(ctx)).To(BeFalse())

		change(ctx, component, func(c *platformv1alpha1.Component) {
			c.Spec.Environments = append(c.Spec.Environments, platformv1alpha1.PathEnvironment{Name: "prod"})
		})
		Eventually(ctx, exists(configMapOf(t.workload("prod"), "shop-config"))).Should(BeTrue())
		settled(ctx, component)
	})

	It("keeps ten superseded Releases for each environment", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev"))
		for _, version := range []string{"b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"} {
			change(ctx, component, withImage("registry.example/shop:"+version))
			settled(ctx, component)
		}
		Eventually(ctx, func(ctx context.Context) (int, error) {
			releases, err := t.releases(ctx, "shop", "dev")
			return len(releases), err
		}).Should(Equal(11))
		releases, err := t.releases(ctx, "shop", "dev")
		Expect(err).NotTo(HaveOccurred())
		last := len(releases) - 1
		Expect(releases[last]).To(And(HaveField("Spec.Image", "registry.example/shop:m"), HaveField("Finalizers", HaveLen(1))))
		Expect(releases[:last]).To(HaveEach(And(
			HaveField("Finalizers", BeEmpty()), HaveField("Status.SupersededAt", Not(BeNil())), Not(HaveField("Spec.Image", component.Spec.Image)))))
		for i := range releases[:last] {
			Expect(&releases[i]).To(And(
				framework.HaveCondition(isReady, yes, platformv1alpha1.ReasonSuperseded, "took its place"), beForKstatus(status.CurrentStatus)))
		}
	})

	It("gives its containers env and secretEnv, without reading the Secret", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, web(framework.Name("web-")))
		component := framework.Component(t.home, "shop", template.Name, "dev")
		component.Spec.Env = []platformv1alpha1.EnvVar{{Name: "LEVEL", Value: "debug"}, {Name: "EMPTY"}}
		component.Spec.SecretEnv = []platformv1alpha1.SecretEnvVar{{
			Name: "PASSWORD", SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: "db", Key: "password"},
		}}
		deploy(ctx, component)
		settled(ctx, component)
		deployment := read(ctx, deploymentOf(t.workload("dev"), "shop"))
		Expect(deployment.Spec.Template.Spec.Containers[0].Env).To(HaveExactElements(
			corev1.EnvVar{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "db"}, Key: "password",
			}}},
			corev1.EnvVar{Name: "LEVEL", Value: "debug"},
			corev1.EnvVar{Name: "EMPTY"},
		))
		By("a name that stands in both")
		change := read(ctx, component)
		change.Spec.SecretEnv[0].Name = "LEVEL"
		Expect(developer.Update(ctx, change)).To(MatchError(ContainSubstring("a name must not stand in both env and secretEnv")))
	})
})
