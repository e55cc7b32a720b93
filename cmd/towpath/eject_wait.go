package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// waitGone waits until the manager has let go of everything.
func (o *ejectOptions) waitGone(ctx context.Context, c client.Reader, out io.Writer, component *platformv1alpha1.Component) error {
	said := ""
	err := wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		var now platformv1alpha1.Component
		err := c.Get(ctx, client.ObjectKeyFromObject(component), &now)
		if apierrors.IsNotFound(err) || err == nil && now.UID != component.UID {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		waits, err := goingOn(ctx, c, &now)
		if err != nil {
			return false, err
		}
		if waits != said {
			_, _ = fmt.Fprintln(out, "waiting: "+waits)
			said = waits
		}
		return false, nil
	})
	if err != nil && errors.Is(context.Cause(ctx), errOverdue) {
		return &trouble{err: fmt.Errorf("component %s/%s is not gone after %s; %s", component.Namespace, component.Name, o.timeout, cmp.Or(said, "the cluster has not answered how far it is")),
			next: fmt.Sprintf("%s -n %s describe component %s; the manifests in %s are complete, and it goes on by itself", o.Kubectl(), component.Namespace, component.Name, o.dir)}
	}
	return err
}

// goingOn says what a Component that is being deleted waits for.
func goingOn(ctx context.Context, c client.Reader, component *platformv1alpha1.Component) (string, error) {
	var list platformv1alpha1.ReleaseList
	if err := c.List(ctx, &list, client.InNamespace(component.Namespace)); err != nil {
		return "", err
	}
	var left, refused, objects []string
	for i := range list.Items {
		r := &list.Items[i]
		if r.Spec.Component.UID != component.UID || !r.Opened() || r.Status.SupersededAt != nil && r.DeletionTimestamp.IsZero() {
			continue
		}
		left = append(left, r.Name)
		objects = append(objects, stillHeld(ctx, c, r)...)
		if c := meta.FindStatusCondition(r.Status.Conditions, platformv1alpha1.ConditionReady); c != nil && c.Reason == platformv1alpha1.ReasonDeleting && strings.Contains(c.Message, "failed") {
			refused = append(refused, r.Name+": "+c.Message)
		}
	}
	what := "the manager has let go of every object, and has yet to end the Component"
	if ready := meta.FindStatusCondition(component.Status.Conditions, platformv1alpha1.ConditionReady); ready != nil && ready.Reason == platformv1alpha1.ReasonDeleting && ready.Message != "" {
		what = ready.Message // such as the Components that use it
	} else if len(left) > 0 {
		what = "the manager has yet to let go of the objects of " + strings.Join(left, ", ")
	}
	for _, refusal := range refused {
		if !strings.Contains(what, refusal) {
			what = strings.TrimSuffix(what, ".") + "; " + refusal
		}
	}
	if len(objects) > 0 {
		slices.Sort(objects)
		what = strings.TrimSuffix(what, ".") + "; still Towpath's: " + strings.Join(slices.Compact(objects), ", ")
	}
	return what, nil
}

// stillHeld are the objects of a Release that are still the Component's. Those that the caller may not read are left out.
func stillHeld(ctx context.Context, c client.Reader, release *platformv1alpha1.Release) []string {
	var names []string
	for _, o := range release.Spec.Inventory {
		live := &metav1.PartialObjectMetadata{}
		live.SetGroupVersionKind(schema.FromAPIVersionAndKind(o.APIVersion, o.Kind))
		err := c.Get(ctx, client.ObjectKey{Namespace: release.Spec.Environment.Namespace, Name: o.Name}, live)
		if err == nil && live.Labels[platformv1alpha1.LabelOwnerUID] == string(release.Spec.Component.UID) {
			names = append(names, fmt.Sprintf("%s %s/%s", o.Kind, release.Spec.Environment.Namespace, o.Name))
		}
	}
	return names
}

// goOn is for a Component that is being deleted already: an eject was interrupted, or somebody deleted it.
func (o *ejectOptions) goOn(ctx context.Context, c client.Reader, out io.Writer, component *platformv1alpha1.Component, program string) error {
	what, err := goingOn(ctx, c, component)
	if err != nil {
		return err
	}
	since := component.DeletionTimestamp.UTC().Format(time.RFC3339)
	if component.Spec.DeletionPolicy != platformv1alpha1.DeletionOrphan {
		return &trouble{err: fmt.Errorf("component %s/%s was deleted at %s with deletionPolicy Delete, and what it runs goes with it: %s", component.Namespace, component.Name, since, what),
			next: fmt.Sprintf("to keep what is left, set spec.deletionPolicy to Orphan: %s -n %s edit component %s", o.Kubectl(), component.Namespace, component.Name)}
	}
	if !o.yes {
		return &trouble{err: fmt.Errorf("component %s/%s is being let go since %s: %s", component.Namespace, component.Name, since, what),
			next: fmt.Sprintf("%s %s -n %s -o %s --yes waits until it is gone; the manifests are those of the call that began it", o.Reach(program), component.Name, component.Namespace, o.dir)}
	}
	_, _ = fmt.Fprintf(out, "component %s/%s is being let go since %s; the manifests are those of the call that began it\n", component.Namespace, component.Name, since)
	if err := o.waitGone(ctx, c, out, component); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "component %s/%s is gone; what it ran runs on, and is yours\n", component.Namespace, component.Name)
	return err
}
