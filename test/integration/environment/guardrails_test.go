package environment_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/test/framework"
)

func amounts(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func guardrail(namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: "towpath-environment"}
}

// The three objects of an environment with guardrails.
func quotaOf(namespace string) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{ObjectMeta: guardrail(namespace)}
}

func limitsOf(namespace string) *corev1.LimitRange {
	return &corev1.LimitRange{ObjectMeta: guardrail(namespace)}
}

func networkOf(namespace string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: guardrail(namespace)}
}

// guarded is a place whose class has all guardrails, and what else it is given.
func guarded(ctx context.Context, changes ...classChange) *place {
	GinkgoHelper()
	return newPlace(ctx, append([]classChange{func(class *platformv1alpha1.EnvironmentClassSpec) {
		class.Guardrails = platformv1alpha1.Guardrails{
			Quota: amounts("requests.cpu", "4", "limits.memory", "8Gi", "pods", "20", "count/configmaps", "50", "requests.storage", "100Gi", "requests.nvidia.com/gpu", "1"),
			Containers: &platformv1alpha1.ContainerLimits{
				Default: amounts("memory", "256Mi"), DefaultRequest: amounts("cpu", "100m"), Min: amounts("cpu", "10m"), Max: amounts("memory", "4Gi"),
			},
			Isolation: platformv1alpha1.IsolationIsolated, PodSecurityVersion: "v1.37", NamespaceLabels: map[string]string{"istio-injection": "enabled"},
			NamespaceAnnotations: map[string]string{"example.com/backup": "daily"},
		}
	}}, changes...)...)
}

func haveHard(pairs ...string) OmegaMatcher {
	matchers := []OmegaMatcher{HaveLen(len(pairs) / 2)}
	for i := 0; i < len(pairs); i += 2 {
		matchers = append(matchers, HaveKeyWithValue(corev1.ResourceName(pairs[i]), WithTransform(func(q resource.Quantity) string { return q.String() }, Equal(pairs[i+1]))))
	}
	return HaveField("Spec.Hard", And(matchers...))
}

// closed matches the NetworkPolicy of Isolated: nothing comes in, and only DNS goes out.
func closed() OmegaMatcher {
	return And(HaveField("Spec.PodSelector", metav1.LabelSelector{}), HaveField("Spec.Ingress", BeEmpty()), HaveField("Spec.Egress", HaveLen(1)),
		HaveField("Spec.PolicyTypes", ConsistOf(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)))
}

