package release_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

type deploymentType = appsv1.Deployment

var _ = Describe("A newer Release", func() {
	It("takes the place of the older, and only once it is ready prunes what that alone had", func(ctx context.Context) {
		p := newPlace(ctx)
		component, template := p.settle(ctx, web(), framework.ConfigMap("config"), framework.ConfigMap("extra"))
		extra := read(ctx, p.configMap("shop-extra"))

		By("a revision without it that does not get ready")
		broken := web()
		broken.Object.Raw = bytes.Replace(broken.Object.Raw, []byte("-broken"), []byte("shop:1.0.0"), 1)
		reviseTo(ctx, template, broken, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.HaveCondition(isReady, "True", platformv1alpha1.ReasonSuperseded, "shop-dev-2 took its place"))
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.HaveCondition(isApplied, "True", platformv1alpha1.ReasonApplied))
		Consistently(ctx, framework.Gone(admin, extra)).Should(BeFalse(), "it serves until the new Release does")
		Expect(read(ctx, p.release(1)).Finalizers).To(HaveLen(1), "it lists what is still to be pruned")

		By("an image that does")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2" })
		Eventually(ctx, framework.Gone(admin, extra)).Should(BeTrue())
		release := p.ready(ctx, 3)
		Expect(extra.UID).NotTo(BeElementOf(uids(release)))
		for number := int64(1); number < 3; number++ {
			Eventually(ctx, framework.Read(admin, p.release(number))).Should(HaveField("Finalizers", BeEmpty()))
		}
		deletes, err := p.writesOf("shop-extra")
		Expect(err).NotTo(HaveOccurred())
		Expect(deletes[len(deletes)-1]).To(And(HaveField("Verb", "delete"), HaveField("As", p.applier()), HaveField("Code", BeNumerically("==", http.StatusOK))))
	})

	It("does not prune an object of somebody else under the old name", func(ctx context.Context) {
		p := newPlace(ctx)
		_, template := p.settle(ctx, framework.ConfigMap("config"), framework.ConfigMap("extra"))
		By("an object of theirs in the place of ours, while the manager looks away")
		Expect(cluster.StopManager()).To(Succeed())
		Expect(admin.Delete(ctx, p.configMap("shop-extra"))).To(Succeed())
		foreign := p.configMap("shop-extra")
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		before := bytesOf(ctx, foreign)
		Expect(cluster.StartManager(ctx)).To(Succeed())

		reviseTo(ctx, template, framework.ConfigMap("config"))
		p.ready(ctx, 2)
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(HaveField("Finalizers", BeEmpty()))
		Expect(bytesOf(ctx, foreign)).To(Equal(before))
	})
})

var _ = Describe("A Release that is deleted by hand", func() {
	It("is made again, and nothing that runs is interrupted", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, web(), service(), framework.ConfigMap("config"))
		first := p.ready(ctx, 1)
		generation := read(ctx, p.deployment()).Generation

		Expect(admin.Delete(ctx, first)).To(Succeed())
		second := p.ready(ctx, 2)
		Expect(second.Spec.Cause).To(Equal(platformv1alpha1.CauseManual))
		Expect(second.Spec.Version).To(Equal(first.Spec.Version))
		Expect(second.Spec.Revision).To(Equal(first.Spec.Revision))
		Expect(uids(second)).To(Equal(uids(first)), "the same objects")
		Expect(read(ctx, p.deployment()).Generation).To(Equal(generation), "unchanged")
		Eventually(ctx, framework.Gone(admin, first)).Should(BeTrue())
		writes := p.quiet(ctx).By(p.applier())
		Expect(writes).NotTo(ContainElement(HaveField("Verb", "delete")))
	})

	It("does not bring back the one before it", func(ctx context.Context) {
		p := newPlace(ctx)
		extra := framework.ConfigMap("extra")
		extra.IncludeWhen = "${!release.image.endsWith('-broken')}"
		component, _ := p.settle(ctx, web(), extra)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2-broken" })
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.HaveCondition(isApplied, "True", platformv1alpha1.ReasonApplied))
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(HaveField("Status.SupersededAt", Not(BeNil())))
		Expect(read(ctx, p.release(1)).Finalizers).To(HaveLen(1), "it has not let go: the newer one is not ready")
		generation := read(ctx, p.deployment()).Generation

		Expect(admin.Delete(ctx, p.release(2))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.release(3))).Should(And(
			framework.HaveCondition(isApplied, "True", platformv1alpha1.ReasonApplied),
			HaveField("Spec.Cause", platformv1alpha1.CauseManual), HaveField("Spec.Image", "registry.example/shop:2-broken")))
		Eventually(ctx, framework.Gone(admin, p.release(2))).Should(BeTrue())
		Expect(read(ctx, p.deployment()).Generation).To(Equal(generation), "the image never changed")
	})
})

var _ = Describe("A manager that is restarted", func() {
	It("writes nothing where nothing changed", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, web(), service(), framework.ConfigMap("config"))
		before := p.quiet(ctx)
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Consistently(ctx, p.writes, "8s").Should(HaveLen(len(before)), "nothing changed while it was away")
	})

	It("mends what changed while it was away", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, web(), framework.ConfigMap("config"))
		Expect(cluster.StopManager()).To(Succeed())
		Expect(admin.Delete(ctx, p.configMap("shop-config"))).To(Succeed())
		Expect(admin.Patch(ctx, p.deployment(), client.RawPatch(types.MergePatchType, []byte(`{"spec": {"replicas": 0}}`)))).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) (string, error) {
			live, err := framework.Read(admin, p.configMap("shop-config"))(ctx)
			if apierrors.IsNotFound(err) {
				return "", nil
			}
			return live.Data["image"], err
		}).Should(HavePrefix("registry.example/shop"))
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Spec.Replicas", HaveValue(BeEquivalentTo(1))))
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeReady())
	})
})

// uids are the objects of a Release, as kind/name and UID.
func uids(release *platformv1alpha1.Release) map[string]types.UID {
	uids := map[string]types.UID{}
	for _, o := range release.Status.Objects {
		uids[strings.ToLower(o.Kind)+"/"+o.Name] = o.UID
	}
	return uids
}
