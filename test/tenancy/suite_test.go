// Package tenancy_test plays the hostile tenant against a real API server with Towpath and
// kube-controller-manager, without which the roles admin and edit would hold nothing of Towpath.
//
// Each attack stands in a table with the door that it takes, the wall that stops it, and a control: the same
// attack without that wall succeeds, so that the test would fail if the wall were not there.
//
//   - Where an admission policy is the wall, its binding is taken away (requests_test.go). The manager writes
//     nothing meanwhile, so that what goes through the manager is shown by the same request as the applier.
//   - Where RBAC is, the administrator does the same.
//   - Where the guard or the compiler is, the same object is applied directly as the applier, past both. This
//     applier was given every right in the cluster, so that nothing but the wall in question is left.
//   - Where a limit, a name or a form is, the same with less, with one that is free, or in that form passes.
//
// Controls that pass a wall by are dry runs: they leave nothing, and admission treats them as the real thing.
package tenancy_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// Of every spec: a class, and a golden path that is harmless.
const (
	class = "tenancy"
	plain = "tenancy-plain"

	// waits is how long another team may have to wait while somebody misbehaves.
	waits = 10 * time.Second
)

var (
	cluster *framework.Cluster
	logged  = &buffer{}

	admin client.Client
	// mallory has the role admin in the two namespaces of her team, as generous platforms give it.
	mallory client.Client
	// greta is a tenant who was given every right there is in these two namespaces: RBAC does not stop her, and
	// what does holds by itself.
	greta client.Client
	// applier is that of mallory's workload namespace. It was given every right in the cluster.
	applier client.Client
	// fooled has the identity of the manager, as if somebody had found an error in it.
	fooled client.Client

	// evil is mallory's team, victim another one. leaving is one whose Environment is being deleted, and waits for
	// its Release, which somebody holds; greta has all rights there too.
	evil, victim, leaving *team
)

// team is a team with one environment, and one Component orders that runs in it.
type team struct {
	name, home, work string
	environment      *platformv1alpha1.Environment
	component        *platformv1alpha1.Component
	release          *platformv1alpha1.Release
}

func TestTenancy(t *testing.T) {
	// This suite has every kind that the manager caches. Here the caches fill as with an API server that does not stream what
	// there is by a watch, and list first: all other suites have them fill the other way.
	t.Setenv("KUBE_FEATURE_WatchListClient", "false")
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Tenancy")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Metrics: true, Log: logged})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin, fooled = cluster.Client, cluster.ManagerClient
	Expect(cluster.StartManager(ctx)).To(Succeed())

	Expect(admin.Create(ctx, framework.Class(class, platformv1alpha1.TierDevelopment))).To(Succeed())
	publish(ctx, framework.Template(plain, framework.ConfigMap("config")))
	publish(ctx, laxTemplate())
	publish(ctx, costlyTemplate())
	evil, victim, leaving = newTeam(ctx), newTeam(ctx), newTeam(ctx)
	Expect(admin.Patch(ctx, leaving.release.DeepCopy(), merge(
		`{"metadata":{"finalizers":["`+platformv1alpha1.Finalizer+`","example.com/held"]}}`))).To(Succeed())
	Expect(admin.Delete(ctx, leaving.environment)).To(Succeed())

	Expect(admin.Create(ctx, framework.TeamNamespace("kube"))).To(Succeed())
	Expect(admin.Create(ctx, namespace("kept-apart"))).To(Succeed())
	mallory = userOf(ctx, "mallory", "admin", evil.home, evil.work, "team-kube")
	greta = userOf(ctx, "greta", "cluster-admin", evil.home, evil.work, leaving.home)
	overfeed(ctx)
	Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, podOf("lasting")) }).Should(Succeed(),
		"admission waits for the namespace's service account")
})

