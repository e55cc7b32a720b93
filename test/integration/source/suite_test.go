// Package source_test shows on a real cluster, with real Git servers, how what is pushed becomes Builds, and what hinders it.
package source_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	home     = "team-shop"
	password = "s3cr3t-t0ken"
)

var (
	cluster *framework.Cluster
	admin   client.Client
	server  *gittest.Server
	// hooks is where the manager takes webhooks.
	hooks string
)

func TestSource(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Source")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	server, err = gittest.Start(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Close)
	// An interval of 30 s, the shortest, is over in less than a second.
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter, PollSecond: 20 * time.Millisecond})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	var port int
	Expect(framework.FreePorts(&port)).To(Succeed())
	hooks = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	cluster.Configure = func(c *manager.Configuration) {
		c.Sources = manager.SourcesConfiguration{AllowedHosts: []string{"127.0.0.0/8"}, PlainHTTP: true, WebhookBindAddress: hooks}
		c.Pipeline.Actions = settings
	}
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(admin.Create(ctx, framework.TeamNamespace("shop"))).To(Succeed())
	Expect(admin.Create(ctx, framework.Template("web", framework.ConfigMap("config")))).To(Succeed())
	Expect(admin.Create(ctx, framework.Class("development", platformv1alpha1.TierDevelopment))).To(Succeed())
	environment := framework.Environment(home, "dev", "development")
	Expect(admin.Create(ctx, environment)).To(Succeed())
	Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
})

// repository makes one with a first commit.
func repository(ctx context.Context) (name string, made *gittest.Repository, sha string) {
	GinkgoHelper()
	name = framework.Name("r")
	made, err := gittest.New(ctx, server.Root, name)
	Expect(err).NotTo(HaveOccurred())
	return name, made, push(ctx, made, gittest.Change{Files: map[string]string{"README.md": "a"}, Message: "First"})
}

func push(ctx context.Context, r *gittest.Repository, c gittest.Change) string {
	GinkgoHelper()
	sha, err := r.Push(ctx, "main", c)
	Expect(err).NotTo(HaveOccurred())
	return sha
}

// component is one that is built from a repository.
func component(repository string, change func(*platformv1alpha1.Source)) *platformv1alpha1.Component {
	c := framework.Component(home, framework.Name("c"), "web", "dev")
	c.Spec.Source = &platformv1alpha1.Source{Repository: server.URL(repository), IntervalSeconds: 30, Image: "registry.example/shop/" + c.Name}
	if change != nil {
		change(c.Spec.Source)
	}
	return c
}

func create(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(admin.Create(ctx, o)).To(Succeed())
}

// builds are those of a Component, by their commits, in the order in which they were made.
func builds(c *platformv1alpha1.Component) func(context.Context) ([]platformv1alpha1.Build, error) {
	return func(ctx context.Context) ([]platformv1alpha1.Build, error) {
		var all platformv1alpha1.BuildList
		err := admin.List(ctx, &all, client.InNamespace(c.Namespace))
		var ours []platformv1alpha1.Build
		for i := range all.Items {
			if all.Items[i].Spec.Component == c.Name {
				ours = append(ours, all.Items[i])
			}
		}
		return ours, err
	}
}

// build waits for that of a commit.
func build(ctx context.Context, c *platformv1alpha1.Component, sha string) *platformv1alpha1.Build {
	GinkgoHelper()
	b := &platformv1alpha1.Build{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name + "-" + sha[:12]}}
	Eventually(ctx, framework.Read(admin, b)).ShouldNot(BeNil(), "the commit is polled within the interval")
	live, err := framework.Read(admin, b)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

// record says that a commit was built elsewhere, and has succeeded: Builds of this suite fail, since its golden path has no pipeline.
func record(ctx context.Context, c *platformv1alpha1.Component, sha string) {
	GinkgoHelper()
	b := &platformv1alpha1.Build{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name + "-recorded-" + sha[:12]},
		Spec: platformv1alpha1.BuildSpec{
			Component: c.Name, Branch: "main", Commit: platformv1alpha1.BuildCommit{SHA: sha},
			Result: platformv1alpha1.BuildSucceeded, Image: c.Spec.Source.Image + "@sha256:" + strings.Repeat("0a", 32),
		},
	}
	create(ctx, b)
	Eventually(ctx, framework.Read(admin, b)).Should(HaveField("Status.Result", platformv1alpha1.BuildSucceeded), "it is taken over")
}

// status is what a Component says of its source.
func status(c *platformv1alpha1.Component) func(context.Context) (platformv1alpha1.SourceStatus, error) {
	return func(ctx context.Context) (platformv1alpha1.SourceStatus, error) {
		live, err := framework.Read(admin, c)(ctx)
		if err != nil || live.Status.Source == nil {
			return platformv1alpha1.SourceStatus{}, err
		}
		return *live.Status.Source, nil
	}
}

// failing matches a status with a reason, and texts in its message.
func failing(reason string, texts ...string) OmegaMatcher {
	all := []OmegaMatcher{HaveField("Reason", reason)}
	for _, text := range texts {
		all = append(all, HaveField("Message", ContainSubstring(text)))
	}
	return SatisfyAll(all...)
}

// secret is one in the workload namespace of the Environment dev.
func secret(name string, data map[string]string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop-dev", Name: name}, StringData: data}
}

func merge(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }
