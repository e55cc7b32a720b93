package fault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// state is every object that Towpath has to do with, by kind, namespace and name, without what is volatile: two runs
// that end in the same way have the same.
type state map[string]string

// passing are kinds whose objects come and go with names that nobody can tell before, or tell of what happened.
var passing = []string{"Pod", "Event", "EndpointSlice", "Endpoints", "Lease", "PodMetrics"}

// stateOf reads the state of the team's home and workload namespaces, and of what is elsewhere and bears its name: the
// namespaces themselves, the appliers, class and templates.
func stateOf(ctx context.Context) (state, error) {
	kinds, err := kinds()
	if err != nil {
		return nil, err
	}
	var objects []unstructured.Unstructured
	for _, kind := range kinds {
		for _, namespace := range append([]string{home}, workspaces...) {
			found, err := list(ctx, kind, client.InNamespace(namespace))
			if err != nil {
				return nil, err
			}
			objects = append(objects, found...)
		}
	}
	for _, kind := range []schema.GroupVersionKind{
		platformv1alpha1.GroupVersion.WithKind("ServiceTemplate"), platformv1alpha1.GroupVersion.WithKind("ServiceTemplateRevision"),
		platformv1alpha1.GroupVersion.WithKind("EnvironmentClass"), corev1.SchemeGroupVersion.WithKind("Namespace"),
		corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
	} {
		where := ""
		if kind.Kind == "ServiceAccount" {
			where = platformv1alpha1.ApplierNamespace
		}
		found, err := list(ctx, kind, client.InNamespace(where))
		if err != nil {
			return nil, err
		}
		for i := range found {
			if strings.Contains(found[i].GetName(), teamName) {
				objects = append(objects, found[i])
			}
		}
	}
	return reduce(objects)
}

// kinds are the namespaced kinds of the cluster whose objects can be listed, but for those that pass.
func kinds() ([]schema.GroupVersionKind, error) {
	disco, err := discovery.NewDiscoveryClientForConfig(cluster.Plane.AdminConfig())
	if err != nil {
		return nil, err
	}
	lists, err := disco.ServerPreferredNamespacedResources()
	if err != nil {
		return nil, err
	}
	var kinds []schema.GroupVersionKind
	for _, l := range lists {
		version, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			return nil, err
		}
		for i := range l.APIResources {
			r := &l.APIResources[i]
			if slices.Contains(r.Verbs, "list") && !slices.Contains(passing, r.Kind) {
				kinds = append(kinds, version.WithKind(r.Kind))
			}
		}
	}
	return kinds, nil
}

func list(ctx context.Context, kind schema.GroupVersionKind, options ...client.ListOption) ([]unstructured.Unstructured, error) {
	found := &unstructured.UnstructuredList{}
	found.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := admin.List(ctx, found, options...); err != nil {
		return nil, fmt.Errorf("listing %s: %w", kind, err)
	}
	return found.Items, nil
}

// known are the objects that were seen in this life, by their UIDs: a Release tells of some that are gone.
var known = map[types.UID]string{}

// reduce leaves out what differs from one run to another. A UID becomes the name of its object; one that is of no
// object of this life stays, and shows.
func reduce(objects []unstructured.Unstructured) (state, error) {
	for i := range objects {
		known[objects[i].GetUID()] = "<" + objects[i].GetKind() + " " + objects[i].GetName() + ">"
	}
	var names []string
	for uid, name := range known {
		names = append(names, string(uid), name)
	}
	uids := strings.NewReplacer(names...)
	s := state{}
	for i := range objects {
		o := &objects[i]
		if o.GetName() == foreignName {
			continue // of others, and compared byte by byte
		}
		key := fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
		if _, twice := s[key]; twice {
			return nil, fmt.Errorf("%s was listed twice", key)
		}
		for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation"} {
			unstructured.RemoveNestedField(o.Object, "metadata", field)
		}
		for _, field := range []string{"clusterIP", "clusterIPs"} {
			unstructured.RemoveNestedField(o.Object, "spec", field)
		}
		if o.GetKind() == "Environment" {
			leaveOutCosts(o.Object)
		}
		text, err := yaml.Marshal(timeless(o.Object))
		if err != nil {
			return nil, err
		}
		s[key] = uids.Replace(string(text))
	}
	return s, nil
}

// leaveOutCosts takes the sum of estimates out of an Environment: it is written some seconds after all else stands still.
func leaveOutCosts(environment map[string]any) {
	unstructured.RemoveNestedField(environment, "status", "estimatedCost")
	entries, _, _ := unstructured.NestedSlice(environment, "metadata", "managedFields")
	for i := range entries {
		if entry, ok := entries[i].(map[string]any); ok {
			unstructured.RemoveNestedField(entry, "fieldsV1", "f:status", "f:estimatedCost")
		}
	}
	if len(entries) > 0 {
		_ = unstructured.SetNestedSlice(environment, entries, "metadata", "managedFields")
	}
}

// timeless replaces every time, and the hashes of Release statuses, which hold one.
func timeless(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if text, ok := inner.(string); ok && key == "applied" && text != "" {
				v[key] = "<hash>"
				continue
			}
			v[key] = timeless(inner)
		}
	case []any:
		for i := range v {
			v[i] = timeless(v[i])
		}
		// Entries of managedFields are sorted by their time.
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(orderOf(a), orderOf(b)) })
	case string:
		if _, err := time.Parse(time.RFC3339, v); err == nil {
			return "<time>"
		}
	}
	return value
}

