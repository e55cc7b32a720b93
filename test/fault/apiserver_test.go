package fault_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/towpath-dev/towpath/test/fault/proxy"
	"github.com/towpath-dev/towpath/test/framework"
)

var (
	writes = (*proxy.Call).Writes

	fails    = proxy.Refuse(http.StatusInternalServerError, metav1.StatusReasonInternalError, "injected", 0)
	conflict = proxy.Refuse(http.StatusConflict, metav1.StatusReasonConflict, "injected", 0)
	busy     = proxy.Refuse(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "injected", time.Second)
	expired  = proxy.Refuse(http.StatusGone, metav1.StatusReasonExpired, "injected", 0)
)

// survives leads a Component through a life while a fault goes on, and returns the calls. The manager is the same at the
// end, and carries no more than before.
func survives(ctx context.Context, fault proxy.Fault, meanwhile func(step string)) proxy.Calls {
	GinkgoHelper()
	before, starts := weighed(ctx), manager.started()
	between.Inject(fault)
	live(ctx, meanwhile)
	calls := between.Calls()
	heal(ctx)
	manager.backTo(ctx, before)
	Expect(manager.started()).To(Equal(starts), "the manager ended")
	return calls
}

// weighed is what the manager carries at rest, once it has led a Component through a life: it begins to watch a kind when
// something of it is first made.
func weighed(ctx context.Context) weight {
	GinkgoHelper()
	if lived != manager.started() {
		live(ctx, calm)
	}
	settle()
	var w weight
	Eventually(ctx, func() (err error) {
		w, err = manager.weigh()
		return err
	}).Should(Succeed())
	return w
}

var _ = Describe("A Component's life is as without a fault where the API server", func() {
	It("fails one write in ten", func(ctx context.Context) {
		calls := survives(ctx, proxy.On(proxy.OneIn(10, seed, writes), fails), calm)
		Expect(len(calls.Injected())).To(BeNumerically(">=", undisturbed.writes/10))
	})

	It("does the first write of each object, and its answer is lost", func(ctx context.Context) {
		calls := survives(ctx, proxy.On(proxy.First(writes), proxy.LoseAnswer), calm)
		Expect(calls.Injected()).To(ContainElement(HaveField("Code()", http.StatusCreated)), "what was lost had been done")
		Expect(len(calls.Injected())).To(BeNumerically(">", undisturbed.writes/4))
	})

	It("answers the first write of each object with a conflict", func(ctx context.Context) {
		calls := survives(ctx, proxy.On(proxy.First(writes), conflict), calm)
		Expect(len(calls.Injected())).To(BeNumerically(">", undisturbed.writes/4))
	})

	It("is busy, and says when to come again", func(ctx context.Context) {
		calls := survives(ctx, proxy.On(proxy.OneIn(either(4, 10), seed, counts), busy), calm)
		Expect(len(calls.Injected())).To(BeNumerically(">=", undisturbed.calls/either(4, 10)))
		for i, c := range calls {
			if !c.Injected() || c.Verb == "create" {
				continue // of what is created the name is not known
			}
			for _, next := range calls[i+1:] {
				if next.Verb == c.Verb && next.Resource == c.Resource && next.Namespace == c.Namespace && next.Name == c.Name {
					Expect(next.At.Sub(c.At)).To(BeNumerically(">", 900*time.Millisecond), "%s came again too soon", c)
					break
				}
			}
		}
	})

	It("is away for a while", func(ctx context.Context) {
		refused := between.Refused()
		survives(ctx, nil, func(step string) {
			if step != "update" {
				return
			}
			between.Away()
			running := uids(ctx)
			Consistently(ctx, childrenOf).WithTimeout(either(time.Minute, 4*time.Second)).Should(Equal(running), "what runs goes on running")
			between.Back()
		})
		Expect(between.Refused()).To(BeNumerically(">", refused))
	})

	It("loses its etcd in the middle of an apply, which comes back", func(ctx context.Context) {
		apply := func(c *proxy.Call) bool { return writes(c) && c.Resource == "deployments.apps" }
		back := make(chan error, 1)
		calls := survives(ctx, proxy.On(proxy.Nth(2, apply), func(w http.ResponseWriter, call *proxy.Call, pass func(http.ResponseWriter)) {
			defer GinkgoRecover()
			call.Inject()
			Expect(cluster.Plane.Kill(ctx, "etcd")).To(Succeed())
			time.AfterFunc(either(10*time.Second, time.Second), func() { back <- cluster.Plane.Relaunch("etcd") })
			pass(w)
		}), calm)
		Expect(back).To(Receive(BeNil()))
		Expect(calls.Injected()).To(HaveLen(1))
	})

	It("drops every watch, and does not know any more what came before", func(ctx context.Context) {
		var dropped int
		calls := survives(ctx, nil, func(step string) {
			if !long && step != "update" {
				return // reflectors pause for longer each time
			}
			between.Inject(proxy.On(proxy.First((*proxy.Call).Watches), expired))
			dropped += between.DropWatches()
		})
		Expect(dropped).To(BeNumerically(">", 10))
		Expect(len(calls.Injected())).To(BeNumerically(">", 10))
	})

	It("shows everything late", func(ctx context.Context) {
		lag := either(30*time.Second, 700*time.Millisecond)
		patience = 20 * time.Minute
		DeferCleanup(func() { patience = usual })
		var late atomic.Int64
		between.Lag(func(*proxy.Call) time.Duration {
			late.Add(1)
			return lag
		})
		survives(ctx, nil, calm)
		Expect(late.Load()).To(BeNumerically(">", 100))
	})
})

var _ = Describe("A child that somebody deletes while nobody watches", func() {
	It("is made again, and nothing else is", func(ctx context.Context) {
		create(ctx)
		clear(known)
		arrives(ctx, "1", func() state { return undisturbed.created })
		before := uids(ctx)

		settings := func(c *proxy.Call) bool { return c.Resource == "configmaps" && (c.Watches() || c.Verb == "list") }
		blind := proxy.On(settings, proxy.Refuse(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "injected", 0))
		between.Inject(blind)
		between.DropWatches()
		child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: workspaces[0], Name: "shop-settings"}}
		Expect(admin.Delete(ctx, child)).To(Succeed())
		Eventually(func() proxy.Calls { return between.Calls().Where(settings).Injected() }).ShouldNot(BeEmpty())
		Expect(gone(ctx, child)).To(BeTrue(), "the manager must not see it yet, or this shows nothing")

		between.Inject(proxy.On(proxy.First((*proxy.Call).Watches), expired))
		Eventually(ctx, framework.Gone(admin, child)).WithTimeout(patience).Should(BeFalse())
		clear(known)
		becomes(ctx, func() state { return undisturbed.created })
		Expect(between.Calls().Where(settings).Where(func(c *proxy.Call) bool { return c.Watches() && c.Injected() })).NotTo(BeEmpty())
		for name, uid := range uids(ctx) {
			if name != "ConfigMap "+workspaces[0]+"/shop-settings" {
				Expect(uid).To(Equal(before[name]), "%s was made anew", name)
			}
		}
		expectForeignUntouched(ctx)
	})
})
