package tenancy_test

import (
	"context"
	"maps"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// wide is a golden path that opens as much as a template can, but for the resource narrow, of which it opens one field.
const wide = "tenancy-wide"

// opened are the open paths by resource. What is wider still, such as spec.template.spec, cannot be opened.
var opened = map[string][]string{
	"deployment": {
		"metadata.labels", "metadata.annotations", "spec.strategy", "spec.template.metadata.labels", "spec.template.metadata.annotations",
		"spec.template.spec.containers", "spec.template.spec.initContainers", "spec.template.spec.volumes", "spec.template.spec.securityContext",
		"spec.template.spec.priorityClassName", "spec.template.spec.nodeSelector", "spec.template.spec.affinity",
	},
	"narrow":  {"spec.template.spec.containers[name=app].resources"},
	"config":  {"metadata.labels", "metadata.annotations", "data"},
	"service": {"spec.type", "spec.ports"},
	"claim":   {"spec.resources"},
	"network": {"spec.ingress"},
	"account": {"metadata.labels"},
}

func wideTemplate() *platformv1alpha1.ServiceTemplate {
	deployment := func(id, suffix string) platformv1alpha1.ResourceTemplate {
		return framework.Resource(id, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}`+suffix+`"}
spec:
  selector: {matchLabels: {example.com/one: "${component.name}`+suffix+`"}}
  template:
    metadata: {labels: {example.com/one: "${component.name}`+suffix+`"}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers: [`+container("")+`]
`)
	}
	t := framework.Template(wide, deployment("deployment", ""), deployment("narrow", "-narrow"),
		framework.Resource("config", `{apiVersion: v1, kind: ConfigMap, metadata: {name: "${component.name}"}, data: {text: made}}`),
		framework.Resource("service", `{apiVersion: v1, kind: Service, metadata: {name: "${component.name}"}, spec: {selector: {example.com/one: x}, ports: [{port: 80}]}}`),
		framework.Resource("claim", `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: "${component.name}"}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`),
		framework.Resource("network", `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: "${component.name}"}
spec: {podSelector: {matchLabels: {example.com/one: x}}, policyTypes: [Ingress]}
`),
		framework.Resource("account", `{apiVersion: v1, kind: ServiceAccount, metadata: {name: "${component.name}"}, automountServiceAccountToken: false}`))
	t.Spec.Overrides = &platformv1alpha1.TemplateOverrides{}
	for resource, paths := range opened {
		for _, path := range paths {
			t.Spec.Overrides.Allow = append(t.Spec.Overrides.Allow, platformv1alpha1.OpenPath{Resource: resource, Path: path})
		}
	}
	return t
}

// overridden is what a tenant puts into an override.
type overridden struct {
	what, patch string
	// resource that is overridden; deployment, if empty.
	resource string
	// refused is what is said at admission, and again by the controller where that was passed by. Empty: the path is
	// open, and the guard refuses what it leads to, with guarded.
	refused, guarded string
	// harmless is the same form with something that is let in: the control of what no API server would take either.
	harmless string
	// next is the wall behind; see templated.
	next string
	// strategic says that the directive means something in a strategic merge patch, and is the control as one.
	strategic bool
}

func inPods(fields string) string { return "spec: {template: {spec: {" + fields + "}}}" }

func inContainer(fields string) string { return inPods("containers: [{name: app, " + fields + "}]") }

var overriddens = []overridden{
	{what: "a path of the node", patch: inPods("volumes: [{name: x, hostPath: {path: /}}]"), refused: "volumes[name=x].hostPath.path, which is never open"},
	{what: "a privileged container", patch: inContainer("securityContext: {privileged: true, allowPrivilegeEscalation: true}"), refused: "privileged, which is never open"},
	{what: "a privileged init container", patch: inPods(`initContainers: [{name: init, image: "app:1", securityContext: {privileged: true}}]`), refused: "privileged, which is never open"},
	{what: "the node's network", patch: inPods("hostNetwork: true"), refused: "hostNetwork, which is never open"},
	{what: "the node's processes", patch: inPods("hostPID: true"), refused: "hostPID, which is never open"},
	{what: "the node's IPC", patch: inPods("hostIPC: true"), refused: "hostIPC, which is never open"},
	{what: "the node's users", patch: inPods("hostUsers: true"), refused: "hostUsers, which is never open"},
	{what: "an address of the node", patch: inContainer("ports: [{containerPort: 80, hostIP: 10.0.0.1}]"), refused: "hostIP, which is never open"},
	{what: "a process of a Windows node", refused: "hostProcess, which is never open",
		patch: inPods(`hostNetwork: true, securityContext: {windowsOptions: {hostProcess: true, runAsUserName: 'NT AUTHORITY\SYSTEM'}}`)},
	{what: "a capability", patch: inContainer("securityContext: {capabilities: {add: [SYS_ADMIN]}}"), refused: "capabilities.add, which is never open"},
	{what: "a port of the node", patch: inContainer("ports: [{containerPort: 80, hostPort: 80}]"), refused: "hostPort, which is never open"},
	{what: "a node of choice", patch: inPods("nodeName: master"), refused: "nodeName, which is never open"},
	{what: "a token of the API server", patch: inPods("automountServiceAccountToken: true"), refused: "automountServiceAccountToken, which is never open"},
	{what: "a token by a projection", patch: inPods("volumes: [{name: x, projected: {sources: [{serviceAccountToken: {path: token}}]}}]"), refused: "it may hold a token"},
	{what: "the account of another Component", patch: inPods("serviceAccountName: theirs"), refused: "serviceAccountName, which is never open"},
	{what: "the account of another Component, by its older name", patch: inPods("serviceAccount: theirs"), refused: "serviceAccount, which is never open"},

	{what: "root", patch: inPods("securityContext: {runAsUser: 0}"), guarded: "runAsUser=0"},
	{what: "more rights by a program", patch: inContainer("securityContext: {allowPrivilegeEscalation: true}"), guarded: "allowPrivilegeEscalation"},
	{what: "all system calls", patch: inContainer("securityContext: {seccompProfile: {type: Unconfined}}"), guarded: "seccompProfile"},
	{what: "a setting of the node's kernel", patch: inPods(`securityContext: {sysctls: [{name: kernel.msgmax, value: "1"}]}`), guarded: "sysctls"},
	{what: "a further container without security", patch: inPods(`containers: [{name: side, image: "app:1"}]`), guarded: "allowPrivilegeEscalation"},
	{what: "the priority of the cluster's own pods", patch: inPods("priorityClassName: system-node-critical"), guarded: "priorityClassName"},
	{what: "a volume of somebody else", guarded: "volumeName",
		patch: inPods("volumes: [{name: x, ephemeral: {volumeClaimTemplate: {spec: {volumeName: theirs, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]")},
	{what: "volumes by their labels", guarded: "volumeClaimTemplate.spec.selector",
		patch: inPods("volumes: [{name: x, ephemeral: {volumeClaimTemplate: {spec: {selector: {matchLabels: {team: other}}, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]")},
	{what: "another team's label on a claim", refused: "Towpath sets it",
		patch: inPods("volumes: [{name: x, ephemeral: {volumeClaimTemplate: {metadata: {labels: {platform.towpath.dev/team: other}}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}}]")},

	{what: "a volume of somebody else, by a claim", resource: "claim", patch: "spec: {volumeName: theirs}", refused: "spec.volumeName, which is never open"},
	{what: "volumes by their labels, by a claim", resource: "claim", patch: "spec: {selector: {matchLabels: {team: other}}}", refused: "spec.selector, which is never open",
		harmless: "spec: {resources: {requests: {storage: 2Gi}}}"},
	{what: "a Service that leads to another team's", resource: "service", patch: "spec: {type: ExternalName, externalName: orders.other.svc}", refused: "spec.externalName, which is never open"},
	{what: "a Service of external addresses", resource: "service", patch: "spec: {externalIPs: [203.0.113.1]}", refused: "spec.externalIPs, which is never open"},
	{what: "a Service of other pods", resource: "service", patch: "spec: {selector: {app: theirs}}", refused: "spec.selector, which is never open"},
	{what: "a forged status", resource: "service", patch: "status: {loadBalancer: {ingress: [{ip: 203.0.113.1}]}}", refused: "status.loadBalancer.ingress, which is never open"},
	{what: "a NetworkPolicy of other pods", resource: "network", patch: "spec: {podSelector: {matchLabels: {app: theirs}}}", refused: "spec.podSelector, which is never open"},
	{what: "tokens for whatever runs as an account", resource: "account", patch: "automountServiceAccountToken: true", refused: "automountServiceAccountToken, which is never open"},

	{what: "another team's label", patch: "metadata: {labels: {platform.towpath.dev/team: other}}", refused: "Towpath sets it"},
	{what: "another cost centre's label on pods", patch: "spec: {template: {metadata: {labels: {platform.towpath.dev/cost-center: other}}}}", refused: "Towpath sets it"},
	{what: "another manager's label", resource: "config", patch: "metadata: {labels: {app.kubernetes.io/managed-by: Helm}}", refused: "Towpath sets it"},
	{what: "a consent by annotation", resource: "config", patch: "metadata: {annotations: {platform.towpath.dev/adopt-by: orders}}", refused: "Towpath sets it"},
	{what: "another name", resource: "config", patch: "metadata: {name: other}", refused: "metadata.name, which is never open"},
	{what: "another namespace", resource: "config", patch: "metadata: {namespace: kube-system}", refused: "metadata.namespace, which is never open", next: "towpath-appliers"},
	{what: "another kind", resource: "config", patch: "kind: Secret", refused: "kind, which is never open"},
	{what: "another API", patch: "apiVersion: apps/v1", refused: "apiVersion, which is never open"},
	{what: "an owner reference out", resource: "config", refused: "metadata.ownerReferences[uid=x].uid, which is never open",
		patch: "metadata: {ownerReferences: [{apiVersion: v1, kind: Namespace, name: kube-system, uid: x}]}"},
	{what: "a finalizer that nobody takes off", resource: "config", patch: "metadata: {finalizers: [example.com/stuck]}", refused: "which is never open"},

	{what: "a directive that replaces", patch: inPods("containers: [{$patch: replace}, " + container("") + "]"), refused: `holds the key "$patch"`, strategic: true},
	{what: "a directive that deletes", patch: inContainer("securityContext: {$patch: delete}"), refused: `holds the key "$patch"`, strategic: true},
	{what: "a directive that keeps some keys", patch: "spec: {strategy: {$retainKeys: [type], type: Recreate}}", refused: `holds the key "$retainKeys"`, strategic: true},
	{what: "a directive beside the list", patch: inPods("$setElementOrder/containers: [{name: app}], containers: [{name: app}]"), refused: "directives such as $patch", strategic: true},
	{what: "null, which takes away", patch: inPods("securityContext: null"), refused: "to null", strategic: true},

	{what: "another element than the open one", resource: "narrow", patch: inPods("containers: [" + container("") + ", {name: side, image: \"evil:1\"}]"), refused: "does not open"},
	{what: "a field beside the open one", resource: "narrow", patch: inContainer(`resources: {limits: {memory: 1Gi}}, image: "evil:1"`), refused: "does not open"},
	{what: "an element twice, once open and once not", resource: "narrow", refused: "cannot be read",
		patch:    inPods(`containers: [{name: app, resources: {limits: {memory: 1Gi}}}, {name: app, image: "evil:1"}]`),
		harmless: inContainer("resources: {limits: {memory: 1Gi}}")},
	{what: "an element without its key", patch: inPods(`containers: [{image: "evil:1"}]`), refused: "cannot be read", harmless: inContainer(`image: "app:2"`)},
	{what: "an element whose key is no text", patch: inPods(`containers: [{name: [app], image: "evil:1"}]`), refused: "the field takes string", harmless: inContainer(`image: "app:2"`)},
	{what: "a map in place of the list", patch: inPods(`containers: {app: {image: "evil:1"}}`), refused: "the field takes array", harmless: inContainer(`image: "app:2"`)},
	{what: "a field that the kind does not have", patch: inPods(`containerz: [{name: app, image: "evil:1"}]`), refused: "has no such field", harmless: inContainer(`image: "app:2"`)},
}

func (o *overridden) override() platformv1alpha1.Override {
	resource := o.resource
	if resource == "" {
		resource = "deployment"
	}
	return platformv1alpha1.Override{Resource: resource, Patch: *framework.JSON(o.patch), Reason: "An attack."}
}

var _ = Describe("What a tenant overrides", Ordered, ContinueOnFailure, func() {
	var living *platformv1alpha1.Component
	BeforeAll(func(ctx context.Context) {
		publish(ctx, wideTemplate())
		living = framework.Component(evil.home, framework.Name("wide-"), wide, "dev")
		Expect(mallory.Create(ctx, living)).To(Succeed())
		Eventually(ctx, func(ctx context.Context) string { return bytesOf(ctx, made(living, "narrow")) }).ShouldNot(BeEmpty())
		for resource := range opened {
			Eventually(ctx, func(ctx context.Context) string { return bytesOf(ctx, made(living, resource)) }).ShouldNot(BeEmpty())
		}
	})
	// with is a new Component with that override.
	with := func(o platformv1alpha1.Override) *platformv1alpha1.Component {
		c := framework.Component(evil.home, framework.Name("c"), wide, "dev")
		c.Spec.Overrides = []platformv1alpha1.Override{o}
		return c
	}

	for _, o := range overriddens {
		It("is stopped: "+o.what, func(ctx context.Context) {
			component, reason, says := with(o.override()), platformv1alpha1.ReasonRefused, o.guarded
			if o.refused != "" {
				reason, says = platformv1alpha1.ReasonOverrideRefused, o.refused
				refused := And(WithTransform(apierrors.IsInvalid, BeTrue()), MatchError(ContainSubstring(o.refused)))
				Expect(mallory.Create(ctx, component)).To(refused)
				Eventually(ctx, func(ctx context.Context) error {
					changed, err := framework.Read(mallory, living)(ctx)
					if err != nil {
						return err
					}
					changed.Spec.Overrides = component.Spec.Overrides
					return mallory.Update(ctx, changed)
				}).Should(refused, "by a change; the manager may have written meanwhile")

				By("making no Release either where the webhook was passed by")
				component = with(o.override())
				component.Labels = map[string]string{framework.LabelUnchecked: ""}
			}
			Expect(mallory.Create(ctx, component)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, component)).To(Succeed()) })
			Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(reason, says))
			var releases platformv1alpha1.ReleaseList
			Expect(admin.List(ctx, &releases, client.InNamespace(evil.home), client.MatchingLabels{platformv1alpha1.LabelComponent: component.Name})).To(Succeed())
			Expect(releases.Items).To(BeEmpty(), "what is refused is not even written down")
			for resource := range opened {
				Expect(bytesOf(ctx, made(component, resource))).To(BeEmpty())
			}
		})

		It("would be applied otherwise, or meets the next wall: "+o.what, func(ctx context.Context) {
			if o.harmless != "" {
				let := o
				let.patch = o.harmless
				Expect(mallory.Create(ctx, with(let.override()), client.DryRunAll)).To(Succeed())
				return
			}
			live := made(living, o.override().Resource)
			var err error
			if o.strategic {
				err = applier.Patch(ctx, live, client.RawPatch(types.StrategicMergePatchType, o.override().Patch.Raw), client.DryRunAll)
			} else {
				intent := client.ApplyConfigurationFromUnstructured(patched(ctx, live, o.patch))
				err = applier.Apply(ctx, intent, client.FieldOwner("tenancy-control"), client.ForceOwnership, client.DryRunAll)
			}
			if o.next != "" {
				Expect(err).To(byPolicy(o.next).says)
				return
			}
			Expect(err).NotTo(HaveOccurred())
		})
	}

	It("is the only thing that is refused: the same paths take what is harmless, and no expression in it means anything", func(ctx context.Context) {
		component := with(platformv1alpha1.Override{Resource: "config", Reason: "A test.", Patch: *framework.JSON(
			`{metadata: {labels: {example.com/mine: 'yes'}, annotations: {example.com/mine: 'yes'}}, data: {more: "${environment.name}"}}`)})
		component.Spec.Overrides = append(component.Spec.Overrides, platformv1alpha1.Override{Resource: "deployment", Reason: "A test.", Patch: *framework.JSON(
			`{metadata: {labels: {example.com/mine: 'yes'}}, spec: {strategy: {type: Recreate}, template: {metadata: {labels: {example.com/mine: 'yes'}}, spec: {` +
				`volumes: [{name: x, emptyDir: {}}], nodeSelector: {example.com/disk: fast}, securityContext: {runAsUser: 1000}, containers: [{name: app, image: "app:2"}, ` +
				`{name: side, image: "app:1", securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}}}`)})
		Expect(mallory.Create(ctx, component)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, component)).To(Succeed()) })
		Eventually(ctx, func(ctx context.Context) string { return bytesOf(ctx, made(component, "config")) }).Should(
			And(ContainSubstring(`"more":"${environment.name}"`), ContainSubstring("example.com/mine")))
		Eventually(ctx, func(ctx context.Context) string { return bytesOf(ctx, made(component, "deployment")) }).Should(
			And(ContainSubstring("app:2"), ContainSubstring(`"name":"side"`), ContainSubstring("Recreate")))
	})

	It("is not opened wider by any template", func(ctx context.Context) {
		for _, path := range []string{"spec", "spec.template", "spec.template.spec", "metadata", "metadata.name", "kind", "spec.template.spec.hostNetwork", "spec.template.spec.serviceAccountName"} {
			t := wideTemplate()
			t.Name = framework.Name("wider-")
			t.Spec.Overrides.Allow = []platformv1alpha1.OpenPath{{Resource: "deployment", Path: path}}
			Expect(admin.Create(ctx, t, client.DryRunAll)).To(MatchError(Or(ContainSubstring("too wide"), ContainSubstring("never open"), ContainSubstring("only labels and annotations"))), path)
			t.Spec.Overrides.Allow[0].Path = "spec.template.spec.containers"
			Expect(admin.Create(ctx, t, client.DryRunAll)).To(Succeed(), "which is the control")
		}
	})

	It("of a kind without a schema is held to the same, where a list is replaced as a whole", func(ctx context.Context) {
		crd, free := framework.CRD("tenancy.example", "Runner"), true
		crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"] = apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &free}
		Expect(admin.Create(ctx, crd)).To(Succeed())
		const runner = `{apiVersion: tenancy.example/v1, kind: Runner, metadata: {name: "${component.name}"}, spec: {template: {spec: {automountServiceAccountToken: false, ` +
			`securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: app, image: a}]}}}}`
		template := framework.Template(framework.Name("runner-"), framework.Resource("deployment", runner))
		template.Spec.Overrides = &platformv1alpha1.TemplateOverrides{Allow: []platformv1alpha1.OpenPath{
			{Resource: "deployment", Path: "spec.template.spec.containers"}, {Resource: "deployment", Path: "spec.template.spec.volumes"},
		}}
		Eventually(ctx, func(ctx context.Context) error { return admin.Create(ctx, template.DeepCopy()) }).Should(Succeed(), "the kind was defined a moment ago")
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, template)).To(Succeed()) })
		Eventually(ctx, framework.Read(admin, template)).Should(framework.BeReady())

		fine := container("")
		for patch, refused := range map[string]string{
			inPods(`containers: [{name: app, image: "app:1", securityContext: {privileged: true}}]`):                                 "privileged",
			inPods("containers: [" + fine + "], volumes: [{name: x, hostPath: {path: /}}]"):                                          "hostPath",
			inPods("containers: [" + fine + "], volumes: [{name: x, projected: {sources: [{serviceAccountToken: {path: token}}]}}]"): "serviceAccountToken",
		} {
			component := with(platformv1alpha1.Override{Resource: "deployment", Reason: "An attack.", Patch: *framework.JSON(patch)})
			component.Spec.TemplateRef.Name = template.Name
			Expect(mallory.Create(ctx, component)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, component)).To(Succeed()) })
			Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonRefused, refused))
			stray := object(runner)
			stray.SetName(component.Name)
			stray.SetNamespace(evil.work)
			stray.SetLabels(map[string]string{platformv1alpha1.LabelOwnerUID: "forged"})
			maps.Copy(stray.Object, object(patch).Object)
			Expect(applier.Apply(ctx, client.ApplyConfigurationFromUnstructured(stray), client.FieldOwner("towpath-release"), client.DryRunAll)).To(
				Succeed(), "which is the control")
		}
	})
})

// made is what the wide golden path makes of a resource.
func made(component *platformv1alpha1.Component, resource string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("apps/v1")
	u.SetKind("Deployment")
	u.SetNamespace(evil.work)
	u.SetName(component.Name)
	switch resource {
	case "narrow":
		u.SetName(component.Name + "-narrow")
	case "config":
		u.SetAPIVersion("v1")
		u.SetKind("ConfigMap")
	case "service":
		u.SetAPIVersion("v1")
		u.SetKind("Service")
	case "claim":
		u.SetAPIVersion("v1")
		u.SetKind("PersistentVolumeClaim")
	case "network":
		u.SetAPIVersion("networking.k8s.io/v1")
		u.SetKind("NetworkPolicy")
	case "account":
		u.SetAPIVersion("v1")
		u.SetKind("ServiceAccount")
	}
	return u
}

// patched is a patch as an applier would send it past Towpath: to the object that lives, as its owner.
func patched(ctx context.Context, live *unstructured.Unstructured, patch string) *unstructured.Unstructured {
	GinkgoHelper()
	owner := &metav1.PartialObjectMetadata{}
	owner.SetGroupVersionKind(live.GroupVersionKind())
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(live), owner)).To(Succeed())
	live.SetLabels(map[string]string{platformv1alpha1.LabelOwnerUID: owner.Labels[platformv1alpha1.LabelOwnerUID]})
	return &unstructured.Unstructured{Object: onto(live.Object, object(patch).Object)}
}

// onto puts the maps of a patch over those of an object.
func onto(object, patch map[string]any) map[string]any {
	for key, value := range patch {
		below, ok := value.(map[string]any)
		at, has := object[key].(map[string]any)
		if ok && has {
			value = onto(at, below)
		}
		object[key] = value
	}
	return object
}
