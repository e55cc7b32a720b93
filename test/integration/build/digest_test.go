package build_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	registryserver "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/test/framework"
)

// push puts an image under a tag, and returns its digest.
func push(reference string) string {
	GinkgoHelper()
	image, err := random.Image(64, 1)
	Expect(err).NotTo(HaveOccurred())
	tag, err := name.NewTag(reference)
	Expect(err).NotTo(HaveOccurred())
	Expect(remote.Write(tag, image)).To(Succeed())
	sum, err := image.Digest()
	Expect(err).NotTo(HaveOccurred())
	return sum.String()
}

// succeededAs is what was built elsewhere, as this image.
func succeededAs(image string) func(*platformv1alpha1.Build) {
	return func(b *platformv1alpha1.Build) { b.Spec.Result, b.Spec.Image = platformv1alpha1.BuildSucceeded, image }
}

// restart has the manager run with another configuration: whether it asks registries for digests, and which.
func restart(ctx context.Context, resolve string, hosts ...string) {
	GinkgoHelper()
	Expect(cluster.StopManager()).To(Succeed())
	before := cluster.Configure
	cluster.Configure = func(c *manager.Configuration) {
		before(c)
		c.Pipeline.Digests.Resolve, c.Registries.AllowedHosts = resolve, hosts
	}
	Expect(cluster.StartManager(ctx)).To(Succeed())
}

var _ = Describe("The image of a Build that is named by a tag", Ordered, func() {
	// serves is a registry, hangs one that never answers, and foreign one that the platform does not allow.
	var serves, hangs, foreign string
	var reached atomic.Int32
	var pipeline platformv1alpha1.Pipeline

	BeforeAll(func(ctx context.Context) {
		serve := func(handler http.Handler) string {
			server := httptest.NewServer(handler)
			DeferCleanup(server.CloseClientConnections)
			return strings.TrimPrefix(server.URL, "http://")
		}
		serves = serve(registryserver.New())
		hangs = serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		foreign = serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
		pipeline = platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}}
		restart(ctx, "Always", serves, hangs)
		DeferCleanup(func(ctx context.Context) { restart(ctx, "Never") })
	})

	It("is deployed by the digest that its registry tells, whatever the tag means later", func(ctx context.Context) {
		t := begin(ctx, pipeline)
		sum := push(serves + "/shop/checkout:1.4.2")
		b := t.create(ctx, succeededAs(serves+"/shop/checkout:1.4.2"))
		want := serves + "/shop/checkout:1.4.2@" + sum
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", want),
			framework.HaveCondition(platformv1alpha1.ConditionDigestKnown, "True", platformv1alpha1.ReasonDigestResolved, "/shop/checkout:1.4.2")))
		push(serves + "/shop/checkout:1.4.2")
		touch(ctx, b)
		Eventually(ctx, framework.Read(admin, t.component)).Should(And(framework.BeReady(),
			HaveField("Status.Environments", ConsistOf(HaveField("Image", want)))))
		Expect(read(ctx, b).Status.Image).To(Equal(want))
	})

	It("is resolved where the stages succeed and none writes a digest", func(ctx context.Context) {
		t := begin(ctx, pipeline)
		t.change(ctx, func(c *platformv1alpha1.Component) { c.Spec.Source.Image = serves + "/shop/built" })
		b := t.create(ctx)
		reference := serves + "/shop/built:" + b.Spec.Commit.SHA
		sum := push(reference)
		t.succeeds(ctx, b, "clone", "test")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", reference+"@"+sum)))
	})

	It("is left alone where it has a digest", func(ctx context.Context) {
		t := begin(ctx, pipeline)
		b := t.create(ctx, succeededAs(foreign+"/shop/checkout@"+digest))
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Conditions", HaveLen(1))))
	})

	It("stays a tag where the registry does not have it, and says so", func(ctx context.Context) {
		t := begin(ctx, pipeline)
		b := t.create(ctx, succeededAs(serves+"/shop/nothing:1"))
		Eventually(ctx, framework.Read(admin, b), "20s").Should(And(framework.BeReady(), HaveField("Status.Image", serves+"/shop/nothing:1"),
			framework.HaveCondition(platformv1alpha1.ConditionDigestKnown, "False", platformv1alpha1.ReasonDigestUnknown, "the registry has no such image", "TOWPATH_RESULT")))
	})

	It("is asked for nowhere that the platform does not allow", func(ctx context.Context) {
		t := begin(ctx, pipeline)
		for _, host := range []string{foreign, "169.254.169.254", "127.0.0.1:1"} {
			b := t.create(ctx, succeededAs(host+"/shop/checkout:1"))
			Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", host+"/shop/checkout:1"),
				framework.HaveCondition(platformv1alpha1.ConditionDigestKnown, "False", platformv1alpha1.ReasonDigestUnknown, "use a public one")))
		}
		Expect(reached.Load()).To(BeZero())
	})

	It("keeps nobody else waiting where its registry does not answer", func(ctx context.Context) {
		slow, other := begin(ctx, pipeline), begin(ctx, pipeline)
		push(serves + "/shop/quick:1")
		var waiting []*platformv1alpha1.Build
		for range 12 { // more than there are workers
			waiting = append(waiting, slow.create(ctx, succeededAs(hangs+"/shop/checkout:1")))
		}
		for _, b := range waiting {
			Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonResolvingDigest, "/shop/checkout:1"))
		}
		b := other.create(ctx, succeededAs(serves+"/shop/quick:1"))
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		Expect(read(ctx, waiting[0]).Status.Result).To(BeEmpty())
		later(ctx, waiting[11], 2*patience)
		Eventually(ctx, framework.Read(admin, waiting[11])).Should(And(framework.BeReady(), HaveField("Status.Image", hangs+"/shop/checkout:1"),
			framework.HaveCondition(platformv1alpha1.ConditionDigestKnown, "False", platformv1alpha1.ReasonDigestUnknown, "so many images at once")))
	})
})
