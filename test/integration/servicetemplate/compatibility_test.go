package servicetemplate_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A change that could break Components", func() {
	// stable is a template with one parameter, that somebody may rely on.
	stable := func(ctx context.Context, labels map[string]string) *platformv1alpha1.ServiceTemplate {
		GinkgoHelper()
		st := configMap("one")
		st.Labels = labels
		st.Spec.Maturity = platformv1alpha1.MaturityStable
		st.Spec.Parameters = framework.JSON(`{type: object, properties: {size: {type: integer, maximum: 10, default: 1}}}`)
		return created(ctx, st)
	}
	follow := func(ctx context.Context, st *platformv1alpha1.ServiceTemplate, pin *int64) {
		GinkgoHelper()
		component := framework.Component("default", framework.Name("c-"), st.Name, "nowhere")
		component.Spec.TemplateRef.Revision = pin
		Expect(admin.Create(ctx, component)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, component))).To(Succeed()) })
		Eventually(ctx, framework.Read(admin, component)).Should(HaveField("Status.Conditions", Not(BeEmpty())), "the manager knows of it")
	}
	narrow := func(st *platformv1alpha1.ServiceTemplate) {
		st.Spec.Parameters = framework.JSON(`{type: object, properties: {size: {type: integer, maximum: 5, default: 1}}}`)
	}
	latest := func(number int) OmegaMatcher {
		return HaveField("Status.LatestRevision", HaveField("Number", BeEquivalentTo(number)))
	}

	It("is refused where Components follow the template, until it is allowed once", func(ctx context.Context) {
		st := stable(ctx, nil)
		follow(ctx, st, nil)
		live := read(ctx, st)
		narrow(live)
		Expect(admin.Update(ctx, live.DeepCopy())).To(MatchError(And(
			ContainSubstring("1 Components follow the template, and could fail at what it changes"),
			ContainSubstring("parameters.size: narrowed: maximum was 10, is 5"),
			ContainSubstring("spec.rollout.allowBreaking: {fromRevision: 1, reason: …}"))))
		Expect(read(ctx, st)).To(And(latest(1), HaveField("Generation", BeEquivalentTo(1))))

		By("the leave for another revision, which counts for nothing")
		live.Spec.Rollout = &platformv1alpha1.TemplateRollout{AllowBreaking: &platformv1alpha1.BreakingAllowance{FromRevision: 2, Reason: "an old one"}}
		Expect(apierrors.IsForbidden(admin.Update(ctx, live.DeepCopy()))).To(BeTrue())

		By("the leave for this one")
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
			narrow(st)
			st.Spec.Rollout = &platformv1alpha1.TemplateRollout{AllowBreaking: &platformv1alpha1.BreakingAllowance{FromRevision: 1, Reason: "nobody needs more"}}
		})
		Eventually(ctx, framework.Read(admin, st)).Should(And(latest(2), framework.BeReady()))
		Expect(read(ctx, st).Status.Changes).To(ConsistOf(And(
			HaveField("Level", platformv1alpha1.ChangeBreaking), HaveField("Path", "parameters.size"), HaveField("Message", ContainSubstring("maximum was 10, is 5")))))

		const why = "Compiled as revision 2. Components could fail at what it changes, which is allowed from revision 1: nobody needs more"
		Expect(read(ctx, st)).To(framework.HaveCondition("Ready", metav1.ConditionTrue, "Compiled", why))
		Eventually(ctx, func(ctx context.Context) ([]string, error) {
			var list eventsv1.EventList
			if err := admin.List(ctx, &list); err != nil {
				return nil, err
			}
			var notes []string
			for i := range list.Items {
				if list.Items[i].Regarding.Name == st.Name {
					notes = append(notes, list.Items[i].Note)
				}
			}
			return notes, nil
		}).Should(ContainElement(why), "those whose Components break are told why")

		By("taking the leave away again, which is no new content")
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) { st.Spec.Rollout = nil })
		Eventually(ctx, framework.Read(admin, st)).Should(HaveField("Status.ObservedGeneration", BeEquivalentTo(3)))
		Expect(read(ctx, st)).To(And(latest(2), framework.BeReady()))
	})

	It("is refused by the controller too, where the webhook let it pass", func(ctx context.Context) {
		st := stable(ctx, map[string]string{framework.LabelUnchecked: ""})
		follow(ctx, st, nil)
		change(ctx, st, narrow)
		Eventually(ctx, framework.Read(admin, st)).Should(framework.BeStalled(platformv1alpha1.ReasonBreakingChange,
			"parameters.size: narrowed", "allowBreaking", "Revision 1 keeps serving."))
		Expect(read(ctx, st)).To(And(latest(1), HaveField("Status.Changes", HaveLen(1))))

		By("making it compatible")
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
			st.Spec.Parameters = framework.JSON(`{type: object, properties: {size: {type: integer, maximum: 20, default: 1}}}`)
		})
		Eventually(ctx, framework.Read(admin, st)).Should(And(latest(2), framework.BeReady(),
			HaveField("Status.Changes", ConsistOf(HaveField("Level", platformv1alpha1.ChangeSafe)))))
	})

	It("passes where nobody follows the template, or all are pinned", func(ctx context.Context) {
		st := stable(ctx, nil)
		one := int64(1)
		follow(ctx, st, &one)
		change(ctx, st, narrow)
		Eventually(ctx, framework.Read(admin, st)).Should(And(latest(2), framework.BeReady()))
	})

	become := func(ctx context.Context, st *platformv1alpha1.ServiceTemplate, maturity platformv1alpha1.Maturity) {
		GinkgoHelper()
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) { st.Spec.Maturity = maturity })
	}
	promised := func(st *platformv1alpha1.ServiceTemplate, maturity platformv1alpha1.Maturity) func(Gomega, context.Context) {
		return func(g Gomega, ctx context.Context) {
			rev := &platformv1alpha1.ServiceTemplateRevision{}
			g.Expect(admin.Get(ctx, client.ObjectKey{Name: st.Name + "-1"}, rev)).To(Succeed())
			g.Expect(rev.Status.Maturity).To(Equal(maturity))
		}
	}

	It("passes while the template is experimental, and was from the revision on", func(ctx context.Context) {
		st := configMap("one")
		st.Spec.Maturity = platformv1alpha1.MaturityExperimental
		st.Spec.Parameters = framework.JSON(`{type: object, properties: {size: {type: integer, maximum: 10, default: 1}}}`)
		created(ctx, st)
		follow(ctx, st, nil)
		Eventually(ctx, promised(st, platformv1alpha1.MaturityExperimental)).Should(Succeed())
		Eventually(ctx, func(ctx context.Context) error { // the webhook's cache comes to know of it
			live := read(ctx, st)
			narrow(live)
			return admin.Update(ctx, live)
		}).Should(Succeed())
		Eventually(ctx, framework.Read(admin, st)).Should(And(latest(2), framework.BeReady()))
	})

	It("is refused in the edit that makes the template experimental, and after it", func(ctx context.Context) {
		st := stable(ctx, nil)
		follow(ctx, st, nil)
		live := read(ctx, st)
		narrow(live)
		live.Spec.Maturity = platformv1alpha1.MaturityExperimental
		Expect(admin.Update(ctx, live)).To(MatchError(And(ContainSubstring("parameters.size: narrowed: maximum was 10, is 5"),
			ContainSubstring("Revision 1 was promised to be Stable"))))

		By("making it experimental alone, which breaks nobody")
		become(ctx, st, platformv1alpha1.MaturityExperimental)
		Eventually(ctx, framework.Read(admin, st)).Should(HaveField("Status.ObservedGeneration", BeEquivalentTo(2)))
		Eventually(ctx, promised(st, platformv1alpha1.MaturityStable)).Should(Succeed())
		live = read(ctx, st)
		narrow(live)
		Expect(admin.Update(ctx, live)).To(MatchError(ContainSubstring("Revision 1 was promised to be Stable")))
	})

	It("is refused after the template was stable for a while, though its revision began as experimental", func(ctx context.Context) {
		st := configMap("one")
		st.Labels = map[string]string{framework.LabelUnchecked: ""}
		st.Spec.Maturity = platformv1alpha1.MaturityExperimental
		st.Spec.Parameters = framework.JSON(`{type: object, properties: {size: {type: integer, maximum: 10, default: 1}}}`)
		created(ctx, st)
		follow(ctx, st, nil)
		Eventually(ctx, promised(st, platformv1alpha1.MaturityExperimental)).Should(Succeed())
		become(ctx, st, platformv1alpha1.MaturityStable)
		Eventually(ctx, promised(st, platformv1alpha1.MaturityStable)).Should(Succeed())
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
			narrow(st)
			st.Spec.Maturity = platformv1alpha1.MaturityExperimental
		})
		Eventually(ctx, framework.Read(admin, st)).Should(framework.BeStalled(platformv1alpha1.ReasonBreakingChange, "Revision 1 was promised to be Stable", "Revision 1 keeps serving."))
	})
})

