// Package why walks from a Component down to the first cause that keeps it from being ready: Component, environment,
// Release, object, pod and container. What it reads it reads with the rights of the caller, once, and what the caller may
// not read it says.
package why

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
	"github.com/towpath-dev/towpath/internal/diagnosis"
	"github.com/towpath-dev/towpath/internal/readiness"
)

// Kind of an Answer, in the version of tree.ReportAPIVersion.
const Kind = "Why"

// Bounds of what is read and shown.
const (
	podsPage, maxPods, maxEvents = 250, 5000, 500

	logLines = 10
)

// Answer is what `towpath why -o json` prints.
type Answer struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Component  string `json:"component"`
	// Environment that the answer is about; empty where the Component itself is the cause, or where all is well.
	Environment string `json:"environment,omitempty"`
	// Ready says that there is nothing to explain.
	Ready bool `json:"ready"`
	// Reason is that of the first cause; docs/runbooks has a page for each.
	Reason string `json:"reason,omitempty"`
	// Message says what the first cause is.
	Message string `json:"message,omitempty"`
	// Next are the steps that help, the most helpful first.
	Next []string `json:"next,omitempty"`
	// Path leads from the Component to the cause.
	Path []Link `json:"path"`
	// Logs are the last lines of the container that ended, where the caller may read them.
	Logs *Logs `json:"logs,omitempty"`
	// Notes say what could not be read.
	Notes []string `json:"notes,omitempty"`
}

// Link is one step on the way to the cause.
type Link struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// State is a reason, or how far it is.
	State string `json:"state,omitempty"`
}

// Logs are what a container said last.
type Logs struct {
	Pod       string `json:"pod"`
	Container string `json:"container"`
	// Previous says that the lines are from before the container was started again.
	Previous bool     `json:"previous,omitempty"`
	Lines    []string `json:"lines"`
}

// LogReader reads the last lines that a container logged.
type LogReader func(ctx context.Context, namespace, pod, container string, previous bool, lines int64) (string, error)

// Walker finds answers.
type Walker struct {
	Reader client.Reader
	// Logs may be nil: then none are shown.
	Logs LogReader
}

// Component explains the one Component that a report was built for. Environment chooses one of its path; empty means
// the first that something keeps from being ready.
func (w *Walker) Component(ctx context.Context, report *tree.Report, environment string) (*Answer, error) {
	team := &report.Teams[0]
	component := &team.Components[0]
	a := &Answer{APIVersion: tree.ReportAPIVersion, Kind: Kind, Namespace: team.Namespace, Component: component.Name}
	a.link("Component", team.Namespace+"/"+component.Name, component.Ready.Reason)
	stop, err := choose(component, environment)
	if err != nil {
		return nil, err
	}
	if own(component.Ready.Reason) && environment == "" {
		a.condition(component.Ready, report) // what the spec asks for is not on its way at all, whatever runs
		return a, nil
	}
	if stop == nil {
		if component.Health == tree.Ready {
			a.Ready, a.Message = true, strings.TrimSuffix(component.Ready.Message, ".")
			for i := range component.Environments {
				a.asleep(&component.Environments[i], report)
			}
			return a, nil
		}
		a.condition(component.Ready, report)
		return a, nil
	}
	a.Environment = stop.Name
	switch release := stop.Release; {
	case stop.Health != tree.Ready:
		a.link("Environment", stop.Name, stop.Ready.Reason)
		if stop.Health == tree.Missing {
			a.Reason, a.Message = platformv1alpha1.ReasonEnvironmentNotFound, fmt.Sprintf("Environment %s does not exist in namespace %s", stop.Name, team.Namespace)
		} else {
			a.condition(stop.Ready, nil)
		}
		a.steps(report)
	case release != nil && release.Health != tree.Ready:
		a.link("Release", release.Name, release.Ready.Reason)
		w.release(ctx, a, stop, report)
	case stop.Waiting != nil:
		a.condition(*stop.Waiting, report)
	case component.Health != tree.Ready:
		a.condition(component.Ready, report)
	default:
		a.Ready, a.Message = true, "Ready in "+stop.Name
		a.asleep(stop, report)
	}
	return a, nil
}

// asleep says of an environment that sleeps until when, and how to wake it.
func (a *Answer) asleep(stop *tree.Environment, report *tree.Report) {
	if stop.Sleep == nil {
		return
	}
	a.Message += fmt.Sprintf("; %s is %s", stop.Name, stop.Sleep)
	for _, step := range report.Next {
		if strings.HasSuffix(step.Command, "env wake -n "+a.Namespace+" "+stop.Name) {
			a.Next = append(a.Next, step.Command)
		}
	}
}

