package delivery_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/test/framework"
)

// changeClass changes how a class delivers.
func (p *place) changeClass(ctx context.Context, change func(*platformv1alpha1.GitDelivery)) {
	GinkgoHelper()
	class := framework.Class(p.Class, platformv1alpha1.TierDevelopment)
	Eventually(ctx, func(ctx context.Context) error {
		live, err := framework.Read(admin, class)(ctx)
		if err != nil {
			return err
		}
		change(live.Spec.Delivery.Git)
		return admin.Update(ctx, live)
	}).Should(Succeed())
}

var _ = Describe("A repository that cannot be written", Serial, func() {
	It("says that its credentials have expired, shows none, and is tried again", func(ctx context.Context) {
		p := newPlace(ctx, func(g *platformv1alpha1.GitDelivery) { g.CredentialsKey = "old" })
		p.deploy(ctx, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonRepositoryRefused, "401"))
		live, err := framework.Read(admin, p.Release(1))(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(live).NotTo(framework.HaveCondition(platformv1alpha1.ConditionStalled, yes, platformv1alpha1.ReasonRepositoryRefused), "it is no fault of the version")
		for _, c := range live.Status.Conditions {
			Expect(c.Message).NotTo(ContainSubstring("expired\n"))
		}
		p.changeClass(ctx, func(g *platformv1alpha1.GitDelivery) { g.CredentialsKey = "deploy" })
		p.delivered(ctx, 1)
	})

	It("says what a hook or a protected branch says", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		hook := filepath.Join(p.Repository.Bare(), "hooks", "pre-receive")
		Expect(os.MkdirAll(filepath.Dir(hook), 0o750)).To(Succeed())
		Expect(os.WriteFile(hook, []byte("#!/bin/sh\nexit 1\n"), 0o755)).To(Succeed()) //nolint:gosec // a hook is run
		p.deploy(ctx, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).Should(framework.HaveCondition(isDelivered, no, platformv1alpha1.ReasonPushDeclined))
		Expect(os.Remove(hook)).To(Succeed())
		p.delivered(ctx, 1)
	})

	It("holds up no Release that Towpath applies itself, while it hangs", func(ctx context.Context) {
		release := make(chan struct{})
		hung := newPlace(ctx, nil)
		server.Before(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, hung.Name) {
				<-release
			}
			return false
		})
		DeferCleanup(func() { server.Before(nil) })
		hung.deploy(ctx, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, hung.Release(1))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonDelivering))

		other := newPlace(ctx, nil)
		other.deploy(ctx, framework.ConfigMap("config"))
		other.delivered(ctx, 1)
		close(release)
		hung.delivered(ctx, 1)
	})

	It("gets no second commit from a manager that ended before it took note of the first", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		p.deploy(ctx, framework.ConfigMap("config"))
		release := p.delivered(ctx, 1)
		commit := release.Status.Delivery.Commit
		Expect(cluster.StopManager()).To(Succeed())
		before := release.DeepCopy()
		release.Status = platformv1alpha1.ReleaseStatus{}
		Expect(cluster.ManagerClient.Status().Patch(ctx, release, client.MergeFrom(before))).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Expect(p.delivered(ctx, 1).Status.Delivery.Commit).To(Equal(commit))
		Expect(p.commits(ctx)).To(Equal("2"), "what the directory holds decides, not what the manager remembers")
		p.sync(ctx)
		p.ready(ctx, 1)
	})

	It("is committed to again where somebody moved the branch by force before all was applied, by the next Release", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		p.deploy(ctx, framework.ConfigMap("config"))
		p.delivered(ctx, 1)
		_, err := p.Repository.Push(ctx, "main", gittest.Change{Files: map[string]string{"NOTES.md": "by force"}, Message: "Forced"})
		Expect(err).NotTo(HaveOccurred())
		Expect(p.files(ctx)).To(BeEmpty())
		p.Image(ctx, "registry.example/shop:2.0.0")
		p.delivered(ctx, 2)
		p.sync(ctx)
		p.ready(ctx, 2)
	})
})

