package delivery

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

const (
	// AnnotationRefresh has Argo CD look at the repository at once, and not some minutes later. Argo CD takes it off as it has looked.
	AnnotationRefresh = "argocd.argoproj.io/refresh"
	// AnnotationAsked is the FetchRequest of the commit for which Argo CD was last asked to look: AnnotationRefresh does not stay.
	AnnotationAsked = "platform.towpath.dev/refresh-asked"
	// annotationCompare says how Argo CD compares; exactly, where it is compareExactly: it asks the API server what applying would change.
	// By itself it takes what the API server adds to lists, as to the volumeClaimTemplates of a StatefulSet, for a change of somebody, and
	// applies the same again for ever.
	annotationCompare = "argocd.argoproj.io/compare-options"
	compareExactly    = "ServerSideDiff=true"
	// controllerAccount is the one that Argo CD compares as. Where it applies as another one, by impersonation, the policy of our labels does not
	// let it ask what applying would change: it is no account that delivers.
	controllerAccount = "argocd-application-controller"
	// annotationSkip has Argo CD leave an Application alone.
	annotationSkip = "argocd.argoproj.io/skip-reconcile"
)

// RetryApplication is how long after Argo CD has given a commit up it is told to try it again: as often as Flux does by itself.
const RetryApplication = time.Minute

// Application is the one of Argo CD. Deleting it deletes what it applied.
//
// Where a commit fails, Argo CD tries it five times more within five minutes by itself, applies no newer one and deletes nothing meanwhile, and
// then never tries that commit again. So here it gives up within seconds, and Retry has it begin anew.
func (f Follower) Application() *unstructured.Unstructured {
	project := f.Project
	if project == "" {
		project = "default"
	}
	o := f.object("argoproj.io/v1alpha1", "Application", f.Name(), map[string]any{
		"project": project,
		"source":  map[string]any{"repoURL": f.URL, "targetRevision": f.Branch, "path": f.Path},
		"destination": map[string]any{
			"server": "https://kubernetes.default.svc", "namespace": f.Environment.Namespace,
		},
		"syncPolicy": map[string]any{
			"automated":   map[string]any{"prune": true, "selfHeal": true},
			"syncOptions": syncOptions(),
			"retry":       map[string]any{"limit": int64(2), "backoff": map[string]any{"duration": "5s", "factor": int64(1), "maxDuration": "5s"}},
		},
	})
	if f.Account == "" || f.Account == controllerAccount {
		o.SetAnnotations(map[string]string{annotationCompare: compareExactly})
	}
	o.SetFinalizers([]string{"resources-finalizer.argocd.argoproj.io/foreground"})
	return o
}

func syncOptions() []any { return []any{"ServerSideApply=true", "FailOnSharedResource=true"} }

// Retry is an operation that has Argo CD apply what its Application says, and nothing else, once.
func Retry() map[string]any {
	return map[string]any{
		"initiatedBy": map[string]any{"username": "towpath", "automated": true},
		"sync":        map[string]any{"prune": true, "syncOptions": syncOptions()},
	}
}

// GivenUp is when Argo CD gave up what its Application is out of step with; the zero time where it is at it, or has nothing to do.
func GivenUp(o *unstructured.Unstructured) time.Time {
	_, operates, _ := unstructured.NestedMap(o.Object, "operation")
	phase := text(o, "status", "operationState", "phase")
	if operates || phase != "Failed" && phase != "Error" || text(o, "status", "sync", "status") != "OutOfSync" {
		return time.Time{}
	}
	return moment(o, "status", "operationState", "finishedAt")
}

// AskApplication returns the annotations by which Argo CD is asked to look for a commit that was delivered at a time, once. One that does not
// exist yet (nil) looks as it is made.
func AskApplication(live *unstructured.Unstructured, commit string, delivered time.Time) map[string]string {
	request := FetchRequest(commit, delivered)
	if live == nil {
		return map[string]string{AnnotationAsked: request}
	}
	asked := map[string]string{}
	for _, key := range []string{AnnotationAsked, AnnotationRefresh} {
		if value := live.GetAnnotations()[key]; value != "" {
			asked[key] = value
		}
	}
	if asked[AnnotationRefresh] != "" {
		return asked // it may be at that look already, which would take off what is asked now: it is asked once that is over
	}
	if asked[AnnotationAsked] != request && text(live, "status", "sync", "revision") != commit {
		asked[AnnotationAsked], asked[AnnotationRefresh] = request, "normal"
	}
	return asked
}

