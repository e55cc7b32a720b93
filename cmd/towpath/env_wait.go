package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
)

// pollEvery is how often what is waited for is looked at.
const pollEvery = time.Second

// drop deletes an object, and waits until it is gone.
func (o *previewOptions) drop(ctx context.Context, c *cluster.Cluster, object client.Object) error {
	uid := object.GetUID()
	if err := c.Delete(ctx, object, client.Preconditions{UID: &uid}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return o.awaitGone(ctx, c, object)
}

// awaitGone waits until an object is gone.
func (o *previewOptions) awaitGone(ctx context.Context, c *cluster.Cluster, object client.Object) error {
	key, uid, name := client.ObjectKeyFromObject(object), object.GetUID(), nameOf(object)
	err := wait.PollUntilContextCancel(ctx, pollEvery, true, func(ctx context.Context) (bool, error) {
		err := c.Get(ctx, key, object)
		if apierrors.IsNotFound(err) || err == nil && object.GetUID() != uid {
			return true, nil
		}
		return false, err
	})
	if errors.Is(context.Cause(ctx), errOverdue) {
		return &trouble{err: fmt.Errorf("%s is not gone after %s", name, o.timeout), next: fmt.Sprintf("%s -n %s get environments,components", o.Kubectl(), key.Namespace)}
	}
	return err
}

func nameOf(object client.Object) string {
	if _, ok := object.(*platformv1alpha1.Environment); ok {
		return "environment " + object.GetName()
	}
	return "component " + object.GetName()
}

// awaitReady waits until the copy is Ready, where that was asked for.
func (o *previewOptions) awaitReady(ctx context.Context, c *cluster.Cluster, report *previewReport) error {
	if !o.wait || o.dryRun {
		return nil
	}
	name, said := report.Components[0].Name, "it was not looked at yet"
	err := wait.PollUntilContextCancel(ctx, pollEvery, true, func(ctx context.Context) (bool, error) {
		environment := &platformv1alpha1.Environment{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: report.Environment.Name}, environment); err != nil {
			return false, err
		}
		report.Environment.see(environment)
		if failed := stalled(environment.Status.Conditions, environment.Generation); failed != nil {
			return false, o.failed("environment "+environment.Name, failed, fmt.Sprintf("%s -n %s describe environment %s", o.Kubectl(), c.Namespace, environment.Name))
		}
		component := &platformv1alpha1.Component{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, component); err != nil {
			return false, err
		}
		why := fmt.Sprintf("%s -n %s %s", o.Reach(o.program+" why"), c.Namespace, name)
		if failed := stalled(component.Status.Conditions, component.Generation); failed != nil {
			return false, o.failed("component "+name, failed, why)
		}
		ready := meta.FindStatusCondition(component.Status.Conditions, platformv1alpha1.ConditionReady)
		if ready != nil {
			said = ready.Message
		}
		return runs(component), nil
	})
	if errors.Is(context.Cause(ctx), errOverdue) {
		return &trouble{err: fmt.Errorf("component %s is not ready after %s: %s", name, o.timeout, said), next: fmt.Sprintf("%s -n %s %s", o.Reach(o.program+" why"), c.Namespace, name), code: exitFindings}
	}
	if err != nil {
		return o.said(err, "wait for component "+name)
	}
	snapshot, err := tree.Load(ctx, c, c.Namespace)
	if err != nil {
		return nil //nolint:nilerr // it is Ready; how to call it is more than was asked for
	}
	if status, err := tree.Build(snapshot, tree.Options{Namespace: c.Namespace, Component: name, Kubectl: o.Kubectl(), Status: o.Reach(o.program + " status"),
		Approve: o.Reach(o.program + " approve"), Promote: o.Reach(o.program + " promote"), Extend: o.Reach(o.program + " env extend"), Wake: o.Reach(o.program + " env wake")}); err == nil {
		report.Next = status.Next
	}
	return nil
}

// runs says whether every environment of a Component runs its version, healthy.
func runs(component *platformv1alpha1.Component) bool {
	for _, kind := range []string{platformv1alpha1.ConditionReady, platformv1alpha1.ConditionPromoted} {
		c := meta.FindStatusCondition(component.Status.Conditions, kind)
		if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != component.Generation {
			return false
		}
	}
	return true
}

// stalled is the condition that says that somebody must act; nil for none.
func stalled(conditions []metav1.Condition, generation int64) *metav1.Condition {
	c := meta.FindStatusCondition(conditions, platformv1alpha1.ConditionStalled)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != generation {
		return nil
	}
	return c
}

func (o *previewOptions) failed(what string, c *metav1.Condition, next string) error {
	return &trouble{err: fmt.Errorf("%s: %s: %s", what, c.Reason, c.Message), next: next, code: exitFindings}
}
