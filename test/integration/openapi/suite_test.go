// Package openapi_test shows that the live source of kinds follows a real API server, and that the
// embedded snapshot says the same as it.
package openapi_test

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/openapi/live"
)

var (
	api   client.Client
	disco discovery.DiscoveryInterface
)

func TestOpenAPI(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(20 * time.Second)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	RunSpecs(t, "OpenAPI")
}

var _ = BeforeSuite(func() {
	environment := &envtest.Environment{
		BinaryAssetsDirectory: cmp.Or(os.Getenv("KUBEBUILDER_ASSETS"), filepath.Join("..", "..", "..", "bin", "kube", "current")),
	}
	cfg, err := environment.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return environment.Stop() })
	scheme := runtime.NewScheme()
	Expect(apiextensionsv1.AddToScheme(scheme)).To(Succeed())
	api, err = client.New(cfg, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	disco, err = discovery.NewDiscoveryClientForConfig(cfg)
	Expect(err).NotTo(HaveOccurred())
})

var (
	deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	component  = schema.GroupVersionKind{Group: "platform.towpath.dev", Version: "v1alpha1", Kind: "Component"}
)

var _ = Describe("The live source", func() {
	It("knows Kubernetes' own kinds as the snapshot does", func() {
		source := live.New(disco.OpenAPIV3())
		for _, gvk := range []schema.GroupVersionKind{
			deployment, {Group: "apps", Version: "v1", Kind: "StatefulSet"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ConfigMap"},
			{Group: "batch", Version: "v1", Kind: "CronJob"}, {Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
			{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}, {Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
		} {
			served, err := source.Kind(gvk)
			Expect(err).NotTo(HaveOccurred())
			embedded, err := openapi.Kubernetes().Kind(gvk)
			Expect(err).NotTo(HaveOccurred())
			Expect(served.Namespaced).To(BeTrue())
			Expect(fields(served)).To(Equal(fields(embedded)), gvk.String())
		}
		for _, gvk := range []schema.GroupVersionKind{{Version: "v1", Kind: "Namespace"}, {Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}} {
			served, err := source.Kind(gvk)
			Expect(err).NotTo(HaveOccurred())
			Expect(served.Namespaced).To(BeFalse())
		}
	})

	It("sees a kind that is installed later, its changes, and that it is gone", func(ctx context.Context) {
		source := live.New(disco.OpenAPIV3())
		_, err := source.Kind(component)
		Expect(err).To(MatchError(openapi.ErrUnknownKind))

		var crd *apiextensionsv1.CustomResourceDefinition
		for _, candidate := range config.TypedCRDs() {
			if candidate.Spec.Names.Kind == component.Kind {
				crd = candidate
			}
		}
		Expect(api.Create(ctx, crd)).To(Succeed())
		var kind *openapi.Kind
		Eventually(func() (err error) { kind, err = source.Kind(component); return err }).Should(Succeed())
		Expect(kind.Namespaced).To(BeTrue())
		offline, err := openapi.FromCRDs(crd).Kind(component)
		Expect(err).NotTo(HaveOccurred())
		Expect(fields(kind)).To(Equal(fields(offline)), "the same as from the file")

		before := crd.DeepCopy()
		root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		spec := root.Properties["spec"]
		spec.Properties["extra"] = apiextensionsv1.JSONSchemaProps{Type: "string"}
		root.Properties["spec"] = spec
		Expect(api.Patch(ctx, crd, client.MergeFrom(before))).To(Succeed())
		Eventually(func(g Gomega) {
			source.Refresh()
			kind, err := source.Kind(component)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(kind.Schema.Properties["spec"].Properties).To(HaveKey("extra"))
		}).Should(Succeed())

		Expect(api.Delete(ctx, crd)).To(Succeed())
		Eventually(func() error { source.Refresh(); _, err := source.Kind(component); return err }).Should(MatchError(openapi.ErrUnknownKind))
	})

	It("serves many at once", func() {
		source := live.New(disco.OpenAPIV3())
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				defer GinkgoRecover()
				kind, err := source.Kind(deployment)
				Expect(err).NotTo(HaveOccurred())
				Expect(kind.Schema).NotTo(BeNil())
			})
		}
		group.Wait()
	})
})

var _ = Describe("The snapshot", func() {
	It("knows the scope of every kind that the server has, and of no other", func() {
		paths, err := disco.OpenAPIV3().Paths()
		Expect(err).NotTo(HaveOccurred())
		for path, groupVersion := range paths {
			data, err := groupVersion.Schema(runtime.ContentTypeJSON)
			Expect(err).NotTo(HaveOccurred())
			document, err := openapi.ParseDocument(data)
			Expect(err).NotTo(HaveOccurred(), path)
			for gvk, namespaced := range document.Scopes() {
				if gvk.Group == component.Group {
					continue // of the spec above, whose definition may linger
				}
				kind, err := openapi.Kubernetes().Kind(gvk)
				Expect(err).NotTo(HaveOccurred(), "run `go generate ./internal/openapi`")
				Expect(kind.Namespaced).To(Equal(namespaced), gvk.String())
			}
		}
	})
})

// fields lists the paths of a schema's fields with their types, to some depth.
func fields(kind *openapi.Kind) []string {
	return fieldsOf("", kind, 6)
}
