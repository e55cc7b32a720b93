package cost

import (
	"fmt"
	"regexp"
	"slices"
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
func (e *estimator) extended(parts []Part, o *Object, scope Scope, pod *corev1.Pod, name string, n decimal.Decimal) []Part {
	of := slice.FindStringSubmatch(name)
	item := Item{GPU, name}
	if product := scope.product(pod.Spec.NodeSelector); product != "" && of == nil {
		item.Type = product
	}
	if _, ok := scope.Own(item); ok {
		return e.priced(parts, o, scope, item, exactly(n))
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
		return append(parts, e.noted(part(item, price, exactly(n)), scope, Item{GPU, ""}))
	case isGPU(name):
		return e.priced(parts, o, scope, item, exactly(n))
	}
	return e.unpriced(parts, o, item, n)
}

// product is the type of GPU that labels of nodes name, where it has a price of its own; else empty.
func (s Scope) product(labels map[string]string) string {
	for _, label := range productLabels {
		if _, ok := s.Own(Item{GPU, labels[label]}); ok && labels[label] != "" {
			return labels[label]
		}
	}
	return ""
}

// GPUType is by what the GPUs of a node are priced that bears the labels, and has them as these resources: by their product, by the name of
// a resource, or, where neither has a price of its own, as any GPU, which is the empty type.
func (s Scope) GPUType(labels map[string]string, resources ...string) string {
	if product := s.product(labels); product != "" {
		return product
	}
	for _, name := range slices.Sorted(slices.Values(resources)) {
		if _, ok := s.Own(Item{GPU, name}); ok && slice.FindStringSubmatch(name) == nil {
			return name
		}
	}
	return ""
}

// exactPlaces keep sevenths so exactly that seven of them are one in any amount of money.
const exactPlaces = 24

// GPUs is how many whole GPUs so much of a resource of a node or a container is: none of one that is no GPU, and of slices so many
// sevenths.
func GPUs(name string, amount decimal.Decimal) decimal.Decimal {
	of := slice.FindStringSubmatch(name)
	switch {
	case of != nil:
		share, _ := strconv.ParseInt(of[1], 10, 64)
		return amount.Mul(decimal.NewFromInt(share)).DivRound(slices7, exactPlaces)
	case strings.Contains(name, "/") && isGPU(name):
		return amount
	}
	return decimal.Zero
}

// isGPU says whether a name is that of a GPU: there is no list of them.
func isGPU(name string) bool {
	_, base, found := strings.Cut(name, "/")
	if !found {
		base = name
	}
	return strings.Contains(strings.ToLower(base), "gpu") || strings.HasPrefix(name, "gpu.")
}

func (e *estimator) unpriced(parts []Part, o *Object, item Item, n decimal.Decimal) []Part {
	o.Assumptions = append(o.Assumptions, fmt.Sprintf("%s of %s in each pod has no price (%s), and counts as nothing", n, item.Type, fieldOf(item)))
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
		return e.unpriced(nil, o, item, decimal.NewFromInt(n)), nil
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
