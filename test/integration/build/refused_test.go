package build_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// refuses waits until the API server refuses Jobs in a namespace: what has just been set up does not hold at once.
func refuses(ctx context.Context, namespace string) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		return admin.Create(ctx, &batchv1.Job{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "trial-"},
			Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "a", Image: "a"}},
			}}},
		}, client.DryRunAll)
	}, "30s").ShouldNot(Succeed(), "what refuses Jobs must be in force")
}

// rules are about Jobs that are made.
func rules() []admissionregistrationv1.RuleWithOperations {
	return []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{"batch"}, APIVersions: []string{"v1"}, Resources: []string{"jobs"}},
	}}
}

var _ = Describe("A stage whose Job the API server refuses", func() {
	in := func(namespace string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
	}

	It("fails where a policy of the platform says no, with what that says and what to do", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: framework.Name("no-jobs-")},
			Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
				MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: rules()[0]}}},
				Validations: []admissionregistrationv1.Validation{{
					Expression: "false", Message: "Jobs are for the night", Reason: ptr.To(metav1.StatusReasonForbidden),
				}},
			},
		}
		binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
			Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: policy.Name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
				MatchResources: &admissionregistrationv1.MatchResources{NamespaceSelector: in(t.workload)},
			},
		}
		for _, object := range []client.Object{policy, binding} {
			Expect(admin.Create(ctx, object)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, object)).To(Succeed()) })
		}
		refuses(ctx, t.workload)
		b := t.create(ctx)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed,
			"Stage clone failed: Admission policy "+policy.Name+" refuses Job checkout-clone-", "Jobs are for the night. Do what it asks for"))
	})

	It("waits where a webhook of others does not answer, and goes on once that is gone", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		hook := &admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: framework.Name("down-")},
			Webhooks: []admissionregistrationv1.ValidatingWebhook{{
				Name: "down.platform.example", Rules: rules(), NamespaceSelector: in(t.workload), TimeoutSeconds: ptr.To(int32(1)),
				ClientConfig:  admissionregistrationv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:1/")},
				FailurePolicy: ptr.To(admissionregistrationv1.Fail), SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone),
				AdmissionReviewVersions: []string{"v1"},
			}},
		}
		Expect(admin.Create(ctx, hook)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, hook))).To(Succeed()) })
		refuses(ctx, t.workload)
		b := t.create(ctx)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, "False", platformv1alpha1.ReasonApplyFailed,
			"Stage clone waits: Webhook down.platform.example, which is not Towpath's, must be asked about Job checkout-clone-", "This is for the platform team"))
		Expect(framework.States(admin, b)(ctx)).To(Equal("clone=Waiting test=Waiting"))
		Expect(admin.Delete(ctx, hook)).To(Succeed())
		t.succeeds(ctx, b, "clone", "test")
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
	})

	It("fails where its volume is outside of the bounds of the namespace", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{Stages: []platformv1alpha1.Stage{stage("test")}})
		Expect(admin.Create(ctx, &corev1.LimitRange{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: "small-volumes"},
			Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
				Type: corev1.LimitTypePersistentVolumeClaim, Max: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			}}},
		})).To(Succeed())
		Eventually(ctx, func(ctx context.Context) error {
			return admin.Create(ctx, &corev1.PersistentVolumeClaim{
				ObjectMeta: metav1.ObjectMeta{Namespace: t.workload, Name: "trial"},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("2Gi")}},
				},
			}, client.DryRunAll)
		}).ShouldNot(Succeed(), "the LimitRange must be in force")
		b := t.create(ctx)
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeStalled(platformv1alpha1.ReasonBuildFailed,
			"A LimitRange of namespace "+t.workload+" refuses PersistentVolumeClaim checkout-sources-", "maximum storage usage per PersistentVolumeClaim is 1Gi"))
	})
})
