package release_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// database is a StatefulSet with a claim for each of its pods; an image that ends in -more has it run three.
func database(storageClass string) platformv1alpha1.ResourceTemplate {
	return framework.Resource("db", `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "${component.name}-db"}
spec:
  replicas: "${release.image.endsWith('-more') ? 3 : 2}"
  serviceName: none
  podManagementPolicy: Parallel
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: "${release.image}"
        volumeMounts: [{name: data, mountPath: /data}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: `+storageClass+`, resources: {requests: {storage: 1Gi}}}
`)
}

// legacyDatabase is one that ran before Towpath came.
const legacyDatabase = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: legacy-db}
spec:
  replicas: 2
  serviceName: legacy
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: legacy-db}}
  template:
    metadata: {labels: {app: legacy-db}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: main
        image: registry.example/shop:1.0.0
        volumeMounts: [{name: data, mountPath: /data}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  volumeClaimTemplates:
  - metadata: {name: data, labels: {owner: dba}}
    spec: {accessModes: [ReadWriteOnce], storageClassName: CLASS, resources: {requests: {storage: 1Gi}}}
`

// provision makes volumes of a class of their own, and returns its name.
func provision(ctx context.Context, count int) string {
	GinkgoHelper()
	class := framework.Name("class-")
	for i := range count {
		Expect(admin.Create(ctx, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", class, i)},
			Spec: corev1.PersistentVolumeSpec{
				StorageClassName: class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
				PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/tmp"}},
			},
		})).To(Succeed())
	}
	return class
}

// volumeClaim is a claim of a place.
func (p *place) volumeClaim(name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name}}
}

// makeClaim makes a claim by hand. In a workload namespace it could not have these labels.
func makeClaim(ctx context.Context, namespace, name string, labels map[string]string) *corev1.PersistentVolumeClaim {
	GinkgoHelper()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	Expect(admin.Create(ctx, claim)).To(Succeed())
	return claim
}

// bearing matches an object with all that a claim of the place bears, with the common labels and the suite's alias.
func (p *place) bearing(costCenter string) gomegatypes.GomegaMatcher {
	return HaveField("Labels", And(p.bearingOwn(costCenter), HaveKeyWithValue("owner", p.team),
		HaveKeyWithValue("app.kubernetes.io/name", "shop"), HaveKeyWithValue("app.kubernetes.io/instance", "shop-dev"),
		HaveKeyWithValue("app.kubernetes.io/part-of", p.team), Not(HaveKey("app.kubernetes.io/version")), Not(HaveKey("app.kubernetes.io/managed-by"))))
}

// bearingOwn matches labels with Towpath's own.
func (p *place) bearingOwn(costCenter string) gomegatypes.GomegaMatcher {
	return And(HaveKeyWithValue(platformv1alpha1.LabelTeam, p.team), HaveKeyWithValue(platformv1alpha1.LabelComponent, "shop"),
		HaveKeyWithValue(platformv1alpha1.LabelEnvironment, "dev"), HaveKeyWithValue(platformv1alpha1.LabelTier, string(platformv1alpha1.TierDevelopment)),
		HaveKeyWithValue(platformv1alpha1.LabelCostCenter, costCenter), HaveKey(platformv1alpha1.LabelTemplate),
		Not(HaveKey(platformv1alpha1.LabelOwnerUID)), Not(HaveKey(platformv1alpha1.LabelAsFound)))
}

// costCenter is that of the team's namespace.
func (p *place) costCenter(ctx context.Context) string {
	GinkgoHelper()
	return read(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.home}}).Labels[platformv1alpha1.LabelCostCenter]
}

// roll runs an image, and waits until that is Ready as the Release of a number.
func (p *place) roll(ctx context.Context, component *platformv1alpha1.Component, image string, number int64) {
	GinkgoHelper()
	change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:" + image })
	p.ready(ctx, number)
}

// forbidLabels has a policy of somebody else refuse other labels on claims of a namespace, until the function that it
// returns is called.
func forbidLabels(ctx context.Context, namespace string) (end func()) {
	GinkgoHelper()
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: namespace + "-labels"},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Update},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"persistentvolumeclaims"}},
				}}},
			},
			Validations: []admissionregistrationv1.Validation{{
				Expression: "object.metadata.?labels.orValue({}) == oldObject.metadata.?labels.orValue({})", Message: "labels are closed",
			}},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
	Expect(admin.Create(ctx, policy)).To(Succeed())
	Expect(admin.Create(ctx, binding)).To(Succeed())
	probe := makeClaim(ctx, namespace, "probe", nil)
	label := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"probe":"yes"}}}`))
	try := func(ctx context.Context) error { return admin.Patch(ctx, probe.DeepCopy(), label, client.DryRunAll) }
	Eventually(ctx, try).ShouldNot(Succeed())
	return func() {
		GinkgoHelper()
		Expect(admin.Delete(ctx, binding)).To(Succeed())
		Expect(admin.Delete(ctx, policy)).To(Succeed())
		Eventually(ctx, try).Should(Succeed())
	}
}

