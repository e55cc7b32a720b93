package delivery_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A Release by a pull request", func() {
	request := func(g *platformv1alpha1.GitDelivery) { g.Change = platformv1alpha1.GitPullRequest }

	It("waits on a branch of its own until somebody merges it", func(ctx context.Context) {
		p := newPlace(ctx, request)
		p.deploy(ctx, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).Should(framework.HaveCondition(isDelivered, no, platformv1alpha1.ReasonWaitingForMerge))
		live, err := framework.Read(admin, p.Release(1))(ctx)
		Expect(err).NotTo(HaveOccurred())
		branch := live.Status.Delivery.Branch
		Expect(branch).To(Equal("towpath/" + p.Team + "/dev/" + live.Name))
		Expect(p.files(ctx)).To(BeEmpty(), "the branch that is followed is as it was")

		p.Git(ctx, "update-ref", "refs/heads/main", branch)
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(framework.HaveCondition(isDelivered, yes, platformv1alpha1.ReasonDelivered))
		p.sync(ctx)
		p.ready(ctx, 1)
	})

	It("is withdrawn once a newer one is there", func(ctx context.Context) {
		p := newPlace(ctx, request)
		p.deploy(ctx, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).Should(framework.HaveCondition(isDelivered, no, platformv1alpha1.ReasonWaitingForMerge))
		live, err := framework.Read(admin, p.Release(1))(ctx)
		Expect(err).NotTo(HaveOccurred())
		p.Image(ctx, "registry.example/shop:2.0.0")
		Eventually(ctx, framework.Read(admin, p.Release(2))).Should(framework.HaveCondition(isDelivered, no, platformv1alpha1.ReasonWaitingForMerge))
		Eventually(ctx, func(ctx context.Context) string { return p.Git(ctx, "branch", "--list", live.Status.Delivery.Branch) }).Should(BeEmpty())
	})

	It("waits to be merged again where somebody reverted the merge, and stays out until then", func(ctx context.Context) {
		p := newPlace(ctx, request)
		p.deploy(ctx, framework.ConfigMap("config"))
		branch := p.merged(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)

		p.revert(ctx)
		p.sync(ctx)
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(And(
			framework.HaveCondition(isDelivered, no, platformv1alpha1.ReasonWaitingForMerge, "somebody has taken it out again", "from branch "+branch),
			HaveField("Status.Delivery", HaveValue(And(HaveField("DeliveredAt", BeNil()), HaveField("LastDeliveredAt", Not(BeNil())))))))
		proposed := p.Git(ctx, "rev-parse", branch)
		Expect(p.Git(ctx, "merge-base", "main", branch)).NotTo(Equal(proposed), "Git merges no commit a second time")
		Expect(p.files(ctx)).To(BeEmpty(), "nobody but people brings it back")

		Expect(p.merged(ctx, 1)).To(Equal(branch))
		Expect(p.Git(ctx, "rev-parse", branch)).To(Equal(proposed), "it was proposed once")
		p.sync(ctx)
		p.ready(ctx, 1)
		Expect(framework.Read(admin, p.Release(1))(ctx)).To(HaveField("Status.Delivery.LastDeliveredAt", BeNil()))
	})

	It("can be merged again where it was merged and reverted before anybody saw that", func(ctx context.Context) {
		p := newPlace(ctx, request)
		p.deploy(ctx, framework.ConfigMap("config"))
		branch := p.proposed(ctx, 1)
		first := p.Git(ctx, "rev-parse", branch)
		merged := p.Git(ctx, "commit-tree", branch+"^{tree}", "-p", "main", "-p", branch, "-m", "Merge "+branch)
		p.Git(ctx, "update-ref", "refs/heads/main", p.Git(ctx, "commit-tree", "main^{tree}", "-p", merged, "-m", "Revert"))

		Eventually(ctx, func(ctx context.Context) string { return p.Git(ctx, "rev-parse", branch) }).WithTimeout(mergeTimeout).ShouldNot(Equal(first),
			"Git merges no commit a second time")
		Expect(p.files(ctx)).To(BeEmpty(), "nobody but people brings it back")
		Expect(framework.Read(admin, p.Release(1))(ctx)).To(framework.HaveCondition(isDelivered, no, platformv1alpha1.ReasonWaitingForMerge))
		Expect(p.merged(ctx, 1)).To(Equal(branch))
		p.sync(ctx)
		p.ready(ctx, 1)
	})

	It("that was reverted is left behind by the next one", func(ctx context.Context) {
		p := newPlace(ctx, request)
		p.deploy(ctx, framework.ConfigMap("config"))
		p.merged(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)
		p.revert(ctx)
		p.sync(ctx)
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(framework.HaveCondition(isDelivered, no, platformv1alpha1.ReasonWaitingForMerge))
		live, err := framework.Read(admin, p.Release(1))(ctx)
		Expect(err).NotTo(HaveOccurred())
		p.Image(ctx, "registry.example/shop:2.0.0")
		p.merged(ctx, 2)
		p.sync(ctx)
		p.ready(ctx, 2)
		Eventually(ctx, func(ctx context.Context) string { return p.Git(ctx, "branch", "--list", live.Status.Delivery.Branch) }).Should(BeEmpty())
	})

	It("takes back what was proposed to remove it, once its environment is on the path again", func(ctx context.Context) {
		p := newPlace(ctx, request)
		p.deploy(ctx, framework.ConfigMap("config"))
		p.merged(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)
		removal := "towpath/" + p.Team + "/dev/shop-removal"
		branches := func(ctx context.Context) string { return p.Git(ctx, "branch", "--list", removal) }
		other := framework.Environment(p.Home, "other", p.Class)
		Expect(admin.Create(ctx, other)).To(Succeed())
		Eventually(ctx, framework.Read(admin, other)).Should(framework.BeReady())
		p.path(ctx, "other")
		Eventually(ctx, branches).Should(ContainSubstring(removal))
		p.path(ctx, "dev")
		Eventually(ctx, branches).WithTimeout(mergeTimeout).Should(BeEmpty(), "merged later, it would delete what runs")
		Expect(p.files(ctx)).NotTo(BeEmpty())
	})
})

