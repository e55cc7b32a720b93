package adopt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hostFields are the fields of Ingresses and HTTPRoutes that hold host names.
var hostFields = map[string]bool{"host": true, "hosts": true, "hostnames": true}

// eachHost calls see with what stands in a route, or in the template of one, where a host name belongs.
func eachHost(key string, value any, see func(string)) {
	switch v := value.(type) {
	case string:
		if hostFields[key] && v != "" {
			see(v)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			eachHost(name, v[name], see)
		}
	case []any:
		for _, item := range v {
			eachHost(key, item, see)
		}
	}
}

// hostsOf are the host names that an Ingress or HTTPRoute serves, each once.
func hostsOf(route *unstructured.Unstructured) []string {
	if !isRoute(route) {
		return nil
	}
	var hosts []string
	eachHost("", route.Object["spec"], func(host string) {
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	})
	return hosts
}

// hintHosts hints, for a parameter that stands for host names in a route of the template, at those that were found:
// also where an Ingress was found, and the golden path makes an HTTPRoute.
func (f *fitter) hintHosts(golden map[string]any) {
	if !isRoute(&unstructured.Unstructured{Object: golden}) {
		return
	}
	eachHost("", golden["spec"], func(expression string) {
		for i := range f.leaves {
			if l := &f.leaves[i]; mentions(expression, l.path) {
				l.ofHosts = true
				for at, found := range f.found {
					l.hints = append(l.hints, hintsAtHosts(at, hostsOf(found))...)
				}
			}
		}
	})
}

// hintsAtHosts are all host names together, and those without a wildcard, which not every golden path takes.
func hintsAtHosts(object int, hosts []string) []hint {
	var all, plain []any
	for _, host := range hosts {
		all = append(all, host)
		if !strings.Contains(host, "*") {
			plain = append(plain, host)
		}
	}
	var hints []hint
	for _, value := range [][]any{all, plain} {
		if len(value) > 0 {
			hints = append(hints, hint{object: object, path: "spec", value: value})
		}
	}
	return hints
}

// unserved are the host names of a found route that no route of the golden path serves.
func unserved(route *unstructured.Unstructured, out *outcome) []string {
	hosts := hostsOf(route)
	for i := range out.objects {
		if len(hosts) == 0 {
			break
		}
		served := hostsOf(out.objects[i].Object)
		hosts = slices.DeleteFunc(hosts, func(host string) bool { return slices.Contains(served, host) })
	}
	return hosts
}

// led says what becomes of the host names of the routes that are left alone.
func (f *fitter) led(best *outcome) {
	parameter := ""
	for i := range f.leaves {
		if f.leaves[i].ofHosts {
			parameter = cmp.Or(parameter, f.leaves[i].path)
		}
	}
	for _, i := range best.strangers {
		route := f.found[i]
		lost := unserved(route, best)
		if len(lost) > 0 {
			why := "the golden path has no parameter for it"
			if parameter != "" {
				why = "parameter " + parameter + " cannot bring it: its schema does not take it, or the cluster does not serve the kind of route that the golden path makes (see towpath capabilities)"
			}
			f.leave(route, "spec: host", strings.Join(lost, ", "), why+"; the "+route.GetKind()+" is left alone, and serves it as long as somebody keeps it")
		}
		if all := hostsOf(route); len(all) > len(lost) {
			f.notes = append(f.notes, fmt.Sprintf("host names of %s are proposed as parameter %s: from the first new version on the golden path's route serves them too, with its own gateway, path and certificates; look at these, move the DNS there, then delete the %s",
				title(route), parameter, route.GetKind()))
		}
	}
}
