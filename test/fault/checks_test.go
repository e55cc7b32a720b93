package fault_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/fault/proxy"
	"github.com/towpath-dev/towpath/test/framework"
)

// checks is a team whose only environment has a check by a Job, apart from that of the lives.
type checks struct {
	home, workload, template string
}

// newChecks makes the team, and all of it goes after the spec.
func newChecks(ctx context.Context) *checks {
	GinkgoHelper()
	name := framework.Name("checks-")
	c := &checks{home: "team-" + name, workload: name + "-dev", template: name}
	class := framework.Class(name, platformv1alpha1.TierDevelopment)
	class.Spec.Checks = []platformv1alpha1.Check{{Name: "smoke", Job: &platformv1alpha1.JobCheck{Spec: framework.JSON(`{template: {spec: {
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}},
  containers: [{name: smoke, image: registry.example/smoke:1, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}}`)}}}
	template := framework.Template(c.template, framework.ConfigMap("config"))
	environment := framework.Environment(c.home, "dev", class.Name)
	for _, o := range []client.Object{class, template, framework.TeamNamespace(name), environment} {
		Expect(admin.Create(ctx, o)).To(Succeed())
	}
	Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
	Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
	DeferCleanup(func(ctx context.Context) {
		heal(ctx)
		for _, o := range []client.Object{environment, template, class} {
			Eventually(ctx, func(ctx context.Context) error { return client.IgnoreNotFound(admin.Delete(ctx, o)) }).WithTimeout(patience).Should(Succeed())
			Eventually(ctx, framework.Gone(admin, o)).WithTimeout(patience).Should(BeTrue())
		}
	})
	return c
}

// deploy makes the Component, which goes after the spec.
func (c *checks) deploy(ctx context.Context) *platformv1alpha1.Component {
	GinkgoHelper()
	component := framework.Component(c.home, "shop", c.template, "dev")
	Expect(admin.Create(ctx, component)).To(Succeed())
	DeferCleanup(c.remove, component)
	return component
}

func (c *checks) remove(ctx context.Context, component *platformv1alpha1.Component) {
	GinkgoHelper()
	heal(ctx)
	Eventually(ctx, func(ctx context.Context) error { return client.IgnoreNotFound(admin.Delete(ctx, component)) }).WithTimeout(patience).Should(Succeed())
	Eventually(ctx, framework.Gone(admin, component)).WithTimeout(patience).Should(BeTrue())
}

func (c *checks) release(number int) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: c.home, Name: fmt.Sprintf("shop-dev-%d", number)}}
}

func (c *checks) jobs(ctx context.Context) ([]batchv1.Job, error) {
	var list batchv1.JobList
	err := admin.List(ctx, &list, client.InNamespace(c.workload))
	return list.Items, err
}

// ofJob is a condition on calls that a check by a Job makes.
func (c *checks) ofJob(call *proxy.Call) bool {
	switch {
	case call.Background():
		return false
	case call.Namespace == c.workload:
		return call.Resource == "jobs.batch"
	}
	return call.Namespace == c.home && strings.HasPrefix(call.Resource, "releases.platform.towpath.dev") && call.Verb != "create"
}

// applyJob is a condition on the calls that make a Job.
func applyJob(call *proxy.Call) bool { return call.Verb == "patch" && call.Resource == "jobs.batch" }

// expectMadeOnce expects that one call made a Job: the one that was answered so, or one that was cut off, as others that are under way
// while the manager is killed, whose answer nobody has heard.
func expectMadeOnce() {
	GinkgoHelper()
	calls := between.Calls().Where(applyJob)
	if made := calls.Created(); len(made) == 0 {
		Expect(calls).To(ContainElement(HaveField("Code()", BeZero())), "no call made the Job that is there")
	} else {
		Expect(made).To(HaveLen(1))
	}
}

