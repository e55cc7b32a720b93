package component_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// database is a golden path that gives outputs. Its host names the parameter, so that it can change.
func database(name string) *platformv1alpha1.ServiceTemplate {
	template := framework.Template(name, framework.ConfigMap("config"))
	template.Spec.Parameters = framework.JSON(`{type: object, properties: {host: {type: string, default: first}}}`)
	template.Spec.Outputs = []platformv1alpha1.TemplateOutput{
		{Name: "host", Value: "${params.host}.${environment.namespace}"},
		{Name: "password", SecretKeyRef: &platformv1alpha1.TemplateSecretKey{Name: "${component.name}-app", Key: "password"}},
	}
	template.Spec.Endpoint = &platformv1alpha1.TemplateEndpoint{Ports: []intstr.IntOrString{intstr.FromInt32(5432)}}
	return template
}

// consumer is a golden path that writes down what its Component uses.
func consumer(name string) *platformv1alpha1.ServiceTemplate {
	return framework.Template(name, framework.Resource("config", `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${component.name}"}
data:
  host: "${uses.?db.?host.orValue('none')}"
  env: "${component.env.map(e, e.name).join(',')}"
  connections: "${component.connections.map(c, c.component + ':' + c.ports.map(p, string(p)).join('+') + ':' + c.podLabels['platform.towpath.dev/component']).join(',')}"
`))
}

func using(component *platformv1alpha1.Component, names ...string) *platformv1alpha1.Component {
	component.Spec.Uses = nil
	for _, name := range names {
		component.Spec.Uses = append(component.Spec.Uses, platformv1alpha1.Use{Component: name, As: "db"})
	}
	return component
}

