// Package environment_test shows on a real cluster what an Environment makes, how it keeps that and how
// it takes it away.
package environment_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

var (
	cluster *framework.Cluster
	admin   client.Client

	// now is the manager's clock for what expires. It stands still until a spec sets it.
	now = testingclock.NewFakePassiveClock(time.Now())
)

func TestEnvironment(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Environment")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Log: GinkgoWriter, Clock: now})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	Expect(cluster.StartManager(ctx)).To(Succeed())
})

// place is what one spec works with: a team with its home and a class, all of its own.
type place struct {
	team, home string
	class      *platformv1alpha1.EnvironmentClass
}

// classChange makes a class another than framework.Class before it is made: the manager may not have seen yet what is
// changed afterwards when it looks at an Environment.
type classChange func(*platformv1alpha1.EnvironmentClassSpec)

// newPlace makes a team's home and a class.
func newPlace(ctx context.Context, changes ...classChange) *place {
	GinkgoHelper()
	p := &place{team: framework.Name("t")}
	home := framework.TeamNamespace(p.team)
	p.home = home.Name
	p.class = framework.Class(framework.Name("class-"), platformv1alpha1.TierDevelopment)
	for _, change := range changes {
		change(&p.class.Spec)
	}
	Expect(admin.Create(ctx, home)).To(Succeed())
	Expect(admin.Create(ctx, p.class)).To(Succeed())
	return p
}

// ready makes an Environment and waits until it is Ready.
func (p *place) ready(ctx context.Context, name string) *platformv1alpha1.Environment {
	GinkgoHelper()
	environment := framework.Environment(p.home, name, p.class.Name)
	Expect(admin.Create(ctx, environment)).To(Succeed())
	return awaitReady(ctx, environment)
}

// awaitReady waits until an Environment is Ready, and returns it as it is then.
func awaitReady(ctx context.Context, environment *platformv1alpha1.Environment) *platformv1alpha1.Environment {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
	return read(ctx, environment)
}

// read reads an object that must be there.
func read[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	live, err := framework.Read(admin, object)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

// The objects of an Environment, by its workload namespace.

func workload(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func applier(namespace string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.ApplierNamespace, Name: namespace}}
}

func binding(namespace, role string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role}}
}
