package adopt

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// container is what the Component takes from the container that was found.
type container struct {
	// name of the container, and its path in the workload.
	name, path string
	image      string
	env        []platformv1alpha1.EnvVar
	secretEnv  []platformv1alpha1.SecretEnvVar
}

// PodTemplate returns the pod template of a workload, and its path.
func PodTemplate(workload *unstructured.Unstructured) (template map[string]any, path string) {
	fields := []string{"spec", "template"}
	if workload.GetKind() == "CronJob" {
		fields = []string{"spec", "jobTemplate", "spec", "template"}
	}
	template = workload.Object
	for _, field := range fields {
		template, _ = template[field].(map[string]any)
	}
	return template, strings.Join(fields, ".")
}

// findContainer finds the container that the template's own stands for, with its image and variables.
func (f *fitter) findContainer() error {
	workload := f.in.Workload
	template, at := PodTemplate(workload)
	spec, _ := template["spec"].(map[string]any)
	list, _ := spec["containers"].([]any)
	if len(list) == 0 {
		return fmt.Errorf("%s: %s.spec.containers: it is empty; a Component runs one container", title(workload), at)
	}
	f.main = f.mainContainer()
	chosen, why := f.choose(list)
	if chosen < 0 {
		return &Refusal{
			Err:  fmt.Errorf("%s: it has no container %s; it has %s", title(workload), f.in.Container, strings.Join(namesOf(list), ", ")),
			Next: "choose one of these with --container, or leave it out",
		}
	}
	if len(list) > 1 && f.in.Container == "" {
		f.notes = append(f.notes, fmt.Sprintf("%s has %d containers: %s is taken for the golden path's, since %s; choose another one with --container",
			title(workload), len(list), nameOf(list[chosen]), why))
	}
	main, _ := list[chosen].(map[string]any)
	f.container.name = nameOf(main)
	f.container.path = fmt.Sprintf("%s.spec.containers[name=%s]", at, nameOf(main))
	for i, other := range list {
		if i != chosen {
			f.leave(workload, fmt.Sprintf("%s.spec.containers[name=%s]", at, nameOf(other)), nil,
				"a Component runs one container; the first new version takes this one away: make a golden path that has it")
		}
	}
	f.container.image, _ = main["image"].(string)
	if f.container.image == "" {
		return fmt.Errorf("%s: %s.image: it is empty; a Component needs one", title(workload), f.container.path)
	}
	f.variables(main)
	return nil
}

// choose says which container the template's own stands for, and why; below 0 where the one asked for is not there.
func (f *fitter) choose(list []any) (index int, why string) {
	if f.in.Container != "" {
		return indexOf(list, f.in.Container), "you chose it"
	}
	if i := indexOf(list, f.in.Workload.GetName()); i >= 0 {
		return i, "it has the workload's name"
	}
	if i := indexOf(list, f.main); i >= 0 {
		return i, "the golden path's has this name"
	}
	if name, service := f.served(); name != "" {
		return indexOf(list, name), "Service " + service + " leads to it"
	}
	return 0, "it is the first"
}

// served is the container that the nearest Service leads to.
func (f *fitter) served() (name, service string) {
	pods, _ := PodTemplate(f.in.Workload)
	nearest := rankHeadless + 1
	for i, found := range f.found {
		if found.GetKind() != "Service" || f.ranks[i] >= nearest {
			continue
		}
		ports, _, _ := unstructured.NestedSlice(found.Object, "spec", "ports")
		for _, item := range ports {
			port, _ := item.(map[string]any)
			eachPort(pods, func(container, p map[string]any) {
				if f.ranks[i] < nearest && isPort(p, targetOf(port)) {
					name, service, nearest = nameOf(container), found.GetName(), f.ranks[i]
				}
			})
		}
	}
	return name, service
}

func namesOf(list []any) []string {
	names := make([]string, len(list))
	for i, item := range list {
		names[i] = nameOf(item)
	}
	return names
}

