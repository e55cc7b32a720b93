package upgrade_test

import (
	"os"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/internal/definitions"
)

// An upgrade that stops half-way leaves kinds of one version with the manager of another.
var _ = Describe("An upgrade that stops half-way", func() {
	for _, v := range versions() {
		Context("from "+v.Name, Ordered, func() {
			var (
				s      *site
				old    release
				before state
			)
			same := func(ctx SpecContext) {
				GinkgoHelper()
				Expect(before.changes(s.observe(ctx, old, present))).To(BeEmpty())
			}

			BeforeAll(func(ctx SpecContext) {
				inLongForm()
				old = built(ctx, v)
				s = newSite(ctx)
				s.begin(ctx, old)
				before = s.observe(ctx, old, present)
			})
			AfterEach(tellOf(&s))

			It("leaves a manager that does not know what its kinds have", func(ctx SpecContext) {
				Expect(install.Kinds(ctx, s.admin, present.manifests)).To(Succeed())
				s.since = time.Now()
				s.settle(ctx)
				same(ctx)
				By("starting it again")
				s.run(ctx, old)
				s.settle(ctx)
				same(ctx)
			})

			It("leaves a manager whose kinds lack what it knows, which says so", func(ctx SpecContext) {
				Expect(install.Kinds(ctx, s.admin, old.manifests)).To(Succeed())
				s.run(ctx, present)
				s.settle(ctx)
				same(ctx)
				for kind, field := range lacking(old) {
					Expect(s.complaints()).To(ContainElement(And(ContainSubstring(kind), ContainSubstring(field), ContainSubstring("apply config/crd"))))
				}
			})

			It("can go on to its end", func(ctx SpecContext) {
				s.install(ctx, present)
				s.run(ctx, present)
				s.settle(ctx)
				same(ctx)
			})
		})
	}
})

// lacking are the definitions of a release that lack fields of today's, each with one of them.
func lacking(r release) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	for _, today := range config.TypedCRDs() {
		for _, then := range r.manifests.TypedCRDs() {
			if fields := definitions.Beyond(today, then); today.Name == then.Name && len(fields) > 0 {
				all[today.Name] = fields[0]
			}
		}
	}
	return all
}

// complaints are the lines that managers have logged above the level info.
func (s *site) complaints() []string {
	GinkgoHelper()
	raw, err := os.ReadFile(s.manager.Log())
	Expect(err).NotTo(HaveOccurred())
	return slices.DeleteFunc(slices.Collect(strings.Lines(string(raw))), func(line string) bool {
		return strings.Contains(line, `"level":"info"`)
	})
}
