package component_test

import (
	"context"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// revision is a ServiceTemplateRevision by its name.
func revision(name string) *platformv1alpha1.ServiceTemplateRevision {
	return &platformv1alpha1.ServiceTemplateRevision{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// owned lists the objects of a Component, by its UID, that the suite's templates make.
func owned(namespace string, owner types.UID) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		var names []string
		for _, kind := range []string{"ConfigMapList", "DeploymentList"} {
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
			if kind == "DeploymentList" {
				list.APIVersion = "apps/v1"
			}
			if err := admin.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{platformv1alpha1.LabelOwnerUID: string(owner)}); err != nil {
				return nil, err
			}
			for i := range list.Items {
				names = append(names, list.Items[i].Name)
			}
		}
		return names, nil
	}
}

// everGone waits until nothing of a Component is left, and sees that nothing comes back.
func (t *team) everGone(ctx context.Context, component *platformv1alpha1.Component, environments ...string) {
	GinkgoHelper()
	Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
	for _, environment := range environments {
		Eventually(ctx, owned(t.workload(environment), component.UID)).Should(BeEmpty())
		Eventually(ctx, func(ctx context.Context) ([]platformv1alpha1.Release, error) {
			return t.releases(ctx, component.Name, environment)
		}).Should(BeEmpty())
	}
	Consistently(ctx, func(g Gomega, ctx context.Context) {
		for _, environment := range environments {
			g.Expect(owned(t.workload(environment), component.UID)(ctx)).To(BeEmpty())
			g.Expect(t.releases(ctx, component.Name, environment)).To(BeEmpty())
		}
	}).Should(Succeed(), "nothing may be made for a Component that is gone")
}

