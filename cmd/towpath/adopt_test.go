package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/running"
)

const legacy = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: legacy, generation: 4}
spec:
  replicas: 2
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers:
      - {name: app, image: "registry.example/shop/checkout:1", ports: [{name: http, containerPort: 8080}], command: [/run]}
---
apiVersion: v1
kind: Service
metadata: {name: checkout, namespace: legacy}
spec: {selector: {app: checkout}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: legacy}
spec: {selector: {app: other}, ports: [{port: 80}]}
`

func legacyObjects(t *testing.T) []client.Object {
	t.Helper()
	path, _ := webService(t)
	objects := []client.Object{home(), path, &platformv1alpha1.EnvironmentClass{
		ObjectMeta: metav1.ObjectMeta{Name: "production"},
		Spec:       platformv1alpha1.EnvironmentClassSpec{Tier: platformv1alpha1.TierProduction, PodSecurity: platformv1alpha1.PodSecurityRestricted},
	}}
	return append(withText(t, objects, legacy), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "legacy", Labels: map[string]string{
		"app.kubernetes.io/managed-by": "Helm", "pod-security.kubernetes.io/enforce": "baseline", "mine": "kept",
	}}})
}

// dryRun answers an apply as an API server does: the object as it is, with the metadata merged.
func dryRun(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	var given client.PatchOptions
	given.ApplyOptions(options)
	owner := "towpath-release"
	if _, ok := object.(*corev1.Namespace); ok {
		owner = "towpath-environment"
	}
	if len(given.DryRun) == 0 || given.FieldManager != owner || patch.Type() != types.ApplyPatchType {
		return errors.New("adopt must not write")
	}
	labels := object.GetLabels()
	if err := c.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return err
	}
	merged := map[string]string{}
	maps.Copy(merged, object.GetLabels())
	maps.Copy(merged, labels)
	object.SetLabels(merged)
	return nil
}

func adoptCall(t *testing.T, objects []client.Object, args ...string) call {
	t.Helper()
	return adoptVia(t, objects, interceptor.Funcs{Patch: dryRun}, args...)
}

func adoptVia(t *testing.T, objects []client.Object, funcs interceptor.Funcs, args ...string) call {
	t.Helper()
	return with(t, func(flags cluster.Flags) (*cluster.Cluster, error) {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).Build()
		return &cluster.Cluster{Client: interceptor.NewClient(fakes, funcs), Namespace: flags.Namespace}, nil
	}, "", append([]string{"towpath"}, args...)...)
}

var adoptCheckout = []string{"adopt", "deployment/checkout", "-n", "legacy", "--template", "web-service", "--home", "team-shop", "-e", "prod"}

func TestAdoptProposesAndProves(t *testing.T) {
	got := adoptCall(t, legacyObjects(t), append(adoptCheckout, "--class", "production")...)
	if got.code != exitFindings || got.err != "" {
		t.Errorf("code %d, stderr %s", got.code, got.err)
	}
	for _, want := range []string{
		"Deployment/checkout  stands for resource deployment\n",
		"Service/checkout  stands for resource service\n",
		"    adoptNamespace: legacy\n",
		"        podSelector:\n          app: checkout\n",
		"  kubectl annotate namespace legacy platform.towpath.dev/adopt-by=team-shop/prod\n",
		"  kubectl -n legacy annotate deployment/checkout platform.towpath.dev/adopt-by=checkout\n",
		"Deployment/checkout  generation 4 before, 4 after, spec the same: nothing restarts",
		`WARNING: class production holds pods to "restricted", and those that run now would be refused:`,
		"    + NetworkPolicy/checkout\n",
		"    + spec.template.spec.enableServiceLinks: added false\n",
		`not mapped: Deployment/checkout: spec.template.spec.containers[name=app].command: ["/run"]`,
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("want %q in\n%s", want, got.out)
		}
	}
	if strings.Contains(got.out, "Service/other") {
		t.Errorf("a Service of others is named:\n%s", got.out)
	}
}

// The claims of a StatefulSet get labels without a consent of their own, so the report must name them.
func TestAdoptNamesTheClaimsThatGetLabels(t *testing.T) {
	set := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "StatefulSet",
		"metadata": map[string]any{"name": "db"},
		"spec":     map[string]any{"volumeClaimTemplates": []any{map[string]any{"metadata": map[string]any{"name": "data"}}}},
	}}
	service := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "db"}}}
	a := &adoption{proofs: []running.Proof{{Object: set, Unchanged: true}, {Object: service, Unchanged: true}}}
	var out strings.Builder
	a.sayTakeover(&out)
	if got := out.String(); strings.Count(got, "PersistentVolumeClaim/") != 1 || !strings.Contains(got, "  PersistentVolumeClaim/data-db-<number>  ") {
		t.Errorf("got %s", got)
	}
}

// withText adds objects to those that are there.
func withText(t *testing.T, objects []client.Object, text string) []client.Object {
	t.Helper()
	documents, problems := manifest.Parse("test", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, document := range documents {
		objects = append(objects, document.Object)
	}
	return objects
}

func TestAdoptSaysThatWhatIsLeftAloneLosesItsPods(t *testing.T) {
	objects := withText(t, legacyObjects(t), `
