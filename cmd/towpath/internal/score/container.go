package score

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/score-spec/score-go/framework"
	"github.com/score-spec/score-go/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/uses"
)

// container maps what stands in the one container.
func (c *converter) container(at string, container *types.Container) error {
	if len(container.Command) > 0 {
		c.leave(at+".command", "golden paths run the image's own entry point; put the command into the image, or its arguments into args")
	}
	if len(container.Args) > 0 {
		args := make([]any, 0, len(container.Args))
		for i, arg := range container.Args {
			text, ok := c.substitute(fmt.Sprintf("%s.args[%d]", at, i), arg)
			if !ok {
				text = arg
			}
			args = append(args, text)
		}
		c.parameters["args"] = args
	}
	for _, name := range slices.Sorted(maps.Keys(container.Files)) {
		c.leave(at+".files["+name+"]", "golden paths mount no files; put it into the image, or give its content in env")
	}
	if len(container.Before) > 0 {
		c.leave(at+".before", "a Component runs one container, and knows no order of them")
	}
	c.volumes(at, container)
	c.limits(at, container)
	c.probes(at, container)
	return c.variables(at, container)
}

// variable is what Kubernetes takes as the name of an environment variable here.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (c *converter) variables(at string, container *types.Container) error {
	for _, name := range slices.Sorted(maps.Keys(container.Variables)) {
		here := at + ".variables." + name
		if !variable.MatchString(name) {
			c.leave(here, "its name must match %s", variable)
			continue
		}
		if text, ok := c.substitute(here, container.Variables[name]); ok {
			c.component.Spec.Env = append(c.component.Spec.Env, platformv1alpha1.EnvVar{Name: name, Value: text})
		}
	}
	return nil
}

// substitute puts values in the place of Score's placeholders: metadata as it is, and outputs of what is used as
// $(VARIABLE), which Kubernetes fills in. ok is false where one has no value; then it is named.
func (c *converter) substitute(at, text string) (string, bool) {
	ok := true
	var references []string
	replaced, err := framework.SubstituteString(text, func(ref string) (string, error) {
		value, name, why := c.placeholder(ref)
		if why != "" {
			c.leave(at, "${%s}: %s", ref, why)
			ok = false
		}
		if name != "" {
			references = append(references, "$("+name+")")
			return mark, nil
		}
		return value, nil
	})
	if err != nil {
		c.leave(at, "%v", err)
		return "", false
	}
	replaced = strings.ReplaceAll(replaced, "$(", "$$(") // the text's own, which Kubernetes would fill in
	for _, reference := range references {
		replaced = strings.Replace(replaced, mark, reference, 1)
	}
	return replaced, ok
}

// mark stands for a reference to a variable while the text around it is escaped. No YAML text holds it.
const mark = "\x00"

// placeholder returns the value of a placeholder, or the variable that has it, or why there is none.
func (c *converter) placeholder(ref string) (value, variable, why string) {
	parts := framework.SplitRefParts(ref)
	switch {
	case len(parts) == 2 && parts[0] == "metadata" && parts[1] == "name":
		return c.component.Name, "", ""
	case len(parts) >= 2 && parts[0] == "resources":
		given, ok := c.uses[parts[1]]
		if !ok {
			return "", "", "no golden path gives this resource; set the variable in env or secretEnv"
		}
		if len(parts) != 3 || given.outputs[parts[2]] == "" {
			return "", "", fmt.Sprintf("its golden path has no such output; it has %s", strings.Join(slices.Sorted(maps.Keys(given.outputs)), ", "))
		}
		return "", uses.Variable(given.alias, given.outputs[parts[2]]), ""
	}
	return "", "", "only metadata.name and resources can be referred to"
}

// volumes takes the one volume that a stateful service has.
func (c *converter) volumes(at string, container *types.Container) {
	for i, path := range slices.Sorted(maps.Keys(container.Volumes)) {
		here := at + ".volumes[" + path + "]"
		switch {
		case c.path != statefulService:
			c.leave(here, "golden path %s keeps nothing; give the workload a service port to become a stateful-service", c.path)
		case i > 0:
			c.leave(here, "golden path %s has one volume", c.path)
		default:
			c.set(path, "storage", "mountPath")
		}
	}
}

