// Package score turns Score workloads (score.dev/v1b1) into Components. It is pure.
//
// Score says what a workload needs, not how it runs: what it leaves open is the golden path's. What a golden
// path has no place for is named, and left out.
package score

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/score-spec/score-go/loader"
	"github.com/score-spec/score-go/schema"
	"github.com/score-spec/score-go/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/template"
)

// The golden paths that workloads are fitted to.
const (
	webService      = "web-service"
	worker          = "worker"
	statefulService = "stateful-service"
	postgres        = "postgres"
)

// byBuild is what Score writes where the image comes from a build.
const byBuild = "."

// Options fill in what Score does not say.
type Options struct {
	// Namespace of the Components; empty for none.
	Namespace string
	// Environments are the path.
	Environments []string
	// Image takes the place of a workload's own. It is needed where that comes from a build.
	Image string
}

// Result is what a workload becomes.
type Result struct {
	// Components are the workload's own, and then those that it uses and that golden paths can give.
	Components []*platformv1alpha1.Component
	// Unmapped names what was left out, as a path in the file and what to do about it.
	Unmapped []string
	// Notes say what was decided where Score leaves it open.
	Notes []string
}

// Convert reads one workload. The error says what keeps it from becoming a Component at all.
func Convert(data []byte, options Options) (*Result, error) {
	if err := schema.ValidateYaml(bytes.NewReader(data)); err != nil {
		return nil, fmt.Errorf("not a Score workload of score.dev/v1b1: %w", err)
	}
	var raw map[string]any
	if err := loader.ParseYAML(&raw, bytes.NewReader(data)); err != nil {
		return nil, err
	}
	var workload types.Workload
	if err := loader.MapSpec(&workload, raw); err != nil {
		return nil, err
	}
	if err := loader.Validate(&workload); err != nil {
		return nil, err
	}
	c := &converter{workload: &workload, options: options, uses: map[string]provider{}}
	return c.run()
}

// converter is the state of one Convert.
type converter struct {
	workload *types.Workload
	options  Options
	result   Result
	// path is the golden path.
	path       string
	component  *platformv1alpha1.Component
	parameters map[string]any
	// uses are the resources that other Components give, by their name in the workload.
	uses map[string]provider
}

// provider is a Component that stands for a resource of the workload.
type provider struct {
	alias string
	// outputs are the names of Score's properties among the golden path's outputs.
	outputs map[string]string
}

func (c *converter) run() (*Result, error) {
	name, _ := c.workload.Metadata["name"].(string)
	if problems := validation.IsDNS1035Label(name); len(problems) > 0 || len(name) > 40 {
		return nil, fmt.Errorf("metadata.name: %q must be a DNS-1035 label of at most 40 characters, such as checkout", name)
	}
	names := slices.Sorted(maps.Keys(c.workload.Containers))
	if len(names) != 1 {
		return nil, fmt.Errorf("containers: there are %d (%v); a Component runs one container: make a workload of each", len(names), names)
	}
	for key := range c.workload.Metadata {
		if key != "name" {
			c.leave("metadata."+key, "Towpath sets labels itself, and annotations are the template's")
		}
	}
	container := c.workload.Containers[names[0]]
	at := "containers." + names[0]
	c.choose()
	c.component = c.newComponent(name, c.path, container.Image)
	if c.options.Image != "" {
		c.component.Spec.Image = c.options.Image
	}
	if c.component.Spec.Image == byBuild {
		return nil, fmt.Errorf("%s.image: %q means that a build gives the image: name it with --image", at, byBuild)
	}
	c.parameters = map[string]any{}
	c.ports()
	if err := c.resources(); err != nil {
		return nil, err
	}
	if err := c.container(at, &container); err != nil {
		return nil, err
	}
	encoded, err := template.EncodeParameters(c.parameters)
	if err != nil {
		return nil, err
	}
	c.component.Spec.Parameters = encoded
	c.result.Components = append([]*platformv1alpha1.Component{c.component}, c.result.Components...)
	slices.Sort(c.result.Unmapped)
	return &c.result, nil
}

// choose takes the golden path: one with volumes where there are some, one that is called where there are
// ports, else a worker.
func (c *converter) choose() {
	why := "it has no service port"
	c.path = worker
	if c.workload.Service != nil && len(c.workload.Service.Ports) > 0 {
		c.path, why = webService, "it has a service port"
		for _, container := range c.workload.Containers {
			if len(container.Volumes) > 0 {
				c.path, why = statefulService, "it has a service port and a volume"
			}
		}
	}
	c.note("golden path %s: %s", c.path, why)
}

func (c *converter) newComponent(name, path, image string) *platformv1alpha1.Component {
	component := &platformv1alpha1.Component{
		TypeMeta:   metav1.TypeMeta{APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "Component"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.options.Namespace},
		Spec: platformv1alpha1.ComponentSpec{
			TemplateRef: platformv1alpha1.TemplateReference{Name: path}, Image: image,
		},
	}
	for _, environment := range c.options.Environments {
		component.Spec.Environments = append(component.Spec.Environments, platformv1alpha1.PathEnvironment{Name: environment})
	}
	return component
}

// leave names what has no place.
func (c *converter) leave(path, why string, args ...any) {
	c.result.Unmapped = append(c.result.Unmapped, path+": "+fmt.Sprintf(why, args...))
}

func (c *converter) note(text string, args ...any) {
	c.result.Notes = append(c.result.Notes, fmt.Sprintf(text, args...))
}

// set sets a parameter below an object.
func (c *converter) set(value any, object, name string) {
	below, ok := c.parameters[object].(map[string]any)
	if !ok {
		below = map[string]any{}
		c.parameters[object] = below
	}
	below[name] = value
}
