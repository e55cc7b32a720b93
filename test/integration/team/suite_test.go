// Package team_test shows on a real cluster what a Team makes, how it keeps that, what its members may do, and what
// becomes of it all when the Team goes.
package team_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var (
	cluster *framework.Cluster
	admin   client.Client
)

func TestTeam(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Team")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	Expect(cluster.StartManager(ctx)).To(Succeed())
})

// The roles that members are bound to.
var roles = []string{"towpath-owner", "towpath-developer", "towpath-viewer"}

// newTeam is a Team of a name of its own, with a member in each role.
func newTeam() *platformv1alpha1.Team {
	name := framework.Name("t")
	return framework.Team(name,
		member("User", "olga-"+name, platformv1alpha1.TeamOwner),
		member("User", "dora-"+name, platformv1alpha1.TeamDeveloper),
		member("Group", "devs-"+name, platformv1alpha1.TeamDeveloper),
		member("User", "vera-"+name, platformv1alpha1.TeamViewer))
}

func member(kind platformv1alpha1.MemberKind, name string, role platformv1alpha1.TeamRole) platformv1alpha1.TeamMember {
	return platformv1alpha1.TeamMember{Kind: kind, Name: name, Role: role}
}

// made creates a Team and waits until it is Ready.
func made(ctx context.Context, team *platformv1alpha1.Team) *platformv1alpha1.Team {
	GinkgoHelper()
	Expect(admin.Create(ctx, team)).To(Succeed())
	return awaitReady(ctx, team)
}

func awaitReady[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, object)).Should(framework.BeReady())
	return read(ctx, object)
}

// withEnvironment makes an Environment of a Team, and waits until it is Ready.
func withEnvironment(ctx context.Context, team *platformv1alpha1.Team, name string) *platformv1alpha1.Environment {
	GinkgoHelper()
	class := framework.Class(framework.Name("class-"), platformv1alpha1.TierDevelopment)
	Expect(admin.Create(ctx, class)).To(Succeed())
	environment := framework.Environment(team.Status.Namespace, name, class.Name)
	Expect(admin.Create(ctx, environment)).To(Succeed())
	return awaitReady(ctx, environment)
}

// read reads an object that must be there.
func read[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	live, err := framework.Read(admin, object)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func binding(namespace, role string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role}}
}

func person(kind, name string) rbacv1.Subject {
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
}

// merge is a patch of literals.
func merge(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }
