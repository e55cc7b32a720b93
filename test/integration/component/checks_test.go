package component_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/prometheus"
	"github.com/towpath-dev/towpath/test/framework"
)

// theProm is a real Prometheus, which the first spec that asks starts.
var theProm = sync.OnceValues(func() (*prometheus.Server, error) {
	dir, err := os.MkdirTemp("", "towpath-prometheus-")
	if err != nil {
		return nil, err
	}
	return prometheus.Start(context.Background(), dir)
})

var _ = AfterSuite(func() {
	if prom, err := theProm(); err == nil {
		prom.Stop()
	}
})

// errorsIn sets what Prometheus knows of the errors in an environment's namespace.
func (t *team) errorsIn(environment string, value float64) {
	GinkgoHelper()
	prom, err := theProm()
	Expect(err).NotTo(HaveOccurred())
	prom.Set(fmt.Sprintf(`errors{ns=%q}`, t.workload(environment)), value)
}

// fewErrors is a check of what errorsIn sets.
func fewErrors() platformv1alpha1.Check {
	return platformv1alpha1.Check{Name: "errors", IntervalSeconds: 5, Prometheus: &platformv1alpha1.PrometheusCheck{
		Query: `errors{ns="${environment.namespace}"}`, Comparison: platformv1alpha1.ComparisonLessThan, Threshold: "0.5",
	}}
}

// smoke is a check by a Job, whose pod no node takes where the image ends in -broken.
func smoke() platformv1alpha1.Check {
	return platformv1alpha1.Check{Name: "smoke", Job: &platformv1alpha1.JobCheck{Spec: framework.JSON(`{template: {spec: {
  nodeSelector: "${release.image.endsWith('-broken') ? optional.of({'suite/node': 'none'}) : optional.none()}",
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}},
  containers: [{name: smoke, image: registry.example/smoke:1, args: ["http://${component.name}"],
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}}`)}}
}

// checked makes a class with checks, and changes it further.
func checked(ctx context.Context, how func(*platformv1alpha1.EnvironmentClassSpec), checks ...platformv1alpha1.Check) string {
	GinkgoHelper()
	prom, err := theProm()
	Expect(err).NotTo(HaveOccurred())
	class := framework.Class(framework.Name("checked-"), platformv1alpha1.TierStaging)
	class.Spec.Checks, class.Spec.Prometheus = checks, &platformv1alpha1.PrometheusSource{Address: prom.Address}
	if how != nil {
		how(&class.Spec)
	}
	Expect(admin.Create(ctx, class)).To(Succeed())
	return class.Name
}

func (t *team) jobs(environment string) func(context.Context) ([]batchv1.Job, error) {
	return func(ctx context.Context) ([]batchv1.Job, error) {
		var list batchv1.JobList
		err := admin.List(ctx, &list, client.InNamespace(t.workload(environment)))
		return list.Items, err
	}
}