// proposed waits until the Release of that number is proposed, and returns the branch.
func (p *place) proposed(ctx context.Context, number int64) string {
	GinkgoHelper()
	var branch string
	Eventually(ctx, func(ctx context.Context) error {
		live, err := framework.Read(admin, p.Release(number))(ctx)
		if err != nil {
			return err
		}
		if d := live.Status.Delivery; d == nil || d.Branch == "main" {
			return fmt.Errorf("it is not proposed: %+v", live.Status.Conditions)
		}
		branch = live.Status.Delivery.Branch
		return nil
	}).Should(Succeed())
	return branch
}

// merged waits until the Release of that number is proposed, merges it, and waits until that is seen. It returns the branch.
func (p *place) merged(ctx context.Context, number int64) string {
	GinkgoHelper()
	branch := p.proposed(ctx, number)
	merged := p.Git(ctx, "commit-tree", branch+"^{tree}", "-p", "main", "-p", branch, "-m", "Merge "+branch)
	p.Git(ctx, "update-ref", "refs/heads/main", merged)
	Eventually(ctx, framework.Read(admin, p.Release(number))).WithTimeout(mergeTimeout).Should(framework.HaveCondition(isDelivered, yes, platformv1alpha1.ReasonDelivered))
	return branch
}

// revert takes back what the newest commit of the branch did, by another commit.
func (p *place) revert(ctx context.Context) {
	GinkgoHelper()
	p.Git(ctx, "update-ref", "refs/heads/main", p.Git(ctx, "commit-tree", "main^1^{tree}", "-p", "main", "-m", "Revert"))
}

// path has the Component go through these environments.
func (p *place) path(ctx context.Context, environments ...string) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		live, err := framework.Read(admin, p.Component)(ctx)
		if err != nil {
			return err
		}
		live.Spec.Environments = nil
		for _, name := range environments {
			live.Spec.Environments = append(live.Spec.Environments, platformv1alpha1.PathEnvironment{Name: name})
		}
		return admin.Update(ctx, live)
	}).Should(Succeed())
}

const overlays = "../../../config/overlays/"

