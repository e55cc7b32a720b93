package uninstall_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/uninstall"
	"github.com/towpath-dev/towpath/test/framework"
)

var _ = Describe("Where the workloads stay", Ordered, func() {
	var cluster *framework.Cluster
	var admin client.Client
	var before map[string]string
	release := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "web-dev-1"}}

	BeforeAll(func(ctx context.Context) {
		cluster = start(ctx)
		admin = cluster.Client
		makeShop(ctx, admin)
		makeClaim(ctx, cluster)
		before = workloads(ctx, admin)
		Expect(before).To(HaveKey("Deployment web"))
	})

	It("takes no finalizer off while a manager still runs outside of the cluster", func(ctx context.Context) {
		err := run(ctx, admin, uninstall.Keep, 5*time.Second)
		Expect(err).To(MatchError(ContainSubstring("a manager still runs, outside of the Deployment")))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(release), release)).To(Succeed())
		Expect(release.Finalizers).To(ContainElement(platformv1alpha1.Finalizer))
	})

	It("removes everything of Towpath but the kinds, and leaves every object of a workload as it was", func(ctx context.Context) {
		Expect(cluster.StopManager()).To(Succeed())
		// What was to be deleted, and could not be, goes without taking its objects with it.
		Expect(admin.Delete(ctx, framework.Component("team-shop", "web", "web", "dev"))).To(Succeed())
		Expect(admin.Delete(ctx, framework.Environment("team-shop", "dev", "development"))).To(Succeed())
		output.Reset()
		Expect(uninstall.Run(ctx, admin, uninstall.Options{Workloads: uninstall.Keep, Timeout: time.Minute, Progress: io.MultiWriter(&output, GinkgoWriter)})).To(Succeed())
		expectNoObjects(ctx, admin)
		expectGone(ctx, admin, "CustomResourceDefinition")
		Expect(workloads(ctx, admin)).To(Equal(before))
		Consistently(ctx, func(ctx context.Context) map[string]string { return workloads(ctx, admin) }).Should(Equal(before))
	})

	It("leaves nothing that says whose it is, so that it can be given to a later installation", func(ctx context.Context) {
		Expect(output.String()).To(ContainSubstring("3 objects and 2 namespaces bear no owner any more"))
		for _, object := range []client.Object{
			&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "web"}},
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "web-settings"}},
			&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "data-web-0"}},
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop-dev"}},
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-shop"}},
		} {
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
			for key, value := range object.GetLabels() {
				Expect(key).NotTo(HavePrefix(platformv1alpha1.LabelPrefix), object.GetName())
				Expect(value).NotTo(Equal(platformv1alpha1.ManagedBy), object.GetName())
			}
			Expect(object.GetAnnotations()).NotTo(HaveKey(platformv1alpha1.AnnotationHome))
			Expect(object.GetManagedFields()).NotTo(ContainElement(HaveField("Manager", "towpath-release")), object.GetName())
		}
	})

	It("lets people change what was Towpath's", func(ctx context.Context) {
		namespace := &corev1.Namespace{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: "shop-dev"}, namespace)).To(Succeed())
		namespace.Labels["pod-security.kubernetes.io/enforce"] = "privileged"
		Expect(admin.Update(ctx, namespace)).To(Succeed())
	})

	It("removes the kinds where it is asked to, and does nothing when there is nothing left", func(ctx context.Context) {
		Expect(run(ctx, admin, uninstall.Keep, time.Minute)).To(Succeed())
		expectGone(ctx, admin)
		Expect(run(ctx, admin, uninstall.Keep, time.Minute)).To(Succeed())
	})
})

var _ = Describe("Where the workloads go", Ordered, func() {
	var cluster *framework.Cluster
	var admin client.Client

	BeforeAll(func(ctx context.Context) {
		cluster = start(ctx)
		admin = cluster.Client
		makeShop(ctx, admin)
	})

	It("changes nothing where no manager runs, which alone could delete them", func(ctx context.Context) {
		Expect(cluster.StopManager()).To(Succeed())
		Expect(run(ctx, admin, uninstall.Delete, time.Minute)).To(MatchError(ContainSubstring("no manager runs")))
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: "team-shop", Name: "web"}, &platformv1alpha1.Component{})).To(Succeed())
		Expect(cluster.StartManager(ctx)).To(Succeed())
	})

	It("deletes them before the manager goes", func(ctx context.Context) {
		done := make(chan error, 1)
		go func() {
			defer GinkgoRecover()
			done <- run(ctx, admin, uninstall.Delete, time.Minute)
		}()
		Eventually(ctx, framework.Gone(admin, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop-dev"}})).Should(BeTrue())
		// In a pod it ends with its Deployment.
		Eventually(ctx, func(ctx context.Context) (int, error) {
			var left platformv1alpha1.TeamList
			err := admin.List(ctx, &left)
			return len(left.Items), err
		}).Should(BeZero())
		Expect(cluster.StopManager()).To(Succeed())
		Eventually(ctx, done).WithTimeout(time.Minute).Should(Receive(BeNil()))
		expectGone(ctx, admin)
		home := &corev1.Namespace{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: "team-shop"}, home)).To(Succeed(), "it holds what the team keeps there")
		Expect(home.Labels).NotTo(HaveKey(platformv1alpha1.LabelTeam))
	})
})

