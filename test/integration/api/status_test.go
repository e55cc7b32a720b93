package api_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/statuswrite"
)

// A status is written alone: these show that the API server takes nothing else from such a write.
var _ = Describe("a status that is written alone", func() {
	var typed client.Client
	var writer *statuswrite.Writer
	var component *platformv1alpha1.Component
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Ready", Message: "It is.", LastTransitionTime: metav1.Now().Rfc3339Copy()}
	// write writes the status of what somebody read, as the manager does.
	write := func(ctx context.Context, read *platformv1alpha1.Component, patch string) error {
		alone := &platformv1alpha1.Component{Status: read.Status}
		return writer.Write(ctx, read, alone, func() (client.Patch, error) {
			return client.RawPatch(types.MergePatchType, []byte(patch)), nil
		})
	}

	BeforeEach(func(ctx context.Context) {
		Expect(platformv1alpha1.AddToScheme(scheme.Scheme)).To(Succeed())
		typed = api
		httpClient, err := rest.HTTPClientFor(cfg)
		Expect(err).NotTo(HaveOccurred())
		writer, err = statuswrite.New(cfg, httpClient, typed.Status(), "Component", "components")
		Expect(err).NotTo(HaveOccurred())
		u := object("Component", "alone", `{templateRef: {name: web}, image: "registry.example/shop:1.0.0", environments: [{name: dev}]}`)
		u.SetLabels(map[string]string{"of": "others"})
		u.SetAnnotations(map[string]string{"also": "of others"})
		u.SetFinalizers([]string{"example.org/kept"})
		made(ctx, u)
		component = &platformv1alpha1.Component{}
		Expect(typed.Get(ctx, client.ObjectKeyFromObject(u), component)).To(Succeed())
		DeferCleanup(func(ctx context.Context) error {
			return api.Patch(ctx, u.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
		})
	})

	It("leaves all else as it is", func(ctx context.Context) {
		before := component.DeepCopy()
		component.Status.Conditions = []metav1.Condition{ready}
		Expect(write(ctx, component, `{}`)).To(Succeed())
		Expect(component.ResourceVersion).NotTo(Equal(before.ResourceVersion), "the version that was written is not known")

		after := &platformv1alpha1.Component{}
		Expect(typed.Get(ctx, client.ObjectKeyFromObject(component), after)).To(Succeed())
		Expect(after.ResourceVersion).To(Equal(component.ResourceVersion))
		Expect(after.Spec).To(Equal(before.Spec))
		Expect(after.Labels).To(Equal(before.Labels))
		Expect(after.Annotations).To(Equal(before.Annotations))
		Expect(after.Finalizers).To(Equal(before.Finalizers))
		Expect(after.Generation).To(Equal(before.Generation))
		Expect(meta.IsStatusConditionTrue(after.Status.Conditions, "Ready")).To(BeTrue())
		Expect(after.ManagedFields).To(HaveLen(len(before.ManagedFields)+1), "whoever applies a Component must go on owning its fields")
		for _, entry := range before.ManagedFields {
			Expect(after.ManagedFields).To(ContainElement(Satisfy(func(e metav1.ManagedFieldsEntry) bool {
				return equality.Semantic.DeepEqual(e.FieldsV1, entry.FieldsV1)
			})))
		}
	})

	It("keeps what others wrote meanwhile", func(ctx context.Context) {
		other := client.RawPatch(types.MergePatchType, []byte(`{"status":{"observedGeneration":7}}`))
		Expect(typed.Status().Patch(ctx, component.DeepCopy(), other)).To(Succeed())
		component.Status.Conditions = []metav1.Condition{ready}
		Expect(write(ctx, component, `{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Ready","message":"It is.","lastTransitionTime":"2026-11-30T00:00:00Z"}]}}`)).To(Succeed())

		after := &platformv1alpha1.Component{}
		Expect(typed.Get(ctx, client.ObjectKeyFromObject(component), after)).To(Succeed())
		Expect(after.Status.ObservedGeneration).To(BeEquivalentTo(7))
		Expect(meta.IsStatusConditionTrue(after.Status.Conditions, "Ready")).To(BeTrue())
	})

	It("says nothing of another object of the name", func(ctx context.Context) {
		other := component.DeepCopy()
		other.UID = "6f1c0b1e-0000-4000-8000-000000000000"
		other.Status.ObservedGeneration = 1
		Expect(apierrors.IsNotFound(write(ctx, other, `{"status":{"observedGeneration":1}}`))).To(BeTrue())

		after := &platformv1alpha1.Component{}
		Expect(typed.Get(ctx, client.ObjectKeyFromObject(component), after)).To(Succeed())
		Expect(after.ResourceVersion).To(Equal(component.ResourceVersion))
	})

	It("goes by a patch where a policy of others must see all of the object", func(ctx context.Context) {
		policy := &admissionregistrationv1.MutatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "of-others"},
			Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
				MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
					RuleWithOperations: admissionregistrationv1.RuleWithOperations{
						Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
						Rule:       admissionregistrationv1.Rule{APIGroups: []string{"platform.towpath.dev"}, APIVersions: []string{"*"}, Resources: []string{"components/status"}},
					},
				}}},
				ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
				Mutations: []admissionregistrationv1.Mutation{{
					PatchType: admissionregistrationv1.PatchTypeJSONPatch,
					JSONPatch: &admissionregistrationv1.JSONPatch{Expression: `[JSONPatch{op: "test", path: "/metadata/name", value: object.spec.templateRef.name == "web" ? object.metadata.name : ""}]`},
				}},
			},
		}
		Expect(api.Create(ctx, policy)).To(Succeed())
		binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "of-others"}, Spec: admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: "of-others"},
		}
		Expect(api.Create(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx context.Context) error { return errors.Join(api.Delete(ctx, binding), api.Delete(ctx, policy)) })
		alone := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: component.Namespace, Name: component.Name, ResourceVersion: component.ResourceVersion}}
		Eventually(func(ctx context.Context) error {
			return typed.Status().Update(ctx, alone.DeepCopy(), client.DryRunAll)
		}).WithContext(ctx).WithTimeout(30*time.Second).Should(Satisfy(func(err error) bool {
			return err != nil && !apierrors.IsServiceUnavailable(err)
		}), "the policy must be at work")

		component.Status.Conditions = []metav1.Condition{ready}
		Expect(write(ctx, component, `{"status":{"observedGeneration":3}}`)).To(Succeed())
		after := &platformv1alpha1.Component{}
		Expect(typed.Get(ctx, client.ObjectKeyFromObject(component), after)).To(Succeed())
		Expect(after.Status.ObservedGeneration).To(BeEquivalentTo(3))
	})

	It("says that the object is gone", func(ctx context.Context) {
		gone := component.DeepCopy()
		gone.Name = "gone"
		gone.Status.ObservedGeneration = 1
		Expect(client.IgnoreNotFound(write(ctx, gone, `{}`))).To(Succeed())
		Expect(write(ctx, gone, `{}`)).NotTo(Succeed())
	})
})