apiVersion: v1
kind: Service
metadata: {name: metrics, namespace: legacy}
spec: {selector: {app: checkout}, ports: [{name: metrics, port: 9090}]}
`)
	got := adoptCall(t, objects, append(adoptCheckout, "--class", "production")...)
	for _, want := range []string{
		"  Service/metrics  has no place in the golden path: it is left alone, now and later, but see not mapped\n",
		"not mapped: Service/metrics: spec.ports[metrics].targetPort: 9090: pods of the golden path do not declare this port",
	} {
		if got.code != exitFindings || !strings.Contains(got.out, want) {
			t.Errorf("want %q in\n%s", want, got.out)
		}
	}
}

// The golden path's NetworkPolicy lets in TCP alone.
func TestAdoptSaysThatAServiceOfAnotherProtocolLosesItsPods(t *testing.T) {
	objects := withText(t, legacyObjects(t), `
apiVersion: v1
kind: Service
metadata: {name: quic, namespace: legacy}
spec: {selector: {app: checkout}, ports: [{name: quic, port: 443, targetPort: 8080, protocol: UDP}, {name: web, port: 80, targetPort: 8080, protocol: TCP}]}
`)
	got := adoptCall(t, objects, append(adoptCheckout, "--class", "production")...)
	if want := "not mapped: Service/quic: spec.ports[quic].targetPort: 8080: pods of the golden path do not declare this port for UDP, and its NetworkPolicy lets nobody in there"; !strings.Contains(got.out, want) || strings.Contains(got.out, "spec.ports[web]") {
		t.Errorf("want %q in\n%s", want, got.out)
	}
}

func TestAdoptSaysWhatHelpsWhereAnotherGoldenPathWouldNot(t *testing.T) {
	arguments := slices.Concat(adoptCheckout, []string{"--class", "production"})
	expect(t, adoptCall(t, legacyObjects(t), append(arguments, "--container", "web")...), exitTrouble, "", `
towpath: Deployment/checkout: it has no container web; it has app
next: choose one of these with --container, or leave it out
`)
	objects := legacyObjects(t)
	objects[3].(*unstructured.Unstructured).SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "shop.example/v1", Kind: "App", Name: "checkout", UID: "1", Controller: ptr.To(true)}})
	expect(t, adoptCall(t, objects, arguments...), exitTrouble, "", `
