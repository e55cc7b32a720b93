package component

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// manyEdits is from how many edits of one Component on those are left out that a later one repeats.
const manyEdits = 64

// edits are the changes of Components since the generation that their status speaks of. A pass sees only the last spec, and whoever
// wrote a part of it a moment earlier is an author all the same. What was changed while no manager watched is not among them. The
// zero value is ready, and safe for concurrent use.
type edits struct {
	mu sync.Mutex
	of map[types.UID]*edited
}

// edited is one Component: what was changed, oldest first, up to the generation that was seen last.
type edited struct {
	seen  int64
	edits []edit
}

// edit is one change of a spec, by whom that named in requestedBy: what is released everywhere, or in some environments.
type edit struct {
	generation   int64
	by           string
	everywhere   bool
	environments []string
}

// watched has each change of a Component noted before the event of it wakes the controller.
func (e *edits) watched() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(created event.CreateEvent) bool {
			if is, ok := created.Object.(*platformv1alpha1.Component); ok {
				e.note(nil, is)
			}
			return true
		},
		UpdateFunc: func(updated event.UpdateEvent) bool {
			was, okWas := updated.ObjectOld.(*platformv1alpha1.Component)
			is, okIs := updated.ObjectNew.(*platformv1alpha1.Component)
			if okWas && okIs && was.UID == is.UID {
				e.note(was, is)
			} else if okIs {
				e.forget(updated.ObjectOld)
				e.note(nil, is)
			}
			return true
		},
		DeleteFunc: func(deleted event.DeleteEvent) bool {
			e.forget(deleted.Object)
			return true
		},
	}
}

// note takes down a change, and drops those that the status knows of. Nil is for what was not there, or not known, before.
func (e *edits) note(was, is *platformv1alpha1.Component) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil {
		e.of = map[types.UID]*edited{}
	}
	known := e.of[is.UID]
	if known == nil {
		known = &edited{}
		e.of[is.UID] = known
	}
	known.seen = max(known.seen, is.Generation)
	known.edits = slices.DeleteFunc(known.edits, func(old edit) bool { return old.generation <= is.Status.ObservedGeneration })
	if is.Generation <= is.Status.ObservedGeneration || was != nil && was.Generation == is.Generation {
		return
	}
	made := edit{generation: is.Generation, by: is.Spec.RequestedBy, everywhere: was == nil}
	if was != nil {
		made.everywhere, made.environments = brings(&was.Spec, &is.Spec)
	}
	if len(known.edits) >= manyEdits {
		known.edits = slices.DeleteFunc(known.edits, func(old edit) bool {
			return old.by == made.by && old.everywhere == made.everywhere && slices.Equal(old.environments, made.environments)
		})
	}
	if made.everywhere || len(made.environments) > 0 {
		known.edits = append(known.edits, made)
	}
}

// forget drops a Component that is gone.
func (e *edits) forget(gone client.Object) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.of, gone.GetUID())
}

// behind says that the event of the last change of a Component is still to come.
func (e *edits) behind(component *platformv1alpha1.Component) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.of[component.UID]
	return known != nil && known.seen < component.Generation
}

// since are the changes of a Component that its status does not know of, oldest first.
func (e *edits) since(component *platformv1alpha1.Component) []edit {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.of[component.UID]
	if known == nil {
		return nil
	}
	var list []edit
	for _, made := range known.edits {
		if made.generation > component.Status.ObservedGeneration && made.generation <= component.Generation {
			list = append(list, made)
		}
	}
	return list
}

// brings says where a change of a spec has another version, revision or check released: everywhere, or in environments. What is held,
// promoted or kept of the history brings nothing.
func brings(was, is *platformv1alpha1.ComponentSpec) (everywhere bool, environments []string) {
	bare := func(spec *platformv1alpha1.ComponentSpec) platformv1alpha1.ComponentSpec {
		common := *spec
		common.RequestedBy, common.Environments, common.RevisionHistoryLimit, common.DeletionPolicy = "", nil, nil, ""
		return common
	}
	if !equality.Semantic.DeepEqual(bare(was), bare(is)) {
		return true, nil
	}
	for i := range is.Environments {
		step := &is.Environments[i]
		same := slices.ContainsFunc(was.Environments, func(old platformv1alpha1.PathEnvironment) bool {
			return old.Name == step.Name && equality.Semantic.DeepEqual(old.Parameters, step.Parameters) &&
				equality.Semantic.DeepEqual(old.Checks, step.Checks) && equality.Semantic.DeepEqual(old.Adopt, step.Adopt)
		})
		if !same {
			environments = append(environments, step.Name)
		}
	}
	return false, environments
}

// askers are whom each of the changes named that brought something to an environment, oldest first; empty for nobody.
func askers(made []edit, environment string) []string {
	var users []string
	for _, e := range made {
		if e.everywhere || slices.Contains(e.environments, environment) {
			users = append(users, e.by)
		}
	}
	return users
}
