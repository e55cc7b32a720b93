package delivery_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("What ends where a class delivers by Git", func() {
	It("is taken out of the branch first, and is gone once the tool has pruned it", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		p.deploy(ctx, framework.ConfigMap("config"))
		p.delivered(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)

		Expect(admin.Delete(ctx, p.Component)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) []string { return p.files(ctx) }).Should(BeEmpty(), "a commit removes what .towpath lists")
		Expect(p.commits(ctx)).To(Equal("3"))
		Consistently(ctx, framework.Gone(admin, p.Component), "2s").Should(BeFalse(), "the tool has time to prune before Towpath deletes what is left")
		p.sync(ctx)
		Eventually(ctx, framework.Gone(admin, p.ConfigMap("shop-config"))).Should(BeTrue())
		Eventually(ctx, framework.Gone(admin, p.Component)).Should(BeTrue())
	})

	It("is so with its Environment", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		p.deploy(ctx, framework.ConfigMap("config"))
		p.delivered(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)
		environment := framework.Environment(p.Home, "dev", p.Class)
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) []string { return p.files(ctx) }).Should(BeEmpty())
		p.sync(ctx)
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
	})
})

var _ = Describe("Who applies what is delivered", func() {
	It("may set Towpath's labels in those namespaces, and change the owner of nothing", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.Namespace}}
		Expect(framework.Read(admin, namespace)(ctx)).To(HaveField("Annotations", HaveKeyWithValue(platformv1alpha1.AnnotationDeliveredBy, argo.User())))
		labelled := p.ConfigMap("labelled")
		labelled.Labels = map[string]string{platformv1alpha1.LabelOwnerUID: "a", platformv1alpha1.LabelTeam: p.Team}
		Expect(admin.Create(ctx, labelled.DeepCopy())).To(MatchError(ContainSubstring("are Towpath's in this namespace")), "nobody else may")
		Expect(tool.Create(ctx, labelled)).To(Succeed())
		labelled.Labels[platformv1alpha1.LabelOwnerUID] = "b"
		Expect(tool.Update(ctx, labelled)).To(MatchError(ContainSubstring("takes over nothing")))
		plain := p.ConfigMap("plain")
		Expect(admin.Create(ctx, plain)).To(Succeed())
		plain.Labels = map[string]string{platformv1alpha1.LabelOwnerUID: "a"}
		Expect(tool.Update(ctx, plain)).To(MatchError(ContainSubstring("was not made by Towpath")))

		By("saying so by themselves")
		namespace.Annotations = map[string]string{}
		Eventually(ctx, func(ctx context.Context) error {
			live, err := framework.Read(admin, namespace)(ctx)
			if err != nil {
				return err
			}
			live.Annotations[platformv1alpha1.AnnotationDeliveredBy] = "system:serviceaccount:team-shop:mine"
			return admin.Update(ctx, live)
		}).Should(MatchError(ContainSubstring("comes from the class of the Environment")))
	})
})
