package fault_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/test/framework"
)

// poison is the end of the path at whose calls the manager in this process panics; nil for none.
var (
	poison   atomic.Pointer[string]
	panicked atomic.Int64
)

// panicking panics in the goroutine that asks, as an error in the code there would.
type panicking struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p *panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	if path := poison.Load(); path != nil && strings.HasSuffix(r.URL.Path, *path) && r.Method != http.MethodGet {
		panicked.Add(1)
		panic("injected at " + r.URL.Path)
	}
	return p.next.RoundTrip(r)
}

var _ = Describe("A panic", Ordered, func() {
	var sick string

	BeforeAll(func(ctx context.Context) {
		manager.replace(ctx)
		Expect(cluster.StartManager(ctx)).To(Succeed())
		DeferCleanup(func() { Expect(cluster.StopManager()).To(Succeed()) })
		other := webTemplate()
		other.Name = "sick"
		Expect(admin.Create(ctx, other)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, other)).To(Succeed()) })
		namespace := framework.TeamNamespace("sick")
		sick = namespace.Name
		Expect(admin.Create(ctx, namespace)).To(Succeed())
		environment := framework.Environment(sick, "dev", class)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
	})

	DescribeTable("at one object leaves all others alone, where it", func(ctx context.Context, path string) {
		if !strings.Contains(path, "configmaps") {
			inLongForm()
		}
		panicked.Store(0)
		poison.Store(&path)
		DeferCleanup(func() { poison.Store(nil) })
		patient := framework.Component(sick, "shop", "sick", "dev")
		Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, patient) }).Should(Succeed())
		DeferCleanup(func(ctx context.Context) {
			poison.Store(nil)
			Expect(client.IgnoreNotFound(admin.Delete(ctx, patient))).To(Succeed())
			Eventually(ctx, framework.Gone(admin, patient)).Should(BeTrue())
		})
		Eventually(panicked.Load).Should(BeNumerically(">", 1), "it is tried again")
		live(ctx, calm)

		poison.Store(nil)
		Eventually(ctx, framework.Read(admin, patient)).WithTimeout(patience).Should(framework.BeReady())
	},
		Entry("is held", "/namespaces/team-sick/components/shop"),
		Entry("is said how it is", "/namespaces/team-sick/releases/shop-dev-1/status"),
		Entry("is applied", "/namespaces/sick-dev/configmaps/shop-settings"),
	)
})
