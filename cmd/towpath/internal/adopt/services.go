package adopt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/render"
)

// Backend is a port of a Service that an Ingress or HTTPRoute leads to.
type Backend struct {
	// Service is its name.
	Service string
	// Port is a number or a name; nil where none is said.
	Port any
}

// Backends returns the Services that an Ingress or HTTPRoute leads to.
func Backends(route *unstructured.Unstructured) []Backend {
	var out []Backend
	scanObjects("", route.Object["spec"], func(key string, reference map[string]any) {
		name, _ := reference["name"].(string)
		switch key {
		case "service":
			port, _ := reference["port"].(map[string]any)
			out = append(out, Backend{Service: name, Port: cmp.Or(port["number"], port["name"])})
		case "backendRefs":
			if kind := reference["kind"]; kind == nil || kind == "Service" {
				out = append(out, Backend{Service: name, Port: reference["port"]})
			}
		}
	})
	return out
}

// scanObjects calls see with every object, and with the key under which it, or the list that it is in, stands.
func scanObjects(key string, value any, see func(string, map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		see(key, v)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			scanObjects(name, v[name], see)
		}
	case []any:
		for _, item := range v {
			scanObjects(key, item, see)
		}
	}
}

func headless(service map[string]any) bool {
	ip, _, _ := unstructured.NestedString(service, "spec", "clusterIP")
	return ip == "None"
}

// The ranks of found objects of one kind: which one a resource of the template stands for before the others.
const (
	rankNamed = iota
	rankRouted
	rankOther
	rankHeadless
)

// rank says how near the found objects are to the workload. A Service of its name is the one that callers know, and
// one that an Ingress leads to serves users.
func (f *fitter) rank() {
	routed := map[string]bool{}
	for _, object := range f.found {
		if isRoute(object) {
			for _, backend := range Backends(object) {
				routed[backend.Service] = true
			}
		}
	}
	for _, object := range f.found {
		rank := rankOther
		switch isService := object.GetKind() == "Service"; {
		case object.GetName() == f.in.Workload.GetName():
			rank = rankNamed
		case isService && routed[object.GetName()]:
			rank = rankRouted
		case isService && headless(object.Object):
			rank = rankHeadless
		}
		f.ranks = append(f.ranks, rank)
	}
}

func isRoute(object *unstructured.Unstructured) bool {
	return object.GetKind() == "Ingress" || object.GetKind() == "HTTPRoute"
}

// canStand says whether Kubernetes would let an object become what the template makes: a Service with an address
// cannot become headless.
func canStand(found, golden *unstructured.Unstructured) bool {
	return found.GetKind() != "Service" || headless(found.Object) || !headless(golden.Object)
}

// stranded names what is left alone and yet does not go on as before: what selects or leads to the pods, once
// these are the golden path's.
func (f *fitter) stranded(best *outcome) {
	pods, _ := PodTemplate(best.objects[best.pairs[0].object].Object)
	podLabels, _, _ := unstructured.NestedStringMap(pods, "metadata", "labels")
	better := labels.Set(f.podSelector)
	if len(better) == 0 { // a CronJob's pods are found by nothing of its own
		better = labels.Set{platformv1alpha1.LabelComponent: f.in.Place.Component, platformv1alpha1.LabelEnvironment: f.in.Place.Environment.Name}
	}
	for _, i := range best.strangers {
		found := f.found[i]
		for _, path := range []string{"spec.selector", "spec.selector.matchLabels", "spec.podSelector.matchLabels"} {
			selector, ok, err := unstructured.NestedStringMap(found.Object, strings.Split(path, ".")...)
			if lost := missing(selector, podLabels); ok && err == nil && len(lost) > 0 {
				f.leave(found, path, nil, "it selects by "+lost.String()+", which pods of the golden path do not bear: at the first new version it selects none any more; have it select by "+better.String())
			}
		}
		switch {
		case found.GetKind() == "Service":
			f.strandedPorts(found, pods, best)
		case isRoute(found):
			f.strandedRoute(found, best)
		}
	}
}

// unreached names the ports of Services taken over at which callers find nothing any more. Of a headless one they go to
// the pods, whatever port it says.
func (f *fitter) unreached(best *outcome) {
	for _, p := range best.pairs {
		found := f.found[p.found]
		if found.GetKind() != "Service" || headless(found.Object) {
			continue
		}
		ports, _, _ := unstructured.NestedSlice(best.objects[p.object].Object.Object, "spec", "ports")
		for i := range best.differences {
			d := &best.differences[i]
			if d.Object != title(found) || d.Kind != Changed || !strings.HasPrefix(d.Path, "spec.ports[") || !strings.HasSuffix(d.Path, "].port") {
				continue
			}
			if !slices.ContainsFunc(ports, func(item any) bool { return item.(map[string]any)["port"] == d.Found }) {
				f.leave(found, d.Path, d.Found, "callers find the service at this port, and the golden path's is "+servicePorts(ports)+
					", for which no parameter was found: have them call that once the first new version is there, or make a Service of your own with this port beside it")
			}
		}
	}
}

