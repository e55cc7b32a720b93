package release_test

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A name that belongs to somebody else", func() {
	It("is left as it is, byte for byte, and taken when it is free", func(ctx context.Context) {
		p := newPlace(ctx)
		foreign := p.configMap("shop-config")
		foreign.Data = map[string]string{"theirs": "untouched"}
		foreign.Labels = map[string]string{"app": "theirs"}
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		before := bytesOf(ctx, foreign)

		p.deploy(ctx, framework.ConfigMap("config"), framework.ConfigMap("other"))
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(And(
			framework.BeStalled(platformv1alpha1.ReasonObjectTaken, "ConfigMap shop-config in namespace "+p.namespace, "belongs to somebody else"),
			framework.HaveCondition(isApplied, no, platformv1alpha1.ReasonObjectTaken),
			HaveField("Status.Objects", ContainElement(And(HaveField("Name", "shop-config"), HaveField("UID", BeEmpty())))),
		))
		Eventually(ctx, framework.Read(admin, p.configMap("shop-other"))).Should(HaveField("UID", Not(BeEmpty())), "its siblings are not held up")

		By("events of its sibling, which must not send it again each time")
		for _, text := range []string{"a", "b", "c", "d", "e", "f"} {
			change(ctx, p.configMap("shop-other"), func(c *corev1.ConfigMap) { c.Data["theirs"] = text })
		}
		tries, err := p.writesOf("shop-config")
		Expect(err).NotTo(HaveOccurred())
		Expect(len(tries)).To(BeNumerically("<=", 3), "%v", tries)
		Expect(tries).To(HaveEach(HaveField("Code", BeNumerically(">=", http.StatusBadRequest))))
		Consistently(ctx, func(ctx context.Context) string { return bytesOf(ctx, foreign) }).Should(Equal(before), "Towpath never touches what is not its own")

		Expect(admin.Delete(ctx, foreign)).To(Succeed())
		p.ready(ctx, 1)
		Expect(read(ctx, foreign).Data).NotTo(HaveKey("theirs"))
	})

	It("is named so also where the API server would refuse the change as invalid", func(ctx context.Context) {
		p := newPlace(ctx)
		foreign := p.deployment()
		labels := map[string]string{"app": "theirs"}
		foreign.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels} // immutable, and not ours
		foreign.Spec.Template.Labels = labels
		foreign.Spec.Template.Spec.Containers = []corev1.Container{{Name: "theirs", Image: "registry.example/theirs:1"}}
		foreign.Spec.Replicas = new(int32)
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		Eventually(ctx, framework.Read(admin, foreign)).Should(HaveField("Status.ObservedGeneration", BeEquivalentTo(1)))
		before := bytesOf(ctx, foreign)

		p.deploy(ctx, web())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(
			framework.BeStalled(platformv1alpha1.ReasonObjectTaken, "Deployment shop in namespace "+p.namespace, "belongs to somebody else"))
		Expect(bytesOf(ctx, foreign)).To(Equal(before))
		Expect(admin.Delete(ctx, foreign)).To(Succeed())
		p.ready(ctx, 1)
	})

	It("is not scaled either", func(ctx context.Context) {
		p := newPlace(ctx)
		foreign := p.deployment()
		foreign.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "theirs"}}
		foreign.Spec.Template.Labels = foreign.Spec.Selector.MatchLabels
		foreign.Spec.Template.Spec.Containers = []corev1.Container{{Name: "theirs", Image: "registry.example/theirs:1"}}
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		p.deploy(ctx, webOf(0), framework.Resource("autoscaler", `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: "${component.name}"}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "${component.name}"}
  minReplicas: 2
  maxReplicas: 4
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]
`))
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeStalled(platformv1alpha1.ReasonObjectTaken))
		scaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "shop"}}
		Consistently(ctx, framework.Gone(admin, scaler)).Should(BeTrue(), "an autoscaler comes after what it scales")
		Expect(read(ctx, foreign).Spec.Replicas).To(HaveValue(BeEquivalentTo(1)))
	})

	It("is not deleted with the Component", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, framework.ConfigMap("config"))
		By("an object of theirs in the place of ours, while the manager looks away")
		Expect(cluster.StopManager()).To(Succeed())
		Expect(admin.Delete(ctx, p.configMap("shop-config"))).To(Succeed())
		foreign := p.configMap("shop-config")
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		before := bytesOf(ctx, foreign)
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeStalled(platformv1alpha1.ReasonObjectTaken))
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Expect(bytesOf(ctx, foreign)).To(Equal(before))
	})
})

