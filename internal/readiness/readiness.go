// Package readiness says how a live object is: Ready, Progressing, Failed or Missing, and why.
//
// It starts from kstatus, as Flux and Argo CD's users know it, and departs from it where kstatus
// calls an object current that does not serve yet (a load balancer without address, a running Job,
// a route that no gateway took), or calls one unfinished that is (a paused Deployment, a claim that
// waits for its first pod). docs/ has the table by kind.
//
// The live objects it gets may be stripped: it never reads spec.template,
// spec.volumeClaimTemplates, data or managed fields. The package is pure. Messages of ready objects
// change only when the object is scaled, so that a steady state writes nothing.
package readiness

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// maxMessage is what Release.status.objects[].message takes, in characters.
const maxMessage = 1024

// ReadyWhen is a template's own rule.
type ReadyWhen struct {
	// Expression is its source, for messages.
	Expression string
	// Eval evaluates it on the live object.
	Eval func(self map[string]any) (bool, error)
}

// Of returns the health of a live object and a short message for people; nil live is Missing.
//
// A rule takes the place of the kind's own readiness, with two exceptions: an object that is being
// deleted, or whose controller has not seen its newest spec, is not ready whatever the rule says;
// and one that reports its own failure is Failed while the rule is not fulfilled. A rule that fails
// to evaluate is not fulfilled: fields of status are often absent at first. live is not changed,
// unless the rule does.
func Of(live *unstructured.Unstructured, rule *ReadyWhen) (platformv1alpha1.ObjectHealth, string) {
	if live == nil || live.Object == nil {
		return platformv1alpha1.ObjectMissing, "the object does not exist"
	}
	result := of(live, rule)
	return result.health, bounded(result.message)
}

// outcome is a health with its message.
type outcome struct {
	health  platformv1alpha1.ObjectHealth
	message string
}

func ready(format string, args ...any) outcome {
	return outcome{platformv1alpha1.ObjectReady, fmt.Sprintf(format, args...)}
}

func progressing(format string, args ...any) outcome {
	return outcome{platformv1alpha1.ObjectProgressing, fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) outcome {
	return outcome{platformv1alpha1.ObjectFailed, fmt.Sprintf(format, args...)}
}

func of(live *unstructured.Unstructured, rule *ReadyWhen) outcome {
	object := live.Object
	if text(object, "metadata", "deletionTimestamp") != "" {
		return progressing("the object is being deleted")
	}
	if observed, ok := number(object, "status", "observedGeneration"); ok {
		if generation, _ := number(object, "metadata", "generation"); observed < generation {
			return progressing("its controller has not seen the newest spec yet")
		}
	}
	own := ofKind(live)
	if rule == nil {
		return own
	}
	fulfilled, err := rule.Eval(object)
	switch {
	case err == nil && fulfilled:
		return ready("readyWhen is true")
	case own.health == platformv1alpha1.ObjectFailed:
		return own
	case err != nil:
		return progressing("the template's rule of readiness, %s, cannot be evaluated yet: %v", rule.Expression, err)
	}
	return progressing("the template's rule of readiness, %s, is false; look at the object's status", rule.Expression)
}

// rules are the kinds whose readiness is not left to kstatus.
var rules = map[schema.GroupKind]func(map[string]any) outcome{
	{Kind: "PersistentVolumeClaim"}:                         claim,
	{Kind: "ReplicationController"}:                         replicaSet,
	{Kind: "Service"}:                                       service,
	{Group: "apps", Kind: "DaemonSet"}:                      daemonSet,
	{Group: "apps", Kind: "Deployment"}:                     deployment,
	{Group: "apps", Kind: "ReplicaSet"}:                     replicaSet,
	{Group: "apps", Kind: "StatefulSet"}:                    statefulSet,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}: autoscaler,
	{Group: "batch", Kind: "CronJob"}:                       cronJob,
	{Group: "batch", Kind: "Job"}:                           job,
	{Group: "gateway.networking.k8s.io", Kind: "GRPCRoute"}: route,
	{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}: route,
	{Group: "gateway.networking.k8s.io", Kind: "TCPRoute"}:  route,
	{Group: "gateway.networking.k8s.io", Kind: "TLSRoute"}:  route,
	{Group: "gateway.networking.k8s.io", Kind: "UDPRoute"}:  route,
	{Group: "policy", Kind: "PodDisruptionBudget"}:          disruptionBudget,
}

// reportReady are groups whose every kind reports a Ready condition sooner or later. kstatus takes
// an object without conditions for current, also in the moment before its controller sees it.
var reportReady = map[string]bool{
	"cert-manager.io":     true,
	"keda.sh":             true,
	"postgresql.cnpg.io":  true,
	"serving.knative.dev": true,
}

func ofKind(live *unstructured.Unstructured) outcome {
	kind := live.GroupVersionKind().GroupKind()
	if rule, ok := rules[kind]; ok {
		return rule(live.Object)
	}
	if _, found := findCondition(live.Object, "Ready"); !found && reportReady[kind.Group] {
		return progressing("its controller has not reported Ready yet")
	}
	result, err := status.Compute(live)
	if err != nil {
		return progressing("its status cannot be read: %v", err)
	}
	switch result.Status {
	case status.CurrentStatus:
		return ready("")
	case status.FailedStatus:
		return failed("%s", result.Message)
	}
	return progressing("%s", result.Message)
}

// bounded cuts a message to what the API takes.
func bounded(message string) string {
	message = strings.ToValidUTF8(message, "")
	if utf8.RuneCountInString(message) <= maxMessage {
		return message
	}
	return string([]rune(message)[:maxMessage-1]) + "…"
}
