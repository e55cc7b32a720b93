// Package render makes the objects of a Release: it evaluates the template, puts every object into
// the environment's namespace, and sets the labels. It is pure: the same template and the same
// inputs give the same bytes, in the controller, in the CLI and in CI.
package render

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/expr"
	"github.com/towpath-dev/towpath/internal/template"
)

// Bounds of what one Release may make.
const (
	maxObjects = 512
	maxBytes   = 1 << 20
)

// Environment is where the objects will run.
type Environment struct {
	Name, Namespace, Class string
	Tier                   platformv1alpha1.Tier
}

// Input is everything that rendering depends on, besides the template.
type Input struct {
	// OwnerUID is the UID of the Component.
	OwnerUID types.UID
	// Component is its name, HomeNamespace the team namespace that it is in.
	Component, HomeNamespace string
	Team, CostCenter         string
	Environment              Environment
	// Template is the name of the ServiceTemplate, Revision the number of its revision.
	Template string
	Revision int64
	// Image to run, and the commit that it was built from, empty where that is not known.
	Image, Commit string
	// Parameters with the schema's defaults, as ResolveParameters gives them.
	Parameters map[string]any
	Env        []platformv1alpha1.EnvVar
	SecretEnv  []platformv1alpha1.SecretEnvVar
	// Uses are the Components that are used, with what they give.
	Uses []platformv1alpha1.ReleaseUse
	// Capabilities are the optional APIs that the cluster has, as group/version/Kind.
	Capabilities []string
	// LabelAliases are further label keys, each with the Towpath label whose value it repeats.
	LabelAliases map[string]string
	// Adopt names what keeps the names and the selector under which it was found; nil for nothing.
	Adopt *platformv1alpha1.Adoption
	// Overrides set fields after the template was evaluated, as the Release holds them.
	Overrides []platformv1alpha1.ReleaseOverride
}

// Object is one rendered object.
type Object struct {
	// Resource is the id of the resource in the template.
	Resource string
	// Wave is 0 for what refers to no other resource; what refers to others comes after them.
	Wave   int
	Object *unstructured.Unstructured
	// Awake says, of an object that was put to sleep, what it goes back to; nil for all others. See Sleep.
	Awake *string
}

// Error says which object is wrong, and why. An expression that fails is a *template.EvalError.
type Error struct {
	// Resource is the id of the resource, Path the place in its object, empty for all of it.
	Resource, Path string
	Err            error
}

