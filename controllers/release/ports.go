package release

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/environment"
)

// change is what the first new version makes of the pods of a workload that was found.
type change struct{ found, next *corev1.PodTemplateSpec }

// bridgePorts has the Services that were found lead to the pods from before and to those of the golden path alike,
// before a workload that was found is first written: a port that they name is pointed to the number that the name
// stands for in the pods from before, where those of the golden path have a port of that number. Without that, a
// Service would lose each pod that is replaced, until all are. A Service that cannot be written keeps the workloads
// from it too.
func (r *Reconciler) bridgePorts(ctx context.Context, s *scope, needed map[childKey]int) error {
	if len(s.held) == 0 {
		return nil
	}
	changes, err := r.changes(ctx, s, needed)
	if err != nil || len(changes) == 0 {
		return err
	}
	for _, i := range slices.Sorted(maps.Keys(s.held)) {
		final, err := r.bridge(ctx, s, i, changes)
		if err != nil {
			s.classify(err)
			return err
		}
		if final != nil {
			r.refuseFound(s, i, final)
			s.keepWorkloads(needed)
		}
	}
	return nil
}

// bridge does this for one Service. final is what keeps it from being written for good.
func (r *Reconciler) bridge(ctx context.Context, s *scope, i int, changes []change) (final, err error) {
	o := s.release.Spec.Inventory[i]
	live, err := r.readWhole(ctx, s.release, o)
	if err != nil || live == nil {
		return nil, err
	}
	if cause := mayWrite(s.release, metadataOf(live)); cause != nil {
		return cause, nil
	}
	service := serviceOf(live)
	if service == nil || live.GetLabels()[platformv1alpha1.LabelAsFound] == "" {
		return nil, nil
	}
	targets := numbers(service, changes)
	if len(targets) == 0 {
		return nil, nil
	}
	namespace := s.release.Spec.Environment.Namespace
	version, err := r.Writer.Retarget(ctx, environment.ApplierUser(namespace), namespace, o, live, targets)
	if apply.Final(err) {
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	r.children.writes.Wrote(inventoryKey(s.release, o), version)
	s.children[i].known = false // what the cache shows is from before the write
	for place, number := range targets {
		service.Spec.Ports[place].TargetPort = intstr.FromInt32(number)
	}
	status := &s.release.Status.Objects[i]
	status.Health, status.Message = platformv1alpha1.ObjectProgressing, s.leadsTo(service)
	return nil, nil
}

// changes are those of the workloads that were found, are still as they were, and are about to be written in full. They
// are read past the cache, which does not hold what pods are made of.
func (r *Reconciler) changes(ctx context.Context, s *scope, needed map[childKey]int) ([]change, error) {
	var changes []change
	for _, i := range needed {
		o := s.release.Spec.Inventory[i]
		next := podsOf(s.objects[i].Object)
		if next == nil || !s.firstOf(i) {
			continue
		}
		live, err := r.readWhole(ctx, s.release, o)
		if err != nil {
			return nil, err
		}
		if live == nil || live.GetLabels()[platformv1alpha1.LabelAsFound] == "" {
			continue
		}
		if found := podsOf(live); found != nil {
			changes = append(changes, change{found, next})
		}
	}
	return changes, nil
}

// firstOf says whether an object was found, and this Release has not written it yet.
func (s *scope) firstOf(i int) bool {
	return !adopts(s.release) && keepsFound(s.release, s.release.Spec.Inventory[i]) && s.release.Status.Objects[i].Applied == ""
}

// keepWorkloads takes the workloads that were found, and were not written yet, out of what is to be written: a Service
// that leads to them could not be made to lead to their new pods too.
func (s *scope) keepWorkloads(needed map[childKey]int) {
	maps.DeleteFunc(needed, func(_ childKey, i int) bool { return s.firstOf(i) && isWorkload(s.objects[i].Object) })
}

// numbers are the numbers that stand for the names of target ports both before and after changes, by the places of the
// ports.
func numbers(service *corev1.Service, changes []change) map[int]int32 {
	var selected []change
	for _, c := range changes {
		if selects(service, c.found) && selects(service, c.next) {
			selected = append(selected, c)
		}
	}
	targets := map[int]int32{}
	for place, port := range service.Spec.Ports {
		if port.TargetPort.Type != intstr.String {
			continue
		}
		if number, ok := common(port.TargetPort.StrVal, protocol(port.Protocol), selected); ok {
			targets[place] = number
		}
	}
	return targets
}

// common is the number that a name stands for in all pods before, and on which all of them listen after.
func common(name string, on corev1.Protocol, changes []change) (number int32, ok bool) {
	for _, c := range changes {
		before, there := resolve(c.found, intstr.FromString(name), on)
		if !there || number != 0 && before != number {
			return 0, false
		}
		if _, there = resolve(c.next, intstr.FromInt32(before), on); !there {
			return 0, false
		}
		number = before
	}
	return number, number != 0
}

// whileHeld says what a Service does that was found, and waits for pods of the golden path.
func (s *scope) whileHeld(i int) string {
	service := serviceOf(s.children[i].live)
	if service == nil {
		return "It waits for the pods of the golden path."
	}
	return s.leadsTo(service)
}

// leadsTo says which pods it leads to until then, and why not to all.
func (s *scope) leadsTo(service *corev1.Service) string {
	const both = "It leads to the pods that were found and to those of the golden path, and becomes the golden path's once these are ready."
	if len(service.Spec.Selector) == 0 {
		return "It leads where it did, and becomes the golden path's once its pods are ready."
	}
	const alone = "It leads to the pods that were found alone until those of the golden path are ready, and may lead nowhere while these take their place: "
	var next []*corev1.PodTemplateSpec
	for i := range s.objects {
		if pods := podsOf(s.objects[i].Object); pods != nil && selects(service, pods) {
			next = append(next, pods)
		}
	}
	if len(next) == 0 {
		return alone + "its selector finds none of the golden path's."
	}
	var lost []string
	for _, port := range service.Spec.Ports {
		target := port.TargetPort
		missed := slices.ContainsFunc(next, func(pods *corev1.PodTemplateSpec) bool {
			_, there := resolve(pods, target, protocol(port.Protocol))
			return !there
		})
		if missed && !slices.Contains(lost, target.String()) {
			lost = append(lost, target.String())
		}
	}
	if len(lost) == 0 {
		return both
	}
	return fmt.Sprintf("%sits target port %s is none of the golden path's pods, whose ports are %s.", alone, strings.Join(lost, ", "), listed(next))
}

// listed names the ports of pods, with their numbers.
func listed(templates []*corev1.PodTemplateSpec) string {
	var ports []string
	for _, pods := range templates {
		for port := range portsOf(pods) {
			text := fmt.Sprint(port.ContainerPort)
			if on := protocol(port.Protocol); on != corev1.ProtocolTCP {
				text += "/" + string(on)
			}
			if port.Name != "" {
				text = port.Name + " (" + text + ")"
			}
			if !slices.Contains(ports, text) {
				ports = append(ports, text)
			}
		}
	}
	if len(ports) == 0 {
		return "not declared"
	}
	return strings.Join(ports, ", ")
}

// resolve finds the number of a target port among the ports that pods declare, as Kubernetes finds that of a name.
func resolve(pods *corev1.PodTemplateSpec, target intstr.IntOrString, on corev1.Protocol) (number int32, ok bool) {
	for port := range portsOf(pods) {
		if protocol(port.Protocol) != on {
			continue
		}
		if target.Type == intstr.String && port.Name == target.StrVal || target.Type == intstr.Int && port.ContainerPort == target.IntVal {
			return port.ContainerPort, true
		}
	}
	return 0, false
}

// portsOf are the ports of the containers of pods, and of their sidecars.
func portsOf(pods *corev1.PodTemplateSpec) func(yield func(corev1.ContainerPort) bool) {
	containers := slices.Clone(pods.Spec.Containers)
	for i := range pods.Spec.InitContainers {
		if policy := pods.Spec.InitContainers[i].RestartPolicy; policy != nil && *policy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, pods.Spec.InitContainers[i])
		}
	}
	return func(yield func(corev1.ContainerPort) bool) {
		for i := range containers {
			for _, port := range containers[i].Ports {
				if !yield(port) {
					return
				}
			}
		}
	}
}

