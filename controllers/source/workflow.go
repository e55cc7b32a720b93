package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/gittext"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/template"
)

// Workflows is what the workflows in repositories are made of, beside golden paths and Components.
type Workflows struct {
	Config    actions.Config
	Standard  pipeline.Standard
	Revisions *revision.Compiled
}

// compares says whether the repository of a Component is asked only for its workflow: there is an engine that has one there, and the
// platform says what workflows are made of.
func (r *Reconciler) compares(c *platformv1alpha1.Component) bool {
	source := c.Spec.Source
	return r.Workflows != nil && named(c) && source.Trigger != platformv1alpha1.TriggerNone && build.Engine(source) == platformv1alpha1.EngineGitHubActions
}

// asks says whether the repository of a Component is asked at all.
func (r *Reconciler) asks(c *platformv1alpha1.Component) bool { return Builds(c) || r.compares(c) }

// compared is what a workflow was compared with last, and what came of it. It spares a connection while both stay as they were.
type compared struct {
	sha    string
	wanted [sha256.Size]byte
	status *platformv1alpha1.SourcePipelineStatus
}

// compare says how the workflow in the repository differs from the golden path. The repository is read only where its branch is
// another than when it was read last, or another workflow should be there.
func (r *Reconciler) compare(ctx context.Context, c *platformv1alpha1.Component, t *turn, repository gitsource.Repository, head gitsource.Head) (*finding, error) {
	wanted, err := r.workflow(ctx, c)
	var none *noWorkflowError
	if errors.As(err, &none) {
		return &finding{head: head.SHA, pipeline: &platformv1alpha1.SourcePipelineStatus{
			State: platformv1alpha1.PipelineUnknown, Revision: wanted.revision, Message: gittext.Line(none.message, maxMessage),
		}}, nil
	}
	if err != nil {
		return nil, err
	}
	sum := wanted.sum()
	if t.compared.sha == head.SHA && t.compared.wanted == sum {
		return &finding{head: head.SHA, pipeline: t.compared.status}, nil
	}
	listing, err := r.Git.List(ctx, repository, actions.Workflow(c.Name), actions.Folder(c.Name))
	if err != nil {
		return found(head.SHA, err)
	}
	status := &platformv1alpha1.SourcePipelineStatus{State: platformv1alpha1.PipelineInStep, Revision: wanted.revision}
	if differences := wanted.differences(listing.Files); len(differences) > 0 {
		status.State, status.Message = platformv1alpha1.PipelineBehind, behind(c, listing.SHA, wanted.revision, differences)
	}
	t.compared = compared{sha: listing.SHA, wanted: sum, status: status}
	return &finding{head: listing.SHA, pipeline: status}, nil
}

// behind names the files that differ, and what to do.
func behind(c *platformv1alpha1.Component, sha string, number int64, differences []actions.Difference) string {
	const most, short = 8, 12
	var names []string
	for _, d := range differences[:min(len(differences), most)] {
		shown, ok := gittext.File(d.Path)
		if !ok {
			shown = actions.Folder(c.Name) + "/…"
		}
		names = append(names, fmt.Sprintf("%s (%s)", shown, d.State))
	}
	if more := len(differences) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return gittext.Line(fmt.Sprintf(
		"Commit %s of branch %s is not in step with revision %d of ServiceTemplate %s: run towpath pipeline sync --from-cluster in the repository, and push what it writes. These differ: %s.",
		sha[:min(len(sha), short)], build.Branch(c.Spec.Source), number, c.Spec.TemplateRef.Name, strings.Join(names, ", ")), maxMessage)
}

// workflow is what a repository should hold.
type workflow struct {
	revision int64
	// either are files of which one set should be there: one as somebody makes them who knows of which team the Component is, and one as
	// somebody who does not. A repository alone does not tell that.
	either []actions.Files
}

