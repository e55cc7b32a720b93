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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/test/framework"
	"github.com/towpath-dev/towpath/test/framework/gitdelivery"
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
	world   *gitdelivery.World
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
	world = gitdelivery.Start(ctx, password)
	cluster, admin, server = world.Cluster, world.Admin, world.Server
	var err error
	tool, err = cluster.UserClient(argo.User(), "system:masters")
	Expect(err).NotTo(HaveOccurred())
	world.Run(ctx, map[string]string{"old": "expired"})
})

// place is one whose class delivers, with what the suite applies in the tool's stead.
type place struct {
	*gitdelivery.Place
	// applied are the objects that the tool has applied, by their files.
	applied map[string]*unstructured.Unstructured
}

func newPlace(ctx context.Context, change func(*platformv1alpha1.GitDelivery)) *place {
	GinkgoHelper()
	delivery := platformv1alpha1.GitDelivery{AppliedBy: argo}
	if change != nil {
		change(&delivery)
	}
	return &place{Place: world.NewPlace(ctx, delivery), applied: map[string]*unstructured.Unstructured{}}
}

// deploy makes a Component shop of a template of these resources.
func (p *place) deploy(ctx context.Context, resources ...platformv1alpha1.ResourceTemplate) *platformv1alpha1.ServiceTemplate {
	GinkgoHelper()
	template := framework.Template(framework.Name("template-"), resources...)
	Expect(admin.Create(ctx, template)).To(Succeed())
	Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
	p.Component = framework.Component(p.Home, "shop", template.Name, "dev")
	p.Component.Spec.Commit = &platformv1alpha1.Commit{SHA: strings.Repeat("3f", 20), Author: "ada@shop.example"}
	Expect(admin.Create(ctx, p.Component)).To(Succeed())
	return template
}

// directory is where the files of shop in dev stand.
func (p *place) directory() string { return p.Team + "/dev/shop" }

// files are those of the branch below that directory.
func (p *place) files(ctx context.Context) []string {
	GinkgoHelper()
	return strings.Fields(p.Git(ctx, "ls-tree", "-r", "--name-only", "main", p.directory()))
}

// commits are how many the branch has.
func (p *place) commits(ctx context.Context) string {
	GinkgoHelper()
	return p.Git(ctx, "rev-list", "--count", "main")
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
		Expect(yaml.Unmarshal([]byte(p.Git(ctx, "show", "main:"+file)), &object.Object)).To(Succeed())
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

// delivered waits until the branch holds the Release of that number.
func (p *place) delivered(ctx context.Context, number int64) *platformv1alpha1.Release {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, p.Release(number))).Should(framework.HaveCondition(isDelivered, yes, platformv1alpha1.ReasonDelivered))
	live, err := framework.Read(admin, p.Release(number))(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

// ready waits until the Release of that number is Ready.
func (p *place) ready(ctx context.Context, number int64) {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, p.Release(number))).Should(framework.BeReady())
}