var _ = Describe("The guardrails of a class", func() {
	It("are made in the namespace: quota with headroom, defaults of containers, a closed network, labels", func(ctx context.Context) {
		p := guarded(ctx)
		environment := p.ready(ctx, "dev")
		name := environment.Status.Namespace
		Expect(read(ctx, quotaOf(name))).To(haveHard("requests.cpu", "5", "limits.memory", "10Gi", "pods", "25",
			"count/configmaps", "50", "requests.storage", "100Gi", "requests.nvidia.com/gpu", "1"))
		limits := read(ctx, limitsOf(name)).Spec.Limits
		Expect(limits).To(HaveLen(1))
		Expect(limits[0].Default).NotTo(HaveKey(corev1.ResourceCPU))
		network := read(ctx, networkOf(name))
		Expect(network).To(closed())
		Expect(network.Spec.Egress[0].Ports).To(HaveLen(2))
		Expect(read(ctx, workload(name)).Labels).To(And(HaveKeyWithValue("istio-injection", "enabled"), HaveKeyWithValue("pod-security.kubernetes.io/enforce-version", "v1.37")))
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.HaveCondition("WithinLimits", metav1.ConditionTrue, "WithinLimits"))

		By("letting in no more than that, and giving a container what it lacks")
		Eventually(ctx, framework.Read(admin, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "default"}})).ShouldNot(BeNil())
		pod := restricted(name, "small")
		Eventually(ctx, func() error { return admin.Create(ctx, pod) }).Should(Succeed())
		Expect(pod.Spec.Containers[0].Resources.Limits).To(And(HaveKey(corev1.ResourceMemory), Not(HaveKey(corev1.ResourceCPU))))
		big := restricted(name, "big")
		big.Spec.Containers[0].Resources.Requests = amounts("cpu", "6")
		Expect(admin.Create(ctx, big)).To(MatchError(ContainSubstring("exceeded quota: towpath-environment")))
	})

	DescribeTable("are labels and annotations of the namespace, which come back",
		func(ctx context.Context, patch string) {
			p := guarded(ctx)
			name := p.ready(ctx, "dev").Status.Namespace
			Expect(read(ctx, workload(name)).Annotations).To(HaveKeyWithValue("example.com/backup", "daily"))
			Expect(admin.Patch(ctx, workload(name), merge(patch))).To(Succeed())
			Eventually(ctx, framework.Read(admin, workload(name))).Should(And(
				HaveField("Annotations", And(HaveKeyWithValue("example.com/backup", "daily"), HaveKeyWithValue("test.towpath.dev/touched", "1"))),
				HaveField("Labels", HaveKeyWithValue("istio-injection", "enabled"))))
		},
		Entry("when they are deleted", `{"metadata":{"labels":{"istio-injection":null},"annotations":{"example.com/backup":null,"test.towpath.dev/touched":"1"}}}`),
		Entry("when they are edited", `{"metadata":{"labels":{"istio-injection":"disabled"},"annotations":{"example.com/backup":"never","test.towpath.dev/touched":"1"}}}`),
	)

	It("follow the class, and leave what others annotate", func(ctx context.Context) {
		p := guarded(ctx)
		name := p.ready(ctx, "dev").Status.Namespace
		Expect(admin.Patch(ctx, workload(name), merge(`{"metadata":{"annotations":{"example.com/theirs":"1"}}}`))).To(Succeed())
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"namespaceAnnotations":{"example.com/backup":null,"example.com/owner":"sre"}}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, workload(name))).Should(HaveField("Annotations", And(
			HaveKeyWithValue("example.com/owner", "sre"), Not(HaveKey("example.com/backup")), HaveKeyWithValue("example.com/theirs", "1"))))
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"namespaceAnnotations":null,"namespaceLabels":null}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, workload(name))).Should(And(HaveField("Labels", Not(HaveKey("istio-injection"))),
			HaveField("Annotations", And(Not(HaveKey("example.com/owner")), HaveKeyWithValue("example.com/theirs", "1")))))
	})

	It("are absent where the class sets none, and go with it", func(ctx context.Context) {
		plain := newPlace(ctx).ready(ctx, "dev")
		for _, object := range []client.Object{quotaOf(plain.Status.Namespace), limitsOf(plain.Status.Namespace), networkOf(plain.Status.Namespace)} {
			Expect(framework.Gone(admin, object)(ctx)).To(BeTrue())
		}
		Expect(condition.Of(read(ctx, plain))).NotTo(ContainElement(HaveField("Type", "WithinLimits")))

		p := guarded(ctx)
		environment := p.ready(ctx, "dev")
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.HaveCondition("WithinLimits", metav1.ConditionTrue, ""))
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"quota":null,"containers":null,"isolation":"Open"}}`))).To(Succeed())
		for _, object := range []client.Object{quotaOf(environment.Status.Namespace), limitsOf(environment.Status.Namespace), networkOf(environment.Status.Namespace)} {
			Eventually(ctx, framework.Gone(admin, object)).Should(BeTrue(), "%T", object)
		}
		Eventually(ctx, framework.Read(admin, environment)).ShouldNot(HaveField("Status.Conditions", ContainElement(HaveField("Type", "WithinLimits"))))
	})

	It("open the network within the team where the class says Team", func(ctx context.Context) {
		p := guarded(ctx, func(class *platformv1alpha1.EnvironmentClassSpec) { class.Isolation = platformv1alpha1.IsolationTeam })
		name := p.ready(ctx, "dev").Status.Namespace
		team := networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"platform.towpath.dev/team": p.team}}}
		Eventually(ctx, framework.Read(admin, networkOf(name))).Should(And(
			HaveField("Spec.Ingress", ConsistOf(HaveField("From", ConsistOf(team)))),
			HaveField("Spec.Egress", ContainElement(And(HaveField("To", ConsistOf(team)), HaveField("Ports", BeEmpty()))))))
	})

	DescribeTable("come back",
		func(ctx context.Context, change func(ctx context.Context, name string)) {
			name := guarded(ctx).ready(ctx, "dev").Status.Namespace
			before := read(ctx, limitsOf(name)).Spec
			change(ctx, name)
			Eventually(ctx, framework.Read(admin, quotaOf(name))).Should(And(haveHard("requests.cpu", "5", "limits.memory", "10Gi", "pods", "25",
				"count/configmaps", "50", "requests.storage", "100Gi", "requests.nvidia.com/gpu", "1"), HaveField("Labels", HaveKey("platform.towpath.dev/owner-uid"))))
			Eventually(ctx, framework.Read(admin, limitsOf(name))).Should(HaveField("Spec", Equal(before)))
			Eventually(ctx, framework.Read(admin, networkOf(name))).Should(And(closed(), HaveField("Annotations", HaveKey("platform.towpath.dev/home"))))
		},
		Entry("when they are deleted", func(ctx context.Context, name string) {
			for _, object := range []client.Object{read(ctx, quotaOf(name)), read(ctx, limitsOf(name)), read(ctx, networkOf(name))} {
				Expect(admin.Delete(ctx, object)).To(Succeed())
				Eventually(ctx, framework.Gone(admin, object)).Should(BeTrue())
			}
		}),
		Entry("when they are loosened", func(ctx context.Context, name string) {
			Expect(admin.Patch(ctx, quotaOf(name), merge(`{"spec":{"hard":{"pods":"1000"}}}`))).To(Succeed())
			Expect(admin.Patch(ctx, limitsOf(name), merge(`{"spec":{"limits":[]}}`))).To(Succeed())
			Expect(admin.Patch(ctx, networkOf(name), merge(`{"spec":{"ingress":[{}],"egress":[{}]}}`))).To(Succeed())
		}),
		Entry("when something is taken out of them, or added", func(ctx context.Context, name string) {
			Expect(admin.Patch(ctx, quotaOf(name), merge(`{"spec":{"hard":{"pods":null,"services":"1"}}}`))).To(Succeed())
			Expect(admin.Patch(ctx, networkOf(name), merge(`{"spec":{"policyTypes":["Egress"],"podSelector":{"matchLabels":{"a":"b"}}}}`))).To(Succeed())
		}),
		Entry("when the way home is removed", func(ctx context.Context, name string) {
			for _, object := range []client.Object{quotaOf(name), limitsOf(name), networkOf(name)} {
				Expect(admin.Patch(ctx, object, merge(`{"metadata":{"annotations":null}}`))).To(Succeed())
			}
		}),
	)

	It("are lowered by an Environment, which cannot raise them", func(ctx context.Context) {
		p := guarded(ctx)
		environment := framework.Environment(p.home, "dev", p.class.Name)
		environment.Spec.Quota = amounts("requests.cpu", "2", "pods", "100", "services", "3")
		Expect(admin.Create(ctx, environment)).To(Succeed())
		name := awaitReady(ctx, environment).Status.Namespace
		Expect(read(ctx, quotaOf(name))).To(haveHard("requests.cpu", "2500m", "limits.memory", "10Gi", "pods", "25", "services", "3",
			"count/configmaps", "50", "requests.storage", "100Gi", "requests.nvidia.com/gpu", "1"))
		Eventually(ctx, framework.Read(admin, environment)).Should(
			framework.HaveCondition("WithinLimits", metav1.ConditionFalse, "AboveClass", "pods: 100 of at most 20", p.class.Name))
		Expect(admin.Patch(ctx, environment, merge(`{"spec":{"quota":{"pods":null}}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.HaveCondition("WithinLimits", metav1.ConditionTrue, "WithinLimits"))
	})

	It("break nothing when they are lowered below what is used, and say so until it is less", func(ctx context.Context) {
		p := guarded(ctx)
		environment := p.ready(ctx, "dev")
		name := environment.Status.Namespace
		for _, suffix := range []string{"a", "b", "c"} {
			Expect(admin.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: suffix}})).To(Succeed())
		}
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"quota":{"count/configmaps":"2"}}}`))).To(Succeed())
		// kube-root-ca.crt counts too.
		Eventually(ctx, framework.Read(admin, environment)).Should(
			framework.HaveCondition("WithinLimits", metav1.ConditionFalse, "QuotaExceeded", "count/configmaps: 4 of 2", "What runs goes on", p.class.Name))
		Expect(read(ctx, environment)).To(framework.BeReady())
		Eventually(ctx, func(ctx context.Context) error {
			return admin.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "d"}}, client.DryRunAll)
		}).Should(MatchError(ContainSubstring("exceeded quota")), "admission reads a quota a moment after it was written")
		for _, suffix := range []string{"a", "b"} {
			Expect(admin.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: suffix}})).To(Succeed())
		}
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.HaveCondition("WithinLimits", metav1.ConditionTrue, "WithinLimits"))
	})

	It("are for the teams that the class selects; one that has an environment keeps it", func(ctx context.Context) {
		p := newPlace(ctx)
		before := p.ready(ctx, "early")
		Expect(admin.Patch(ctx, p.class, merge(`{"spec":{"teams":{"matchLabels":{"regulated":"yes"}},"namespaceLabels":{"example.com/seen":"1"}}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, workload(before.Status.Namespace))).Should(HaveField("Labels", HaveKey("example.com/seen")),
			"a class that the manager did not see yet refuses nobody")
		late := framework.Environment(p.home, "late", p.class.Name)
		Expect(admin.Create(ctx, late)).To(Succeed())
		Eventually(ctx, framework.Read(admin, late)).Should(framework.BeStalled("ClassNotAllowed", p.class.Name, p.team))
		outside := framework.HaveCondition("WithinLimits", metav1.ConditionFalse, "ClassNotAllowed", p.class.Name, "What there is goes on.")
		Eventually(ctx, framework.Read(admin, before)).Should(And(framework.BeReady(), outside))
		team := framework.Team(p.team)
		team.Labels = map[string]string{"regulated": "yes"}
		Expect(admin.Create(ctx, team)).To(Succeed())
		Eventually(ctx, framework.Read(admin, team)).Should(framework.BeStalled("ConsentMissing", p.home))
		Expect(read(ctx, late)).To(framework.BeStalled("ClassNotAllowed"), "the home only bears the name of the Team")
		Expect(admin.Patch(ctx, workload(p.home), merge(`{"metadata":{"annotations":{"platform.towpath.dev/adopt-by":"`+p.team+`"}}}`))).To(Succeed())
		Eventually(ctx, framework.Read(admin, late)).Should(framework.BeReady())
		Eventually(ctx, framework.Read(admin, before)).Should(And(framework.BeReady(), Not(outside)))
	})

	It("leave a namespace that is let go", func(ctx context.Context) {
		p := guarded(ctx)
		environment := p.ready(ctx, "dev")
		name := environment.Status.Namespace
		Expect(admin.Patch(ctx, workload(name), merge(`{"metadata":{"annotations":{"platform.towpath.dev/keep":"true"}}}`))).To(Succeed())
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		for _, object := range []client.Object{quotaOf(name), limitsOf(name), networkOf(name)} {
			Expect(framework.Gone(admin, object)(ctx)).To(BeTrue(), "%T", object)
		}
		Expect(read(ctx, workload(name)).Labels).NotTo(HaveKey("istio-injection"))
		Expect(read(ctx, workload(name)).Annotations).NotTo(HaveKey("example.com/backup"))
	})

	It("are refused where Kubernetes would not take them, with field and reason; one that is there all the same says so", func(ctx context.Context) {
		p := guarded(ctx)
		wrong := framework.Class(framework.Name("wrong-"), platformv1alpha1.TierDevelopment)
		wrong.Spec.Quota = amounts("requests.cpu", "-4", "pods", "1500m")
		wrong.Spec.Containers = &platformv1alpha1.ContainerLimits{Min: amounts("memory", "2Gi"), Max: amounts("memory", "1Gi")}
		wrong.Spec.NamespaceLabels = map[string]string{"mesh": "yes, please"}
		Expect(admin.Create(ctx, wrong.DeepCopy())).To(MatchError(And(
			ContainSubstring(`spec.quota[requests.cpu]: Invalid value: "-4": must not be below 0`), ContainSubstring(`spec.quota[pods]: Invalid value: "1500m": must be a whole number`),
			ContainSubstring("spec.containers.min[memory]: Invalid value"), ContainSubstring("spec.namespaceLabels"))))
		lowered := framework.Environment(p.home, "lowered", p.class.Name)
		lowered.Spec.Quota = amounts("requests.cpu", "-1")
		Expect(admin.Create(ctx, lowered)).To(MatchError(ContainSubstring(`spec.quota[requests.cpu]: Invalid value: "-1": must not be below 0`)))

		By("meeting one all the same, as of a Towpath that did not ask")
		wrong.Labels = map[string]string{framework.LabelUnchecked: ""}
		Expect(admin.Create(ctx, wrong)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, wrong))).To(Succeed()) })
		Eventually(ctx, framework.Read(admin, wrong)).Should(framework.BeStalled(platformv1alpha1.ReasonGuardrailsInvalid, "spec.quota[requests.cpu]"))
		environment := framework.Environment(p.home, "wrong", wrong.Name)
		Expect(admin.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeStalled(platformv1alpha1.ReasonGuardrailsInvalid, wrong.Name, "yes, please"))
		Eventually(ctx, func() error {
			live := read(ctx, wrong)
			live.Spec.NamespaceLabels = nil
			return admin.Update(ctx, live)
		}).Should(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeStalled(platformv1alpha1.ReasonGuardrailsInvalid, "writing ResourceQuota"))
		Eventually(ctx, func() error {
			live := read(ctx, wrong)
			live.Spec.Guardrails = platformv1alpha1.Guardrails{}
			return admin.Update(ctx, live)
		}).Should(Succeed())
		awaitReady(ctx, environment)
		Eventually(ctx, framework.Read(admin, wrong)).Should(framework.BeReady())
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
	})

	It("write nothing while nothing changes", func(ctx context.Context) {
		p := guarded(ctx)
		environment := p.ready(ctx, "dev")
		name := environment.Status.Namespace
		quiet := func(since time.Time) func() (framework.Audit, error) {
			return func() (framework.Audit, error) {
				log, err := cluster.Audit()
				return log.ByTowpath().Since(since).About(name, "dev", p.home, p.class.Name), err
			}
		}
		Eventually(ctx, func() (framework.Audit, error) { return quiet(time.Now().Add(-time.Second))() }).Should(BeEmpty())
		start := time.Now()
		for _, object := range []client.Object{quotaOf(name), limitsOf(name), networkOf(name)} {
			Expect(admin.Patch(ctx, object, merge(`{"metadata":{"annotations":{"test.towpath.dev/touched":"1"}}}`))).To(Succeed())
		}
		// Each of the events causes a pass within milliseconds: what it wrote would show within two seconds.
		Consistently(ctx, quiet(start)).Should(BeEmpty())
	})

	DescribeTable("are refused where they cannot be kept",
		func(ctx context.Context, spec, text string) {
			p := newPlace(ctx)
			Expect(admin.Patch(ctx, p.class, merge(`{"spec":`+spec+`}`), client.DryRunAll)).To(MatchError(ContainSubstring(text)))
		},
		Entry("limits.cpu", `{"quota":{"limits.cpu":"1"}}`, "quota must not hold limits.cpu"),
		Entry("what nobody counts", `{"quota":{"apples":"1"}}`, "resources that Kubernetes counts"),
		Entry("a default that limits the processor", `{"containers":{"default":{"cpu":"1"}}}`, "would set limits.cpu on every container"),
		Entry("a maximum that limits the processor", `{"containers":{"max":{"cpu":"1"}}}`, "would set limits.cpu on every container"),
		Entry("a version that is none", `{"podSecurityVersion":"1.37"}`, "podSecurityVersion"),
		Entry("a label of Kubernetes", `{"namespaceLabels":{"pod-security.kubernetes.io/enforce":"privileged"}}`, "must not hold labels of Kubernetes or Towpath"),
		Entry("a label of Towpath", `{"namespaceLabels":{"platform.towpath.dev/team":"other"}}`, "must not hold labels of Kubernetes or Towpath"),
		Entry("an annotation of Kubernetes", `{"namespaceAnnotations":{"scheduler.alpha.kubernetes.io/node-selector":"a=b"}}`, "must not hold annotations of Kubernetes or Towpath"),
		Entry("an annotation of kubectl", `{"namespaceAnnotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"}}`, "must not hold annotations of Kubernetes or Towpath"),
		Entry("an annotation of Towpath", `{"namespaceAnnotations":{"platform.towpath.dev/home":"other/dev"}}`, "must not hold annotations of Kubernetes or Towpath"),
		Entry("an annotation that Kubernetes does not take", `{"namespaceAnnotations":{"a b":"c"}}`, "keys that Kubernetes takes"),
		Entry("an annotation that is too long", `{"namespaceAnnotations":{"a":"`+strings.Repeat("x", 1025)+`"}}`, "values of at most 1024"),
		Entry("a kind in lower case", `{"allowedKinds":[{"kind":"deployment"}]}`, "allowedKinds[0].kind"),
		Entry("a kind without a name", `{"allowedKinds":[{"group":"apps"}]}`, "allowedKinds[0].kind: Required"),
		Entry("a kind twice", `{"allowedKinds":[{"kind":"Service"},{"group":"","kind":"Service"}]}`, "allowedKinds[1]: Duplicate"),
		Entry("a version for a group", `{"allowedKinds":[{"group":"apps/v1","kind":"Deployment"}]}`, "allowedKinds[0].group"),
		Entry("no kind at all", `{"allowedKinds":[]}`, "allowedKinds"),
		Entry("an isolation that does not exist", `{"isolation":"Closed"}`, "isolation"),
	)
})