// sum tells one from another.
func (w *workflow) sum() [sha256.Size]byte {
	sum := sha256.New()
	for _, files := range w.either {
		for _, path := range slices.Sorted(maps.Keys(files)) {
			_, _ = fmt.Fprintf(sum, "%d %s %d ", len(path), path, len(files[path]))
			_, _ = sum.Write(files[path])
		}
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

// differences are those from the set that fewer differ from.
func (w *workflow) differences(hashes map[string]string) []actions.Difference {
	fewest := actions.DriftOf(w.either[0], hashes)
	for _, files := range w.either[1:] {
		if found := actions.DriftOf(files, hashes); len(found) < len(fewest) {
			fewest = found
		}
	}
	return fewest
}

// noWorkflowError is why a golden path makes no workflow for a Component.
type noWorkflowError struct{ message string }

func (e *noWorkflowError) Error() string { return e.message }

func noWorkflow(format string, args ...any) error {
	return &noWorkflowError{fmt.Sprintf(format, args...)}
}

// workflow makes the files that the repository of a Component should hold, as towpath pipeline sync does: of the revision that the Component
// pins, else of the newest.
func (r *Reconciler) workflow(ctx context.Context, c *platformv1alpha1.Component) (workflow, error) {
	w, name := workflow{}, c.Spec.TemplateRef.Name
	if pin := c.Spec.TemplateRef.Revision; pin != nil {
		w.revision = *pin
	} else {
		var t platformv1alpha1.ServiceTemplate
		err := r.Get(ctx, types.NamespacedName{Name: name}, &t)
		switch {
		case apierrors.IsNotFound(err):
			return w, noWorkflow("ServiceTemplate %s does not exist: correct spec.templateRef.name.", name)
		case err != nil:
			return w, fmt.Errorf("reading ServiceTemplate %s: %w", name, err)
		case t.Status.LatestRevision == nil:
			return w, noWorkflow("ServiceTemplate %s has no revision yet: kubectl describe servicetemplate %s says why.", name, name)
		}
		w.revision = t.Status.LatestRevision.Number
	}
	compiled, err := r.Workflows.Revisions.Get(ctx, revision.Name(name, w.revision))
	switch {
	case apierrors.IsNotFound(err):
		return w, noWorkflow("Revision %d of ServiceTemplate %s does not exist: pin another in spec.templateRef.revision.", w.revision, name)
	case err != nil:
		return w, err
	case compiled.Pipeline() == nil:
		return w, noWorkflow("Revision %d of ServiceTemplate %s has no pipeline, so nothing says what GitHub Actions should run: give it one, or set spec.source.engine to External.", w.revision, name)
	}
	teams, err := r.teams(ctx, c)
	if err != nil {
		return w, err
	}
	for _, team := range teams {
		files, err := r.generate(c, compiled, team)
		if err != nil {
			return w, noWorkflow("Revision %d of ServiceTemplate %s makes no workflow for Component %s: %v", w.revision, name, c.Name, err)
		}
		w.either = append(w.either, files)
	}
	return w, nil
}

// teams are the names of the team that whoever made the files may have known: its own, and none.
func (r *Reconciler) teams(ctx context.Context, c *platformv1alpha1.Component) ([]string, error) {
	name := build.Environment(c)
	var environment platformv1alpha1.Environment
	err := r.Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: name}, &environment)
	switch {
	case apierrors.IsNotFound(err), err == nil && environment.Status.Team == "":
		return []string{""}, nil
	case err != nil:
		return nil, fmt.Errorf("reading Environment %s: %w", name, err)
	}
	return []string{environment.Status.Team, ""}, nil
}

// generate makes the files for a Component of a team.
func (r *Reconciler) generate(c *platformv1alpha1.Component, compiled *template.Template, team string) (actions.Files, error) {
	source := c.Spec.Source
	given, err := template.DecodeParameters(c.Spec.Parameters)
	if err != nil {
		return nil, err
	}
	parameters, errs := compiled.ResolveParameters(given, field.NewPath("spec", "parameters"))
	if len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	in := pipeline.Input{
		Component: pipeline.Component{
			Name: c.Name, Namespace: c.Namespace, Team: team, Repository: source.Repository, Path: source.Path, Branch: build.Branch(source),
		},
		Parameters: parameters, Image: source.Image, Standard: r.Workflows.Standard,
	}
	plan, err := compiled.Pipeline().Everything(in)
	if err != nil {
		return nil, err
	}
	return actions.Generate(actions.Input{
		Component: in.Component, Parameters: parameters, Branch: in.Component.Branch, Image: source.Image, Plan: plan, Config: r.Workflows.Config,
		Tags: source.Tags, PullRequests: source.PullRequests,
	})
}
