package tenancy_test

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// lax is a golden path that passes on whatever it is given: nothing but the guard is left.
const lax = "tenancy-lax"

func laxTemplate() *platformv1alpha1.ServiceTemplate {
	resource := func(id, param, text string) platformv1alpha1.ResourceTemplate {
		r := framework.Resource(id, text)
		r.IncludeWhen = "${has(params." + param + ")}"
		return r
	}
	t := framework.Template(lax,
		resource("deployment", "pod", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    metadata: {labels: "${params.?podLabels.orValue({})}"}
    spec: "${params.pod}"
`),
		resource("service", "service", `{apiVersion: v1, kind: Service, metadata: {name: "${component.name}"}, spec: "${params.service}"}`),
		resource("claim", "claim", `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: "${component.name}"}, spec: "${params.claim}"}`),
		resource("store", "claims", `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "${component.name}"}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  serviceName: "${component.name}"
  template:
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers: [`+container("")+`]
  volumeClaimTemplates: "${params.claims}"
`),
		resource("config", "name", `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${params.name}", labels: "${params.?labels.orValue({})}", annotations: "${params.?annotations.orValue({})}"}
data: {text: "${params.?text.orValue('')}", env: "${component.env.map(e, e.name + '=' + e.?value.orValue('')).join(',')}"}
`))
	t.Spec.Parameters = framework.JSON(`
type: object
properties:
  pod: {type: object, x-kubernetes-preserve-unknown-fields: true}
  podLabels: {type: object, additionalProperties: {type: string}}
  service: {type: object, x-kubernetes-preserve-unknown-fields: true}
  claim: {type: object, x-kubernetes-preserve-unknown-fields: true}
  claims: {type: array, items: {type: object, x-kubernetes-preserve-unknown-fields: true}}
  name: {type: string}
  labels: {type: object, additionalProperties: {type: string}}
  annotations: {type: object, additionalProperties: {type: string}}
  text: {type: string}