var _ = Describe("Deleting an EnvironmentClass", func() {
	It("is refused while Environments use it, with their names", func(ctx context.Context) {
		p := newPlace(ctx)
		environment := p.ready(ctx, "dev")
		Expect(admin.Delete(ctx, p.class)).To(MatchError(And(ContainSubstring(p.home+"/dev"), ContainSubstring("delete these Environments first"))))
		Expect(admin.Delete(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, environment)).Should(BeTrue())
		Eventually(ctx, func() error { return admin.Delete(ctx, p.class) }).Should(Succeed())
	})
})

var _ = Describe("An EnvironmentClass that is gone all the same", func() {
	It("leaves its Environments as they are, says so on each, and is taken up again when it comes back", func(ctx context.Context) {
		p := guarded(ctx)
		environment := p.ready(ctx, "dev")
		name := environment.Status.Namespace
		Expect(admin.Patch(ctx, p.class, merge(`{"metadata":{"labels":{"`+framework.LabelUnchecked+`":""}}}`))).To(Succeed())
		Expect(admin.Delete(ctx, p.class)).To(Succeed())
		Eventually(ctx, framework.Read(admin, environment)).Should(And(
			framework.HaveCondition("Ready", metav1.ConditionFalse, "ClassNotFound", p.class.Name), HaveField("Status.Namespace", name), HaveField("Status.Tier", platformv1alpha1.TierDevelopment)))
		Expect(read(ctx, networkOf(name))).To(closed())
		Expect(read(ctx, workload(name)).Annotations).To(HaveKeyWithValue("example.com/backup", "daily"))

		again := framework.Class(p.class.Name, platformv1alpha1.TierDevelopment)
		again.Spec.Guardrails = p.class.Spec.Guardrails
		Expect(admin.Create(ctx, again)).To(Succeed())
		awaitReady(ctx, environment)
	})
})

// restricted is a pod that restricted pod security lets in.
func restricted(namespace, name string) *corev1.Pod {
	yes, no := true, false
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{Name: "app", Image: "app:1", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			}}},
		},
	}
}
