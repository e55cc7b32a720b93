package cost

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
)

// productLabels are labels of nodes that name the type of their GPUs, the most particular first.
var productLabels = []string{
	"nvidia.com/gpu.product", "amd.com/gpu.product-name", "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name",
}

// slice is a resource that is a part of a GPU, such as nvidia.com/mig-1g.5gb: so many of its seven compute slices.
var slice = regexp.MustCompile(`/mig-([1-7])g\.`)

// slices7 is how many such a GPU has.
var slices7 = decimal.NewFromInt(7)

// extended prices an extended resource of a pod: by the GPU type that the pod's nodeSelector names, by the resource's own
// name, as a share of a GPU, as any GPU; in this order.
func (e *estimator) extended(parts []Part, o *Object, scope Scope, pod *corev1.Pod, name string, n int64) []Part {
	of := slice.FindStringSubmatch(name)
	kind := name
	for _, label := range productLabels {
		product := pod.Spec.NodeSelector[label]
		if _, ok := scope.Own(Item{GPU, product}); ok && product != "" && of == nil {
			kind = product
			break
		}
	}
	item := Item{GPU, kind}
	if _, ok := scope.Own(item); ok {
		return e.priced(parts, o, scope, item, count(n))
	}
	switch {
	case of != nil:
		price, ok := scope.Price(Item{GPU, strings.Split(name, "/")[0] + "/gpu"})
		if !ok {
			return e.unpriced(parts, o, item, n)
		}
		share, _ := strconv.ParseInt(of[1], 10, 64)
		price.Amount = price.Amount.Mul(decimal.NewFromInt(share)).DivRound(slices7, places)
		o.Assumptions = append(o.Assumptions, fmt.Sprintf("%s has no price of its own, and counts as %d of 7 parts of a GPU", name, share))
		return append(parts, e.noted(part(item, price, count(n)), scope, Item{GPU, ""}))
	case isGPU(name):
		return e.priced(parts, o, scope, item, count(n))
	}
	return e.unpriced(parts, o, item, n)
}

// IsGPU says whether a resource of a node or a container is a GPU.
func IsGPU(name string) bool { return isGPU(name) }

// isGPU says whether a name is that of a GPU: there is no list of them.
func isGPU(name string) bool {
	_, base, found := strings.Cut(name, "/")
	if !found {
		base = name
	}
	return strings.Contains(strings.ToLower(base), "gpu") || strings.HasPrefix(name, "gpu.")
}

func (e *estimator) unpriced(parts []Part, o *Object, item Item, n int64) []Part {
	o.Assumptions = append(o.Assumptions, fmt.Sprintf("%d of %s in each pod has no price (%s), and counts as nothing", n, item.Type, fieldOf(item)))
	return parts
}

// claimed prices the devices that each pod gets by a ResourceClaimTemplate. A ResourceClaim that pods share is an object
// of its own.
func (e *estimator) claimed(parts []Part, o *Object, scope Scope, spec map[string]any) ([]Part, error) {
	for _, claim := range mapsAt(spec, "resourceClaims") {
		name := textAt(claim, "resourceClaimTemplateName")
		if name == "" {
			continue
		}
		template, ok := e.claimTemplates[name]
		if !ok {
			o.Assumptions = append(o.Assumptions, fmt.Sprintf("the ResourceClaimTemplate %s is not among the objects, and counts as nothing", name))
			continue
		}
		var err error
		if parts, err = e.devices(parts, o, scope, mapAt(template, "spec", "spec"), fmt.Sprintf("ResourceClaimTemplate/%s: spec.spec", name)); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// devices prices what a claim asks for.
func (e *estimator) devices(parts []Part, o *Object, scope Scope, claim map[string]any, path string) ([]Part, error) {
	for i, request := range mapsAt(claim, "devices", "requests") {
		at := fmt.Sprintf("%s.devices.requests[%d]", path, i)
		options := mapsAt(request, "firstAvailable")
		if exact := mapAt(request, "exactly"); exact != nil {
			options = []map[string]any{exact}
		} else if len(options) == 0 {
			options = []map[string]any{request} // v1beta1
		}
		var found []Part
		for _, option := range options {
			one, err := e.device(o, scope, option, at)
			if err != nil {
				return nil, err
			}
			found = append(found, one...)
		}
		parts = append(parts, alternatives(o, found, len(options), textAt(request, "name"))...)
	}
	return parts, nil
}

// device prices one request; nothing where it has no price, or takes no device from others.
func (e *estimator) device(o *Object, scope Scope, request map[string]any, path string) ([]Part, error) {
	if admin, _ := at(request, "adminAccess").(bool); admin {
		return nil, nil
	}
	n, err := numberAt(request, 1, "count")
	if err != nil {
		return nil, fmt.Errorf("%s.%w", path, err)
	}
	class := textAt(request, "deviceClassName")
	if textAt(request, "allocationMode") == "All" {
		o.Assumptions = append(o.Assumptions, fmt.Sprintf("all devices of class %s on a node count as one", class))
		n = 1
	}
	item := Item{Device, class}
	if _, ok := scope.Price(item); !ok && isGPU(class) {
		item = Item{GPU, class}
	}
	price, ok := scope.Price(item)
	if !ok {
		return e.unpriced(nil, o, item, n), nil
	}
	return []Part{e.noted(part(item, price, count(n)), scope, item)}, nil
}

// alternatives are the parts of a request of which one of several is had: the first is expected, the cheapest is the least
// and the dearest the most.
func alternatives(o *Object, found []Part, options int, name string) []Part {
	if options < 2 || len(found) == 0 {
		return found
	}
	least, most := 0, 0
	for i := range found {
		if found[i].Hourly.Min.LessThan(found[least].Hourly.Min) {
			least = i
		}
		if found[i].Hourly.Max.GreaterThan(found[most].Hourly.Max) {
			most = i
		}
	}
	one := found[0]
	one.Amount.Min, one.Amount.Max = found[least].Amount.Min, found[most].Amount.Max
	one.Hourly.Min, one.Hourly.Max = found[least].Hourly.Min, found[most].Hourly.Max
	o.Assumptions = append(o.Assumptions, fmt.Sprintf("of the alternatives of %s the first is expected", name))
	return []Part{one}
}
