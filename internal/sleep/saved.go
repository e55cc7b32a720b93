package sleep

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Requests are what a pod requests: its containers together with its sidecars, or one of its other init containers,
// whichever is more. What a LimitRange would fill in is not counted.
func Requests(pod *corev1.PodSpec) platformv1alpha1.SleepAmount {
	var run, start platformv1alpha1.SleepAmount
	for i := range pod.Containers {
		run = Add(run, requested(&pod.Containers[i]))
	}
	for i := range pod.InitContainers {
		c := &pod.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			run = Add(run, requested(c))
			continue
		}
		one := requested(c)
		start.CPU, start.Memory = larger(start.CPU, one.CPU), larger(start.Memory, one.Memory)
	}
	return platformv1alpha1.SleepAmount{Pods: 1, CPU: larger(run.CPU, start.CPU), Memory: larger(run.Memory, start.Memory)}
}

func requested(c *corev1.Container) platformv1alpha1.SleepAmount {
	return platformv1alpha1.SleepAmount{CPU: *c.Resources.Requests.Cpu(), Memory: *c.Resources.Requests.Memory()}
}

func larger(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) < 0 {
		return b.DeepCopy()
	}
	return a.DeepCopy()
}

// Add adds two amounts.
func Add(a, b platformv1alpha1.SleepAmount) platformv1alpha1.SleepAmount {
	sum := platformv1alpha1.SleepAmount{Pods: a.Pods + b.Pods, CPU: a.CPU.DeepCopy(), Memory: a.Memory.DeepCopy()}
	sum.CPU.Add(b.CPU)
	sum.Memory.Add(b.Memory)
	return sum
}

// Times multiplies an amount.
func Times(a platformv1alpha1.SleepAmount, n int64) platformv1alpha1.SleepAmount {
	return platformv1alpha1.SleepAmount{
		Pods: a.Pods * n,
		CPU:  *resource.NewMilliQuantity(a.CPU.MilliValue()*n, resource.DecimalSI), Memory: *resource.NewQuantity(a.Memory.Value()*n, resource.BinarySI),
	}
}

// Account takes what does not run from now on into a status, and adds up what did not run until now where that was
// something else. An equal amount changes nothing, so that a night is two writes.
func Account(status *platformv1alpha1.EnvironmentSleepStatus, amount platformv1alpha1.SleepAmount, now time.Time) {
	before := status.Saving
	if before != nil && same(before.SleepAmount, amount) {
		return
	}
	if before != nil {
		status.Saved = add(status.Saved, before.SleepAmount, now.Sub(before.Since.Time))
	}
	status.Saving = nil
	if amount.Pods > 0 {
		status.Saving = &platformv1alpha1.SleepSaving{SleepAmount: amount, Since: new(metav1.NewTime(now.Truncate(time.Second)))}
	}
}

func same(a, b platformv1alpha1.SleepAmount) bool {
	return a.Pods == b.Pods && a.CPU.Cmp(b.CPU) == 0 && a.Memory.Cmp(b.Memory) == 0
}

// add adds an amount that did not run for a time. All is counted in thousandths of an hour.
func add(saved *platformv1alpha1.SleepSaved, amount platformv1alpha1.SleepAmount, lasted time.Duration) *platformv1alpha1.SleepSaved {
	seconds := max(int64(lasted/time.Second), 0)
	sum := &platformv1alpha1.SleepSaved{}
	if saved != nil {
		*sum = *saved
	}
	sum.PodHours = plus(sum.PodHours, amount.Pods*1000*seconds/3600)
	sum.CPUHours = plus(sum.CPUHours, amount.CPU.MilliValue()*seconds/3600)
	sum.MemoryGiBHours = plus(sum.MemoryGiBHours, (amount.Memory.Value()>>20)*1000/1024*seconds/3600)
	return sum
}

// plus adds thousandths to a decimal with three places.
func plus(decimal string, thousandths int64) string {
	known, _ := strconv.ParseInt(strings.ReplaceAll(decimal, ".", ""), 10, 64) // an empty one is zero
	sum := known + thousandths
	return fmt.Sprintf("%d.%03d", sum/1000, sum%1000)
}
