package upgrade_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	home = "team-upgrade"

	// patience is for a machine that runs several suites at once.
	patience = 3 * time.Minute
)

// live makes a team with everything in testdata/life, and waits until all of it is Ready.
func (s *site) live(ctx context.Context) {
	GinkgoHelper()
	_, err := install.Files(ctx, s.admin, filepath.Join("testdata", "life"))
	Expect(err).NotTo(HaveOccurred())
	for _, namespace := range []string{"upgrade-dev", "upgrade-prod"} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "payments"}, StringData: map[string]string{"api-key": "secret"}}
		Eventually(ctx, func(ctx context.Context) error { return s.admin.Create(ctx, secret) }).
			WithTimeout(patience).Should(Succeed(), "the Environment makes the namespace")
	}
	s.approve(ctx, "checkout-prod-1")
	if s.costs {
		s.spend(ctx)
	}
	s.awaitReady(ctx)
}

// approve lets a Release pass its gate, once it is there.
func (s *site) approve(ctx context.Context, name string) {
	GinkgoHelper()
	waiting := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: name}}
	Eventually(ctx, func(ctx context.Context) error { return s.admin.Get(ctx, client.ObjectKeyFromObject(waiting), waiting) }).
		WithTimeout(patience).Should(Succeed())
	Expect(s.admin.Create(ctx, &platformv1alpha1.Approval{
		ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: name},
		Spec: platformv1alpha1.ApprovalSpec{
			ReleaseRef: platformv1alpha1.ReleaseReference{Name: name, UID: waiting.UID}, Approver: "kubernetes-admin",
			Decision: platformv1alpha1.DecisionApprove, Reason: "It was tried in dev.",
		},
	})).To(Succeed())
}

// awaitReady waits until everything that has a condition Ready is, and every Component is promoted to its last environment.
func (s *site) awaitReady(ctx context.Context) {
	GinkgoHelper()
	Eventually(ctx, s.waiting).WithTimeout(patience).WithPolling(250 * time.Millisecond).Should(BeEmpty())
}