towpath: Deployment/checkout belongs to App/checkout, which writes it, and would set back whatever the golden path sets
next: make a Component without adopt in the place of App/checkout, and delete that once the Component is Ready; or have it leave the workload alone, which takes its owner reference off, and adopt that then
`)
}

// The Environment labels the namespace, and holds everything in it to a level of pod security.
func TestAdoptShowsWhatBecomesOfTheNamespace(t *testing.T) {
	got := adoptCall(t, legacyObjects(t), append(adoptCheckout, "--class", "production")...)
	for _, want := range []string{
		"\nEnvironment prod labels namespace legacy, and makes the role bindings towpath-applier and towpath-applier-extra in it\n" +
			"  + metadata.labels[app.kubernetes.io/instance]: added \"legacy\"\n" +
			"  ~ metadata.labels[app.kubernetes.io/managed-by]: \"Helm\" -> \"towpath\"\n",
		"  + metadata.labels[platform.towpath.dev/team]: added \"shop\"\n",
		"  ~ metadata.labels[pod-security.kubernetes.io/enforce]: \"baseline\" -> \"restricted\"\n",
		"  + metadata.annotations[platform.towpath.dev/home]: added \"team-shop/prod\"\n",
		"  by dry run, without the labels that only Towpath may set: nothing else in it changes\n",
		"  Label aliases of the manager's configuration (such as team or owner) come too, in place of others of the same key.\n" +
			"  Once the Environment is deleted, the values that stand here on the left come back, with the pod security, and\n  what was added goes.\n",
		"note: label aliases of the manager's configuration are not known, and not shown (deployments.apps \"towpath-manager\" not found): give them with --label-alias\n",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("want %q in\n%s", want, got.out)
		}
	}
	forbid := interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
		if _, ok := object.(*corev1.Namespace); ok {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "legacy", errors.New("no"))
		}
		return dryRun(ctx, c, object, patch, options...)
	}}
	got = adoptVia(t, legacyObjects(t), forbid, append(adoptCheckout, "--class", "production")...)
	if want := "  NOT PROVEN: you may not patch the namespace, and a dry run needs that: "; !strings.Contains(got.out, want) {
		t.Errorf("want %q in\n%s", want, got.out)
	}
	forbid.Get = func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
		if _, ok := object.(*corev1.Namespace); ok && key.Name == "legacy" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "legacy", errors.New("no"))
		}
		return c.Get(ctx, key, object, options...)
	}
	got = adoptVia(t, legacyObjects(t), forbid, append(adoptCheckout, "--class", "production")...)
	if want := "note: namespace legacy: what becomes of its labels was not looked at: "; got.code != exitFindings || !strings.Contains(got.out, want) {
		t.Errorf("want %q in\n%s%s", want, got.out, got.err)
	}
}

// Cost tools get labels of their own, on the namespace too, and in place of what other tools may go by.
func TestAdoptShowsLabelAliases(t *testing.T) {
	objects := legacyObjects(t)
	objects[3].(*unstructured.Unstructured).SetLabels(map[string]string{"team": "payments", "env": "prod"})
	released := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "hello-dev-1"}}
	released.Spec.LabelAliases = map[string]string{"team": "team", "env": "environment"}
	arguments := append(slices.Clone(adoptCheckout), "--class", "production")
	for what, got := range map[string]call{
		"by flag":      adoptCall(t, objects, append(arguments, "--label-alias", "team=platform.towpath.dev/team,env=environment")...),
		"by a Release": adoptCall(t, append(objects, released), arguments...),
	} {
		for _, want := range []string{
			"  + metadata.labels[team]: added \"shop\"\n",
			"  ~ metadata.labels.team: \"payments\" -> \"shop\"\n",
			"  and labels all of them, and their pods, for cost tools: env=prod,team=shop\n",
		} {
			if !strings.Contains(got.out, want) {
				t.Errorf("%s: want %q in\n%s", what, want, got.out)
			}
		}
		if strings.Contains(got.out, "not known") || strings.Contains(got.out, "such as team") || strings.Contains(got.out, "labels.env") {
			t.Errorf("%s: got\n%s", what, got.out)
		}
		if strings.Contains(got.out, "note: label aliases are those of Release team-shop/hello-dev-1") != (what == "by a Release") {
			t.Errorf("%s: got\n%s", what, got.out)
		}
	}
	if got := adoptCall(t, objects, append(arguments, "--label-alias", "platform.towpath.dev/x=team")...); got.code != exitTrouble || !strings.Contains(got.err, "the key is Towpath's own") {
		t.Errorf("got %+v", got)
	}
}

func TestAdoptPrintsTheManifestsAlone(t *testing.T) {
	objects := append(legacyObjects(t), &platformv1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: "prod"},
		Spec:       platformv1alpha1.EnvironmentSpec{ClassRef: platformv1alpha1.ClassReference{Name: "production"}},
		Status:     platformv1alpha1.EnvironmentStatus{Namespace: "legacy"},
	})
	got := adoptCall(t, objects, append(adoptCheckout, "-o", "yaml", "--component", "shop")...)
	if got.code != exitFindings || !strings.Contains(got.err, "not mapped: ") {
		t.Errorf("code %d, stderr %s", got.code, got.err)
	}
	if want := `apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata:
  name: shop
  namespace: team-shop
spec:
  environments:
  - adopt:
      objects:
      - name: checkout
        resource: deployment
      - name: checkout
        resource: service
      podSelector:
        app: checkout
    name: prod
  image: registry.example/shop/checkout:1
  parameters:
    probes:
      handler: TCP
    replicas:
      max: 2
  templateRef:
    name: web-service
`; got.out != want {
		t.Errorf("got\n%s", got.out)
	}
}

func TestAdoptSaysWhatIsMissing(t *testing.T) {
	expect(t, adoptCall(t, legacyObjects(t), adoptCheckout...), exitTrouble, "", `
towpath: environment team-shop/prod does not exist yet, so its class must be named
next: give --class; see kubectl get environmentclasses
`)
	expect(t, adoptCall(t, nil, append(adoptCheckout, "--class", "production")...), exitTrouble, "", `
towpath: Deployment checkout does not exist in namespace legacy
next: kubectl -n legacy get deployments
`)
	wrong := append([]string{"adopt", "pod/checkout"}, adoptCheckout[2:]...)
	expect(t, adoptCall(t, nil, wrong...), exitTrouble, "", `
towpath: "pod/checkout" must be deployment/NAME, statefulset/NAME or cronjob/NAME
next: towpath adopt --help
`)
	objects := legacyObjects(t)
	objects[0] = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-shop"}}
	if got := adoptCall(t, objects, append(adoptCheckout, "--class", "production")...); !strings.Contains(got.err, "namespace team-shop is no home of a team") {
		t.Errorf("got %+v", got)
	}
	objects = legacyObjects(t)
	objects[3].(*unstructured.Unstructured).SetLabels(map[string]string{platformv1alpha1.LabelOwnerUID: "x", platformv1alpha1.LabelComponent: "shop"})
	if got := adoptCall(t, objects, append(adoptCheckout, "--class", "production")...); !strings.Contains(got.err, "belongs to Component shop already") {
		t.Errorf("got %+v", got)
	}
}
