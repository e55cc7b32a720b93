// Package source asks the repositories of Components which commit their branch has, and makes a Build of each new one. What it knows
// stands in the Builds, and in the Component's status: a manager that is restarted, or another one, goes on from there.
package source

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/gitsource"
)

// fieldOwner owns the fields of what is written for sources.
const fieldOwner = client.FieldOwner("towpath-source")

const (
	// atOnce is how many repositories are asked at once.
	atOnce = 8
	// passTimeout bounds one pass: a question to a repository is bounded by its own limits, and there are two.
	passTimeout = 3 * time.Minute
)

// Reconciler polls the repositories of Components.
type Reconciler struct {
	client.Client
	// Live reads past the cache: Secrets, which no cache holds, and Builds whose name is taken.
	Live client.Reader
	Git  *gitsource.Client
	// Clock tells which times of commits are to come.
	Clock clock.PassiveClock
	// Recorder takes events. If nil, there are none.
	Recorder events.EventRecorder
	// Schedule says when a repository is asked.
	Schedule *Schedule
	// Workflows is what the workflows in repositories are compared with. If nil, none is.
	Workflows *Workflows
}

// +kubebuilder:rbac:groups=platform.towpath.dev,resources=components,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=builds,verbs=get
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=components/status,verbs=patch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=environments;servicetemplates;servicetemplaterevisions,verbs=list;watch
// +kubebuilder:rbac:groups=platform.towpath.dev,resources=builds,verbs=list;watch;create
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=get;list;watch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,resourceNames=towpath-git-reader,verbs=create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,resourceNames=towpath-git-reader,verbs=bind

// SetupWithManager adds the controller to the manager. A change of the spec is looked at; what others write to the status is not.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("source").
		For(&platformv1alpha1.Component{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: atOnce, ReconciliationTimeout: passTimeout}).
		Complete(r)
}

// Reconcile asks the repository of one Component, if its time has come.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	component := &platformv1alpha1.Component{}
	if err := r.Get(ctx, req.NamespacedName, component); err != nil {
		r.Schedule.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !component.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	if !r.asks(component) {
		r.Schedule.Forget(req.NamespacedName)
		return ctrl.Result{}, r.report(ctx, component, nil)
	}
	turn, wait := r.Schedule.begin(component)
	if turn == nil {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	found, err := r.look(ctx, component, turn)
	count(found, err)
	if err == nil {
		err = r.report(ctx, component, found)
	}
	return ctrl.Result{RequeueAfter: turn.End(found, err)}, err
}

// Builds says whether Towpath makes Builds of what is pushed: a source that it hears of, and an engine that runs in the cluster. A
// copy in an environment of a pull request runs what the original was built to.
func Builds(c *platformv1alpha1.Component) bool {
	return named(c) && build.InCluster(build.Engine(c.Spec.Source)) && c.Spec.Source.Trigger != platformv1alpha1.TriggerNone
}

// named says whether a Component names a repository of its own.
func named(c *platformv1alpha1.Component) bool {
	return c.Spec.Source != nil && c.Spec.Source.Repository != "" && c.Labels[platformv1alpha1.LabelPreviewOf] == ""
}

// key is the name of a Component.
func key(c *platformv1alpha1.Component) types.NamespacedName { return client.ObjectKeyFromObject(c) }
