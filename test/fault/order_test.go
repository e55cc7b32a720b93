package fault_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/fault/proxy"
)

// hand is what the manager in this process gets its controllers from; nil where they run by themselves.
var hand *orchestra

// takenInHand keeps controllers from running by themselves.
func takenInHand(mgr ctrl.Manager) ctrl.Manager {
	if hand == nil {
		return mgr
	}
	return &handled{Manager: mgr, orchestra: hand}
}

// handled is a manager that never starts its controllers.
type handled struct {
	ctrl.Manager
	orchestra *orchestra
}

// Add keeps controllers, and has everything else run.
func (h *handled) Add(r ctrlmanager.Runnable) error {
	if c, ok := r.(controller.Controller); ok {
		h.orchestra.controllers = append(h.orchestra.controllers, c)
		return nil
	}
	return h.Manager.Add(r)
}

// orchestra runs controllers by hand, one object at a time, in an order that is drawn, before caches of which some stand
// still.
type orchestra struct {
	// controllers are those of reconciled, in its order.
	controllers []controller.Controller
	draw        *rand.Rand
	reconciles  int

	mu   sync.Mutex
	held map[string]bool
	late int
}

// reconciled are the manager's controllers, in the order in which it sets them up.
var reconciled = []struct {
	// kind is a list of what the controller reconciles.
	kind client.ObjectList
	// weight is how often the controller is drawn, next to the others: those that lead a Component through its life get
	// most of the steps, for a late cache misleads them.
	weight int
}{
	{&platformv1alpha1.ApprovalList{}, 0}, // there is none
	{&platformv1alpha1.EnvironmentClassList{}, 1},
	{&platformv1alpha1.TeamList{}, 0}, // there is none
	{&platformv1alpha1.EnvironmentList{}, 1},
	{&platformv1alpha1.ServiceTemplateList{}, 1},
	{&platformv1alpha1.ComponentList{}, 3},
	{&platformv1alpha1.ReleaseList{}, 4},
	{&batchv1.JobList{}, 0}, // orphans of checks; there is none
	{&platformv1alpha1.ReleaseList{}, 0},
	{&platformv1alpha1.BuildList{}, 0}, // there is none
	{&platformv1alpha1.ServiceTemplateList{}, 1},
	{&platformv1alpha1.TeamList{}, 0},       // how they stand to their limits
	{&platformv1alpha1.BudgetList{}, 0},     // there is none
	{&platformv1alpha1.CostSourceList{}, 0}, // there is none
	{&platformv1alpha1.ComponentList{}, 0},  // their repositories; there is none
}

// watched are the resources whose caches stand still now and then.
var watched = []string{
	"components.platform.towpath.dev", "releases.platform.towpath.dev", "environments.platform.towpath.dev",
	"servicetemplates.platform.towpath.dev", "servicetemplaterevisions.platform.towpath.dev", "configmaps", "deployments.apps", "services", "namespaces",
}

// lag keeps back what the watch of a resource sends while that stands still.
func (o *orchestra) lag(c *proxy.Call) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.held[c.Resource] {
		return 0
	}
	o.late++
	return time.Hour
}

// toggle has the cache of a resource stand still, or go on where it does.
func (o *orchestra) toggle(resource string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held[resource] = !o.held[resource]
}

// release has all caches go on.
func (o *orchestra) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.held)
}

// keys are the objects of a controller that exist now, whatever the caches say.
func (o *orchestra) keys(ctx context.Context, i int) []types.NamespacedName {
	GinkgoHelper()
	list, ok := reconciled[i].kind.DeepCopyObject().(client.ObjectList)
	Expect(ok).To(BeTrue())
	var namespace string
	switch list.(type) {
	case *platformv1alpha1.EnvironmentList, *platformv1alpha1.ComponentList, *platformv1alpha1.ReleaseList:
		namespace = home
	}
	Expect(admin.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
	var keys []types.NamespacedName
	Expect(meta.EachListItem(list, func(item runtime.Object) error {
		object, err := meta.Accessor(item)
		keys = append(keys, types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()})
		return err
	})).To(Succeed())
	return keys
}

// reconcile runs one controller for one object. What fails is tried again later, as it would be.
func (o *orchestra) reconcile(ctx context.Context, i int, key types.NamespacedName) {
	o.reconciles++
	if _, err := o.controllers[i].Reconcile(ctx, ctrl.Request{NamespacedName: key}); err != nil {
		GinkgoWriter.Println("reconciling", key, "failed:", err)
	}
}