var _ = Describe("A Component that uses another one", func() {
	It("waits for it in each environment, gets its outputs, and follows them", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		db, app := publish(ctx, database(framework.Name("db-"))), publish(ctx, consumer(framework.Name("app-")))
		shop := deploy(ctx, using(framework.Component(t.home, "shop", app.Name, "dev", "prod"), "orders-db"))
		Expect(warned.all()).To(ContainElement(ContainSubstring("spec.uses[orders-db]: Component orders-db does not exist (yet)")))
		Eventually(ctx, framework.Read(admin, shop)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonWaitingForProvider,
			"dev waits for Component orders-db, which does not exist in namespace "+t.home))

		By("a provider that runs in one environment alone")
		orders := deploy(ctx, framework.Component(t.home, "orders-db", db.Name, "dev"))
		config := t.configMap("dev", "shop")
		Eventually(ctx, framework.Read(admin, config)).Should(HaveField("Data", Equal(map[string]string{
			"host": "first." + t.workload("dev"), "env": "DB_HOST,DB_PASSWORD", "connections": "orders-db:5432:orders-db",
		})))
		release := read(ctx, t.release("shop", "dev", 1))
		Expect(release.Spec.Uses).To(Equal([]platformv1alpha1.ReleaseUse{{
			Component: "orders-db", As: "db",
			Outputs: []platformv1alpha1.ReleaseOutput{
				{Name: "host", Value: ptr.To("first." + t.workload("dev"))},
				{Name: "password", SecretKeyRef: &platformv1alpha1.SecretKeyReference{Name: "orders-db-app", Key: "password"}},
			},
			Endpoint: &platformv1alpha1.ReleaseEndpoint{Ports: []int32{5432}, PodLabels: map[string]string{
				platformv1alpha1.LabelComponent: "orders-db", platformv1alpha1.LabelEnvironment: "dev",
			}},
		}}))
		Eventually(ctx, framework.Read(admin, shop)).Should(framework.HaveCondition(isPromoted, no, platformv1alpha1.ReasonWaitingForProvider,
			"prod waits for Component orders-db, which does not run there"))
		change(ctx, orders, func(c *platformv1alpha1.Component) {
			c.Spec.Environments = append(c.Spec.Environments, platformv1alpha1.PathEnvironment{Name: "prod"})
		})
		settled(ctx, shop)
		Expect(read(ctx, t.configMap("prod", "shop")).Data["host"]).To(Equal("first." + t.workload("prod")))

		By("outputs that change")
		change(ctx, orders, func(c *platformv1alpha1.Component) { c.Spec.Parameters = framework.JSON(`{host: second}`) })
		Eventually(ctx, framework.Read(admin, t.configMap("prod", "shop"))).Should(HaveField("Data", HaveKeyWithValue("host", "second."+t.workload("prod"))))
		Expect(read(ctx, t.release("shop", "prod", 2)).Spec.Cause).To(Equal(platformv1alpha1.CauseProviderChange))
		Expect(read(ctx, t.release("shop", "prod", 2)).Spec.Version).To(Equal(read(ctx, t.release("shop", "prod", 1)).Spec.Version))
		settled(ctx, shop)

		By("another provider")
		deploy(ctx, framework.Component(t.home, "archive", db.Name, "dev", "prod"))
		change(ctx, shop, func(c *platformv1alpha1.Component) { using(c, "archive") })
		Eventually(ctx, framework.Read(admin, t.configMap("prod", "shop"))).Should(HaveField("Data", HaveKeyWithValue("connections", "archive:5432:archive")))
		Expect(read(ctx, t.release("shop", "dev", 3)).Spec.Cause).To(Equal(platformv1alpha1.CauseParameterChange))
		settled(ctx, shop)
		change(ctx, shop, func(c *platformv1alpha1.Component) { using(c) })
		Eventually(ctx, framework.Read(admin, t.configMap("prod", "shop"))).Should(HaveField("Data", HaveKeyWithValue("host", "none")))
	})

	It("keeps that from being deleted, and from leaving an environment, and names itself", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		db, app := publish(ctx, database(framework.Name("db-"))), publish(ctx, consumer(framework.Name("app-")))
		orders := deploy(ctx, framework.Component(t.home, "orders-db", db.Name, "dev", "prod"))
		shop := deploy(ctx, using(framework.Component(t.home, "shop", app.Name, "dev", "prod"), "orders-db"))
		settled(ctx, shop)

		err := developer.Delete(ctx, orders)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring("it is used by shop: delete these first, or take it out of their spec.uses")))
		left := read(ctx, orders)
		left.Spec.Environments = left.Spec.Environments[:1]
		Expect(developer.Update(ctx, left)).To(MatchError(ContainSubstring("spec.environments: Forbidden: must keep prod: shop uses the Component there")))

		By("both at once, as with a namespace")
		Expect(developer.Delete(ctx, shop)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) error { return developer.Delete(ctx, orders) }).Should(Succeed(), "the cache follows the deletion")
		Eventually(ctx, framework.Gone(admin, shop)).Should(BeTrue())
		Eventually(ctx, framework.Gone(admin, orders)).Should(BeTrue())
	})

	It("lets both go with their namespace, whichever is deleted first", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		db, app := publish(ctx, database(framework.Name("db-"))), publish(ctx, consumer(framework.Name("app-")))
		orders := deploy(ctx, framework.Component(t.home, "orders-db", db.Name, "dev"))
		shop := deploy(ctx, using(framework.Component(t.home, "shop", app.Name, "dev"), "orders-db"))
		settled(ctx, shop)
		Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.home}})).To(Succeed())
		// As the namespace controller does it: by name, and no further than the first that is refused.
		Eventually(ctx, func(ctx context.Context) error {
			return admin.DeleteAllOf(ctx, &platformv1alpha1.Component{}, client.InNamespace(t.home))
		}).Should(Succeed(), "the cache follows the deletion")
		Eventually(ctx, framework.Gone(admin, shop)).Should(BeTrue())
		Eventually(ctx, framework.Gone(admin, orders)).Should(BeTrue())
	})

	It("keeps that also while only a Release from before still uses it", func(ctx context.Context) {
		t := newTeam(ctx, "dev", "prod")
		db := publish(ctx, database(framework.Name("db-")))
		named := consumer(framework.Name("app-"))
		named.Spec.Parameters = framework.JSON(`{type: object, properties: {name: {type: string, default: shop}}}`)
		named.Spec.Resources = append(named.Spec.Resources, framework.Resource("named", `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${params.name}-named"}
`))
		app := publish(ctx, named)
		orders := deploy(ctx, framework.Component(t.home, "orders-db", db.Name, "dev", "prod"))
		shop := deploy(ctx, using(framework.Component(t.home, "shop", app.Name, "dev", "prod"), "orders-db"))
		settled(ctx, shop)

		By("a version that no longer uses it, and does not get beyond dev")
		Expect(admin.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload("dev"), Name: "taken-named"}})).To(Succeed())
		change(ctx, shop, func(c *platformv1alpha1.Component) { using(c).Spec.Parameters = framework.JSON(`{name: taken}`) })
		Eventually(ctx, framework.Read(admin, shop)).Should(framework.HaveCondition(isReady, no, "", "taken-named"))
		err := developer.Delete(ctx, orders)
		Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring("Release shop-prod-1")))

		By("the way becoming free")
		change(ctx, shop, func(c *platformv1alpha1.Component) { c.Spec.Parameters = nil })
		settled(ctx, shop)
		Eventually(ctx, func(ctx context.Context) error { return developer.Delete(ctx, orders) }).Should(Succeed(), "no Release uses it any more")
		Eventually(ctx, framework.Gone(admin, orders)).Should(BeTrue())
	})

	It("lets it go as soon as nobody uses it, where it is being deleted already", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		db, app := publish(ctx, database(framework.Name("db-"))), publish(ctx, consumer(framework.Name("app-")))
		// No webhook refuses its deletion, as where a user comes at the same moment.
		unchecked := framework.Component(t.home, "orders-db", db.Name, "dev")
		unchecked.Labels = map[string]string{framework.LabelUnchecked: ""}
		orders := deploy(ctx, unchecked)
		shop := deploy(ctx, using(framework.Component(t.home, "shop", app.Name, "dev"), "orders-db"))
		settled(ctx, shop)
		Expect(developer.Delete(ctx, orders)).To(Succeed())
		Eventually(ctx, framework.Read(admin, orders)).Should(framework.HaveCondition(isReady, no, platformv1alpha1.ReasonDeleting, "shop still does"))

		change(ctx, shop, func(c *platformv1alpha1.Component) { using(c) })
		Eventually(ctx, framework.Gone(admin, orders)).Should(BeTrue(), "its last user took it out of spec.uses, and runs so")
		settled(ctx, shop)
	})

	It("must not be used by it in turn, nor know two by one name", func(ctx context.Context) {
		t := newTeam(ctx, "dev")
		app := publish(ctx, consumer(framework.Name("app-")))
		component := func(name string) *platformv1alpha1.Component {
			return framework.Component(t.home, name, app.Name, "dev")
		}
		deploy(ctx, using(component("b"), "c"))
		deploy(ctx, using(component("a"), "b")) // deleted before what it uses
		// Dry, since the cache of the webhook may not hold the others yet, and what came to be would stay.
		Eventually(ctx, func(ctx context.Context) error {
			return developer.Create(ctx, using(component("c"), "a"), client.DryRunAll)
		}).Should(
			MatchError(ContainSubstring("spec.uses: Invalid value: components must not use each other in a circle: c -> a -> b -> c")))
		Expect(developer.Create(ctx, using(component("d"), "d"))).To(MatchError(ContainSubstring("component d must not use itself")))
		Expect(developer.Create(ctx, using(component("e"), "x", "y"))).To(MatchError(ContainSubstring("components x and y are both known as db")))
	})
})
