package component_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A template with waves", func() {
	// keyed makes a ConfigMap with one key, which the API server refuses where it is none.
	keyed := func(key, value string) platformv1alpha1.ResourceTemplate {
		return framework.Resource("config", fmt.Sprintf(`
apiVersion: v1
kind: ConfigMap
metadata: {name: "${component.name}"}
data: "${{%s: '%s'}}"
`, key, value))
	}
	staged := func(ctx context.Context, soak int32) *platformv1alpha1.ServiceTemplate {
		GinkgoHelper()
		st := framework.Template(framework.Name("w-"), keyed("'a'", "one"))
		st.Spec.Parameters = framework.JSON(`{type: object, properties: {key: {type: string, default: good}}}`)
		st.Spec.Rollout = &platformv1alpha1.TemplateRollout{Waves: []platformv1alpha1.RolloutWave{
			{Tiers: []platformv1alpha1.Tier{platformv1alpha1.TierDevelopment}, Percent: 100, SoakSeconds: soak},
			{Tiers: []platformv1alpha1.Tier{platformv1alpha1.TierProduction}, Percent: 100},
		}}
		return publish(ctx, st)
	}
	next := func(ctx context.Context, st *platformv1alpha1.ServiceTemplate, resource platformv1alpha1.ResourceTemplate) {
		GinkgoHelper()
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
			st.Spec.Resources = []platformv1alpha1.ResourceTemplate{resource}
		})
	}
	control := func(ctx context.Context, st *platformv1alpha1.ServiceTemplate, control platformv1alpha1.RolloutControl) {
		GinkgoHelper()
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) { st.Spec.Rollout.Control = &control })
	}
	isAt := func(state platformv1alpha1.RolloutState, revision, wave int) OmegaMatcher {
		return HaveField("Status.Rollout", HaveValue(And(
			HaveField("State", state), HaveField("Revision", BeEquivalentTo(revision)), HaveField("Wave", BeEquivalentTo(wave)))))
	}
	runsRevision := func(component *platformv1alpha1.Component, revisions ...int64) func(Gomega, context.Context) {
		return func(g Gomega, ctx context.Context) {
			live, err := framework.Read(admin, component)(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			var got []int64
			for _, e := range live.Status.Environments {
				got = append(got, e.Revision)
			}
			g.Expect(got).To(Equal(revisions))
			g.Expect(live).To(framework.BeReady())
		}
	}

	It("reaches production after development has soaked, and is told apart from a version", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		st := staged(ctx, 3600)
		Eventually(ctx, framework.Read(admin, st)).Should(isAt(platformv1alpha1.RolloutComplete, 1, 3))
		first := deploy(ctx, framework.Component(t.home, "first", st.Name, "dev", "prod"))
		direct := deploy(ctx, framework.Component(t.home, "direct", st.Name, "prod"))
		pinned := framework.Component(t.home, "pinned", st.Name, "dev")
		pinned.Spec.TemplateRef.Revision = ptr.To(int64(1))
		deploy(ctx, pinned)
		for _, c := range []*platformv1alpha1.Component{first, direct, pinned} {
			settled(ctx, c)
		}

		next(ctx, st, keyed("'a'", "two"))
		Eventually(ctx, framework.Read(admin, st)).Should(And(isAt(platformv1alpha1.RolloutProgressing, 2, 1),
			HaveField("Status.Rollout.ReadySince", Not(BeNil())), HaveField("Status.Rollout.Message", ContainSubstring("Wave 1 soaks until"))))
		Eventually(ctx, framework.Read(admin, st)).Should(HaveField("Status.Rollout.Impact", HaveValue(And(
			HaveField("ImpactCount", platformv1alpha1.ImpactCount{Following: 3, Changed: 3}), HaveField("Pinned", BeEquivalentTo(1)),
			HaveField("Tiers", ConsistOf(
				platformv1alpha1.TierImpact{Tier: platformv1alpha1.TierDevelopment, ImpactCount: platformv1alpha1.ImpactCount{Following: 1, Changed: 1}},
				platformv1alpha1.TierImpact{Tier: platformv1alpha1.TierProduction, ImpactCount: platformv1alpha1.ImpactCount{Following: 2, Changed: 2}})),
			HaveField("Blocked", BeEmpty())))), "what runs the revision already counts as well")
		Eventually(ctx, runsRevision(first, 2, 1)).Should(Succeed())
		Eventually(ctx, runsRevision(direct, 1)).Should(Succeed())
		Expect(read(ctx, t.release("first", "dev", 2)).Spec.Cause).To(Equal(platformv1alpha1.CauseTemplateRollout))

		By("a version, which is promoted meanwhile with the revision that each environment has")
		change(ctx, first, withImage("registry.example/first:2.0.0"))
		settled(ctx, first)
		Eventually(ctx, runsRevision(first, 2, 1)).Should(Succeed())

		By("the end of the soak, which a person does not wait for")
		control(ctx, st, platformv1alpha1.RolloutControl{Revision: 2, Action: platformv1alpha1.RolloutSkip, Wave: 1})
		Eventually(ctx, framework.Read(admin, st)).Should(And(isAt(platformv1alpha1.RolloutComplete, 2, 3), HaveField("Status.Rollout.Impact", BeNil())))
		Eventually(ctx, runsRevision(first, 2, 2)).Should(Succeed())
		Eventually(ctx, runsRevision(direct, 2)).Should(Succeed())
		Expect(read(ctx, pinned).Status.Environments).To(HaveExactElements(HaveField("Revision", BeEquivalentTo(1))))
	})

	It("says what it does to those who follow: whose pods restart, and who cannot get it", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		st := web(framework.Name("w-"))
		st.Spec.Rollout = &platformv1alpha1.TemplateRollout{
			MaxFailures: ptr.To(int32(10)),
			Waves:       []platformv1alpha1.RolloutWave{{Tiers: []platformv1alpha1.Tier{platformv1alpha1.TierDevelopment}, Percent: 100, SoakSeconds: 3600}},
		}
		publish(ctx, st)
		good := deploy(ctx, framework.Component(t.home, "good", st.Name, "dev", "prod"))
		bad := framework.Component(t.home, "bad", st.Name, "prod")
		bad.Spec.Parameters = framework.JSON(`{color: green}`)
		deploy(ctx, bad)
		open := framework.Component(t.home, "open", st.Name, "prod")
		open.Spec.Parameters = framework.JSON(`{port: 9090}`)
		deploy(ctx, open)
		for _, c := range []*platformv1alpha1.Component{good, bad, open} {
			settled(ctx, c)
		}

		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
			raw := string(st.Spec.Resources[0].Object.Raw)
			raw = strings.Replace(raw, `"securityContext":{"allowPrivilegeEscalation":false`, `"workingDir":"/srv","securityContext":{"allowPrivilegeEscalation":"${params.port == 9090}"`, 1)
			st.Spec.Resources[0].Object.Raw = []byte(raw)
			st.Spec.Parameters.Raw = []byte(strings.Replace(string(st.Spec.Parameters.Raw), `"green"`, `"red"`, 1))
		})
		Eventually(ctx, framework.Read(admin, st)).Should(HaveField("Status.Rollout", HaveValue(And(
			HaveField("Revision", BeEquivalentTo(2)), HaveField("Impact", HaveValue(And(
				HaveField("ImpactCount", platformv1alpha1.ImpactCount{Following: 4, Changed: 2, Restarting: 2, Cannot: 2}),
				HaveField("Blocked", ConsistOf(
					And(HaveField("Component", "bad"), HaveField("Environment", "prod"), HaveField("Message", ContainSubstring("color"))),
					And(HaveField("Component", "open"), HaveField("Message", ContainSubstring("allowPrivilegeEscalation"))))))))))))
	})

	It("is not held up by a version that is refused at the revision before, and reaches what runs instead of it", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		st := web(framework.Name("w-"))
		st.Spec.Overrides = &platformv1alpha1.TemplateOverrides{Allow: []platformv1alpha1.OpenPath{
			{Resource: "deployment", Path: "spec.template.spec.containers[name=app].securityContext"},
		}}
		st.Spec.Rollout = &platformv1alpha1.TemplateRollout{Waves: []platformv1alpha1.RolloutWave{
			{Tiers: []platformv1alpha1.Tier{platformv1alpha1.TierDevelopment}, Percent: 100},
			{Tiers: []platformv1alpha1.Tier{platformv1alpha1.TierProduction}, Percent: 100},
		}}
		publish(ctx, st)
		good := deploy(ctx, framework.Component(t.home, "good", st.Name, "dev", "prod"))
		own := deploy(ctx, framework.Component(t.home, "own", st.Name, "prod"))
		settled(ctx, good)
		settled(ctx, own)
		change(ctx, own, func(c *platformv1alpha1.Component) {
			c.Spec.Overrides = []platformv1alpha1.Override{override(onApp("securityContext: {allowPrivilegeEscalation: true}"), "")}
		})
		Eventually(ctx, framework.Read(admin, own)).Should(framework.BeStalled(platformv1alpha1.ReasonRefused, "allowPrivilegeEscalation"))

		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
			st.Spec.Resources[0].Object.Raw = []byte(strings.Replace(string(st.Spec.Resources[0].Object.Raw), `"replicas":1`, `"replicas":2`, 1))
		})
		Eventually(ctx, framework.Read(admin, st)).Should(And(isAt(platformv1alpha1.RolloutComplete, 2, 3), HaveField("Status.Rollout.Failures", BeEmpty())))
		Eventually(ctx, runsRevision(good, 2, 2)).Should(Succeed())
		Expect(read(ctx, t.release("own", "prod", 2)).Spec).To(And(HaveField("Cause", platformv1alpha1.CauseTemplateRollout),
			HaveField("Revision.Number", BeEquivalentTo(2)), HaveField("Overrides", BeEmpty())))
		Expect(read(ctx, own)).To(framework.BeStalled(platformv1alpha1.ReasonRefused, "allowPrivilegeEscalation"), "its team is told all the while")
	})

	It("halts at the first failure, brings who failed back, and goes on when a person says so", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		st := staged(ctx, 0)
		good := deploy(ctx, framework.Component(t.home, "good", st.Name, "prod"))
		bad := framework.Component(t.home, "bad", st.Name, "dev")
		bad.Spec.Parameters = framework.JSON(`{key: "not a key"}`)
		deploy(ctx, bad)
		settled(ctx, good)
		settled(ctx, bad)

		next(ctx, st, keyed("params.key", "two"))
		Eventually(ctx, framework.Read(admin, st)).Should(And(isAt(platformv1alpha1.RolloutHalted, 2, 1),
			HaveField("Status.Rollout.Failures", ConsistOf(And(HaveField("Namespace", t.home), HaveField("Component", "bad"),
				HaveField("Environment", "dev"), HaveField("Message", ContainSubstring("not a key")))))))
		Eventually(ctx, runsRevision(bad, 1)).Should(Succeed(), "it goes back")
		Consistently(ctx, runsRevision(good, 1)).Should(Succeed(), "nobody goes on while it is halted")
		Expect(read(ctx, st)).To(isAt(platformv1alpha1.RolloutHalted, 2, 1))

		By("a Component that comes meanwhile, which gets what works")
		late := deploy(ctx, framework.Component(t.home, "late", st.Name, "dev"))
		Eventually(ctx, runsRevision(late, 1)).Should(Succeed())

		By("resuming after the cause is gone")
		change(ctx, bad, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{key: mended}`) })
		settled(ctx, bad)
		control(ctx, st, platformv1alpha1.RolloutControl{Revision: 2, Action: platformv1alpha1.RolloutResume})
		Eventually(ctx, framework.Read(admin, st)).Should(And(isAt(platformv1alpha1.RolloutComplete, 2, 3), HaveField("Status.Rollout.Failures", BeEmpty())))
		for _, c := range []*platformv1alpha1.Component{good, bad, late} {
			Eventually(ctx, runsRevision(c, 2)).Should(Succeed())
		}
	})

	It("is not halted by what was broken before, names that, and does not wait for it", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		st := staged(ctx, 0)
		next(ctx, st, keyed("params.key", "one"))
		Eventually(ctx, framework.Read(admin, st)).Should(isAt(platformv1alpha1.RolloutComplete, 2, 3))
		good := deploy(ctx, framework.Component(t.home, "good", st.Name, "dev", "prod"))
		bad := framework.Component(t.home, "bad", st.Name, "dev", "prod")
		deploy(ctx, bad)
		settled(ctx, good)
		settled(ctx, bad)
		change(ctx, bad, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{key: "not a key"}`) })
		Eventually(ctx, framework.Read(admin, t.release("bad", "dev", 2))).Should(framework.BeStalled(platformv1alpha1.ReasonApplyFailed, "not a key"))

		next(ctx, st, keyed("params.key", "two"))
		Eventually(ctx, framework.Read(admin, st)).Should(And(isAt(platformv1alpha1.RolloutComplete, 3, 3), HaveField("Status.Rollout", HaveValue(And(
			HaveField("Failed", BeZero()), HaveField("Broken", BeNumerically(">=", 1)),
			HaveField("BrokenEnvironments", ContainElement(And(HaveField("Namespace", t.home), HaveField("Component", "bad"),
				HaveField("Environment", "dev"), HaveField("Message", ContainSubstring("not a key"))))))))))
		Eventually(ctx, runsRevision(good, 3, 3)).Should(Succeed())

		By("mending it, after which it gets the revision as everybody did")
		change(ctx, bad, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{key: mended}`) })
		Eventually(ctx, runsRevision(bad, 3, 3)).Should(Succeed())
	})

	It("brings everybody back when it is aborted", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		st := staged(ctx, 3600)
		component := deploy(ctx, framework.Component(t.home, "shop", st.Name, "dev", "prod"))
		settled(ctx, component)
		next(ctx, st, keyed("'a'", "two"))
		Eventually(ctx, runsRevision(component, 2, 1)).Should(Succeed())
		control(ctx, st, platformv1alpha1.RolloutControl{Revision: 2, Action: platformv1alpha1.RolloutAbort})
		Eventually(ctx, framework.Read(admin, st)).Should(isAt(platformv1alpha1.RolloutAborted, 2, 1))
		Eventually(ctx, runsRevision(component, 1, 1)).Should(Succeed())

		By("the next revision, which what was asked of the one before does not concern")
		next(ctx, st, keyed("'a'", "three"))
		Eventually(ctx, runsRevision(component, 3, 1)).Should(Succeed())
	})

	It("rolls nothing out any more once it is gone", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		st := staged(ctx, 3600)
		component := deploy(ctx, framework.Component(t.home, "shop", st.Name, "dev", "prod"))
		settled(ctx, component)
		next(ctx, st, keyed("'a'", "two"))
		Eventually(ctx, runsRevision(component, 2, 1)).Should(Succeed())

		Expect(admin.Delete(ctx, st)).To(Succeed())
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		settled(ctx, component)
		Consistently(ctx, runsRevision(component, 2, 1)).Should(Succeed(), "production was to wait for an hour")
	})

	It("tells what a revision changes also without waves, where everybody has it at once", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		st := publish(ctx, framework.Template(framework.Name("w-"), keyed("'a'", "one")))
		component := deploy(ctx, framework.Component(t.home, "shop", st.Name, "dev", "prod"))
		settled(ctx, component)
		Expect(read(ctx, st).Status.Impact).To(BeNil(), "there was nothing before")

		next(ctx, st, keyed("'a'", "two"))
		Eventually(ctx, runsRevision(component, 2, 2)).Should(Succeed())
		Eventually(ctx, framework.Read(admin, st)).Should(HaveField("Status.Impact", HaveValue(And(
			HaveField("Revision", BeEquivalentTo(2)), HaveField("ImpactCount", platformv1alpha1.ImpactCount{Following: 2, Changed: 2}),
			HaveField("Resources", ConsistOf(platformv1alpha1.ResourceImpact{Resource: "config", Kind: "ConfigMap", Changed: 2, Fields: []string{"data.a"}}))))))
		told := read(ctx, st).ResourceVersion
		Consistently(ctx, func(ctx context.Context) string { return read(ctx, st).ResourceVersion }).Should(Equal(told), "it is written once")
	})
})
