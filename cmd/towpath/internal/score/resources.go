package score

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/score-spec/score-go/types"
	"k8s.io/apimachinery/pkg/util/validation"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/template"
	"github.com/towpath-dev/towpath/internal/uses"
)

// postgresImage is what a database runs until somebody chooses. The official image runs with the operator and
// as a single pod, along one path; CloudNativePG's own ends at once where there is no operator. Its user is not
// the operator's default, so it is named.
const (
	postgresImage = "docker.io/library/postgres:17"
	postgresUser  = 999
)

// resources maps what the workload needs from outside: databases and services become Components that it uses,
// volumes and routes parameters.
func (c *converter) resources() error {
	hosts := map[string]string{} // of resources of type dns, by name
	for _, name := range slices.Sorted(maps.Keys(c.workload.Resources)) {
		if r := c.workload.Resources[name]; r.Type == "dns" {
			hosts[name], _ = r.Params["host"].(string)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.workload.Resources)) {
		r := c.workload.Resources[name]
		at := "resources." + name
		switch r.Type {
		case "postgres":
			if err := c.postgres(at, name, &r); err != nil {
				return err
			}
		case "service":
			c.use(at, name, c.idOr(&r, name), map[string]string{"hostname": "host", "host": "host", "port": "port", "url": "url"})
		case "volume":
			c.volume(&r)
		case "route":
			c.route(at, &r, hosts)
		case "dns":
			// It matters only to routes, which name it.
		default:
			c.leave(at, "no golden path gives a resource of type %s", r.Type)
		}
	}
	return nil
}

// idOr is the name of the Component that gives a resource: its id where workloads share it.
func (c *converter) idOr(r *types.Resource, name string) string {
	if r.Id != nil && *r.Id != "" {
		return *r.Id
	}
	return name
}

// postgres makes a database of the golden path, or uses a shared one, which somebody else makes.
func (c *converter) postgres(at, name string, r *types.Resource) error {
	component := c.component.Name + "-" + name
	shared := r.Id != nil && *r.Id != ""
	if shared {
		component = *r.Id
	}
	ok := c.use(at, name, component, map[string]string{
		"host": "host", "port": "port", "name": "database", "database": "database", "username": "username", "password": "password",
	})
	if len(r.Params) > 0 {
		c.leave(at+".params", "set the parameters of golden path %s", postgres)
	}
	if !ok || shared {
		return nil
	}
	parameters, err := template.EncodeParameters(map[string]any{"runAsUser": int64(postgresUser)})
	if err != nil {
		return err
	}
	database := c.newComponent(component, postgres, postgresImage)
	database.Spec.Parameters = parameters
	c.result.Components = append(c.result.Components, database)
	c.note("%s: Component %s of golden path %s, with image %s; choose size and version, and make its Secret where there is no CloudNativePG", at, component, postgres, postgresImage)
	return nil
}

// use notes that another Component gives a resource.
func (c *converter) use(at, name, component string, outputs map[string]string) bool {
	if problems := validation.IsDNS1035Label(component); len(problems) > 0 || len(component) > 40 {
		c.leave(at, "the Component that gives it would be called %q, which must be a DNS-1035 label of at most 40 characters", component)
		return false
	}
	use := platformv1alpha1.Use{Component: component, As: uses.Alias(platformv1alpha1.Use{Component: name})}
	if uses.Alias(platformv1alpha1.Use{Component: component}) == use.As {
		use.As = ""
	}
	c.component.Spec.Uses = append(c.component.Spec.Uses, use)
	c.uses[name] = provider{alias: uses.Alias(use), outputs: outputs}
	return true
}

// volume takes the size of the volume.
func (c *converter) volume(r *types.Resource) {
	if c.path != statefulService {
		return // where it is mounted says why it has no place
	}
	if size, ok := r.Params["size"].(string); ok {
		c.set(size, "storage", "size")
	}
	if r.Class != nil && *r.Class != "default" {
		c.set(*r.Class, "storage", "className")
	}
}

// route takes the host name and the path under which the gateway serves.
func (c *converter) route(at string, r *types.Resource, hosts map[string]string) {
	if c.path != webService {
		c.leave(at, "golden path %s has no route", c.path)
		return
	}
	host, _ := r.Params["host"].(string)
	if ref, ok := strings.CutPrefix(host, "${resources."); ok {
		host = hosts[strings.TrimSuffix(ref, ".host}")]
	}
	if host == "" {
		c.leave(at+".params.host", "name the host in parameters.route.hosts: no golden path gives one")
		return
	}
	c.set([]any{host}, "route", "hosts")
	if path, ok := r.Params["path"].(string); ok && path != "/" {
		c.set(path, "route", "path")
	}
	if port, ok := r.Params["port"]; ok && fmt.Sprint(port) != fmt.Sprint(c.parameters["port"]) && fmt.Sprint(port) != "80" {
		c.leave(at+".params.port", "the route leads to the service's one port")
	}
}
