package tenancy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/test/framework"
)

// costly is a golden path whose author forgot to bound its parameters.
const costly = "tenancy-costly"

func costlyTemplate() *platformv1alpha1.ServiceTemplate {
	t := framework.Template(costly, framework.Resource("config", `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${component.name}"}
data:
  loop: "${size(params.numbers) > 0 ? string(params.numbers.map(a, params.numbers.map(b, params.numbers.filter(c, a + b + c == 0).size()).size()).size()) : ''}"
  range: "${has(params.range) ? string(size(lists.range(params.range))) : ''}"
  index: "${has(params.index) ? string(params.numbers[params.index]) : ''}"
  replace: "${has(params.text) ? string(size(params.text.replace('x', params.text))) : ''}"
  join: "${has(params.text) ? string(size(params.numbers.map(a, params.text).join(params.text))) : ''}"
  deep: "${has(params.deep) ? string(params.deep == params.deep) : ''}"
`))
	t.Spec.Parameters = framework.JSON(`
type: object
properties:
  numbers: {type: array, default: [], items: {type: integer}}
  range: {type: integer}
  index: {type: integer}
  text: {type: string}
  deep: {type: object, x-kubernetes-preserve-unknown-fields: true}
`)
	return t
}

// bomb is a small request that asks for much.
type bomb struct {
	what string
	// parameters of a size: large is the attack, small the control.
	parameters   func(size int) string
	large, small int
	// refused is what the condition says; it is refused on creation where atOnce says so.
	refused string
	atOnce  bool
}

func list(size int) string {
	return "numbers: [" + strings.TrimSuffix(strings.Repeat("1,", size), ",") + "]"
}

// nested is written as JSON: YAML takes no such depth.
func nested(size int) string {
	return `{"deep":` + strings.Repeat(`{"a":`, size) + "1" + strings.Repeat("}", size) + "}"
}

var bombs = []bomb{
	{what: "three loops in each other", large: 1000, small: 3, refused: "too expensive", parameters: list},
	{what: "a range without end", large: 1 << 40, small: 3, refused: "10000", parameters: func(size int) string { return fmt.Sprintf("range: %d", size) }},
	{what: "an index far out", large: 1 << 62, small: 0, refused: "index out of bounds",
		parameters: func(size int) string { return fmt.Sprintf("numbers: [1]\nindex: %d", size) }},
	{what: "a negative index", large: -1, small: 0, refused: "index out of bounds",
		parameters: func(size int) string { return fmt.Sprintf("numbers: [1]\nindex: %d", size) }},
	{what: "a text that multiplies itself", large: 100_000, small: 3, refused: "too expensive",
		parameters: func(size int) string { return "text: " + strings.Repeat("x", size) }},
	{what: "nesting that the API server does not read", large: 20_000, small: 5, refused: "max depth", atOnce: true, parameters: nested},
}

var _ = Describe("A bomb", func() {
	send := func(ctx context.Context, parameters []byte) (*platformv1alpha1.Component, error) {
		c := framework.Component(evil.home, framework.Name("c"), costly, "dev")
		c.Spec.Parameters = framework.JSON("{}")
		c.Spec.Parameters.Raw = parameters
		return c, mallory.Create(ctx, c)
	}
	for _, b := range bombs {
		raw := func(size int) []byte {
			if text := b.parameters(size); strings.HasPrefix(text, "{") {
				return []byte(text)
			}
			return framework.JSON(b.parameters(size)).Raw
		}
		It("harms nobody: "+b.what, func(ctx context.Context) {
			component, err := send(ctx, raw(b.large))
			if b.atOnce {
				Expect(err).To(MatchError(ContainSubstring(b.refused)))
			} else {
				Expect(err).NotTo(HaveOccurred())
				DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, component)).To(Succeed()) })
				Eventually(ctx, framework.Read(admin, component)).Should(framework.BeStalled(platformv1alpha1.ReasonRenderFailed, b.refused))
			}
			// The manager goes on for others meanwhile.
			other := framework.Component(victim.home, framework.Name("c"), plain, "dev")
			Expect(admin.Create(ctx, other)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, other)).To(Succeed()) })
			Eventually(ctx, framework.Read(admin, other)).WithTimeout(waits).Should(framework.BeReady())
		})
		It("is refused for its size alone: "+b.what, func(ctx context.Context) {
			component, err := send(ctx, raw(b.small))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, component)).To(Succeed()) })
			Eventually(ctx, framework.Read(admin, component)).Should(framework.BeReady())
		})
	}

	It("of nesting is refused where it would be rendered", func(ctx context.Context) {
		c := framework.Component(evil.home, framework.Name("c"), lax, "dev")
		c.Spec.Parameters = framework.JSON("{}")
		c.Spec.Parameters.Raw = []byte(strings.Replace(nested(5000), "deep", "pod", 1))
		Expect(mallory.Create(ctx, c)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, c)).To(Succeed()) })
		Eventually(ctx, framework.Read(admin, c)).Should(framework.BeStalled(platformv1alpha1.ReasonRenderFailed, "64 levels"))

		flat := framework.Component(evil.home, framework.Name("c"), lax, "dev")
		flat.Spec.Parameters = framework.JSON(podWith(container(""), ""))
		Expect(mallory.Create(ctx, flat)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(admin.Delete(ctx, flat)).To(Succeed()) })
		Eventually(ctx, func(ctx context.Context) string {
			return bytesOf(ctx, direct(flat.Name, podWith(container(""), ""))[0])
		}).ShouldNot(BeEmpty(), "the control")
	})

	// What the CLI does with one is in cmd/towpath/internal/manifest.
	It("of YAML aliases is refused by the API server, and so never reaches the manager", func(ctx context.Context) {
		cfg, err := cluster.Plane.UserConfig("mallory")
		Expect(err).NotTo(HaveOccurred())
		kube, err := kubernetes.NewForConfig(cfg)
		Expect(err).NotTo(HaveOccurred())
		post := func(levels int) error {
			return kube.RESTClient().Post().AbsPath("/apis/platform.towpath.dev/v1alpha1/namespaces/"+evil.home+"/components").
				Param("dryRun", "All").SetHeader("Content-Type", "application/yaml").Body([]byte(aliases(levels))).Do(ctx).Error()
		}
		Expect(post(9)).To(MatchError(ContainSubstring("excessive aliasing")))
		Expect(post(1)).To(Succeed(), "the control")
	})

	It("of indexes is refused by the API server", func(ctx context.Context) {
		at := func(index string) error {
			patch, err := json.Marshal([]map[string]any{{"op": "add", "path": "/spec/environments/" + index, "value": map[string]any{"name": "other"}}})
			Expect(err).NotTo(HaveOccurred())
			return mallory.Patch(ctx, evil.component.DeepCopy(), client.RawPatch("application/json-patch+json", patch), client.DryRunAll)
		}
		Expect(at("9999999999")).To(HaveOccurred())
		Expect(at("1")).To(Succeed(), "the control")
	})
})

// aliases is a Component whose parameters hold a list of nine, each of which is a list of nine, and so on.
func aliases(levels int) string {
	var b strings.Builder
	b.WriteString("apiVersion: platform.towpath.dev/v1alpha1\nkind: Component\nmetadata: {name: aliased}\n" +
		"spec:\n  templateRef: {name: no-such-template}\n  image: app:1\n  environments: [{name: dev}]\n  parameters:\n    a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i <= levels; i++ {
		fmt.Fprintf(&b, "    a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	return b.String()
}
