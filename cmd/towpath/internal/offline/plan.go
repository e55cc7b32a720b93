package offline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/guard"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/sleep"
	"github.com/towpath-dev/towpath/internal/template"
)

// Settings stand for what a cluster would know.
type Settings struct {
	// Team, CostCenter and Tier are used where the files do not tell them.
	Team, CostCenter string
	Tier             platformv1alpha1.Tier
	// OwnerUID is used for Components without one.
	OwnerUID types.UID
	// Capabilities are the optional APIs of the cluster, as group/version/Kind.
	Capabilities []string
	// LabelAliases are further labels, each with the Towpath label whose value it repeats.
	LabelAliases map[string]string
}

// unknownValue stands for a team or cost centre that nobody told.
const unknownValue = "unknown"

// place is one environment of a Component with what is known of it.
type place struct {
	render.Environment
	team, costCenter string
	podSecurity      platformv1alpha1.PodSecurityLevel
	tokens           platformv1alpha1.ServiceAccountTokens
	kinds            []platformv1alpha1.AllowedKind
	// assumed are the things that nobody told.
	assumed []string
}

// placeOf finds out about an environment of a Component: from the files, then from the settings.
func (w *World) placeOf(component *Component, name string, settings *Settings) place {
	found := place{podSecurity: platformv1alpha1.PodSecurityRestricted, tokens: platformv1alpha1.TokensForbidden}
	found.Name = name
	team, costCenter := w.home(component.Namespace)
	known := w.environments[key{component.Namespace, name}]
	if known != nil {
		found.Class = known.Spec.ClassRef.Name
		found.Tier, found.Namespace = known.Status.Tier, known.Status.Namespace
		found.podSecurity = cmp.Or(known.Status.PodSecurity, found.podSecurity)
		found.tokens, found.kinds = cmp.Or(known.Status.ServiceAccountTokens, found.tokens), known.Status.AllowedKinds
		team, costCenter = cmp.Or(team, known.Status.Team), cmp.Or(costCenter, known.Status.CostCenter)
		if class := w.classes[found.Class]; class != nil {
			found.Tier, found.podSecurity = class.Spec.Tier, cmp.Or(class.Spec.PodSecurity, found.podSecurity)
			found.tokens, found.kinds = cmp.Or(class.Spec.ServiceAccountTokens, found.tokens), class.Spec.AllowedKinds
		}
	}
	found.team, found.costCenter = cmp.Or(team, settings.Team), cmp.Or(costCenter, settings.CostCenter)
	found.Tier = cmp.Or(found.Tier, settings.Tier)
	if found.team == "" {
		found.team, found.assumed = unknownValue, append(found.assumed, "team (give --team, the Team, or the Namespace with its labels)")
	}
	if found.costCenter == "" {
		found.costCenter, found.assumed = unknownValue, append(found.assumed, "cost centre (give --cost-center, the Team, or the Namespace with its labels)")
	}
	if found.Tier == "" {
		found.Tier = platformv1alpha1.TierDevelopment
		found.assumed = append(found.assumed, "tier of environment "+name+" (give --tier, or the Environment)")
	}
	if found.Class == "" {
		found.Class = strings.ToLower(string(found.Tier))
	}
	if found.Namespace == "" {
		found.Namespace = environment.NamespaceName(found.team, name)
	}
	return found
}

// resolve merges and checks the parameters of one environment. What is wrong is reported where the
// file says it: at the environment's own parameters, else at the common ones.
func (w *World) resolve(component *Component, index int, compiled *template.Template) (map[string]any, bool) {
	base, err := object(component.Spec.Parameters)
	if err != nil {
		w.report(component.document, "spec.parameters", Error, "%v", err)
		return nil, false
	}
	step := component.Spec.Environments[index]
	over, err := object(step.Parameters)
	if err != nil {
		w.report(component.document, fmt.Sprintf("spec.environments[%d].parameters", index), Error, "%v", err)
		return nil, false
	}
	at := field.NewPath("parameters")
	resolved, errs := compiled.ResolveParameters(template.MergeParameters(base, over), at)
	for _, err := range errs {
		rest := strings.TrimPrefix(err.Field, at.String())
		path := "spec.parameters" + rest
		if has(over, rest) || len(base) == 0 && len(over) > 0 {
			path = fmt.Sprintf("spec.environments[%d].parameters", index) + rest
		}
		w.report(component.document, path, Error, "%s", strings.ReplaceAll(err.ErrorBody(), at.String()+rest, path))
	}
	return resolved, len(errs) == 0
}

// object decodes parameters. Numbers stay whole, as in a cluster.
func object(raw *apiextensionsv1.JSON) (map[string]any, error) {
	if raw == nil || len(raw.Raw) == 0 || string(raw.Raw) == "null" {
		return nil, nil
	}
	var value map[string]any
	if err := utiljson.Unmarshal(raw.Raw, &value); err != nil {
		return nil, fmt.Errorf("must be an object: %w", err)
	}
	return value, nil
}

