package environment_test

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// limited is a place whose class has a spec of this much.
func limited(ctx context.Context, spec string) *place {
	GinkgoHelper()
	return newPlace(ctx, func(class *platformv1alpha1.EnvironmentClassSpec) {
		Expect(json.Unmarshal([]byte(spec), class)).To(Succeed())
	})
}

// make makes an Environment, and does not wait for it.
func (p *place) make(ctx context.Context, name string) *platformv1alpha1.Environment {
	GinkgoHelper()
	environment := framework.Environment(p.home, name, p.class.Name)
	Expect(admin.Create(ctx, environment)).To(Succeed())
	return environment
}

// byAge orders Environments as capacity does: many are made in one second.
func byAge(all ...*platformv1alpha1.Environment) []*platformv1alpha1.Environment {
	slices.SortFunc(all, func(x, y *platformv1alpha1.Environment) int {
		return cmp.Or(x.CreationTimestamp.Compare(y.CreationTimestamp.Time), cmp.Compare(x.UID, y.UID))
	})
	return all
}

var _ = Describe("How many environments of a class a team may have", func() {
	It("is bounded, and the next one comes when one goes", func(ctx context.Context) {
		p := limited(ctx, `{"maxPerTeam":2}`)
		a, b := p.ready(ctx, "a"), p.ready(ctx, "b")
		c := p.make(ctx, "c")
		Eventually(ctx, framework.Read(admin, c)).Should(framework.BeStalled("TeamLimitReached", "Class "+p.class.Name, "team "+p.team, "maxPerTeam is 2, and there are 2: a, b", "Nothing was made"))
		Expect(framework.Gone(admin, workload(p.team+"-c"))(ctx)).To(BeTrue())
		Expect(framework.Gone(admin, applier(p.team+"-c"))(ctx)).To(BeTrue())

		By("not bounding another team, or another class")
		other := newPlace(ctx)
		elsewhere := framework.Environment(other.home, "c", p.class.Name)
		Expect(admin.Create(ctx, elsewhere)).To(Succeed())
		awaitReady(ctx, elsewhere)
		free := framework.Environment(p.home, "free", other.class.Name)
		Expect(admin.Create(ctx, free)).To(Succeed())
		awaitReady(ctx, free)

		By("lowering it, which breaks nothing")
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"maxPerTeam":1}}`))).To(Succeed())
		older, younger := byAge(a, b)[0], byAge(a, b)[1]
		Eventually(ctx, framework.Read(admin, younger)).Should(And(framework.BeReady(), framework.HaveCondition("WithinLimits", metav1.ConditionFalse, "TeamLimitReached", "The environment goes on")))
		Expect(read(ctx, older)).To(And(framework.BeReady(), framework.HaveCondition("WithinLimits", metav1.ConditionTrue, "")))

		By("one that goes")
		Expect(admin.Delete(ctx, older)).To(Succeed())
		Eventually(ctx, framework.Read(admin, younger)).Should(framework.HaveCondition("WithinLimits", metav1.ConditionTrue, ""))
		Expect(admin.Delete(ctx, younger)).To(Succeed())
		awaitReady(ctx, c)
	})

	It("goes by age where several come at once, and lets no one in beside those who are in", func(ctx context.Context) {
		p := limited(ctx, `{"maxPerTeam":2}`)
		Expect(cluster.StopManager()).To(Succeed())
		var made []*platformv1alpha1.Environment
		for _, name := range []string{"d", "b", "c", "a"} {
			made = append(made, p.make(ctx, name))
		}
		made = byAge(made...)
		Expect(cluster.StartManager(ctx)).To(Succeed())
		for i, environment := range made {
			if i < 2 {
				awaitReady(ctx, environment)
			} else {
				Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeStalled("TeamLimitReached"))
			}
		}

		By("starting another manager, which knows who is in")
		Expect(cluster.StopManager()).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Consistently(ctx, func(ctx context.Context) (ready int, err error) {
			for _, environment := range made {
				live, readErr := framework.Read(admin, environment)(ctx)
				if readErr != nil {
					return 0, readErr
				}
				if ok, _ := framework.BeReady().Match(live); ok {
					ready++
				}
			}
			return ready, nil
		}).WithTimeout(time.Second).Should(Equal(2))

		By("one that waits and goes, and makes no room")
		Expect(admin.Delete(ctx, made[2])).To(Succeed())
		Eventually(ctx, framework.Gone(admin, made[2])).Should(BeTrue())
		Expect(read(ctx, made[3])).To(framework.BeStalled("TeamLimitReached"))
	})

	It("holds while many are looked at at once", func(ctx context.Context) {
		p := limited(ctx, `{"maxPerTeam":3}`)
		var made []*platformv1alpha1.Environment
		for _, letter := range strings.Split("abcdefghijkl", "") {
			made = append(made, p.make(ctx, letter))
		}
		for _, environment := range made {
			Eventually(ctx, framework.Read(admin, environment)).Should(Or(framework.BeReady(), framework.BeStalled("TeamLimitReached")))
		}
		Expect(p.made(ctx)).To(HaveLen(3))
	})
})

// made are the Environments of a home whose namespace is there.
func (p *place) made(ctx context.Context) []string {
	GinkgoHelper()
	var list corev1.NamespaceList
	Expect(admin.List(ctx, &list, client.MatchingLabels{"platform.towpath.dev/team": p.team}, client.HasLabels{"platform.towpath.dev/environment"})).To(Succeed())
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Labels["platform.towpath.dev/environment"]
	}
	return names
}

var _ = Describe("What the environments of a class may take of a team", func() {
	It("is the sum of their ceilings, which the message takes apart", func(ctx context.Context) {
		p := limited(ctx, `{"quota":{"requests.cpu":"4"},"teamQuota":{"requests.cpu":"10"}}`)
		a, b := p.ready(ctx, "a"), p.ready(ctx, "b")
		Expect(a.Status.Ceiling).To(HaveKey(corev1.ResourceRequestsCPU))
		c := p.make(ctx, "c")
		Eventually(ctx, framework.Read(admin, c)).Should(framework.BeStalled("TeamQuotaExceeded", "requests.cpu: 4 asked for; 2 of 10 left (a has 4, b has 4)", "spec.quota"))
		Expect(framework.Gone(admin, workload(p.team+"-c"))(ctx)).To(BeTrue())
		Expect(admin.Patch(ctx, c, merge(`{"spec":{"quota":{"requests.cpu":"2"}}}`))).To(Succeed())
		awaitReady(ctx, c)

		By("raising one beyond what is left, which gives what is left")
		Expect(admin.Patch(ctx, b, merge(`{"spec":{"quota":{"requests.cpu":"1"}}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, quotaOf(b.Status.Namespace))).Should(haveHard("requests.cpu", "1250m"))
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"quota":{"requests.cpu":"8"}}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, a)).Should(framework.HaveCondition("WithinLimits", metav1.ConditionFalse, "TeamQuotaExceeded", "requests.cpu: 8 asked for, 7 given; 7 of 10 left (b has 1, c has 2)"))
		Expect(read(ctx, quotaOf(a.Status.Namespace))).To(haveHard("requests.cpu", "8750m"))

		By("one that goes, and leaves what it had")
		Expect(admin.Delete(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, quotaOf(a.Status.Namespace))).Should(haveHard("requests.cpu", "10"))
		Eventually(ctx, framework.Read(admin, a)).Should(framework.HaveCondition("WithinLimits", metav1.ConditionTrue, ""))

		By("lowering what the team may have, which breaks nothing")
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"teamQuota":{"requests.cpu":"9"}}}`))).To(Succeed())
		older, younger := byAge(a, c)[0], byAge(a, c)[1]
		Eventually(ctx, framework.Read(admin, younger)).Should(And(framework.BeReady(), framework.HaveCondition("WithinLimits", metav1.ConditionFalse, "TeamQuotaExceeded", "of 9 left ("+older.Name+" has")))
		Expect(read(ctx, older)).To(And(framework.BeReady(), framework.HaveCondition("WithinLimits", metav1.ConditionTrue, "")))
		Expect(read(ctx, quotaOf(p.team+"-c"))).To(haveHard("requests.cpu", "2500m"))

		By("taking the bound away")
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"teamQuota":null}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, c)).Should(And(HaveField("Status.Ceiling", BeEmpty()), framework.HaveCondition("WithinLimits", metav1.ConditionTrue, "")))
	})

	It("asks for a ceiling of each environment, and lets none go", func(ctx context.Context) {
		p := limited(ctx, `{"teamQuota":{"pods":"10"}}`)
		a := p.make(ctx, "a")
		Eventually(ctx, framework.Read(admin, a)).Should(framework.BeStalled("CeilingMissing", "teamQuota bounds pods", "spec.quota of the environment"))
		Expect(admin.Patch(ctx, a, merge(`{"spec":{"quota":{"pods":"5"}}}`))).To(Succeed())
		name := awaitReady(ctx, a).Status.Namespace
		Expect(admin.Patch(ctx, a, merge(`{"spec":{"quota":null}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, a)).Should(framework.HaveCondition("WithinLimits", metav1.ConditionFalse, "TeamQuotaExceeded", "pods: must have a ceiling, and keeps 5"))
		Expect(read(ctx, quotaOf(name))).To(haveHard("pods", "7"))
	})

	It("goes on with what was there before, beside which nothing comes in", func(ctx context.Context) {
		p := newPlace(ctx)
		a := p.ready(ctx, "a")
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"teamQuota":{"pods":"10"}}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, a)).Should(And(framework.BeReady(), framework.HaveCondition("WithinLimits", metav1.ConditionFalse, "CeilingMissing")))
		b := framework.Environment(p.home, "b", p.class.Name)
		b.Spec.Quota = amounts("pods", "1")
		Expect(admin.Create(ctx, b)).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled("TeamQuotaExceeded", "there is no ceiling in a"))
		Expect(admin.Patch(ctx, a, merge(`{"spec":{"quota":{"pods":"9"}}}`))).To(Succeed())
		awaitReady(ctx, b)
	})
})