var _ = Describe("The life of a Component", func() {
	It("goes on when its template is deleted: it runs, takes a new image, and can be deleted", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		settled(ctx, component)

		Expect(admin.Delete(ctx, template)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, template)).Should(BeTrue())
		Consistently(ctx, framework.Read(admin, component)).Should(framework.BeReady(), "what runs does not need its template")
		Expect(exists(revision(template.Name + "-1"))(ctx)).To(BeTrue())

		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		settled(ctx, component)
		Expect(read(ctx, configMapOf(t.workload("prod"), "shop-config")).Data).To(HaveKeyWithValue("image", "registry.example/shop:2.0.0"))

		By("deleting the Release that runs")
		Expect(admin.Delete(ctx, t.release("shop", "prod", 2))).To(Succeed())
		Eventually(ctx, framework.Read(admin, t.release("shop", "prod", 3))).Should(And(
			framework.BeReady(), HaveField("Spec.Cause", platformv1alpha1.CauseManual)))

		By("a newcomer, which must not start with it")
		newcomer := deploy(ctx, framework.Component(t.home, "newcomer", template.Name, "dev"))
		Eventually(ctx, framework.Read(admin, newcomer)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonTemplateNotFound))

		Expect(admin.Delete(ctx, component)).To(Succeed())
		t.everGone(ctx, component, "dev", "prod")
		Eventually(ctx, framework.Gone(admin, revision(template.Name+"-1"))).Should(BeTrue())
	})

	It("ends during its roll-out, and nothing is made afterwards", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, web(framework.Name("web-"), framework.ConfigMap("config")))
		component := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		component.Spec.Image = "registry.example/shop:1-broken"
		deploy(ctx, component)
		Eventually(ctx, owned(t.workload("dev"), component.UID)).Should(ConsistOf("shop", "shop-config"))
		Expect(admin.Delete(ctx, component)).To(Succeed())
		t.everGone(ctx, component, "dev", "prod")
	})

	It("ends as soon as it was made, and nothing is left of it", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, light(framework.Name("light-")))
		for range 5 {
			component := framework.Component(t.home, "shop", template.Name, "dev")
			Expect(developer.Create(ctx, component)).To(Succeed())
			Expect(admin.Delete(ctx, component)).To(Succeed())
			Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
			Eventually(ctx, owned(t.workload("dev"), component.UID)).Should(BeEmpty())
		}
		Eventually(ctx, func(ctx context.Context) ([]platformv1alpha1.Release, error) { return t.releases(ctx, "shop", "dev") }).Should(BeEmpty())
	})

	It("begins anew under the same name at once", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, web(framework.Name("web-"), framework.ConfigMap("config")))
		old := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		settled(ctx, old)

		Expect(admin.Delete(ctx, old)).To(Succeed())
		fresh := framework.Component(t.home, "shop", template.Name, "dev", "prod")
		Eventually(ctx, func(ctx context.Context) error { return developer.Create(ctx, fresh) }).Should(Succeed())
		DeferCleanup(func(ctx context.Context) { _ = admin.Delete(ctx, fresh) })
		settled(ctx, fresh)
		for _, environment := range []string{"dev", "prod"} {
			Eventually(ctx, owned(t.workload(environment), old.UID)).Should(BeEmpty())
			Expect(owned(t.workload(environment), fresh.UID)(ctx)).To(ConsistOf("shop", "shop-config"))
			Expect(read(ctx, t.release("shop", environment, 1)).Spec.Component.UID).To(Equal(fresh.UID))
		}
	})

	It("waits when an Environment is deleted, and comes back with it", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		settled(ctx, component)
		environment := read(ctx, t.environment("prod"))

		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		Expect(framework.Gone(admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.workload("prod")}})(ctx)).To(BeTrue(), "the Environment waits for its namespace")
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonEnvironmentNotFound, "prod", "Create it, or take it out of spec.environments"), beForKstatus(status.InProgressStatus)))
		Eventually(ctx, func(ctx context.Context) ([]platformv1alpha1.Release, error) { return t.releases(ctx, "shop", "prod") }).Should(BeEmpty())
		Expect(exists(configMapOf(t.workload("dev"), "shop-config"))(ctx)).To(BeTrue())

		t.addEnvironment(ctx, "prod")
		settled(ctx, component)
		Expect(exists(configMapOf(t.workload("prod"), "shop-config"))(ctx)).To(BeTrue())
	})

	It("can end together with its Environments and its namespace", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev", "prod"))
		settled(ctx, component)
		home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.home}}
		Expect(admin.Delete(ctx, home)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, home)).Should(BeTrue())
		for _, environment := range []string{"dev", "prod"} {
			Eventually(ctx, framework.Gone(admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.workload(environment)}})).Should(BeTrue())
		}
	})

	It("ends also when a Release that was deleted by hand could not be made again", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev"))
		settled(ctx, component)
		config := read(ctx, configMapOf(t.workload("dev"), "shop-config"))

		none := int64(99)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.TemplateRef.Revision = &none })
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonRevisionNotFound))
		Expect(admin.Delete(ctx, t.release("shop", "dev", 1))).To(Succeed())
		Consistently(ctx, framework.Gone(admin, config)).Should(BeFalse(), "the environment is still in the path")

		Expect(admin.Delete(ctx, component)).To(Succeed())
		t.everGone(ctx, component, "dev")
	})

	It("is not Ready while its next Release cannot be made", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "dev"))
		settled(ctx, component)

		By("a quota of the platform team on Releases")
		quota := &corev1.ResourceQuota{ObjectMeta: objectMeta(t.home, "releases"), Spec: corev1.ResourceQuotaSpec{
			Hard: corev1.ResourceList{"count/releases.platform.towpath.dev": resource.MustParse("1")},
		}}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		Eventually(ctx, framework.Read(admin, quota)).Should(HaveField("Status.Used", Not(BeEmpty())))
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, component)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonProgressing, "dev: ", "shop-dev-2", "exceeded quota"),
			framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonProgressing),
			beForKstatus(status.InProgressStatus),
		))
		Consistently(ctx, framework.Read(admin, component)).ShouldNot(framework.BeReady(), "the version of the spec runs nowhere")

		newcomer := deploy(ctx, framework.Component(t.home, "newcomer", template.Name, "dev"))
		Eventually(ctx, framework.Read(admin, newcomer)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonProgressing, "exceeded quota"))

		Expect(admin.Delete(ctx, quota)).To(Succeed())
		settled(ctx, component)
		settled(ctx, newcomer)
	})
})