func missing(selector, podLabels map[string]string) labels.Set {
	lost := labels.Set{}
	for key, value := range selector {
		if podLabels[key] != value {
			lost[key] = value
		}
	}
	return lost
}

// strandedPorts names the ports of a Service that the pods of the golden path do not have.
func (f *fitter) strandedPorts(service *unstructured.Unstructured, pods map[string]any, best *outcome) {
	before, _ := PodTemplate(f.in.Workload)
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	for _, item := range ports {
		port, _ := item.(map[string]any)
		target, protocol := targetOf(port), protocolOf(port)
		if hasPort(pods, target, protocol) {
			continue
		}
		this := "this port"
		if protocol != "TCP" {
			this += " for " + protocol
		}
		path := fmt.Sprintf("spec.ports[%v].targetPort", cmp.Or(port["name"], port["port"]))
		if _, byName := target.(string); byName {
			if !hasPort(before, target, protocol) {
				continue // it has no endpoints now
			}
			f.leave(service, path, target, "pods of the golden path have no port of this name"+strings.TrimPrefix(this, "this port")+": at the first new version the Service loses its endpoints for it; "+
				"have it lead to the number of the port, or to "+portNames(pods))
		} else if closed(best.objects) {
			f.leave(service, path, target, "pods of the golden path do not declare "+this+", and its NetworkPolicy lets nobody in there: after the first new version calls to the Service fail; "+
				"have it lead to "+portNames(pods)+", or make a NetworkPolicy that allows the port")
		}
	}
}

// closed says whether the golden path decides who may call its pods.
func closed(objects []render.Object) bool {
	return slices.ContainsFunc(objects, func(o render.Object) bool {
		types, _, _ := unstructured.NestedStringSlice(o.Object.Object, "spec", "policyTypes")
		return o.Object.GetKind() == "NetworkPolicy" && slices.Contains(types, "Ingress")
	})
}

// eachPort calls see with the ports of the containers of a pod template.
func eachPort(pods map[string]any, see func(container, port map[string]any)) {
	containers, _, _ := unstructured.NestedSlice(pods, "spec", "containers")
	for _, item := range containers {
		container, _ := item.(map[string]any)
		ports, _ := container["ports"].([]any)
		for _, item := range ports {
			if port, ok := item.(map[string]any); ok {
				see(container, port)
			}
		}
	}
}

// hasPort says whether pods have a port of a name or number for a protocol.
func hasPort(pods map[string]any, wanted any, protocol string) (has bool) {
	eachPort(pods, func(_, port map[string]any) {
		has = has || isPort(port, wanted) && protocolOf(port) == protocol
	})
	return has
}

// protocolOf is the protocol of a port of a Service or container.
func protocolOf(port map[string]any) string {
	protocol, _ := port["protocol"].(string)
	return cmp.Or(protocol, "TCP")
}

// targetOf is the port of pods that the port of a Service leads to.
func targetOf(port map[string]any) any {
	if target := port["targetPort"]; target != nil && target != int64(0) {
		return target
	}
	return port["port"]
}

func isPort(port map[string]any, wanted any) bool {
	return wanted != nil && (port["name"] == wanted || port["containerPort"] == wanted)
}

// portNames says which ports there are, for people.
func portNames(pods map[string]any) string {
	var names []string
	eachPort(pods, func(_, port map[string]any) {
		names = append(names, fmt.Sprint(cmp.Or(port["name"], port["containerPort"])))
	})
	if len(names) == 0 {
		return "another workload: these pods have none"
	}
	return strings.Join(names, " or ")
}

// strandedRoute names the ports of Services taken over that a route leads to, and that the golden path closes.
func (f *fitter) strandedRoute(route *unstructured.Unstructured, best *outcome) {
	for _, backend := range Backends(route) {
		for _, p := range best.pairs {
			golden := best.objects[p.object].Object
			if found := f.found[p.found]; found.GetKind() != "Service" || found.GetName() != backend.Service || backend.Port == nil {
				continue
			}
			ports, _, _ := unstructured.NestedSlice(golden.Object, "spec", "ports")
			if !slices.ContainsFunc(ports, func(item any) bool {
				port, _ := item.(map[string]any)
				return port["name"] == backend.Port || port["port"] == backend.Port
			}) {
				f.leave(route, "spec", backend.Port, "it leads to this port of Service "+backend.Service+
					", which the golden path's does not have: after the first new version it leads nowhere; have it lead to "+servicePorts(ports))
			}
		}
	}
}

func servicePorts(ports []any) string {
	var names []string
	for _, item := range ports {
		port, _ := item.(map[string]any)
		names = append(names, fmt.Sprintf("%v (%v)", port["port"], port["name"]))
	}
	return strings.Join(names, " or ")
}

// stayHeadless notes the Services that callers go on to find the pods by, and not an address.
func (f *fitter) stayHeadless(best *outcome) {
	for _, p := range best.pairs {
		if found := f.found[p.found]; found.GetKind() == "Service" && headless(found.Object) && !headless(best.objects[p.object].Object.Object) {
			f.notes = append(f.notes, title(found)+" is headless, and stays so: Kubernetes lets nobody give it an address")
		}
	}
}
