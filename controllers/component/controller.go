// Package component plans the path of each Component: it decides which Release every environment
// should get next (internal/promotion), renders and guards it, and creates it. Carrying a Release
// out is the business of package release.
package component

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/brief"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/fairness"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/statuswrite"
	"github.com/towpath-dev/towpath/internal/supplychain"
)

// Capabilities tells which optional APIs the cluster serves.
type Capabilities interface {
	// Available returns those of the given group/version/Kind names that the cluster serves now, in
	// the order given.
	Available(ctx context.Context, names []string) ([]string, error)
	// Changed says that a CustomResourceDefinition has just come, changed or gone.
	Changed()
}

// Reconciler reconciles Components.
type Reconciler struct {
	client.Client
	// Live reads past the cache.
	Live         client.Reader
	Revisions    *revision.Compiled
	Capabilities Capabilities
	Namespaced   NamespacedFunc
	// Kinds tells the schemas of kinds, by which overrides are merged.
	Kinds openapi.Source
	// Clock tells when overrides expire.
	Clock    clock.PassiveClock
	Recorder events.EventRecorder
	// LabelAliases are further label keys for cost tools, each with the Towpath label whose value
	// it repeats.
	LabelAliases map[string]string
	// Estimator says what Releases cost.
	Estimator *estimate.Estimator
	// Limits says whether what they raise stays within the limits on spending.
	Limits Limits
	// Evidence says what is proven of images, Woken of which Components it has come to know something.
	Evidence Evidence
	Woken    Woken
	// TrustedRoot is by what signatures without a key are verified; nil for none.
	TrustedRoot *supplychain.Root
	// Workers is how many Components are reconciled at once. Default: 8.
	Workers int

	// releases makes Releases.
	releases *brief.Client
	statuses *statuswrite.Writer
	writes   freshness.Tracker[types.NamespacedName]
	edits    edits
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=components,verbs=list;watch;patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases,verbs=get
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=components/status,verbs=update;patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases,verbs=list;watch;create;delete
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases/status,verbs=patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=approvals;builds,verbs=list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=budgets;environments;environmentclasses;servicetemplates;servicetemplaterevisions;teams,verbs=list;watch

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if r.Workers == 0 {
		r.Workers = 8
	}
	var err error
	if r.releases, err = brief.New(mgr.GetConfig(), mgr.GetHTTPClient(), "Release", "releases"); err != nil {
		return err
	}
	if r.statuses, err = statuswrite.New(mgr.GetConfig(), mgr.GetHTTPClient(), r.Status(), "Component", "components"); err != nil {
		return err
	}
	definition := &metav1.PartialObjectMetadata{}
	definition.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	return ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.Component{}, builder.WithPredicates(r.edits.watched())).
		WatchesMetadata(definition, handler.Funcs{
			CreateFunc: func(ctx context.Context, _ event.CreateEvent, queue requestQueue) { r.defined(ctx, queue) },
			UpdateFunc: func(ctx context.Context, _ event.UpdateEvent, queue requestQueue) { r.defined(ctx, queue) },
			DeleteFunc: func(context.Context, event.DeleteEvent, requestQueue) { r.Capabilities.Changed() },
		}).
		Owns(&platformv1alpha1.Release{}).
		Watches(&platformv1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(r.ofEnvironment), builder.WithPredicates(environment.MoreThanCosts())).
		Watches(&platformv1alpha1.Approval{}, handler.EnqueueRequestsFromMapFunc(r.ofApproval)).
		Watches(&platformv1alpha1.Build{}, handler.EnqueueRequestsFromMapFunc(r.ofBuild)).
		Watches(&platformv1alpha1.Team{}, handler.EnqueueRequestsFromMapFunc(r.ofTeam), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&platformv1alpha1.Budget{}, handler.EnqueueRequestsFromMapFunc(r.ofBudget), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&platformv1alpha1.ServiceTemplateRevision{}, handler.EnqueueRequestsFromMapFunc(r.ofRevision)).
		Watches(&platformv1alpha1.ServiceTemplate{}, handler.EnqueueRequestsFromMapFunc(r.ofTemplate), builder.WithPredicates(moves())).
		Watches(&platformv1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(r.usersOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&platformv1alpha1.Release{}, handler.EnqueueRequestsFromMapFunc(r.usersOfRelease), builder.WithPredicates(provides())).
		Watches(&platformv1alpha1.Component{}, handler.EnqueueRequestsFromMapFunc(r.deletedProviders), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&platformv1alpha1.Release{}, handler.EnqueueRequestsFromMapFunc(r.deletedProviders)).
		WatchesRawSource(source.Channel(r.Woken, woken())).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Workers, ReconciliationTimeout: time.Minute, NewQueue: fairness.NewQueue(fairness.Share(r.Workers))}).
		Complete(r)
}

