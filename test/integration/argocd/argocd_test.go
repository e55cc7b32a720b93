package argocd_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
	"github.com/towpath-dev/towpath/test/framework/gitdelivery"
)

const (
	no      = metav1.ConditionFalse
	isReady = platformv1alpha1.ConditionReady

	// soon is well below the two to three minutes after which Argo CD looks by itself, and below those for which it tries one commit again.
	soon = 40 * time.Second
	// retried is for what Towpath has Argo CD try again once a minute.
	retried = 130 * time.Second
)

// service has a port that the API server refuses, and no schema does.
const service = `
apiVersion: v1
kind: Service
metadata: {name: "${component.name}"}
spec:
  selector: {app.kubernetes.io/name: "${component.name}"}
  ports: [{name: http, port: 70000}]
`

// synced and healthy are what Argo CD says of the Application.
func synced(status string) types.GomegaMatcher {
	return HaveField("Object", HaveKeyWithValue("status", HaveKeyWithValue("sync", HaveKeyWithValue("status", status))))
}

func healthy(status string) types.GomegaMatcher {
	return HaveField("Object", HaveKeyWithValue("status", HaveKeyWithValue("health", HaveKeyWithValue("status", status))))
}

var _ = Describe("A Release that Argo CD delivers", func() {
	It("is applied at once, as the account of the class alone, and Ready with its commit", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.Deployment("web", 1), framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		head := p.Git(ctx, "rev-parse", "main")
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(HaveField("Status.Delivery", HaveValue(And(HaveField("Commit", head), HaveField("SyncedRevision", head)))))
		Eventually(ctx, framework.Read(admin, p.Component)).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, p.application(ctx))).WithTimeout(soon).Should(And(synced("Synced"), healthy("Healthy")))

		live, err := framework.Read(admin, p.ConfigMap("shop-config"))(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(live.Labels).To(HaveKeyWithValue(platformv1alpha1.LabelTeam, p.Team))
		Expect(live.Annotations).To(HaveKeyWithValue("argocd.argoproj.io/tracking-id", p.application(ctx).GetName()+":/ConfigMap:"+p.Namespace+"/shop-config"))
		Expect(live.ManagedFields).To(HaveEach(HaveField("Manager", "argocd-controller")))
		Expect(p.Writes("shop-config")).To(HaveEach(HaveField("User", deliverer.User())))

		By("with the next one too, which Argo CD is told to look for")
		p.Image(ctx, "registry.example/shop:2.0.0")
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.BeReady())
		Expect(framework.Read(admin, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "shop"}})(ctx)).To(And(
			HaveField("Status.AvailableReplicas", BeEquivalentTo(1)), HaveField("Spec.Template.Spec.Containers", HaveEach(HaveField("Image", "registry.example/shop:2.0.0")))))

		By("and those of another Component")
		p.Deploy(ctx, "cart", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
	})

	It("is told with the API server's own words where that refuses an object, and mended by the next one", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"), framework.Resource("service", service))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "ArgoCD cannot apply commit", "spec.ports[0].port", "70000"))
		Eventually(ctx, framework.Read(admin, p.Component)).Should(framework.HaveCondition(isReady, no, "", "70000"))
		gitdelivery.Change(ctx, admin, p.Template, func(t *platformv1alpha1.ServiceTemplate) { t.Spec.Resources = t.Spec.Resources[:1] })
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, p.Component)).Should(framework.BeReady())
	})

	It("leaves nothing of the one before: Argo CD prunes what has no file any more", func(ctx context.Context) {
		p := newPlace(ctx)
		extra := framework.ConfigMap("extra")
		extra.IncludeWhen = "${params.extra}"
		p.Deploy(ctx, "shop", framework.ConfigMap("config"), extra)
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		gitdelivery.Change(ctx, admin, p.Component, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON("{extra: false}") })
		Eventually(ctx, framework.Gone(admin, p.ConfigMap("shop-extra"))).WithTimeout(soon).Should(BeTrue())
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, p.application(ctx))).WithTimeout(soon).Should(synced("Synced"))
	})

	It("is taken away by Argo CD when its Component is deleted", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		application := p.application(ctx)
		Expect(admin.Delete(ctx, p.Component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, p.Component)).WithTimeout(soon).Should(BeTrue())
		Expect(framework.Gone(admin, application)(ctx)).To(BeTrue())
		Expect(framework.Gone(admin, p.ConfigMap("shop-config"))(ctx)).To(BeTrue())
		Expect(p.Git(ctx, "ls-tree", "-r", "--name-only", "main")).To(Equal("README.md"))
		Expect(p.Writes("shop-config")).To(ContainElement(And(HaveField("Verb", "delete"), HaveField("User", deliverer.User()))))
	})

	It("is deleted soon too where Argo CD is at trying to apply it", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"), framework.Resource("service", service))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "70000"))
		Expect(admin.Delete(ctx, p.Component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, p.Component)).WithTimeout(soon).Should(BeTrue(), "Argo CD deletes nothing while it is at an operation")
	})

	It("is tried again where what kept Argo CD from applying it has passed", func(ctx context.Context) {
		p := newPlace(ctx)
		allow := p.deny(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "not now"))
		Eventually(ctx, framework.Read(admin, p.application(ctx))).WithTimeout(retried).Should(
			HaveField("Object", HaveKeyWithValue("status", HaveKeyWithValue("operationState", HaveKeyWithValue("phase", "Failed")))), "Argo CD has given the commit up")
		allow(ctx)
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(retried).Should(framework.BeReady())
	})

	It("waits while somebody has switched automated sync off, and says so", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		for _, way := range []struct{ off, on, image string }{
			{`{"spec":{"syncPolicy":{"automated":{"enabled":false}}}}`, `{"spec":{"syncPolicy":{"automated":{"enabled":null}}}}`, "registry.example/shop:2.0.0"},
			{`{"metadata":{"annotations":{"argocd.argoproj.io/skip-reconcile":"true"}}}`, `{"metadata":{"annotations":{"argocd.argoproj.io/skip-reconcile":null}}}`, "registry.example/shop:3.0.0"},
		} {
			p.patch(ctx, way.off)
			p.Image(ctx, way.image)
			number := map[string]int64{"registry.example/shop:2.0.0": 2, "registry.example/shop:3.0.0": 3}[way.image]
			Eventually(ctx, framework.Read(admin, p.Release(number))).WithTimeout(soon).Should(And(
				framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "is suspended"), HaveField("Status.Delivery.SuspendedAt", Not(BeNil()))))
			p.patch(ctx, way.on)
			Eventually(ctx, framework.Read(admin, p.Release(number))).WithTimeout(soon).Should(And(
				framework.BeReady(), HaveField("Status.Delivery.ResumedAt", Not(BeNil()))))
		}

		By("and is deleted all the same")
		p.patch(ctx, `{"spec":{"syncPolicy":{"automated":{"enabled":false}}}}`)
		Expect(admin.Delete(ctx, p.Component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, p.Component)).WithTimeout(soon).Should(BeTrue())
		Expect(framework.Gone(admin, p.ConfigMap("shop-config"))(ctx)).To(BeTrue())
	})

	It("has its policy of syncing restored where somebody took it out", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		p.patch(ctx, `{"spec":{"syncPolicy":null}}`)
		p.Image(ctx, "registry.example/shop:2.0.0")
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.BeReady())
	})

	It("is told where Argo CD may not read the repository, and applied once it may", func(ctx context.Context) {
		p := newPlace(ctx)
		expired := credentials(p.Name, "repository", server.URL(p.Name), "no longer")
		Expect(admin.Create(ctx, expired)).To(Succeed())
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "Application argocd/", "uthentication"))
		Expect(admin.Delete(ctx, expired)).To(Succeed())
		p.patch(ctx, `{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`) // argocd app get --refresh does this; else it takes three minutes
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
	})

	It("is told where the AppProject does not allow it", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"), framework.Resource("budget", `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: "${component.name}"}
spec: {maxUnavailable: 1, selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}}
`))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		deliveries := object("AppProject")
		deliveries.SetNamespace(namespace)
		deliveries.SetName(project)
		forbid := func(ctx context.Context, text string) {
			Expect(admin.Patch(ctx, deliveries, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"namespaceResourceBlacklist":`+text+`}}`)))).To(Succeed())
		}
		forbid(ctx, `[{"group":"policy","kind":"PodDisruptionBudget"}]`)
		DeferCleanup(forbid, "null")
		p.Image(ctx, "registry.example/shop:2.0.0")
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "PodDisruptionBudget shop: ", "not permitted in project deliveries"))
	})

	It("is told where its directory is gone from the branch", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		p.patch(ctx, `{"spec":{"syncPolicy":{"automated":{"enabled":false}}}}`)
		p.Image(ctx, "registry.example/shop:2.0.0")
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "is suspended"))
		Eventually(ctx, framework.Read(admin, p.application(ctx))).WithTimeout(soon).Should(synced("OutOfSync"), "it has looked")
		first := p.Git(ctx, "rev-list", "--max-parents=0", "main")
		p.Git(ctx, "update-ref", "refs/heads/main", p.Git(ctx, "commit-tree", first+"^{tree}", "-p", "main", "-m", "Remove all"))
		p.patch(ctx, `{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`)
		Eventually(ctx, framework.Read(admin, p.application(ctx))).WithTimeout(soon).Should(synced("Unknown"))
		p.patch(ctx, `{"spec":{"syncPolicy":{"automated":{"enabled":null}}}}`)
		Eventually(ctx, framework.Read(admin, p.Release(2))).WithTimeout(soon).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "app path does not exist"))
		Expect(framework.Gone(admin, p.ConfigMap("shop-config"))(ctx)).To(BeFalse(), "nothing that runs is pruned for it")
	})

	It("is put back by Argo CD where somebody changes what it applied", func(ctx context.Context) {
		p := newPlace(ctx)
		p.Deploy(ctx, "shop", framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
		live, err := framework.Read(admin, p.ConfigMap("shop-config"))(ctx)
		Expect(err).NotTo(HaveOccurred())
		live.Data["image"] = "registry.example/evil"
		Expect(admin.Update(ctx, live)).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.ConfigMap("shop-config"))).WithTimeout(soon).Should(HaveField("Data", HaveKeyWithValue("image", "registry.example/shop:1.0.0")))
		Expect(admin.Delete(ctx, p.ConfigMap("shop-config"))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.ConfigMap("shop-config"))).WithTimeout(soon).Should(HaveField("Data", HaveKeyWithValue("image", "registry.example/shop:1.0.0")))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(soon).Should(framework.BeReady())
	})
})

// deny has the API server refuse ConfigMaps in the namespace of the Environment, until what it returns is called.
func (p *place) deny(ctx context.Context) (allow func(context.Context)) {
	GinkgoHelper()
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: p.Name}, Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
			RuleWithOperations: admissionregistrationv1.RuleWithOperations{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			},
		}}},
		MatchConditions: []admissionregistrationv1.MatchCondition{{Name: "here", Expression: "request.namespace == '" + p.Namespace + "'"}},
		Validations:     []admissionregistrationv1.Validation{{Expression: "false", Message: "not now", Reason: new(metav1.StatusReasonForbidden)}},
	}}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: p.Name}, Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: p.Name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
	}}
	Expect(admin.Create(ctx, policy)).To(Succeed())
	Expect(admin.Create(ctx, binding)).To(Succeed())
	Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, p.ConfigMap("probe"), client.DryRunAll) }).Should(
		MatchError(ContainSubstring("not now")), "policies take a moment")
	allow = func(ctx context.Context) {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, binding))).To(Succeed())
		Expect(client.IgnoreNotFound(admin.Delete(ctx, policy))).To(Succeed())
	}
	DeferCleanup(allow)
	return allow
}