var _ = Describe("An admission policy that does not stand", func() {
	It("stops every write until it does", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, framework.ConfigMap("config"))
		binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "towpath-ownership"}}
		binding = read(ctx, binding)
		again := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: binding.Name, Labels: binding.Labels}, Spec: binding.Spec,
		}
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx context.Context) {
			Expect(client.IgnoreAlreadyExists(admin.Create(ctx, again.DeepCopy()))).To(Succeed())
			Eventually(ctx, cluster.Ready).Should(Succeed())
		})
		Eventually(ctx, cluster.Ready).ShouldNot(Succeed(), "the manager is not ready while a wall is down")
		Expect(admin.Delete(ctx, p.configMap("shop-config"))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonApplyFailed,
			"Nothing is written to any workload namespace", "towpath-ownership is not installed"))
		Consistently(ctx, framework.Gone(admin, p.configMap("shop-config"))).Should(BeTrue())

		Expect(admin.Create(ctx, again.DeepCopy())).To(Succeed())
		p.ready(ctx, 1)
	})
})

var _ = Describe("An object that the API server refuses", func() {
	It("has the Release say which quota is used up, and what helps", func(ctx context.Context) {
		p := newPlace(ctx)
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "objects"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceServices: resource.MustParse("0")}},
		}
		Expect(admin.Create(ctx, quota)).To(Succeed())
		Eventually(ctx, framework.Read(admin, quota)).Should(HaveField("Status.Hard", HaveKey(corev1.ResourceServices)))
		component, _ := p.deploy(ctx, framework.Resource("service", `
apiVersion: v1
kind: Service
metadata: {name: "${component.name}"}
spec: {ports: [{port: 80}]}
`))
		says := []string{"Service shop", "Quota objects of namespace " + p.namespace + " is used up: 0 of 0 services used, 1 more is asked for", "have the quota raised"}
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonQuotaExceeded, says...),
			framework.HaveCondition(isApplied, no, platformv1alpha1.ReasonQuotaExceeded)))

		change(ctx, quota, func(q *corev1.ResourceQuota) { q.Spec.Hard[corev1.ResourceServices] = resource.MustParse("5") })
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady(), "it is tried again with growing pauses")
	})

	It("stalls the Release with the API server's words, and is not sent again and again", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.deploy(ctx, webOf(0), keyed())
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{key: "not a key"}`) })
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonReleaseFailed, "dev: ", "ConfigMap shop-keyed", "not a key"))
		release := *read(ctx, &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{
			Namespace: component.Namespace, Name: read(ctx, component).Status.Environments[0].Release,
		}})
		Expect(&release).To(And(
			framework.BeStalled(platformv1alpha1.ReasonApplyFailed, "ConfigMap shop-keyed in namespace "+p.namespace, "not a key", "Change the Component's parameters"),
			framework.HaveCondition(isApplied, no, platformv1alpha1.ReasonApplyFailed)))

		By("events of its sibling")
		for replicas := int32(2); replicas < 5; replicas++ {
			change(ctx, p.deployment(), func(d *deploymentType) { d.Spec.Replicas = &replicas })
			Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Status.AvailableReplicas", Equal(replicas)))
		}
		refused := func() (framework.Audit, error) {
			tries, err := p.writesOf("shop-keyed")
			var refused framework.Audit
			for _, r := range tries {
				if r.Code == http.StatusUnprocessableEntity {
					refused = append(refused, r)
				}
			}
			return refused, err
		}
		Expect(refused()).To(HaveLen(1), "the same object would be refused again")
		Consistently(ctx, refused, "5s").Should(HaveLen(1), "nothing changed")
		Consistently(ctx, framework.Read(admin, &release)).Should(framework.BeStalled(platformv1alpha1.ReasonApplyFailed), "nothing changed")

		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{key: better}`) })
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())
		Expect(read(ctx, p.configMap("shop-keyed")).Data).To(Equal(map[string]string{"better": "value"}))
	})
})