// own says whether a reason is the Component's own, so that no Release is made of what its spec says.
func own(reason string) bool {
	switch reason {
	case platformv1alpha1.ReasonTemplateNotFound, platformv1alpha1.ReasonRevisionNotFound, platformv1alpha1.ReasonParametersInvalid,
		platformv1alpha1.ReasonRenderFailed, platformv1alpha1.ReasonRefused, platformv1alpha1.ReasonOverrideRefused,
		platformv1alpha1.ReasonUsesInvalid, platformv1alpha1.ReasonNotTeamNamespace, platformv1alpha1.ReasonChecksInvalid:
		return true
	}
	return false
}

// choose finds the environment to explain, nil for none: then the Component explains itself.
func choose(component *tree.Component, name string) (*tree.Environment, error) {
	var names []string
	for i := range component.Environments {
		stop := &component.Environments[i]
		names = append(names, stop.Name)
		if name == stop.Name {
			return stop, nil
		}
		wrong := stop.Health != tree.Ready || stop.Release != nil && stop.Release.Health != tree.Ready || stop.Waiting != nil
		if name == "" && wrong {
			return stop, nil
		}
	}
	if name != "" {
		return nil, &UnknownEnvironment{Component: component.Name, Environment: name, Path: names}
	}
	return nil, nil
}

// UnknownEnvironment says that an environment is not in the path of a Component.
type UnknownEnvironment struct {
	Component, Environment string
	// Path is what is.
	Path []string
}

func (e *UnknownEnvironment) Error() string {
	return fmt.Sprintf("environment %q is not in the path of component %s, which is %s", e.Environment, e.Component, strings.Join(e.Path, ", "))
}

func (a *Answer) link(kind, name, state string) {
	a.Path = append(a.Path, Link{Kind: kind, Name: name, State: state})
}

// condition takes a condition as the cause, with the steps of the report.
func (a *Answer) condition(c tree.Condition, report *tree.Report) {
	a.Reason, a.Message = c.Reason, strings.TrimSuffix(c.Message, ".")
	if a.Reason == "" {
		a.Message = "The manager has not looked at it yet: is it running?"
	}
	if report != nil {
		a.steps(report)
	}
}

// steps takes over what `towpath status` advises.
func (a *Answer) steps(report *tree.Report) {
	for _, step := range report.Next {
		a.Next = append(a.Next, step.Command)
	}
}

func (a *Answer) note(format string, args ...any) {
	a.Notes = append(a.Notes, fmt.Sprintf(format, args...))
}

// release explains a Release that is not Ready by the first of its objects of which a cause is known.
func (w *Walker) release(ctx context.Context, a *Answer, stop *tree.Environment, report *tree.Report) {
	release := stop.Release
	a.condition(release.Ready, nil)
	bad := badOnes(release.Objects)
	if len(bad) == 0 {
		for _, c := range release.Checks {
			if c.Health != tree.Ready && (c.Health == tree.Failed || release.Health != tree.Failed) {
				a.link("check", c.Name, strings.TrimSuffix(c.Message, "."))
				break
			}
		}
		a.steps(report)
		return
	}
	if refused(release.Ready.Reason, bad[0]) {
		a.object(stop, bad[0])
		a.steps(report) // what the API server said is the cause, and stands in the condition
		return
	}
	pods, events := w.read(ctx, a, stop)
	for _, object := range bad {
		cause := w.diagnose(ctx, a, stop, object, pods, events)
		if cause == nil {
			continue
		}
		a.object(stop, object)
		a.cause(stop, cause)
		if cause.Reason == platformv1alpha1.ReasonVolumeUnavailable {
			w.claims(ctx, a, stop.Namespace, events)
		}
		if cause.Ended {
			w.logs(ctx, a, stop.Namespace, cause)
		}
		return
	}
	a.object(stop, bad[0])
	a.steps(report)
}

// object adds an object of a Release to the path.
func (a *Answer) object(stop *tree.Environment, object *tree.Object) {
	state, _, _ := strings.Cut(object.Message, ". ")
	a.link(object.Kind, stop.Namespace+"/"+object.Name, strings.TrimSuffix(state, "."))
}

// cause takes what was found in a pod, or in place of one.
func (a *Answer) cause(stop *tree.Environment, cause *diagnosis.Cause) {
	a.Reason, a.Message, a.Next = cause.Reason, cause.Message, []string{cause.Next}
	if cause.Pod != "" {
		a.link("Pod", stop.Namespace+"/"+cause.Pod, "")
	}
	if cause.Container != "" {
		a.link("container", cause.Container, cause.Reason)
	}
}

// badOnes are the objects that are not ready, those that failed first.
func badOnes(objects []tree.Object) []*tree.Object {
	var failed, waiting []*tree.Object
	for i := range objects {
		switch o := &objects[i]; o.Health {
		case tree.Ready:
		case tree.Failed:
			failed = append(failed, o)
		default:
			waiting = append(waiting, o)
		}
	}
	return append(failed, waiting...)
}