var _ = Describe("Checks", func() {
	It("by a query hold a version back until it shows well, and take it back where it does not", func(ctx context.Context) {
		t := newTeam(ctx, "prod")
		t.addGated(ctx, "stage", checked(ctx, func(c *platformv1alpha1.EnvironmentClassSpec) {
			c.Rollback = &platformv1alpha1.RollbackPolicy{Mode: platformv1alpha1.RollbackAutomatic, DeadlineSeconds: 600}
		}, fewErrors()))
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "stage", "prod"))
		first := t.release("shop", "stage", 1)
		Eventually(ctx, framework.Read(admin, first)).Should(And(
			framework.HaveCondition(isReady, no, platformv1alpha1.ReasonChecking, "errors (of the class) cannot say", "gave no value"),
			framework.HaveCondition(platformv1alpha1.ConditionChecked, "Unknown", platformv1alpha1.ReasonChecking), beForKstatus(status.InProgressStatus),
			HaveField("Status.ReadyAt", BeNil()), HaveField("Status.RolledOutAt", Not(BeNil()))))
		Eventually(ctx, framework.Read(admin, component)).Should(
			framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonWaitingForChecks, "stage: Release shop-stage-1 goes on when its checks have passed", "gave no value"))
		Expect(exists(t.release("shop", "prod", 1))(ctx)).To(BeFalse())

		t.errorsIn("stage", 0.25)
		settled(ctx, component)
		Expect(read(ctx, first)).To(And(framework.BeReady(), framework.HaveCondition(platformv1alpha1.ConditionChecked, yes, platformv1alpha1.ReasonChecksPassed),
			HaveField("Status.Checks", ConsistOf(And(HaveField("State", platformv1alpha1.CheckPassed), HaveField("Succeeded", BeEquivalentTo(1)), HaveField("Message", ContainSubstring("The value is 0.25")))))))

		By("a version with many errors")
		t.errorsIn("stage", 0.75)
		prom, err := theProm()
		Expect(err).NotTo(HaveOccurred())
		Expect(prom.Await(ctx, fmt.Sprintf(`errors{ns=%q} > 0.5`, t.workload("stage")))).To(Succeed())
		change(ctx, component, withImage("registry.example/shop:2.0.0"))
		Eventually(ctx, framework.Read(admin, t.release("shop", "stage", 3))).Should(And(framework.BeReady(),
			HaveField("Spec.Cause", platformv1alpha1.CauseRollback), HaveField("Spec.Image", "registry.example/shop:1.0.0"), HaveField("Spec.Checks", BeEmpty()),
			HaveField("Spec.Rollback.Reason", And(ContainSubstring("ChecksFailed"), ContainSubstring("0.75")))))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonRolledBack, "shop-stage-2", "0.75"))
		Expect(exists(t.release("shop", "prod", 2))(ctx)).To(BeFalse(), "it goes no further")
		Expect(read(ctx, t.configMap("stage", "shop-config")).Data).To(HaveKeyWithValue("image", "registry.example/shop:1.0.0"))
	})

	It("by a query of a Prometheus with a password wait until they have it", func(ctx context.Context) {
		prom, err := prometheus.StartSecured(ctx, GinkgoT().TempDir())
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(prom.Stop)
		t := newTeam(ctx)
		prom.Set(fmt.Sprintf(`errors{ns=%q}`, t.workload("stage")), 0.25)
		t.addGated(ctx, "stage", checked(ctx, func(c *platformv1alpha1.EnvironmentClassSpec) { c.Prometheus.Address = prom.Address }, fewErrors()))
		template := publish(ctx, light(framework.Name("light-")))
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "stage"))
		first := t.release("shop", "stage", 1)
		const name = "Secret towpath-system/towpath-prometheus"
		saysOfIt := func(texts ...string) {
			GinkgoHelper()
			Eventually(ctx, framework.Read(admin, first)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonChecking, texts...))
			Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonProgressing, texts...))
		}
		saysOfIt("errors (of the class) cannot say", "add an entry with ca for its address, "+prom.Address, name)

		By("entries, one after the other")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: "towpath-prometheus"}}
		put := func(entry string) {
			GinkgoHelper()
			secret.Data = map[string][]byte{"thanos": []byte(entry), "broken": []byte("s3cr3t-canary")}
			Expect(admin.Update(ctx, secret)).To(Succeed())
		}
		Expect(admin.Create(ctx, secret)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, secret)).To(Succeed()) })
		entry := "address: " + prom.Address + "\nca: |\n  " + strings.ReplaceAll(prom.CA, "\n", "\n  ") + "\n"
		put("address: " + prom.Address)
		saysOfIt("was not asked", "in "+name+", entry thanos cannot be used: it must have bearerToken, basicAuth, tenant or ca")
		put(entry)
		saysOfIt("401 Unauthorized with what entry thanos of " + name + " sends")
		Expect(read(ctx, first).Status.ReadyAt).To(BeNil())
		put(entry + fmt.Sprintf("basicAuth: {username: %s, password: %s}\n", prometheus.Username, prometheus.Password))
		settled(ctx, component)
		Expect(read(ctx, first)).To(And(framework.BeReady(), HaveField("Status.Checks", ConsistOf(
			And(HaveField("State", platformv1alpha1.CheckPassed), HaveField("Message", ContainSubstring("The value is 0.25")))))))
	})

	It("go on during the soak, and what fails then goes no further", func(ctx context.Context) {
		t := newTeam(ctx)
		t.addGated(ctx, "stage", checked(ctx, nil, fewErrors()))
		t.addGated(ctx, "prod", gated(ctx, platformv1alpha1.ClassGate{Gate: platformv1alpha1.Gate{SoakSeconds: 3600}}))
		template := publish(ctx, light(framework.Name("light-")))
		t.errorsIn("stage", 0)
		component := deploy(ctx, framework.Component(t.home, "shop", template.Name, "stage", "prod"))
		Eventually(ctx, framework.Read(admin, component)).Should(waitsFor(platformv1alpha1.ReasonSoaking))
		first := t.release("shop", "stage", 1)
		Eventually(ctx, framework.Read(admin, first)).Should(And(HaveField("Spec.SoakSeconds", BeEquivalentTo(3600)),
			HaveField("Status.Checks", ConsistOf(HaveField("Succeeded", BeNumerically(">=", 2))))))
		t.errorsIn("stage", 9)
		Eventually(ctx, framework.Read(admin, first)).Should(And(framework.BeStalled(platformv1alpha1.ReasonChecksFailed, "The value is 9"),
			framework.HaveCondition(platformv1alpha1.ConditionChecked, no, platformv1alpha1.ReasonChecksFailed), HaveField("Status.ReadyAt", Not(BeNil()))))
		Eventually(ctx, framework.Read(admin, component)).Should(And(framework.BeStalled(platformv1alpha1.ReasonReleaseFailed, "The value is 9"),
			framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonWaitingForChecks, "stage: Release shop-stage-1 goes no further", "The value is 9")))
		t.errorsIn("stage", 0)
		failed := read(ctx, first).Status.Checks[0]
		Consistently(ctx, framework.Read(admin, first), "7s").Should(HaveField("Status.Checks", ConsistOf(Equal(failed))), "what failed is measured no more")
	})

	It("by a Job run it as the environment's applier beside the Component, and leave nothing behind", func(ctx context.Context) {
		t := newTeam(ctx, "prod")
		quick := smoke()
		quick.TimeoutSeconds = 5
		t.addGated(ctx, "stage", checked(ctx, nil, quick))
		template := publish(ctx, light(framework.Name("light-")))
		component := framework.Component(t.home, "shop", template.Name, "stage", "prod")
		component.Spec.Environments[0].Checks = []platformv1alpha1.Check{smoke()}
		deploy(ctx, component)
		settled(ctx, component)
		jobs, err := t.jobs("stage")(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(jobs).To(HaveLen(2), "one of the class, and one of the Component of the same name")
		for i := range jobs {
			Expect(jobs[i].Labels).To(And(HaveKeyWithValue(platformv1alpha1.LabelCheck, "smoke"), HaveKeyWithValue(platformv1alpha1.LabelOwnerUID, string(component.UID)),
				HaveKeyWithValue(platformv1alpha1.LabelTeam, t.name)))
			Expect(jobs[i].Spec.Template.Labels).To(And(HaveKeyWithValue(platformv1alpha1.LabelComponent, "shop.check"), HaveKeyWithValue("app.kubernetes.io/name", "shop.check"),
				Not(HaveKey(platformv1alpha1.LabelOwnerUID))))
			Expect(jobs[i].Spec.Template.Spec.Containers[0].Args).To(ConsistOf("http://shop"))
			Expect(jobs[i].Spec.Template.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
			Expect(jobs[i].Spec.TTLSecondsAfterFinished).To(HaveValue(BeEquivalentTo(3600)))
		}
		Expect(read(ctx, t.release("shop", "stage", 1)).Status.Checks).To(HaveEach(And(
			HaveField("State", platformv1alpha1.CheckPassed), HaveField("Runs", BeEquivalentTo(1)), HaveField("Message", ContainSubstring("completed")))))

		By("a version whose Job does not end")
		change(ctx, component, withImage("registry.example/shop:2.0.0-broken"))
		Eventually(ctx, framework.Read(admin, t.release("shop", "stage", 2))).Should(
			framework.BeStalled(platformv1alpha1.ReasonChecksFailed, "smoke (of the class)", "DeadlineExceeded"))
		Eventually(ctx, framework.Read(admin, component)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonWaitingForChecks, "shop-stage-2 goes no further"))
		Expect(read(ctx, component)).To(HaveField("Status.Environments", ContainElement(And(HaveField("Name", "prod"), HaveField("Reason", platformv1alpha1.ReasonWaitingForChecks)))))
		Eventually(ctx, t.jobs("stage")).Should(HaveLen(2), "the Jobs of the Release before are gone")

		By("the next one")
		change(ctx, component, withImage("registry.example/shop:2.0.1"))
		settled(ctx, component)
		Eventually(ctx, t.jobs("stage")).Should(HaveLen(2))
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Eventually(ctx, t.jobs("stage")).Should(BeEmpty())
	})

	It("of a tenant are refused where they do not compile, and not made where they may not run", func(ctx context.Context) {
		t := newTeam(ctx)
		class := checked(ctx, nil)
		t.addGated(ctx, "stage", class)
		template := publish(ctx, light(framework.Name("light-")))
		with := func(name string, c platformv1alpha1.Check) *platformv1alpha1.Component {
			component := framework.Component(t.home, name, template.Name, "stage")
			component.Spec.Environments[0].Checks = []platformv1alpha1.Check{c}
			return component
		}
		wrong := fewErrors()
		wrong.Prometheus.Query = `errors{ns="${environment.namespaces}"}`
		err := developer.Create(ctx, with("wrong", wrong))
		Expect(apierrors.IsInvalid(err)).To(BeTrue())
		Expect(err).To(MatchError(ContainSubstring("spec.environments[stage].checks[errors].prometheus.query")))
		typo := smoke()
		typo.Job.Spec = framework.JSON(`{template: {spec: {container: []}}}`)
		Expect(developer.Create(ctx, with("typo", typo))).To(MatchError(ContainSubstring("spec.environments[stage].checks[smoke].job.spec.template.spec.container")))

		asks := deploy(ctx, with("asks", fewErrors()))
		Expect(warned.all()).To(ContainElement(ContainSubstring("spec.environments[stage].checks[errors]: class " + class + " does not let Components ask its Prometheus")))
		Eventually(ctx, framework.Read(admin, asks)).Should(framework.BeStalled(platformv1alpha1.ReasonChecksInvalid, "Check errors has a query", class))
		Expect(exists(t.release("asks", "stage", 1))(ctx)).To(BeFalse())

		privileged := smoke()
		privileged.Job.Spec = framework.JSON(`{template: {spec: {hostNetwork: true, containers: [{name: a, image: a}]}}}`)
		breaks := deploy(ctx, with("breaks", privileged))
		Eventually(ctx, framework.Read(admin, breaks)).Should(framework.BeStalled(platformv1alpha1.ReasonChecksInvalid, "The Job of check smoke may not run"))
		Expect(t.jobs("stage")(ctx)).To(BeEmpty())

		By("a class that lets Components ask")
		live := read(ctx, &platformv1alpha1.EnvironmentClass{ObjectMeta: framework.Class(class, "").ObjectMeta})
		live.Spec.Prometheus.ComponentQueries = platformv1alpha1.ComponentQueriesAllowed
		Expect(admin.Update(ctx, live)).To(Succeed())
		t.errorsIn("stage", 0)
		Eventually(ctx, func(ctx context.Context) (*platformv1alpha1.Component, error) {
			nudge(ctx, asks)
			return framework.Read(admin, asks)(ctx)
		}).Should(framework.BeReady())
	})

	It("of a class are refused where they do not compile", func(ctx context.Context) {
		class := framework.Class(framework.Name("checked-"), platformv1alpha1.TierStaging)
		class.Spec.Checks = []platformv1alpha1.Check{fewErrors()}
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("a class with checks that query must have prometheus")))
		class.Spec.Prometheus = &platformv1alpha1.PrometheusSource{Address: "http://user:secret@prometheus.example"}
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("spec.prometheus.address")))
		class.Spec.Prometheus.Address = "http://prometheus.example:9090/prefix"
		class.Spec.Checks[0].Prometheus.Query = `errors{ns="${environment}"}`
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("spec.checks[errors].prometheus.query")))
		class.Spec.Checks[0] = smoke()
		class.Spec.Checks[0].Count = 2
		Expect(admin.Create(ctx, class.DeepCopy())).To(MatchError(ContainSubstring("a job that runs more than once must have intervalSeconds")))
		class.Spec.Checks[0].IntervalSeconds = 60
		Expect(admin.Create(ctx, class)).To(Succeed())
	})
})