// has reports whether values have a field of a path such as .replicas.max or .hosts[0].
func has(values map[string]any, path string) bool {
	steps := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	var at any = values
	for _, step := range steps {
		below, ok := at.(map[string]any)
		if !ok {
			// A list is replaced as a whole, so its items come from where it stands.
			_, isList := at.([]any)
			return isList
		}
		if at, ok = below[step]; !ok {
			return false
		}
	}
	return len(steps) > 0 && len(values) > 0
}

// imageOf is the image that a Component runs. Of one that is yet to be built only the place is known.
func imageOf(component *Component) string {
	if source := component.Spec.Source; component.Spec.Image == "" && source != nil {
		for _, e := range component.Status.Environments {
			if e.Image != "" {
				return e.Image
			}
		}
		return cmp.Or(source.Image, component.Name) + ":unbuilt"
	}
	return component.Spec.Image
}

// input is what the controller would freeze in a Release.
func (w *World) input(component *Component, at place, t *Template, parameters map[string]any, settings *Settings) render.Input {
	in := render.Input{
		OwnerUID:      ownerUID(component, settings.OwnerUID),
		Component:     component.Name,
		HomeNamespace: component.Namespace,
		Team:          at.team,
		CostCenter:    at.costCenter,
		Environment:   at.Environment,
		Template:      t.Name,
		Revision:      t.Revision,
		Image:         imageOf(component),
		Parameters:    parameters,
		Env:           component.Spec.Env,
		SecretEnv:     component.Spec.SecretEnv,
		LabelAliases:  settings.LabelAliases,
	}
	if commit := component.Spec.Commit; commit != nil {
		in.Commit = commit.SHA
	}
	// A Release records those capabilities that the template asks for, and no others.
	for _, capability := range t.compiled.Capabilities() {
		if slices.Contains(settings.Capabilities, capability) {
			in.Capabilities = append(in.Capabilities, capability)
		}
	}
	return in
}

// refusals asks the guard about rendered objects.
func (w *World) refusals(t *Template, objects []render.Object, policy guard.Policy) []guard.Refusal {
	checked := make([]guard.Object, len(objects))
	versions := map[schema.GroupKind]schema.GroupVersionKind{}
	for i, object := range objects {
		checked[i] = guard.Object{Resource: object.Resource, Object: object.Object}
		gvk := object.Object.GroupVersionKind()
		versions[gvk.GroupKind()] = gvk
	}
	policy.Namespaced = func(kind schema.GroupKind) (namespaced, known bool) {
		gvk := versions[kind]
		if found, err := w.kinds.Kind(gvk); err == nil {
			return found.Namespaced, true
		}
		// An optional API that no definition is at hand for: the cluster that has it will say.
		asked := slices.Contains(t.compiled.Capabilities(), gvk.GroupVersion().String()+"/"+gvk.Kind)
		return asked, asked
	}
	return guard.Check(checked, policy)
}

// Result is one Component in one environment, rendered.
type Result struct {
	// Namespace is the home namespace of the Component.
	Namespace, Component, Environment string
	// Template is the name of the golden path.
	Template string
	Objects  []render.Object
	// Assumed are the things that the files did not tell, so that the cluster may render otherwise.
	Assumed []string
	// Tier of the environment, and when it sleeps.
	Tier  platformv1alpha1.Tier
	Sleep sleep.Plan
}

// Place is one environment of a Component.
type Place struct {
	// Namespace is the home namespace of the Component.
	Namespace, Component, Environment string
}

func (p Place) String() string { return p.Namespace + "/" + p.Component + " in " + p.Environment }

// Place is what was rendered where.
func (r *Result) Place() Place { return Place{r.Namespace, r.Component, r.Environment} }

// Selection chooses what to render; empty fields choose all.
type Selection struct {
	Component    string
	Environments []string
}

func (s Selection) matches(component, environment string) bool {
	return (s.Component == "" || s.Component == component) &&
		(len(s.Environments) == 0 || slices.Contains(s.Environments, environment))
}

// Render renders the Components and Releases of the files, in the order of the files and of their
// paths. What stands in the way becomes a Finding.
func (w *World) Render(selection Selection, settings *Settings) []Result {
	var results []Result
	for _, component := range w.components {
		t, err := w.templateOf(component)
		if err != nil {
			if selection.matches(component.Name, "") || selection.Component == component.Name {
				w.fieldError(component.document, err)
			}
			continue
		}
		for i, step := range component.Spec.Environments {
			if !selection.matches(component.Name, step.Name) {
				continue
			}
			if w.compile(t) == nil {
				w.brokenTemplate(t)
				continue
			}
			if result := w.renderComponent(component, i, t, settings); result != nil {
				results = append(results, *result)
			}
		}
	}
	return append(results, w.renderReleases(selection)...)
}

