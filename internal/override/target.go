package override

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
)

// Target is a resource of a template, as overrides see it.
type Target struct {
	Kind schema.GroupVersionKind
	// Open are the paths that may be set.
	Open []Path
}

// Targets are the resources of a template by their ids.
type Targets map[string]Target

// open says whether a place may be set: it is a path that is open, or below one.
func (t Target) open(place fieldpath.Path) bool {
	return slices.ContainsFunc(t.Open, func(path Path) bool { return path.covers(place) })
}

// Settable says whether an override may set a place by one of the paths that are open.
func (t Target) Settable(path Path, place fieldpath.Path) bool {
	return path.covers(place) && closed(t.Kind.GroupKind(), place) == ""
}

// opened names what is open, for messages.
func (t Target) opened(resource string) string {
	if len(t.Open) == 0 {
		return fmt.Sprintf("nothing of resource %s is open", resource)
	}
	return fmt.Sprintf("open of resource %s: %s", resource, list(t.Open))
}

func list(paths []Path) string {
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = path.String()
	}
	return shorten(names)
}

// shorten joins names, and cuts long lists off.
func shorten(names []string) string {
	const most = 12
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// CheckPath says why a path must not be opened in objects of a kind, or nothing. Without a schema only what is
// closed in every kind is known.
func CheckPath(path Path, kind schema.GroupVersionKind, known *spec.Schema) error {
	text := path.String()
	if slices.Contains(wide, text) {
		return fmt.Errorf("%s is too wide: it holds fields that are never open, such as names, selectors and labels of Towpath; open the fields below it that Components may set", text)
	}
	if why := closed(kind.GroupKind(), path.place()); why != "" {
		return fmt.Errorf("%s is never open: %s", text, why)
	}
	if known == nil {
		return nil
	}
	return existing(path, known)
}

// existing says what of a path the schema of the kind does not have.
func existing(path Path, known *spec.Schema) error {
	at := known
	for i, step := range path {
		if at == nil || openapi.Free(at) {
			return nil
		}
		here := path[:i].String()
		switch rule := ruleOf(at); {
		case step.element() && !at.Type.Contains("array"):
			return fmt.Errorf("%s is no list, so that %s selects nothing", here, step.selector())
		case step.element() && (rule == nil || len(rule.Keys) == 0):
			return fmt.Errorf("the elements of %s have no keys, so that they cannot be told apart: open %s as a whole", here, here)
		case step.element():
			if err := selects(step, rule); err != nil {
				return fmt.Errorf("%s: %w", here, err)
			}
			at = openapi.Items(at)
		case at.Type.Contains("array"):
			return fmt.Errorf("%s is a list: select an element of it, such as [name=app], before .%s", here, step.Field)
		case atomicMap(at):
			return fmt.Errorf("%s is replaced as a whole by server-side apply: open it as a whole", here)
		default:
			below, ok := property(at, step.Field)
			if !ok {
				return fmt.Errorf("%s has no field %s", nameOf(here), step.Field)
			}
			at = below
		}
	}
	return nil
}

func nameOf(path string) string {
	if path == "" {
		return "the kind"
	}
	return path
}

// selects says which key of a step is none of the list.
func selects(step Step, rule *platformv1alpha1.MergeRule) error {
	for _, key := range step.Keys {
		if !slices.ContainsFunc(rule.Keys, func(k platformv1alpha1.MergeKey) bool { return k.Name == key.Name }) {
			names := make([]string, len(rule.Keys))
			for i, k := range rule.Keys {
				names[i] = k.Name
			}
			return fmt.Errorf("its elements are told apart by %s, not by %s", strings.Join(names, ", "), key.Name)
		}
	}
	return nil
}
