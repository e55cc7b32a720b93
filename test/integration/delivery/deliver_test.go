package delivery_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("A Release of a class that delivers by Git", func() {
	It("is one commit, with files and trailers, and Ready once they are applied", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		p.deploy(ctx, framework.ConfigMap("config"))
		release := p.delivered(ctx, 1)
		Expect(p.files(ctx)).To(ConsistOf(p.directory()+"/.towpath", p.directory()+"/configmap-shop-config.yaml"))
		Expect(p.commits(ctx)).To(Equal("2"))
		trailers := delivery.Trailers(p.Git(ctx, "log", "-1", "--format=%B", "main"))
		Expect(trailers).To(And(
			HaveKeyWithValue(delivery.TrailerComponent, ConsistOf(p.Home+"/shop")), HaveKeyWithValue(delivery.TrailerRelease, ConsistOf(release.Name)),
			HaveKeyWithValue(delivery.TrailerReleaseUID, ConsistOf(string(release.UID))), HaveKeyWithValue(delivery.TrailerAuthor, ConsistOf("ada@shop.example"))))
		Expect(release.Status.Delivery).To(HaveValue(And(HaveField("Repository", server.URL(p.Name)), HaveField("Branch", "main"),
			HaveField("Path", p.directory()), HaveField("Commit", p.Git(ctx, "rev-parse", "main")))))
		Eventually(ctx, framework.Read(admin, p.Release(1))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonWaitingForSync))
		_, err := framework.Read(admin, p.ConfigMap("shop-config"))(ctx)
		Expect(apierrors.IsNotFound(err)).To(BeTrue(), "Towpath itself applies nothing: %v", err)

		p.sync(ctx)
		p.ready(ctx, 1)
		Eventually(ctx, framework.Read(admin, p.Component)).Should(framework.BeReady())
	})

	It("is as ready as its pods are, whose labels the tool may set", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		p.deploy(ctx, framework.Deployment("web", 1))
		p.delivered(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)
		p.Image(ctx, "registry.example/shop:2.0.0")
		p.delivered(ctx, 2)
		p.sync(ctx)
		p.ready(ctx, 2)
		deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "shop"}}
		Expect(framework.Read(admin, deployment)(ctx)).To(And(
			HaveField("Spec.Template.Labels", HaveKeyWithValue(platformv1alpha1.LabelTeam, p.Team)), HaveField("Status.AvailableReplicas", BeEquivalentTo(1))))
	})

	It("is committed with its pods where its Environment asks to sleep, which nothing does here", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		p.deploy(ctx, framework.Deployment("web", 1))
		p.delivered(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)
		environment := &platformv1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: p.Home, Name: "dev"}}
		Expect(admin.Patch(ctx, environment, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"sleep":{"mode":"Always"}}}`)))).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.HaveCondition(platformv1alpha1.ConditionAsleep, no, platformv1alpha1.ReasonSleepInvalid))
		p.Image(ctx, "registry.example/shop:2.0.0")
		p.delivered(ctx, 2)
		Expect(p.Git(ctx, "show", "main:"+p.directory()+"/deployment-shop.yaml")).To(ContainSubstring("replicas: 1"))
		p.sync(ctx)
		p.ready(ctx, 2)
	})

	It("takes the place of the one before by a commit, and so does a rollback", func(ctx context.Context) {
		p := newPlace(ctx, nil)
		p.deploy(ctx, framework.ConfigMap("config"), framework.ConfigMap("extra"))
		p.delivered(ctx, 1)
		p.sync(ctx)
		p.ready(ctx, 1)
		first := p.Component.Spec.Image

		p.Image(ctx, "registry.example/shop:2.0.0")
		p.delivered(ctx, 2)
		Expect(p.commits(ctx)).To(Equal("3"))
		Eventually(ctx, framework.Read(admin, p.Release(2))).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonWaitingForSync),
			"what runs is of the Release before")
		p.sync(ctx)
		p.ready(ctx, 2)
		Eventually(ctx, framework.Read(admin, p.Release(1))).Should(HaveField("Status.SupersededAt", Not(BeNil())))

		p.Image(ctx, first)
		p.delivered(ctx, 3)
		p.sync(ctx)
		p.ready(ctx, 3)
		Expect(p.commits(ctx)).To(Equal("4"), "nothing that was delivered is rewritten")
		Expect(framework.Read(admin, p.ConfigMap("shop-config"))(ctx)).To(HaveField("Data", HaveKeyWithValue("image", first)))
	})
})