// renderComponent renders a Component in one environment of its path; nil where something is in the way.
func (w *World) renderComponent(component *Component, index int, t *Template, settings *Settings) *Result {
	name := component.Spec.Environments[index].Name
	parameters, ok := w.resolve(component, index, t.compiled)
	if !ok || !w.checkUses(component) {
		return nil
	}
	at := w.placeOf(component, name, settings)
	in := w.input(component, at, t, parameters, settings)
	if in.Overrides, ok = w.overrides(component, t); !ok {
		return nil
	}
	at.assumed = append(at.assumed, w.unknownKinds(component, t)...)
	var missing []string
	in.Uses, missing = w.used(component, name, settings)
	objects, ok := w.render(component.document, fmt.Sprintf("spec.environments[%d]", index), t, in, at)
	if !ok {
		return nil
	}
	if len(settings.LabelAliases) == 0 {
		at.assumed = append(at.assumed, "no label aliases (give --label-alias as the manager has it, if it has any)")
	}
	return &Result{
		Namespace: component.Namespace, Component: component.Name, Environment: name, Template: t.Name, Objects: objects,
		Assumed: append(at.assumed, missing...), Tier: at.Tier, Sleep: w.sleepOf(component.Namespace, name, at.Tier),
	}
}

// sleepOf is when an environment sleeps, as far as the files have it and its class.
func (w *World) sleepOf(namespace, name string, tier platformv1alpha1.Tier) sleep.Plan {
	plan := sleep.Plan{Tier: tier}
	if known := w.environments[key{namespace, name}]; known != nil {
		plan.UID, plan.Own = known.UID, known.Spec.Sleep
		if class := w.classes[known.Spec.ClassRef.Name]; class != nil {
			plan.Class = class.Spec.Sleep
		}
	}
	return plan
}

// renderReleases renders Releases, which tell everything themselves.
func (w *World) renderReleases(selection Selection) []Result {
	var results []Result
	for _, release := range w.releases {
		spec := &release.Spec
		if !selection.matches(spec.Component.Name, spec.Environment.Name) {
			continue
		}
		t := w.revisions[spec.Revision.Name]
		if t == nil {
			w.report(release.document, "spec.revision.name", Error, "%q: the files must hold this ServiceTemplateRevision; add it: kubectl get servicetemplaterevision %s -o yaml",
				spec.Revision.Name, spec.Revision.Name)
			continue
		}
		if w.compile(t) == nil {
			w.brokenTemplate(t)
			continue
		}
		objects, err := render.Release(t.compiled, release.Release)
		if w.accept(release.document, "spec", t, objects, err, render.Policy(release.Release)) {
			results = append(results, Result{
				Namespace: release.Namespace, Component: spec.Component.Name, Environment: spec.Environment.Name, Template: t.Name,
				Objects: objects, Tier: spec.Environment.Tier, Sleep: w.sleepOf(release.Namespace, spec.Environment.Name, spec.Environment.Tier),
			})
		}
	}
	return results
}

// render renders and guards, and reports what either does not like.
func (w *World) render(document *manifest.Document, path string, t *Template, in render.Input, at place) ([]render.Object, bool) {
	objects, err := render.Render(t.compiled, in)
	policy := guard.Policy{
		Namespace: in.Environment.Namespace, Labels: render.Labels(in), PodSecurity: at.podSecurity, Tokens: at.tokens,
		Class: in.Environment.Class, AllowedKinds: at.kinds,
	}
	return objects, w.accept(document, path, t, objects, err, policy)
}

// accept reports why rendered objects are not acceptable.
func (w *World) accept(document *manifest.Document, path string, t *Template, objects []render.Object, err error, policy guard.Policy) bool {
	if err != nil {
		w.report(document, path, Error, "template %s does not render: %v", t.Name, err)
		return false
	}
	refusals := w.refusals(t, objects, policy)
	for _, refusal := range refusals {
		w.report(document, path, Error, "template %s makes what is refused: %s", t.Name, refusal.Error())
	}
	return len(refusals) == 0
}

// brokenTemplate reports what keeps a template from compiling, at the template.
func (w *World) brokenTemplate(t *Template) {
	for _, err := range t.errs {
		w.fieldError(t.document, err)
	}
}

// Has reports whether the files have a Component, or a Release of one.
func (w *World) Has(component string) (found bool, others []string) {
	for _, known := range w.components {
		others = append(others, known.Name)
	}
	for _, known := range w.releases {
		others = append(others, known.Spec.Component.Name)
	}
	slices.Sort(others)
	return slices.Contains(others, component), slices.Compact(others)
}

// JSON is the object as it is sent to the API server.
func JSON(object render.Object) ([]byte, error) { return json.Marshal(object.Object) }
