// Package component_test shows on a real cluster how a Component goes through the environments of its
// path: what gets a Release and when, what it waits for, and what it says meanwhile.
package component_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/test/framework"
)

// The classes of every spec's environments: dev is of the first, all others are of the second.
const (
	development = "suite-development"
	production  = "suite-production"
)

// Conditions and their states, short for the specs.
const (
	isReady    = platformv1alpha1.ConditionReady
	isPromoted = platformv1alpha1.ConditionPromoted
	yes        = metav1.ConditionTrue
	no         = metav1.ConditionFalse
)

var (
	cluster *framework.Cluster
	admin   client.Client

	// developer writes as people do, and keeps the warnings that the API server answers.
	developer client.Client
	warned    = &warnings{}

	// now is the manager's clock for what expires. It stands still until a spec sets it.
	now = testingclock.NewFakePassiveClock(time.Now())
)

func TestComponent(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Component")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Nodes: 2, Log: GinkgoWriter, Clock: now})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	cfg := cluster.Plane.AdminConfig()
	cfg.WarningHandlerWithContext = warned
	developer, err = client.New(cfg, client.Options{Scheme: admin.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(admin.Create(ctx, framework.Class(development, platformv1alpha1.TierDevelopment))).To(Succeed())
	Expect(admin.Create(ctx, framework.Class(production, platformv1alpha1.TierProduction))).To(Succeed())
})

// warnings keeps what the API server warns of.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.texts...)
}

// team is what one spec works with: a team namespace, of its own.
type team struct {
	name, home string
}

// newTeam makes a team with environments that are Ready.
func newTeam(ctx context.Context, environments ...string) *team {
	GinkgoHelper()
	t := &team{name: framework.Name("t")}
	home := framework.TeamNamespace(t.name)
	t.home = home.Name
	Expect(admin.Create(ctx, home)).To(Succeed())
	for _, name := range environments {
		t.addEnvironment(ctx, name)
	}
	for _, name := range environments {
		Eventually(ctx, framework.Read(admin, t.environment(name))).Should(framework.BeReady())
	}
	return t
}

func (t *team) addEnvironment(ctx context.Context, name string) {
	GinkgoHelper()
	class := production
	if name == "dev" {
		class = development
	}
	Expect(admin.Create(ctx, framework.Environment(t.home, name, class))).To(Succeed())
}

func (t *team) environment(name string) *platformv1alpha1.Environment {
	return framework.Environment(t.home, name, "")
}

// workload is the namespace of one of the team's environments.
func (t *team) workload(environment string) string { return t.name + "-" + environment }

// release is the Release of that number; the specs' environments have no hyphens, and so their
// Releases no hash.
func (t *team) release(component, environment string, number int64) *platformv1alpha1.Release {
	return &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{
		Namespace: t.home, Name: promotion.ReleaseName(component, environment, number),
	}}
}

// releases are those of one environment, in the order of their numbers.
func (t *team) releases(ctx context.Context, component, environment string) ([]platformv1alpha1.Release, error) {
	var list platformv1alpha1.ReleaseList
	err := admin.List(ctx, &list, client.InNamespace(t.home), client.MatchingLabels{
		platformv1alpha1.LabelComponent: component, platformv1alpha1.LabelEnvironment: environment,
	})
	byNumber := make([]platformv1alpha1.Release, 0, len(list.Items))
	for number := int64(1); len(byNumber) < len(list.Items) && number < 1000; number++ {
		for i := range list.Items {
			if list.Items[i].Spec.Number == number {
				byNumber = append(byNumber, list.Items[i])
			}
		}
	}
	return byNumber, err
}

// deploy makes a Component, and deletes it after the spec.
func deploy(ctx context.Context, component *platformv1alpha1.Component) *platformv1alpha1.Component {
	GinkgoHelper()
	Expect(developer.Create(ctx, component)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		Eventually(ctx, func(ctx context.Context) error {
			return client.IgnoreNotFound(admin.Delete(ctx, component))
		}).Should(Succeed(), "the webhook's cache may still hold a Component that used it")
	})
	return component
}

func (t *team) configMap(environment, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: t.workload(environment), Name: name}}
}

