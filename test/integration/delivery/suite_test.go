// Package delivery_test shows on a real cluster, with real Git servers, how Releases are delivered by Git. The suite itself is the
// tool that follows the repository: it applies the files of the branch, as the account that the class names.
package delivery_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/test/framework"
)

const (
	password = "s3cr3t-t0ken"
	// mergeTimeout is for what Towpath looks at every half a minute.
	mergeTimeout = time.Minute
	no           = metav1.ConditionFalse
	yes          = metav1.ConditionTrue

	isReady     = platformv1alpha1.ConditionReady
	isDelivered = platformv1alpha1.ConditionDelivered
)

// argo is the account that the tool applies as.
var argo = platformv1alpha1.DeliveryAccount{Namespace: "argocd", Name: "argocd-application-controller"}

var (
	cluster *framework.Cluster
	admin   client.Client
	// tool writes as argo does.
	tool   client.Client
	server *gittest.Server
)

func TestDelivery(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Delivery")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	server, err = gittest.Start(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Close)
	server.SetPassword(password)
	cluster, err = framework.Start(ctx, framework.Options{Nodes: 1, Log: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	tool, err = cluster.UserClient(argo.User(), "system:masters")
	Expect(err).NotTo(HaveOccurred())
	cluster.Configure = func(c *manager.Configuration) {
		c.Delivery = manager.DeliveryConfiguration{AllowedHosts: []string{"127.0.0.0/8"}, PlainHTTP: true}
	}
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(admin.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: platformv1alpha1.DeliverySecret},
		StringData: map[string]string{
			"deploy": "repository: " + server.Server.URL + "\nusername: " + gittest.Username + "\npassword: " + password,
			"old":    "repository: " + server.Server.URL + "\nusername: " + gittest.Username + "\npassword: expired",
		},
	})).To(Succeed())
})

// place is what one spec works with: a repository, a class that delivers to it, and a team with an environment, dev.
type place struct {
	repository              *gittest.Repository
	name, team, home, class string
	namespace               string
	component               *platformv1alpha1.Component
	// applied are the objects that the tool has applied, by their files.
	applied map[string]*unstructured.Unstructured
}

func newPlace(ctx context.Context, change func(*platformv1alpha1.GitDelivery)) *place {
	GinkgoHelper()
	p := &place{team: framework.Name("t"), name: framework.Name("r"), class: framework.Name("class-"), applied: map[string]*unstructured.Unstructured{}}
	var err error
	p.repository, err = gittest.New(ctx, server.Root, p.name)
	Expect(err).NotTo(HaveOccurred())
	p.git(ctx, "config", "http.receivepack", "true")
	_, err = p.repository.Push(ctx, "main", gittest.Change{Files: map[string]string{"README.md": "Deliveries."}, Message: "First"})
	Expect(err).NotTo(HaveOccurred())
	class := framework.Class(p.class, platformv1alpha1.TierDevelopment)
	class.Spec.Delivery = &platformv1alpha1.Delivery{Mode: platformv1alpha1.DeliveryGit, Git: &platformv1alpha1.GitDelivery{
		URL: server.URL(p.name), CredentialsKey: "deploy", AppliedBy: argo,
	}}
	if change != nil {
		change(class.Spec.Delivery.Git)
	}
	Expect(admin.Create(ctx, class)).To(Succeed())
	home := framework.TeamNamespace(p.team)
	p.home, p.namespace = home.Name, p.team+"-dev"
	Expect(admin.Create(ctx, home)).To(Succeed())
	environment := framework.Environment(p.home, "dev", p.class)
	Expect(admin.Create(ctx, environment)).To(Succeed())
	Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
	return p
}

// deploy makes a Component shop of a template of these resources.
func (p *place) deploy(ctx context.Context, resources ...platformv1alpha1.ResourceTemplate) *platformv1alpha1.ServiceTemplate {
	GinkgoHelper()
	template := framework.Template(framework.Name("template-"), resources...)
	Expect(admin.Create(ctx, template)).To(Succeed())
	Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
	p.component = framework.Component(p.home, "shop", template.Name, "dev")
	p.component.Spec.Commit = &platformv1alpha1.Commit{SHA: strings.Repeat("3f", 20), Author: "ada@shop.example"}
	Expect(admin.Create(ctx, p.component)).To(Succeed())
	return template
}

// git runs git in the bare repository.
func (p *place) git(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := p.repository.Git(ctx, append([]string{"-C", p.repository.Bare()}, args...)...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// directory is where the files of shop in dev stand.
func (p *place) directory() string { return p.team + "/dev/shop" }

// files are those of the branch below that directory.
func (p *place) files(ctx context.Context) []string {
	GinkgoHelper()
	return strings.Fields(p.git(ctx, "ls-tree", "-r", "--name-only", "main", p.directory()))
}

// commits are how many the branch has.
func (p *place) commits(ctx context.Context) string {
	GinkgoHelper()
	return p.git(ctx, "rev-list", "--count", "main")
}

// sync does what Argo CD and Flux do: it applies the files of the branch, and prunes what it applied and is not there any more.
func (p *place) sync(ctx context.Context) {
	GinkgoHelper()
	found := map[string]*unstructured.Unstructured{}
	for _, file := range p.files(ctx) {
		if !strings.HasSuffix(file, ".yaml") {
			continue
		}
		object := &unstructured.Unstructured{}
		Expect(yaml.Unmarshal([]byte(p.git(ctx, "show", "main:"+file)), &object.Object)).To(Succeed())
		found[file] = object
		Expect(tool.Apply(ctx, client.ApplyConfigurationFromUnstructured(object.DeepCopy()), client.FieldOwner("argocd-controller"), client.ForceOwnership)).To(Succeed(), file)
	}
	for _, file := range slices.Sorted(maps.Keys(p.applied)) {
		if found[file] == nil {
			Expect(client.IgnoreNotFound(tool.Delete(ctx, p.applied[file]))).To(Succeed())
		}
	}
	p.applied = found
}

// release is the Release of that number.
func (p *place) release(number int64) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: p.home, Name: promotion.ReleaseName("shop", "dev", number)}}
}

// delivered waits until the branch holds the Release of that number.
func (p *place) delivered(ctx context.Context, number int64) *platformv1alpha1.Release {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, p.release(number))).Should(framework.HaveCondition(isDelivered, yes, platformv1alpha1.ReasonDelivered))
	live, err := framework.Read(admin, p.release(number))(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

// ready waits until the Release of that number is Ready.
func (p *place) ready(ctx context.Context, number int64) {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, p.release(number))).Should(framework.BeReady())
}

// image gives the Component another one.
func (p *place) image(ctx context.Context, image string) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		live, err := framework.Read(admin, p.component)(ctx)
		if err != nil {
			return err
		}
		live.Spec.Image = image
		return admin.Update(ctx, live)
	}).Should(Succeed())
}

func (p *place) configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name}}
}
