package docs_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/test/framework"
	"github.com/towpath-dev/towpath/test/framework/markdown"
)

// files are the tools whose files a page may show, each with what else is checked than that it is YAML. That of the manager is
// read in internal/manager.
var files = map[string]func(ctx context.Context, text string){
	"kustomize":           built,
	"the manager":         func(context.Context, string) {},
	"values of the chart": func(context.Context, string) {},
	"Prometheus":          func(context.Context, string) {},
	// internal/pipeline/actions checks what it says.
	"towpath pipeline sync": func(context.Context, string) {},
	// What they mean to Towpath is checked in config/argocd and docs.
	"Argo CD":    func(context.Context, string) {},
	"Flux":       func(context.Context, string) {},
	"pre-commit": func(context.Context, string) {},
	"GitLab":     func(context.Context, string) {},
	// Gitea reads the same.
	"GitHub Actions": linted,
}

// linted has actionlint look at a workflow.
func linted(ctx context.Context, text string) {
	GinkgoHelper()
	lint := exec.CommandContext(ctx, "go", "-C", filepath.Join(root, "hack", "tools"), "tool", "github.com/rhysd/actionlint/cmd/actionlint", "-shellcheck=", "-pyflakes=", "-")
	lint.Stdin = strings.NewReader(text)
	out, err := lint.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
}

// built builds a kustomization, with the tree here in the place of the repository that it names, or of the folder of the catalogue that it is put
// into a copy of.
func built(ctx context.Context, text string) {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	here, err := filepath.Abs(root)
	Expect(err).NotTo(HaveOccurred())
	here, err = filepath.Rel(dir, here)
	Expect(err).NotTo(HaveOccurred())
	repository := regexp.MustCompile(`https://\S+/(/config/\S+)\?ref=\S+`)
	if repository.MatchString(text) {
		Expect(repository.FindAllString(text, -1)).To(HaveLen(1))
		text = repository.ReplaceAllString(text, here+"$1")
	} else {
		Expect(os.CopyFS(dir, os.DirFS(filepath.Join(root, "config", "catalog")))).To(Succeed())
	}
	Expect(os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o600)).To(Succeed())
	build := exec.CommandContext(ctx, "go", "-C", filepath.Join(root, "hack", "tools"), "tool", "sigs.k8s.io/kustomize/kustomize/v5", "build", dir)
	build.Stderr = GinkgoWriter
	manifests, err := build.Output()
	Expect(err).NotTo(HaveOccurred())
	// What the pages change of it.
	for change, shows := range map[string]string{
		"newName: registry.example/towpath/manager": "image: registry.example/towpath/manager:0.1.0",
		"value: system-cluster-critical":            "priorityClassName: system-cluster-critical",
		"registry.example/mirror/golang:1.26":       "default: registry.example/mirror/golang:1.26",
	} {
		if strings.Contains(text, change) {
			Expect(string(manifests)).To(ContainSubstring(shows))
		}
	}
}

var _ = Describe("The YAML of the documentation", func() {
	AfterEach(func(ctx context.Context) {
		forget(ctx)
		world(ctx)
	})

	found := 0
	for _, page := range pages() {
		name, err := filepath.Rel(root, page)
		Expect(err).NotTo(HaveOccurred())
		blocks := markdown.Blocks(text(page))
		if !holdsYAML(blocks) {
			continue
		}
		found++
		It("is accepted: "+name, func(ctx context.Context) {
			p := &reading{shown: map[string]*unstructured.Unstructured{}}
			for _, block := range blocks {
				By(fmt.Sprintf("%s:%d", name, block.Line))
				p.block(ctx, block)
			}
		})
	}

	It("is found", func() {
		Expect(found).To(BeNumerically(">=", 15), "pages with YAML")
	})
})

// looksLike finds objects also where no language is given.
var looksLike = regexp.MustCompile(`(?m)^ *(apiVersion|kind): `)

func holdsYAML(blocks []markdown.Block) bool {
	for _, block := range blocks {
		if isYAML(block) || block.Marker != "" || looksLike.MatchString(block.Text) {
			return true
		}
	}
	return false
}

func isYAML(block markdown.Block) bool { return block.Language == "yaml" || block.Language == "yml" }

// reading is what a reader has of a page so far.
type reading struct {
	// shown is the last object of each kind.
	shown map[string]*unstructured.Unstructured
}

