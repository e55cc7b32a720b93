package release_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/test/framework"
)

// ourOwner is whom Towpath applies as.
const ourOwner = "towpath-release"

// ourTime is when the API server says that Towpath applied an object last.
func ourTime(o client.Object) time.Time {
	GinkgoHelper()
	for _, entry := range o.GetManagedFields() {
		if entry.Manager == ourOwner && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Time != nil {
			return entry.Time.Time
		}
	}
	Fail("Towpath did not apply " + o.GetName())
	return time.Time{}
}

// changesSettings is a policy that changes a value of each ConfigMap of a namespace, whoever writes it.
func changesSettings(namespace string) (*admissionregistrationv1.MutatingAdmissionPolicy, *admissionregistrationv1.MutatingAdmissionPolicyBinding) {
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "changes-" + namespace}}
	policy.Spec = admissionregistrationv1.MutatingAdmissionPolicySpec{
		FailurePolicy: new(admissionregistrationv1.Fail), ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
		MatchConstraints: &admissionregistrationv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}}},
		},
		Mutations: []admissionregistrationv1.Mutation{{
			PatchType: admissionregistrationv1.PatchTypeJSONPatch,
			JSONPatch: &admissionregistrationv1.JSONPatch{Expression: `[JSONPatch{op: "add", path: "/data/a", value: "mutated"}]`},
		}},
	}
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: policy.Name}}
	binding.Spec.PolicyName = policy.Name
	return policy, binding
}

