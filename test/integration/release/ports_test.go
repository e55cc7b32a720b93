package release_test

import (
	"context"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// legacyNamed is legacy with a Service that goes by the name of a port, which stands for 80 there.
var legacyNamed = strings.NewReplacer(
	"image: registry.example/shop:1.0.0", "image: registry.example/shop:1.0.0\n        ports: [{name: web, containerPort: 80}]",
	"ports: [{name: http, port: 80}]", "ports: [{name: http, port: 80, targetPort: web}]",
).Replace(legacy)

// gated is a golden path whose pods name a port otherwise, and run nowhere before open(gate) where the image ends in
// -gated.
func gated(gate string, port string) []platformv1alpha1.ResourceTemplate {
	return []platformv1alpha1.ResourceTemplate{framework.Resource("web", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  replicas: 2
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    spec:
      nodeSelector: "${release.image.endsWith('-gated') ? optional.of({'suite/`+gate+`': 'open'}) : optional.none()}"
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      containers:
      - name: app
        image: "${release.image}"
        ports: [{name: http, containerPort: `+port+`}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`), framework.Resource("service", `
apiVersion: v1
kind: Service
metadata: {name: "${component.name}"}
spec:
  selector: {app.kubernetes.io/name: "${component.name}"}
  ports: [{name: http, port: 80, targetPort: http}]
`)}
}

// open lets the pods behind a gate run.
func open(ctx context.Context, gate string) {
	GinkgoHelper()
	var nodes corev1.NodeList
	Expect(admin.List(ctx, &nodes)).To(Succeed())
	Expect(nodes.Items).NotTo(BeEmpty())
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"suite/`+gate+`":"open"}}}`))
	Expect(admin.Patch(ctx, &nodes.Items[0], patch)).To(Succeed())
}

// endpoints are those of a Service, as they are told of one by one.
type endpoints struct {
	mu     sync.Mutex
	slices map[string]int
	fewest int
}

// Fewest is how few were ready at any time.
func (e *endpoints) Fewest() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fewest
}

// Now is how many are ready.
func (e *endpoints) Now() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sum()
}

func (e *endpoints) sum() (n int) {
	for _, ready := range e.slices {
		n += ready
	}
	return n
}