func (p *reading) block(ctx context.Context, block markdown.Block) {
	GinkgoHelper()
	if !isYAML(block) {
		Expect(block.Marker == "shown" || !looksLike.MatchString(block.Text)).To(BeTrue(), "the block holds YAML, and is not marked as such:\n%s", block.Text)
		return
	}
	verb, what, _ := strings.Cut(block.Marker, " of ")
	user, byUser := strings.CutPrefix(block.Marker, "by ")
	switch {
	case block.Marker == "":
		for _, object := range parse(block.Text) {
			p.shown[object.GetKind()] = object
			Expect(install.Apply(ctx, admin, object)).To(Succeed())
			accepted(ctx, object)
		}
	case byUser:
		c, err := cluster.UserClient(user, approvers)
		Expect(err).NotTo(HaveOccurred())
		for _, object := range parse(block.Text) {
			p.shown[object.GetKind()] = object
			Eventually(ctx, func() error { return write(ctx, c, object) }).Should(Succeed(), "a right takes a moment")
			accepted(ctx, object)
		}
	case verb == "part":
		whole := p.shown[what]
		Expect(whole).NotTo(BeNil(), "the page shows no %s before this", what)
		merged := merge(whole, block.Text)
		if what == "Component" {
			anew(ctx, whole)
		}
		Expect(install.Apply(ctx, admin, merged)).To(Succeed())
		accepted(ctx, merged)
	case verb == "file":
		Expect(files).To(HaveKey(what))
		var content map[string]any
		Expect(yaml.UnmarshalStrict([]byte(block.Text), &content)).To(Succeed())
		files[what](ctx, block.Text)
	default:
		Fail("no such marker: " + block.Marker)
	}
}

// anew deletes an object, and waits until it is gone: a page shows what a Component may be, and not that each can become each other.
func anew(ctx context.Context, object *unstructured.Unstructured) {
	GinkgoHelper()
	old, err := typed(ctx, object)
	if apierrors.IsNotFound(err) {
		return
	}
	Expect(err).NotTo(HaveOccurred())
	Expect(admin.Delete(ctx, old)).To(Succeed())
	Eventually(ctx, framework.Gone(admin, old)).Should(BeTrue())
}

// merge returns the object with the fields of a block.
func merge(whole *unstructured.Unstructured, block string) *unstructured.Unstructured {
	GinkgoHelper()
	var part map[string]any
	Expect(yaml.UnmarshalStrict([]byte(block), &part)).To(Succeed())
	if _, ok := part["spec"]; !ok {
		part = map[string]any{"spec": part}
	}
	merged := whole.DeepCopy()
	mergeMaps(merged.Object, part)
	return merged
}

// mergeMaps writes fields over others: lists as a whole.
func mergeMaps(whole, part map[string]any) {
	for key, value := range part {
		below, ok := value.(map[string]any)
		into, both := whole[key].(map[string]any)
		if ok && both {
			mergeMaps(into, below)
			continue
		}
		whole[key] = value
	}
}

// parse reads the documents of a block, strictly.
func parse(block string) []*unstructured.Unstructured {
	GinkgoHelper()
	var objects []*unstructured.Unstructured
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(block)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		Expect(err).NotTo(HaveOccurred())
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		object := &unstructured.Unstructured{}
		Expect(yaml.UnmarshalStrict(document, &object.Object)).To(Succeed())
		Expect(object.GetKind()).NotTo(BeEmpty(), "a block that is no object needs a marker:\n%s", document)
		objects = append(objects, object)
	}
}

// write creates an object, or puts it in the place of the one there is.
func write(ctx context.Context, c client.Client, object *unstructured.Unstructured) error {
	err := c.Create(ctx, object.DeepCopy())
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	live := object.DeepCopy()
	if err := c.Get(ctx, client.ObjectKeyFromObject(object), live); err != nil {
		return err
	}
	updated := object.DeepCopy()
	updated.SetResourceVersion(live.GetResourceVersion())
	updated.SetFinalizers(live.GetFinalizers())
	return c.Update(ctx, updated)
}

