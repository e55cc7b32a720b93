package upgrade_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/webhookcert"
	"github.com/towpath-dev/towpath/test/framework"
)

// fixtures is a folder fixtures/<version>: what a version stored in the cluster, a file for each kind, and in children.yaml what
// it made in workload namespaces. A UID is written as uid-of(resource namespace/name).
type fixtures string

const childrenFile = "children"

func fixturesOf(v framework.Version) fixtures { return fixtures(filepath.Join("fixtures", v.Name)) }

// golden are the golden paths that fixtures have. Two are enough to have everything that a record may hold.
var golden = []string{"web-service", "stateful-service"}

// keeps says whether an object of testdata/life belongs into the fixtures.
func keeps(o *unstructured.Unstructured) bool {
	if strings.HasPrefix(o.GetName(), heartbeat) {
		return false
	}
	switch o.GetKind() {
	case "EnvironmentClass":
		return strings.HasPrefix(o.GetName(), "upgrade-")
	case "ServiceTemplate":
		return slices.Contains(golden, o.GetName())
	case "ServiceTemplateRevision":
		return slices.ContainsFunc(golden, func(name string) bool { return strings.HasPrefix(o.GetName(), name+"-") })
	case "Team", "Environment", "Approval", "Budget", "Build", "CostSource", "CostReport":
		return true
	}
	for _, component := range []string{"checkout", "storefront", "sessions", "antique"} {
		if o.GetName() == component || o.GetLabels()[platformv1alpha1.LabelComponent] == component {
			return true
		}
	}
	return false
}

// store writes the fixtures of what the cluster holds.
func (s *site) store(ctx context.Context, folder fixtures) {
	GinkgoHelper()
	files, uids := map[string][]map[string]any{}, map[string]string{}
	s.eachObject(ctx, func(resource schema.GroupVersionResource, o *unstructured.Unstructured) {
		uids[string(o.GetUID())] = fmt.Sprintf("uid-of(%s %s/%s)", resource.GroupResource(), o.GetNamespace(), o.GetName())
		switch {
		case !keeps(o):
		case resource.Group == platformv1alpha1.GroupVersion.Group:
			files[resource.Resource] = append(files[resource.Resource], portable(o))
		case o.GetLabels()[platformv1alpha1.LabelOwnerUID] != "" && !copied[resource.Resource]:
			files[childrenFile] = append(files[childrenFile], child(o))
		}
	})
	Expect(os.MkdirAll(string(folder), 0o755)).To(Succeed())
	for name, objects := range files {
		var documents []string
		for _, object := range objects {
			text, err := yaml.Marshal(object)
			Expect(err).NotTo(HaveOccurred())
			documents = append(documents, strings.ReplaceAll(named(string(text), uids), s.dir, elsewhere))
		}
		Expect(os.WriteFile(filepath.Join(string(folder), name+".yaml"), []byte(strings.Join(documents, "---\n")), 0o644)).To(Succeed())
	}
}

var uid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// named puts names in the place of UIDs.
func named(text string, names map[string]string) string {
	return uid.ReplaceAllStringFunc(text, func(found string) string {
		if name := names[found]; name != "" {
			return name
		}
		return found
	})
}

// copied are the resources that Kubernetes makes with the labels of a Service.
var copied = map[string]bool{"endpoints": true, "endpointslices": true}

// portable is an object without what the API server says of this one object.
func portable(o *unstructured.Unstructured) map[string]any {
	o = o.DeepCopy()
	for _, field := range []string{"uid", "resourceVersion", "managedFields", "creationTimestamp", "generation"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}
	return o.Object
}

// child is an object of a workload namespace as Towpath wrote it, with the defaults of its kind.
func child(o *unstructured.Unstructured) map[string]any {
	o = &unstructured.Unstructured{Object: portable(o)}
	unstructured.RemoveNestedField(o.Object, "status")
	unstructured.RemoveNestedField(o.Object, "metadata", "annotations", "deployment.kubernetes.io/revision")
	unstructured.RemoveNestedField(o.Object, "spec", "clusterIP")
	unstructured.RemoveNestedField(o.Object, "spec", "clusterIPs")
	return o.Object
}

