package environment

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/guardrails"
)

// bounded says whether anything bounds the environment.
func (s *scope) bounded(quota *corev1.ResourceQuotaSpec) bool {
	class := &s.class.Spec
	return s.outside != "" || quota != nil || class.MaxPerTeam > 0 || len(class.TeamQuota) > 0 || class.Lifetime != nil
}

// judge says in a condition whether the environment stays within its limits. It breaks nothing where it does not: what
// runs goes on, and new pods are refused.
func (s *scope) judge(wanted *corev1.ResourceQuotaSpec, live *corev1.ResourceQuota) {
	status, generation := &s.environment.Status, s.environment.Generation
	if !s.bounded(wanted) {
		meta.RemoveStatusCondition(&status.Conditions, platformv1alpha1.ConditionWithinLimits)
		return
	}
	for _, look := range []func() (reason, message string){
		s.isOutside, func() (string, string) { return s.usesMore(wanted, live) }, s.teamHasMore, s.asksForMore, s.asksForLonger,
	} {
		if reason, message := look(); reason != "" {
			condition.Set(&status.Conditions, generation, platformv1alpha1.ConditionWithinLimits, metav1.ConditionFalse, reason, message)
			return
		}
	}
	condition.Set(&status.Conditions, generation, platformv1alpha1.ConditionWithinLimits, metav1.ConditionTrue,
		platformv1alpha1.ReasonWithinLimits, "The environment uses no more than its class allows.")
}

func (s *scope) isOutside() (reason, message string) {
	if s.outside == "" {
		return "", ""
	}
	return platformv1alpha1.ReasonClassNotAllowed, s.outside
}

func (s *scope) usesMore(wanted *corev1.ResourceQuotaSpec, live *corev1.ResourceQuota) (reason, message string) {
	if wanted == nil {
		return "", ""
	}
	exceeded := guardrails.Exceeded(wanted.Hard, live.Status.Used)
	if len(exceeded) == 0 {
		return "", ""
	}
	return platformv1alpha1.ReasonQuotaExceeded, fmt.Sprintf(
		"More is used than the quota allows: %s. What runs goes on; nothing new that counts is let in. Use less, or have the quota raised: by spec.quota of the Environment where that is lower, else by the platform team in class %s.",
		strings.Join(exceeded, "; "), s.class.Name)
}

func (s *scope) teamHasMore() (reason, message string) {
	if s.beyond == nil {
		return "", ""
	}
	return s.beyond.Reason, fmt.Sprintf("Class %s bounds what team %s has: %s. The environment goes on. %s",
		s.class.Name, s.environment.Status.Team, s.beyond.Message, next(s.beyond.Reason))
}

func (s *scope) asksForMore() (reason, message string) {
	above := guardrails.Above(s.class.Spec.Quota, s.environment.Spec.Quota)
	if len(above) == 0 {
		return "", ""
	}
	return platformv1alpha1.ReasonAboveClass, fmt.Sprintf(
		"spec.quota asks for more than class %s allows, whose quota holds: %s. Lower spec.quota, or ask the platform team.", s.class.Name, strings.Join(above, "; "))
}

func (s *scope) asksForLonger() (reason, message string) {
	if !s.life.Above {
		return "", ""
	}
	return platformv1alpha1.ReasonAboveClass, fmt.Sprintf(
		"spec.lifetimeSeconds asks for more than class %s allows, whose maximum holds: %d of at most %d. Lower spec.lifetimeSeconds, or ask the platform team.",
		s.class.Name, s.environment.Spec.LifetimeSeconds, s.class.Spec.Lifetime.MaxSeconds)
}
