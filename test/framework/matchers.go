package framework

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/onsi/gomega"
	"github.com/onsi/gomega/format"
	"github.com/onsi/gomega/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
)

// SetTimeouts sets how long Eventually and Consistently look, for a machine that runs several suites at
// once.
func SetTimeouts() {
	gomega.SetDefaultEventuallyTimeout(45 * time.Second)
	gomega.SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	gomega.SetDefaultConsistentlyDuration(2 * time.Second)
	gomega.SetDefaultConsistentlyPollingInterval(50 * time.Millisecond)
	gomega.EnforceDefaultTimeoutsWhenUsingContexts()
}

// Read returns a function for Eventually that reads an object anew, and leaves the one given as it is.
func Read[T client.Object](c client.Reader, object T) func(context.Context) (T, error) {
	key := client.ObjectKeyFromObject(object)
	return func(ctx context.Context) (T, error) {
		fresh, ok := reflect.New(reflect.TypeOf(object).Elem()).Interface().(T)
		if !ok {
			return fresh, fmt.Errorf("%T is not a pointer to a struct", object)
		}
		fresh.GetObjectKind().SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
		err := c.Get(ctx, key, fresh)
		return fresh, err
	}
}

// States returns a function for Eventually that reads a Build anew, and lists the states of its stages as "name=State name=State".
func States(c client.Reader, b *platformv1alpha1.Build) func(context.Context) (string, error) {
	read := Read(c, b)
	return func(ctx context.Context) (string, error) {
		live, err := read(ctx)
		if err != nil {
			return "", err
		}
		var all []string
		for _, s := range live.Status.Stages {
			all = append(all, s.Name+"="+string(s.State))
		}
		return strings.Join(all, " "), nil
	}
}

// Gone returns a function for Eventually that says whether an object does not exist, or is another one
// of its name by now.
func Gone(c client.Reader, object client.Object) func(context.Context) (bool, error) {
	read := Read(c, object)
	return func(ctx context.Context) (bool, error) {
		live, err := read(ctx)
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return err == nil && object.GetUID() != "" && live.GetUID() != object.GetUID(), err
	}
}

// HaveCondition matches an object with a condition of this type, status and reason, about its current
// generation, whose message holds each of the texts.
func HaveCondition(kind string, status metav1.ConditionStatus, reason string, texts ...string) types.GomegaMatcher {
	return &haveCondition{kind: kind, status: status, reason: reason, texts: texts}
}

// BeReady matches an object whose Ready condition is True, about its current generation.
func BeReady() types.GomegaMatcher {
	return &haveCondition{kind: platformv1alpha1.ConditionReady, status: metav1.ConditionTrue}
}

// BeStalled matches an object that waits for somebody: Ready=False and Stalled=True for this reason, with
// a message that holds each of the texts.
func BeStalled(reason string, texts ...string) types.GomegaMatcher {
	return gomega.And(
		HaveCondition(platformv1alpha1.ConditionReady, metav1.ConditionFalse, reason, texts...),
		HaveCondition(platformv1alpha1.ConditionStalled, metav1.ConditionTrue, reason, texts...),
	)
}

type haveCondition struct {
	kind   string
	status metav1.ConditionStatus
	reason string
	texts  []string
}

// Match implements types.GomegaMatcher.
func (m *haveCondition) Match(actual any) (bool, error) {
	object, ok := actual.(client.Object)
	if !ok {
		return false, fmt.Errorf("HaveCondition expects an object, not %T", actual)
	}
	c := meta.FindStatusCondition(condition.Of(object), m.kind)
	if c == nil || c.Status != m.status || m.reason != "" && c.Reason != m.reason || c.ObservedGeneration != object.GetGeneration() {
		return false, nil
	}
	for _, text := range m.texts {
		if !strings.Contains(c.Message, text) {
			return false, nil
		}
	}
	return true, nil
}

// FailureMessage implements types.GomegaMatcher.
func (m *haveCondition) FailureMessage(actual any) string { return m.message(actual, "to have") }

// NegatedFailureMessage implements types.GomegaMatcher.
func (m *haveCondition) NegatedFailureMessage(actual any) string {
	return m.message(actual, "not to have")
}

func (m *haveCondition) message(actual any, verb string) string {
	object, ok := actual.(client.Object)
	if !ok {
		return format.Message(actual, verb+" a condition")
	}
	var found strings.Builder
	for _, c := range condition.Of(object) {
		fmt.Fprintf(&found, "\n  %s=%s %s of generation %d: %s", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message)
	}
	return fmt.Sprintf("Expected %T %s of generation %d %s %s=%s %s, with the texts %q.\nIt has:%s",
		actual, client.ObjectKeyFromObject(object), object.GetGeneration(), verb, m.kind, m.status, m.reason, m.texts, found.String())
}
