package impact

import (
	"cmp"
	"fmt"
	"slices"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// maxBlocked is how many environments a tally names, maxMessage how much it says of each.
	maxBlocked, maxMessage = 20, 1024
	// maxResources is how many resources it tells of, maxFields how many fields of each, of maxPath characters.
	maxResources, maxFields, maxPath = 64, 10, 256
)

// Place is one environment of a Component.
type Place struct {
	Namespace, Component, Environment string
	Tier                              platformv1alpha1.Tier
}

// Tally adds to a count what a revision does in one place: the changes, or why it cannot be had there.
func Tally(count *platformv1alpha1.RolloutImpact, place Place, changes []Change, cannot string) {
	for _, change := range changes {
		if change.Refused != "" && cannot == "" {
			cannot = fmt.Sprintf("%s %s (resource %s): the API server does not let %s be changed", change.Kind, change.Name, change.Resource, change.Refused)
		}
	}
	add(&count.ImpactCount, changes, cannot)
	i := slices.IndexFunc(count.Tiers, func(t platformv1alpha1.TierImpact) bool { return t.Tier == place.Tier })
	if i < 0 {
		count.Tiers = append(count.Tiers, platformv1alpha1.TierImpact{Tier: place.Tier})
		i = len(count.Tiers) - 1
	}
	add(&count.Tiers[i].ImpactCount, changes, cannot)
	if cannot == "" {
		for i := range changes {
			object(count, &changes[i])
		}
		return
	}
	if len(count.Blocked) < maxBlocked {
		if runes := []rune(cannot); len(runes) > maxMessage {
			cannot = string(runes[:maxMessage-1]) + "…"
		}
		count.Blocked = append(count.Blocked, platformv1alpha1.RolloutFailure{
			Namespace: place.Namespace, Component: place.Component, Environment: place.Environment, Message: cannot,
		})
	}
}

// add counts one place. One that cannot get the revision stays as it is.
func add(count *platformv1alpha1.ImpactCount, changes []Change, cannot string) {
	count.Following++
	switch {
	case cannot != "":
		count.Cannot++
	case len(changes) > 0:
		count.Changed++
		if slices.ContainsFunc(changes, func(c Change) bool { return c.Restarts }) {
			count.Restarting++
		}
	}
}

// object counts one object that changes. The first resources and fields in their order are kept, so that the same is told of the
// same places, in whatever order they come.
func object(count *platformv1alpha1.RolloutImpact, change *Change) {
	at, known := slices.BinarySearchFunc(count.Resources, change, func(r platformv1alpha1.ResourceImpact, c *Change) int {
		return cmp.Or(cmp.Compare(r.Resource, c.Resource), cmp.Compare(r.Kind, c.Kind))
	})
	if !known {
		if at == maxResources {
			return
		}
		count.Resources = slices.Insert(count.Resources, at, platformv1alpha1.ResourceImpact{Resource: change.Resource, Kind: change.Kind})
		count.Resources = count.Resources[:min(len(count.Resources), maxResources)]
	}
	r := &count.Resources[at]
	switch change.Action {
	case Added:
		r.Added++
	case Removed:
		r.Removed++
	case Changed:
		r.Changed++
	}
	if change.Restarts {
		r.Restarting++
	}
	for _, f := range change.Fields {
		path := f.Path
		if runes := []rune(path); len(runes) > maxPath {
			path = string(runes[:maxPath-1]) + "…"
		}
		if at, known := slices.BinarySearch(r.Fields, path); !known {
			r.Fields = slices.Insert(r.Fields, at, path)
		}
	}
	r.Fields = r.Fields[:min(len(r.Fields), maxFields)]
}
