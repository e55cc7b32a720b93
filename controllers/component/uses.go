package component

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/promotion"
	"github.com/towpath-dev/towpath/internal/uses"
)

// findUses resolves what the Component uses, for each stop: for the version of the spec, and for the one
// that runs, which may use other things.
func (r *Reconciler) findUses(ctx context.Context, s *scope) error {
	wanted := s.component.Spec.Uses
	if err := checkUses(ctx, r.Client, s.component); err != nil {
		if apierrors.ReasonForError(err) != "" {
			return err
		}
		s.problem = &problem{reason: platformv1alpha1.ReasonUsesInvalid, message: "spec.uses: " + err.Error() + "."}
		return nil
	}
	for i := range s.stops {
		st := &s.stops[i]
		var err error
		if st.uses, st.lacks, err = r.resolve(ctx, s.component.Namespace, st, wanted); err != nil {
			return err
		}
		current := st.current()
		if current == nil {
			continue
		}
		st.runningUses = current.Spec.Uses
		resolved, missing, err := r.resolve(ctx, s.component.Namespace, st, references(current.Spec.Uses))
		if err != nil {
			return err
		}
		if missing == nil { // else what runs goes on with what it has
			st.runningUses = resolved
		}
		st.stale = !equality.Semantic.DeepEqual(current.Spec.Uses, st.runningUses)
	}
	return nil
}

// references are the uses of a Release as a Component asks for them.
func references(list []platformv1alpha1.ReleaseUse) []platformv1alpha1.Use {
	refs := make([]platformv1alpha1.Use, 0, len(list))
	for _, use := range list {
		refs = append(refs, platformv1alpha1.Use{Component: use.Component, As: use.As})
	}
	return refs
}

// resolve finds what the Components that are used give in the environment of a stop, or says what is awaited.
func (r *Reconciler) resolve(ctx context.Context, namespace string, st *stop, list []platformv1alpha1.Use) ([]platformv1alpha1.ReleaseUse, *promotion.Wait, error) {
	if st.environment == nil {
		return nil, nil, nil // it is waited for, whatever is used there
	}
	var resolved []platformv1alpha1.ReleaseUse
	for _, use := range list {
		provider, wait, err := r.provider(ctx, namespace, st, use.Component)
		if err != nil || wait != nil {
			return nil, wait, err
		}
		resolved = append(resolved, platformv1alpha1.ReleaseUse{
			Component: use.Component, As: uses.Alias(use), Outputs: provider.Spec.Outputs, Endpoint: provider.Spec.Endpoint,
		})
	}
	slices.SortFunc(resolved, func(a, b platformv1alpha1.ReleaseUse) int { return cmp.Compare(a.As, b.As) })
	return resolved, nil, nil
}

// provider returns the newest Release of a Component in the environment of a stop that was Ready: it is what
// the Component gives. What comes after counts once it is Ready too.
func (r *Reconciler) provider(ctx context.Context, namespace string, st *stop, name string) (*platformv1alpha1.Release, *promotion.Wait, error) {
	wait := func(format string, args ...any) *promotion.Wait {
		return &promotion.Wait{Reason: platformv1alpha1.ReasonWaitingForProvider, Message: fmt.Sprintf(format, args...)}
	}
	var component platformv1alpha1.Component
	err := r.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &component)
	if apierrors.IsNotFound(err) {
		return nil, wait("%s waits for Component %s, which does not exist in namespace %s. Create it, or take it out of spec.uses.", st.name, name, namespace), nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading Component %s: %w", name, err)
	}
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.InNamespace(namespace),
		client.MatchingFields{index.ReleaseOwner: index.OwnerKey(component.UID, st.name)}); err != nil {
		return nil, nil, fmt.Errorf("listing Releases of Component %s: %w", name, err)
	}
	var newest *platformv1alpha1.Release
	for i := range releases.Items {
		release := &releases.Items[i]
		if release.Status.ReadyAt != nil && release.Spec.Environment.UID == st.environment.UID &&
			(newest == nil || release.Spec.Number > newest.Spec.Number) {
			newest = release
		}
	}
	switch {
	case newest != nil:
		return newest, nil, nil
	case !runsIn(&component, st.name):
		return nil, wait("%s waits for Component %s, which does not run there. Add %s to its spec.environments, or take it out of spec.uses.", st.name, name, st.name), nil
	default:
		return nil, wait("%s waits until Component %s is Ready there for the first time.", st.name, name), nil
	}
}

// runsIn says whether an environment is in the path of a Component.
func runsIn(component *platformv1alpha1.Component, environment string) bool {
	return slices.ContainsFunc(component.Spec.Environments, func(e platformv1alpha1.PathEnvironment) bool { return e.Name == environment })
}