// newTeam makes a team, and waits until its Component runs.
func newTeam(ctx context.Context) *team {
	GinkgoHelper()
	t := &team{name: framework.Name("t")}
	home := framework.TeamNamespace(t.name)
	t.home, t.work = home.Name, t.name+"-dev"
	Expect(admin.Create(ctx, home)).To(Succeed())
	t.environment = framework.Environment(t.home, "dev", class)
	Expect(admin.Create(ctx, t.environment)).To(Succeed())
	Eventually(ctx, framework.Read(admin, t.environment)).Should(framework.BeReady())
	t.component = framework.Component(t.home, "orders", plain, "dev")
	Expect(admin.Create(ctx, t.component)).To(Succeed())
	t.release = &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: t.home, Name: "orders-dev-1"}}
	Eventually(ctx, framework.Read(admin, t.release)).Should(framework.BeReady())
	Expect(admin.Create(ctx, configMap(t.work, "foreign", nil))).To(Succeed())
	return t
}

// userOf returns a client of a user with a certificate, who has a role in namespaces.
func userOf(ctx context.Context, name, role string, namespaces ...string) client.Client {
	GinkgoHelper()
	for _, namespace := range namespaces {
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: name}},
		})).To(Succeed())
	}
	c := impersonating(name, "")
	for _, namespace := range namespaces {
		Eventually(ctx, func(ctx context.Context) error {
			return c.Create(ctx, configMap(namespace, "probe", nil), client.DryRunAll)
		}).Should(Succeed(), "the authorizer reads a binding a moment after it was written")
	}
	return c
}

// impersonating returns a client of a user with a certificate, who acts as somebody else unless that is empty.
func impersonating(name, as string, groups ...string) client.Client {
	GinkgoHelper()
	cfg, err := cluster.Plane.UserConfig(name, groups...)
	Expect(err).NotTo(HaveOccurred())
	cfg.Impersonate.UserName = as
	// Who may do nothing cannot discover either.
	c, err := client.New(cfg, client.Options{Scheme: admin.Scheme(), Mapper: admin.RESTMapper()})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// overfeed gives the applier of mallory's namespace every right.
func overfeed(ctx context.Context) {
	GinkgoHelper()
	var err error
	applier, err = cluster.ApplierClient(evil.work)
	Expect(err).NotTo(HaveOccurred())
	Expect(admin.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "overfed"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: platformv1alpha1.ApplierNamespace, Name: evil.work}},
	})).To(Succeed())
	Eventually(ctx, func(ctx context.Context) error {
		return applier.List(ctx, &corev1.SecretList{}, client.InNamespace("kube-system"))
	}).Should(Succeed(), "the authorizer reads a binding a moment after it was written")
}

// publish makes a template, and waits until it compiled.
func publish(ctx context.Context, template *platformv1alpha1.ServiceTemplate) {
	GinkgoHelper()
	Expect(admin.Create(ctx, template)).To(Succeed())
	Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
}

// bytesOf is an object as it is stored, empty where it is not there: two of them differ where anybody wrote
// anything.
func bytesOf(ctx context.Context, like client.Object) string {
	GinkgoHelper()
	gvk, err := admin.GroupVersionKindFor(like)
	Expect(err).NotTo(HaveOccurred())
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(gvk)
	err = admin.Get(ctx, client.ObjectKeyFromObject(like), u)
	if apierrors.IsNotFound(err) {
		return ""
	}
	Expect(err).NotTo(HaveOccurred())
	raw, err := u.MarshalJSON()
	Expect(err).NotTo(HaveOccurred())
	return string(raw)
}

func configMap(namespace, name string, labels map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// object is one written in YAML.
func object(text string) *unstructured.Unstructured {
	GinkgoHelper()
	u := &unstructured.Unstructured{}
	Expect(yaml.Unmarshal([]byte(text), &u.Object)).To(Succeed(), text)
	return u
}

// merge is a merge patch.
func merge(text string) client.Patch {
	return client.RawPatch("application/merge-patch+json", []byte(text))
}

// buffer keeps what the manager logs.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, _ = GinkgoWriter.Write(p)
	return b.data.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}
