package offline

import (
	"cmp"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
)

// Workflow is what GitHub Actions needs to know of one Component.
type Workflow struct {
	// Namespace and Component name it.
	Namespace, Component string
	// Files of its repository.
	Files actions.Files
}

// Workflows makes the files of the workflows of all Components that GitHub Actions builds. What is wrong is among the findings.
func (w *World) Workflows(standard pipeline.Standard, config actions.Config) []Workflow {
	var all []Workflow
	named := map[string]*Component{}
	for _, component := range w.components {
		source := component.Spec.Source
		if source == nil || source.Engine != platformv1alpha1.EngineGitHubActions {
			continue
		}
		if other := named[component.Name]; other != nil {
			w.report(component.document, "metadata.name", Error, "Component %s/%s has the same name, and the files of a workflow are named by it: rename one of them",
				other.Namespace, other.Name)
			continue
		}
		named[component.Name] = component
		if files, ok := w.workflow(component, standard, config); ok {
			all = append(all, Workflow{Namespace: component.Namespace, Component: component.Name, Files: files})
		}
	}
	return all
}

// TemplatesOf names the ServiceTemplates that the Components follow, sorted.
func (w *World) TemplatesOf() []string {
	var names []string
	for _, component := range w.components {
		names = append(names, component.Spec.TemplateRef.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (w *World) workflow(component *Component, standard pipeline.Standard, config actions.Config) (actions.Files, bool) {
	t, fieldErr := w.templateOf(component)
	if fieldErr != nil {
		w.fieldError(component.document, fieldErr)
		return nil, false
	}
	compiled := w.compile(t)
	if compiled == nil {
		w.brokenTemplate(t)
		return nil, false
	}
	if compiled.Pipeline() == nil {
		w.report(component.document, "spec.templateRef.name", Error, "ServiceTemplate %s has no pipeline: nothing says what GitHub Actions should run", t.Name)
		return nil, false
	}
	source := component.Spec.Source
	// Of all environments alike, as for Builds in the cluster.
	given, err := object(component.Spec.Parameters)
	if err != nil {
		w.report(component.document, "spec.parameters", Error, "%v", err)
		return nil, false
	}
	parameters, errs := compiled.ResolveParameters(given, field.NewPath("spec", "parameters"))
	if len(errs) > 0 {
		for _, err := range errs {
			w.fieldError(component.document, err)
		}
		return nil, false
	}
	team, _ := w.home(component.Namespace)
	in := pipeline.Input{
		Component: pipeline.Component{
			Name: component.Name, Namespace: component.Namespace, Team: team, Repository: source.Repository, Path: source.Path, Branch: cmp.Or(source.Branch, "main"),
		},
		Parameters: parameters, Image: source.Image, Standard: standard,
	}
	plan, err := compiled.Pipeline().Everything(in)
	if planning := (*pipeline.Error)(nil); errors.As(err, &planning) {
		w.report(component.document, "spec.templateRef.name", Error, "the pipeline of ServiceTemplate %s does not fit: %v", t.Name, err)
		return nil, false
	}
	var files actions.Files
	if err == nil {
		files, err = actions.Generate(actions.Input{
			Component: in.Component, Parameters: parameters, Branch: in.Component.Branch, Image: source.Image, Plan: plan, Config: config,
			Tags: source.Tags, PullRequests: source.PullRequests,
		})
	}
	if err != nil {
		w.report(component.document, "spec.source", Error, "%v", err)
	}
	return files, err == nil
}
