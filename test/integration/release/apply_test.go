package release_test

import (
	"context"
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("The objects of a Release", func() {
	It("are written as the account of the environment, once each, and then left alone", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, web(), service(), framework.ConfigMap("config"))
		requests := p.quiet(ctx)
		byApplier := requests.By(p.applier())
		Expect(byApplier).To(ConsistOf(
			HaveField("Resource", "deployments.apps"), HaveField("Resource", "services"), HaveField("Resource", "configmaps"),
		), "one apply for each object")
		Expect(byApplier).To(HaveEach(And(
			HaveField("User", framework.ManagerUser), HaveField("As", p.applier()), HaveField("Verb", "patch"),
			HaveField("Namespace", p.namespace), HaveField("Code", BeNumerically("==", http.StatusCreated)))))
		for _, request := range requests.About("shop", "shop-config") {
			if request.Namespace == p.namespace {
				Expect(request.As).To(Equal(p.applier()), "%s: the manager must not write workloads by itself", request)
			}
		}
		Consistently(ctx, p.writes, "5s").Should(HaveLen(len(requests)), "a steady state writes nothing")
	})

	It("leave the replicas to an autoscaler", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, webOf(0))
		before := p.quiet(ctx).By(p.applier())
		scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 3}}
		Expect(admin.SubResource("scale").Update(ctx, p.deployment(), client.WithSubResourceBody(scale))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Status.AvailableReplicas", BeEquivalentTo(3)))
		Consistently(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Spec.Replicas", HaveValue(BeEquivalentTo(3))),
			"replicas do not stand in the template: they are another's")
		after, err := p.writes()
		Expect(err).NotTo(HaveOccurred())
		Expect(after.By(p.applier())).To(HaveLen(len(before)))
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeReady())
	})
})

var _ = Describe("The number of pods", func() {
	It("begins with the fewest that an autoscaler keeps, and is the autoscaler's from then on", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, webOf(0), framework.Resource("scaler", `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: "${component.name}"}
spec: {minReplicas: 3, maxReplicas: 6, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "${component.name}"}}
`))
		deployment := read(ctx, p.deployment())
		Expect(deployment.Status.AvailableReplicas).To(BeEquivalentTo(3), "with one of three it is not ready")
		Expect(deployment.Generation).To(BeEquivalentTo(1), "nobody had to scale it")

		By("the autoscaler")
		scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 5}}
		Expect(admin.SubResource("scale").Update(ctx, p.deployment(), client.WithSubResourceBody(scale))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Status.AvailableReplicas", BeEquivalentTo(5)))
		p.quiet(ctx)
		Expect(read(ctx, p.deployment()).Spec.Replicas).To(HaveValue(BeEquivalentTo(5)))
	})

	It("stays as it is when a Release leaves it to an autoscaler, and is taken back by a later one", func(ctx context.Context) {
		p := newPlace(ctx)
		_, template := p.settle(ctx, webOf(3))
		before := read(ctx, p.deployment())
		Expect(before.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))

		reviseTo(ctx, template, webOf(0))
		p.ready(ctx, 2)
		after := read(ctx, p.deployment())
		Expect(after.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)), "one pod, the default, would be an outage")
		Expect(after.Generation).To(Equal(before.Generation+1), "one change, of the history limit: never another number in between")

		By("an autoscaler")
		scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 4}}
		Expect(admin.SubResource("scale").Update(ctx, p.deployment(), client.WithSubResourceBody(scale))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Status.AvailableReplicas", BeEquivalentTo(4)))
		p.quiet(ctx)
		Expect(read(ctx, p.deployment()).Spec.Replicas).To(HaveValue(BeEquivalentTo(4)))

		By("a fixed number again")
		reviseTo(ctx, template, webOf(2))
		p.ready(ctx, 3)
		Expect(read(ctx, p.deployment()).Spec.Replicas).To(HaveValue(BeEquivalentTo(2)))
		p.quiet(ctx)
	})
})

