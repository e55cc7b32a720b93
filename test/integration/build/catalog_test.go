package build_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/test/framework"
)

// shipped makes a template the golden path of the catalogue that has this name, with images of tools in its stages.
func shipped(name string) func(*platformv1alpha1.ServiceTemplate) {
	return func(t *platformv1alpha1.ServiceTemplate) {
		GinkgoHelper()
		for _, object := range config.Catalog() {
			if object.GetName() != name {
				continue
			}
			found := &platformv1alpha1.ServiceTemplate{}
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, found)).To(Succeed())
			t.Spec = found.Spec
		}
		stages := t.Spec.Pipeline.Stages
		for i := range stages {
			if stages[i].Image == "" {
				stages[i].Image = "registry.example/tools:1"
			}
		}
	}
}

// secrets are the Secrets that the Job of a stage is given.
func (t *team) secrets(ctx context.Context, b *platformv1alpha1.Build, stage string) []string {
	GinkgoHelper()
	var names []string
	for _, e := range t.job(ctx, b, stage).Spec.Template.Spec.Containers[0].Env {
		if e.ValueFrom != nil {
			names = append(names, e.ValueFrom.SecretKeyRef.Name+"/"+e.ValueFrom.SecretKeyRef.Key)
		}
	}
	return names
}

var _ = Describe("A golden path of the catalogue", func() {
	It("builds a Component with a source, which takes the image by its digest", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{}, shipped("web-service"))
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		Expect(t.job(ctx, b, "test").Spec.Template.Spec.Containers[0]).To(And(HaveField("Image", "docker.io/library/golang:1.26"),
			HaveField("Env", ContainElement(corev1.EnvVar{Name: "TEST_COMMAND", Value: "go vet ./... && go test ./..."}))))
		t.succeeds(ctx, b, "test")
		t.ends(ctx, b, "image", corev1.PodSucceeded, digest)
		Expect(t.secrets(ctx, b, "image")).To(BeEmpty(), "the parameters name no Secret")
		t.succeeds(ctx, b, "sbom", "scan")
		Eventually(ctx, framework.Read(admin, b)).Should(And(framework.BeReady(), HaveField("Status.Image", "registry.example/shop/checkout@"+digest)))
		Expect(framework.States(admin, b)(ctx)).To(Equal(
			"clone=Succeeded test=Succeeded image=Succeeded sbom=Succeeded scan=Succeeded sbom-only=Skipped scan-only=Skipped sign=Skipped provenance=Skipped"))
		Eventually(ctx, framework.Read(admin, t.component)).Should(HaveField("Status.Build", b.Name))
	})

	It("signs where a key is named, and gives the tests nothing", func(ctx context.Context) {
		t := begin(ctx, platformv1alpha1.Pipeline{}, shipped("worker"))
		t.change(ctx, func(c *platformv1alpha1.Component) {
			c.Spec.Parameters = framework.JSON(`{build: {registrySecret: registry, signingSecret: cosign, testCommand: make test}}`)
		})
		b := t.create(ctx)
		t.succeeds(ctx, b, "clone")
		Expect(t.secrets(ctx, b, "test")).To(BeEmpty())
		t.succeeds(ctx, b, "test")
		t.ends(ctx, b, "image", corev1.PodSucceeded, digest)
		Expect(t.secrets(ctx, b, "image")).To(ConsistOf("registry/DOCKER_AUTH_CONFIG"))
		t.succeeds(ctx, b, "sbom", "scan")
		for _, stage := range []string{"sign", "provenance"} {
			Expect(t.secrets(ctx, b, stage)).To(ConsistOf("registry/DOCKER_AUTH_CONFIG", "cosign/COSIGN_PRIVATE_KEY", "cosign/COSIGN_PASSWORD"))
			t.succeeds(ctx, b, stage)
		}
		Eventually(ctx, framework.Read(admin, b)).Should(framework.BeReady())
	})
})