// The ways in which others may write an object of ours: whoever, by whatever verb.
var _ = Describe("Drift, way by way,", func() {
	settings := func(data string) platformv1alpha1.ResourceTemplate {
		return framework.Resource("settings", `{apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.name}-settings"}, data: {`+data+`}}`)
	}
	service := framework.Resource("service", `
apiVersion: v1
kind: Service
metadata: {name: "${component.name}"}
spec:
  selector: {app.kubernetes.io/name: "${component.name}"}
  ports: [{name: http, port: 80, targetPort: http}, {name: metrics, port: 9090, targetPort: metrics}]
`)
	serviceOf := func(p *place) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "shop"}}
	}
	patch := func(ctx context.Context, object client.Object, kind types.PatchType, body string, options ...client.PatchOption) {
		GinkgoHelper()
		Expect(admin.Patch(ctx, object, client.RawPatch(kind, []byte(body)), options...)).To(Succeed())
	}
	mended := func(ctx context.Context, p *place) {
		GinkgoHelper()
		Eventually(ctx, framework.Read(admin, p.configMap("shop-settings"))).Should(HaveField("Data", And(
			HaveKeyWithValue("a", "one"), HaveKeyWithValue("b", "two"))))
	}

	It("is mended where a field of ours is concerned", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, webOf(1), settings("a: one, b: two"), service)
		config := p.configMap("shop-settings")
		for how, do := range map[string]func(){
			"an apply by force": func() {
				theirs := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}}
				theirs.Namespace, theirs.Name, theirs.Data = p.namespace, config.Name, map[string]string{"a": "x"}
				Expect(applyAs(ctx, theirs, "somebody")).To(Succeed())
			},
			"an update":     func() { change(ctx, config, func(c *corev1.ConfigMap) { c.Data["a"] = "x" }) },
			"a merge patch": func() { patch(ctx, config, types.MergePatchType, `{"data": {"a": "x"}}`) },
			"a JSON patch": func() {
				patch(ctx, config, types.JSONPatchType, `[{"op": "replace", "path": "/data/a", "value": "x"}]`)
			},
			"an update under our own name": func() {
				patch(ctx, config, types.MergePatchType, `{"data": {"a": "x"}}`, client.FieldOwner(ourOwner))
			},
			"a key taken away": func() { patch(ctx, config, types.MergePatchType, `{"data": {"b": null}}`) },
			"no record of who wrote what": func() {
				patch(ctx, config, types.MergePatchType, `{"metadata": {"managedFields": []}, "data": {"a": "x"}}`)
			},
			"an update that says nothing of who wrote what": func() {
				change(ctx, config, func(c *corev1.ConfigMap) { c.ManagedFields, c.Data["a"] = nil, "x" })
			},
			"an apply as ours is, of the same fields, in another second": func() {
				live := read(ctx, config)
				Eventually(ctx, time.Now).Should(BeTemporally(">", ourTime(live).Add(time.Second)), "the API server keeps seconds")
				theirs := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}}
				theirs.Namespace, theirs.Name, theirs.Labels = live.Namespace, live.Name, live.Labels
				theirs.Data = map[string]string{"a": "x", "b": "two"}
				Expect(applyAs(ctx, theirs, ourOwner)).To(Succeed())
				Expect(theirs.Data).To(HaveKeyWithValue("a", "x"))
			},
			"an empty record of that": func() { patch(ctx, config, types.MergePatchType, `{"metadata": {"managedFields": [{}]}}`) },
			"a change, and the change back": func() {
				patch(ctx, config, types.MergePatchType, `{"data": {"a": "x"}}`)
				patch(ctx, config, types.MergePatchType, `{"data": {"a": "one"}}`)
			},
			"an object that is made anew": func() {
				live := read(ctx, config)
				Expect(admin.Delete(ctx, live)).To(Succeed())
				Eventually(ctx, framework.Read(admin, config)).Should(HaveField("UID", Not(Equal(live.UID))))
			},
			"labels in place of ours": func() {
				change(ctx, config, func(c *corev1.ConfigMap) {
					for key := range c.Labels {
						if !strings.HasPrefix(key, "platform.towpath.dev/") {
							delete(c.Labels, key)
						}
					}
				})
				Eventually(ctx, framework.Read(admin, config)).Should(HaveField("Labels", HaveKey("app.kubernetes.io/name")))
			},
		} {
			By(how)
			do()
			mended(ctx, p)
		}

		By("a key in a map that counts as one value")
		patch(ctx, serviceOf(p), types.MergePatchType, `{"spec": {"selector": {"theirs": "too"}}}`)
		Eventually(ctx, framework.Read(admin, serviceOf(p))).Should(HaveField("Spec.Selector", Not(HaveKey("theirs"))))
		By("an item of a list")
		patch(ctx, p.deployment(), types.StrategicMergePatchType, `{"spec": {"template": {"spec": {"containers": [{"name": "app", "ports": [{"containerPort": 9090, "name": "other"}]}]}}}}`)
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Spec.Template.Spec.Containers", ConsistOf(
			HaveField("Ports", ContainElement(HaveField("Name", "metrics"))))))
		By("the key of an item of ours, so that it is another item")
		patch(ctx, serviceOf(p), types.JSONPatchType, `[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]`)
		Eventually(ctx, framework.Read(admin, serviceOf(p))).Should(HaveField("Spec.Ports", HaveExactElements(
			HaveField("Port", BeEquivalentTo(80)), HaveField("Port", BeEquivalentTo(9090)))))
		By("an item of a list that is gone")
		patch(ctx, p.deployment(), types.StrategicMergePatchType, `{"spec": {"template": {"spec": {"containers": [{"name": "app", "ports": [{"containerPort": 80, "$patch": "delete"}]}]}}}}`)
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Spec.Template.Spec.Containers", ConsistOf(
			HaveField("Ports", ContainElement(HaveField("ContainerPort", BeEquivalentTo(80)))))))
		By("replicas that the template sets")
		Expect(admin.SubResource("scale").Update(ctx, p.deployment(), client.WithSubResourceBody(&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 2}}))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Spec.Replicas", HaveValue(BeEquivalentTo(1))))

		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.BeReady())
		p.quiet(ctx)
	})

	It("is none where fields of others are concerned, and costs nothing", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, webOf(0), settings("a: one, b: two"), service)
		before := len(p.quiet(ctx).By(p.applier()))
		config := p.configMap("shop-settings")
		patch(ctx, config, types.MergePatchType, `{"data": {"theirs": "kept"}, "metadata": {"annotations": {"example.com/note": "kept"}}}`)
		for _, data := range []map[string]string{{"a": "one"}, nil} { // the same value, and given up again
			same := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}}
			same.Namespace, same.Name, same.Data = p.namespace, config.Name, data
			Expect(applyAs(ctx, same, "somebody")).To(Succeed())
		}
		Expect(admin.SubResource("scale").Update(ctx, p.deployment(), client.WithSubResourceBody(&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 2}}))).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.deployment())).Should(HaveField("Status.AvailableReplicas", BeEquivalentTo(2)), "its status changes too")
		Expect(p.quiet(ctx).By(p.applier())).To(HaveLen(before))
		Expect(read(ctx, config).Data).To(And(HaveKeyWithValue("theirs", "kept"), HaveKeyWithValue("a", "one")))
	})

	It("is none where we own an empty map, into which somebody else writes", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, settings(""))
		config := p.configMap("shop-settings")
		patch(ctx, config, types.MergePatchType, `{"data": {"theirs": "kept"}}`)
		p.quiet(ctx)
		Expect(read(ctx, config).Data).To(Equal(map[string]string{"theirs": "kept"}))
		Expect(read(ctx, p.release(1))).To(framework.BeReady())
	})

	It("is not fought over with what changes an object at its admission", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, settings("a: one, b: two"))
		config := p.configMap("shop-settings")
		policy, binding := changesSettings(p.namespace)
		for _, object := range []client.Object{binding, policy} {
			Expect(admin.Create(ctx, object)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed()) })
		}
		Eventually(ctx, func(ctx context.Context) (map[string]string, error) { // it takes a moment until a policy is heeded
			patch(ctx, config, types.MergePatchType, `{"data": {"theirs": "`+fmt.Sprint(time.Now().UnixNano())+`"}}`)
			live, err := framework.Read(admin, config)(ctx)
			return live.Data, err
		}).Should(HaveKeyWithValue("a", "mutated"))
		patch(ctx, config, types.MergePatchType, `{"data": {"b": "x"}}`)
		Eventually(ctx, framework.Read(admin, config)).Should(HaveField("Data", HaveKeyWithValue("b", "two")), "ours is mended")
		p.quiet(ctx)
		Expect(read(ctx, config).Data).To(HaveKeyWithValue("a", "mutated"), "what admission says stands")
		Expect(read(ctx, p.release(1))).To(framework.BeReady())
	})

	It("is none where somebody else made the object anew: it is theirs, and told", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, settings("a: one, b: two"))
		config := p.configMap("shop-settings")
		Expect(cluster.StopManager()).To(Succeed())
		Expect(admin.Delete(ctx, read(ctx, config))).To(Succeed())
		theirs := p.configMap(config.Name)
		theirs.Data = map[string]string{"a": "theirs"}
		Expect(admin.Create(ctx, theirs)).To(Succeed())
		before := bytesOf(ctx, theirs)
		Expect(cluster.StartManager(ctx)).To(Succeed())
		Eventually(ctx, framework.Read(admin, p.release(1))).Should(framework.HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionFalse, platformv1alpha1.ReasonObjectTaken))
		p.quiet(ctx)
		Expect(bytesOf(ctx, theirs)).To(Equal(before))
	})

	It("that no record shows is mended by and by", func(ctx context.Context) {
		p := newPlace(ctx)
		p.settle(ctx, webOf(0), settings("a: one, b: two"))
		config := p.configMap("shop-settings")
		Expect(cluster.StopManager()).To(Succeed())
		record := read(ctx, config).ManagedFields
		patch(ctx, config, types.MergePatchType, `{"data": {"a": "x"}}`, client.FieldOwner("somebody"))
		change(ctx, config, func(c *corev1.ConfigMap) { c.ManagedFields = record })
		Expect(read(ctx, config)).To(And(HaveField("Data", HaveKeyWithValue("a", "x")), HaveField("ManagedFields", Equal(record))), "it looks as we left it")

		Expect(cluster.StartManager(ctx)).To(Succeed())
		p.quiet(ctx)
		Expect(read(ctx, config).Data).To(HaveKeyWithValue("a", "x"), "nothing shows it")

		restart := func(ctx context.Context, seconds int) {
			GinkgoHelper()
			Expect(cluster.StopManager()).To(Succeed())
			cluster.Configure = func(c *manager.Configuration) { c.ReapplySeconds = seconds }
			Expect(cluster.StartManager(ctx)).To(Succeed())
		}
		DeferCleanup(func(ctx context.Context) { restart(ctx, manager.DefaultConfiguration().ReapplySeconds) })
		restart(ctx, 1)
		mended(ctx, p)
		version := read(ctx, config).ResourceVersion
		again := func() (int, error) {
			writes, err := p.writes()
			return len(writes.By(p.applier())), err
		}
		seen, err := again()
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, again).Should(BeNumerically(">=", seen+6), "it goes on")
		Expect(read(ctx, config).ResourceVersion).To(Equal(version), "and the API server writes nothing where nothing was changed")
		Expect(read(ctx, p.release(1))).To(framework.BeReady())
	})

	It("leaves no second owner behind, who would keep what the template drops", func(ctx context.Context) {
		p := newPlace(ctx)
		_, template := p.settle(ctx, settings("a: one, b: two"), service)
		config := p.configMap("shop-settings")
		patch(ctx, config, types.MergePatchType, `{"data": {"theirs": "kept"}}`)
		patch(ctx, config, types.MergePatchType, `{"metadata": {"managedFields": [{}]}, "data": {"a": "x"}}`)
		mended(ctx, p)
		patch(ctx, serviceOf(p), types.JSONPatchType, `[{"op": "replace", "path": "/spec/ports/1/port", "value": 9091}]`)
		Eventually(ctx, framework.Read(admin, serviceOf(p))).Should(HaveField("Spec.Ports", HaveLen(2)))
		Eventually(ctx, framework.Read(admin, serviceOf(p))).Should(HaveField("Spec.Ports", ContainElement(HaveField("Port", BeEquivalentTo(9090)))))

		By("the next revision, without some of it")
		lean := framework.Resource("service", `
apiVersion: v1
kind: Service
metadata: {name: "${component.name}"}
spec: {selector: {app.kubernetes.io/name: "${component.name}"}, ports: [{name: http, port: 80, targetPort: http}]}
`)
		reviseTo(ctx, template, settings("a: one"), lean)
		p.ready(ctx, 2)
		Expect(read(ctx, config).Data).To(Equal(map[string]string{"a": "one", "theirs": "kept"}), fmt.Sprint(read(ctx, config).ManagedFields))
		Expect(read(ctx, serviceOf(p)).Spec.Ports).To(HaveLen(1), fmt.Sprint(read(ctx, serviceOf(p)).ManagedFields))
		p.quiet(ctx)
	})
})