// waiting says what is not Ready.
func (s *site) waiting(ctx context.Context) ([]string, error) {
	var all []string
	lists := []client.ObjectList{
		&platformv1alpha1.TeamList{}, &platformv1alpha1.EnvironmentClassList{}, &platformv1alpha1.EnvironmentList{},
		&platformv1alpha1.ServiceTemplateList{}, &platformv1alpha1.ComponentList{}, &platformv1alpha1.ReleaseList{},
	}
	if s.costs {
		lists = append(lists, &platformv1alpha1.BuildList{}, &platformv1alpha1.BudgetList{}, &platformv1alpha1.CostSourceList{})
	}
	for _, list := range lists {
		if err := s.admin.List(ctx, list); err != nil {
			return nil, err
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			object, ok := item.(client.Object)
			if !ok {
				return fmt.Errorf("%T is no object", item)
			}
			if r, ok := object.(*platformv1alpha1.Release); ok && r.Status.SupersededAt != nil {
				return nil
			}
			if b, ok := object.(*platformv1alpha1.Build); ok && b.Status.Result == platformv1alpha1.BuildFailed {
				return nil
			}
			wanted := []string{platformv1alpha1.ConditionReady}
			if _, ok := object.(*platformv1alpha1.Component); ok {
				wanted = append(wanted, platformv1alpha1.ConditionPromoted)
			}
			for _, kind := range wanted {
				is, err := framework.HaveCondition(kind, metav1.ConditionTrue, "").Match(object)
				if err != nil {
					return err
				}
				if !is {
					all = append(all, fmt.Sprintf("%T %s is not %s: %+v", object, object.GetName(), kind, condition.Of(object)))
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// heartbeat is a Component that gets another version from each manager, so that each is seen to work. It is not among what an
// upgrade must leave as it is.
const heartbeat = "heartbeat"

// beat releases another version of heartbeat, and waits until it runs.
func (s *site) beat(ctx context.Context) {
	GinkgoHelper()
	component := framework.Component(home, heartbeat, "worker", "dev")
	component.Spec.Parameters = framework.JSON(`{replicas: {min: 1, max: 1}}`)
	component.Spec.Image = "registry.example/upgrade/heartbeat:" + framework.Name("v")
	Eventually(ctx, func(ctx context.Context) error {
		var live platformv1alpha1.Component
		err := s.admin.Get(ctx, client.ObjectKeyFromObject(component), &live)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err != nil {
			return s.admin.Create(ctx, component)
		}
		live.Spec = component.Spec
		return s.admin.Update(ctx, &live)
	}).WithTimeout(patience).Should(Succeed(), "the webhooks answer")
	Eventually(ctx, func(ctx context.Context) (string, error) {
		var pods corev1.PodList
		err := s.admin.List(ctx, &pods, client.InNamespace("upgrade-dev"), client.MatchingLabels{platformv1alpha1.LabelComponent: heartbeat})
		for i := range pods.Items {
			if pods.Items[i].DeletionTimestamp == nil {
				return pods.Items[i].Spec.Containers[0].Image, err
			}
		}
		return "", err
	}).WithTimeout(patience).Should(Equal(component.Spec.Image))
}

// sleep makes an environment with a Component, and puts it to sleep.
func (s *site) sleep(ctx context.Context) {
	GinkgoHelper()
	bed := framework.Environment(home, heartbeat, "upgrade-open")
	Expect(s.admin.Create(ctx, bed)).To(Succeed())
	sleeper := framework.Component(home, heartbeat+"-sleeper", "worker", bed.Name)
	sleeper.Spec.Parameters = framework.JSON(`{replicas: {min: 1, max: 1}}`)
	Expect(s.admin.Create(ctx, sleeper)).To(Succeed())
	Eventually(ctx, s.sleepers).WithTimeout(patience).Should(BeNumerically("==", 1))
	Expect(s.admin.Patch(ctx, bed, client.RawPatch(types.MergePatchType, []byte(`{"spec": {"sleep": {"mode": "Always"}}}`)))).To(Succeed())
	Eventually(ctx, s.sleepers).WithTimeout(patience).Should(BeZero())
}

// sleepers is how many pods of the Component run that sleep made.
func (s *site) sleepers(ctx context.Context) (int32, error) {
	var deployment appsv1.Deployment
	err := s.admin.Get(ctx, client.ObjectKey{Namespace: "upgrade-" + heartbeat, Name: heartbeat + "-sleeper"}, &deployment)
	return deployment.Status.ReadyReplicas, client.IgnoreNotFound(err)
}

// settle waits until the manager that runs has worked on everything: each workload was written anew, heartbeat went its way, all
// is Ready, and it does not write statuses any more.
func (s *site) settle(ctx context.Context) {
	GinkgoHelper()
	s.beat(ctx)
	Eventually(ctx, s.unwritten).WithTimeout(patience).Should(BeEmpty(), "the manager has not written these anew")
	s.awaitReady(ctx)
	Eventually(s.quietFor).WithTimeout(patience).WithPolling(500*time.Millisecond).
		Should(BeNumerically(">", 3*time.Second), "the manager does not stop to write, although nothing changes")
}

// workloads are those of testdata/life that a golden path made, as an audit log names them.
var workloads = []string{
	"deployments.apps upgrade-dev/checkout", "deployments.apps upgrade-prod/checkout", "deployments.apps upgrade-dev/storefront",
	"deployments.apps upgrade-dev/mailer", "deployments.apps upgrade-dev/site", "statefulsets.apps upgrade-dev/sessions",
	"statefulsets.apps upgrade-dev/orders-db-single", "cronjobs.batch upgrade-dev/report",
}

// unwritten are the workloads that the manager has not written since it started.
func (s *site) unwritten() ([]string, error) {
	audit, err := s.audit()
	if err != nil {
		return nil, err
	}
	written := map[string]bool{}
	for _, r := range audit.ByTowpath().Succeeded() {
		written[fmt.Sprintf("%s %s/%s", r.Resource, r.Namespace, r.Name)] = true
	}
	return slices.DeleteFunc(slices.Clone(workloads), func(w string) bool { return written[w] }), nil
}

// quietFor is for how long the manager has written nothing as itself. As an applier it writes objects anew all the time.
func (s *site) quietFor() (time.Duration, error) {
	audit, err := s.audit()
	if err != nil {
		return 0, err
	}
	last := s.since
	for _, r := range audit.ByTowpath() {
		if r.As == "" && r.At.After(last) {
			last = r.At
		}
	}
	return time.Since(last), nil
}