// compared says whether Argo CD has compared with what the branch held once a commit was delivered to it.
func compared(o *unstructured.Unstructured, commit string, delivered time.Time) bool {
	annotations := o.GetAnnotations()
	return annotations[AnnotationAsked] == FetchRequest(commit, delivered) && annotations[AnnotationRefresh] == "" ||
		text(o, "status", "sync", "revision") == commit || moment(o, "status", "reconciledAt").After(delivered)
}

// ReadApplication reads what Argo CD says of a commit that was delivered at a time.
func ReadApplication(o *unstructured.Unstructured, commit string, delivered time.Time) Followed {
	f := Followed{Revision: applied(o)}
	what := fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
	if why := suspension(o); why != "" {
		f.Suspended = true
		f.Failure = fmt.Sprintf("%s is suspended, since %s, so nothing new is applied; resume it when it may be", what, why)
		return f
	}
	if failure := complaint(o, commit, delivered); failure != "" {
		f.Failure = what + " says: " + failure
	}
	return f
}

// applied is the revision that an operation applied, or that Argo CD compared with and found to be there.
func applied(o *unstructured.Unstructured) string {
	if text(o, "status", "operationState", "phase") == "Succeeded" {
		if revision := text(o, "status", "operationState", "syncResult", "revision"); revision != "" {
			return revision
		}
	}
	if text(o, "status", "sync", "status") == "Synced" {
		return text(o, "status", "sync", "revision")
	}
	return ""
}

// suspension is why Argo CD applies nothing new by itself; empty where it does.
func suspension(o *unstructured.Unstructured) string {
	if skip, err := strconv.ParseBool(o.GetAnnotations()[annotationSkip]); err == nil && skip {
		return "its annotation " + annotationSkip + " is true"
	}
	if enabled, found, _ := unstructured.NestedBool(o.Object, "spec", "syncPolicy", "automated", "enabled"); found && !enabled {
		return "its spec.syncPolicy.automated.enabled is false"
	}
	return ""
}

// LeftAlone says what keeps Argo CD from deleting an Application, if that is to be seen.
func LeftAlone(o metav1.Object) string {
	if skip, err := strconv.ParseBool(o.GetAnnotations()[annotationSkip]); err == nil && skip {
		return " Its annotation " + annotationSkip + " keeps Argo CD from that: take it off."
	}
	return ""
}

// complaint is why Argo CD cannot apply a commit. An operation speaks of it that is of this commit, or began once it was there; a comparison
// does that was made once it was there. What is wrong with the Application itself is wrong whatever the commit is.
func complaint(o *unstructured.Unstructured, commit string, delivered time.Time) string {
	phase := text(o, "status", "operationState", "phase")
	between := phase == "Running" && !moment(o, "status", "operationState", "finishedAt").IsZero() // two tries
	failed := phase == "Failed" || phase == "Error" || between
	if failed && (text(o, "status", "operationState", "syncResult", "revision") == commit || !moment(o, "status", "operationState", "startedAt").Before(delivered)) {
		message := counted().ReplaceAllString(text(o, "status", "operationState", "message"), "")
		if message == "" {
			message = "the operation ended as " + phase
		}
		return message + particulars(o, message)
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		kind, _ := condition["type"].(string)
		switch {
		case !strings.HasSuffix(kind, "Error"):
		case kind == "SyncError" && failed: // it repeats an operation that is of another commit
		case kind == "InvalidSpecError", compared(o, commit, delivered):
			message, _ := condition["message"].(string)
			return kind + ": " + message
		}
	}
	return ""
}

// particulars is what an operation says of each object that failed, where its message does not: some only say that there are such.
func particulars(o *unstructured.Unstructured, message string) string {
	resources, _, _ := unstructured.NestedSlice(o.Object, "status", "operationState", "syncResult", "resources")
	var all strings.Builder
	for _, r := range resources {
		resource, _ := r.(map[string]any)
		if said, _ := resource["message"].(string); resource["status"] == "SyncFailed" && said != "" && !strings.Contains(message, said) {
			fmt.Fprintf(&all, "; %v %v: %s", resource["kind"], resource["name"], said)
		}
	}
	return all.String()
}

// counted is what Argo CD appends to a failure while it tries again: it says nothing of the failure, and would change from try to try.
var counted = lazyregexp.New(`(\. Retrying attempt #\d+ at [0-9:]+[AP]M\.| \(retried \d+ times\)\.)$`)
