package template

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/expr"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/override"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

// Template is a compiled ServiceTemplate. It is immutable and safe for concurrent use.
type Template struct {
	parameters   *parameters
	resources    []*resource
	capabilities []string
	outputs      []output
	endpoint     *endpoint
	// targets are the resources with what overrides may set.
	targets override.Targets
	// pipeline is nil where the template has none.
	pipeline *pipeline.Compiled
}

// resource is one compiled resource.
type resource struct {
	id, apiVersion, kind string
	object               *node
	includeWhen, forEach *expr.Program
	readyWhen            *expr.Program
	// refs are the ids of the resources that expressions here refer to.
	refs []string
	// capabilities are the optional APIs that expressions here ask for.
	capabilities []string
	// wave is 0 where there are none, else one more than the highest wave of these.
	wave int
}

// variablePrefix begins the names of the variables that hold other resources.
const variablePrefix = "resources."

// Compile compiles a template. kinds tells the schemas of the target kinds; with nil nothing is
// checked against them, and what is rendered is the same to the byte. Warnings do not stop a
// template; errors do, and the Template is nil then. An error of type Internal means that kinds did
// not answer, and nothing about the template.
func Compile(spec *platformv1alpha1.ServiceTemplateSpec, kinds openapi.Source) (t *Template, warnings []string, errs field.ErrorList) {
	defer func() {
		// The libraries below parse what people write. A panic in one must not end the manager.
		if p := recover(); p != nil {
			t, errs = nil, field.ErrorList{field.Invalid(field.NewPath("spec"), field.OmitValueType{}, fmt.Sprintf("compiling failed: %v", p))}
		}
	}()
	c := &compiler{spec: spec, kinds: kinds, template: &Template{}, reads: map[string]bool{}}
	c.run()
	slices.Sort(c.warnings)
	if len(c.errs) > 0 {
		return nil, c.warnings, ordered(c.errs)
	}
	return c.template, c.warnings, nil
}

// Content is what of a template becomes a revision: all but what is said about the template.
func Content(spec *platformv1alpha1.ServiceTemplateSpec) platformv1alpha1.ServiceTemplateSpec {
	content := *spec
	content.Maturity, content.ReplacedBy, content.Rollout = "", "", nil
	return content
}

// Hash returns the SHA-256, in hexadecimal, of a template's content in canonical JSON: the order of keys and
// the spelling of numbers in the source do not matter.
func Hash(spec *platformv1alpha1.ServiceTemplateSpec) (string, error) {
	content := Content(spec)
	raw, err := json.Marshal(&content)
	if err != nil {
		return "", fmt.Errorf("hashing the template: %w", err)
	}
	var value any
	if err := utiljson.Unmarshal(raw, &value); err != nil {
		return "", fmt.Errorf("hashing the template: %w", err)
	}
	canonical, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("hashing the template: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// Pipeline returns the compiled pipeline; nil where the template has none.
func (t *Template) Pipeline() *pipeline.Compiled { return t.pipeline }

// Capabilities returns the optional APIs that expressions of the template ask for, as
// group/version/Kind, sorted.
func (t *Template) Capabilities() []string { return t.capabilities }

// AskedBy returns the ids of the resources whose expressions ask for an optional API, sorted;
// outputs and the endpoint, which may ask too, have none.
func (t *Template) AskedBy(capability string) []string {
	var ids []string
	for _, r := range t.resources {
		if slices.Contains(r.capabilities, capability) {
			ids = append(ids, r.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Always returns the kinds of the objects that the template makes whatever the parameters are, each with the id of a
// resource that makes it.
func (t *Template) Always() map[schema.GroupKind]string {
	kinds := map[schema.GroupKind]string{}
	for _, r := range t.resources {
		if r.includeWhen == nil && r.forEach == nil {
			kinds[schema.FromAPIVersionAndKind(r.apiVersion, r.kind).GroupKind()] = r.id
		}
	}
	return kinds
}

// HasReadyWhen says whether a resource has a readiness rule of its own.
func (t *Template) HasReadyWhen(id string) bool {
	r := t.resource(id)
	return r != nil && r.readyWhen != nil
}

// ReadyWhenSource returns a resource's own readiness rule as it is written; empty where it has none.
func (t *Template) ReadyWhenSource(id string) string {
	if !t.HasReadyWhen(id) {
		return ""
	}
	return "${" + t.resource(id).readyWhen.Source + "}"
}

// ReadyWhen evaluates a resource's own readiness rule on a live object. defined is false where the
// resource has none.
func (t *Template) ReadyWhen(id string, self map[string]any) (ready, defined bool, err error) {
	r := t.resource(id)
	if r == nil || r.readyWhen == nil {
		return false, false, nil
	}
	value, err := r.readyWhen.Eval(map[string]any{"self": self}, expr.NewBudget())
	if err != nil {
		return false, true, fmt.Errorf("readyWhen of resource %s, ${%s}: %w", id, r.readyWhen.Source, err)
	}
	ready, ok := value.(bool)
	if !ok {
		return false, true, fmt.Errorf("readyWhen of resource %s, ${%s}: it must give a bool, and gives %s", id, r.readyWhen.Source, kindOf(value))
	}
	return ready, true, nil
}

func (t *Template) resource(id string) *resource {
	for _, r := range t.resources {
		if r.id == id {
			return r
		}
	}
	return nil
}

// order puts the resources into waves, and reports a cycle.
func (c *compiler) order() {
	resources := c.template.resources
	done := map[string]bool{}
	for wave := 0; len(done) < len(resources); wave++ {
		var ready []*resource
		for _, r := range resources {
			if !done[r.id] && !slices.ContainsFunc(r.refs, func(id string) bool { return !done[id] }) {
				ready = append(ready, r)
			}
		}
		if len(ready) == 0 {
			c.cycle(done)
			return
		}
		for _, r := range ready {
			r.wave, done[r.id] = wave, true
		}
	}
	slices.SortStableFunc(resources, func(a, b *resource) int { return a.wave - b.wave })
}

// cycle names one of the cycles among the resources that are not done.
func (c *compiler) cycle(done map[string]bool) {
	var start *resource
	for _, r := range c.template.resources {
		if !done[r.id] {
			start = r
			break
		}
	}
	path := []string{start.id}
	for at := start; ; {
		i := slices.IndexFunc(at.refs, func(id string) bool { return !done[id] })
		at = c.template.resource(at.refs[i])
		if first := slices.Index(path, at.id); first >= 0 {
			path = append(path[first:], at.id)
			break
		}
		path = append(path, at.id)
	}
	c.errs = append(c.errs, field.Invalid(field.NewPath("spec", "resources"), strings.Join(path, " -> "),
		"resources must not refer to each other in a circle: take the value from params or component instead"))
}
