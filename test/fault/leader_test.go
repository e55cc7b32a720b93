package fault_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"github.com/towpath-dev/towpath/hack/process"
	"github.com/towpath-dev/towpath/test/fault/proxy"
)

// replica is one of two managers that elect a leader, behind a proxy of its own.
type replica struct {
	process.Manager
	proxy *proxy.Proxy
}

// newReplica starts a manager of the two. Nobody starts it again.
func newReplica(ctx context.Context, name string, ports map[string]int) *replica {
	GinkgoHelper()
	through, err := proxy.New(cluster.Plane.AdminConfig())
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(through.Close)
	dir := filepath.Join(cluster.Dir, name)
	Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
	configuration := filepath.Join(dir, "configuration.yaml")
	Expect(os.WriteFile(configuration, []byte(`
apiVersion: config.platform.towpath.dev/v1alpha1
kind: ManagerConfiguration
leaderElection: {leaseDurationSeconds: 4, renewDeadlineSeconds: 3, retryPeriodSeconds: 1}
`), 0o600)).To(Succeed())
	r := &replica{proxy: through, Manager: process.Manager{
		Dir: dir, Binary: manager.Binary, Attached: true, Via: through.Config, Ports: ports, Arguments: []string{"--config", configuration},
	}}
	Expect(r.Start(ctx, cluster.Plane)).To(Succeed())
	DeferCleanup(func(ctx context.Context) { Expect(r.Stop(ctx)).To(Succeed()) })
	return r
}

var _ = Describe("Of two managers", func() {
	var leader, standby *replica

	BeforeEach(func(ctx context.Context) {
		manager.end(ctx)
		leader = newReplica(ctx, "leader", nil)
		Eventually(func() proxy.Calls { return leader.proxy.Calls().Where(renews) }).ShouldNot(BeEmpty(), "it does not lead")
		standby = newReplica(ctx, "standby", map[string]int{"webhook": cluster.WebhookPort()})
		was := between
		between = standby.proxy
		DeferCleanup(func() { between = was })
	})

	status := func(c *proxy.Call) bool { return c.Resource == "releases.platform.towpath.dev/status" }

	It("the other goes on where the leader was killed, between applying and saying so", func(ctx context.Context) {
		var killed atomic.Bool
		var children map[string]types.UID
		leader.proxy.Inject(proxy.On(proxy.Nth(1, status), func(_ http.ResponseWriter, call *proxy.Call, _ func(http.ResponseWriter)) {
			defer GinkgoRecover()
			call.Inject()
			leader.Kill()
			children = uids(ctx)
			killed.Store(true)
		}))
		create(ctx)
		clear(known)
		Eventually(killed.Load).WithTimeout(patience).Should(BeTrue())
		Expect(children).To(HaveLen(4), "all was applied, and nothing said")
		Expect(standby.proxy.Calls().Writes().Where(func(c *proxy.Call) bool { return c.Namespace != "" })).To(BeEmpty(), "it did not lead")

		arrives(ctx, "1", func() state { return undisturbed.created })
		Expect(standby.proxy.Calls().Where(status)).NotTo(BeEmpty())
		now := uids(ctx)
		for name, uid := range children {
			Expect(now).To(HaveKeyWithValue(name, uid))
		}
		endsWell(ctx)
	})

	It("the other goes on where the leader lost the API server, and that ends", func(ctx context.Context) {
		inLongForm()
		apply := func(c *proxy.Call) bool { return writes(c) && c.Resource == "services" }
		var away atomic.Bool
		leader.proxy.Inject(proxy.On(proxy.Nth(1, apply), proxy.After(func() {
			away.Store(true)
			go leader.proxy.Away() // it waits for this call
		})))
		create(ctx)
		clear(known)
		Eventually(away.Load).WithTimeout(patience).Should(BeTrue())
		arrives(ctx, "1", func() state { return undisturbed.created })
		Eventually(leader.PID).Should(BeZero(), "it could not keep its lease")
		Expect(leader.proxy.Refused()).To(BeNumerically(">", 0))
		endsWell(ctx)
	})

	It("one that sleeps for longer than its lease ends when it wakes up, and does no harm", func(ctx context.Context) {
		inLongForm()
		apply := func(c *proxy.Call) bool { return writes(c) && c.Resource == "services" }
		pid := leader.PID()
		var asleep atomic.Bool
		leader.proxy.Inject(proxy.On(proxy.Nth(1, apply), proxy.After(func() {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
			asleep.Store(true)
		})))
		create(ctx)
		clear(known)
		Eventually(asleep.Load).WithTimeout(patience).Should(BeTrue())
		arrives(ctx, "1", func() state { return undisturbed.created })
		before := uids(ctx)

		Expect(syscall.Kill(pid, syscall.SIGCONT)).To(Succeed())
		Eventually(leader.PID).Should(BeZero(), "it does not lead any more")
		becomes(ctx, func() state { return undisturbed.created })
		Expect(uids(ctx)).To(Equal(before))
		endsWell(ctx)
	})
})

// renews says whether a call is one by which a manager keeps its lease.
func renews(c *proxy.Call) bool {
	return c.Resource == "leases.coordination.k8s.io" && c.Verb == "update" && c.Code() == http.StatusOK
}

// endsWell leads a Component that was made through the rest of its life; in the short form that is its end.
func endsWell(ctx context.Context) {
	GinkgoHelper()
	if long {
		update(ctx)
		arrives(ctx, "2", func() state { return undisturbed.updated })
	}
	remove(ctx)
	departs(ctx)
	expectForeignUntouched(ctx)
}