// gone is the UID of what is not there any more, such as what a Release had made.
const gone = "00000000-0000-0000-0000-000000000000"

var nameOfUID = regexp.MustCompile(`uid-of\([^)]*\)`)

// has says whether there are objects of a kind.
func (f fixtures) has(plural string) bool {
	_, err := os.Stat(filepath.Join(string(f), plural+".yaml"))
	return err == nil
}

// kinds are those that there are objects of.
func (f fixtures) kinds() []string {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join(string(f), "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var all []string
	for _, file := range files {
		if plural := strings.TrimSuffix(filepath.Base(file), ".yaml"); plural != childrenFile {
			all = append(all, plural)
		}
	}
	return all
}

// read returns the objects of a kind, with UIDs in the place of names, and the folder of the site in that of elsewhere, unless uids is nil.
func (f fixtures) read(plural string, uids map[string]string) []*unstructured.Unstructured {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(string(f), plural+".yaml"))
	Expect(err).NotTo(HaveOccurred())
	text := string(data)
	if uids != nil {
		text = nameOfUID.ReplaceAllStringFunc(text, func(name string) string { return cmp.Or(uids[name], gone) })
		text = strings.ReplaceAll(text, elsewhere, cmp.Or(uids[elsewhere], elsewhere))
	}
	return parsed(text)
}

// parsed are the objects of a file.
func parsed(text string) []*unstructured.Unstructured {
	GinkgoHelper()
	var all []*unstructured.Unstructured
	for document := range strings.SplitSeq(text, "\n---\n") {
		o := &unstructured.Unstructured{}
		Expect(yaml.Unmarshal([]byte(document), &o.Object)).To(Succeed())
		all = append(all, o)
	}
	return all
}

// stored are the kinds of Towpath, by the file of their fixtures.
var stored = map[string]func() client.Object{
	"approvals":                func() client.Object { return &platformv1alpha1.Approval{} },
	"budgets":                  func() client.Object { return &platformv1alpha1.Budget{} },
	"builds":                   func() client.Object { return &platformv1alpha1.Build{} },
	"components":               func() client.Object { return &platformv1alpha1.Component{} },
	"costreports":              func() client.Object { return &platformv1alpha1.CostReport{} },
	"costsources":              func() client.Object { return &platformv1alpha1.CostSource{} },
	"environmentclasses":       func() client.Object { return &platformv1alpha1.EnvironmentClass{} },
	"environments":             func() client.Object { return &platformv1alpha1.Environment{} },
	"releases":                 func() client.Object { return &platformv1alpha1.Release{} },
	"servicetemplaterevisions": func() client.Object { return &platformv1alpha1.ServiceTemplateRevision{} },
	"servicetemplates":         func() client.Object { return &platformv1alpha1.ServiceTemplate{} },
	"teams":                    func() client.Object { return &platformv1alpha1.Team{} },
}

var _ = Describe("What a version stored", func() {
	for _, v := range versions() {
		folder := fixturesOf(v)
		Context("as "+v.Name, Ordered, func() {
			It("has every kind that the version has", func(ctx SpecContext) {
				Expect(folder.kinds()).To(ConsistOf(kindsOf(ctx, v)), "make upgrade-fixtures")
			})

			It("is read by the types of today, without a field that they do not have", folder.areRead)

			It("is let in, is Ready, and makes what it made", func(ctx SpecContext) {
				s := newSite(ctx)
				s.costs = folder.has("costsources")
				DeferCleanup(func() { tellOf(&s)() })
				s.install(ctx, present)
				s.run(ctx, present)
				DeferCleanup(s.stop)
				s.bringBack(ctx, folder)
			})
		})
	}

	It("is of every kind that there is today, or that comes with the next version", func() {
		all := versions()
		newest := fixturesOf(all[len(all)-1])
		for _, crd := range config.TypedCRDs() {
			plural := crd.Spec.Names.Plural
			Expect(newest.has(plural) || upcoming.has(plural)).To(BeTrue(), "no fixture has a %s: write one, as the manager stores it, into %s/%s.yaml", crd.Spec.Names.Kind, upcoming, plural)
		}
		for _, plural := range upcoming.kinds() {
			Expect(newest.has(plural)).To(BeFalse(), "%s has %s, so that %s needs none", newest, plural, upcoming)
		}
	})

	It("is read where it comes with the next version", upcoming.areRead)
})