// output is what the last run said.
var output strings.Builder

// run removes the kinds too.
func run(ctx context.Context, c client.Client, what uninstall.Workloads, timeout time.Duration) error {
	output.Reset()
	return uninstall.Run(ctx, c, uninstall.Options{Workloads: what, Definitions: true, Timeout: timeout, Progress: io.MultiWriter(&output, GinkgoWriter)})
}

// makeClaim makes a claim of the Component as the controllers of Kubernetes do for a StatefulSet.
func makeClaim(ctx context.Context, cluster *framework.Cluster) {
	GinkgoHelper()
	controllers, err := cluster.UserClient("system:kube-controller-manager", "system:masters")
	Expect(err).NotTo(HaveOccurred())
	Expect(controllers.Create(ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: "data-web-0", Labels: map[string]string{
			platformv1alpha1.LabelComponent: "web", platformv1alpha1.LabelEnvironment: "dev", platformv1alpha1.LabelTeam: "shop",
		}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	})).To(Succeed())
}

// makeShop makes a team with an environment and a Component in it, and waits until that is Ready.
func makeShop(ctx context.Context, admin client.Client) {
	GinkgoHelper()
	template := framework.Template("web", framework.ConfigMap("settings"), framework.Deployment("deployment", 2))
	Expect(admin.Create(ctx, template)).To(Succeed())
	Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
	component := framework.Component("team-shop", "web", "web", "dev")
	team := framework.Team("shop", platformv1alpha1.TeamMember{Kind: platformv1alpha1.MemberUser, Name: "ada", Role: platformv1alpha1.TeamOwner})
	Expect(admin.Create(ctx, team)).To(Succeed())
	Eventually(ctx, framework.Read(admin, team)).Should(framework.BeReady())
	for _, object := range []client.Object{
		framework.Class("development", platformv1alpha1.TierDevelopment),
		framework.Environment("team-shop", "dev", "development"), component,
	} {
		Expect(admin.Create(ctx, object)).To(Succeed())
	}
	Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())
}

// workloads are the objects in the workload namespace, each with its UID, and its generation where a
// change of it would matter.
func workloads(ctx context.Context, admin client.Client) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	for _, kind := range []schema.GroupVersionKind{
		{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "apps", Version: "v1", Kind: "ReplicaSet"},
		{Version: "v1", Kind: "Pod"}, {Version: "v1", Kind: "ConfigMap"},
	} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		Expect(admin.List(ctx, list, client.InNamespace("shop-dev"))).To(Succeed())
		for _, item := range list.Items {
			found[kind.Kind+" "+item.Name] = fmt.Sprintf("%s, generation %d, deleted %v", item.UID, item.Generation, item.DeletionTimestamp)
		}
	}
	return found
}

// expectNoObjects makes sure that the kinds are there, and have no object.
func expectNoObjects(ctx context.Context, admin client.Client) {
	GinkgoHelper()
	kinds, err := uninstall.Kinds(ctx, admin)
	Expect(err).NotTo(HaveOccurred())
	Expect(kinds).NotTo(BeEmpty(), "they stay")
	for _, kind := range kinds {
		Expect(uninstall.Count(ctx, admin, kind)).To(BeZero(), kind.Kind)
	}
}

// expectGone makes sure that nothing of the installation is left, but for objects of some kinds.
func expectGone(ctx context.Context, admin client.Client, but ...string) {
	GinkgoHelper()
	for _, kind := range []schema.GroupVersionKind{
		{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicy"},
		{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicyBinding"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"},
		{Version: "v1", Kind: "Namespace"},
	} {
		if slices.Contains(but, kind.Kind) {
			continue
		}
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		Expect(admin.List(ctx, list)).To(Succeed())
		for _, item := range list.Items {
			Expect(item.Name).NotTo(ContainSubstring("towpath"), kind.Kind)
		}
	}
	var bindings rbacv1.RoleBindingList
	Expect(admin.List(ctx, &bindings)).To(Succeed())
	for _, binding := range bindings.Items {
		Expect(strings.HasPrefix(binding.Name, "towpath-")).To(BeFalse(), binding.Namespace+"/"+binding.Name)
	}
	if slices.Contains(but, "CustomResourceDefinition") {
		return
	}
	err := admin.List(ctx, &platformv1alpha1.ComponentList{})
	Expect(meta.IsNoMatchError(err) || apierrors.IsNotFound(err)).To(BeTrue(), "Components are still served: %v", err)
}
