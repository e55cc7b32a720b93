package build_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline/jobs"
	"github.com/towpath-dev/towpath/test/framework"
)

// place puts the pod of a stage on a node, as the scheduler would: Kubernetes keeps claims for pods that are on one.
func (t *team) place(ctx context.Context, b *platformv1alpha1.Build, stage, node string) *corev1.Pod {
	GinkgoHelper()
	job := t.job(ctx, b, stage)
	var pod *corev1.Pod
	Eventually(ctx, func(ctx context.Context) error {
		var pods corev1.PodList
		if err := admin.List(ctx, &pods, client.InNamespace(t.workload), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
			return err
		}
		if len(pods.Items) == 0 {
			return fmt.Errorf("Job %s has no pod yet", job.Name)
		}
		pod = &pods.Items[0]
		return admin.SubResource("binding").Create(ctx, pod, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}})
	}).Should(Succeed())
	return pod
}

// volumes are the claims of the environment, those on their way out too.
func (t *team) volumes(ctx context.Context) ([]corev1.PersistentVolumeClaim, error) {
	var claims corev1.PersistentVolumeClaimList
	err := admin.List(ctx, &claims, client.InNamespace(t.workload))
	return claims.Items, err
}

// keepFinalizers has nobody but Kubernetes take the finalizer off claims of a namespace, as a policy of the platform may.
func keepFinalizers(ctx context.Context, namespace string) {
	GinkgoHelper()
	name := framework.Name("keep-")
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
			RuleWithOperations: admissionregistrationv1.RuleWithOperations{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"persistentvolumeclaims"}},
			},
		}}},
		MatchConditions: []admissionregistrationv1.MatchCondition{
			{Name: "here", Expression: "request.namespace == '" + namespace + "' && !request.userInfo.username.startsWith('system:kube-')"},
		},
		Validations: []admissionregistrationv1.Validation{{
			Expression: "oldObject.metadata.?finalizers.orValue([]).all(f, f in object.metadata.?finalizers.orValue([]))", Message: "finalizers stay",
			Reason: ptr.To(metav1.StatusReasonForbidden),
		}},
	}}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
	}}
	for _, o := range []client.Object{policy, binding} {
		Expect(admin.Create(ctx, o)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, o)).To(Succeed()) })
	}
	probe := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "probe", Finalizers: []string{"example.com/probe"}}}
	probe.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	probe.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	Expect(admin.Create(ctx, probe)).To(Succeed())
	Eventually(ctx, func(ctx context.Context) error {
		return admin.Patch(ctx, probe.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)), client.DryRunAll)
	}).Should(MatchError(ContainSubstring("finalizers stay")), "policies take a moment")
}

var _ = Describe("The volume of a Build whose pods were placed on a node", func() {
	var node *corev1.Node
	BeforeEach(func(ctx context.Context) {
		node = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: framework.Name("node-")}}
		Expect(admin.Create(ctx, node)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, node)).To(Succeed()) })
	})

	It("goes with its end, and leaves the pods for their logs", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		for _, name := range []string{"clone", "test"} {
			t.place(ctx, b, name, node.Name)
			t.succeeds(ctx, b, name)
		}
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		Eventually(ctx, t.volumes).Should(BeEmpty())
		var pods corev1.PodList
		Expect(admin.List(ctx, &pods, client.InNamespace(t.workload), client.MatchingLabels{platformv1alpha1.LabelBuild: b.Name})).To(Succeed())
		Expect(pods.Items).To(HaveLen(2))
	})

	It("is left to Kubernetes where somebody keeps its finalizer from being taken off, and keeps no Build from its end", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		keepFinalizers(ctx, t.workload)
		b := t.create(ctx)
		for _, name := range []string{"clone", "test"} {
			t.place(ctx, b, name, node.Name)
			t.succeeds(ctx, b, name)
		}
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
		Expect(t.volumes(ctx)).To(ContainElement(And(HaveField("Name", jobs.ClaimName("checkout", b.UID)), HaveField("DeletionTimestamp", Not(BeNil())))))
	})

	It("is not taken from a pod that has not ended yet", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{TimeoutSeconds: 60, Stages: []platformv1alpha1.Stage{stage("test")}})
		b := t.create(ctx)
		t.place(ctx, b, "clone", node.Name)
		t.succeeds(ctx, b, "clone")
		pod := t.place(ctx, b, "test", node.Name)
		later(ctx, b, 61*time.Second)
		Eventually(ctx, t.volumes).Should(ConsistOf(HaveField("DeletionTimestamp", Not(BeNil()))))
		Eventually(ctx, framework.Read(admin, pod)).Should(HaveField("DeletionTimestamp", Not(BeNil())))
		Consistently(ctx, t.volumes).WithTimeout(3*time.Second).Should(HaveLen(1), "its kubelet has not ended it")
		Expect(read(ctx, b).Status.Result).To(BeEmpty())

		By("the kubelet ends it")
		Expect(admin.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed, "did not end within 1m0s"))
		Eventually(ctx, t.volumes).Should(BeEmpty())
	})
})
