package adopt

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Refused says why a namespace of a level of pod security would refuse the pods of a workload as it was found;
// none where it lets them in.
func Refused(workload *unstructured.Unstructured, level platformv1alpha1.PodSecurityLevel) ([]string, error) {
	if level == platformv1alpha1.PodSecurityPrivileged {
		return nil, nil
	}
	object, at := PodTemplate(workload)
	var pod corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &pod); err != nil {
		return nil, fmt.Errorf("%s: %s: it cannot be read as a pod template: %w", title(workload), at, err)
	}
	checks, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	held := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	if level == platformv1alpha1.PodSecurityBaseline {
		held.Level = podsecurity.LevelBaseline
	}
	result := policy.AggregateCheckResults(checks.EvaluatePod(held, &pod.ObjectMeta, &pod.Spec))
	var reasons []string
	for i, reason := range result.ForbiddenReasons {
		if i < len(result.ForbiddenDetails) && result.ForbiddenDetails[i] != "" {
			reason += " (" + result.ForbiddenDetails[i] + ")"
		}
		reasons = append(reasons, reason)
	}
	return reasons, nil
}
