// Package guardrails says what bounds an environment: quota, defaults of containers, and the network. It is pure.
package guardrails

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// defaultSurge is the headroom of a class that was made before the field was.
const defaultSurge = 25

const (
	dnsPort = 53
	// systemNamespace is where clusters run their DNS.
	systemNamespace = "kube-system"
	nameLabel       = "kubernetes.io/metadata.name"
)

// surging are the resources that the new pods of a roll-out need beside the old ones.
var surging = map[corev1.ResourceName]bool{
	"cpu": true, "memory": true, "ephemeral-storage": true, "pods": true, "count/pods": true,
	"requests.cpu": true, "requests.memory": true, "requests.ephemeral-storage": true, "limits.memory": true, "limits.ephemeral-storage": true,
}

// Allows says whether a class is for a team: its labels are those of its Team, none where there is no Team.
func Allows(g *platformv1alpha1.Guardrails, team string, teamLabels map[string]string) (bool, error) {
	if g.Teams == nil {
		return true, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(g.Teams)
	if err != nil {
		return false, err
	}
	set := labels.Set{}
	maps.Copy(set, teamLabels)
	set[platformv1alpha1.LabelTeam] = team
	return selector.Matches(set), nil
}

// Ceiling is the lower of what a class and an environment say of each resource.
func Ceiling(class, environment corev1.ResourceList) corev1.ResourceList {
	ceiling := corev1.ResourceList{}
	maps.Copy(ceiling, class)
	for name, quantity := range environment {
		if bound, ok := class[name]; !ok || quantity.Cmp(bound) < 0 {
			ceiling[name] = quantity
		}
	}
	return ceiling
}

// Above says of which resources an environment asks for more than its class allows.
func Above(class, environment corev1.ResourceList) []string {
	var above []string
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		asked := environment[name]
		if bound, ok := class[name]; ok && asked.Cmp(bound) > 0 {
			above = append(above, fmt.Sprintf("%s: %s of at most %s", name, asked.String(), bound.String()))
		}
	}
	return above
}

// Exceeded says of which resources more is used than a ResourceQuota allows.
func Exceeded(hard, used corev1.ResourceList) []string {
	var exceeded []string
	for _, name := range slices.Sorted(maps.Keys(hard)) {
		bound, now := hard[name], used[name]
		if now.Cmp(bound) > 0 {
			exceeded = append(exceeded, fmt.Sprintf("%s: %s of %s", name, now.String(), bound.String()))
		}
	}
	return exceeded
}

// Quota is the ResourceQuota of a ceiling, with its headroom; nil for none.
func Quota(g *platformv1alpha1.Guardrails, ceiling corev1.ResourceList) *corev1.ResourceQuotaSpec {
	if len(ceiling) == 0 {
		return nil
	}
	percent := int64(defaultSurge)
	if g.SurgePercent != nil {
		percent = int64(*g.SurgePercent)
	}
	hard := corev1.ResourceList{}
	for name, quantity := range ceiling {
		hard[name] = quantity.DeepCopy()
		if surging[name] {
			hard[name] = raise(name, quantity, percent)
		}
	}
	return &corev1.ResourceQuotaSpec{Hard: hard}
}

// raise adds a percentage, rounded up: processors to thousandths, all else to whole numbers.
func raise(name corev1.ResourceName, q resource.Quantity, percent int64) resource.Quantity {
	const hundred = 100
	if name == "cpu" || name == "requests.cpu" {
		milli := q.MilliValue()
		return *resource.NewMilliQuantity(milli+up(milli*percent, hundred), q.Format)
	}
	value := q.Value()
	return *resource.NewQuantity(value+value/hundred*percent+up(value%hundred*percent, hundred), q.Format)
}

func up(a, b int64) int64 { return (a + b - 1) / b }

// Limits is the LimitRange of a class, with what the API server fills in; nil for none.
func Limits(c *platformv1alpha1.ContainerLimits) *corev1.LimitRangeSpec {
	if c == nil || len(c.Default)+len(c.DefaultRequest)+len(c.Min)+len(c.Max) == 0 {
		return nil
	}
	item := corev1.LimitRangeItem{
		Type: corev1.LimitTypeContainer, Min: c.Min.DeepCopy(), Max: c.Max.DeepCopy(),
		Default: filled(c.Default, c.Max),
	}
	item.DefaultRequest = filled(c.DefaultRequest, item.Default, c.Min)
	return &corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}
}

// filled is a list of resources with what it lacks from others, the first of them first.
func filled(list corev1.ResourceList, from ...corev1.ResourceList) corev1.ResourceList {
	all := corev1.ResourceList{}
	for _, source := range slices.Concat([]corev1.ResourceList{list}, from) {
		for name, quantity := range source {
			if _, ok := all[name]; !ok {
				all[name] = quantity.DeepCopy()
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// Network is the NetworkPolicy of an isolation; nil for none.
func Network(isolation platformv1alpha1.Isolation, team string) *networkingv1.NetworkPolicySpec {
	if isolation == "" || isolation == platformv1alpha1.IsolationOpen {
		return nil
	}
	spec := &networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		Egress: []networkingv1.NetworkPolicyEgressRule{{
			To: peers(nameLabel, systemNamespace), Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolUDP), port(corev1.ProtocolTCP)},
		}},
	}
	if isolation == platformv1alpha1.IsolationTeam {
		ours := peers(platformv1alpha1.LabelTeam, team)
		spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: ours}}
		spec.Egress = append(spec.Egress, networkingv1.NetworkPolicyEgressRule{To: ours})
	}
	return spec
}

func peers(key, value string) []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{key: value}}}}
}

func port(protocol corev1.Protocol) networkingv1.NetworkPolicyPort {
	number := intstr.FromInt32(dnsPort)
	return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &number}
}

// AddLabels adds the labels that a class gives the namespace of an Environment: those of pod security, and the platform's own, which
// replace none that is there.
func AddLabels(labels map[string]string, class *platformv1alpha1.EnvironmentClassSpec, level platformv1alpha1.PodSecurityLevel) {
	for _, mode := range []string{"enforce", "warn", "audit"} {
		labels["pod-security.kubernetes.io/"+mode] = strings.ToLower(string(level))
		labels["pod-security.kubernetes.io/"+mode+"-version"] = Version(&class.Guardrails)
	}
	for key, value := range class.NamespaceLabels {
		if _, taken := labels[key]; !taken {
			labels[key] = value
		}
	}
}

// AddAnnotations adds the annotations that a class gives the namespace of an Environment, which replace none of Towpath's.
func AddAnnotations(annotations map[string]string, class *platformv1alpha1.EnvironmentClassSpec) {
	if class.Delivery != nil && class.Delivery.Git != nil {
		annotations[platformv1alpha1.AnnotationDeliveredBy] = class.Delivery.Git.AppliedBy.User()
	}
	for key, value := range class.NamespaceAnnotations {
		if _, taken := annotations[key]; !taken {
			annotations[key] = value
		}
	}
}

// Version is the version of pod security that a class means.
func Version(g *platformv1alpha1.Guardrails) string {
	if g.PodSecurityVersion == "" {
		return "latest"
	}
	return strings.ToLower(g.PodSecurityVersion)
}