// refused says whether a reason tells that an object was not written: then there is nothing below it to look at.
func refused(reason string, object *tree.Object) bool {
	switch reason {
	case platformv1alpha1.ReasonQuotaExceeded:
		return object.Health == tree.Failed && strings.HasPrefix(object.Message, "applying ") // else it is about pods
	case platformv1alpha1.ReasonApplyFailed, platformv1alpha1.ReasonObjectTaken, platformv1alpha1.ReasonKindUnavailable, platformv1alpha1.ReasonRefused,
		platformv1alpha1.ReasonRenderFailed, platformv1alpha1.ReasonRevisionMissing, platformv1alpha1.ReasonConsentMissing, platformv1alpha1.ReasonObjectNotFound:
		return true
	}
	return false
}

// read reads the pods and warnings of a Component in an environment, as far as the caller may.
func (w *Walker) read(ctx context.Context, a *Answer, stop *tree.Environment) ([]corev1.Pod, []corev1.Event) {
	in := client.InNamespace(stop.Namespace)
	var pods []corev1.Pod
	from := ""
	for range maxPods / podsPage {
		var page corev1.PodList
		if err := w.Reader.List(ctx, &page, in, client.Limit(podsPage), client.Continue(from), client.MatchingLabels{
			platformv1alpha1.LabelComponent: a.Component, platformv1alpha1.LabelEnvironment: stop.Name,
		}); err != nil {
			a.note("you may not list pods in namespace %s: %s", stop.Namespace, short(err))
			break
		}
		pods = append(pods, page.Items...)
		if from = page.Continue; from == "" {
			break
		}
	}
	var events corev1.EventList
	if err := w.Reader.List(ctx, &events, in, client.Limit(maxEvents)); err != nil {
		a.note("you may not list events in namespace %s: %s", stop.Namespace, short(err))
	}
	return pods, slices.DeleteFunc(events.Items, func(e corev1.Event) bool { return e.Type != corev1.EventTypeWarning })
}

// diagnose finds what keeps one object from being ready.
func (w *Walker) diagnose(ctx context.Context, a *Answer, stop *tree.Environment, object *tree.Object, pods []corev1.Pod, events []corev1.Event) *diagnosis.Cause {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(schema.FromAPIVersionAndKind(object.APIVersion, object.Kind))
	if err := client.IgnoreNotFound(w.Reader.Get(ctx, client.ObjectKey{Namespace: stop.Namespace, Name: object.Name}, live)); err != nil {
		a.note("you may not read %s %s in namespace %s: %s", object.Kind, object.Name, stop.Namespace, short(err))
	}
	return diagnosis.Find(diagnosis.Evidence{
		Kind: object.Kind, Namespace: stop.Namespace, Name: object.Name, NotCreated: readiness.NotCreated(live), Pods: pods, Events: events, Now: time.Now(),
	})
}

// claims says what the claims of a namespace that are not bound wait for.
func (w *Walker) claims(ctx context.Context, a *Answer, namespace string, events []corev1.Event) {
	var claims corev1.PersistentVolumeClaimList
	if err := w.Reader.List(ctx, &claims, client.InNamespace(namespace), client.MatchingLabels{platformv1alpha1.LabelComponent: a.Component}); err != nil {
		a.note("you may not list persistentvolumeclaims in namespace %s: %s", namespace, short(err))
		return
	}
	for i := range claims.Items {
		claim := &claims.Items[i]
		if claim.Status.Phase == corev1.ClaimBound {
			continue
		}
		class := "the default StorageClass"
		if claim.Spec.StorageClassName != nil {
			class = "StorageClass " + *claim.Spec.StorageClassName
		}
		said := ""
		for j := range events {
			if o := &events[j].InvolvedObject; o.Kind == "PersistentVolumeClaim" && o.Name == claim.Name {
				said = ": " + events[j].Message
			}
		}
		a.note("PersistentVolumeClaim %s is %s, of %s%s", claim.Name, claim.Status.Phase, class, said)
	}
}

// logs reads what a container said before it ended.
func (w *Walker) logs(ctx context.Context, a *Answer, namespace string, cause *diagnosis.Cause) {
	if w.Logs == nil {
		return
	}
	previous := true
	text, err := w.Logs(ctx, namespace, cause.Pod, cause.Container, previous, logLines)
	if apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) { // it was not started again, or what it said is gone
		previous = false
		text, err = w.Logs(ctx, namespace, cause.Pod, cause.Container, previous, logLines)
	}
	if err != nil {
		a.note("you may not read the logs of pod %s in namespace %s: %s", cause.Pod, namespace, short(err))
		return
	}
	a.Logs = &Logs{Pod: cause.Pod, Container: cause.Container, Previous: previous, Lines: []string{}}
	for line := range strings.Lines(text) {
		a.Logs.Lines = append(a.Logs.Lines, strings.TrimRight(line, "\r\n"))
	}
}

// short is an error in one line.
func short(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