// Reconcile moves one Component along its path.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx = fairness.For(ctx, req.Namespace)
	component := &platformv1alpha1.Component{}
	if err := r.Get(ctx, req.NamespacedName, component); err != nil {
		r.writes.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.writes.Stale(req.NamespacedName, component.ResourceVersion) {
		return ctrl.Result{}, nil // the event of our own last write is still to come
	}
	if r.edits.behind(component) {
		return ctrl.Result{}, nil // the event of the last change is still to come, and wakes us
	}
	s := &scope{component: component, before: component.DeepCopy(), edits: r.edits.since(component), now: r.Clock.Now()}
	if !component.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, s)
	}
	if err := r.addFinalizer(ctx, s); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // deleted before it was seen
	}
	if err := r.findBuild(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if err := r.observe(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	actErr := r.act(ctx, s)
	if err := r.report(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: s.requeueAfter}, actErr
}

// addFinalizer holds the Component until its Releases are gone.
func (r *Reconciler) addFinalizer(ctx context.Context, s *scope) error {
	if !controllerutil.AddFinalizer(s.component, platformv1alpha1.Finalizer) {
		return nil
	}
	return r.patchMetadata(ctx, s)
}

// patchMetadata writes the finalizers. A list is replaced by the patch, hence the lock.
func (r *Reconciler) patchMetadata(ctx context.Context, s *scope) error {
	patch := client.MergeFromWithOptions(s.before, client.MergeFromWithOptimisticLock{})
	if err := r.Patch(ctx, s.component, patch); err != nil {
		return fmt.Errorf("writing the finalizer: %w", err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.component), s.component.ResourceVersion)
	s.before = s.component.DeepCopy()
	return nil
}

// finalize waits until nobody uses the Component, deletes every Release, waits until their objects are gone, and lets the Component go.
func (r *Reconciler) finalize(ctx context.Context, s *scope) error {
	if !controllerutil.ContainsFinalizer(s.component, platformv1alpha1.Finalizer) {
		return nil
	}
	names, err := users(ctx, r.Client, s.component, "")
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return r.reportDeleting(ctx, s, fmt.Sprintf("Waiting until nobody uses it any more; %s still does.", strings.Join(names, ", ")))
	}
	var releases platformv1alpha1.ReleaseList
	if err := r.List(ctx, &releases, client.InNamespace(s.component.Namespace),
		client.MatchingFields{index.ReleaseComponent: s.component.Name}); err != nil {
		return fmt.Errorf("listing Releases: %w", err)
	}
	var left []*platformv1alpha1.Release
	for i := range releases.Items {
		release := &releases.Items[i]
		if release.Spec.Component.UID != s.component.UID {
			continue
		}
		left = append(left, release)
		if err := r.deleteRelease(ctx, release); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		return r.reportDeleting(ctx, s, awaitsReleases(left))
	}
	controllerutil.RemoveFinalizer(s.component, platformv1alpha1.Finalizer)
	return client.IgnoreNotFound(r.patchMetadata(ctx, s))
}

func (r *Reconciler) deleteRelease(ctx context.Context, release *platformv1alpha1.Release) error {
	if !release.DeletionTimestamp.IsZero() {
		return nil
	}
	err := r.Delete(ctx, release, client.Preconditions{UID: &release.UID})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Release %s: %w", release.Name, err)
	}
	return nil
}

type requestQueue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// defined wakes, when a kind is defined, the Components that were refused something: it may have been that kind. What
// runs stays as it is, and the next Release has what came.
func (r *Reconciler) defined(ctx context.Context, queue requestQueue) {
	r.Capabilities.Changed()
	var list platformv1alpha1.ComponentList
	if err := r.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Components failed")
		return
	}
	for i := range list.Items {
		c := meta.FindStatusCondition(list.Items[i].Status.Conditions, platformv1alpha1.ConditionReady)
		if c != nil && c.Reason == platformv1alpha1.ReasonRefused {
			queue.AddAfter(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])}, retryDefined)
		}
	}
}

func (r *Reconciler) ofEnvironment(ctx context.Context, o client.Object) []ctrl.Request {
	return r.requests(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{index.ComponentEnvironment: o.GetName()})
}

func (r *Reconciler) ofRevision(ctx context.Context, o client.Object) []ctrl.Request {
	rev, ok := o.(*platformv1alpha1.ServiceTemplateRevision)
	if !ok {
		return nil
	}
	return r.requests(ctx, client.MatchingFields{index.ComponentTemplate: rev.Spec.TemplateName})
}

func (r *Reconciler) ofTemplate(ctx context.Context, o client.Object) []ctrl.Request {
	return r.requests(ctx, client.MatchingFields{index.ComponentTemplate: o.GetName()})
}

// moves tells changes of a template that may give Components another revision from those that only count how far it
// is: thousands of Components follow one.
func moves() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		was, okWas := e.ObjectOld.(*platformv1alpha1.ServiceTemplate)
		is, okIs := e.ObjectNew.(*platformv1alpha1.ServiceTemplate)
		if !okWas || !okIs || was.Generation != is.Generation || was.DeletionTimestamp.IsZero() != is.DeletionTimestamp.IsZero() {
			return true
		}
		a, b := was.Status.Rollout, is.Status.Rollout
		if a == nil || b == nil {
			return a != b
		}
		return a.Revision != b.Revision || a.State != b.State || a.Wave != b.Wave || a.Attempt != b.Attempt
	}}
}

func (r *Reconciler) requests(ctx context.Context, opts ...client.ListOption) []ctrl.Request {
	var list platformv1alpha1.ComponentList
	if err := r.List(ctx, &list, append(opts, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Components failed")
		return nil
	}
	requests := make([]ctrl.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// released sends an event for a Release that was made.
func (r *Reconciler) released(component *platformv1alpha1.Component, release *platformv1alpha1.Release) {
	r.Recorder.Eventf(component, release, corev1.EventTypeNormal, string(release.Spec.Cause), "Release",
		"Created Release %s: image %s, template revision %d, in %s", release.Name, release.Spec.Image,
		release.Spec.Revision.Number, release.Spec.Environment.Name)
}