// upcoming has objects of those kinds that are newer than the newest version, by hand. It loses them to the fixtures of the next one.
const upcoming = fixtures("fixtures/next")

// areRead says that the types of today have every field of what is stored.
func (f fixtures) areRead() {
	GinkgoHelper()
	for _, plural := range f.kinds() {
		Expect(stored).To(HaveKey(plural))
		for _, o := range f.read(plural, nil) {
			text, err := yaml.Marshal(o.Object)
			Expect(err).NotTo(HaveOccurred())
			Expect(yaml.UnmarshalStrict(text, stored[plural]())).To(Succeed(), "%s %s", plural, o.GetName())
		}
	}
}

// bringBack puts fixtures into a cluster, as if it had been restored: first what people wrote, then the records, while no
// manager runs; then one runs and finds them.
func (s *site) bringBack(ctx context.Context, folder fixtures) {
	GinkgoHelper()
	uids := map[string]string{elsewhere: s.dir}
	s.make(ctx, s.admin, uids, folder.read("environmentclasses", nil)...)
	s.make(ctx, s.admin, uids, folder.read("servicetemplates", nil)...)
	s.make(ctx, s.admin, uids, folder.read("teams", nil)...)
	for _, team := range folder.read("teams", nil) {
		Eventually(ctx, framework.Read(s.admin, &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: team.GetName()}})).
			WithTimeout(patience).Should(framework.BeReady())
	}
	s.found(ctx)
	s.make(ctx, s.admin, uids, folder.read("environments", nil)...)
	s.awaitReady(ctx)
	By("holding what people write to today's webhooks and policies")
	for _, plural := range []string{"components", "builds", "budgets", "costsources"} {
		for _, o := range folder.some(plural, uids) {
			Expect(s.admin.Create(ctx, written(o), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed(), "%s %s", plural, o.GetName())
		}
	}
	By("comparing revisions")
	for _, want := range folder.read("servicetemplaterevisions", nil) {
		got := &unstructured.Unstructured{}
		got.SetGroupVersionKind(want.GroupVersionKind())
		Expect(s.admin.Get(ctx, client.ObjectKeyFromObject(want), got)).To(Succeed())
		Expect(apart(want.Object["spec"], got.Object["spec"])).To(BeEmpty(), "a golden path that did not change has no new revision")
	}

	s.stop(ctx)
	s.unhook(ctx)
	s.make(ctx, s.admin, uids, folder.read("components", uids)...)
	records, err := s.asManager(ctx)
	Expect(err).NotTo(HaveOccurred())
	releases := folder.read("releases", uids)
	s.make(ctx, records, uids, releases...)
	builds := folder.some("builds", uids)
	s.make(ctx, s.admin, uids, builds...)
	for _, record := range slices.Concat(releases, builds) {
		patch, err := json.Marshal(map[string]any{"status": record.Object["status"]})
		Expect(err).NotTo(HaveOccurred())
		Expect(records.Status().Patch(ctx, written(record), client.RawPatch(types.MergePatchType, patch), client.FieldValidation(metav1.FieldValidationStrict))).
			To(Succeed(), record.GetName())
	}
	s.make(ctx, s.admin, uids, folder.read("approvals", uids)...)
	if s.costs {
		s.bill()
	}
	s.make(ctx, s.admin, uids, folder.some("costsources", uids)...)
	s.make(ctx, s.admin, uids, folder.some("budgets", uids)...)
	s.make(ctx, records, uids, folder.some("costreports", uids)...)

	s.install(ctx, present)
	s.run(ctx, present)
	s.awaitReady(ctx)
	Expect(s.names(ctx, "Release")).To(ConsistOf(namesOf(releases)), "what was stored goes on, and nothing is released anew")
	Expect(s.names(ctx, "Build")).To(ConsistOf(namesOf(builds)))
	if s.costs {
		s.awaitFigures(ctx)
	}
	for _, want := range folder.read(childrenFile, uids) {
		Eventually(ctx, func(ctx context.Context) (string, error) {
			got := &unstructured.Unstructured{}
			got.SetGroupVersionKind(want.GroupVersionKind())
			err := s.admin.Get(ctx, client.ObjectKeyFromObject(want), got)
			return apart(want.Object, child(got)), err
		}).Should(BeEmpty(), "%s %s", want.GetKind(), want.GetName())
	}
}

