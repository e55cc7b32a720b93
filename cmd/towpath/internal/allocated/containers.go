package allocated

import (
	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"

	"github.com/towpath-dev/towpath/internal/cost/allocation"
)

// takes is what is asked for, and used in each sample.
type takes struct {
	cpu, memory, gpus decimal.Decimal
	used              []usage
}

// containers adds what the containers of a pod ask for and use. Where the pod itself asks for something, that counts for all of them
// together, as in the scheduler; so they are looked at together.
func (l *looker) containers(pod *corev1.Pod, key string) {
	all := pod.Spec.Containers
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			all = append(all[:len(all):len(all)], *c) // it runs beside the others
		}
	}
	var each []takes
	for i := range all {
		c := &all[i]
		each = append(each, takes{
			amountOf(c.Resources.Requests[corev1.ResourceCPU]), gib(c.Resources.Requests[corev1.ResourceMemory]), gpus(c.Resources.Requests),
			l.used.at(pod.Namespace, pod.Name, c.Name),
		})
	}
	if pod.Spec.Resources != nil && len(pod.Spec.Resources.Requests) > 0 {
		each = []takes{l.together(each, pod.Spec.Resources.Requests)}
	}
	if len(pod.Spec.Overhead) > 0 {
		each = append(each, takes{
			amountOf(pod.Spec.Overhead[corev1.ResourceCPU]), gib(pod.Spec.Overhead[corev1.ResourceMemory]), decimal.Zero, make([]usage, l.used.samples),
		})
	}
	slot := hours.Div(decimal.NewFromInt(int64(l.used.samples)))
	for _, t := range each {
		for _, u := range t.used {
			l.found.Input.Samples = append(l.found.Input.Samples, allocation.Sample{
				Key: key, Node: pod.Spec.NodeName, Hours: slot,
				CPURequested: t.cpu, CPUUsed: u.cpu, MemoryRequested: t.memory, MemoryUsed: u.memory, GPUs: t.gpus,
			})
		}
	}
}

// together are the containers of a pod that asks for something itself.
func (l *looker) together(each []takes, requests corev1.ResourceList) takes {
	sum := takes{used: make([]usage, l.used.samples)}
	for _, t := range each {
		sum.cpu, sum.memory, sum.gpus = sum.cpu.Add(t.cpu), sum.memory.Add(t.memory), sum.gpus.Add(t.gpus)
		for i, u := range t.used {
			sum.used[i] = usage{sum.used[i].cpu.Add(u.cpu), sum.used[i].memory.Add(u.memory)}
		}
	}
	if cpu, ok := requests[corev1.ResourceCPU]; ok {
		sum.cpu = amountOf(cpu)
	}
	if memory, ok := requests[corev1.ResourceMemory]; ok {
		sum.memory = gib(memory)
	}
	return sum
}
