// Package uninstall takes Towpath out of a cluster, in the order in which nothing hangs and nothing is
// lost that should stay.
//
// Whether the workloads stay is decided before anything is removed. To delete them, their Components and
// Environments are deleted while the manager still runs, which alone knows how. To keep them, it must
// not run any more when the finalizers come off and the kinds go: it would take that for deletions, and
// carry them out. Nothing that Towpath rendered has an ownerReference, so it stays when the kinds go. The labels that name
// its owner come off: they would keep it from a later installation, and from people.
package uninstall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// managerName is that of the Deployment, of the Lease, and of the pods by their label.
	managerName = "towpath-manager"
	interval    = 500 * time.Millisecond
	pageSize    = 500
)

// Workloads says what becomes of what Towpath rendered.
type Workloads string

// The two choices.
const (
	// Keep leaves it running, as it is but for Towpath's labels, without a keeper.
	Keep Workloads = "keep"
	// Delete deletes every Component and Environment first, with their namespaces and all that is in them.
	Delete Workloads = "delete"
)

// Options say how to uninstall.
type Options struct {
	Workloads Workloads
	// Definitions says that the CustomResourceDefinitions go too. Else they stay, without any object: whatever else was told of
	// the kinds, such as roles or a GitOps tool, goes on to find them, and so does a later installation.
	Definitions bool
	// Timeout bounds each wait: for deletions, for the manager's end, for the kinds to go.
	Timeout time.Duration
	// Progress gets a line for each step.
	Progress io.Writer
}

// Error is an error with the command or change that helps.
type Error struct {
	Err  error
	Next string
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *Error) Unwrap() error { return e.Err }

type uninstaller struct {
	client.Client
	Options
}

