package upgrade_test

import (
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("An upgrade", func() {
	for i, v := range versions() {
		Context("from "+v.Name, Ordered, func() {
			var (
				s      *site
				old    release
				before state
			)
			// same says that all is as it was with the old version.
			same := func(ctx SpecContext) {
				GinkgoHelper()
				Expect(before.changes(s.observe(ctx, old, present))).To(BeEmpty())
			}

			BeforeAll(func(ctx SpecContext) {
				if i > 0 && !writing {
					inLongForm() // the oldest has the farthest to go, and each version more takes minutes
				}
				old = built(ctx, v)
				s = newSite(ctx)
				s.begin(ctx, old)
				before = s.observe(ctx, old, present)
				Expect(before).To(HaveKey("deployments.apps upgrade-dev/checkout"))
				Expect(before).To(HaveKey("releases.platform.towpath.dev team-upgrade/checkout-prod-1"))
			})
			AfterEach(tellOf(&s))

			It("stores what fixtures are made of", func(ctx SpecContext) {
				if !writing {
					Skip("a part of make upgrade-fixtures")
				}
				if _, err := os.Stat(string(fixturesOf(v))); err == nil {
					Skip("they are there, and what a version stored does not change any more: remove the folder first")
				}
				if s.costs {
					s.awaitFigures(ctx)
				}
				s.store(ctx, fixturesOf(v))
			})

			It("leaves everything as it was", func(ctx SpecContext) {
				s.expectNoConflict(ctx, present)
				s.install(ctx, present)
				s.run(ctx, present)
				s.settle(ctx)
				same(ctx)
			})

			It("lets an environment sleep, of which the version before knows nothing", func(ctx SpecContext) {
				inLongForm()
				s.sleep(ctx)
			})

			It("can be taken back", func(ctx SpecContext) {
				s.expectNoConflict(ctx, old)
				s.install(ctx, old)
				s.run(ctx, old)
				s.settle(ctx)
				same(ctx)
				if long {
					Eventually(ctx, s.sleepers).WithTimeout(patience).Should(BeNumerically("==", 1), "it is awake again")
				}
			})

			It("can be done again", func(ctx SpecContext) {
				inLongForm()
				s.install(ctx, present)
				s.run(ctx, present)
				s.settle(ctx)
				same(ctx)
			})
		})
	}
})