// some is read for a kind that not every version has.
func (f fixtures) some(plural string, uids map[string]string) []*unstructured.Unstructured {
	GinkgoHelper()
	if !f.has(plural) {
		return nil
	}
	return f.read(plural, uids)
}

// make creates objects without their status, and notes their UIDs by the names that fixtures have for them.
func (s *site) make(ctx context.Context, c client.Client, uids map[string]string, objects ...*unstructured.Unstructured) {
	GinkgoHelper()
	for _, object := range objects {
		o := written(object)
		Expect(c.Create(ctx, o, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed(), "%s %s", o.GetKind(), o.GetName())
		mapping, err := s.admin.RESTMapper().RESTMapping(o.GroupVersionKind().GroupKind())
		Expect(err).NotTo(HaveOccurred())
		uids[fmt.Sprintf("uid-of(%s %s/%s)", mapping.Resource.GroupResource(), o.GetNamespace(), o.GetName())] = string(o.GetUID())
	}
}

// written is what is written of an object when it is created.
func written(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "status")
	return o
}

// names are the names of all objects of one of Towpath's kinds.
func (s *site) names(ctx context.Context, kind string) []string {
	GinkgoHelper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(platformv1alpha1.GroupVersion.WithKind(kind + "List"))
	Expect(s.admin.List(ctx, list)).To(Succeed())
	all := map[string]bool{}
	for i := range list.Items {
		all[list.Items[i].GetName()] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func namesOf(objects []*unstructured.Unstructured) []string {
	var all []string
	for _, o := range objects {
		all = append(all, o.GetName())
	}
	return all
}

// found makes what ran in upgrade-found before Towpath came.
func (s *site) found(ctx context.Context) {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join("testdata", "life", "2-environments.yaml"))
	Expect(err).NotTo(HaveOccurred())
	for _, o := range parsed(string(data)) {
		if o.GroupVersionKind().Group != platformv1alpha1.GroupVersion.Group {
			Expect(s.admin.Create(ctx, o)).To(Succeed())
		}
	}
}

// unhook takes the webhooks away, which refuse everything while no manager runs. The next installation brings them back.
func (s *site) unhook(ctx context.Context) {
	GinkgoHelper()
	hooks := &unstructured.Unstructured{}
	hooks.SetAPIVersion("admissionregistration.k8s.io/v1")
	hooks.SetKind("ValidatingWebhookConfiguration")
	hooks.SetName(webhookcert.ConfigurationName)
	Expect(s.admin.Delete(ctx, hooks)).To(Succeed())
}

// asManager is a client with the manager's identity, for the records that nobody else may write.
func (s *site) asManager(ctx context.Context) (client.Client, error) {
	cfg, err := s.plane.ServiceAccountConfig(ctx, platformv1alpha1.SystemNamespace, "towpath-manager")
	if err != nil {
		return nil, err
	}
	return client.New(cfg, client.Options{Scheme: s.admin.Scheme(), Mapper: s.admin.RESTMapper()})
}
