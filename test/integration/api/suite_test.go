// Package api_test shows what the API server accepts and refuses of Towpath's kinds by their
// definitions alone: each bound and each rule, from both sides.
package api_test

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/config"
)

var (
	api client.Client
	cfg *rest.Config
)

func TestAPI(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "API")
}

var _ = BeforeSuite(func() {
	environment := &envtest.Environment{
		BinaryAssetsDirectory: cmp.Or(os.Getenv("KUBEBUILDER_ASSETS"), filepath.Join("..", "..", "..", "bin", "kube", "current")),
		CRDs:                  config.TypedCRDs(),
	}
	var err error
	cfg, err = environment.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return environment.Stop() })
	api, err = client.New(cfg, client.Options{})
	Expect(err).NotTo(HaveOccurred())
})

// object parses a kind, a name and the spec in YAML.
func object(kind, name, spec string) *unstructured.Unstructured {
	GinkgoHelper()
	var content map[string]any
	Expect(yaml.Unmarshal([]byte(spec), &content)).To(Succeed(), spec)
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "platform.towpath.dev/v1alpha1", "kind": kind, "spec": content}}
	u.SetName(name)
	switch kind {
	case "Component", "Environment", "Release":
		u.SetNamespace("default")
	}
	return u
}

// create asks without leaving anything behind.
func create(ctx context.Context, u *unstructured.Unstructured) error {
	return api.Create(ctx, u, client.DryRunAll, client.FieldValidation("Strict"))
}

// made creates an object for one spec.
func made(ctx context.Context, u *unstructured.Unstructured) *unstructured.Unstructured {
	GinkgoHelper()
	Expect(api.Create(ctx, u)).To(Succeed())
	DeferCleanup(func(ctx context.Context) error { return api.Delete(ctx, u) })
	return u
}

func patch(ctx context.Context, u *unstructured.Unstructured, text string) error {
	return api.Patch(ctx, u.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(text)), client.DryRunAll)
}

// instead puts another text into the place of one that the spec has.
func instead(spec, line, replacement string) string {
	GinkgoHelper()
	Expect(spec).To(ContainSubstring(line))
	return strings.Replace(spec, line, replacement, 1)
}

// list is n items in YAML flow style; $i in the item is replaced by a letter code of its index.
func list(n int, item string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = strings.ReplaceAll(item, "$i", code(i))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// code writes a number in letters, so that it fits into any name and is no boolean of YAML.
func code(i int) string {
	digits := []byte{'x', byte('a' + i%26)}
	for i /= 26; i > 0; i /= 26 {
		digits = append(digits, byte('a'+i%26))
	}
	return string(digits)
}

func refuse(part string) OmegaMatcher { return MatchError(ContainSubstring(part)) }
