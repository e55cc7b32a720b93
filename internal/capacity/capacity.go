// Package capacity says whether a team may have one more environment of a class, and how much each may take. It is pure.
//
// Who was let in stays. Whoever is new goes by age, so that of several at once the oldest come in, in whatever order
// they are looked at; one that does not fit keeps no place free.
package capacity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// shown is how many environments a message names.
const shown = 10

// Place is one environment of the class and the team.
type Place struct {
	Name      string
	UID       types.UID
	CreatedAt time.Time
	// In says that it was let in.
	In bool
	// Ceiling is what it takes: what it was given where it was let in, else what it asks for.
	Ceiling corev1.ResourceList
}

// Refusal is why an environment may not have what it asks for.
type Refusal struct {
	Reason, Message string
}

// Enter says why an environment that is new may not come in; nil where it may. others are all others of the class and
// the team.
func Enter(limits *platformv1alpha1.TeamLimits, me Place, others []Place) *Refusal {
	taken, waiting := split(others, me.UID)
	for _, other := range waiting {
		if older(other, me) && refuse(limits, other, taken) == nil {
			taken = append(taken, other)
		}
	}
	return refuse(limits, me, taken)
}

// Beyond says why an environment that was let in would not be today; nil where it would. Those before it have their
// places.
func Beyond(limits *platformv1alpha1.TeamLimits, me Place, others []Place) *Refusal {
	taken, _ := split(others, me.UID)
	taken = slices.DeleteFunc(taken, func(p Place) bool { return !older(p, me) })
	return refuse(limits, me, taken)
}

// Grant is the ceiling of an environment that was let in and asks for another one. It never gets less than it had unless
// it asks for less, and no more than the others leave. held says what it does not get.
func Grant(limits *platformv1alpha1.TeamLimits, asked, had corev1.ResourceList, uid types.UID, others []Place) (ceiling corev1.ResourceList, held []string) {
	taken, _ := split(others, uid)
	ceiling = corev1.ResourceList{}
	maps.Copy(ceiling, asked)
	for _, name := range sorted(limits.TeamQuota) {
		want, wants := asked[name]
		before, known := had[name]
		switch {
		case !known, wants && want.Cmp(before) <= 0:
			continue // what was there before the limit goes on
		case !wants:
			ceiling[name] = before
			held = append(held, fmt.Sprintf("%s: must have a ceiling, and keeps %s", name, before.String()))
			continue
		}
		given := before
		if left, unbounded := leftOf(limits, name, taken); len(unbounded) == 0 && left.Cmp(before) > 0 {
			given = smaller(left, want)
		}
		if given.Cmp(want) < 0 {
			ceiling[name] = given
			held = append(held, fmt.Sprintf("%s: %s asked for, %s given; %s", name, want.String(), given.String(), use(limits, name, taken)))
		}
	}
	return ceiling, held
}

// refuse says why an environment does not fit beside those who have a place.
func refuse(limits *platformv1alpha1.TeamLimits, me Place, taken []Place) *Refusal {
	if most := int(limits.MaxPerTeam); most > 0 && len(taken) >= most {
		names := make([]string, len(taken))
		for i := range taken {
			names[i] = taken[i].Name
		}
		return &Refusal{platformv1alpha1.ReasonTeamLimitReached, fmt.Sprintf("maxPerTeam is %d, and there are %d: %s", most, len(taken), list(names))}
	}
	var missing, over []string
	for _, name := range sorted(limits.TeamQuota) {
		want, bounded := me.Ceiling[name]
		if !bounded {
			missing = append(missing, string(name))
			continue
		}
		if left, unbounded := leftOf(limits, name, taken); len(unbounded) > 0 || want.Cmp(left) > 0 {
			over = append(over, fmt.Sprintf("%s: %s asked for; %s", name, want.String(), use(limits, name, taken)))
		}
	}
	switch {
	case len(missing) > 0:
		return &Refusal{platformv1alpha1.ReasonCeilingMissing, "teamQuota bounds " + strings.Join(missing, ", ") +
			", of which the environment has no ceiling"}
	case len(over) > 0:
		return &Refusal{platformv1alpha1.ReasonTeamQuotaExceeded, strings.Join(over, "; ")}
	}
	return nil
}

// leftOf is how much of a resource those who have a place leave, and who of them has no ceiling of it: these leave
// nothing that can be counted on.
func leftOf(limits *platformv1alpha1.TeamLimits, name corev1.ResourceName, taken []Place) (left resource.Quantity, unbounded []string) {
	left = limits.TeamQuota[name].DeepCopy()
	for i := range taken {
		q, bounded := taken[i].Ceiling[name]
		if !bounded {
			unbounded = append(unbounded, taken[i].Name)
			continue
		}
		if q.Sign() > 0 { // who asks for less than nothing makes no room
			left.Sub(q)
		}
	}
	if left.Sign() < 0 {
		left = *resource.NewQuantity(0, left.Format)
	}
	return left, unbounded
}

// use says who has how much of a resource, and what is left.
func use(limits *platformv1alpha1.TeamLimits, name corev1.ResourceName, taken []Place) string {
	left, unbounded := leftOf(limits, name, taken)
	all := limits.TeamQuota[name]
	if len(unbounded) > 0 {
		return fmt.Sprintf("none of %s can be given, since there is no ceiling in %s", all.String(), list(unbounded))
	}
	said := fmt.Sprintf("%s of %s left", left.String(), all.String())
	users := make([]string, 0, len(taken))
	for i := range taken {
		q := taken[i].Ceiling[name]
		users = append(users, taken[i].Name+" has "+q.String())
	}
	if len(users) > 0 {
		said += " (" + list(users) + ")"
	}
	return said
}

// split parts those who have a place from those who wait, each from the oldest on, without the one of a UID.
func split(all []Place, but types.UID) (taken, waiting []Place) {
	ordered := slices.Clone(all)
	slices.SortFunc(ordered, order)
	for _, p := range ordered {
		switch {
		case p.UID == but:
		case p.In:
			taken = append(taken, p)
		default:
			waiting = append(waiting, p)
		}
	}
	return taken, waiting
}

func order(a, b Place) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.UID, b.UID))
}

func older(a, b Place) bool { return order(a, b) < 0 }

func smaller(a, b resource.Quantity) resource.Quantity {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func sorted(l corev1.ResourceList) []corev1.ResourceName { return slices.Sorted(maps.Keys(l)) }

// list joins names, sorted, and says how many it left out.
func list(names []string) string {
	slices.Sort(names)
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