var _ = Describe("A template that is deprecated", func() {
	It("warns whoever applies a Component of it, serves on, and makes no new revision", func(ctx context.Context) {
		st := created(ctx, configMap("one"))
		live := read(ctx, st)
		live.Spec.ReplacedBy = "better"
		Expect(admin.Update(ctx, live)).To(MatchError(ContainSubstring("replacedBy needs maturity: Deprecated")))
		change(ctx, st, func(st *platformv1alpha1.ServiceTemplate) {
			st.Spec.Maturity, st.Spec.ReplacedBy = platformv1alpha1.MaturityDeprecated, "better"
		})
		Eventually(ctx, framework.Read(admin, st)).Should(HaveField("Status.ObservedGeneration", BeEquivalentTo(2)))
		Expect(read(ctx, st).Status.LatestRevision.Number).To(BeEquivalentTo(1))
		Eventually(ctx, func(ctx context.Context) ([]string, error) { // the webhook's cache comes to know of it
			heard := &warnings{}
			cfg := cluster.Plane.AdminConfig()
			cfg.WarningHandler = heard
			listener, err := client.New(cfg, client.Options{Scheme: admin.Scheme()})
			Expect(err).NotTo(HaveOccurred())
			err = listener.Create(ctx, framework.Component("default", framework.Name("c-"), st.Name, "nowhere"), client.DryRunAll)
			return heard.all(), err
		}).Should(ContainElement("spec.templateRef: ServiceTemplate " + st.Name + " is deprecated: use better in place of it"))
	})
})
