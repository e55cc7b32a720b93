// Package release_test shows on a real cluster how a Release is carried out: as whom its objects are
// written, what is never touched, how drift is mended, and what happens when something is in the way.
package release_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/test/framework"
)

// class is that of every spec's environment.
const class = "suite-development"

// Conditions and their states, short for the specs.
const (
	isReady   = platformv1alpha1.ConditionReady
	isApplied = platformv1alpha1.ConditionApplied
	no        = metav1.ConditionFalse
)

var (
	cluster *framework.Cluster
	admin   client.Client
)

func TestRelease(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Release")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{
		Nodes: 2, Log: GinkgoWriter, LabelAliases: map[string]string{"owner": "team"},
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(admin.Create(ctx, framework.Class(class, platformv1alpha1.TierDevelopment))).To(Succeed())
})

// place is what one spec works with: a team with one environment, dev, of its own.
type place struct {
	team, home string
	// namespace is the workload namespace of dev.
	namespace string
}

func newPlace(ctx context.Context) *place {
	GinkgoHelper()
	p := &place{team: framework.Name("t")}
	home := framework.TeamNamespace(p.team)
	p.home, p.namespace = home.Name, p.team+"-dev"
	Expect(admin.Create(ctx, home)).To(Succeed())
	environment := framework.Environment(p.home, "dev", class)
	Expect(admin.Create(ctx, environment)).To(Succeed())
	Eventually(ctx, framework.Read(admin, environment)).Should(framework.BeReady())
	return p
}

// applier is the user that writes in the place.
func (p *place) applier() string {
	return "system:serviceaccount:" + platformv1alpha1.ApplierNamespace + ":" + p.namespace
}

// deploy makes a template of the resources and a Component shop of it, and deletes both after the spec.
func (p *place) deploy(ctx context.Context, resources ...platformv1alpha1.ResourceTemplate) (*platformv1alpha1.Component, *platformv1alpha1.ServiceTemplate) {
	GinkgoHelper()
	template := framework.Template(framework.Name("template-"), resources...)
	template.Spec.Parameters = framework.JSON(`{type: object, properties: {key: {type: string, default: good}}}`)
	// A kind that was defined a moment ago is not known to the webhook at once.
	Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, template) }).Should(Succeed())
	Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())
	component := framework.Component(p.home, "shop", template.Name, "dev")
	Expect(admin.Create(ctx, component)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		for _, object := range []client.Object{component, template} {
			Expect(client.IgnoreNotFound(admin.Delete(ctx, object))).To(Succeed())
		}
	})
	return component, template
}

// settle does as deploy, and waits until all is Ready.
func (p *place) settle(ctx context.Context, resources ...platformv1alpha1.ResourceTemplate) (*platformv1alpha1.Component, *platformv1alpha1.ServiceTemplate) {
	GinkgoHelper()
	component, template := p.deploy(ctx, resources...)
	p.ready(ctx, 1)
	return component, template
}

// release is the Release of that number.
func (p *place) release(number int64) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{
		Namespace: p.home, Name: promotion.ReleaseName("shop", "dev", number),
	}}
}

// ready waits until the Release of that number is Ready, and returns it as it is then.
func (p *place) ready(ctx context.Context, number int64) *platformv1alpha1.Release {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, p.release(number))).Should(framework.BeReady())
	return read(ctx, p.release(number))
}

func (p *place) configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name}}
}

func (p *place) deployment() *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "shop"}}
}

// writes are what Towpath wrote about the place: in its namespaces, but for events.
func (p *place) writes() (framework.Audit, error) {
	all, err := cluster.Audit()
	var kept framework.Audit
	for _, r := range all.ByTowpath().About(p.namespace, p.home) {
		if !strings.HasPrefix(r.Resource, "events") {
			kept = append(kept, r)
		}
	}
	return kept, err
}

// writesOf are what Towpath wrote of one object of the place.
func (p *place) writesOf(name string) (framework.Audit, error) {
	all, err := p.writes()
	return all.About(name), err
}

// quietFor is how long nothing must have been written before a place counts as quiet.
const quietFor = 3 * time.Second

// quiet waits until Towpath writes nothing about the place any more, and returns what it wrote.
func (p *place) quiet(ctx context.Context) framework.Audit {
	GinkgoHelper()
	var writes framework.Audit
	last := time.Now()
	Eventually(ctx, func() (time.Duration, error) {
		now, err := p.writes()
		if len(now) != len(writes) {
			writes, last = now, time.Now()
		}
		return time.Since(last), err
	}).Should(BeNumerically(">=", quietFor))
	return writes
}

// read reads an object that must be there.
func read[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	live, err := framework.Read(admin, object)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

// change reads an object anew and changes it; a conflict is tried again.
func change[T client.Object](ctx context.Context, object T, how func(T)) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		live, err := framework.Read(admin, object)(ctx)
		if err != nil {
			return err
		}
		how(live)
		return admin.Update(ctx, live)
	}).Should(Succeed())
}

// reviseTo gives a template other resources.
func reviseTo(ctx context.Context, template *platformv1alpha1.ServiceTemplate, resources ...platformv1alpha1.ResourceTemplate) {
	GinkgoHelper()
	change(ctx, template, func(s *platformv1alpha1.ServiceTemplate) { s.Spec.Resources = resources })
}

// web is a Deployment. An image that ends in -broken gets pods which no node takes.
func web() platformv1alpha1.ResourceTemplate { return webOf(1) }

// webOf is web with a number of replicas; with none, the field is left to others.
func webOf(replicas int) platformv1alpha1.ResourceTemplate {
	count := fmt.Sprintf("replicas: %d", replicas)
	if replicas == 0 {
		count = "revisionHistoryLimit: 5"
	}
	return framework.Resource("web", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  `+count+`
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    spec:
      nodeSelector: "${release.image.endsWith('-broken') ? optional.of({'suite/node': 'none'}) : optional.none()}"
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      containers:
      - name: app
        image: "${release.image}"
        env: "${component.env}"
        ports: [{name: https, containerPort: 443}, {name: http, containerPort: 80}, {name: metrics, containerPort: 9090}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`)
}

// service has ports whose order as numbers is not their order as text.
func service() platformv1alpha1.ResourceTemplate {
	return framework.Resource("service", `
apiVersion: v1
kind: Service
metadata: {name: "${component.name}"}
spec:
  selector: {app.kubernetes.io/name: "${component.name}"}
  ports: [{name: https, port: 443}, {name: http, port: 80}, {name: metrics, port: 9090}]
`)
}

// keyed is a ConfigMap with a key that a parameter names: the API server refuses some keys.
func keyed() platformv1alpha1.ResourceTemplate {
	return framework.Resource("keyed", `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${component.name}-keyed"}
data: "${{params.key: 'value'}}"
`)
}

// bytesOf is an object as it is stored: two of them differ where anybody wrote anything.
func bytesOf(ctx context.Context, object client.Object) string {
	GinkgoHelper()
	u := &unstructured.Unstructured{}
	gvk, err := admin.GroupVersionKindFor(object)
	Expect(err).NotTo(HaveOccurred())
	u.SetGroupVersionKind(gvk)
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), u)).To(Succeed())
	raw, err := u.MarshalJSON()
	Expect(err).NotTo(HaveOccurred())
	return string(raw)
}