// Run takes Towpath out. It goes on where an earlier run ended.
func Run(ctx context.Context, c client.Client, o Options) error {
	u := &uninstaller{Client: c, Options: o}
	kinds, err := Kinds(ctx, c)
	if err != nil {
		return err
	}
	type step struct {
		what string
		do   func(context.Context) error
	}
	var steps []step
	if o.Workloads == Delete {
		steps = append(steps,
			step{"the manager runs, to delete what it made", u.managerRuns},
			step{"delete Components, and all that they run", func(ctx context.Context) error { return u.deleteAll(ctx, "Component") }},
			step{"delete Environments, and their namespaces", func(ctx context.Context) error { return u.deleteAll(ctx, "Environment") }},
			step{"delete Teams, and their homes where they say so", func(ctx context.Context) error { return u.deleteAll(ctx, "Team") }},
		)
	}
	steps = append(steps,
		step{"remove the webhooks", func(ctx context.Context) error { return u.remove(ctx, webhooks) }},
		step{"stop the manager", u.stopManager},
		step{"take the manager's rights", func(ctx context.Context) error { return u.remove(ctx, bindings) }},
		step{"remove the admission policies", func(ctx context.Context) error { return u.remove(ctx, policies...) }},
	)
	if o.Workloads == Keep {
		steps = append(steps, step{"let go of what keeps running", u.letGo})
	}
	steps = append(steps,
		step{"take the finalizers off", func(ctx context.Context) error { return u.release(ctx, kinds) }},
		step{"remove all objects of the kinds", func(ctx context.Context) error { return u.removeObjects(ctx, kinds) }},
	)
	if o.Definitions {
		steps = append(steps, step{"remove the kinds", u.removeKinds})
	}
	steps = append(steps,
		step{"remove the bindings of appliers and of members", u.unbind},
		step{"remove roles and namespaces", u.removeRest},
	)
	for _, s := range steps {
		if _, err := fmt.Fprintf(o.Progress, "  %s\n", s.what); err != nil {
			return err
		}
		if err := s.do(ctx); err != nil {
			var known *Error
			if errors.As(err, &known) {
				return err
			}
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

// Kinds are those of Towpath that the cluster has, whatever version of Towpath brought them.
func Kinds(ctx context.Context, c client.Client) ([]schema.GroupVersionKind, error) {
	crds, err := definitions(ctx, c)
	if err != nil {
		return nil, err
	}
	kinds := make([]schema.GroupVersionKind, 0, len(crds))
	for i := range crds {
		kind, err := kindOf(&crds[i])
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// Count returns how many objects of a kind there are.
func Count(ctx context.Context, c client.Client, kind schema.GroupVersionKind) (int, error) {
	count := 0
	err := each(ctx, c, kind, func(*metav1.PartialObjectMetadata) error {
		count++
		return nil
	})
	return count, err
}

// each calls a function for each object of a kind. One that is not served has none.
func each(ctx context.Context, c client.Client, kind schema.GroupVersionKind, do func(*metav1.PartialObjectMetadata) error, options ...client.ListOption) error {
	more := ""
	for {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		err := c.List(ctx, list, append(options, client.Limit(pageSize), client.Continue(more))...)
		if unserved(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listing %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(kind)
			if err := do(&list.Items[i]); err != nil {
				return err
			}
		}
		if more = list.Continue; more == "" {
			return nil
		}
	}
}

// unserved says that the cluster does not serve a kind that was to be listed.
func unserved(err error) bool { return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) }

// managerRuns makes sure that somebody will carry the deletions out.
func (u *uninstaller) managerRuns(ctx context.Context) error {
	pods, err := u.managerPods(ctx)
	if err != nil || pods > 0 {
		return err
	}
	lease, err := u.lease(ctx)
	if err != nil || lease.holder != "" {
		return err
	}
	return &Error{
		Err:  errors.New("no manager runs, and nobody else deletes what it made; nothing was changed"),
		Next: "start it again (make deploy), or keep the workloads: --workloads=keep",
	}
}

func (u *uninstaller) managerPods(ctx context.Context) (int, error) {
	var pods corev1.PodList
	err := u.List(ctx, &pods, client.InNamespace(platformv1alpha1.SystemNamespace), client.MatchingLabels{"app.kubernetes.io/name": managerName})
	return len(pods.Items), err
}

// deleteAll deletes all objects of a kind of ours, and waits until they are gone.
func (u *uninstaller) deleteAll(ctx context.Context, kind string) error {
	gvk := platformv1alpha1.GroupVersion.WithKind(kind)
	return u.poll(ctx, func(ctx context.Context) error {
		var left []string
		err := each(ctx, u, gvk, func(object *metav1.PartialObjectMetadata) error {
			left = append(left, client.ObjectKeyFromObject(object).String())
			if !object.DeletionTimestamp.IsZero() {
				return nil
			}
			return client.IgnoreNotFound(u.Delete(ctx, object))
		})
		if err != nil || len(left) == 0 {
			return err
		}
		shown := strings.Join(left[:min(len(left), 5)], ", ")
		return &Error{
			Err:  fmt.Errorf("%d of kind %s are not gone after %s: %s; nothing of Towpath itself was removed", len(left), kind, u.Timeout, shown),
			Next: "towpath status -A says what they wait for; then run this again",
		}
	})
}

// stopManager ends the manager's pods, and waits until no manager holds the lease: one may run outside
// of the cluster too.
func (u *uninstaller) stopManager(ctx context.Context) error {
	deployment := &metav1.PartialObjectMetadata{}
	deployment.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
	deployment.SetNamespace(platformv1alpha1.SystemNamespace)
	deployment.SetName(managerName)
	err := client.IgnoreNotFound(u.Delete(ctx, deployment, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	if err != nil {
		return err
	}
	err = u.poll(ctx, func(ctx context.Context) error {
		pods, err := u.managerPods(ctx)
		if err == nil && pods > 0 {
			err = fmt.Errorf("%d pods of the manager still run after %s", pods, u.Timeout)
		}
		return err
	})
	if err != nil {
		return err
	}
	// Whose clock is right does not matter: a lease that did not change for as long as it lasts is over.
	var last held
	since := time.Now()
	return u.poll(ctx, func(ctx context.Context) error {
		now, err := u.lease(ctx)
		if err != nil || now.holder == "" {
			return err
		}
		if now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > now.lasts {
			return nil
		}
		return &Error{
			Err:  fmt.Errorf("a manager still runs, outside of the Deployment: %s; with it, taking off finalizers would delete workloads", now.holder),
			Next: "stop it, then run this again",
		}
	})
}

// held is what a lease says of its holder.
type held struct {
	holder, version string
	lasts           time.Duration
}

// lease reads who leads. Without a lease nobody does.
func (u *uninstaller) lease(ctx context.Context) (held, error) {
	var lease coordinationv1.Lease
	err := u.Get(ctx, types.NamespacedName{Namespace: platformv1alpha1.SystemNamespace, Name: managerName}, &lease)
	if err != nil || lease.Spec.HolderIdentity == nil {
		return held{}, client.IgnoreNotFound(err)
	}
	h := held{holder: *lease.Spec.HolderIdentity, version: lease.ResourceVersion, lasts: 15 * time.Second}
	if lease.Spec.LeaseDurationSeconds != nil {
		h.lasts = time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
	}
	return h, nil
}

// poll calls a function until it succeeds or the time is over, and returns its last error then.
func (u *uninstaller) poll(ctx context.Context, do func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, interval, u.Timeout, true, func(ctx context.Context) (bool, error) {
		err := do(ctx)
		if ctx.Err() == nil || last == nil { // else what was seen before the time ran out says more
			last = err
		}
		return err == nil, nil
	})
	if err == nil {
		return nil
	}
	if last != nil {
		return last
	}
	return err
}
