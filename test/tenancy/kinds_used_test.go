package tenancy_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// everyKind are objects of all kinds that the shipped roles let an applier write.
const everyKind = `
apiVersion: v1
kind: ConfigMap
---
apiVersion: v1
kind: PersistentVolumeClaim
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ServiceAccount
automountServiceAccountToken: false
---
apiVersion: v1
kind: Service
spec: {selector: {app: x}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
spec: {replicas: 0, selector: {matchLabels: {app: x}}, template: POD}
---
apiVersion: apps/v1
kind: StatefulSet
spec: {replicas: 0, serviceName: x, selector: {matchLabels: {app: x}}, template: POD}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: elsewhere}, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]}
---
apiVersion: batch/v1
kind: CronJob
spec: {suspend: true, schedule: "0 0 * * *", jobTemplate: {spec: {template: POD}}}
---
apiVersion: batch/v1
kind: Job
spec: {suspend: true, template: POD}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
spec: {defaultBackend: {service: {name: x, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
spec: {podSelector: {matchLabels: {app: x}}, policyTypes: [Ingress]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
spec: {maxUnavailable: 1, selector: {matchLabels: {app: x}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
spec: {color: red}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
spec: {color: red}
---
apiVersion: keda.sh/v1
kind: ScaledObject
spec: {color: red}
---
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
spec: {color: red}
`

// What the roles let the manager and the appliers do is used here, so that make verify-audit finds a right that
// nobody needs.
var _ = Describe("An applier with the shipped rights", func() {
	It("writes, changes and deletes every kind that these name", func(ctx context.Context) {
		for _, crd := range []*apiextensionsv1.CustomResourceDefinition{
			framework.CRD("gateway.networking.k8s.io", "HTTPRoute"), framework.CRD("gateway.networking.k8s.io", "GRPCRoute"),
			framework.CRD("keda.sh", "ScaledObject"), framework.CRD("postgresql.cnpg.io", "Cluster"),
		} {
			crd.Annotations = map[string]string{"api-approved.kubernetes.io": "unapproved, a stand-in of a suite"}
			// They stay until the cluster ends: a definition that is removed fills the manager's log.
			Expect(admin.Create(ctx, crd)).To(Succeed())
		}
		var resources []platformv1alpha1.ResourceTemplate
		for text := range strings.SplitSeq(everyKind, "---\n") {
			pod := `{metadata: {labels: {app: x}}, spec: {restartPolicy: POLICY, automountServiceAccountToken: false, securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [` +
				strings.ReplaceAll(container(""), `"app:1"`, `"${release.image}"`) + `]}}`
			policy := "Always"
			if strings.Contains(text, "batch/v1") {
				policy = "OnFailure"
			}
			text = strings.ReplaceAll(text, "POD", strings.ReplaceAll(pod, "POLICY", policy))
			kind := object(text).GetKind()
			resources = append(resources, framework.Resource(strings.ToLower(kind[:1])+kind[1:], text+
				`metadata: {name: "${component.name}", annotations: {example.com/image: "${release.image}"}}`+"\n"))
		}
		template := framework.Template(framework.Name("every-"), resources...)
		Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, template) }).Should(Succeed(),
			"a kind that was defined a moment ago is not known to the webhook at once")
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, template)).To(Succeed()) })
		Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())

		// In the other team's namespace, whose applier has the shipped rights alone.
		component := framework.Component(victim.home, framework.Name("every-"), template.Name, "dev")
		Expect(admin.Create(ctx, component)).To(Succeed())
		all := func(image string) func(ctx context.Context) ([]string, error) {
			return func(ctx context.Context) ([]string, error) {
				var lacking []string
				for i := range resources {
					u := object(string(resources[i].Object.Raw))
					live := &unstructured.Unstructured{}
					live.SetGroupVersionKind(u.GroupVersionKind())
					err := admin.Get(ctx, client.ObjectKey{Namespace: victim.work, Name: component.Name}, live)
					if client.IgnoreNotFound(err) != nil {
						return nil, err
					}
					if live.GetAnnotations()["example.com/image"] != image {
						lacking = append(lacking, u.GetKind())
					}
				}
				return lacking, nil
			}
		}
		Eventually(ctx, all(component.Spec.Image)).Should(BeEmpty())

		By("changing them")
		const next = "registry.example/next:2"
		Expect(admin.Patch(ctx, component, merge(`{"spec":{"image":"`+next+`"}}`))).To(Succeed())
		// A Job's template is immutable, and an autoscaler is written after everything else was.
		Eventually(ctx, all(next)).Should(HaveEach(BeElementOf("Job", "HorizontalPodAutoscaler")))

		By("deleting them")
		Expect(admin.Delete(ctx, component)).To(Succeed())
		Eventually(ctx, framework.Gone(admin, component)).Should(BeTrue())
		Eventually(ctx, all("")).Should(BeEmpty(), "what is not there bears no image")
	})
})
