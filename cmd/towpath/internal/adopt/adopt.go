// Package adopt fits a golden path to what runs already: it finds the parameters with which the template comes
// nearest to the objects that were found, proposes the Component that takes them over, and names every difference
// that is left. It is pure: objects in, a proposal out.
package adopt

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

// Input is what a template is fitted to.
type Input struct {
	// Spec of the golden path, and Compiled from it.
	Spec     *platformv1alpha1.ServiceTemplateSpec
	Compiled *template.Template
	// Place is where the Component will be: everything of a rendering but image, parameters and variables.
	Place render.Input
	// Workload that was found, and Others that belong to it.
	Workload *unstructured.Unstructured
	Others   []*unstructured.Unstructured
	// Container of the workload that runs the Component's image; empty to go by names and Services.
	Container string
	// Existing is the Component where there is one already: its overrides hold in every environment, so that none is
	// proposed. Nil where there is none.
	Existing *platformv1alpha1.Component
	// Kinds tells how lists of kinds are merged, for overrides.
	Kinds openapi.Source
	// Now is when overrides begin to hold.
	Now time.Time
}

// Match says which resource of the template stands for a found object.
type Match struct {
	Resource string
	Found    *unstructured.Unstructured
}

// Unmapped is a setting that was found and that the Component cannot say.
type Unmapped struct {
	// Object is the kind and name, Path the field in it.
	Object, Path string
	// Value that was found; nil where it says nothing.
	Value any
	// Why it cannot be said, and what to do.
	Why string
}

// Object names an object of the template.
type Object struct {
	Resource, Kind, Name string
}

// Proposal is what fits best.
type Proposal struct {
	Component *platformv1alpha1.Component
	// Matches are the found objects that the Component takes over, the workload first.
	Matches []Match
	// Differences are what the first new version changes on them.
	Differences []Difference
	// New are the objects of the template that do not exist yet.
	New []Object
	// Strangers are found objects that no resource of the template stands for. They stay as they are.
	Strangers []*unstructured.Unstructured
	Unmapped  []Unmapped
	// Rendered is the golden path as it will be, for all objects.
	Rendered []render.Object
	// Notes say what was decided where the objects leave it open.
	Notes []string
	// Renders counts how often the template was rendered.
	Renders int
}