func (c *converter) limits(at string, container *types.Container) {
	if container.Resources == nil {
		return
	}
	if r := container.Resources.Requests; r != nil {
		if r.Cpu != nil {
			c.set(*r.Cpu, "resources", "cpu")
		}
		if r.Memory != nil {
			c.set(*r.Memory, "resources", "memory")
		}
	}
	if l := container.Resources.Limits; l != nil {
		if l.Cpu != nil {
			c.leave(at+".resources.limits.cpu", "golden paths set none: it throttles on an idle node")
		}
		if l.Memory != nil {
			c.set(*l.Memory, "resources", "memoryLimit")
		}
	}
}

// probes maps probes by HTTP. A workload that says nothing about them answers no path that a golden path
// could know, so its port is opened instead.
func (c *converter) probes(at string, container *types.Container) {
	live, ready := c.probe(at+".livenessProbe", container.LivenessProbe), c.probe(at+".readinessProbe", container.ReadinessProbe)
	switch {
	case live == "" && ready == "" && c.path == worker:
		return
	case live == "" && ready == "":
		c.set("TCP", "probes", "handler")
		c.note("probes: the port is opened, since the workload names no path; HTTP probes see more")
		return
	case live == "":
		live = ready
		c.note("probes: liveness asks the path of readiness; give it one of its own, which asks no other service")
	case ready == "":
		ready = live
	}
	c.set("HTTP", "probes", "handler")
	c.set(live, "probes", "livePath")
	c.set(ready, "probes", "readyPath")
}

// probe returns the path of a probe; empty where there is none that fits.
func (c *converter) probe(at string, probe *types.ContainerProbe) string {
	if probe == nil {
		return ""
	}
	if probe.HttpGet == nil {
		c.leave(at, "only httpGet is mapped; golden paths that take a command have it in probes")
		return ""
	}
	if port, ok := c.parameters["port"].(int64); ok && int64(probe.HttpGet.Port) != port {
		c.leave(at+".httpGet.port", "golden path %s asks the service's port, %d", c.path, port)
	}
	if c.path == worker {
		c.parameters["port"] = int64(probe.HttpGet.Port)
	}
	if len(probe.HttpGet.HttpHeaders) > 0 || probe.HttpGet.Host != nil || probe.HttpGet.Scheme != nil && *probe.HttpGet.Scheme != "HTTP" {
		c.leave(at+".httpGet", "golden paths ask by plain HTTP, without headers")
	}
	return probe.HttpGet.Path
}

// ports takes the port of the service: the one that is named after the web, else the first.
func (c *converter) ports() {
	if c.workload.Service == nil {
		return
	}
	names := slices.Sorted(maps.Keys(c.workload.Service.Ports))
	chosen := ""
	for _, name := range []string{"http", "web", "www"} {
		if slices.Contains(names, name) && chosen == "" {
			chosen = name
		}
	}
	for _, name := range names {
		port, here := c.workload.Service.Ports[name], "service.ports."+name
		if chosen == "" {
			chosen = name
		}
		switch {
		case name != chosen:
			c.leave(here, "golden path %s has one port, and that is %s", c.path, chosen)
			continue
		case port.Protocol != nil && *port.Protocol != "TCP":
			c.leave(here+".protocol", "golden paths serve by TCP")
		}
		target := port.Port
		if port.TargetPort != nil {
			target = *port.TargetPort
		}
		c.parameters["port"] = int64(target)
		if at, ok := c.servedAt(target); ok && at != port.Port {
			c.note("service.ports.%s: callers find the service at port %d, and not %d", name, at, port.Port)
		}
	}
}

// servedAt is the port at which callers find the service of a golden path; not ok where that has none.
func (c *converter) servedAt(target int) (port int, ok bool) {
	switch c.path {
	case webService:
		return 80, true
	case statefulService:
		return target, true
	}
	return 0, false
}