var _ = Describe("A check by a Job", func() {
	It("is made and counted once where the manager is killed after any call of it", func(ctx context.Context) {
		c := newChecks(ctx)
		kills := 0
		for n := 1; ; n++ {
			By(fmt.Sprintf("killing it after call %d", n))
			var killed atomic.Bool
			between.Forget()
			between.Inject(proxy.On(proxy.Nth(n, c.ofJob), proxy.After(func() {
				killed.Store(true)
				manager.Kill()
			})))
			component := c.deploy(ctx)
			Eventually(ctx, framework.Read(admin, component)).WithTimeout(patience).Should(framework.BeReady())
			settle()
			first, err := framework.Read(admin, c.release(1))(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(first.Status.Checks).To(ConsistOf(And(HaveField("State", platformv1alpha1.CheckPassed), HaveField("Runs", BeEquivalentTo(1)),
				HaveField("Succeeded", BeEquivalentTo(1)), HaveField("Inconclusive", BeZero()), HaveField("Failed", BeZero()))))
			Expect(c.jobs(ctx)).To(ConsistOf(HaveField("Name", first.Status.Checks[0].Job)))
			expectMadeOnce()
			c.remove(ctx, component)
			Expect(c.jobs(ctx)).To(BeEmpty())
			if !killed.Load() {
				break
			}
			kills++
		}
		GinkgoWriter.Printf("the manager was killed %d times\n", kills)
		Expect(kills).To(BeNumerically(">=", 4), "a Release is recorded, a Job is made, the Release is read again, what came of it is recorded")
	})

	It("is made and counted once where the answer to making it is lost", func(ctx context.Context) {
		c := newChecks(ctx)
		between.Forget()
		between.Inject(proxy.On(proxy.Nth(1, applyJob), proxy.LoseAnswer))
		component := c.deploy(ctx)
		Eventually(ctx, framework.Read(admin, component)).WithTimeout(patience).Should(framework.BeReady())
		Expect(between.Calls().Injected()).To(HaveLen(1))
		Expect(framework.Read(admin, c.release(1))(ctx)).To(HaveField("Status.Checks", ConsistOf(And(HaveField("Runs", BeEquivalentTo(1)), HaveField("Succeeded", BeEquivalentTo(1))))))
		Expect(c.jobs(ctx)).To(HaveLen(1))
		Expect(between.Calls().Created().Where(applyJob)).To(HaveLen(1))
	})

	DescribeTable("whose Job is made when its Release has ended already leaves none behind", func(ctx context.Context, end func(context.Context, *checks, *platformv1alpha1.Component), dies bool) {
		c := newChecks(ctx)
		held, release := make(chan struct{}), make(chan struct{})
		between.Forget()
		between.Inject(proxy.On(proxy.Nth(1, applyJob), func(w http.ResponseWriter, call *proxy.Call, pass func(http.ResponseWriter)) {
			call.Inject()
			close(held)
			<-release
			if !dies {
				pass(w)
				return
			}
			pass(httptest.NewRecorder())
			manager.Kill()
		}))
		component := c.deploy(ctx)
		Eventually(held).WithTimeout(patience).Should(BeClosed())
		func() {
			defer close(release)
			end(ctx, c, component)
		}()
		Eventually(between.Calls).Should(ContainElement(And(HaveField("Injected()", true), HaveField("Code()", http.StatusCreated))), "the Job was made")
		made := between.Calls().Injected()[0].Name
		Eventually(manager.answers).WithTimeout(patience).Should(Succeed())
		Eventually(ctx, framework.Gone(admin, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: c.workload, Name: made}})).WithTimeout(patience).Should(BeTrue())
	},
		Entry("by a newer one", supersede, false),
		Entry("by a newer one, and the manager dies", supersede, true),
		Entry("with its Component", endComponent, false),
		Entry("with its Component, and the manager dies", endComponent, true),
	)
})

// supersede has another version take the place of the first, until nothing of that is left to do.
func supersede(ctx context.Context, c *checks, component *platformv1alpha1.Component) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		live, err := framework.Read(admin, component)(ctx)
		if err != nil {
			return err
		}
		live.Spec.Image = image + "2"
		return admin.Update(ctx, live)
	}).WithTimeout(patience).Should(Succeed())
	Eventually(ctx, framework.Read(admin, c.release(2))).WithTimeout(patience).Should(framework.BeReady())
	Eventually(ctx, framework.Read(admin, c.release(1))).WithTimeout(patience).Should(And(HaveField("Status.SupersededAt", Not(BeNil())), HaveField("Finalizers", BeEmpty())))
}

// endComponent deletes the Component, until nothing of it is left.
func endComponent(ctx context.Context, c *checks, component *platformv1alpha1.Component) {
	GinkgoHelper()
	Expect(admin.Delete(ctx, component)).To(Succeed())
	Eventually(ctx, framework.Gone(admin, component)).WithTimeout(patience).Should(BeTrue())
	Eventually(ctx, framework.Gone(admin, c.release(1))).WithTimeout(patience).Should(BeTrue())
}
