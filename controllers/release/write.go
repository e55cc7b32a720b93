package release

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/apply"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/render"
)

// write applies the objects that are not as we left them. One that is costs nothing.
func (r *Reconciler) write(ctx context.Context, s *scope) error {
	if s.template == nil {
		return nil
	}
	needed := r.needed(s)
	if len(needed) == 0 {
		s.applied = s.problem == nil && len(s.held) == 0
		return nil
	}
	wanted := len(needed)
	uids, err := r.prepareFound(ctx, s, needed)
	if err == nil {
		err = r.bridgePorts(ctx, s, needed)
	}
	if s.unguarded(err) {
		return nil
	}
	if err != nil {
		return err
	}
	namespace := s.release.Spec.Environment.Namespace
	find := func(o render.Object) (i int, ok bool) {
		i, ok = needed[childKey{o.Object.GroupVersionKind(), types.NamespacedName{Namespace: namespace, Name: o.Object.GetName()}}]
		return i, ok
	}
	starts := leastReplicas(s.objects)
	r.backlog.begin()
	defer func() { r.backlog.end(r.Clock.Now()) }()
	results, err := r.Writer.Apply(ctx, apply.Intent{
		User:    environment.ApplierUser(namespace),
		Policy:  r.policy(s.release),
		Objects: s.objects,
		Write: func(o render.Object) bool {
			_, ok := find(o)
			return ok
		},
		UID: func(o render.Object) types.UID {
			return uids[childKey{o.Object.GroupVersionKind(), types.NamespacedName{Namespace: namespace, Name: o.Object.GetName()}}]
		},
		Start: func(o render.Object) (int64, bool) {
			i, ok := find(o)
			if !ok || sets(o, "replicas") || !s.absent(i) {
				return 0, false
			}
			replicas, ok := starts[o.Object.GetKind()+"/"+o.Object.GetName()]
			return replicas, ok
		},
		Replicas: func(o render.Object) (int64, bool) {
			i, ok := find(o)
			if !ok || sets(o, "replicas") {
				return 0, false
			}
			if s.children[i].asleep() && isPods(o.Object.GetKind()) {
				return s.wakesWith(i, o), true
			}
			return s.children[i].replicas()
		},
		Version: func(o render.Object) string {
			i, ok := find(o)
			if !ok {
				return ""
			}
			return s.counted[i]
		},
	})
	var refused *apply.RefusedError
	if errors.As(err, &refused) {
		s.fail(true, platformv1alpha1.ReasonRefused, refused.Error())
		return err
	}
	if s.unguarded(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.record(ctx, s, results, wanted)
}

// unguarded says whether nothing was written since the admission policies do not stand, and takes that into the status.
func (s *scope) unguarded(err error) bool {
	var unguarded *apply.UnguardedError
	if !errors.As(err, &unguarded) {
		return false
	}
	s.fail(false, platformv1alpha1.ReasonApplyFailed, "Nothing is written to any workload namespace: "+unguarded.Err.Error()+". This is for the platform team.")
	s.lookAgain(retryUnguarded)
	return true
}

// needed finds the objects that are not as we left them, but for those that the API server has just
// refused, and those of later waves: events of their siblings must not make a storm of it.
func (r *Reconciler) needed(s *scope) map[childKey]int {
	needed := map[childKey]int{}
	held, unbridged := math.MaxInt, false
	s.held = map[int]bool{}
	for i := range s.objects {
		if !s.needsWrite(i) {
			continue
		}
		holds := s.holds(i)
		if holds {
			s.held[i] = true
		}
		key := inventoryKey(s.release, s.release.Spec.Inventory[i])
		wait, err := r.refusals.standing(key, s.release.UID, r.Clock.Now())
		switch {
		case err != nil:
			s.refuse(i, err)
			s.lookAgain(wait)
			if holds {
				unbridged = true
				continue
			}
			held = min(held, s.objects[i].Wave)
		case !holds:
			needed[key] = i
		}
	}
	maps.DeleteFunc(needed, func(_ childKey, i int) bool { return s.objects[i].Wave > held })
	if unbridged {
		s.keepWorkloads(needed)
	}
	return needed
}

// sets says whether an object has a field in its spec.
func sets(o render.Object, field string) bool {
	_, set, _ := unstructured.NestedFieldNoCopy(o.Object.Object, "spec", field)
	return set
}

// absent says whether an object is surely not there yet. A cache that has not listed the kind proves nothing,
// but before the first Release of an environment nothing was there.
func (s *scope) absent(i int) bool {
	return s.children[i].live == nil && (s.children[i].listed || s.release.Spec.Number == 1)
}

// leastReplicas are the fewest pods that autoscalers of the Release leave to their targets, by kind and name.
func leastReplicas(objects []render.Object) map[string]int64 {
	least := map[string]int64{}
	for target, b := range bounds(objects) {
		if b.least > 1 {
			least[target] = b.least
		}
	}
	return least
}

// bounds are how few and how many pods autoscalers of the Release leave to their targets, by kind and name.
func bounds(objects []render.Object) map[string]scaling {
	all := map[string]scaling{}
	for _, o := range objects {
		var least, most string
		switch o.Object.GetKind() {
		case "HorizontalPodAutoscaler":
			least, most = "minReplicas", "maxReplicas"
		case "ScaledObject":
			least, most = "minReplicaCount", "maxReplicaCount"
		default:
			continue
		}
		b := scaling{most: unbounded}
		b.least, _, _ = unstructured.NestedInt64(o.Object.Object, "spec", least)
		if set, ok, err := unstructured.NestedInt64(o.Object.Object, "spec", most); ok && err == nil {
			b.most = set
		}
		kind, _, _ := unstructured.NestedString(o.Object.Object, "spec", "scaleTargetRef", "kind")
		name, _, _ := unstructured.NestedString(o.Object.Object, "spec", "scaleTargetRef", "name")
		all[cmp.Or(kind, "Deployment")+"/"+name] = b
	}
	return all
}