// Error names the place and the cause.
func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("resource %s: %v", e.Resource, e.Err)
	}
	return fmt.Sprintf("resource %s: object.%s: %v", e.Resource, e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// InputOf returns the input of a Release. Its parameters are the Release's own, without defaults.
func InputOf(r *platformv1alpha1.Release) (Input, error) {
	parameters, err := template.DecodeParameters(r.Spec.Parameters)
	if err != nil {
		return Input{}, err
	}
	in := inputOf(r)
	in.Parameters = parameters
	return in, nil
}

func inputOf(r *platformv1alpha1.Release) Input {
	s := &r.Spec
	in := Input{
		OwnerUID: s.Component.UID, Component: s.Component.Name, HomeNamespace: r.Namespace,
		Team: s.Team, CostCenter: s.CostCenter,
		Environment: Environment{Name: s.Environment.Name, Namespace: s.Environment.Namespace, Class: s.Environment.Class, Tier: s.Environment.Tier},
		Template:    s.Template, Revision: s.Revision.Number, Image: s.Image,
		Env: s.Env, SecretEnv: s.SecretEnv, Uses: s.Uses, Capabilities: s.Capabilities, LabelAliases: s.LabelAliases, Adopt: s.Adopt,
		Overrides: s.Overrides,
	}
	if s.Commit != nil {
		in.Commit = s.Commit.SHA
	}
	return in
}

// Release renders a Release with its template: the defaults of the template's schema are laid under
// the parameters first. One that only takes over has the objects that were found, with nothing but metadata.
// The error is a *template.ParameterError where the parameters do not fit.
func Release(t *template.Template, r *platformv1alpha1.Release) ([]Object, error) {
	return ReleaseWithin(expr.NewBudget(), t, r)
}

// ReleaseWithin is Release at the expense of a budget.
func ReleaseWithin(budget *expr.Budget, t *template.Template, r *platformv1alpha1.Release) ([]Object, error) {
	in, err := InputOf(r)
	if err != nil {
		return nil, err
	}
	resolved, errs := t.ResolveParameters(in.Parameters, nil)
	if len(errs) > 0 {
		return nil, &template.ParameterError{Errors: errs}
	}
	in.Parameters = resolved
	objects, err := within(budget, t, in)
	if err != nil || r.Spec.Cause != platformv1alpha1.CauseAdoption {
		return objects, err
	}
	if err := CheckFound(objects, r.Spec.Adopt); err != nil {
		return nil, err
	}
	return asFound(objects, r.Spec.Adopt), nil
}

// Provided returns what a Release gives those who use its Component, with the same errors as Release.
func Provided(t *template.Template, r *platformv1alpha1.Release) (*template.Provided, error) {
	in, err := InputOf(r)
	if err != nil {
		return nil, err
	}
	resolved, errs := t.ResolveParameters(in.Parameters, nil)
	if len(errs) > 0 {
		return nil, &template.ParameterError{Errors: errs}
	}
	in.Parameters = resolved
	return Provide(t, in)
}

// Provide returns what a Component gives those who use it. Where the template names no labels of the pods, they
// are found by those of the Component and the environment.
func Provide(t *template.Template, in Input) (*template.Provided, error) {
	labels := Labels(in)
	adopted := newAdopter(in.Adopt, labels)
	provided, err := t.Provide(variables(in), func(e template.Evaluated) error {
		object := &unstructured.Unstructured{Object: e.Object}
		adopted.rename(e.Resource, object)
		if err := override(t, in, e); err != nil {
			return err
		}
		return finish(object, in, labels)
	})
	if err != nil {
		return nil, err
	}
	if e := provided.Endpoint; e != nil && in.Adopt != nil && len(in.Adopt.PodSelector) > 0 {
		e.PodLabels = in.Adopt.PodSelector // pods from before the golden path bear no others
	}
	if e := provided.Endpoint; e != nil && len(e.PodLabels) == 0 {
		e.PodLabels = map[string]string{
			platformv1alpha1.LabelComponent: in.Component, platformv1alpha1.LabelEnvironment: in.Environment.Name,
		}
	}
	return provided, nil
}

// Render makes the objects, ordered by wave, then as in the template, then by name.
func Render(t *template.Template, in Input) ([]Object, error) { return within(expr.NewBudget(), t, in) }

func within(budget *expr.Budget, t *template.Template, in Input) ([]Object, error) {
	if err := checkOverrides(t, in); err != nil {
		return nil, err
	}
	var objects []Object
	labels := Labels(in)
	adopted := newAdopter(in.Adopt, labels)
	seen := map[string]string{}
	size := 0
	err := t.EvaluateWithin(budget, variables(in), func(e template.Evaluated) error {
		object := &unstructured.Unstructured{Object: e.Object}
		adopted.rename(e.Resource, object)
		if err := override(t, in, e); err != nil {
			return err
		}
		if err := finish(object, in, labels); err != nil {
			return &Error{Resource: e.Resource, Path: "metadata", Err: err}
		}
		length, err := sizeOf(e.Object)
		if err != nil {
			return &Error{Resource: e.Resource, Err: err}
		}
		identity := object.GroupVersionKind().GroupKind().String() + " " + object.GetName()
		if other, ok := seen[identity]; ok {
			return &Error{Resource: e.Resource, Path: "metadata.name", Err: fmt.Errorf(
				"%s %s is made by resource %s already: the names of objects of one kind must differ", object.GetKind(), object.GetName(), other)}
		}
		seen[identity] = e.Resource
		objects = append(objects, Object{Resource: e.Resource, Wave: e.Wave, Object: object})
		if size += length; size > maxBytes || len(objects) > maxObjects {
			return &Error{Resource: e.Resource, Err: fmt.Errorf("a Release must not make more than %d objects, and not more than %d bytes: make less of it", maxObjects, maxBytes)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := adopted.finish(objects); err != nil {
		return nil, err
	}
	sortElements(objects)
	return objects, nil
}

// sortElements orders the objects of each resource by name: the order of a forEach list must not
// decide about the order of writes.
func sortElements(objects []Object) {
	for i := 0; i < len(objects); {
		j := i + 1
		for j < len(objects) && objects[j].Resource == objects[i].Resource {
			j++
		}
		slices.SortFunc(objects[i:j], func(a, b Object) int { return cmp.Compare(a.Object.GetName(), b.Object.GetName()) })
		i = j
	}
}

// finish puts an object into its namespace and labels it.
func finish(object *unstructured.Unstructured, in Input, labels map[string]string) error {
	name := object.GetName()
	if name == "" {
		return errors.New("name must be a string that is not empty")
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return fmt.Errorf("name %q: %s", name, problems[0])
	}
	object.SetNamespace(in.Environment.Namespace)
	return setLabels(object.Object, labels)
}

// Inventory lists rendered objects as a Release does.
func Inventory(objects []Object) []platformv1alpha1.ReleaseObject {
	inventory := make([]platformv1alpha1.ReleaseObject, len(objects))
	for i, o := range objects {
		inventory[i] = platformv1alpha1.ReleaseObject{
			Resource: o.Resource, APIVersion: o.Object.GetAPIVersion(), Kind: o.Object.GetKind(), Name: o.Object.GetName(),
		}
	}
	return inventory
}