var _ = Describe("A commit that somebody reverts", func() {
	It("is made again at once where a class pushes: to go back is a new Release", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		p.deploy(ctx, framework.ConfigMap("config"))
		p.delivered(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)
		p.revert(ctx)
		Expect(p.files(ctx)).To(BeEmpty())
		p.sync(ctx)
		Eventually(ctx, func(ctx context.Context) []string { return p.files(ctx) }).WithTimeout(mergeTimeout).ShouldNot(BeEmpty())
		p.sync(ctx)
		p.ready(ctx, 1)
		Expect(p.commits(ctx)).To(Equal("4"))
		Expect(framework.Read(admin, p.Release(1))(ctx)).To(HaveField("Status.Delivery.Commit", p.Git(ctx, "rev-parse", "main")))
	})
})

var _ = Describe("Credentials of another class", Serial, func() {
	It("do not keep the Releases of this one from the branch that both deliver to", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		expired := newPlace(ctx, func(g *platformv1alpha1.GitDelivery) { g.URL, g.CredentialsKey = server.URL(p.Name), "old" })
		expired.deploy(ctx, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, expired.Release(1))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonRepositoryRefused))
		p.deploy(ctx, framework.ConfigMap("config"))
		p.delivered(ctx, 1)
		Expect(framework.Read(admin, expired.Release(1))(ctx)).To(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonRepositoryRefused))
	})
})

var _ = Describe("A class that does not exist any more", func() {
	It("has nothing applied that it had delivered by Git, says so, and goes on once it is there again", func(ctx context.Context) {
		p := newPlace(ctx, func(g *platformv1alpha1.GitDelivery) { g.Change = platformv1alpha1.GitPullRequest })
		p.deploy(ctx, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).Should(framework.HaveCondition(isDelivered, no, platformv1alpha1.ReasonWaitingForMerge))
		class, err := framework.Read(admin, framework.Class(p.Class, platformv1alpha1.TierDevelopment))(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(admin.Patch(ctx, class.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"`+framework.LabelUnchecked+`":""}}}`)))).To(Succeed(),
			"the webhook would refuse to delete it, and may be away")
		Expect(admin.Delete(ctx, class)).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonClassNotFound, p.Class, "nothing is committed, and nothing applied"))
		_, err = framework.Read(admin, p.ConfigMap("shop-config"))(ctx)
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "Towpath itself applies nothing: %v", err)

		again := framework.Class(p.Class, platformv1alpha1.TierDevelopment)
		again.Spec = class.Spec
		Expect(admin.Create(ctx, again)).To(Succeed())
		p.merged(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)

		class, err = framework.Read(admin, framework.Class(p.Class, platformv1alpha1.TierDevelopment))(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(admin.Patch(ctx, class.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"`+framework.LabelUnchecked+`":""}}}`)))).To(Succeed())
		Expect(admin.Delete(ctx, class)).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonClassNotFound))
		Expect(admin.Delete(ctx, p.Component)).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonClassNotFound, p.Class, "nothing is deleted", "deletionPolicy"))
		Expect(framework.Read(admin, p.ConfigMap("shop-config"))(ctx)).NotTo(BeNil())
		again.ResourceVersion, again.UID = "", ""
		Expect(admin.Create(ctx, again)).To(Succeed(), "by which it ends")
		Eventually(ctx, framework.Read(admin, p.Release(1))).WithTimeout(mergeTimeout).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonDeleting))
	})
})

var _ = Describe("An object of somebody else", func() {
	It("keeps a Release from being committed that would touch it", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "shop-config"}}
		Expect(admin.Create(ctx, foreign)).To(Succeed())
		p.deploy(ctx, framework.ConfigMap("config"))
		Eventually(ctx, framework.Read(admin, p.Release(1))).Should(framework.BeStalled(platformv1alpha1.ReasonObjectTaken))
		Expect(p.commits(ctx)).To(Equal("1"))
	})
})