// read reads the objects of a file, with what is changed in it.
func read(file string, change *strings.Replacer) (objects []*unstructured.Unstructured) {
	GinkgoHelper()
	text, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	objects, err = install.Read(strings.NewReader(change.Replace(string(text))))
	Expect(err).NotTo(HaveOccurred(), file)
	return objects
}

// installOverlays makes the definitions of Argo CD and Flux that are needed, and applies the Roles and policies of the overlays. As a platform
// team does, it narrows those to its own repositories.
func installOverlays(ctx context.Context) {
	GinkgoHelper()
	named := strings.NewReplacer(`name: repositories
    expression: "[]"`, `name: repositories
    expression: "['`+server.Server.URL+`', 'https://git.example/platform/deploy', 'https://other.example']"`, `name: projects
    expression: "[]"`, `name: projects
    expression: "['deliveries']"`)
	for _, file := range []string{"testdata/argocd.yaml", "testdata/flux.yaml", overlays + "argocd/role.yaml", overlays + "flux/role.yaml",
		overlays + "argocd/policy.yaml", overlays + "flux/policy.yaml"} {
		for _, object := range read(file, named) {
			if object.GetNamespace() != "" {
				namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: object.GetNamespace()}}
				Expect(client.IgnoreAlreadyExists(admin.Create(ctx, namespace))).To(Succeed())
			}
			Expect(client.IgnoreAlreadyExists(admin.Create(ctx, object))).To(Succeed(), file)
		}
	}
	Eventually(ctx, func(ctx context.Context) error {
		return cluster.ManagerClient.Get(ctx, types.NamespacedName{Namespace: "argocd", Name: "none"}, object("argoproj.io/v1alpha1", "Application"))
	}).Should(Satisfy(apierrors.IsNotFound), "the Role counts, and the kind is served")
	for _, kind := range []*unstructured.Unstructured{object("argoproj.io/v1alpha1", "Application"), object("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
		object("source.toolkit.fluxcd.io/v1", "GitRepository")} {
		kind.SetNamespace(map[bool]string{true: "argocd", false: "flux-system"}[kind.GetKind() == "Application"])
		kind.SetName("unlabelled")
		Eventually(ctx, func(ctx context.Context) error {
			return cluster.ManagerClient.Create(ctx, kind.DeepCopy(), client.DryRunAll)
		}).Should(
			MatchError(ContainSubstring("towpath-delivery-")), "policies take a moment")
	}
}

func object(apiVersion, kind string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	return u
}

// only returns the one object of a kind in a namespace that bears the Component of a place.
func (p *place) only(ctx context.Context, apiVersion, kind, namespace string) *unstructured.Unstructured {
	GinkgoHelper()
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(apiVersion)
	list.SetKind(kind + "List")
	Eventually(ctx, func(ctx context.Context) ([]unstructured.Unstructured, error) {
		err := admin.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{platformv1alpha1.LabelTeam: p.Team})
		return list.Items, err
	}).Should(HaveLen(1))
	return &list.Items[0]
}

// tell writes a status, as the tool does.
func tell(ctx context.Context, o *unstructured.Unstructured, status map[string]any) {
	GinkgoHelper()
	before := o.DeepCopy()
	o.Object["status"] = status
	if o.GetKind() == "Application" { // whose status is no subresource
		Expect(admin.Patch(ctx, o, client.MergeFrom(before))).To(Succeed())
		return
	}
	Expect(admin.Status().Patch(ctx, o, client.MergeFrom(before))).To(Succeed())
}

