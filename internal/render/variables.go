package render

import (
	"slices"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/uses"
)

// variables are the values of the variables that templates use.
func variables(in Input) map[string]any {
	parameters := in.Parameters
	if parameters == nil {
		parameters = map[string]any{}
	}
	return map[string]any{
		"params": parameters,
		"component": map[string]any{
			"name": in.Component, "namespace": in.HomeNamespace, "team": in.Team, "costCenter": in.CostCenter,
			"env": environmentVariables(in), "connections": connections(in.Uses),
		},
		"uses": used(in.Uses),
		"environment": map[string]any{
			"name": in.Environment.Name, "namespace": in.Environment.Namespace, "tier": string(in.Environment.Tier), "class": in.Environment.Class,
		},
		"release":      map[string]any{"image": in.Image, "commit": in.Commit, "revision": in.Revision},
		"capabilities": slices.Clone(in.Capabilities),
	}
}

// environmentVariables is the complete list of EnvVars of a container: those of what is used, those from
// Secrets, then the plain ones, so that a plain one can be put together from the others as $(DB_PASSWORD). A
// name that the Component gives itself is its own.
func environmentVariables(in Input) []any {
	taken := map[string]bool{}
	for _, e := range in.Env {
		taken[e.Name] = true
	}
	for _, e := range in.SecretEnv {
		taken[e.Name] = true
	}
	list := make([]any, 0, len(in.Env)+len(in.SecretEnv))
	for _, use := range in.Uses {
		for _, o := range use.Outputs {
			name := uses.Variable(use.As, o.Name)
			if taken[name] {
				continue
			}
			taken[name] = true
			if o.SecretKeyRef != nil {
				list = append(list, secretVariable(name, *o.SecretKeyRef))
			} else {
				list = append(list, plainVariable(name, *o.Value))
			}
		}
	}
	for _, e := range in.SecretEnv {
		list = append(list, secretVariable(e.Name, e.SecretKeyRef))
	}
	for _, e := range in.Env {
		list = append(list, plainVariable(e.Name, e.Value))
	}
	return list
}

func plainVariable(name, value string) any {
	variable := map[string]any{"name": name}
	if value != "" { // the API server drops an empty value, and would seem to have changed ours
		variable["value"] = value
	}
	return variable
}

func secretVariable(name string, ref platformv1alpha1.SecretKeyReference) any {
	return map[string]any{
		"name": name, "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": ref.Name, "key": ref.Key}},
	}
}

// used is the variable uses: the outputs by name, by the name of who gives them. One that stands in a Secret
// is an object of name and key.
func used(list []platformv1alpha1.ReleaseUse) map[string]any {
	all := map[string]any{}
	for _, use := range list {
		outputs := map[string]any{}
		for _, o := range use.Outputs {
			if o.SecretKeyRef != nil {
				outputs[o.Name] = map[string]any{"name": o.SecretKeyRef.Name, "key": o.SecretKeyRef.Key}
			} else {
				outputs[o.Name] = *o.Value
			}
		}
		all[use.As] = outputs
	}
	return all
}

// connections is the variable component.connections: where the Components that are used can be called.
func connections(list []platformv1alpha1.ReleaseUse) []any {
	all := []any{}
	for _, use := range list {
		if use.Endpoint == nil {
			continue
		}
		labels := map[string]any{}
		for key, value := range use.Endpoint.PodLabels {
			labels[key] = value
		}
		ports := make([]any, 0, len(use.Endpoint.Ports))
		for _, port := range use.Endpoint.Ports {
			ports = append(ports, int64(port))
		}
		all = append(all, map[string]any{"component": use.Component, "as": use.As, "podLabels": labels, "ports": ports})
	}
	return all
}