`)
	return t
}

// doors are the places of a Component that parameters stand in.
var doors = map[string]func(c *platformv1alpha1.Component, parameters *apiextensionsv1.JSON){
	"parameters":                   func(c *platformv1alpha1.Component, p *apiextensionsv1.JSON) { c.Spec.Parameters = p },
	"parameters of an environment": func(c *platformv1alpha1.Component, p *apiextensionsv1.JSON) { c.Spec.Environments[0].Parameters = p },
}

// smuggled is what a tenant puts into parameters.
type smuggled struct {
	what, parameters string
	// refused is what the refusal says. None: nothing is refused, since rendering puts the true value in its place, or takes it out.
	refused []string
	// reason of the refusal; Refused, by the guard, if empty.
	reason string
}

// container is one that pod security lets in, with more fields.
func container(more string) string {
	return `{name: app, image: "app:1", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}` + more + `}`
}

func podWith(container, more string) string {
	return `pod: {automountServiceAccountToken: false, securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [` + container + `]` + more + `}`
}

var smuggleds = []smuggled{
	{what: "a path of the node", parameters: podWith(container(""), `, volumes: [{name: node, hostPath: {path: /}}]`), refused: []string{"hostPath"}},
	{what: "a privileged container", refused: []string{"privileged"},
		parameters: podWith(`{name: app, image: "app:1", securityContext: {privileged: true}}`, "")},
	{what: "a privileged init container", refused: []string{"privileged"},
		parameters: podWith(container(""), `, initContainers: [{name: init, image: "app:1", securityContext: {privileged: true}}]`)},
	{what: "the node's network", parameters: podWith(container(""), ", hostNetwork: true"), refused: []string{"host namespaces"}},
	{what: "the node's processes", parameters: podWith(container(""), ", hostPID: true"), refused: []string{"host namespaces"}},
	{what: "the node's IPC", parameters: podWith(container(""), ", hostIPC: true"), refused: []string{"host namespaces"}},
	{what: "a port of the node", parameters: podWith(container(", ports: [{containerPort: 80, hostPort: 80}]"), ""), refused: []string{"hostPort"}},
	{what: "a capability", refused: []string{"capabilities"},
		parameters: podWith(`{name: app, image: "app:1", securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN]}}}`, "")},
	{what: "root", refused: []string{"runAsUser=0"},
		parameters: `pod: {automountServiceAccountToken: false, securityContext: {runAsNonRoot: true, runAsUser: 0, seccompProfile: {type: RuntimeDefault}}, containers: [` + container("") + `]}`},
	{what: "a node of choice", parameters: podWith(container(""), ", nodeName: master"), refused: []string{"nodeName"}},
	{what: "the priority of the cluster's own pods", parameters: podWith(container(""), ", priorityClassName: system-node-critical"), refused: []string{"priorityClassName"}},
	{what: "a token of the API server, by asking for it", refused: []string{"spec.template.spec.automountServiceAccountToken", "set it to false"},
		parameters: strings.Replace(podWith(container(""), ""), "automountServiceAccountToken: false", "automountServiceAccountToken: true", 1)},
	{what: "a token of the API server, by saying nothing", refused: []string{"spec.template.spec.automountServiceAccountToken"},
		parameters: strings.Replace(podWith(container(""), ""), "automountServiceAccountToken: false, ", "", 1)},
	{what: "a token of the API server, by a projection", refused: []string{"projected.sources[0].serviceAccountToken"},
		parameters: podWith(container(""), `, volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: token}}]}}]`)},
	{what: "the account of another Component", refused: []string{"spec.template.spec.serviceAccountName", "theirs"},
		parameters: podWith(container(""), ", serviceAccountName: theirs")},
	{what: "the account of another Component, by its older name", refused: []string{"spec.template.spec.serviceAccount", "theirs"},
		parameters: podWith(container(""), ", serviceAccount: theirs")},
	{what: "a volume of somebody else, by an ephemeral claim", refused: []string{"volumeName"},
		parameters: podWith(container(""), `, volumes: [{name: data, ephemeral: {volumeClaimTemplate: {spec: {volumeName: theirs, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]`)},
	{what: "a volume of somebody else, by a claim", refused: []string{"volumeName"},
		parameters: `claim: {volumeName: theirs, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}`},
	{what: "volumes by their labels, by an ephemeral claim", refused: []string{"volumeClaimTemplate.spec.selector"},
		parameters: podWith(container(""), `, volumes: [{name: data, ephemeral: {volumeClaimTemplate: {spec: {selector: {matchLabels: {team: other}}, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]`)},
	{what: "volumes by their labels, by a claim", refused: []string{"spec.selector"},
		parameters: `claim: {selector: {matchLabels: {team: other}}, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}`},
	{what: "volumes by their labels, by a claim of a StatefulSet", refused: []string{"spec.volumeClaimTemplates[0].spec.selector"},
		parameters: `claims: [{metadata: {name: data}, spec: {selector: {matchExpressions: [{key: team, operator: Exists}]}, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]`},
	{what: "a volume of somebody else, by a claim of a StatefulSet", refused: []string{"spec.volumeClaimTemplates[0].spec.volumeName"},
		parameters: `claims: [{metadata: {name: data}, spec: {volumeName: theirs, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]`},
	{what: "data of another namespace", refused: []string{"dataSourceRef.namespace"},
		parameters: `claim: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, dataSourceRef: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: x, namespace: kube-system}}`},
	{what: "a Service of external addresses", refused: []string{"externalIPs"},
		parameters: `service: {selector: {app: x}, ports: [{port: 80}], externalIPs: [203.0.113.1]}`},
	{what: "a Service that leads to another team's", refused: []string{"ExternalName"},
		parameters: `service: {type: ExternalName, externalName: orders.other.svc}`},
	{what: "another team's label on pods", parameters: podWith(container(""), "") + "\npodLabels: {platform.towpath.dev/team: other}"},
	{what: "the owner's label on pods", parameters: podWith(container(""), "") + "\npodLabels: {platform.towpath.dev/owner-uid: other}", refused: []string{"owner-uid"}, reason: platformv1alpha1.ReasonRenderFailed},
	{what: "another cost centre's label on an object", parameters: "name: forged\nlabels: {platform.towpath.dev/cost-center: other}"},
	{what: "a forged owner of an object", parameters: "name: forged\nlabels: {platform.towpath.dev/owner-uid: other}"},
	{what: "a label of Towpath that is none", parameters: "name: forged\nlabels: {platform.towpath.dev/as-found: other}", refused: []string{"as-found"}, reason: platformv1alpha1.ReasonRenderFailed},
	{what: "a consent by annotation", parameters: "name: forged\nannotations: {platform.towpath.dev/adopt-by: orders}", refused: []string{"adopt-by"}},
	{what: "a forged home by annotation", parameters: "name: forged\nannotations: {platform.towpath.dev/home: x/y}", refused: []string{"home"}},
}

var _ = Describe("What a tenant smuggles in", func() {
	for _, s := range smuggleds {
		for door, put := range doors {
			It("is stopped: "+s.what+", by "+door, func(ctx context.Context) {
				component := framework.Component(evil.home, framework.Name("c"), lax, "dev")
				parameters := strings.ReplaceAll(s.parameters, "name: forged", "name: "+component.Name)
				put(component, framework.JSON(parameters))
				Expect(mallory.Create(ctx, component)).To(Succeed())
				DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, component)).To(Succeed()) })
				if len(s.refused) == 0 {
					object := direct(component.Name, parameters)[0]
					Eventually(ctx, func(ctx context.Context) string { return bytesOf(ctx, object) }).ShouldNot(BeEmpty())
					Expect(bytesOf(ctx, object)).To(And(ContainSubstring(evil.name), Not(ContainSubstring(`"other"`))))
					return
				}
				Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(cmp.Or(s.reason, platformv1alpha1.ReasonRefused), s.refused...))
				var releases platformv1alpha1.ReleaseList
				Expect(admin.List(ctx, &releases, client.InNamespace(evil.home), client.MatchingLabels{platformv1alpha1.LabelComponent: component.Name})).To(Succeed())
				Expect(releases.Items).To(BeEmpty(), "what is refused is not even written down")
				for _, o := range direct(component.Name, parameters) {
					Expect(bytesOf(ctx, o)).To(BeEmpty())
				}
			})
		}

		It("would be applied without the guard: "+s.what, func(ctx context.Context) {
			objects := direct(framework.Name("direct-"), s.parameters)
			Expect(objects).To(HaveLen(1))
			intent := client.ApplyConfigurationFromUnstructured(objects[0])
			Expect(applier.Apply(ctx, intent, client.FieldOwner("towpath-release"), client.DryRunAll)).To(Succeed())
		})
	}

	// Without it, the template might refuse everything.
	It("is the only thing that is refused: the same doors let in what is harmless", func(ctx context.Context) {
		for door, put := range doors {
			component := framework.Component(evil.home, framework.Name("c"), lax, "dev")
			put(component, framework.JSON(podWith(container(""), "")+"\nname: "+component.Name+
				"\nservice: {selector: {app: x}, ports: [{port: 80}]}\nclaim: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"+
				"\nlabels: {example.com/mine: 'yes'}\nannotations: {example.com/mine: 'yes'}\npodLabels: {example.com/mine: 'yes'}"))
			Expect(mallory.Create(ctx, component)).To(Succeed(), door)
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, component)).To(Succeed()) })
			Eventually(ctx, func(ctx context.Context) string { return bytesOf(ctx, configMap(evil.work, component.Name, nil)) }).ShouldNot(BeEmpty(), door)
			Eventually(ctx, func(ctx context.Context) string {
				return bytesOf(ctx, direct(component.Name, podWith(container(""), ""))[0])
			}).ShouldNot(BeEmpty(), door)
		}
	})
})

// direct are the objects that the lax golden path makes of parameters, with an owner, as an applier would write
// them past the guard.
func direct(name, parameters string) []*unstructured.Unstructured {
	GinkgoHelper()
	var p map[string]any
	Expect(yaml.Unmarshal([]byte(parameters), &p)).To(Succeed())
	labels := map[string]any{platformv1alpha1.LabelOwnerUID: "forged"}
	merged := func(base map[string]any, more any) map[string]any {
		all := map[string]any{}
		for key, value := range base {
			all[key] = value
		}
		if m, ok := more.(map[string]any); ok {
			for key, value := range m {
				all[key] = value
			}
		}
		return all
	}
	build := func(apiVersion, kind string, spec any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": apiVersion, "kind": kind, "spec": spec,
			"metadata": map[string]any{"name": name, "namespace": evil.work, "labels": labels},
		}}
	}
	var objects []*unstructured.Unstructured
	if pod, ok := p["pod"]; ok {
		app := map[string]any{"app": name}
		objects = append(objects, build("apps/v1", "Deployment", map[string]any{
			"selector": map[string]any{"matchLabels": app},
			"template": map[string]any{"metadata": map[string]any{"labels": merged(app, p["podLabels"])}, "spec": pod},
		}))
	}
	if spec, ok := p["service"]; ok {
		objects = append(objects, build("v1", "Service", spec))
	}
	if spec, ok := p["claim"]; ok {
		objects = append(objects, build("v1", "PersistentVolumeClaim", spec))
	}
	if claims, ok := p["claims"]; ok {
		app := map[string]any{"app": name}
		objects = append(objects, build("apps/v1", "StatefulSet", map[string]any{
			"selector": map[string]any{"matchLabels": app}, "serviceName": name, "volumeClaimTemplates": claims,
			"template": map[string]any{"metadata": map[string]any{"labels": app}, "spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": "app:1"}}}},
		}))
	}
	if configName, ok := p["name"]; ok {
		objects = append(objects, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{
				"name": configName, "namespace": evil.work, "labels": merged(labels, p["labels"]), "annotations": merged(nil, p["annotations"]),
			},
		}})
	}
	Expect(objects).NotTo(BeEmpty(), fmt.Sprint(p))
	return objects
}