var _ = Describe("What follows a repository", Ordered, func() {
	BeforeAll(func(ctx context.Context) { installOverlays(ctx) })

	It("is an Application of Argo CD where the class asks for it, which is heard and deleted", func(ctx context.Context) {
		p := newPlace(ctx, func(g *platformv1alpha1.GitDelivery) {
			g.Reconciler = &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerArgoCD, Namespace: "argocd", Project: "deliveries"}
		})
		p.deploy(ctx, framework.ConfigMap("config"))
		application := p.only(ctx, "argoproj.io/v1alpha1", "Application", "argocd")
		Expect(application.Object["spec"]).To(And(HaveKeyWithValue("project", "deliveries"), HaveKeyWithValue("source",
			And(HaveKeyWithValue("repoURL", server.URL(p.Name)), HaveKeyWithValue("path", p.directory()), HaveKeyWithValue("targetRevision", "main")))))
		tell(ctx, application, map[string]any{"operationState": map[string]any{"phase": "Failed", "message": "the webhook says no", "startedAt": time.Now().UTC().Format(time.RFC3339)}})
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "the webhook says no"))
		p.sync(ctx)
		head := p.Git(ctx, "rev-parse", "main")
		tell(ctx, application, map[string]any{"operationState": map[string]any{"phase": "Succeeded", "syncResult": map[string]any{"revision": head}}})
		p.ready(ctx, 1)
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(HaveField("Status.Delivery.SyncedRevision", head))

		Expect(admin.Delete(ctx, p.Component)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) *metav1.Time {
			_ = admin.Get(ctx, client.ObjectKeyFromObject(application), application)
			return application.GetDeletionTimestamp()
		}).ShouldNot(BeNil(), "its finalizer has Argo CD delete what it applied")
		Expect(p.files(ctx)).To(BeEmpty(), "the files go first")
		application.SetFinalizers(nil)
		Expect(admin.Update(ctx, application)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, p.ConfigMap("shop-config"))).Should(BeTrue(), "Towpath deletes what is left")
		Eventually(ctx, framework.Gone(admin, p.Component)).Should(BeTrue())
	})

	It("is asked to look once for each Release, and to try again what it has given up, unless somebody has switched it off", func(ctx context.Context) {
		p := newPlace(ctx, func(g *platformv1alpha1.GitDelivery) {
			g.Reconciler = &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerArgoCD, Namespace: "argocd", Project: "deliveries"}
		})
		p.deploy(ctx, framework.ConfigMap("config"))
		application := p.only(ctx, "argoproj.io/v1alpha1", "Application", "argocd")
		DeferCleanup(func(ctx context.Context) {
			left := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
			Expect(client.IgnoreNotFound(admin.Patch(ctx, application, left))).To(Succeed())
		})
		Expect(application.GetAnnotations()).NotTo(HaveKey("argocd.argoproj.io/refresh"), "it looks as it is made")
		p.sync(ctx)
		p.ready(ctx, 1)

		switchTo := func(enabled string) {
			Expect(admin.Patch(ctx, application, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"syncPolicy":{"automated":{"enabled":`+enabled+`}}}}`)))).To(Succeed())
		}
		switchTo("false")
		p.Image(ctx, "registry.example/shop:2.0.0")
		Eventually(ctx, framework.Read(admin, p.Release(2))).Should(And(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "is suspended"),
			HaveField("Status.Delivery.SuspendedAt", Not(BeNil()))))
		Eventually(ctx, framework.Read(admin, application)).Should(HaveField("GetAnnotations()", HaveKeyWithValue("argocd.argoproj.io/refresh", "normal")))
		Expect(admin.Patch(ctx, application, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"argocd.argoproj.io/refresh":null}}}`)))).To(Succeed(), "Argo CD takes it off")
		failed := func(at time.Time) map[string]any {
			return map[string]any{"sync": map[string]any{"status": "OutOfSync"}, "operationState": map[string]any{"phase": "Failed", "message": "the webhook says no",
				"startedAt": time.Now().UTC().Format(time.RFC3339), "finishedAt": at.UTC().Format(time.RFC3339)}}
		}
		tell(ctx, application, failed(time.Now().Add(-2*time.Minute)))
		switchTo("null")
		Eventually(ctx, framework.Read(admin, p.Release(2))).Should(And(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "the webhook says no"),
			HaveField("Status.Delivery.ResumedAt", Not(BeNil()))))
		live, err := framework.Read(admin, application)(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(live.Object).To(HaveKeyWithValue("operation", HaveKeyWithValue("sync", HaveLen(2))))
		Expect(live.GetAnnotations()).NotTo(HaveKey("argocd.argoproj.io/refresh"), "it was asked once")
	})

	It("is left where somebody took Towpath's labels off it, and waited for where it may not be deleted", func(ctx context.Context) {
		p := newPlace(ctx, func(g *platformv1alpha1.GitDelivery) {
			g.Reconciler = &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerArgoCD, Namespace: "argocd", Project: "deliveries"}
		})
		p.deploy(ctx, framework.ConfigMap("config"))
		application := p.only(ctx, "argoproj.io/v1alpha1", "Application", "argocd")
		DeferCleanup(func(ctx context.Context) {
			left := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
			Expect(client.IgnoreNotFound(admin.Patch(ctx, application, left))).To(Succeed())
			Eventually(ctx, func(ctx context.Context) error { return client.IgnoreNotFound(admin.Delete(ctx, application)) }).Should(Succeed(), "policies take a moment to go")
		})
		p.sync(ctx)
		p.ready(ctx, 1)
		release := p.Release(1)
		allow := keep(ctx, application)
		Expect(admin.Delete(ctx, p.Component)).To(Succeed())
		Eventually(ctx, framework.Read(admin, release)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonDeleting,
			"Application argocd/"+application.GetName()+" cannot be deleted", "kept by a test", "name in the policy"))

		Expect(admin.Patch(ctx, application, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"app.kubernetes.io/managed-by":null}}}`)))).To(Succeed())
		allow(ctx)
		Eventually(ctx, framework.Gone(admin, p.Component)).WithTimeout(mergeTimeout).Should(BeTrue())
		Expect(framework.Gone(admin, p.ConfigMap("shop-config"))(ctx)).To(BeTrue())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(application), application)).To(Succeed())
		Expect(application.GetDeletionTimestamp()).To(BeNil(), "it is somebody's")
	})

	It("that the policy refuses says whom to ask", func(ctx context.Context) {
		p := newPlace(ctx, func(g *platformv1alpha1.GitDelivery) {
			g.Reconciler = &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerArgoCD, Namespace: "argocd"}
		})
		p.deploy(ctx, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed,
			"spec.project must be an AppProject", "name in the policy what EnvironmentClass "+p.Class))
	})

	It("is a Kustomization of Flux, which acts as the account of the class", func(ctx context.Context) {
		p := newPlace(ctx, func(g *platformv1alpha1.GitDelivery) {
			g.AppliedBy = platformv1alpha1.DeliveryAccount{Namespace: "flux-system", Name: "deliverer"}
			g.Reconciler = &platformv1alpha1.GitReconciler{Type: platformv1alpha1.ReconcilerFlux, Namespace: "flux-system", SecretName: "deploy"}
		})
		p.deploy(ctx, framework.ConfigMap("config"))
		kustomization := p.only(ctx, "kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system")
		spec := kustomization.Object["spec"].(map[string]any)
		Expect(spec).To(And(HaveKeyWithValue("serviceAccountName", "deliverer"), HaveKeyWithValue("path", "./"+p.directory()), HaveKeyWithValue("prune", true)))
		repository := object("source.toolkit.fluxcd.io/v1", "GitRepository")
		Expect(admin.Get(ctx, types.NamespacedName{Namespace: "flux-system", Name: spec["sourceRef"].(map[string]any)["name"].(string)}, repository)).To(Succeed())
		Expect(repository.Object["spec"]).To(And(HaveKeyWithValue("url", server.URL(p.Name)), HaveKeyWithValue("secretRef", HaveKeyWithValue("name", "deploy"))))
		failed := func(reason, message string) map[string]any {
			return map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False", "reason": reason, "message": message, "lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}}}
		}
		tell(ctx, kustomization, failed("ArtifactFailed", "kustomization path not found"))
		Consistently(ctx, framework.Read(admin, p.Release(1)), "12s").Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonWaitingForSync), "Flux speaks of what it fetched before")
		tell(ctx, repository, map[string]any{"artifact": map[string]any{"revision": "main@sha1:" + p.Git(ctx, "rev-parse", "main"), "lastUpdateTime": "2026-01-01T00:00:00Z"}})
		tell(ctx, kustomization, failed("ReconciliationFailed", "no such field"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonSyncFailed, "no such field"))
	})
})
