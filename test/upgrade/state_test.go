package upgrade_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// state is everything that the cluster holds, but for what a version of Towpath consists of: each object as YAML.
type state map[string]string

// observe reads the state. Reports of costs are left out: they come with the calendar, and are a status in all but its name.
func (s *site) observe(ctx context.Context, releases ...release) state {
	GinkgoHelper()
	installed := map[string]bool{}
	for _, r := range releases {
		for _, objects := range [][]*unstructured.Unstructured{
			r.manifests.CRDs(), r.manifests.Namespaces(), r.manifests.RBAC(), r.manifests.Policies(), r.manifests.WebhookConfiguration(),
		} {
			for _, o := range objects {
				installed[o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName()] = true
			}
		}
	}
	all := state{}
	s.eachObject(ctx, func(resource schema.GroupVersionResource, o *unstructured.Unstructured) {
		if resource.Resource == "costreports" {
			return
		}
		bootstrapped := o.GetLabels()["kubernetes.io/bootstrapping"] != "" // aggregated from the roles of people, some of them
		if installed[o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName()] || bootstrapped || strings.Contains(o.GetNamespace()+"/"+o.GetName(), heartbeat) {
			return
		}
		text, err := yaml.Marshal(lasting(o))
		Expect(err).NotTo(HaveOccurred())
		all[fmt.Sprintf("%s %s/%s", resource.GroupResource(), o.GetNamespace(), o.GetName())] = string(text)
	})
	return all
}

// eachObject calls a function for each object of the cluster, but for those that come and go by themselves.
func (s *site) eachObject(ctx context.Context, visit func(schema.GroupVersionResource, *unstructured.Unstructured)) {
	GinkgoHelper()
	cfg := rest.CopyConfig(s.plane.AdminConfig())
	cfg.WarningHandler = rest.NoWarnings{} // of resources that are deprecated, and still listed
	disco, err := discovery.NewDiscoveryClientForConfig(cfg)
	Expect(err).NotTo(HaveOccurred())
	lister, err := dynamic.NewForConfig(cfg)
	Expect(err).NotTo(HaveOccurred())
	groups, err := disco.ServerPreferredResources()
	Expect(err).NotTo(HaveOccurred())
	for _, group := range groups {
		gv, err := schema.ParseGroupVersion(group.GroupVersion)
		Expect(err).NotTo(HaveOccurred())
		for i := range group.APIResources {
			r := &group.APIResources[i]
			if !slices.Contains(r.Verbs, "list") || slices.Contains([]string{"events", "leases", "componentstatuses"}, r.Name) {
				continue
			}
			list, err := lister.Resource(gv.WithResource(r.Name)).List(ctx, metav1.ListOptions{})
			Expect(err).NotTo(HaveOccurred(), r.Name)
			for j := range list.Items {
				visit(gv.WithResource(r.Name), &list.Items[j])
			}
		}
	}
}

// records are the facts in the status of a Release that must not change once they are there.
var records = []string{"openedAt", "appliedAt", "readyAt", "supersededAt", "decisions"}

// lasting is what of an object must stay as it is: everything but its status and who wrote it when. Of Towpath's own kinds the
// generation speaks for the spec, since definitions of another version may show it with other defaults.
func lasting(o *unstructured.Unstructured) map[string]any {
	o = o.DeepCopy()
	status, _, _ := unstructured.NestedMap(o.Object, "status")
	unstructured.RemoveNestedField(o.Object, "status")
	unstructured.RemoveNestedField(o.Object, "metadata", "resourceVersion")
	unstructured.RemoveNestedField(o.Object, "metadata", "managedFields")
	if o.GroupVersionKind().Group != platformv1alpha1.GroupVersion.Group {
		return o.Object
	}
	unstructured.RemoveNestedField(o.Object, "spec")
	for _, field := range records {
		if value, ok := status[field]; ok && o.GetKind() == "Release" {
			_ = unstructured.SetNestedField(o.Object, value, "status", field)
		}
	}
	return o.Object
}

// changes says what is not as it was before: lost, changed or new.
func (before state) changes(after state) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(before)) {
		now, ok := after[key]
		switch {
		case !ok:
			all = append(all, key+" is lost")
		case now != before[key]:
			all = append(all, key+" was changed:\n"+difference(before[key], now))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[key]; !ok {
			all = append(all, key+" is new")
		}
	}
	return all
}

// apart is in what two values differ, as YAML; nothing where they are the same.
func apart(before, after any) string {
	GinkgoHelper()
	a, err := yaml.Marshal(before)
	Expect(err).NotTo(HaveOccurred())
	b, err := yaml.Marshal(after)
	Expect(err).NotTo(HaveOccurred())
	if string(a) == string(b) {
		return ""
	}
	return "differs:\n" + difference(string(a), string(b))
}

// difference is the lines that one text has and the other has not.
func difference(before, after string) string {
	var b strings.Builder
	only := func(sign, text, other string) {
		others := slices.Collect(strings.Lines(other))
		for line := range strings.Lines(text) {
			if !slices.Contains(others, line) {
				b.WriteString(sign + " " + line)
			}
		}
	}
	only("-", before, after)
	only("+", after, before)
	return b.String()
}
