package guard_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/guard"
)

// policy is what all cases are held to, unless they say otherwise.
func policy() guard.Policy {
	return guard.Policy{
		Namespace: "shop-prod",
		Labels: map[string]string{
			"app.kubernetes.io/managed-by":    "towpath",
			platformv1alpha1.LabelTeam:        "shop",
			platformv1alpha1.LabelComponent:   "checkout",
			platformv1alpha1.LabelEnvironment: "prod",
			platformv1alpha1.LabelOwnerUID:    "uid-1",
		},
		PodSecurity: platformv1alpha1.PodSecurityRestricted,
		Namespaced: func(kind schema.GroupKind) (bool, bool) {
			switch {
			case kind.Group == "unknown.example.com":
				return false, false
			case kind.Kind == "ClusterWidget":
				return false, true
			}
			return true, true
		},
	}
}

// labels are those of the policy; on pod templates without owner-uid.
const labels = `app.kubernetes.io/managed-by: towpath, platform.towpath.dev/team: shop, platform.towpath.dev/component: checkout, platform.towpath.dev/environment: prod`

// restricted is a pod specification that meets the strictest level.
const restricted = `{automountServiceAccountToken: false, securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: app, image: app:1, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}`

// object parses YAML in which a few words stand for longer texts.
func object(t testing.TB, text string) guard.Object {
	t.Helper()
	text = strings.NewReplacer(
		"$META", "namespace: shop-prod, labels: {$LABELS, platform.towpath.dev/owner-uid: uid-1}",
		"$TEMPLATE", "metadata: {labels: {"+labels+"}}",
	).Replace(text)
	text = strings.NewReplacer("$LABELS", labels, "$POD", restricted).Replace(text)
	var content map[string]any
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(data, &content); err != nil {
		t.Fatal(err)
	}
	u.Object = content
	return guard.Object{Resource: "thing", Object: u}
}

