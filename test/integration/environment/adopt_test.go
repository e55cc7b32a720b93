package environment_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// taking is an Environment that takes over a namespace.
func (p *place) taking(ctx context.Context, namespace string) *platformv1alpha1.Environment {
	GinkgoHelper()
	environment := framework.Environment(p.home, "dev", p.class.Name)
	environment.Spec.AdoptNamespace = namespace
	Expect(admin.Create(ctx, environment)).To(Succeed())
	return environment
}

var _ = Describe("A namespace that was taken over", func() {
	It("gets back the labels and annotations that it bore when it is let go", func(ctx context.Context) {
		p := newPlace(ctx)
		legacy := workload(framework.Name("legacy-"))
		legacy.Labels = map[string]string{
			"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "legacy", "owner": "somebody",
			"pod-security.kubernetes.io/enforce": "privileged", "pod-security.kubernetes.io/enforce-version": "latest",
		}
		legacy.Annotations = map[string]string{platformv1alpha1.AnnotationAdoptBy: p.home + "/dev", "example.com/owner": "ops"}
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"namespaceAnnotations":{"example.com/owner":"platform","example.com/backup":"daily"}}}`))).To(Succeed())
		Expect(admin.Create(ctx, legacy)).To(Succeed())
		before := read(ctx, legacy)
		environment := p.taking(ctx, legacy.Name)
		awaitReady(ctx, environment)
		Expect(read(ctx, legacy).Labels).To(And(HaveKeyWithValue("app.kubernetes.io/managed-by", "towpath"),
			HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"), HaveKeyWithValue("owner", "somebody")))

		Expect(read(ctx, legacy).Annotations).To(And(HaveKeyWithValue("example.com/owner", "platform"), HaveKeyWithValue("example.com/backup", "daily")))

		By("letting nobody say that it bore others")
		for _, key := range []string{platformv1alpha1.AnnotationFound, platformv1alpha1.AnnotationFoundAnnotations} {
			for _, value := range []string{`"{\"owner\":\"other\"}"`, "null"} {
				Expect(admin.Patch(ctx, workload(legacy.Name), merge(`{"metadata":{"annotations":{"`+key+`":`+value+`}}}`))).
					To(MatchError(ContainSubstring("'towpath-namespaces'")))
			}
		}

		By("after a change of the class, and of labels that are not Towpath's")
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"podSecurity":"Baseline"}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, workload(legacy.Name))).Should(HaveField("Labels", HaveKeyWithValue("pod-security.kubernetes.io/enforce", "baseline")))
		Expect(admin.Patch(ctx, workload(legacy.Name), merge(`{"metadata":{"labels":{"owner":"somebody-else"}}}`))).To(Succeed())
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		after := read(ctx, legacy)
		before.Labels["owner"] = "somebody-else"
		Expect(after.Labels).To(Equal(before.Labels))
		Expect(after.Annotations).To(Equal(map[string]string{"example.com/owner": "ops"}), "the consent was for this once")
		Expect(after.DeletionTimestamp).To(BeNil())
	})

	It("keeps its pod security where its Environment made it", func(ctx context.Context) {
		environment := newPlace(ctx).ready(ctx, "dev")
		namespace := workload(environment.Status.Namespace)
		Expect(admin.Patch(ctx, namespace, merge(`{"metadata":{"annotations":{"`+platformv1alpha1.AnnotationKeep+`":"true"}}}`))).To(Succeed())
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		kept := read(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace.Name}})
		Expect(kept.Labels).To(And(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"), Not(HaveKey(platformv1alpha1.LabelOwnerUID)),
			Not(HaveKey("app.kubernetes.io/managed-by"))))
	})
})