// accepted waits for what the controllers say of an object. Approvals have no conditions.
func accepted(ctx context.Context, object *unstructured.Unstructured) {
	GinkgoHelper()
	if object.GroupVersionKind().Group != platformv1alpha1.GroupVersion.Group || object.GetKind() == "Approval" {
		return
	}
	read := func() (client.Object, error) { return typed(ctx, object) }
	if object.GetKind() == "CostSource" {
		// What it names is not there: it is read, and says so.
		Eventually(ctx, func() (string, error) {
			live, err := read()
			if err != nil {
				return "", err
			}
			if ready := meta.FindStatusCondition(condition.Of(live), platformv1alpha1.ConditionReady); ready != nil && ready.ObservedGeneration == live.GetGeneration() {
				return ready.Reason, nil
			}
			return platformv1alpha1.ReasonProgressing, nil
		}).Should(BeElementOf(platformv1alpha1.ReasonCredentialsRefused, platformv1alpha1.ReasonNotReachable, platformv1alpha1.ReasonSourceInvalid))
		return
	}
	if object.GetKind() != "Component" {
		Eventually(ctx, read).Should(framework.BeReady())
		return
	}
	Eventually(ctx, func() (string, error) {
		live, err := read()
		if err != nil {
			return "", err
		}
		ready := meta.FindStatusCondition(condition.Of(live), platformv1alpha1.ConditionReady)
		if ready == nil || ready.ObservedGeneration != live.GetGeneration() {
			return "not seen yet", nil
		}
		if ready.Status == metav1.ConditionTrue {
			return platformv1alpha1.ReasonReady, nil
		}
		return ready.Reason, nil
	}).Should(BeElementOf(onItsWay), "%s %s", object.GetKind(), object.GetName())
	applied(ctx, object)
}

// applied waits until the API server has taken all that a Component becomes in the first environment of its path. One that waits
// for another, or for its first Build, gets no Release yet.
func applied(ctx context.Context, object *unstructured.Unstructured) {
	GinkgoHelper()
	component := &platformv1alpha1.Component{}
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), component)).To(Succeed())
	switch meta.FindStatusCondition(component.Status.Conditions, platformv1alpha1.ConditionReady).Reason {
	case platformv1alpha1.ReasonWaitingForProvider, platformv1alpha1.ReasonWaitingForBuild:
		return
	}
	Eventually(ctx, func() (client.Object, error) {
		var releases platformv1alpha1.ReleaseList
		if err := admin.List(ctx, &releases, client.InNamespace(component.Namespace)); err != nil {
			return nil, err
		}
		newest := &platformv1alpha1.Release{}
		for i := range releases.Items {
			spec := &releases.Items[i].Spec
			if spec.Component.UID == component.UID && spec.Environment.Name == component.Spec.Environments[0].Name && spec.Number > newest.Spec.Number {
				newest = &releases.Items[i]
			}
		}
		return newest, nil
	}).Should(framework.HaveCondition(platformv1alpha1.ConditionApplied, metav1.ConditionTrue, ""), "%s in %s", component.Name, component.Spec.Environments[0].Name)
}

// typed reads an object of ours as its type.
func typed(ctx context.Context, object *unstructured.Unstructured) (client.Object, error) {
	fresh, err := admin.Scheme().New(object.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	live, ok := fresh.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%T is no object", fresh)
	}
	return live, admin.Get(ctx, client.ObjectKeyFromObject(object), live)
}

// forget deletes what a page made and another one would find.
func forget(ctx context.Context) {
	GinkgoHelper()
	// A Component that others use is refused until they are gone.
	Eventually(ctx, func() (int, error) {
		var left platformv1alpha1.ComponentList
		if err := admin.List(ctx, &left); err != nil {
			return 0, err
		}
		var refused []error
		for i := range left.Items {
			refused = append(refused, client.IgnoreNotFound(admin.Delete(ctx, &left.Items[i])))
		}
		return len(left.Items), errors.Join(refused...)
	}).Should(BeZero())
	shipped := map[string]bool{}
	for _, object := range config.Catalog() {
		shipped[object.GetName()] = true
	}
	Expect(admin.DeleteAllOf(ctx, &platformv1alpha1.Approval{}, client.InNamespace("team-shop"))).To(Succeed())
	Eventually(ctx, func() ([]string, error) {
		var templates platformv1alpha1.ServiceTemplateList
		if err := admin.List(ctx, &templates); err != nil {
			return nil, err
		}
		var left []string
		for i := range templates.Items {
			if shipped[templates.Items[i].Name] {
				continue
			}
			left = append(left, templates.Items[i].Name)
			if err := client.IgnoreNotFound(admin.Delete(ctx, &templates.Items[i])); err != nil {
				return left, err
			}
		}
		return left, nil
	}).Should(BeEmpty())
}
