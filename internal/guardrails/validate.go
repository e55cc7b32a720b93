package guardrails

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Validate says, by its field, what of a class the API server would refuse in the environments: a quota below zero, bounds of
// containers that contradict each other, labels that are none. The rules are those of Kubernetes for ResourceQuotas,
// LimitRanges and labels.
func Validate(g *platformv1alpha1.Guardrails, at *field.Path) field.ErrorList {
	errs := ValidateQuota(g.Quota, at.Child("quota"))
	if g.Teams != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(g.Teams, metav1validation.LabelSelectorValidationOptions{}, at.Child("teams"))...)
	}
	errs = append(errs, metav1validation.ValidateLabels(g.NamespaceLabels, at.Child("namespaceLabels"))...)
	return append(errs, validateContainers(g.Containers, at.Child("containers"))...)
}

// ValidateQuota says of each resource of a quota whether it can be its amount: none is below zero, and what is counted is whole.
func ValidateQuota(quota corev1.ResourceList, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(quota)) {
		amount := quota[name]
		switch {
		case amount.Sign() < 0:
			errs = append(errs, field.Invalid(at.Key(string(name)), amount.String(), "must not be below 0"))
		case counted(name) && amount.MilliValue()%1000 != 0:
			errs = append(errs, field.Invalid(at.Key(string(name)), amount.String(), "must be a whole number: it counts objects or devices"))
		}
	}
	return errs
}

// counted says whether a resource of a quota is a number of things, not an amount.
func counted(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourcePods, corev1.ResourceServices, corev1.ResourceReplicationControllers, corev1.ResourceQuotas, corev1.ResourceSecrets,
		corev1.ResourceConfigMaps, corev1.ResourcePersistentVolumeClaims, corev1.ResourceServicesNodePorts, corev1.ResourceServicesLoadBalancers:
		return true
	}
	return strings.Contains(string(name), "/") && !strings.HasSuffix(string(name), "/"+string(corev1.ResourceRequestsStorage))
}

// validateContainers says what contradicts itself in bounds of containers, once each has what the API server fills in.
func validateContainers(c *platformv1alpha1.ContainerLimits, at *field.Path) field.ErrorList {
	if c == nil {
		return nil
	}
	var errs field.ErrorList
	for name, list := range map[string]corev1.ResourceList{"default": c.Default, "defaultRequest": c.DefaultRequest, "min": c.Min, "max": c.Max} {
		for _, of := range slices.Sorted(maps.Keys(list)) {
			amount := list[of]
			if problem := notOfContainer(of); problem != "" {
				errs = append(errs, field.Invalid(at.Child(name), string(of), problem))
			} else if amount.Sign() < 0 {
				errs = append(errs, field.Invalid(at.Child(name).Key(string(of)), amount.String(), "must not be below 0"))
			}
		}
	}
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field+a.Error(), b.Field+b.Error()) })
	limits := Limits(c)
	if len(errs) > 0 || limits == nil {
		return errs
	}
	item := limits.Limits[0]
	type side struct {
		name string
		list corev1.ResourceList
	}
	least, most := side{"min", item.Min}, side{"max", item.Max}
	limit, request := side{"default", item.Default}, side{"defaultRequest", item.DefaultRequest}
	for _, pair := range [][2]side{{least, most}, {least, limit}, {limit, most}, {least, request}, {request, most}, {request, limit}} {
		for _, of := range slices.Sorted(maps.Keys(pair[0].list)) {
			low := pair[0].list[of]
			if high, ok := pair[1].list[of]; ok && low.Cmp(high) > 0 {
				errs = append(errs, field.Invalid(at.Child(pair[0].name).Key(string(of)), low.String(), exceeds(pair[1].name, high)))
			}
		}
	}
	return errs
}

func exceeds(name string, high resource.Quantity) string {
	return fmt.Sprintf("must not be more than %s, which is %s", name, high.String())
}

// notOfContainer says why a container cannot request a resource; empty where it can.
func notOfContainer(name corev1.ResourceName) string {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return ""
	}
	if strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
		return ""
	}
	if !strings.Contains(string(name), "/") {
		return "is nothing that a container requests: it must be cpu, memory, ephemeral-storage, hugepages-SIZE, or a device such as nvidia.com/gpu"
	}
	return strings.Join(validation.IsQualifiedName(string(name)), "; ")
}
