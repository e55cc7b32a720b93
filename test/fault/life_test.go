package fault_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/fault/proxy"
	"github.com/towpath-dev/towpath/test/framework"
)

// life is what came of one Component from its creation to its end.
type life struct {
	// created, updated and deleted are the states in between and after.
	created, updated, deleted state
	// born are the UIDs of the children after the creation.
	born          map[string]types.UID
	calls, writes int
	took          time.Duration
}

// undisturbed is a life in which nothing failed: what all others are compared with.
var undisturbed *life

// patience is how long a step of a life may take: usually as long as usual.
var patience = usual

const usual = 3 * time.Minute

// lived is the start of the manager that last led a whole life.
var lived int

// calm does nothing between the steps of a life.
func calm(string) {}

// golden is the template of the lives that are led now.
var golden = template

// newComponent is the Component of every life.
func newComponent() *platformv1alpha1.Component {
	c := framework.Component(home, "shop", golden, path...)
	c.Spec.Image = image + "1"
	return c
}

// follow has this spec's lives be of another template, and leads one without a fault to compare with.
func follow(ctx context.Context, other *platformv1alpha1.ServiceTemplate) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, other) }).Should(Succeed(), "a new kind is not known at once")
	Eventually(ctx, framework.Read(admin, other)).Should(framework.BeReady())
	was := undisturbed
	golden, undisturbed = other.Name, nil
	DeferCleanup(func(ctx context.Context) {
		forget(ctx, other)
		golden, undisturbed = template, was
	})
	undisturbed = live(ctx, calm)
}

// forget removes the Component, and its template with all that is left of it.
func forget(ctx context.Context, other *platformv1alpha1.ServiceTemplate) {
	GinkgoHelper()
	remove(ctx)
	Eventually(ctx, framework.Gone(admin, newComponent())).WithTimeout(patience).Should(BeTrue())
	Expect(client.IgnoreNotFound(admin.Delete(ctx, other))).To(Succeed())
	revision := &platformv1alpha1.ServiceTemplateRevision{ObjectMeta: metav1.ObjectMeta{Name: other.Name + "-1"}}
	Eventually(ctx, framework.Gone(admin, revision)).Should(BeTrue(), "the states of others would show it")
}

// live leads a Component through a life, and compares each of its states with those of the undisturbed one. meanwhile is
// called just after each of the user's steps: creation, update, deletion.
func live(ctx context.Context, meanwhile func(step string)) *life {
	GinkgoHelper()
	l, began, start := &life{}, time.Now(), manager.started()
	between.Forget()
	clear(known)
	create(ctx)
	meanwhile("creation")
	l.created = arrives(ctx, "1", func() state { return undisturbed.created })
	l.born = uids(ctx)

	update(ctx)
	meanwhile("update")
	l.updated = arrives(ctx, "2", func() state { return undisturbed.updated })
	for name, uid := range uids(ctx) {
		if was, ok := l.born[name]; ok {
			Expect(uid).To(Equal(was), "%s was made anew", name)
		}
	}

	remove(ctx)
	meanwhile("deletion")
	l.deleted = departs(ctx)
	l.calls, l.writes = len(between.Calls().Where(counts)), len(between.Calls().Writes())
	l.took = time.Since(began)
	expectForeignUntouched(ctx)
	expectOnce()
	if manager.started() == start {
		lived = start
	}
	return l
}

// counts says whether a call is one of those after which the manager is killed: all but what it asks at any time.
func counts(c *proxy.Call) bool { return !c.Background() }

// create, update and remove are what the user does. The webhook may be away for a moment.
func create(ctx context.Context) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, newComponent()) }).WithTimeout(patience).Should(Succeed())
}

func update(ctx context.Context) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		c, err := framework.Read(admin, newComponent())(ctx)
		if err != nil {
			return err
		}
		c.Spec.Image = image + "2"
		c.Spec.Env = []platformv1alpha1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}}
		return admin.Update(ctx, c)
	}).WithTimeout(patience).Should(Succeed())
}

func remove(ctx context.Context) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		return client.IgnoreNotFound(admin.Delete(ctx, newComponent()))
	}).WithTimeout(patience).Should(Succeed())
}

// arrives waits until the Component runs an image in every environment, and then until everything is as it is wanted.
// The first life has nothing to be compared with.
func arrives(ctx context.Context, tag string, want func() state) state {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, newComponent())).WithTimeout(patience).Should(And(
		HaveField("Spec.Image", image+tag), framework.BeReady(),
		framework.HaveCondition(platformv1alpha1.ConditionPromoted, metav1.ConditionTrue, platformv1alpha1.ReasonPromoted),
	))
	return becomes(ctx, want)
}

// departs waits until nothing is left of the Component.
func departs(ctx context.Context) state {
	GinkgoHelper()
	Eventually(ctx, framework.Gone(admin, newComponent())).WithTimeout(patience).Should(BeTrue())
	return becomes(ctx, func() state { return undisturbed.deleted })
}

// becomes waits until the state is what is wanted, and stays so while the manager comes to rest.
func becomes(ctx context.Context, want func() state) state {
	GinkgoHelper()
	if undisturbed == nil {
		settle()
	} else {
		Eventually(ctx, stateIs(want())).WithTimeout(patience).WithPolling(200 * time.Millisecond).Should(BeEmpty())
		settle()
		Expect(stateIs(want())(ctx)).To(BeEmpty(), "it did not stay so")
	}
	s, err := stateOf(ctx)
	Expect(err).NotTo(HaveOccurred())
	return s
}

// stateIs returns what differs from a state.
func stateIs(want state) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		got, err := stateOf(ctx)
		return differences(got, want), err
	}
}

// expectOnce sees that nothing was made twice in a life.
func expectOnce() {
	GinkgoHelper()
	made := map[string]int{}
	for _, c := range between.Calls().Created() {
		if c.Verb == "create" {
			continue // its name stands in its body; were there two, the state would show it
		}
		made[c.Resource+" "+c.Namespace+"/"+c.Name]++
	}
	for what, times := range made {
		Expect(times).To(Equal(1), "%s was made more than once", what)
	}
}