var _ = Describe("Drift", func() {
	It("of a field of ours is mended, whoever changed it", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, web(), framework.ConfigMap("config"))
		image := read(ctx, p.deployment()).Spec.Template.Spec.Containers[0].Image

		By("an update")
		change(ctx, p.configMap("shop-config"), func(c *corev1.ConfigMap) { c.Data["image"] = "another" })
		Eventually(ctx, framework.Read(admin, p.configMap("shop-config"))).Should(HaveField("Data", HaveKeyWithValue("image", image)))
		By("an apply by force")
		theirs := &corev1.ConfigMap{}
		theirs.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
		theirs.Namespace, theirs.Name, theirs.Data = p.namespace, "shop-config", map[string]string{"image": "a third"}
		Expect(applyAs(ctx, theirs, "somebody")).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.configMap("shop-config"))).Should(HaveField("Data", HaveKeyWithValue("image", image)))
		By("a field taken away")
		Expect(admin.Patch(ctx, p.configMap("shop-config"), client.RawPatch(types.JSONPatchType, []byte(`[{"op": "remove", "path": "/data/image"}]`)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.configMap("shop-config"))).Should(HaveField("Data", HaveKeyWithValue("image", image)))
		By("replicas that the template sets")
		scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 2}}
		Expect(admin.SubResource("scale").Update(ctx, p.deployment(), client.WithSubResourceBody(scale))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Spec.Replicas", HaveValue(BeEquivalentTo(1))))
		By("managedFields that somebody emptied")
		Expect(admin.Patch(ctx, p.configMap("shop-config"), client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"managedFields": [{}]}, "data": {"image": "a fourth"}}`)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.configMap("shop-config"))).Should(HaveField("Data", HaveKeyWithValue("image", image)))

		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeReady())
		p.quiet(ctx)
	})

	It("of a label of ours is refused at once", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, framework.ConfigMap("config"))
		for _, label := range []string{platformv1alpha1.LabelOwnerUID, platformv1alpha1.LabelComponent} {
			live := read(ctx, p.configMap("shop-config"))
			delete(live.Labels, label)
			Expect(admin.Update(ctx, live)).To(MatchError(ContainSubstring("towpath-labels")))
		}
	})

	It("of a label that others may write is mended", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, framework.ConfigMap("config"))
		change(ctx, p.configMap("shop-config"), func(c *corev1.ConfigMap) { delete(c.Labels, "app.kubernetes.io/version") })
		Eventually(ctx, framework.Read(admin, p.configMap("shop-config"))).Should(HaveField("Labels", HaveKeyWithValue("app.kubernetes.io/version", "1.0.0")))
	})

	It("of an object that is deleted is mended: it is made again", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, web(), framework.ConfigMap("config"))
		for _, object := range []client.Object{p.configMap("shop-config"), p.deployment()} {
			live, err := framework.Read(admin, object)(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(admin.Delete(ctx, live)).To(Succeed())
			Eventually(ctx, func(ctx context.Context) (types.UID, error) {
				fresh, err := framework.Read(admin, object)(ctx)
				if err != nil {
					return live.GetUID(), client.IgnoreNotFound(err)
				}
				return fresh.GetUID(), nil
			}).ShouldNot(Equal(live.GetUID()))
		}
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(And(framework.BeReady(),
			HaveField("Status.Objects", ContainElement(HaveField("UID", read(ctx, p.deployment()).UID)))))
	})

	It("in fields of others is no drift: they stay", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, web(), framework.ConfigMap("config"))
		before := p.quiet(ctx)
		change(ctx, p.configMap("shop-config"), func(c *corev1.ConfigMap) {
			c.Data["theirs"] = "kept"
			c.Annotations = map[string]string{"example.com/note": "kept"}
			c.Labels["example.com/label"] = "kept"
		})
		Expect(admin.Patch(ctx, p.deployment(), client.RawPatch(types.StrategicMergePatchType,
			[]byte(`{"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "THEIRS", "value": "kept"}]}]}}}}`)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Status.ObservedGeneration", BeEquivalentTo(2)))
		Consistently(ctx, p.writes).Should(WithTransform(func(a framework.Audit) framework.Audit { return a.By(p.applier()) },
			HaveLen(len(before.By(p.applier())))), "no field of ours changed")

		By("drift beside them")
		change(ctx, p.configMap("shop-config"), func(c *corev1.ConfigMap) { c.Data["image"] = "another" })
		Eventually(ctx, framework.Read(admin, p.configMap("shop-config"))).Should(And(
			HaveField("Data", And(HaveKeyWithValue("image", Not(Equal("another"))), HaveKeyWithValue("theirs", "kept"))),
			HaveField("Annotations", HaveKeyWithValue("example.com/note", "kept")),
			HaveField("Labels", HaveKeyWithValue("example.com/label", "kept"))))
	})
})

// applyAs applies an object by force under the name of a field manager.
func applyAs(ctx context.Context, object client.Object, manager string) error {
	raw, err := client.Apply.Data(object) //nolint:staticcheck // The typed object is only its JSON here.
	if err != nil {
		return err
	}
	return admin.Patch(ctx, object, client.RawPatch(types.ApplyPatchType, raw), client.FieldOwner(manager), client.ForceOwnership)
}