// mainContainer is the name of the template's container that runs the Component's image.
func (f *fitter) mainContainer() string {
	for i := range f.in.Spec.Resources {
		var object any
		if utiljson.Unmarshal(f.in.Spec.Resources[i].Object.Raw, &object) != nil {
			continue
		}
		if name := runsImage(object); name != "" {
			return name
		}
	}
	return ""
}

func runsImage(value any) string {
	switch v := value.(type) {
	case map[string]any:
		if image, ok := v["image"].(string); ok && strings.Contains(image, "release.image") && nameOf(v) != "" {
			return nameOf(v)
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if name := runsImage(v[key]); name != "" {
				return name
			}
		}
	case []any:
		for _, item := range v {
			if name := runsImage(item); name != "" {
				return name
			}
		}
	}
	return ""
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// Bounds of what a Component holds.
const (
	maxVariables     = 128
	maxVariableValue = 8192
)

// variables reads the environment variables: plain ones, and those from Secrets.
func (f *fitter) variables(main map[string]any) {
	c, workload := &f.container, f.in.Workload
	list, _ := main["env"].([]any)
	seen := map[string]bool{}
	for i := len(list) - 1; i >= 0; i-- { // of two with one name, the last one counts
		variable, _ := list[i].(map[string]any)
		name := nameOf(variable)
		path := fmt.Sprintf("%s.env[name=%s]", c.path, name)
		switch {
		case seen[name]:
			f.leave(workload, path, variable["value"], "the name stands twice; the last one counts, and is taken")
		case !variableName.MatchString(name):
			f.leave(workload, path, nil, "a Component's variables must match "+variableName.String()+"; rename it in the program")
		case variable["valueFrom"] != nil:
			f.fromElsewhere(path, name, variable["valueFrom"])
		default:
			value, _ := variable["value"].(string)
			if len(value) > maxVariableValue {
				f.leave(workload, path, nil, fmt.Sprintf("it has %d characters; a Component's variable has at most %d: put it into the image or a Secret", len(value), maxVariableValue))
				break
			}
			c.env = append(c.env, platformv1alpha1.EnvVar{Name: name, Value: value})
		}
		seen[name] = true
	}
	slices.Reverse(c.env)
	slices.Reverse(c.secretEnv)
	if len(c.env) > maxVariables {
		f.leave(workload, c.path+".env", nil, fmt.Sprintf("there are %d variables; a Component has at most %d: the rest is left out", len(c.env), maxVariables))
		c.env = c.env[:maxVariables]
	}
	if from := main["envFrom"]; from != nil {
		f.leave(workload, c.path+".envFrom", from, "a Component names its variables one by one: write those that the program reads into env and secretEnv")
	}
}

func (f *fitter) fromElsewhere(path, name string, from any) {
	source, _ := from.(map[string]any)
	ref, ok := source["secretKeyRef"].(map[string]any)
	if !ok {
		why := "a Component's variables are plain values or come from Secrets"
		if _, isField := source["fieldRef"]; isField {
			why += "; let the golden path set it, or have the program ask"
		} else if _, isConfig := source["configMapKeyRef"]; isConfig {
			why += "; write the value of the ConfigMap into env"
		}
		f.leave(f.in.Workload, path, from, why)
		return
	}
	secret, _ := ref["name"].(string)
	key, _ := ref["key"].(string)
	if optional, _ := ref["optional"].(bool); optional {
		f.leave(f.in.Workload, path+".valueFrom.secretKeyRef.optional", true, "a Component's Secret must be there, or its pods do not start: make sure of it before the first new version")
	}
	f.container.secretEnv = append(f.container.secretEnv, platformv1alpha1.SecretEnvVar{
		Name: name, SecretKeyRef: platformv1alpha1.SecretKeyReference{Name: secret, Key: key},
	})
}