// protocol is TCP where none is given.
func protocol(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

// selects says whether a Service leads to pods that are made so.
func selects(service *corev1.Service, pods *corev1.PodTemplateSpec) bool {
	return len(service.Spec.Selector) > 0 && labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pods.Labels))
}

// isWorkload says whether an object has pods for which a Release waits.
func isWorkload(object *unstructured.Unstructured) bool {
	return object.GetKind() == "Deployment" || object.GetKind() == "StatefulSet"
}

// podsOf reads what a workload makes its pods of; nil for what is none, and where that cannot be read.
func podsOf(object *unstructured.Unstructured) *corev1.PodTemplateSpec {
	if !isWorkload(object) {
		return nil
	}
	template, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "template")
	fields, ok := template.(map[string]any)
	pods := &corev1.PodTemplateSpec{}
	if !ok || runtime.DefaultUnstructuredConverter.FromUnstructured(fields, pods) != nil {
		return nil
	}
	return pods
}

// serviceOf reads a Service; nil where there is none, or it cannot be read.
func serviceOf(object *unstructured.Unstructured) *corev1.Service {
	service := &corev1.Service{}
	if object == nil || runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, service) != nil {
		return nil
	}
	return service
}

// metadataOf is the metadata of an object.
func metadataOf(object *unstructured.Unstructured) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Labels: object.GetLabels(), Annotations: object.GetAnnotations(), OwnerReferences: object.GetOwnerReferences(),
	}}
}
