// Package gitdelivery is what the suites of delivery by Git share, whatever applies there: a cluster whose manager delivers to a Git
// server, and places to deliver.
package gitdelivery

import (
	"context"
	"slices"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/test/framework"
)

// CredentialsKey is the key of Towpath's own credentials of the server.
const CredentialsKey = "deploy"

// World is a cluster and a Git server beside it.
type World struct {
	Cluster *framework.Cluster
	Admin   client.Client
	Server  *gittest.Server
	// Password is the server's.
	Password string
}

// Start starts both, until the suite ends. The manager is configured, and does not run yet.
func Start(ctx context.Context, password string) *World {
	ginkgo.GinkgoHelper()
	server, err := gittest.Start(ginkgo.GinkgoT().TempDir())
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	ginkgo.DeferCleanup(server.Close)
	server.SetPassword(password)
	cluster, err := framework.Start(ctx, framework.Options{Nodes: 1, Log: ginkgo.GinkgoWriter})
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	ginkgo.DeferCleanup(func() { gomega.Expect(cluster.Stop()).To(gomega.Succeed()) })
	cluster.Configure = func(c *manager.Configuration) {
		c.Delivery = manager.DeliveryConfiguration{AllowedHosts: []string{"127.0.0.0/8"}, PlainHTTP: true}
	}
	return &World{Cluster: cluster, Admin: cluster.Client, Server: server, Password: password}
}

// Run starts the manager, and gives it its credentials: those below CredentialsKey, and others with passwords by their keys.
func (w *World) Run(ctx context.Context, others map[string]string) {
	ginkgo.GinkgoHelper()
	gomega.Expect(w.Cluster.StartManager(ctx)).To(gomega.Succeed())
	credentials := func(password string) string {
		return "repository: " + w.Server.Server.URL + "\nusername: " + gittest.Username + "\npassword: " + password
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: platformv1alpha1.SystemNamespace, Name: platformv1alpha1.DeliverySecret},
		StringData: map[string]string{CredentialsKey: credentials(w.Password)},
	}
	for key, password := range others {
		secret.StringData[key] = credentials(password)
	}
	gomega.Expect(w.Admin.Create(ctx, secret)).To(gomega.Succeed())
}

// Place is what one spec works with: a repository, a class that delivers to it, and a team with an environment, dev.
type Place struct {
	*World
	Repository *gittest.Repository
	// Name is the repository's.
	Name, Team, Home, Class string
	// Namespace is that of dev.
	Namespace string
	// Component and Template are what Deploy made.
	Component *platformv1alpha1.Component
	Template  *platformv1alpha1.ServiceTemplate
	// delivery is how its classes deliver.
	delivery platformv1alpha1.GitDelivery
}

// NewPlace makes one whose classes deliver as told; the address of its repository and the key of the credentials need not be.
func (w *World) NewPlace(ctx context.Context, delivery platformv1alpha1.GitDelivery) *Place {
	ginkgo.GinkgoHelper()
	p := &Place{World: w, Team: framework.Name("t"), Name: framework.Name("r"), Class: framework.Name("class-"), delivery: delivery}
	if p.delivery.URL == "" {
		p.delivery.URL = w.Server.URL(p.Name)
	}
	if p.delivery.CredentialsKey == "" {
		p.delivery.CredentialsKey = CredentialsKey
	}
	var err error
	p.Repository, err = gittest.New(ctx, w.Server.Root, p.Name)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	p.Git(ctx, "config", "http.receivepack", "true")
	_, err = p.Repository.Push(ctx, "main", gittest.Change{Files: map[string]string{"README.md": "Deliveries."}, Message: "First"})
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	gomega.Expect(w.Admin.Create(ctx, p.ByGit(p.Class, platformv1alpha1.TierDevelopment))).To(gomega.Succeed())
	home := framework.TeamNamespace(p.Team)
	p.Home, p.Namespace = home.Name, p.Team+"-dev"
	gomega.Expect(w.Admin.Create(ctx, home)).To(gomega.Succeed())
	p.Environment(ctx, "dev", p.Class)
	return p
}

// ByGit is a class that delivers to the repository.
func (p *Place) ByGit(name string, tier platformv1alpha1.Tier) *platformv1alpha1.EnvironmentClass {
	class := framework.Class(name, tier)
	class.Spec.Delivery = &platformv1alpha1.Delivery{Mode: platformv1alpha1.DeliveryGit, Git: p.delivery.DeepCopy()}
	return class
}

// Environment makes one of the team, and waits until it is Ready.
func (p *Place) Environment(ctx context.Context, name, class string) {
	ginkgo.GinkgoHelper()
	environment := framework.Environment(p.Home, name, class)
	gomega.Expect(p.Admin.Create(ctx, environment)).To(gomega.Succeed())
	gomega.Eventually(ctx, framework.Read(p.Admin, environment)).Should(framework.BeReady())
}

// Deploy makes a Component of a template of these resources, which has the parameter extra.
func (p *Place) Deploy(ctx context.Context, name string, resources ...platformv1alpha1.ResourceTemplate) {
	ginkgo.GinkgoHelper()
	p.Template = framework.Template(framework.Name("template-"), resources...)
	p.Template.Spec.Parameters = framework.JSON(`{type: object, properties: {extra: {type: boolean, default: true}}}`)
	gomega.Expect(p.Admin.Create(ctx, p.Template)).To(gomega.Succeed())
	gomega.Eventually(ctx, framework.Read(p.Admin, p.Template)).Should(framework.BeReady())
	p.Component = framework.Component(p.Home, name, p.Template.Name, "dev")
	gomega.Expect(p.Admin.Create(ctx, p.Component)).To(gomega.Succeed())
}

// Image gives the Component another one.
func (p *Place) Image(ctx context.Context, image string) {
	ginkgo.GinkgoHelper()
	Change(ctx, p.Admin, p.Component, func(c *platformv1alpha1.Component) { c.Spec.Image = image })
}

// Git runs git in the bare repository.
func (p *Place) Git(ctx context.Context, args ...string) string {
	ginkgo.GinkgoHelper()
	out, err := p.Repository.Git(ctx, append([]string{"-C", p.Repository.Bare()}, args...)...)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	return out
}

// Release is the Release of that number in dev.
func (p *Place) Release(number int64) *platformv1alpha1.Release { return p.ReleaseIn("dev", number) }

// ReleaseIn is the Release of that number in an environment.
func (p *Place) ReleaseIn(environment string, number int64) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: p.Home, Name: promotion.ReleaseName(p.Component.Name, environment, number)}}
}

// ConfigMap is the one of that name in dev.
func (p *Place) ConfigMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: name}}
}

// Writes are what was written to an object of that name in dev.
func (p *Place) Writes(name string) framework.Audit {
	ginkgo.GinkgoHelper()
	audit, err := p.Cluster.Audit()
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	return slices.DeleteFunc(audit.About(name).Succeeded(), func(r framework.Request) bool { return r.Namespace != p.Namespace || r.DryRun })
}

// Change reads an object anew and changes it; a conflict is tried again.
func Change[T client.Object](ctx context.Context, c client.Client, object T, how func(T)) {
	ginkgo.GinkgoHelper()
	gomega.Eventually(ctx, func(ctx context.Context) error {
		live, err := framework.Read(c, object)(ctx)
		if err != nil {
			return err
		}
		how(live)
		return c.Update(ctx, live)
	}).Should(gomega.Succeed())
}