// orderOf is by what an entry of managedFields is sorted; empty for anything else, which keeps its order.
func orderOf(value any) string {
	entry, ok := value.(map[string]any)
	if !ok || entry["fieldsV1"] == nil {
		return ""
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return ""
	}
	return string(text)
}

// differences names what is in one state and not in the other, and what differs, line by line.
func differences(got, want state) string {
	var out strings.Builder
	for key, text := range got {
		if _, ok := want[key]; !ok {
			fmt.Fprintf(&out, "too much: %s\n%s\n", key, text)
		}
	}
	for key, text := range want {
		was, ok := got[key]
		switch {
		case !ok:
			fmt.Fprintf(&out, "missing: %s\n", key)
		case was != text:
			fmt.Fprintf(&out, "%s:\n%s", key, lineDiff(was, text))
		}
	}
	return out.String()
}

// lineDiff names the lines that only one of two texts has.
func lineDiff(got, want string) string {
	var out strings.Builder
	has := func(text, line string) bool { return slices.Contains(strings.Split(text, "\n"), line) }
	for line := range strings.SplitSeq(got, "\n") {
		if !has(want, line) {
			fmt.Fprintf(&out, "  got  %s\n", line)
		}
	}
	for line := range strings.SplitSeq(want, "\n") {
		if !has(got, line) {
			fmt.Fprintf(&out, "  want %s\n", line)
		}
	}
	if out.Len() == 0 {
		return "  the same lines in another order\n"
	}
	return out.String()
}

// foreignName is that of the objects of others, in each namespace.
const foreignName = "foreign"

// foreign are the objects of others as they were made.
var foreign = map[types.NamespacedName]string{}

// makeForeign makes an object of somebody else, which nobody may touch.
func makeForeign(ctx context.Context, namespace string) {
	GinkgoHelper()
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: foreignName, Labels: map[string]string{
		"app.kubernetes.io/name": "shop",
	}}, Data: map[string]string{"theirs": "untouched"}}
	Expect(admin.Create(ctx, theirs)).To(Succeed())
	key := client.ObjectKeyFromObject(theirs)
	var err error
	foreign[key], err = bytesOf(ctx, key)
	Expect(err).NotTo(HaveOccurred())
}

func bytesOf(ctx context.Context, key types.NamespacedName) (string, error) {
	var live corev1.ConfigMap
	if err := admin.Get(ctx, key, &live); err != nil {
		return "", err
	}
	raw, err := json.Marshal(&live)
	return string(raw), err
}

// expectForeignUntouched compares the objects of others with what they were, resource version and all.
func expectForeignUntouched(ctx context.Context) {
	GinkgoHelper()
	for key, was := range foreign {
		now, err := bytesOf(ctx, key)
		Expect(err).NotTo(HaveOccurred())
		Expect(now).To(Equal(was), "ConfigMap %s is of somebody else", key)
	}
}

// uids are those of a Component's children that exist, by kind, namespace and name.
func uids(ctx context.Context) map[string]types.UID {
	GinkgoHelper()
	found, err := childrenOf(ctx)
	Expect(err).NotTo(HaveOccurred())
	return found
}

// childrenOf is uids for a function that is called again and again.
func childrenOf(ctx context.Context) (map[string]types.UID, error) {
	found := map[string]types.UID{}
	for _, kind := range []schema.GroupVersionKind{
		{Group: "apps", Version: "v1", Kind: "Deployment"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ConfigMap"},
	} {
		for _, namespace := range workspaces {
			objects, err := list(ctx, kind, client.InNamespace(namespace), client.HasLabels{platformv1alpha1.LabelComponent})
			if err != nil {
				return nil, err
			}
			for i := range objects {
				found[kind.Kind+" "+namespace+"/"+objects[i].GetName()] = objects[i].GetUID()
			}
		}
	}
	return found, nil
}

var _ = Describe("What compares states", func() {
	It("sees an object too many, one that is missing, and one that differs", func(ctx context.Context) {
		before, err := stateOf(ctx)
		Expect(err).NotTo(HaveOccurred())
		again, err := stateOf(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(differences(again, before)).To(BeEmpty())

		stray := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: workspaces[0], Name: "stray"}}
		Expect(admin.Create(ctx, stray)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(client.IgnoreNotFound(admin.Delete(ctx, stray))).To(Succeed()) })
		with, err := stateOf(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(differences(with, before)).To(HavePrefix("too much: ConfigMap " + workspaces[0] + "/stray"))
		Expect(differences(before, with)).To(Equal("missing: ConfigMap " + workspaces[0] + "/stray\n"))

		stray.Data = map[string]string{"a": "b"}
		Expect(admin.Update(ctx, stray)).To(Succeed())
		changed, err := stateOf(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(differences(changed, with)).To(ContainSubstring("got    a: b"))
	})
})

// gone says whether an object does not exist.
func gone(ctx context.Context, object client.Object) bool {
	GinkgoHelper()
	_, err := framework.Read(admin, object)(ctx)
	Expect(client.IgnoreNotFound(err)).NotTo(HaveOccurred())
	return apierrors.IsNotFound(err)
}