// take takes in what became of a slice. One without ports is of pods that do not have the port of the Service.
func (e *endpoints) take(event watch.Event) {
	slice, ok := event.Object.(*discoveryv1.EndpointSlice)
	if !ok {
		return
	}
	ready := 0
	for _, endpoint := range slice.Endpoints {
		if event.Type != watch.Deleted && len(slice.Ports) > 0 && endpoint.Conditions.Ready != nil && *endpoint.Conditions.Ready {
			ready++
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slices[slice.Name] = ready
	e.fewest = min(e.fewest, e.sum())
}

// endpointsOf watches those of a Service, from when there are as many as it is to have.
func endpointsOf(ctx context.Context, service *corev1.Service, wanted int) *endpoints {
	GinkgoHelper()
	cfg, err := cluster.Plane.UserConfig("endpoints", "system:masters")
	Expect(err).NotTo(HaveOccurred())
	c, err := client.NewWithWatch(cfg, client.Options{Scheme: admin.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	events, err := c.Watch(ctx, &discoveryv1.EndpointSliceList{}, client.InNamespace(service.Namespace),
		client.MatchingLabels{discoveryv1.LabelServiceName: service.Name})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(events.Stop)
	e := &endpoints{slices: map[string]int{}}
	go func() {
		for event := range events.ResultChan() {
			e.take(event)
		}
	}()
	Eventually(ctx, e.Now).Should(Equal(wanted))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fewest = e.sum()
	return e
}

// rolledOut says that all pods of a Deployment are of its newest template.
func rolledOut(pods int32) OmegaMatcher {
	return HaveField("Status", And(HaveField("Replicas", pods), HaveField("UpdatedReplicas", pods), HaveField("AvailableReplicas", pods)))
}

var _ = Describe("What runs already, behind a Service that names a port", func() {
	It("is served all the time while its first new version is rolled out", func(ctx context.Context) {
		namespace := foundAs(ctx, legacyNamed)
		p, _, component := takenOverFrom(ctx, namespace, gated(namespace, "80")...)
		front := legacyService(namespace)
		before := read(ctx, front)
		Expect(before.Spec.Ports).To(ConsistOf(HaveField("TargetPort", intstr.FromString("web"))), "taking over changes nothing")
		ready := endpointsOf(ctx, front, 2)

		By("pointing it to the number of the port, before the first new pod")
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2-gated" })
		Eventually(ctx, framework.Read(admin, legacyWeb(namespace))).Should(HaveField("Spec.Template.Spec.Containers", ConsistOf(HaveField("Name", "app"))))
		between := read(ctx, front)
		Expect(between.Spec.Ports).To(ConsistOf(HaveField("TargetPort", intstr.FromInt32(80))))
		between.Spec.Ports[0].TargetPort = before.Spec.Ports[0].TargetPort
		Expect(between.Spec).To(Equal(before.Spec), "all else is as it was found")
		Expect(between.Labels).To(Equal(before.Labels))
		Expect(between.Annotations).To(Equal(before.Annotations))
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(HaveField("Status.Objects", ContainElement(And(
			HaveField("Kind", "Service"), HaveField("Health", platformv1alpha1.ObjectProgressing),
			HaveField("Message", ContainSubstring("to the pods that were found and to those of the golden path"))))))
		writes, err := p.writesOf(front.Name)
		Expect(err).NotTo(HaveOccurred())
		Expect(writes[len(writes)-1].As).To(Equal(p.applier()))

		By("and giving it the golden path's once all are ready")
		open(ctx, namespace)
		p.ready(ctx, 2)
		Eventually(ctx, framework.Read(admin, front)).Should(HaveField("Spec.Ports", ConsistOf(HaveField("TargetPort", intstr.FromString("http")))))
		Eventually(ctx, framework.Read(admin, legacyWeb(namespace))).Should(rolledOut(2))
		Eventually(ctx, ready.Now).Should(Equal(2))
		Expect(ready.Fewest()).To(BeNumerically(">=", 2))
		for _, e := range read(ctx, front).ManagedFields {
			if e.Manager == "towpath-release" {
				Expect(e.Operation).To(Equal(metav1.ManagedFieldsOperationApply), "one owner is left")
			}
		}
	})

	It("is served on where it was let go half-way", func(ctx context.Context) {
		namespace := foundAs(ctx, legacyNamed)
		_, _, component := takenOverFrom(ctx, namespace, gated(namespace, "80")...)
		ready := endpointsOf(ctx, legacyService(namespace), 2)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2-gated" })
		Eventually(ctx, framework.Read(admin, legacyWeb(namespace))).Should(HaveField("Spec.Template.Spec.Containers", ConsistOf(HaveField("Name", "app"))))
		deleteComponent(ctx, component, nil)
		Expect(ours(read(ctx, legacyService(namespace)))).To(BeEmpty())

		By("and rolls on to pods that name the port otherwise")
		open(ctx, namespace)
		Eventually(ctx, framework.Read(admin, legacyWeb(namespace))).Should(rolledOut(2))
		Eventually(ctx, ready.Now).Should(Equal(2))
		Expect(ready.Fewest()).To(BeNumerically(">=", 2))
		for _, e := range read(ctx, legacyService(namespace)).ManagedFields {
			Expect(e.Manager).NotTo(HavePrefix("towpath"))
		}
	})

	It("is told of where the new pods do not listen there", func(ctx context.Context) {
		namespace := foundAs(ctx, legacyNamed)
		p, _, component := takenOverFrom(ctx, namespace, gated(namespace, "8080")...)
		front := legacyService(namespace)
		before := bytesOf(ctx, front)
		change(ctx, component, func(c *platformv1alpha1.Component) { c.Spec.Image = "registry.example/shop:2-gated" })
		Eventually(ctx, framework.Read(admin, p.release(2))).Should(framework.HaveCondition(isReady, no, "",
			"Service legacy-service: It leads to the pods that were found alone", "target port web", "http (8080)"))
		Eventually(ctx, framework.Read(admin, legacyWeb(namespace))).Should(HaveField("Spec.Template.Spec.Containers", ConsistOf(HaveField("Name", "app"))))
		p.quiet(ctx)
		Expect(bytesOf(ctx, front)).To(Equal(before))
		open(ctx, namespace)
		p.ready(ctx, 2)
	})
})
