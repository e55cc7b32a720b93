package environment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/capacity"
	"github.com/towpath-dev/towpath/internal/guardrails"
	"github.com/towpath-dev/towpath/internal/index"
)

// places are who was let in and with what, where classes bound that for a team. They say the same as the status of
// Environments, but at once: two that are looked at in the same moment must not get the same room. Nobody else
// lets Environments in.
type places struct {
	mu    sync.Mutex
	known map[types.NamespacedName]letIn
}

type letIn struct {
	uid     types.UID
	ceiling corev1.ResourceList
}

func (p *places) forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, key)
}

// mayHave says why the team may not have the environment beside its others; nil where it may. It sets the ceiling. One
// that was let in goes on, with what it has.
func (r *Reconciler) mayHave(ctx context.Context, s *scope) (*problem, error) {
	limits, status := &s.class.Spec.TeamLimits, &s.environment.Status
	key := client.ObjectKeyFromObject(s.environment)
	r.places.mu.Lock()
	defer r.places.mu.Unlock()
	if limits.MaxPerTeam == 0 && len(limits.TeamQuota) == 0 {
		status.Ceiling = nil
		delete(r.places.known, key)
		return nil, nil
	}
	others, err := r.others(ctx, s)
	if err != nil {
		return nil, err
	}
	me, err := r.place(ctx, s.environment, status.Team, &s.class.Spec)
	if err != nil {
		return nil, err
	}
	if !me.In {
		if refusal := capacity.Enter(limits, me, others); refusal != nil {
			status.Ceiling = nil
			return &problem{refusal.Reason, fmt.Sprintf("Class %s bounds what team %s has: %s. Nothing was made. %s",
				s.class.Name, status.Team, refusal.Message, next(refusal.Reason)), true}, nil
		}
	}
	asked := guardrails.Ceiling(s.class.Spec.Quota, s.environment.Spec.Quota)
	var held []string
	me.Ceiling, held = capacity.Grant(limits, asked, me.Ceiling, me.UID, others)
	if s.beyond = capacity.Beyond(limits, me, others); s.beyond == nil && len(held) > 0 {
		s.beyond = &capacity.Refusal{Reason: platformv1alpha1.ReasonTeamQuotaExceeded, Message: strings.Join(held, "; ")}
	}
	status.Ceiling = nil
	if len(limits.TeamQuota) > 0 {
		status.Ceiling = me.Ceiling.DeepCopy()
	}
	if r.places.known == nil {
		r.places.known = map[types.NamespacedName]letIn{}
	}
	r.places.known[key] = letIn{me.UID, status.Ceiling}
	return nil, nil
}

// next is what helps who is refused.
func next(reason string) string {
	switch reason {
	case platformv1alpha1.ReasonTeamLimitReached:
		return "Delete one of these, or wait until one ends; or ask the platform team to raise spec.maxPerTeam of the class."
	case platformv1alpha1.ReasonCeilingMissing:
		return "Set it in spec.quota of the environment, or ask the platform team to set it in the class."
	}
	return "Lower spec.quota of one of these, or delete one; or ask the platform team to raise spec.teamQuota of the class."
}

// ceiling is the quota that holds, without the surge.
func (s *scope) ceiling() corev1.ResourceList {
	if len(s.class.Spec.TeamQuota) > 0 {
		return s.environment.Status.Ceiling
	}
	return guardrails.Ceiling(s.class.Spec.Quota, s.environment.Spec.Quota)
}

// others are the other environments of the class that the team has. They are found by the namespace that they are in:
// the status of new ones does not say yet whose they are.
func (r *Reconciler) others(ctx context.Context, s *scope) ([]capacity.Place, error) {
	var list platformv1alpha1.EnvironmentList
	if err := r.List(ctx, &list, client.MatchingFields{index.EnvironmentClass: s.class.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing Environments of class %s: %w", s.class.Name, err)
	}
	teams := map[string]string{s.environment.Namespace: s.environment.Status.Team}
	var others []capacity.Place
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID == s.environment.UID {
			continue
		}
		team, err := r.teamOf(ctx, other, teams)
		if err != nil {
			return nil, err
		}
		if team != s.environment.Status.Team {
			continue
		}
		place, err := r.place(ctx, other, team, &s.class.Spec)
		if err != nil {
			return nil, err
		}
		if !place.In && !other.DeletionTimestamp.IsZero() {
			continue // it will never be let in
		}
		if other.Namespace != s.environment.Namespace {
			place.Name = other.Namespace + "/" + other.Name
		}
		others = append(others, place)
	}
	return others, nil
}