var _ = Describe("A kind that the cluster does not serve any more", func() {
	It("is said to be missing, and made as soon as it is installed", func(ctx context.Context) {
		p := newPlace(ctx)
		crd := define(ctx)
		By("a revision whose template compiled while the kind was there")
		gadget := framework.Resource("gadget", `
apiVersion: `+crd.Spec.Group+`/v1
kind: `+crd.Spec.Names.Kind+`
metadata: {name: "${component.name}"}
spec: {color: "${release.image}"}
`)
		component, _ := p.settle(ctx, gadget, framework.ConfigMap("config"))

		Expect(admin.Delete(ctx, crd)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, crd)).Should(BeTrue())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonKindUnavailable, crd.Spec.Names.Kind+" shop"),
			framework.HaveCondition(isApplied, no, platformv1alpha1.ReasonKindUnavailable)))
		Expect(read(ctx, p.configMap("shop-config")).Data).NotTo(BeEmpty(), "what else there is goes on running")
		By("no storm of tries: once all have been told, little is asked for, and ever more seldom")
		p.quiet(ctx)

		Expect(admin.Create(ctx, framework.CRD(crd.Spec.Group, crd.Spec.Names.Kind))).To(Succeed())
		p.ready(ctx, 1)
		Expect(read(ctx, instance(crd, p.namespace, "shop")).Object).To(HaveKeyWithValue("spec", HaveKey("color")))
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
	})

	It("does not keep a Component from being deleted", func(ctx context.Context) {
		p := newPlace(ctx)
		crd := define(ctx)
		component, _ := p.settle(ctx, framework.Resource("gadget", `
apiVersion: `+crd.Spec.Group+`/v1
kind: `+crd.Spec.Names.Kind+`
metadata: {name: "${component.name}"}
`))
		Expect(admin.Delete(ctx, crd)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, crd)).Should(BeTrue())
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
	})
})

// define installs a kind of its own, and gives the appliers and the manager their rights to it as a
// platform team would.
func define(ctx context.Context) *apiextensionsv1.CustomResourceDefinition {
	GinkgoHelper()
	group := framework.Name("g") + ".example.com"
	crd := framework.CRD(group, "Gadget")
	Expect(admin.Create(ctx, crd)).To(Succeed())
	for label, verbs := range map[string][]string{
		"platform.towpath.dev/aggregate-to-applier": {"create", "patch", "delete"},
		"platform.towpath.dev/aggregate-to-manager": {"get", "list", "watch"},
	} {
		role := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "suite-", Labels: map[string]string{label: "true"}},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{group}, Resources: []string{crd.Spec.Names.Plural}, Verbs: verbs}},
		}
		Expect(admin.Create(ctx, role)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { _ = admin.Delete(ctx, role) })
	}
	DeferCleanup(func(ctx context.Context) { _ = admin.Delete(ctx, crd) })
	Eventually(ctx, framework.Read(admin, crd)).Should(HaveField("Status.Conditions", ContainElement(
		And(HaveField("Type", apiextensionsv1.Established), HaveField("Status", apiextensionsv1.ConditionTrue)))))
	for _, role := range []string{"towpath-applier-extra", "towpath-manager-extra"} {
		Eventually(ctx, framework.Read(admin, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role}})).Should(
			HaveField("Rules", ContainElement(HaveField("APIGroups", ConsistOf(group)))))
	}
	return crd
}

func instance(crd *apiextensionsv1.CustomResourceDefinition, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(crd.Spec.Group + "/v1")
	u.SetKind(crd.Spec.Names.Kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

var _ = Describe("A workload namespace", func() {
	It("that an administrator deletes comes back with everything in it", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, web(), framework.ConfigMap("config"))
		namespace := read(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.namespace}})
		old := read(ctx, p.deployment()).UID

		Expect(admin.Delete(ctx, namespace)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, namespace)).Should(BeTrue())
		Eventually(ctx, func(ctx context.Context) error {
			return client.IgnoreNotFound(admin.Get(ctx, client.ObjectKeyFromObject(namespace), &corev1.Namespace{}))
		}).Should(Succeed())
		began := time.Now()
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("UID", Not(Equal(old))))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeReady())
		Expect(framework.Gone(admin, p.release(2))(ctx)).To(BeTrue(), "the same Release makes them again")
		GinkgoWriter.Printf("back after %s\n", time.Since(began))
	})
})