const (
	configMap  = `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, $META}}`
	deployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}`
)

// deploymentWith is a Deployment whose pod specification has one more field.
func deploymentWith(field string) string {
	return strings.Replace(deployment, "$POD", strings.Replace(restricted, "{automount", "{"+field+", automount", 1), 1)
}

func TestAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"a ConfigMap":                      configMap,
		"a Deployment":                     deployment,
		"limits of other things":           `{apiVersion: example.com/v1, kind: Widget, metadata: {name: a, $META}, spec: {limits: {pool: node100, text: "a long name a long name a long name a long name a long name a long name a long name "}, requests: {id: 3f2a-e123}}}`,
		"a kind of a CRD":                  `{apiVersion: example.com/v1, kind: Widget, metadata: {name: a.b, $META}, spec: {template: text, containers: 3}}`,
		"a Service":                        `{apiVersion: v1, kind: Service, metadata: {name: a, $META}, spec: {type: LoadBalancer, externalIPs: [], loadBalancerSourceRanges: [10.0.0.0/8], selector: {platform.towpath.dev/component: checkout}}}`,
		"a claim":                          `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, $META}, spec: {storageClassName: fast, selector: {}, dataSourceRef: {kind: VolumeSnapshot, name: b}}}`,
		"other labels and annotations":     `{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop-prod, annotations: {team: x}, labels: {mine: x, $LABELS, platform.towpath.dev/owner-uid: uid-1}}}`,
		"a CronJob with labelled jobs":     `{apiVersion: batch/v1, kind: CronJob, metadata: {name: a, $META}, spec: {jobTemplate: {$TEMPLATE, spec: {template: {$TEMPLATE, spec: $POD}}}}}`,
		"a StatefulSet with claims":        `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}, volumeClaimTemplates: [{metadata: {name: data, labels: {platform.towpath.dev/component: checkout}}, spec: {storageClassName: fast}}]}}`,
		"a priority class":                 deploymentWith("priorityClassName: business-critical"),
		"a selector by Towpath's labels":   `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a, $META}, spec: {podSelector: {matchLabels: {platform.towpath.dev/component: other}}}}`,
		"a kind of a CRD with a pod":       `{apiVersion: example.com/v1, kind: Rollout, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}`,
		"an ephemeral claim of its own":    deploymentWith("volumes: [{name: tmp, ephemeral: {volumeClaimTemplate: {spec: {storageClassName: fast}}}}]"),
		"labels of a CRD that are strings": `{apiVersion: example.com/v1, kind: Widget, metadata: {name: a, $META}, spec: {labels: text, annotations: [1]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if refusals := guard.Check([]guard.Object{object(t, text)}, policy()); len(refusals) > 0 {
				t.Errorf("refused: %v", refusals)
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	objects := []guard.Object{
		object(b, deployment),
		object(b, `{apiVersion: v1, kind: Service, metadata: {name: b, $META}, spec: {type: ClusterIP, selector: {platform.towpath.dev/component: checkout}, ports: [{name: http, port: 80, targetPort: http}]}}`),
		object(b, `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: c, $META}, spec: {minReplicas: 1, maxReplicas: 3, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}}`),
	}
	p := policy()
	b.ReportAllocs()
	for b.Loop() {
		if refusals := guard.Check(objects, p); len(refusals) > 0 {
			b.Fatal(refusals)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, rule, path, message string }{
		"an empty object":             {`{}`, guard.RuleObject, "", "empty"},
		"an object without kind":      {`{apiVersion: v1, metadata: {name: a}}`, guard.RuleObject, "apiVersion", `kind ""`},
		"a malformed apiVersion":      {`{apiVersion: a/b/c, kind: X}`, guard.RuleObject, "apiVersion", `"a/b/c"`},
		"a kind that is not a string": {`{apiVersion: v1, kind: [ConfigMap]}`, guard.RuleObject, "apiVersion", ""},
		"an unknown scope":            {`{apiVersion: unknown.example.com/v1, kind: X, metadata: {name: a, $META}}`, guard.RuleScope, "kind", "does not serve X.unknown.example.com"},
		"a cluster-scoped kind":       {`{apiVersion: example.com/v1, kind: ClusterWidget, metadata: {name: a, $META}}`, guard.RuleScope, "kind", "cluster-scoped"},

		"another namespace": {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: kube-system, labels: {$LABELS, platform.towpath.dev/owner-uid: uid-1}}}`, guard.RuleNamespace, "metadata.namespace", `"kube-system"`},
		"no namespace":      {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {$LABELS, platform.towpath.dev/owner-uid: uid-1}}}`, guard.RuleNamespace, "metadata.namespace", `""`},
		"a namespace list":  {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: [shop-prod], labels: {$LABELS, platform.towpath.dev/owner-uid: uid-1}}}`, guard.RuleNamespace, "metadata.namespace", "not a string"},

		"no metadata":         {`{apiVersion: v1, kind: ConfigMap}`, guard.RuleMetadata, "metadata", "name"},
		"no name":             {`{apiVersion: v1, kind: ConfigMap, metadata: {$META}}`, guard.RuleName, "metadata.name", `""`},
		"a path for a name":   {`{apiVersion: v1, kind: ConfigMap, metadata: {name: ../../secrets/x, $META}}`, guard.RuleName, "metadata.name", "../../secrets/x"},
		"an upper-case name":  {`{apiVersion: v1, kind: ConfigMap, metadata: {name: A, $META}}`, guard.RuleName, "metadata.name", `"A"`},
		"a generated name":    {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, generateName: a-, $META}}`, guard.RuleMetadata, "metadata.generateName", "must not set"},
		"an owner":            {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, $META, ownerReferences: []}}`, guard.RuleMetadata, "metadata.ownerReferences", "must not set"},
		"a finalizer":         {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, $META, finalizers: [x/y]}}`, guard.RuleMetadata, "metadata.finalizers", "must not set"},
		"a uid":               {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, $META, uid: b}}`, guard.RuleMetadata, "metadata.uid", "must not set"},
		"a resourceVersion":   {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, $META, resourceVersion: "1"}}`, guard.RuleMetadata, "metadata.resourceVersion", "must not set"},
		"managed fields":      {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, $META, managedFields: []}}`, guard.RuleMetadata, "metadata.managedFields", "must not set"},
		"a status":            {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, $META}, status: {}}`, guard.RuleStatus, "status", "must not set"},
		"a finalizer on pods": {strings.Replace(deployment, "$TEMPLATE", "metadata: {finalizers: [x/y], labels: {$LABELS}}", 1), guard.RuleMetadata, "spec.template.metadata.finalizers", "take it out"},

		"a missing label":                   {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop-prod, labels: {$LABELS}}}`, guard.RuleLabels, "metadata.labels[platform.towpath.dev/owner-uid]", "missing"},
		"a forged owner":                    {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop-prod, labels: {$LABELS, platform.towpath.dev/owner-uid: uid-2}}}`, guard.RuleLabels, "metadata.labels[platform.towpath.dev/owner-uid]", `"uid-2"`},
		"a forged managed-by":               {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop-prod, labels: {app.kubernetes.io/managed-by: helm, platform.towpath.dev/team: shop, platform.towpath.dev/component: checkout, platform.towpath.dev/environment: prod, platform.towpath.dev/owner-uid: uid-1}}}`, guard.RuleLabels, "metadata.labels[app.kubernetes.io/managed-by]", `"helm"`},
		"a further label of the prefix":     {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop-prod, labels: {platform.towpath.dev/x: y, $LABELS, platform.towpath.dev/owner-uid: uid-1}}}`, guard.RuleLabels, "metadata.labels[platform.towpath.dev/x]", "Towpath's"},
		"labels that are no object":         {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop-prod, labels: [a]}}`, guard.RuleLabels, "metadata.labels[platform.towpath.dev/team]", "missing"},
		"an annotation of the prefix":       {`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, $META, annotations: {platform.towpath.dev/home: x/y}}}`, guard.RuleAnnotations, "metadata.annotations[platform.towpath.dev/home]", "Towpath's"},
		"a missing label on pods":           {strings.Replace(deployment, "$TEMPLATE", "metadata: {labels: {a: b}}", 1), guard.RuleLabels, "spec.template.metadata.labels[platform.towpath.dev/team]", "missing"},
		"an owner on pods":                  {strings.Replace(deployment, "$TEMPLATE", "metadata: {labels: {$LABELS, platform.towpath.dev/owner-uid: uid-1}}", 1), guard.RuleLabels, "spec.template.metadata.labels[platform.towpath.dev/owner-uid]", "on the object alone"},
		"a forged label on pods":            {strings.Replace(deployment, "$TEMPLATE", "metadata: {labels: {app.kubernetes.io/managed-by: towpath, platform.towpath.dev/team: other, platform.towpath.dev/component: checkout, platform.towpath.dev/environment: prod}}", 1), guard.RuleLabels, "spec.template.metadata.labels[platform.towpath.dev/team]", `"other"`},
		"an annotation on pods":             {strings.Replace(deployment, "$TEMPLATE", "metadata: {annotations: {platform.towpath.dev/x: y}, labels: {$LABELS}}", 1), guard.RuleAnnotations, "spec.template.metadata.annotations[platform.towpath.dev/x]", "Towpath's"},
		"a forged label on claims":          {`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}, volumeClaimTemplates: [{metadata: {labels: {platform.towpath.dev/team: other}}}]}}`, guard.RuleLabels, "spec.volumeClaimTemplates[0].metadata.labels[platform.towpath.dev/team]", `"other"`},
		"an owner on jobs":                  {`{apiVersion: batch/v1, kind: CronJob, metadata: {name: a, $META}, spec: {jobTemplate: {metadata: {labels: {platform.towpath.dev/owner-uid: uid-1}}, spec: {template: {$TEMPLATE, spec: $POD}}}}}`, guard.RuleLabels, "spec.jobTemplate.metadata.labels[platform.towpath.dev/owner-uid]", "on the object alone"},
		"a label that an operator inherits": {`{apiVersion: example.com/v1, kind: Cluster, metadata: {name: a, $META}, spec: {inheritedMetadata: {labels: {platform.towpath.dev/team: other}}}}`, guard.RuleLabels, "spec.inheritedMetadata.labels[platform.towpath.dev/team]", `"other"`},

		"a Service of an external name":           {`{apiVersion: v1, kind: Service, metadata: {name: a, $META}, spec: {type: ExternalName}}`, guard.RuleService, "spec.type", "ExternalName"},
		"an external name":                        {`{apiVersion: v1, kind: Service, metadata: {name: a, $META}, spec: {externalName: db.other.svc}}`, guard.RuleService, "spec.externalName", "db.other.svc"},
		"external addresses":                      {`{apiVersion: v1, kind: Service, metadata: {name: a, $META}, spec: {externalIPs: [10.0.0.1]}}`, guard.RuleService, "spec.externalIPs", "whole cluster"},
		"a claim of a named volume":               {`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, $META}, spec: {volumeName: pv-1}}`, guard.RuleVolumeClaims, "spec.volumeName", "pv-1"},
		"a claim of volumes by label":             {`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, $META}, spec: {selector: {matchLabels: {team: other}}}}`, guard.RuleVolumeClaims, "spec.selector", "take the selector out"},
		"a claim by a selector that is none":      {`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, $META}, spec: {selector: text}}`, guard.RuleVolumeClaims, "spec.selector", "take the selector out"},
		"a claim template of volumes by label":    {`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}, volumeClaimTemplates: [{spec: {}}, {spec: {selector: {matchExpressions: [{key: team, operator: Exists}]}}}]}}`, guard.RuleVolumeClaims, "spec.volumeClaimTemplates[1].spec.selector", "choose among the volumes"},
		"an ephemeral claim of volumes by label":  {deploymentWith("volumes: [{name: tmp, ephemeral: {volumeClaimTemplate: {spec: {selector: {matchLabels: {team: other}}}}}}]"), guard.RuleVolumeClaims, "spec.template.spec.volumes[0].ephemeral.volumeClaimTemplate.spec.selector", "choose among the volumes"},
		"a claim on another namespace":            {`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, $META}, spec: {dataSourceRef: {namespace: other}}}`, guard.RuleVolumeClaims, "spec.dataSourceRef.namespace", "other"},
		"a claim template of a volume":            {`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}, volumeClaimTemplates: [{spec: {volumeName: pv-1}}]}}`, guard.RuleVolumeClaims, "spec.volumeClaimTemplates[0].spec.volumeName", "pv-1"},
		"an ephemeral claim of a volume":          {deploymentWith("volumes: [{name: tmp, ephemeral: {volumeClaimTemplate: {spec: {volumeName: pv-1}}}}]"), guard.RuleVolumeClaims, "spec.template.spec.volumes[0].ephemeral.volumeClaimTemplate.spec.volumeName", "pv-1"},
		"a pod past the scheduler":                {deploymentWith("nodeName: control-plane"), guard.RuleScheduling, "spec.template.spec.nodeName", "control-plane"},
		"a priority of the cluster":               {deploymentWith("priorityClassName: system-node-critical"), guard.RuleScheduling, "spec.template.spec.priorityClassName", "system-node-critical"},
		"a pod template that is not one":          {`{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, $META}, spec: {template: text}}`, guard.RulePodSecurity, "spec.template", "must be an object"},
		"an amount that nobody can reckon with":   {deploymentWith("initContainers: [{name: a, image: b, resources: {requests: {cpu: \"1e-999999999\"}}}]"), guard.RuleAmount, "spec.template.spec.initContainers[0].resources.requests.cpu", "1e-999999999"},
		"an overhead that nobody can reckon with": {deploymentWith("overhead: {memory: \"1e999999999\"}"), guard.RuleAmount, "spec.template.spec.overhead.memory", "at most two digits"},
		"a size that nobody can reckon with":      {deploymentWith("volumes: [{name: a, emptyDir: {sizeLimit: \"0e999999999\"}}]"), guard.RuleAmount, "spec.template.spec.volumes[0].emptyDir.sizeLimit", "exponent"},
		"a claim that nobody can reckon with":     {`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, $META}, spec: {resources: {requests: {storage: "1e-999999999"}}}}`, guard.RuleAmount, "spec.resources.requests.storage", "exponent"},
		"an amount of a pod below limits":         {`{apiVersion: example.com/v1, kind: Pool, metadata: {name: a, $META}, spec: {limits: {x: {template: {spec: {containers: [{name: a, image: b, resources: {requests: {cpu: "1e-999999999"}}}]}}}}}}`, guard.RuleAmount, "spec.limits.x.template.spec.containers[0].resources.requests.cpu", "exponent"},
		"an amount of a pod listed in requests":   {`{apiVersion: example.com/v1, kind: Pool, metadata: {name: a, $META}, spec: {requests: {x: [{sizeLimit: "1e999999999"}]}}}`, guard.RuleAmount, "spec.requests.x[0].sizeLimit", "exponent"},
		"a pod that cannot be read":               {deploymentWith("hostNetwork: maybe"), guard.RulePodSecurity, "spec.template", "cannot be read"},
		"a custom pod at its root":                {`{apiVersion: example.com/v1, kind: Widget, metadata: {name: a, $META}, spec: {containers: [{name: a, image: b, securityContext: {privileged: true}}]}}`, guard.RulePodSecurity, "spec", "privileged"},
		"a custom pod further down":               {`{apiVersion: example.com/v1, kind: Set, metadata: {name: a, $META}, spec: {jobs: [{template: {spec: {template: {spec: {hostNetwork: true, containers: [{name: a, image: b}]}}}}}]}}`, guard.RulePodSecurity, "spec.jobs[0].template.spec.template.spec", "host namespaces"},
		"a custom pod under its own name":         {`{apiVersion: example.com/v1, kind: Widget, metadata: {name: a, $META}, spec: {podspec: {hostPID: true, initContainers: [{name: a, image: b}]}}}`, guard.RulePodSecurity, "spec.podspec.spec", "host namespaces"},
		"a custom pod template, unlabelled":       {`{apiVersion: example.com/v1, kind: Rollout, metadata: {name: a, $META}, spec: {template: {spec: $POD}}}`, guard.RuleLabels, "spec.template.metadata.labels[platform.towpath.dev/team]", "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, guard.Check([]guard.Object{object(t, c.text)}, policy()), c.rule, c.path, c.message)
		})
	}
}

// expect finds one refusal.
func expect(t *testing.T, refusals []guard.Refusal, rule, path, message string) {
	t.Helper()
	for _, r := range refusals {
		if r.Rule == rule && r.Path == path && strings.Contains(r.Message, message) {
			return
		}
	}
	t.Errorf("want rule %s at %s with %q, have %v", rule, path, message, refusals)
}

func TestRefusesForbiddenKinds(t *testing.T) {
	for _, kind := range []string{
		"v1, kind: Secret", "v1, kind: Namespace", "v1, kind: Node", "v1, kind: PersistentVolume", "v1, kind: Pod", "v1, kind: Binding",
		"v1, kind: Event", "v1, kind: Endpoints", "v1, kind: LimitRange", "v1, kind: ResourceQuota",
		"apps/v1, kind: ControllerRevision", "policy/v1, kind: Eviction", "autoscaling/v1, kind: Scale",
		"rbac.authorization.k8s.io/v1, kind: RoleBinding", "rbac.authorization.k8s.io/v9, kind: Anything", "apiextensions.k8s.io/v1, kind: CustomResourceDefinition",
		"admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration", "apiregistration.k8s.io/v1, kind: APIService",
		"certificates.k8s.io/v1, kind: CertificateSigningRequest", "authentication.k8s.io/v1, kind: TokenRequest", "authorization.k8s.io/v1, kind: LocalSubjectAccessReview",
		"coordination.k8s.io/v1, kind: Lease", "discovery.k8s.io/v1, kind: EndpointSlice", "events.k8s.io/v1, kind: Event",
		"scheduling.k8s.io/v1, kind: PriorityClass", "storage.k8s.io/v1, kind: StorageClass", "node.k8s.io/v1, kind: RuntimeClass",
		"platform.towpath.dev/v1alpha1, kind: Release", "flowcontrol.apiserver.k8s.io/v1, kind: FlowSchema",
	} {
		t.Run(kind, func(t *testing.T) {
			refusals := guard.Check([]guard.Object{object(t, `{apiVersion: `+kind+`, metadata: {name: a, $META}}`)}, policy())
			expect(t, refusals, guard.RuleKind, "kind", "must not be templated")
		})
	}
}

// Each kind with a pod template, and each way out of the pod.
func TestHoldsEveryPodTemplateToTheLevel(t *testing.T) {
	ways := map[string]struct{ pod, message string }{
		"hostPath":    {`{automountServiceAccountToken: false, volumes: [{name: h, hostPath: {path: /}}], containers: [{name: a, image: b}]}`, "hostPath"},
		"hostNetwork": {`{automountServiceAccountToken: false, hostNetwork: true, containers: [{name: a, image: b}]}`, "host namespaces"},
		"privileged":  {`{automountServiceAccountToken: false, containers: [{name: a, image: b, securityContext: {privileged: true}}]}`, "privileged"},
		"init":        {`{automountServiceAccountToken: false, initContainers: [{name: a, image: b, securityContext: {privileged: true}}], containers: [{name: a, image: b}]}`, "privileged"},
	}
	kinds := map[string]struct{ text, path string }{
		"Deployment":            {`{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}`, "spec.template.spec"},
		"StatefulSet":           {`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}`, "spec.template.spec"},
		"DaemonSet":             {`{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}`, "spec.template.spec"},
		"ReplicaSet":            {`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}`, "spec.template.spec"},
		"ReplicationController": {`{apiVersion: v1, kind: ReplicationController, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}`, "spec.template.spec"},
		"Job":                   {`{apiVersion: batch/v1, kind: Job, metadata: {name: a, $META}, spec: {template: {$TEMPLATE, spec: $POD}}}`, "spec.template.spec"},
		"CronJob":               {`{apiVersion: batch/v1, kind: CronJob, metadata: {name: a, $META}, spec: {jobTemplate: {spec: {template: {$TEMPLATE, spec: $POD}}}}}`, "spec.jobTemplate.spec.template.spec"},
		"PodTemplate":           {`{apiVersion: v1, kind: PodTemplate, metadata: {name: a, $META}, template: {$TEMPLATE, spec: $POD}}`, "template.spec"},
		"ScaledJob":             {`{apiVersion: keda.sh/v1alpha1, kind: ScaledJob, metadata: {name: a, $META}, spec: {jobTargetRef: {template: {spec: $POD}}}}`, "spec.jobTargetRef.template.spec"},
	}
	for kind, k := range kinds {
		t.Run(kind, func(t *testing.T) {
			if refusals := guard.Check([]guard.Object{object(t, k.text)}, policy()); len(refusals) > 0 {
				t.Errorf("a restricted pod is refused: %v", refusals)
			}
			for _, way := range ways {
				bad := object(t, strings.Replace(k.text, "$POD", way.pod, 1))
				for _, level := range []platformv1alpha1.PodSecurityLevel{platformv1alpha1.PodSecurityRestricted, platformv1alpha1.PodSecurityBaseline, "", "typo"} {
					p := policy()
					p.PodSecurity = level
					expect(t, guard.Check([]guard.Object{bad}, p), guard.RulePodSecurity, k.path, way.message)
				}
				p := policy()
				p.PodSecurity = platformv1alpha1.PodSecurityPrivileged
				if refusals := guard.Check([]guard.Object{bad}, p); len(refusals) > 0 {
					t.Errorf("level Privileged refuses: %v", refusals)
				}
			}
		})
	}
}

func TestSchedulingIsHeldAtEveryLevel(t *testing.T) {
	for _, level := range []platformv1alpha1.PodSecurityLevel{
		platformv1alpha1.PodSecurityRestricted, platformv1alpha1.PodSecurityBaseline, platformv1alpha1.PodSecurityPrivileged,
	} {
		p := policy()
		p.PodSecurity = level
		expect(t, guard.Check([]guard.Object{object(t, deploymentWith("nodeName: control-plane"))}, p), guard.RuleScheduling, "spec.template.spec.nodeName", "control-plane")
		expect(t, guard.Check([]guard.Object{object(t, deploymentWith("priorityClassName: system-node-critical"))}, p), guard.RuleScheduling, "spec.template.spec.priorityClassName", "system-node-critical")
	}
}

func TestBaselineAcceptsWhatRestrictedRefuses(t *testing.T) {
	root := object(t, strings.Replace(deployment, "$POD", "{automountServiceAccountToken: false, containers: [{name: a, image: b}]}", 1))
	expect(t, guard.Check([]guard.Object{root}, policy()), guard.RulePodSecurity, "spec.template.spec", "runAsNonRoot")
	p := policy()
	p.PodSecurity = platformv1alpha1.PodSecurityBaseline
	if refusals := guard.Check([]guard.Object{root}, p); len(refusals) > 0 {
		t.Errorf("refused: %v", refusals)
	}
}

func TestRefusesTwoObjectsOfOneName(t *testing.T) {
	first, second := object(t, configMap), object(t, configMap)
	second.Resource = "other"
	expect(t, guard.Check([]guard.Object{first, second}, policy()), guard.RuleDuplicate, "metadata.name", "resource thing")
	different := object(t, strings.Replace(configMap, "name: a", "name: b", 1))
	service := object(t, strings.Replace(configMap, "ConfigMap", "Service", 1))
	if refusals := guard.Check([]guard.Object{first, different, service}, policy()); len(refusals) > 0 {
		t.Errorf("refused: %v", refusals)
	}
}

func TestVersionsOfAKindAreOneObject(t *testing.T) {
	newer := object(t, `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a, $META}}`)
	older := object(t, `{apiVersion: autoscaling/v1, kind: HorizontalPodAutoscaler, metadata: {name: a, $META}}`)
	expect(t, guard.Check([]guard.Object{newer, older}, policy()), guard.RuleDuplicate, "metadata.name", "same kind and name")
}

func TestNilPolicyAndNilObjectAreRefused(t *testing.T) {
	expect(t, guard.Check([]guard.Object{object(t, configMap)}, guard.Policy{}), guard.RuleScope, "kind", "not known")
	expect(t, guard.Check([]guard.Object{{Resource: "thing"}}, policy()), guard.RuleObject, "", "empty")
}

func TestErrorNamesObjectPathValueAndNextStep(t *testing.T) {
	refusals := guard.Check([]guard.Object{object(t, `{apiVersion: v1, kind: Service, metadata: {name: a, $META}, spec: {externalName: db}}`)}, policy())
	if len(refusals) != 1 {
		t.Fatalf("refusals: %v", refusals)
	}
	want := `Service a (resource thing): spec.externalName: "db": external names must not be set; use a Service with a selector`
	if got := refusals[0].Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCheckLeavesTheObjectAlone(t *testing.T) {
	checked := object(t, deployment)
	before := checked.Object.DeepCopy()
	guard.Check([]guard.Object{checked}, policy())
	got, _ := json.Marshal(checked.Object.Object)
	want, _ := json.Marshal(before.Object)
	if string(got) != string(want) {
		t.Errorf("changed to %s", got)
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{}`, `null`, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"a":1}}}`,
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":[],"spec":{"template":{"spec":{"containers":[null,{"name":1}]}}}}`,
		`{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"a"},"spec":{"jobTemplate":{"spec":{"template":{"metadata":{"labels":[]},"spec":{"volumes":[1,{"ephemeral":[]}]}}}}}}`,
		`{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"externalIPs":"x","type":1,"externalName":[]}}`,
		`{"apiVersion":"x.y/v1","kind":"Z","metadata":{"name":"a"},"spec":{"a":[{"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}]}}`,
	} {
		f.Add(seed, "shop-prod")
	}
	f.Fuzz(func(t *testing.T, text, namespace string) {
		var content map[string]any
		if json.Unmarshal([]byte(text), &content) != nil {
			t.Skip()
		}
		p := policy()
		p.Namespace = namespace
		before, _ := json.Marshal(content)
		o := guard.Object{Resource: "thing", Object: &unstructured.Unstructured{Object: content}}
		refusals := guard.Check([]guard.Object{o, o}, p)
		if after, _ := json.Marshal(content); string(after) != string(before) {
			t.Error("the object was changed")
		}
		for _, r := range refusals {
			if r.Error() == "" || r.Rule == "" {
				t.Errorf("empty refusal %+v", r)
			}
		}
		// Whatever is accepted is in the namespace and bears every label.
		if len(refusals) == 0 && (o.Object.GetNamespace() != namespace || !maps.Equal(subset(o.Object.GetLabels(), p.Labels), p.Labels)) {
			t.Errorf("accepted %s", before)
		}
	})
}

func subset(labels, keys map[string]string) map[string]string {
	result := map[string]string{}
	for key := range keys {
		if value, ok := labels[key]; ok {
			result[key] = value
		}
	}
	return result
}