// publish makes a template and waits until it compiled; it goes after the spec.
func publish(ctx context.Context, serviceTemplate *platformv1alpha1.ServiceTemplate) *platformv1alpha1.ServiceTemplate {
	GinkgoHelper()
	Expect(admin.Create(ctx, serviceTemplate)).To(Succeed())
	DeferCleanup(func(ctx context.Context) {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, serviceTemplate))).To(Succeed())
	})
	Eventually(ctx, framework.Read(admin, serviceTemplate)).Should(framework.BeReady())
	return serviceTemplate
}

// change reads an object anew and changes it; a conflict with the manager is tried again.
func change[T client.Object](ctx context.Context, object T, how func(T)) {
	GinkgoHelper()
	Eventually(ctx, func(ctx context.Context) error {
		live, err := framework.Read(admin, object)(ctx)
		if err != nil {
			return err
		}
		how(live)
		return developer.Update(ctx, live)
	}).Should(Succeed())
}

// withImage changes a Component to an image.
func withImage(image string) func(*platformv1alpha1.Component) {
	return func(c *platformv1alpha1.Component) { c.Spec.Image = image }
}

// read reads an object that must be there.
func read[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	live, err := framework.Read(admin, object)(ctx)
	Expect(err).NotTo(HaveOccurred())
	return live
}

// settled waits until a Component is Ready with its version everywhere, and returns it as it is then.
func settled(ctx context.Context, component *platformv1alpha1.Component) *platformv1alpha1.Component {
	GinkgoHelper()
	Eventually(ctx, framework.Read(admin, component)).Should(And(framework.BeReady(),
		framework.HaveCondition(isPromoted, yes, platformv1alpha1.ReasonPromoted)))
	return read(ctx, component)
}

// exists matches the error of reading an object that is there.
func exists(object client.Object) func(context.Context) (bool, error) {
	gone := framework.Gone(admin, object)
	return func(ctx context.Context) (bool, error) {
		is, err := gone(ctx)
		return !is, err
	}
}

func deploymentOf(namespace, name string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

func configMapOf(namespace, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// runs is the image that a Deployment has; empty where it does not exist.
func runs(namespace, name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		live, err := framework.Read(admin, deploymentOf(namespace, name))(ctx)
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		if err != nil || len(live.Spec.Template.Spec.Containers) == 0 {
			return "", err
		}
		return live.Spec.Template.Spec.Containers[0].Image, nil
	}
}

// beForKstatus matches an object that kstatus, and with it Flux, kubectl and Argo CD's users, takes for this.
func beForKstatus(want status.Status) OmegaMatcher {
	return WithTransform(func(object client.Object) (status.Status, error) {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return "", err
		}
		result, err := status.Compute(&unstructured.Unstructured{Object: content})
		if err != nil {
			return "", err
		}
		return result.Status, nil
	}, Equal(want))
}

// web is a template of a Deployment. An image that ends in -broken gets pods which no node takes: it
// never becomes ready, and fails after the deadline.
func web(name string, more ...platformv1alpha1.ResourceTemplate) *platformv1alpha1.ServiceTemplate {
	resources := append([]platformv1alpha1.ResourceTemplate{framework.Resource("deployment", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  replicas: 1
  progressDeadlineSeconds: "${params.deadline}"
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
        ports: [{containerPort: "${params.port}"}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`)}, more...)
	t := framework.Template(name, resources...)
	t.Spec.Parameters = framework.JSON(`
type: object
x-kubernetes-validations:
- {rule: self.port != self.deadline, fieldPath: .port, message: must differ from deadline}
properties:
  port: {type: integer, default: 8080, minimum: 1, maximum: 65535}
  deadline: {type: integer, default: 600, minimum: 1}
  color: {type: string, default: blue, enum: [blue, green]}
`)
	return t
}

// light is a template of a ConfigMap alone, for what needs no pods.
func light(name string) *platformv1alpha1.ServiceTemplate {
	t := framework.Template(name, framework.ConfigMap("config"))
	t.Spec.Parameters = framework.JSON(`{type: object, properties: {color: {type: string, default: blue}}}`)
	return t
}

// parametersOf are the parameters of a Release.
func parametersOf(release *platformv1alpha1.Release) map[string]any {
	GinkgoHelper()
	values := map[string]any{}
	if release.Spec.Parameters != nil {
		Expect(json.Unmarshal(release.Spec.Parameters.Raw, &values)).To(Succeed())
	}
	return values
}
