package fault_test

import (
	"context"
	"fmt"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/towpath-dev/towpath/test/fault/proxy"
)

var _ = Describe("A manager", func() {
	// The short form takes some of the calls, others each time.
	It("that is killed after its n-th call, for every n, goes on where it was", func(ctx context.Context) {
		step := either(1, 12)
		kills := 0
		for n := 1 + int(seed%uint64(step)); ; n += step {
			By(fmt.Sprintf("killing it after call %d", n))
			var killed atomic.Bool
			between.Inject(proxy.On(proxy.Nth(n, counts), proxy.After(func() {
				killed.Store(true)
				manager.Kill()
			})))
			starts := manager.started()
			live(ctx, calm)
			if !killed.Load() {
				break
			}
			kills++
			Expect(manager.started()).To(BeNumerically(">", starts), "it was not killed")
		}
		GinkgoWriter.Printf("the manager was killed %d times\n", kills)
		Expect(kills).To(BeNumerically(">=", undisturbed.calls/step/2))
	})
})