// Refusal is why a workload cannot be taken over, where another golden path would not help.
type Refusal struct {
	Err error
	// Next is what helps.
	Next string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Fit fits the template. The error says why the workload cannot be taken over by this golden path at all.
func Fit(in Input) (*Proposal, error) {
	f := &fitter{in: in, chosen: map[string]any{}, seen: map[string]bool{}}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	if in.Existing != nil {
		f.overrides = in.Existing.Spec.Overrides
	}
	best, err := f.search()
	if err != nil {
		return nil, err
	}
	if in.Existing == nil {
		best = f.override(best)
	}
	return f.propose(best)
}

// fitter is the state of one Fit.
type fitter struct {
	in        Input
	container container
	// main is the name of the template's own container.
	main string
	// found are the workload and the others, and intents what their owners asked for.
	found   []*unstructured.Unstructured
	intents []map[string]any
	// ranks of the found objects.
	ranks []int
	// podSelector is the selector that was found.
	podSelector map[string]string
	// leaves are the parameters, chosen the values that differ from the default, by path.
	leaves []leaf
	chosen map[string]any
	// seen are the settings of the intents.
	seen     map[string]bool
	unmapped []Unmapped
	notes    []string
	renders  int
	// overrides set what no parameter does; kept says whether they keep a setting that was found.
	overrides []platformv1alpha1.Override
	kept      func(*Unmapped) bool
}

// title names an object for people.
func title(o *unstructured.Unstructured) string { return o.GetKind() + "/" + o.GetName() }

func (f *fitter) leave(object *unstructured.Unstructured, path string, value any, why string) {
	f.unmapped = append(f.unmapped, Unmapped{Object: title(object), Path: path, Value: value, Why: why})
}

func (f *fitter) prepare() error {
	in := &f.in
	name := in.Place.Component
	if problems := validation.IsDNS1035Label(name); len(problems) > 0 || len(name) > 40 {
		return fmt.Errorf("component %q: the name must be a DNS-1035 label of at most 40 characters; choose one with --component", name)
	}
	f.found = append([]*unstructured.Unstructured{in.Workload}, in.Others...)
	for _, object := range f.found {
		intent, err := intentOf(object)
		if err != nil {
			return fmt.Errorf("%s: %w", title(object), err)
		}
		f.intents = append(f.intents, intent)
	}
	f.intendReplicas()
	for _, intent := range f.intents {
		f.remember("", intent["spec"])
	}
	if err := f.owned(); err != nil {
		return err
	}
	f.rank()
	if err := f.selector(); err != nil {
		return err
	}
	if err := f.findContainer(); err != nil {
		return err
	}
	leaves, err := leavesOf(in.Spec)
	if err != nil {
		return err
	}
	f.leaves = leaves
	f.hint()
	return nil
}

// selector reads the labels by which the workload finds its pods. A CronJob has none.
func (f *fitter) selector() error {
	workload := f.in.Workload
	selector, ok, err := unstructured.NestedMap(workload.Object, "spec", "selector")
	if err != nil || !ok {
		return err
	}
	if _, ok := selector["matchExpressions"]; ok {
		return fmt.Errorf("%s: spec.selector.matchExpressions: a Component keeps a selector of labels alone, and a selector cannot change; make the Component beside it, and delete the workload once it runs", title(workload))
	}
	f.podSelector, _, err = unstructured.NestedStringMap(selector, "matchLabels")
	if err != nil {
		return err
	}
	for key, value := range f.podSelector {
		if ours := render.Labels(f.in.Place)[key]; strings.HasPrefix(key, platformv1alpha1.LabelPrefix) && ours != value {
			return fmt.Errorf("%s: spec.selector.matchLabels: %s=%s would have to be %s: costs are told apart by it; choose --component and -e to fit, or make the Component beside the workload",
				title(workload), key, value, ours)
		}
	}
	return nil
}

// propose puts the proposal together.
func (f *fitter) propose(best *outcome) (*Proposal, error) {
	parameters, err := template.EncodeParameters(f.parameters(f.chosen))
	if err != nil {
		return nil, err
	}
	in := f.in.Place
	component := &platformv1alpha1.Component{}
	component.SetGroupVersionKind(platformv1alpha1.GroupVersion.WithKind("Component"))
	component.Name, component.Namespace = in.Component, in.HomeNamespace
	component.Spec = platformv1alpha1.ComponentSpec{
		TemplateRef: platformv1alpha1.TemplateReference{Name: in.Template},
		Image:       f.container.image, Parameters: parameters, Env: f.container.env, SecretEnv: f.container.secretEnv,
		Environments: []platformv1alpha1.PathEnvironment{{Name: in.Environment.Name, Adopt: best.adoption}},
		Overrides:    f.overrides,
	}
	p := &Proposal{Component: component, Rendered: best.objects, Differences: best.differences, Renders: f.renders}
	taken := map[string]bool{}
	for _, pair := range best.pairs {
		p.Matches = append(p.Matches, Match{Resource: pair.resource, Found: f.found[pair.found]})
		taken[pair.resource] = true
	}
	if len(p.Matches) == 0 || p.Matches[0].Found != f.in.Workload {
		return nil, errors.New("the golden path makes no " + f.in.Workload.GetKind())
	}
	for i := range best.objects {
		if o := &best.objects[i]; !taken[o.Resource] {
			p.New = append(p.New, Object{Resource: o.Resource, Kind: o.Object.GetKind(), Name: o.Object.GetName()})
		}
	}
	for _, i := range best.strangers {
		p.Strangers = append(p.Strangers, f.found[i])
	}
	f.refused(best)
	f.scaled(best)
	f.fixed(best)
	f.unreached(best)
	f.lost(best)
	f.stranded(best)
	f.led(best)
	f.stayHeadless(best)
	f.tied(best)
	if f.kept != nil {
		f.unmapped = slices.DeleteFunc(f.unmapped, func(u Unmapped) bool { return f.kept(&u) })
	}
	p.Unmapped, p.Notes = f.unmapped, f.notes
	return p, nil
}

// lost names the settings that the golden path takes away, and that nothing said so far is about. Labels are none:
// they tell objects apart, and what goes by them is looked at by itself.
func (f *fitter) lost(best *outcome) {
	said := map[string]bool{}
	for _, u := range f.unmapped {
		said[u.Object+" "+u.Path] = true
	}
	for i := range best.differences {
		d := &best.differences[i]
		if d.Kind != Removed || said[d.Object+" "+d.Path] || moved(d, best.differences) {
			continue
		}
		value := d.Found
		if strings.Contains(d.Path, "metadata.") {
			if value = annotation(d); value == nil {
				continue
			}
		}
		why := "the golden path does not set it, and no parameter does"
		if parameter := f.parameterFor(d.Object, d.Path); parameter != "" {
			why = "parameter " + parameter + " is for it, and none of its values that were tried brings the golden path nearer"
		}
		f.unmapped = append(f.unmapped, Unmapped{Object: d.Object, Path: d.Path, Value: value, Why: why + "; the first new version takes it away"})
	}
}

// annotation is what of a difference in metadata is an annotation that some tool goes by; nil for nothing.
func annotation(d *Difference) any {
	_, path, ok := strings.Cut(d.Path, "metadata.annotations")
	if !ok {
		return nil
	}
	if path != "" {
		if bookkeeping(strings.Trim(path, "[].")) {
			return nil
		}
		return d.Found
	}
	all, _ := d.Found.(map[string]any)
	rest := maps.Clone(all)
	maps.DeleteFunc(rest, func(key string, _ any) bool { return bookkeeping(key) })
	if len(rest) == 0 {
		return nil
	}
	return rest
}

// moved says whether what a difference takes away stands under another name beside it, with all that it holds: an
// autoscaler that looks at the CPU of pods looks at that of their container.
func moved(removed *Difference, all []Difference) bool {
	return slices.ContainsFunc(all, func(added Difference) bool {
		_, isObject := removed.Found.(map[string]any)
		return isObject && added.Kind == Added && added.Object == removed.Object && parent(added.Path) == parent(removed.Path) && holds(added.Golden, removed.Found)
	})
}

// holds says whether a value has all that another one has.
func holds(value, other any) bool {
	v, ok := value.(map[string]any)
	o, isObject := other.(map[string]any)
	if !ok || !isObject {
		return reflect.DeepEqual(value, other)
	}
	for key, member := range o {
		if !holds(v[key], member) {
			return false
		}
	}
	return true
}

// fixed names the claims that pods of the golden path mount, and that what was found does not have.
func (f *fitter) fixed(best *outcome) {
	if f.in.Workload.GetKind() != "StatefulSet" {
		return
	}
	names := map[string]bool{}
	claims, _, _ := unstructured.NestedSlice(f.in.Workload.Object, "spec", "volumeClaimTemplates")
	golden := best.objects[best.pairs[0].object].Object.Object
	volumes, _, _ := unstructured.NestedSlice(golden, "spec", "template", "spec", "volumes")
	for _, claim := range claims {
		name, _, _ := unstructured.NestedString(claim.(map[string]any), "metadata", "name")
		names[name] = true
	}
	for _, volume := range volumes {
		name, _, _ := unstructured.NestedString(volume.(map[string]any), "name")
		names[name] = true
	}
	containers, _, _ := unstructured.NestedSlice(golden, "spec", "template", "spec", "containers")
	for _, container := range containers {
		mounts, _, _ := unstructured.NestedSlice(container.(map[string]any), "volumeMounts")
		for _, mount := range mounts {
			if name, _, _ := unstructured.NestedString(mount.(map[string]any), "name"); !names[name] {
				f.leave(f.in.Workload, "spec.volumeClaimTemplates", nil,
					"Kubernetes lets nobody change it, and the golden path mounts a claim named "+name+": the first new version will be refused; make the Component beside the workload, and move the data")
			}
		}
	}
}