// teamOf is the team of an Environment; known are the teams of namespaces that were looked at.
func (r *Reconciler) teamOf(ctx context.Context, e *platformv1alpha1.Environment, known map[string]string) (string, error) {
	if e.Status.Team != "" {
		return e.Status.Team, nil
	}
	team, ok := known[e.Namespace]
	if !ok {
		var home corev1.Namespace
		err := r.Get(ctx, types.NamespacedName{Name: e.Namespace}, &home, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("reading namespace %s: %w", e.Namespace, err)
		}
		team = home.Labels[platformv1alpha1.LabelTeam]
		known[e.Namespace] = team
	}
	return team, nil
}

// place is an Environment as capacity sees it. The caller holds the lock of the places.
func (r *Reconciler) place(ctx context.Context, e *platformv1alpha1.Environment, team string, class *platformv1alpha1.EnvironmentClassSpec) (capacity.Place, error) {
	p := capacity.Place{
		Name: e.Name, UID: e.UID, CreatedAt: e.CreationTimestamp.Time,
		In: e.Status.Namespace != "", Ceiling: e.Status.Ceiling,
	}
	if known, ok := r.places.known[client.ObjectKeyFromObject(e)]; ok && known.uid == e.UID {
		p.In, p.Ceiling = true, known.ceiling
	}
	if !p.In {
		made, err := r.made(ctx, e, team)
		if err != nil {
			return p, err
		}
		p.In = made
	}
	if !p.In || p.Ceiling == nil {
		p.Ceiling = guardrails.Ceiling(class.Quota, e.Spec.Quota)
	}
	return p, nil
}

// made says whether the namespace of an Environment was made, though the status does not know it: the pass that made it
// was the last of its manager.
func (r *Reconciler) made(ctx context.Context, e *platformv1alpha1.Environment, team string) (bool, error) {
	var namespace corev1.Namespace
	err := r.Get(ctx, types.NamespacedName{Name: workloadOf(e, team)}, &namespace, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading namespace of Environment %s: %w", e.Name, err)
	}
	return err == nil && namespace.Labels[platformv1alpha1.LabelOwnerUID] == string(e.UID), nil
}

// makesRoom passes what may let others of the team in: an Environment that goes, comes in, or takes another ceiling.
func makesRoom() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			was, okWas := e.ObjectOld.(*platformv1alpha1.Environment)
			is, okIs := e.ObjectNew.(*platformv1alpha1.Environment)
			return okWas && okIs && (was.Status.Namespace != is.Status.Namespace || !equality.Semantic.DeepEqual(was.Status.Ceiling, is.Status.Ceiling))
		},
	}
}

// waitReasons are those of Environments that wait for room, or have less than they ask for.
var waitReasons = []string{platformv1alpha1.ReasonTeamLimitReached, platformv1alpha1.ReasonTeamQuotaExceeded}

// whoWaitForRoom maps an Environment to the others of its class and team that were refused room.
func (r *Reconciler) whoWaitForRoom(ctx context.Context, o client.Object) []ctrl.Request {
	e, ok := o.(*platformv1alpha1.Environment)
	if !ok {
		return nil
	}
	var list platformv1alpha1.EnvironmentList
	if err := r.List(ctx, &list, client.MatchingFields{index.EnvironmentClass: e.Spec.ClassRef.Name}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing Environments failed")
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID == e.UID || other.Status.Team != e.Status.Team || !other.DeletionTimestamp.IsZero() {
			continue
		}
		if waitsForRoom(other) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(other)})
		}
	}
	return requests
}

func waitsForRoom(e *platformv1alpha1.Environment) bool {
	for _, kind := range []string{platformv1alpha1.ConditionReady, platformv1alpha1.ConditionWithinLimits} {
		if c := meta.FindStatusCondition(e.Status.Conditions, kind); c != nil && slices.Contains(waitReasons, c.Reason) {
			return true
		}
	}
	return false
}
