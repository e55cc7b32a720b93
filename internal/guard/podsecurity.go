package guard

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/quantity"
)

// evaluator holds the checks of the Pod Security Standards, which never change while we run.
var evaluator = sync.OnceValues(func() (policy.Evaluator, error) {
	return policy.NewEvaluator(policy.DefaultChecks(), nil)
})

// pods holds every pod template to the level of the policy. The workload namespace enforces the
// same level, but only when the pods are made: by then the Release would be applied, and hang.
func (c *check) pods() {
	if !parsable("", c.object.Object) {
		c.amounts("", "", c.object.Object)
		return
	}
	for _, template := range c.templates() {
		if template.object == nil {
			c.refuse(template.path, RulePodSecurity, "it must be an object with a spec; write the pod template")
			continue
		}
		c.templateMetadata(template)
		pod := corev1.PodTemplateSpec{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template.object, &pod); err != nil {
			c.refuse(template.path, RulePodSecurity, "it cannot be read as a pod template: %v; correct the type of the field", err)
			continue
		}
		if c.policy.PodSecurity != platformv1alpha1.PodSecurityPrivileged {
			c.standards(template.path, &pod)
		}
		c.scheduling(field(template.path, "spec"), &pod.Spec)
		c.tokens(field(template.path, "spec"), &pod.Spec)
	}
}

// parsable says whether all amounts of resources can be parsed, in a value that is the field within of an object.
func parsable(within string, value any) bool {
	switch value := value.(type) {
	case []any:
		for i := range value {
			if !parsable("", value[i]) {
				return false
			}
		}
	case map[string]any:
		for key, inner := range value {
			if written, isText := inner.(string); isText {
				if isAmount(within, key) && quantity.Check(written) != nil {
					return false
				}
			} else if !parsable(key, inner) {
				return false
			}
		}
	}
	return true
}

// amounts refuses amounts of resources that must not be parsed, before anything does, in a value at a path that is the field within of an
// object. It is for objects that have such: to tell where each value stands costs more than to look at it.
func (c *check) amounts(path, within string, value any) {
	switch value := value.(type) {
	case []any:
		for i := range value {
			c.amounts(path+"["+strconv.Itoa(i)+"]", "", value[i])
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			at := field(path, key)
			written, isText := value[key].(string)
			if !isText {
				c.amounts(at, key, value[key])
			} else if isAmount(within, key) {
				if err := quantity.Check(written); err != nil {
					c.refuse(at, RuleAmount, "%v; correct it", err)
				}
			}
		}
	}
}

// isAmount says whether a field of an object, which is the field within of another, is an amount of a resource.
func isAmount(within, name string) bool {
	switch within {
	case "requests", "limits", "overhead":
		return true
	}
	return name == "sizeLimit" || name == "divisor"
}

// templateMetadata refuses what the pods would inherit from the metadata of their template.
func (c *check) templateMetadata(template podTemplate) {
	metadata := nested(template.object, "metadata")
	for _, name := range foreignTemplateMetadata {
		if _, ok := metadata[name]; ok {
			c.refuse(field(template.path, "metadata")+"."+name, RuleMetadata, "a pod template must bear nothing but labels and annotations; take it out")
		}
	}
}

// standards evaluates the Pod Security Standards, which refuse host namespaces, host paths, host
// ports and privileged containers at every level below Privileged.
func (c *check) standards(path string, pod *corev1.PodTemplateSpec) {
	checks, err := evaluator()
	if err != nil {
		c.refuse(path, RulePodSecurity, "the checks of pod security cannot be made: %v; this is a bug in Towpath", err)
		return
	}
	level := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	if c.policy.PodSecurity == platformv1alpha1.PodSecurityBaseline {
		level.Level = podsecurity.LevelBaseline
	}
	result := policy.AggregateCheckResults(checks.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	if result.Allowed {
		return
	}
	for i, reason := range result.ForbiddenReasons {
		c.refuse(field(path, "spec"), RulePodSecurity, "the environment's class asks for pod security %q, which forbids: %s (%s); change the template, or use a class of another level", level.Level, reason, detail(result, i))
	}
}

func detail(result policy.AggregateCheckResult, i int) string {
	if i < len(result.ForbiddenDetails) && result.ForbiddenDetails[i] != "" {
		return result.ForbiddenDetails[i]
	}
	return "no details"
}

// scheduling refuses, at every level, two fields that the standards leave alone: one puts a pod on a node of choice
// past taints and quotas of the scheduler, the other lets it evict everybody else's pods.
func (c *check) scheduling(path string, pod *corev1.PodSpec) {
	if pod.NodeName != "" {
		c.refuse(path+".nodeName", RuleScheduling, "%q passes by the scheduler and the taints of the node; use nodeSelector or affinity", text(pod.NodeName))
	}
	if strings.HasPrefix(pod.PriorityClassName, "system-") {
		c.refuse(path+".priorityClassName", RuleScheduling, "%q is kept for the cluster's own pods; use a class of the platform team", text(pod.PriorityClassName))
	}
}
