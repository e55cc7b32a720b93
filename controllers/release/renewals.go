package release

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/render"
)

// renew writes all objects of a Release that is well again once in a while, though none of them shows a change: a few ways of
// changing an object cannot be seen in its managed fields. Where nothing was changed, the API server writes nothing. What it refuses
// is left as it is: what runs is none the worse for it.
func (r *Reconciler) renew(ctx context.Context, s *scope) {
	if r.ReapplyAfter == 0 || s.template == nil || s.problem != nil || !s.applied || !s.ready() || s.differs() {
		return
	}
	now := r.Clock.Now()
	if wait := r.renewals.wait(s.release.UID, r.ReapplyAfter, now); wait > 0 {
		s.lookAgain(wait)
		return
	}
	r.renewals.forget(s.release.UID)
	s.lookAgain(r.renewals.wait(s.release.UID, r.ReapplyAfter, now))
	for _, o := range s.release.Spec.Inventory {
		r.claims.forget(inventoryKey(s.release, o)) // they are looked at again too
	}
	log := ctrl.LoggerFrom(ctx)
	if err := r.render(s); err != nil {
		return // it stands in the status
	}
	place := map[string]int{}
	for i, o := range s.objects {
		place[o.Object.GroupVersionKind().String()+"/"+o.Object.GetName()] = i
	}
	at := func(o render.Object) int { return place[o.Object.GroupVersionKind().String()+"/"+o.Object.GetName()] }
	results, err := r.Writer.Apply(ctx, apply.Intent{
		User:    environment.ApplierUser(s.release.Spec.Environment.Namespace),
		Policy:  r.policy(s.release),
		Objects: s.objects,
		Write:   func(o render.Object) bool { return s.children[at(o)].live != nil },
		// What is gone by now is for the next pass.
		UID: func(o render.Object) types.UID { return s.release.Status.Objects[at(o)].UID },
	})
	if err != nil {
		log.Info("Nothing was written again", "why", err.Error())
		return
	}
	for i, result := range results {
		status := &s.release.Status.Objects[i]
		switch {
		case result.Err != nil:
			log.Info("An object was not written again", "kind", status.Kind, "name", status.Name, "why", result.Err.Error())
		case result.Written && result.Owned != status.Applied:
			log.Info("Restored fields that somebody else had changed unseen", "kind", status.Kind, "name", status.Name)
			status.Applied = result.Owned
			r.children.writes.Wrote(inventoryKey(s.release, status.ReleaseObject), result.ResourceVersion)
		}
	}
}

// renewals remember when each Release is written again. What is lost with the process begins anew.
type renewals struct {
	mu  sync.Mutex
	due map[types.UID]time.Time
}

// wait returns how long it is until a Release is due; zero says that it is. One that is not known has all of the time before it, and
// up to a half more, so that what was made together is not written again together.
func (r *renewals) wait(release types.UID, after time.Duration, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	due, ok := r.due[release]
	if !ok {
		if r.due == nil {
			r.due = map[types.UID]time.Time{}
		}
		due = now.Add(after + rand.N(after/2+1))
		r.due[release] = due
	}
	return max(due.Sub(now), 0)
}

// forget begins anew: everything was just written, or the Release is gone.
func (r *renewals) forget(release types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.due, release)
}