// play does a number of things that are drawn: mostly it reconciles something, else a cache stops or goes on.
func (o *orchestra) play(ctx context.Context, steps int) {
	for range steps {
		if o.draw.IntN(3) == 0 {
			o.toggle(watched[o.draw.IntN(len(watched))])
			continue
		}
		i := o.pick()
		if keys := o.keys(ctx, i); len(keys) > 0 {
			o.reconcile(ctx, i, keys[o.draw.IntN(len(keys))])
		}
	}
}

// pick draws a controller by its weight.
func (o *orchestra) pick() int {
	var drawn []int
	for i, c := range reconciled {
		drawn = append(drawn, slices.Repeat([]int{i}, c.weight)...)
	}
	return drawn[o.draw.IntN(len(drawn))]
}

// written is what was written since the last Forget, but for what Environments cost: that is written once it has stood for a while.
func written() proxy.Calls {
	return between.Calls().Writes().Where(func(c *proxy.Call) bool { return c.Resource != "environments.platform.towpath.dev/status" })
}

// finish lets all caches go on, and reconciles everything in an order that is drawn until the state is as it is wanted.
func (o *orchestra) finish(ctx context.Context, want state) {
	GinkgoHelper()
	o.release()
	Eventually(ctx, func(ctx context.Context) (string, error) {
		o.round(ctx)
		return stateIs(want)(ctx)
	}).WithTimeout(patience).Should(BeEmpty())
	between.Forget()
	o.round(ctx)
	Expect(written()).To(BeEmpty(), "nothing is left to do")
}

// lead leads a Component through a life with a number of steps that are drawn after each of the user's, and returns what
// was made by these.
func (o *orchestra) lead(ctx context.Context, steps int) (made proxy.Calls) {
	GinkgoHelper()
	step := func(do func(context.Context), want state) {
		GinkgoHelper()
		for _, resource := range watched {
			if steps > 0 && o.draw.IntN(3) == 0 {
				o.toggle(resource)
			}
		}
		do(ctx)
		o.play(ctx, steps)
		made = append(made, between.Calls().Created()...)
		between.Forget()
		o.finish(ctx, want)
	}
	between.Forget()
	clear(known)
	step(create, undisturbed.created)
	born := uids(ctx)
	step(update, undisturbed.updated)
	for name, uid := range uids(ctx) {
		if was, ok := born[name]; ok {
			Expect(uid).To(Equal(was), "%s was made anew", name)
		}
	}
	step(remove, undisturbed.deleted)
	return made
}

// round reconciles every object once.
func (o *orchestra) round(ctx context.Context) {
	GinkgoHelper()
	for _, i := range o.draw.Perm(len(o.controllers)) {
		keys := o.keys(ctx, i)
		o.draw.Shuffle(len(keys), func(a, b int) { keys[a], keys[b] = keys[b], keys[a] })
		for _, key := range keys {
			o.reconcile(ctx, i, key)
		}
	}
}

var _ = Describe("Controllers that are run by hand, in an order that is drawn and with caches that stand still,", Ordered, func() {
	BeforeAll(func(ctx context.Context) {
		hand = &orchestra{held: map[string]bool{}, draw: rand.New(rand.NewPCG(seed, 1))}
		manager.replace(ctx)
		Expect(cluster.StartManager(ctx)).To(Succeed())
		DeferCleanup(func() {
			hand = nil
			between.Lag(nil)
			Expect(cluster.StopManager()).To(Succeed())
		})
		Expect(hand.controllers).To(HaveLen(len(reconciled)))
		// A cache that is first asked for while it stands still would keep whoever asks waiting: a life without any.
		hand.lead(ctx, 0)
	})

	seeds := make([]uint64, either(40, 3))
	for i := range seeds {
		seeds[i] = seed + uint64(i)
	}
	for _, drawn := range seeds {
		It(fmt.Sprintf("end where they do by themselves: seed %d", drawn), func(ctx context.Context) {
			hand.draw = rand.New(rand.NewPCG(drawn, 1))
			hand.reconciles, hand.late = 0, 0
			between.Lag(hand.lag)
			made := hand.lead(ctx, 120)
			expectForeignUntouched(ctx)
			GinkgoWriter.Printf("%d reconciles, %d objects made before all caches went on\n", hand.reconciles, len(made))
			Expect(hand.late).To(BeNumerically(">", 0), "no cache was late")
			Expect(made).NotTo(BeEmpty(), "nothing was made before all caches went on")
		})
	}
})