// orphan deletes a Component so that what it runs stays.
func orphan(ctx context.Context, component *platformv1alpha1.Component) {
	GinkgoHelper()
	change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.DeletionPolicy = platformv1alpha1.DeletionOrphan })
	deleteComponent(ctx, component, nil)
}

var _ = Describe("The claims of a StatefulSet", func() {
	It("bear the labels of the Release that runs, though their template cannot", func(ctx context.Context) {
		p := newPlace(ctx)
		component, _ := p.settle(ctx, database(provision(ctx, 3)))
		before := p.costCenter(ctx)
		for _, name := range []string{"data-shop-db-0", "data-shop-db-1"} {
			Eventually(ctx, framework.Read(admin, p.volumeClaim(name))).Should(p.bearing(before), name)
		}

		By("once, and not again")
		written, err := p.writesOf("data-shop-db-0")
		Expect(err).NotTo(HaveOccurred())
		Expect(written).To(HaveLen(1), "one for each claim")
		p.quiet(ctx)
		Expect(p.writesOf("data-shop-db-0")).To(HaveLen(1))

		By("those of pods that come later")
		p.roll(ctx, component, "1-more", 2)
		Eventually(ctx, framework.Read(admin, p.volumeClaim("data-shop-db-2"))).Should(p.bearing(before))

		By("those of pods that are no more, with what a later Release says")
		change(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.home}}, func(n *corev1.Namespace) { n.Labels[platformv1alpha1.LabelCostCenter] = "cc-after" })
		Eventually(ctx, framework.Read(admin, framework.Environment(p.home, "dev", class))).Should(HaveField("Status.CostCenter", "cc-after"))
		p.roll(ctx, component, "2", 3)
		for _, name := range []string{"data-shop-db-0", "data-shop-db-1", "data-shop-db-2"} {
			Eventually(ctx, framework.Read(admin, p.volumeClaim(name))).Should(p.bearing("cc-after"), name)
		}
		Expect(p.quiet(ctx)).NotTo(BeEmpty())

		By("one that was made anew")
		uid := read(ctx, p.volumeClaim("data-shop-db-0")).UID
		Expect(admin.Delete(ctx, p.volumeClaim("data-shop-db-0"))).To(Succeed())
		Expect(admin.Delete(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "shop-db-0"}})).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.volumeClaim("data-shop-db-0"))).Should(And(HaveField("UID", Not(Equal(uid))), p.bearing("cc-after")))

		By("none of Towpath's after it was let go")
		orphan(ctx, component)
		for _, name := range []string{"data-shop-db-0", "data-shop-db-1", "data-shop-db-2"} {
			claim := read(ctx, p.volumeClaim(name))
			Expect(ours(claim)).To(BeEmpty(), name)
			Expect(claim.Labels).NotTo(HaveKey("owner"), name)
			Expect(claim.ManagedFields).NotTo(ContainElement(HaveField("Manager", "towpath-release")), name)
		}
	})

	It("that somebody keeps from being labelled keep nothing from running, and are told of", func(ctx context.Context) {
		p := newPlace(ctx)
		end := forbidLabels(ctx, p.namespace)
		component, _ := p.settle(ctx, database(provision(ctx, 3)))
		Eventually(ctx, func(ctx context.Context) ([]eventsv1.Event, error) {
			var list eventsv1.EventList
			err := admin.List(ctx, &list, client.InNamespace(p.home))
			return list.Items, err
		}).Should(ContainElement(And(HaveField("Type", corev1.EventTypeWarning), HaveField("Reason", platformv1alpha1.ReasonApplyFailed),
			HaveField("Note", And(ContainSubstring("labelling PersistentVolumeClaim "+p.namespace+"/data-shop-db-"), ContainSubstring("labels are closed"))))))
		Expect(read(ctx, p.release(1))).To(framework.BeReady())
		Expect(read(ctx, p.volumeClaim("data-shop-db-0")).Labels).NotTo(HaveKey(platformv1alpha1.LabelTeam))

		By("tried again when something changes")
		end()
		p.roll(ctx, component, "1-more", 2)
		for _, name := range []string{"data-shop-db-0", "data-shop-db-1", "data-shop-db-2"} {
			Eventually(ctx, framework.Read(admin, p.volumeClaim(name))).Should(p.bearing(p.costCenter(ctx)), name)
		}
	})

	It("that was found bear them too, and only those of it", func(ctx context.Context) {
		storage := provision(ctx, 3)
		var set appsv1.StatefulSet
		Expect(yaml.Unmarshal([]byte(legacyDatabase), &set)).To(Succeed())
		set.Spec.VolumeClaimTemplates[0].Spec.StorageClassName = &storage
		set.Namespace = framework.Name("legacy-")
		Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: set.Namespace}})).To(Succeed())
		Expect(admin.Create(ctx, &set, client.FieldOwner("kubectl-client-side-apply"))).To(Succeed())
		Eventually(ctx, framework.Read(admin, &set)).Should(HaveField("Status.AvailableReplicas", BeNumerically("==", 2)))
		running := pods(ctx, set.Namespace)
		foreign := []*corev1.PersistentVolumeClaim{
			makeClaim(ctx, set.Namespace, "data-legacy-db", nil),
			makeClaim(ctx, set.Namespace, "data-legacy-db-0-0", nil),
			makeClaim(ctx, set.Namespace, "more-legacy-db-0", nil),
			makeClaim(ctx, set.Namespace, "data-legacy-db-9", map[string]string{platformv1alpha1.LabelComponent: "other"}),
		}
		p, _ := adopting(ctx, set.Namespace)

		By("taking it over, with labels of Towpath's prefix alone")
		template := framework.Template(framework.Name("template-"), database(storage))
		Expect(admin.Create(ctx, template)).To(Succeed())
		Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
		allow(ctx, &set, "shop")
		component := framework.Component(p.home, "shop", template.Name, "dev")
		component.Spec.Environments[0].Adopt = &platformv1alpha1.Adoption{
			Objects: []platformv1alpha1.AdoptedObject{{Resource: "db", Name: "legacy-db"}}, PodSelector: map[string]string{"app": "legacy-db"},
		}
		Expect(admin.Create(ctx, component)).To(Succeed())
		p.ready(ctx, 1)
		costCenter := p.costCenter(ctx)
		for _, name := range []string{"data-legacy-db-0", "data-legacy-db-1"} {
			Eventually(ctx, framework.Read(admin, p.volumeClaim(name))).Should(HaveField("Labels", And(p.bearingOwn(costCenter),
				HaveKeyWithValue("app", "legacy-db"), HaveKeyWithValue("owner", "dba"), Not(HaveKey("app.kubernetes.io/name")))), name)
		}
		Expect(pods(ctx, p.namespace)).To(Equal(running))

		By("all of them with the golden path, also of a pod that comes with it")
		p.roll(ctx, component, "2-more", 2)
		for _, name := range []string{"data-legacy-db-0", "data-legacy-db-1", "data-legacy-db-2"} {
			Eventually(ctx, framework.Read(admin, p.volumeClaim(name))).Should(p.bearing(costCenter), name)
		}

		By("none after it was let go")
		orphan(ctx, component)
		for _, name := range []string{"data-legacy-db-0", "data-legacy-db-1", "data-legacy-db-2"} {
			Expect(ours(read(ctx, p.volumeClaim(name)))).To(BeEmpty(), name)
			Expect(read(ctx, p.volumeClaim(name)).Labels).To(HaveKeyWithValue("app", "legacy-db"), name)
		}
		Expect(admin.Delete(ctx, template)).To(Succeed())

		for _, claim := range foreign {
			Expect(read(ctx, p.volumeClaim(claim.Name)).Labels).To(Equal(claim.Labels), claim.Name)
		}
	})
})
