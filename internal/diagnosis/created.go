package diagnosis

import (
	"fmt"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// What the API server says when it refuses an object: the quota plugin, pod security admission, webhooks of others, admission
// policies, LimitRanges, the admission of priorities and runtimes, and its authorizer.
var (
	quotaExceeded = lazyregexp.New(`exceeded quota: ([^,]+), requested: (.+), used: (.+), limited: (.+)$`)
	podSecurity   = lazyregexp.New(`violates PodSecurity "([^"]+)": (.+)$`)
	webhookDenied = lazyregexp.New(`admission webhook "([^"]+)" denied the request(?:: (.+)| without explanation)?$`)
	webhookFailed = lazyregexp.New(`failed calling webhook "([^"]+)"`)
	policyDenied  = lazyregexp.New(`ValidatingAdmissionPolicy '([^']+)' with binding '[^']+' denied request: (.+)$`)
	limitRange    = lazyregexp.New(`is forbidden: \[?((?:maximum|minimum) .+ per (?:Container|Pod|PersistentVolumeClaim) is .+)$`)
	quotaUnset    = lazyregexp.New(`failed quota: ([^:]+): must specify (.+)$`)
	noPriority    = lazyregexp.New(`no PriorityClass with name (\S+) was found`)
	noRuntime     = lazyregexp.New(`RuntimeClass "([^"]+)" not found`)
	noRight       = lazyregexp.New(`is forbidden: User "([^"]+)" cannot (\S+) resource "([^"]+)"`)
	noAccount     = lazyregexp.New(`error looking up service account [^/]+/([^:]+): serviceaccount "[^"]+" not found`)
)

// notCreated says why the API server refuses the pods of a workload.
func notCreated(namespace, message string) *Cause {
	cause := Refusal(namespace, "the pods", message)
	if cause.Next == "" {
		cause.Next = fmt.Sprintf("See the events: kubectl -n %s get events --field-selector reason=FailedCreate", namespace)
	}
	return cause
}

// Refusal says why the API server refuses something in a namespace: what is its name in a sentence, such as "Job a-b". Of
// a message that is not known, there is no next step.
func Refusal(namespace, what, message string) *Cause {
	message = strings.TrimSpace(strings.Join(strings.Fields(message), " "))
	refused := &Cause{Reason: platformv1alpha1.ReasonPodsRefused}
	switch {
	case quotaExceeded().MatchString(message):
		found := quotaExceeded().FindStringSubmatch(message)
		return &Cause{
			Reason:  platformv1alpha1.ReasonQuotaExceeded,
			Message: fmt.Sprintf("Quota %s of namespace %s is used up: %s", found[1], namespace, shortage(found[2], found[3], found[4])),
			Next:    "Run less of it, or have the quota raised: by spec.quota of the Environment where that is lower, else by the platform team in its class",
		}
	case podSecurity().MatchString(message):
		found := podSecurity().FindStringSubmatch(message)
		refused.Final = true
		refused.Message = fmt.Sprintf("Namespace %s refuses %s by pod security %q: %s", namespace, what, found[1], found[2])
		refused.Next = "Have the golden path meet that level, or choose a class with another one"
	case webhookDenied().MatchString(message):
		found := webhookDenied().FindStringSubmatch(message)
		refused.Final = true
		refused.Message = fmt.Sprintf("Webhook %s, which is not Towpath's, refuses %s: %s", found[1], what, orNothing(found[2]))
		refused.Next = "Do what it asks for; this may be for the platform team"
	case webhookFailed().MatchString(message):
		found := webhookFailed().FindStringSubmatch(message)
		refused.Message = fmt.Sprintf("Webhook %s, which is not Towpath's, must be asked about %s, and does not answer", found[1], strings.TrimPrefix(what, "the "))
		refused.Next = "This is for the platform team: kubectl get mutatingwebhookconfigurations,validatingwebhookconfigurations"
	case policyDenied().MatchString(message):
		found := policyDenied().FindStringSubmatch(message)
		refused.Final = true
		refused.Message = fmt.Sprintf("Admission policy %s refuses %s: %s", found[1], what, found[2])
		refused.Next = "Do what it asks for; this may be for the platform team"
	case limitRange().MatchString(message):
		refused.Final = true
		refused.Message = fmt.Sprintf("A LimitRange of namespace %s refuses %s: %s", namespace, what, strings.TrimRight(limitRange().FindStringSubmatch(message)[1], "]"))
		refused.Next = "Ask for an amount within these bounds by parameters of the golden path"
	case quotaUnset().MatchString(message):
		found := quotaUnset().FindStringSubmatch(message)
		refused.Final = true
		refused.Message = fmt.Sprintf("Quota %s of namespace %s refuses %s, which do not say how much they need: %s is missing", found[1], namespace, what, found[2])
		refused.Next = "Set these by parameters of the golden path, or have it set them"
	case noPriority().MatchString(message):
		refused.Message = fmt.Sprintf("PriorityClass %s, which %s ask for, does not exist", noPriority().FindStringSubmatch(message)[1], what)
		refused.Next = "Name one of kubectl get priorityclasses, or have the platform team make it"
	case noRuntime().MatchString(message):
		refused.Message = fmt.Sprintf("RuntimeClass %s, which %s ask for, does not exist", noRuntime().FindStringSubmatch(message)[1], what)
		refused.Next = "Name one of kubectl get runtimeclasses, or have the platform team make it"
	case noAccount().MatchString(message):
		refused.Message = fmt.Sprintf("ServiceAccount %s does not exist in namespace %s", noAccount().FindStringSubmatch(message)[1], namespace)
		refused.Next = "Wait for it, or have the golden path make it"
	case noRight().MatchString(message):
		found := noRight().FindStringSubmatch(message)
		refused.Message = fmt.Sprintf("User %s may not %s %s in namespace %s, so that %s cannot be made", found[1], found[2], found[3], namespace, what)
		refused.Next = fmt.Sprintf("Wait a moment where the Environment is new, else this is for the platform team: kubectl -n %s get rolebindings", namespace)
	default:
		refused.Message = "The API server refuses " + what + ": " + message
	}
	return refused
}

func orNothing(said string) string {
	if said == "" {
		return "it does not say why"
	}
	return said
}

// shortage puts the three lists of a quota side by side: "cpu: 4 of 4 used, 1 more is asked for".
func shortage(requested, used, limited string) string {
	now, most := amounts(used), amounts(limited)
	var parts []string
	for _, pair := range strings.Split(requested, ",") {
		name, more, _ := strings.Cut(pair, "=")
		parts = append(parts, fmt.Sprintf("%s of %s %s used, %s more is asked for", now[name], most[name], name, more))
	}
	return strings.Join(parts, "; ")
}

// amounts reads a list such as "limits.cpu=4,pods=10".
func amounts(list string) map[string]string {
	found := map[string]string{}
	for _, pair := range strings.Split(list, ",") {
		name, amount, _ := strings.Cut(pair, "=")
		found[name] = amount
	}
	return found
}
