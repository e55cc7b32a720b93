// Package servicetemplate compiles ServiceTemplates and keeps their revisions: each content that
// compiles becomes the next numbered ServiceTemplateRevision, and a revision is kept while a Release
// refers to it, also when its template is gone.
package servicetemplate

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/freshness"
	"github.com/towpath-dev/towpath/internal/index"
	"github.com/towpath-dev/towpath/internal/openapi"
)

// Reconciler reconciles ServiceTemplates.
type Reconciler struct {
	client.Client
	// Kinds tells the schemas of the kinds that the cluster serves.
	Kinds openapi.Source
	// Refresh makes the next answer of Kinds a new one.
	Refresh func()
	// Live reads past the cache.
	Live     client.Reader
	Clock    clock.PassiveClock
	Recorder events.EventRecorder

	writes freshness.Tracker[types.NamespacedName]
	kinds  unsettled
	gone   gone
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=servicetemplates,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=servicetemplaterevisions,verbs=get
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=servicetemplates/status,verbs=patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=servicetemplaterevisions,verbs=list;watch;create;delete
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=servicetemplaterevisions/status,verbs=patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=releases;components;builds,verbs=list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	return ctrl.NewControllerManagedBy(mgr).
		For(&platformv1alpha1.ServiceTemplate{}).
		Watches(&platformv1alpha1.ServiceTemplateRevision{}, handler.EnqueueRequestsFromMapFunc(ofRevision)).
		Watches(&platformv1alpha1.Release{}, handler.Funcs{DeleteFunc: released}).
		Watches(&platformv1alpha1.Component{}, handler.Funcs{UpdateFunc: repinned, DeleteFunc: unpinned}).
		Watches(&platformv1alpha1.Build{}, handler.Funcs{UpdateFunc: built, DeleteFunc: unbuilt}).
		WatchesMetadata(crd, r.onKinds()).
		WithOptions(controller.Options{ReconciliationTimeout: time.Minute}).
		Complete(r)
}

// Reconcile compiles one template and makes its revision, or cleans up after one that is gone.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var list platformv1alpha1.ServiceTemplateRevisionList
	if err := r.List(ctx, &list, client.MatchingFields{index.RevisionTemplate: req.Name}); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing revisions: %w", err)
	}
	serviceTemplate := &platformv1alpha1.ServiceTemplate{}
	err := r.Get(ctx, req.NamespacedName, serviceTemplate)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if err != nil || !serviceTemplate.DeletionTimestamp.IsZero() {
		r.writes.Forget(req.NamespacedName)
		if wait := r.gone.since(req.Name, len(list.Items) > 0, r.Clock.Now()); wait > 0 {
			return ctrl.Result{RequeueAfter: wait}, nil
		}
		return ctrl.Result{}, r.prune(ctx, req.Name, list.Items, 0)
	}
	r.gone.forget(req.Name)
	if r.writes.Stale(req.NamespacedName, serviceTemplate.ResourceVersion) {
		return ctrl.Result{}, nil // the event of our own last write is still to come
	}
	s := &scope{serviceTemplate: serviceTemplate, before: serviceTemplate.DeepCopy(), revisions: list.Items}
	runErr := r.run(ctx, s)
	if s.behind {
		return ctrl.Result{}, nil // the event of a revision is still to come
	}
	if err := r.report(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if runErr != nil {
		return ctrl.Result{}, runErr
	}
	return ctrl.Result{RequeueAfter: r.lookAgain(s)}, r.prune(ctx, req.Name, s.revisions, keepLatest)
}

// report writes the status where it differs, and sends an event where Ready changed.
func (r *Reconciler) report(ctx context.Context, s *scope) error {
	s.serviceTemplate.Status.ObservedGeneration = s.serviceTemplate.Generation
	if equality.Semantic.DeepEqual(s.before.Status, s.serviceTemplate.Status) {
		return nil
	}
	if err := r.Status().Patch(ctx, s.serviceTemplate, client.MergeFrom(s.before)); err != nil {
		return client.IgnoreNotFound(err)
	}
	r.writes.Wrote(client.ObjectKeyFromObject(s.serviceTemplate), s.serviceTemplate.ResourceVersion)
	was := meta.FindStatusCondition(s.before.Status.Conditions, platformv1alpha1.ConditionReady)
	is := meta.FindStatusCondition(s.serviceTemplate.Status.Conditions, platformv1alpha1.ConditionReady)
	if is == nil || was != nil && was.Status == is.Status && was.Message == is.Message {
		return nil
	}
	kind := corev1.EventTypeNormal
	if is.Status != metav1.ConditionTrue {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(s.serviceTemplate, nil, kind, is.Reason, "Compile", "%s", condition.Clip(is.Message, 1000))
	return nil
}

func ofRevision(_ context.Context, o client.Object) []ctrl.Request {
	rev, ok := o.(*platformv1alpha1.ServiceTemplateRevision)
	if !ok {
		return nil
	}
	return []ctrl.Request{{NamespacedName: types.NamespacedName{Name: rev.Spec.TemplateName}}}
}
