package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("Adopting and leaving", Ordered, func() {
	labels := map[string]string{"app": "checkout"}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "legacy", Name: "checkout"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "web", Image: "registry.example/shop/checkout:1.4.2", Ports: []corev1.ContainerPort{{ContainerPort: 3000}},
					ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(3000)}}},
				}}},
			},
		},
	}

	BeforeAll(func(ctx context.Context) {
		for _, object := range []client.Object{
			framework.TeamNamespace("shop"), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "legacy"}}, deployment,
			&corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: "legacy", Name: "checkout"},
				Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(3000)}}},
			},
			framework.Environment("team-shop", "dev", "development"), framework.Component("team-shop", "hello", "web-service", "dev"),
		} {
			Expect(cluster.Client.Create(ctx, object)).To(Succeed())
		}
	})

	It("proves that taking over restarts nothing, and leaves no trace of having asked", func(ctx context.Context) {
		Eventually(ctx, framework.Read(cluster.Client, deployment)).Should(HaveField("Status.UpdatedReplicas", BeEquivalentTo(1)))
		before := deployment.DeepCopy()
		code, out, stderr := towpath(ctx, "adopt", "deployment/checkout", "-n", "legacy", "--template", "web-service",
			"--home", "team-shop", "-e", "prod", "--class", "production")
		GinkgoWriter.Println(out)
		Expect(stderr).To(BeEmpty())
		Expect(code).To(BeZero(), out)
		Expect(out).To(ContainSubstring("Deployment/checkout  generation 1 before, 1 after, spec the same: nothing restarts"))
		Expect(out).To(ContainSubstring("Service/checkout  generation"))
		Expect(out).NotTo(ContainSubstring("NOT PROVEN"))
		Expect(out).To(ContainSubstring("nothing else in it changes\n  WARNING: the API server says: existing pods in namespace \"legacy\" violate"))
		Expect(cluster.Client.Get(ctx, client.ObjectKeyFromObject(deployment), deployment)).To(Succeed())
		Expect(deployment.Labels).To(Equal(before.Labels))
		Expect(deployment.Labels).NotTo(HaveKey(platformv1alpha1.LabelAsFound))
		Expect(deployment.Generation).To(Equal(before.Generation))
	})

	It("says beforehand what becomes of the namespace", func(ctx context.Context) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "old", Annotations: map[string]string{platformv1alpha1.AnnotationAdoptBy: "team-shop/test"}}}
		Expect(cluster.Client.Create(ctx, namespace)).To(Succeed())
		other := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "old", Name: "checkout"}, Spec: *deployment.Spec.DeepCopy()}
		Expect(cluster.Client.Create(ctx, other)).To(Succeed())
		adopt := []string{"adopt", "deployment/checkout", "-n", "old", "--template", "web-service", "--home", "team-shop", "-e", "test", "--class", "development"}
		// That holds what the manager is configured with, and runs in no Deployment here.
		hello := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "hello-dev-1"}}
		Eventually(ctx, framework.Read(cluster.Client, hello)).Should(HaveField("Spec.LabelAliases", HaveKey("owner")))
		_, out, _ := towpath(ctx, adopt...)
		GinkgoWriter.Println(out)
		environment := framework.Environment("team-shop", "test", "development")
		environment.Spec.AdoptNamespace = "old"
		Expect(cluster.Client.Create(ctx, environment)).To(Succeed())
		Eventually(ctx, framework.Read(cluster.Client, environment)).Should(framework.BeReady())
		Expect(cluster.Client.Get(ctx, client.ObjectKeyFromObject(namespace), namespace)).To(Succeed())
		for key, value := range namespace.Labels {
			if key != corev1.LabelMetadataName && key != platformv1alpha1.LabelOwnerUID {
				Expect(out).To(ContainSubstring("metadata.labels[" + key + "]: added \"" + value + "\""))
			}
		}
		Expect(out).To(ContainSubstring("metadata.labels[" + platformv1alpha1.LabelOwnerUID + "]: added"))
		Expect(out).To(ContainSubstring("metadata.annotations[" + platformv1alpha1.AnnotationHome + "]: added \"" + namespace.Annotations[platformv1alpha1.AnnotationHome] + "\""))
		_, out, _ = towpath(ctx, adopt...)
		Expect(out).NotTo(ContainSubstring("labels namespace old"))
	})

	// What the API server fills in nobody asked for, whether a tool that updates owns it, or nobody does.
	It("finds all of ordinary workloads", func(ctx context.Context) {
		for namespace, options := range map[string]client.ApplyOptions{"created": {}, "applied": {FieldManager: "ci"}} {
			Expect(cluster.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
			text, err := os.ReadFile("testdata/ordinary.yaml")
			Expect(err).NotTo(HaveOccurred())
			for document := range strings.SplitSeq(string(text), "---\n") {
				object := &unstructured.Unstructured{}
				Expect(yaml.Unmarshal([]byte(document), object)).To(Succeed())
				object.SetNamespace(namespace)
				if options.FieldManager == "" {
					Expect(cluster.Client.Create(ctx, object)).To(Succeed())
				} else {
					Expect(cluster.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), &options)).To(Succeed())
				}
			}
			for workload, path := range map[string]string{"deployment/web": "web-service", "statefulset/queue": "stateful-service", "cronjob/report": "scheduled-job"} {
				By(namespace + " " + workload)
				code, out, stderr := towpath(ctx, "adopt", workload, "-n", namespace, "--template", path, "--home", "team-shop", "-e", namespace, "--class", "production")
				GinkgoWriter.Println(out)
				Expect(out).NotTo(ContainSubstring("not mapped"))
				Expect(code).To(BeZero(), stderr)
			}
		}
	})

	It("proposes manifests that the API server takes", func(ctx context.Context) {
		_, out, _ := towpath(ctx, "adopt", "deployment/checkout", "-n", "legacy", "--template", "web-service",
			"--home", "team-shop", "-e", "prod", "--class", "production", "-o", "json")
		var list struct {
			Items []platformv1alpha1.Component `json:"items"`
		}
		Expect(yaml.Unmarshal([]byte(out), &list)).To(Succeed())
		Expect(list.Items).To(HaveLen(2))
		component := &list.Items[1]
		Expect(string(component.Spec.Parameters.Raw)).To(MatchJSON(`{"port": 3000, "probes": {"livePath": "/healthz", "readyPath": "/healthz"}, "replicas": {"min": 1, "max": 1}}`))
		Expect(cluster.Client.Create(ctx, component, client.DryRunAll)).To(Succeed())

		By("proposing the same once the owner has consented, as the guide has it")
		consented := deployment.DeepCopy()
		consented.Annotations = map[string]string{platformv1alpha1.AnnotationAdoptBy: "checkout"}
		Expect(cluster.Client.Patch(ctx, consented, client.MergeFrom(deployment), client.FieldOwner("kubectl-annotate"))).To(Succeed())
		_, after, _ := towpath(ctx, "adopt", "deployment/checkout", "-n", "legacy", "--template", "web-service",
			"--home", "team-shop", "-e", "prod", "--class", "production", "-o", "json")
		Expect(after).To(Equal(out))
	})

	It("keeps by overrides what the golden path opens, and restarts nothing until the first new version", func(ctx context.Context) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "exceptional"}}
		Expect(cluster.Client.Create(ctx, namespace)).To(Succeed())
		web := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "exceptional", Name: "exceptional"}, Spec: *deployment.Spec.DeepCopy()}
		found := corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse("250m"), "memory": resource.MustParse("512Mi"), "ephemeral-storage": resource.MustParse("1Gi")},
			Limits:   corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("1Gi")},
		}
		web.Spec.Template.Spec.Containers[0].Resources = found
		Expect(cluster.Client.Create(ctx, web)).To(Succeed())
		Eventually(ctx, framework.Read(cluster.Client, web)).Should(HaveField("Status.AvailableReplicas", BeEquivalentTo(1)))

		code, out, stderr := towpath(ctx, "adopt", "deployment/exceptional", "-n", "exceptional", "--template", "web-service",
			"--home", "team-shop", "-e", "special", "--class", "development", "-o", "yaml")
		GinkgoWriter.Println(out, stderr)
		Expect(code).To(BeZero(), "nothing is lost")
		Expect(stderr).To(ContainSubstring("spec the same: nothing restarts"))
		var environment platformv1alpha1.Environment
		var component platformv1alpha1.Component
		documents := strings.Split(out, "---\n")
		Expect(documents).To(HaveLen(2))
		Expect(yaml.Unmarshal([]byte(documents[0]), &environment)).To(Succeed())
		Expect(yaml.Unmarshal([]byte(documents[1]), &component)).To(Succeed())
		Expect(component.Spec.Overrides).To(ConsistOf(And(HaveField("Resource", "deployment"), HaveField("Expires", Not(BeEmpty())), HaveField("Reason", ContainSubstring("Found on adoption")))))

		By("taking over as it is proposed")
		consent := func(object client.Object, by string) {
			GinkgoHelper()
			patch := `{"metadata":{"annotations":{"` + platformv1alpha1.AnnotationAdoptBy + `":"` + by + `"}}}`
			Expect(cluster.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed())
		}
		consent(namespace, "team-shop/special")
		consent(web, "exceptional")
		before, running := web.DeepCopy(), podsOf(ctx, "exceptional")
		Expect(running).To(HaveLen(1))
		Expect(cluster.Client.Create(ctx, &environment)).To(Succeed())
		Expect(cluster.Client.Create(ctx, &component)).To(Succeed())
		Eventually(ctx, framework.Read(cluster.Client, &component)).Should(framework.BeReady())
		Expect(cluster.Client.Get(ctx, client.ObjectKeyFromObject(web), web)).To(Succeed())
		Expect(web.Labels).To(HaveKeyWithValue(platformv1alpha1.LabelAsFound, "true"))
		Expect(web.Generation).To(Equal(before.Generation))
		Expect(web.Spec).To(Equal(before.Spec))
		Expect(podsOf(ctx, "exceptional")).To(Equal(running))

		By("the first new version, which keeps what was found")
		patch := client.MergeFrom(component.DeepCopy())
		component.Spec.Image = "registry.example/shop/checkout:1.4.3"
		Expect(cluster.Client.Patch(ctx, &component, patch)).To(Succeed())
		Eventually(ctx, framework.Read(cluster.Client, web)).Should(HaveField("Spec.Template.Spec.Containers", ConsistOf(And(
			HaveField("Name", "app"), HaveField("Image", component.Spec.Image)))))
		Expect(cluster.Client.Get(ctx, client.ObjectKeyFromObject(web), web)).To(Succeed())
		Expect(equality.Semantic.DeepEqual(web.Spec.Template.Spec.Containers[0].Resources, found)).To(BeTrue(), "%v", web.Spec.Template.Spec.Containers[0].Resources)
		Eventually(ctx, framework.Read(cluster.Client, &component)).Should(framework.BeReady())
	})

	It("writes manifests that change no pod", func(ctx context.Context) {
		hello := &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "hello"}}
		Eventually(ctx, framework.Read(cluster.Client, hello)).Should(framework.BeReady())
		dir := filepath.Join(GinkgoT().TempDir(), "out")
		code, out, stderr := towpath(ctx, "eject", "hello", "-n", "team-shop", "-o", dir)
		GinkgoWriter.Println(out)
		Expect(code).To(BeZero(), stderr)
		text, err := os.ReadFile(filepath.Join(dir, "dev", "deployment-hello.yaml"))
		Expect(err).NotTo(HaveOccurred())
		written, live := &appsv1.Deployment{}, &appsv1.Deployment{}
		Expect(yaml.UnmarshalStrict(text, written)).To(Succeed())
		Expect(cluster.Client.Get(ctx, client.ObjectKeyFromObject(written), live)).To(Succeed())
		Expect(written.Labels).NotTo(HaveKey(platformv1alpha1.LabelOwnerUID))
		Expect(written.Spec.Template.Labels).To(Equal(live.Spec.Template.Labels))
		Expect(written.Spec.Selector).To(Equal(live.Spec.Selector))
	})
})

// podsOf are the UIDs of the pods of a namespace.
func podsOf(ctx context.Context, namespace string) []types.UID {
	GinkgoHelper()
	var list corev1.PodList
	Expect(cluster.Client.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
	var uids []types.UID
	for i := range list.Items {
		uids = append(uids, list.Items[i].UID)
	}
	return uids
}
