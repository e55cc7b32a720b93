package source_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	. "github.com/onsi/gomega/gstruct"

	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
)

var _ = Describe("A repository that is polled", func() {
	It("gives a Build of what it has, and of what is pushed", func(ctx SpecContext) {
		name, r, first := repository(ctx)
		c := component(name, nil)
		create(ctx, c)
		b := build(ctx, c, first)
		Expect(b.Spec.Commit).To(MatchFields(IgnoreExtras, Fields{
			"SHA": Equal(first), "Author": Equal("Ada <ada@shop.example>"), "Message": Equal("First"), "CommittedAt": Not(BeNil()),
		}))
		Expect(b.Spec.Branch).To(Equal("main"))
		Expect(b.OwnerReferences).To(HaveLen(1))
		Eventually(ctx, status(c)).Should(HaveField("Head", first))

		push(ctx, r, gittest.Change{Files: map[string]string{"a": "1"}, Message: "Second"})
		third := push(ctx, r, gittest.Change{Files: map[string]string{"b": "1"}, Message: "Third"})
		b = build(ctx, c, third)
		Expect(b.Spec.ChangedPaths).To(ContainElement("b"))
		Eventually(ctx, status(c)).Should(HaveField("Head", third))
	})

	It("writes nothing while nothing is pushed, and makes nothing twice when the manager begins anew", func(ctx context.Context) {
		name, _, first := repository(ctx)
		c := component(name, nil)
		create(ctx, c)
		build(ctx, c, first)
		Eventually(ctx, status(c)).Should(HaveField("Head", first))
	})
})