// checkUses says what is wrong with the uses of a Component. An error of the API server is one of those too.
func checkUses(ctx context.Context, reader client.Reader, component *platformv1alpha1.Component) error {
	if err := uses.Check(component.Name, component.Spec.Uses); err != nil || len(component.Spec.Uses) == 0 {
		return err
	}
	var all platformv1alpha1.ComponentList
	if err := reader.List(ctx, &all, client.InNamespace(component.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return apierrors.NewInternalError(fmt.Errorf("listing Components: %w", err))
	}
	graph := map[string][]string{}
	for i := range all.Items {
		if c := &all.Items[i]; len(c.Spec.Uses) > 0 {
			graph[c.Name] = used(c)
		}
	}
	graph[component.Name] = used(component)
	if circle := uses.Cycle(component.Name, func(name string) []string { return graph[name] }); circle != nil {
		return fmt.Errorf("components must not use each other in a circle: %s", strings.Join(circle, " -> "))
	}
	return nil
}

// used are the names of the Components that one uses.
func used(component *platformv1alpha1.Component) []string {
	names := make([]string, 0, len(component.Spec.Uses))
	for _, use := range component.Spec.Uses {
		names = append(names, use.Component)
	}
	return names
}

// users names who uses a Component, sorted: the Components whose spec does, and the Releases of others that still
// run with it. What is being deleted counts no more. With an environment, only those who use it there.
func users(ctx context.Context, reader client.Reader, component *platformv1alpha1.Component, environment string) ([]string, error) {
	var all platformv1alpha1.ComponentList
	if err := reader.List(ctx, &all, client.InNamespace(component.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the users of Component %s: %w", component.Name, err)
	}
	var names []string
	others := map[types.UID]bool{}
	for i := range all.Items {
		user := &all.Items[i]
		if user.Name == component.Name || !user.DeletionTimestamp.IsZero() {
			continue
		}
		if slices.Contains(used(user), component.Name) && (environment == "" || runsIn(user, environment)) {
			names = append(names, user.Name)
		} else {
			others[user.UID] = true
		}
	}
	var releases platformv1alpha1.ReleaseList
	if err := reader.List(ctx, &releases, client.InNamespace(component.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the users of Component %s: %w", component.Name, err)
	}
	for i := range releases.Items {
		release := &releases.Items[i]
		if others[release.Spec.Component.UID] && runsWith(release, component.Name) && (environment == "" || release.Spec.Environment.Name == environment) {
			names = append(names, "Release "+release.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// runsWith says whether a Release has objects that were made with what a Component gives. Its finalizer goes when
// they are gone, or a newer Release has taken them over.
func runsWith(release *platformv1alpha1.Release, component string) bool {
	return release.DeletionTimestamp.IsZero() && len(release.Finalizers) > 0 &&
		slices.ContainsFunc(release.Spec.Uses, func(use platformv1alpha1.ReleaseUse) bool { return use.Component == component })
}

// deletedProviders maps a Component, or a Release, to those Components that it uses and that are being deleted:
// they wait until nobody does. Of a change, both states are mapped.
func (r *Reconciler) deletedProviders(ctx context.Context, o client.Object) []ctrl.Request {
	var names []string
	switch user := o.(type) {
	case *platformv1alpha1.Component:
		names = used(user)
	case *platformv1alpha1.Release:
		for _, use := range user.Spec.Uses {
			names = append(names, use.Component)
		}
	}
	var requests []ctrl.Request
	for _, name := range names {
		key := types.NamespacedName{Namespace: o.GetNamespace(), Name: name}
		var provider platformv1alpha1.Component
		if err := r.Get(ctx, key, &provider, client.UnsafeDisableDeepCopy); err == nil && !provider.DeletionTimestamp.IsZero() {
			requests = append(requests, ctrl.Request{NamespacedName: key})
		}
	}
	return requests
}

// usersOf maps a Component to those that use it.
func (r *Reconciler) usersOf(ctx context.Context, o client.Object) []ctrl.Request {
	return r.requests(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{index.ComponentUses: o.GetName()})
}

// usersOfRelease maps a Release to the Components that use its Component.
func (r *Reconciler) usersOfRelease(ctx context.Context, o client.Object) []ctrl.Request {
	release, ok := o.(*platformv1alpha1.Release)
	if !ok {
		return nil
	}
	return r.requests(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{index.ComponentUses: release.Spec.Component.Name})
}

// provides passes the events of Releases that may change what their Component gives.
func provides() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return wasReady(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool { return wasReady(e.ObjectOld) != wasReady(e.ObjectNew) },
		DeleteFunc: func(e event.DeleteEvent) bool { return wasReady(e.Object) },
	}
}

func wasReady(o client.Object) bool {
	release, ok := o.(*platformv1alpha1.Release)
	return ok && release.Status.ReadyAt != nil
}
