// Package condition writes the conditions of Towpath's kinds, so that each kind says the same in the
// same way. Their meaning follows kstatus: Ready=True is Current, Ready=False is InProgress, and
// Stalled=True beside it is Failed.
package condition

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// maxMessage bounds a message. The API allows 32,768 bytes; what is longer than this helps nobody.
const maxMessage = 4096

// Ready says that the object does what its spec asks for.
func Ready(conditions *[]metav1.Condition, generation int64, reason, message string) {
	Set(conditions, generation, platformv1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
	meta.RemoveStatusCondition(conditions, platformv1alpha1.ConditionStalled)
}

// Progressing says that the object is not ready, and that this mends itself.
func Progressing(conditions *[]metav1.Condition, generation int64, reason, message string) {
	Set(conditions, generation, platformv1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	meta.RemoveStatusCondition(conditions, platformv1alpha1.ConditionStalled)
}

// Stalled says that the object is not ready, and will not be until somebody changes something.
func Stalled(conditions *[]metav1.Condition, generation int64, reason, message string) {
	Set(conditions, generation, platformv1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	Set(conditions, generation, platformv1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
}

// HistoryKept says that the history of daily costs is lost with the manager's pod, or nothing where it is not.
func HistoryKept(conditions *[]metav1.Condition, generation int64, lost bool) {
	if !lost {
		meta.RemoveStatusCondition(conditions, platformv1alpha1.ConditionHistoryKept)
		return
	}
	Set(conditions, generation, platformv1alpha1.ConditionHistoryKept, metav1.ConditionFalse, platformv1alpha1.ReasonHistoryLostWithPod,
		"The history of daily costs is on a volume that is lost with the manager's pod, and that no other manager sees: after a roll-out or an eviction figures begin anew, "+
			"with what bills tell again and estimates of at most 31 days. The platform team keeps it by a PostgreSQL that all managers share (history.postgresqlAddressFile "+
			"of the manager's configuration), or by one manager with a claim (make deploy OVERLAY=history).")
}

// Set sets one condition. The time of its last transition moves only with its status.
func Set(conditions *[]metav1.Condition, generation int64, kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: kind, Status: status, ObservedGeneration: generation, Reason: reason, Message: Clip(message, maxMessage),
	})
}

// Of returns the conditions of an object of Towpath's kinds; nil for others.
func Of(object any) []metav1.Condition {
	switch o := object.(type) {
	case *platformv1alpha1.Budget:
		return o.Status.Conditions
	case *platformv1alpha1.Build:
		return o.Status.Conditions
	case *platformv1alpha1.Component:
		return o.Status.Conditions
	case *platformv1alpha1.Environment:
		return o.Status.Conditions
	case *platformv1alpha1.EnvironmentClass:
		return o.Status.Conditions
	case *platformv1alpha1.CostSource:
		return o.Status.Conditions
	case *platformv1alpha1.Team:
		return o.Status.Conditions
	case *platformv1alpha1.Release:
		return o.Status.Conditions
	case *platformv1alpha1.ServiceTemplate:
		return o.Status.Conditions
	case *platformv1alpha1.ServiceTemplateRevision:
		return o.Status.Conditions
	}
	return nil
}

// Clip shortens a message to at most limit bytes, on a boundary between characters.
func Clip(message string, limit int) string {
	if len(message) <= limit {
		return message
	}
	const ellipsis = "…"
	cut := 0
	for i := range message {
		if i > limit-len(ellipsis) {
			break
		}
		cut = i
	}
	return message[:cut] + ellipsis
}
