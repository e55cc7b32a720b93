package servicetemplate

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// settle is how long after a change of a CustomResourceDefinition the schemas are read anew for each
	// pass, and settleEvery how often a template looks again meanwhile: the API server publishes a schema
	// some time after the event, and sends none when it did.
	settle, settleEvery = 15 * time.Second, time.Second
	// recheck is how often a template looks again that waits for a kind: one of an aggregated API server
	// sends no event.
	recheck = 10 * time.Minute
)

type queue = workqueue.TypedRateLimitingInterface[ctrl.Request]

// unsettled knows until when schemas may still change. The zero value is settled.
type unsettled struct {
	mu    sync.Mutex
	until time.Time
}

func (u *unsettled) changed(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.until = now.Add(settle)
}

func (u *unsettled) at(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return now.Before(u.until)
}

// lookAgain says after which time the schemas should be asked again; zero for never.
func (r *Reconciler) lookAgain(s *scope) time.Duration {
	status := &s.serviceTemplate.Status
	switch {
	case r.kinds.at(r.Clock.Now()):
		return settleEvery
	case len(status.Warnings) > 0 || !meta.IsStatusConditionTrue(status.Conditions, platformv1alpha1.ConditionReady):
		return recheck
	}
	return 0
}

// onKinds wakes the templates that make objects of a kind whose CustomResourceDefinition comes, changes or
// goes. Those that are there when the manager starts need nobody woken: every template is looked at then.
func (r *Reconciler) onKinds() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			if !e.IsInInitialList {
				r.kindChanged(ctx, e.Object, q)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if e.ObjectOld.GetResourceVersion() != e.ObjectNew.GetResourceVersion() {
				r.kindChanged(ctx, e.ObjectNew, q)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { r.kindChanged(ctx, e.Object, q) },
	}
}

func (r *Reconciler) kindChanged(ctx context.Context, crd client.Object, q queue) {
	r.kinds.changed(r.Clock.Now())
	_, group, ok := strings.Cut(crd.GetName(), ".")
	if !ok {
		return
	}
	var list platformv1alpha1.ServiceTemplateList
	if err := r.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing ServiceTemplates failed")
		return
	}
	for i := range list.Items {
		if names(&list.Items[i], group) {
			q.Add(ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
}

// names says whether a template has an object of an API group, which must stand there literally.
func names(st *platformv1alpha1.ServiceTemplate, group string) bool {
	literal := []byte(`"` + group + `/`)
	for i := range st.Spec.Resources {
		if bytes.Contains(st.Spec.Resources[i].Object.Raw, literal) {
			return true
		}
	}
	return false
}

// What follows wakes a template when a revision may have become free.

// released wakes the template of a Release that is gone.
func released(_ context.Context, e event.DeleteEvent, q queue) {
	if release, ok := e.Object.(*platformv1alpha1.Release); ok {
		q.Add(request(release.Spec.Template))
	}
}

// unpinned wakes the template of a Component that is gone, which may have held a revision by its pin.
func unpinned(_ context.Context, e event.DeleteEvent, q queue) {
	if component, ok := e.Object.(*platformv1alpha1.Component); ok && component.Spec.TemplateRef.Revision != nil {
		q.Add(request(component.Spec.TemplateRef.Name))
	}
}

// repinned wakes the template of a Component whose pin changed.
func repinned(_ context.Context, e event.UpdateEvent, q queue) {
	before, ok := e.ObjectOld.(*platformv1alpha1.Component)
	if !ok || before.Spec.TemplateRef.Revision == nil {
		return
	}
	after, ok := e.ObjectNew.(*platformv1alpha1.Component)
	if ok && (after.Spec.TemplateRef.Revision == nil || *after.Spec.TemplateRef.Revision != *before.Spec.TemplateRef.Revision) {
		q.Add(request(before.Spec.TemplateRef.Name))
	}
}

// built wakes the template whose revision a Build held while it ran.
func built(_ context.Context, e event.UpdateEvent, q queue) {
	before, ok := e.ObjectOld.(*platformv1alpha1.Build)
	if !ok || before.Status.Place == nil || before.Status.Result != "" {
		return
	}
	if after, ok := e.ObjectNew.(*platformv1alpha1.Build); ok && after.Status.Result != "" {
		q.Add(request(before.Status.Place.Template))
	}
}

// unbuilt wakes the template of a Build that is gone while it ran.
func unbuilt(_ context.Context, e event.DeleteEvent, q queue) {
	if build, ok := e.Object.(*platformv1alpha1.Build); ok && build.Status.Place != nil && build.Status.Result == "" {
		q.Add(request(build.Status.Place.Template))
	}
}

func request(name string) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Name: name}}
}
