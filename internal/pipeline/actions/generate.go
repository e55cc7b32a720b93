package actions

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"strings"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
	"github.com/towpath-dev/towpath/internal/pipeline"
)

const (
	// planJob decides what runs and until when, recordJob records the Build. Names of stages have no underscore.
	planJob, recordJob = "towpath_plan", "towpath_record"
	// slack is what a job may take besides its stage: to fetch the sources, artifacts and the image.
	slack = 15 * time.Minute
	// maxJobMinutes is how long GitHub lets a job run on its own runners.
	maxJobMinutes = int(pipeline.GitHubJob / time.Minute)
)

// Input is all that the files depend on.
type Input struct {
	// Component that is built, and the parameters that its conditions know.
	Component  pipeline.Component
	Parameters map[string]any
	// Branch whose commits are built. Pushes to it, tags, and pull requests into it start the workflow.
	Branch string
	// Tags are the patterns of those that start it. Default: all do.
	Tags []string
	// PullRequests says which start it. Default: all into the branch, those of forks without secrets.
	PullRequests platformv1alpha1.SourcePullRequests
	// Image is where the pipeline pushes to, without a tag.
	Image string
	// Plan of a Build of which nothing is known, as Everything gives it. What it skips runs for no commit, and has no job.
	Plan pipeline.Plan
	// Config is the platform's.
	Config Config
}

// Files are the contents of files by their paths in the repository, with slashes.
type Files map[string][]byte

// Folder is where what belongs to the workflow of a Component stands in its repository.
func Folder(component string) string { return ".github/towpath/" + component }

// Workflow is the path of the workflow of a Component.
func Workflow(component string) string { return ".github/workflows/towpath-" + component + ".yaml" }

// header is the first line of all that is generated: Drift knows by it what was.
func header(component string) string {
	return "# Made by towpath pipeline sync for Component " + component + ": changes are overwritten. Change the ServiceTemplate instead.\n"
}

// stage is what the steps of one stage have in common, and the steps: of a matrix one a combination.
type stage struct {
	*pipeline.Step
	runs []pipeline.Step
	// before are all stages that it needs, directly or not, in the order of the plan.
	before []*stage
}

// generator is the state of one Generate.
type generator struct {
	*Input
	stages []*stage
	files  Files
}

// Generate gives the files by which GitHub Actions carries out the pipeline of a Component.
func Generate(in Input) (Files, error) {
	if err := in.check(); err != nil {
		return nil, fmt.Errorf("component %s: %w", in.Component.Name, err)
	}
	g := &generator{Input: &in, stages: group(in.Plan.Steps), files: Files{}}
	for _, s := range g.stages {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("component %s: stage %s: %w", in.Component.Name, s.Stage, err)
		}
	}
	w := g.workflow()
	plan, err := g.planJob()
	if err != nil {
		return nil, err
	}
	if g.PullRequests == platformv1alpha1.PullRequestsSameRepository {
		plan.If = "${{ " + ofTheRepository + " }}"
	}
	w.Jobs = append(w.Jobs, named{planJob, plan})
	for _, s := range g.stages {
		one, err := g.stageJob(s)
		if err != nil {
			return nil, err
		}
		if plan.If != "" { // a job that was skipped keeps none from running that asks for failures alone
			one.If = strings.TrimSuffix(one.If, " }}") + " && needs." + planJob + ".result == 'success' }}"
		}
		w.Jobs = append(w.Jobs, named{s.Stage, one})
	}
	record, err := g.recordJob()
	if err != nil {
		return nil, err
	}
	w.Jobs = append(w.Jobs, named{recordJob, record})
	text, err := w.encode(header(in.Component.Name))
	if err != nil {
		return nil, err
	}
	g.files[Workflow(in.Component.Name)] = text
	return g.files, g.conditions()
}

// check refuses what would lead out of the files or the meaning that it should have.
func (in *Input) check() error {
	c := &in.Component
	switch {
	case !namePattern().MatchString(c.Name) || !namePattern().MatchString(c.Namespace):
		return fmt.Errorf("metadata.name %q and metadata.namespace %q must be DNS labels: they stand in paths of files", c.Name, c.Namespace)
	case in.Image == "":
		return fmt.Errorf("spec.source.image must be set: it is where the workflow pushes to")
	case in.Branch == "":
		return fmt.Errorf("spec.source.branch must be set: it is whose commits the workflow builds")
	case !branchName(in.Branch):
		return fmt.Errorf("spec.source.branch %q must be a name that git allows to a branch, without ${{, which GitHub evaluates", in.Branch)
	case c.Path != "" && !plain(c.Path):
		return fmt.Errorf("spec.source.path %q must be of letters, digits and _.@+-/ alone: it stands in filters and paths of the workflow", c.Path)
	}
	return nil
}

var (
	namePattern = lazyregexp.New(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	pathPattern = lazyregexp.New(`^[A-Za-z0-9_.@+][-A-Za-z0-9_.@+/]*$`)
)

// branchName says whether git allows a name to a branch, and GitHub takes it for what it is.
func branchName(name string) bool {
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }
	for _, part := range []string{"..", "@{", "//", "${{"} {
		if strings.Contains(name, part) {
			return false
		}
	}
	return !strings.ContainsFunc(name, bad) && !strings.HasPrefix(name, "-") && !strings.HasPrefix(name, "/") &&
		!strings.HasSuffix(name, "/") && !strings.HasSuffix(name, ".") && !strings.HasSuffix(name, ".lock")
}

// plain says whether a path stays below the directory that it is relative to, and holds nothing that shells or filters give a meaning.
func plain(one string) bool {
	return pathPattern().MatchString(one) && one == path.Clean(one) && one != "." && one != ".." && !strings.HasPrefix(one, "../")
}

// group puts the steps of each stage together, and finds out what comes before it. What needs a stage that is skipped needs what that does.
func group(steps []pipeline.Step) []*stage {
	var stages []*stage
	byStage, byStep := map[string]*stage{}, map[string]*stage{}
	for i := range steps {
		if steps[i].Skipped {
			continue
		}
		s := byStage[steps[i].Stage]
		if s == nil {
			s = &stage{Step: &steps[i]}
			byStage[s.Stage], stages = s, append(stages, s)
		}
		s.runs = append(s.runs, steps[i])
		byStep[steps[i].Name] = s
	}
	before := map[*stage]map[*stage]bool{}
	for _, s := range stages {
		before[s] = map[*stage]bool{}
		for _, name := range s.Needs {
			needed := byStep[name]
			if needed == nil {
				continue
			}
			before[s][needed] = true
			maps.Copy(before[s], before[needed])
		}
		for _, other := range stages {
			if before[s][other] {
				s.before = append(s.before, other)
			}
		}
	}
	return stages
}

// check refuses what GitHub Actions cannot carry out.
func (s *stage) check() error {
	for _, one := range s.runs {
		if one.Image == "" {
			return fmt.Errorf("no image is known for it: name one in the template, or in the platform's configuration of standard stages")
		}
		if strings.HasPrefix(one.Image, "-") {
			return fmt.Errorf("image %q must not begin with -", one.Image)
		}
		var names []string
		for _, e := range one.Env {
			if err := pipeline.GitHubVariable(e.Name); err != nil {
				return err
			}
			names = append(names, e.Name)
		}
		for _, e := range s.SecretEnv {
			names = append(names, e.Name)
		}
		if err := pipeline.GitHubVariables(names); err != nil {
			return err
		}
	}
	for _, e := range s.SecretEnv {
		if err := pipeline.GitHubVariable(e.Name); err != nil {
			return err
		}
		if err := pipeline.GitHubSecret(e.SecretKeyRef.Key); err != nil {
			return fmt.Errorf("secretEnv[%s].secretKeyRef.key: %w", e.Name, err)
		}
	}
	for _, paths := range [][]string{s.Artifacts, s.Cache} {
		for _, one := range paths {
			if !plain(one) {
				return fmt.Errorf("path %q must be of letters, digits and _.@+-/ alone, and below the sources", one)
			}
		}
	}
	return nil
}

// What differs from commit to commit. These are values of environment variables alone, and in no line that a shell reads. A branch of a
// fork is shown with its owner and a colon before it, which no name of a branch holds: it cannot pass for one of ours.
const (
	commitOf = "${{ github.event.pull_request.head.sha || github.sha }}"
	branchOf = "${{ github.event_name != 'pull_request' && (github.ref_type == 'branch' && github.ref_name || '') || " +
		"github.event.pull_request.head.repo.full_name == github.repository && github.head_ref || github.event.pull_request.head.label }}"
	tagOf         = "${{ github.ref_type == 'tag' && github.ref_name || '' }}"
	pullRequestOf = "${{ github.event.pull_request.number }}"
	// imageTagOf is what pipeline.Input.Reference has: what a pull request or a tag brings takes no tag of the branch's.
	imageTagOf = "${{ github.event_name == 'pull_request' && 'pr-' || github.ref_type == 'tag' && 'tag-' || '' }}" +
		pullRequestOf + "${{ github.event_name == 'pull_request' && '-' || '' }}" + commitOf
	// ofTheRepository holds but for pull requests of forks.
	ofTheRepository = "github.event_name != 'pull_request' || github.event.pull_request.head.repo.full_name == github.repository"
	runURL          = "${{ github.server_url }}/${{ github.repository }}/actions/runs/${{ github.run_id }}"
)

// buildVariables are the names of the variables that tell a stage what is built, the same for all: the workflow sets them once.
var buildVariables = []string{"TOWPATH_BRANCH", "TOWPATH_COMMIT", "TOWPATH_IMAGE", "TOWPATH_PULL_REQUEST", "TOWPATH_TAG"}

func (g *generator) workflow() *workflow {
	w := &workflow{
		Name: "towpath-" + g.Component.Name,
		On: triggers{
			Push:        push{Branches: []string{pattern(g.Branch)}, Tags: []string{"**"}},
			PullRequest: &pullRequest{Branches: []string{pattern(g.Branch)}},
		},
		Permissions: map[string]string{},
		Concurrency: concurrency{
			Group:            "towpath-" + g.Component.Name + "-${{ github.ref }}",
			CancelInProgress: g.Plan.Concurrency != platformv1alpha1.ConcurrencyQueue,
		},
		Env: map[string]string{
			"TOWPATH_COMMIT": commitOf, "TOWPATH_BRANCH": branchOf, "TOWPATH_TAG": tagOf, "TOWPATH_PULL_REQUEST": pullRequestOf,
			"TOWPATH_IMAGE": literal(g.Image) + ":" + imageTagOf,
		},
	}
	w.Defaults.Run.Shell = "bash"
	if g.Component.Path != "" {
		paths := []string{pattern(g.Component.Path) + "/**"}
		w.On.Push.Paths, w.On.PullRequest.Paths = paths, paths
	}
	if len(g.Tags) > 0 {
		w.On.Push.Tags = g.Tags
	}
	if g.PullRequests == platformv1alpha1.PullRequestsNone {
		w.On.PullRequest = nil
	}
	return w
}

// checkout fetches the sources of the commit, and leaves no credentials behind.
func (g *generator) checkout(depth string) (step, error) {
	uses, err := g.Config.use(actionCheckout)
	if err != nil {
		return step{}, err
	}
	with := map[string]string{"ref": "${{ env.TOWPATH_COMMIT }}", "persist-credentials": "false"}
	if depth != "" {
		with["fetch-depth"] = depth
	}
	return step{Name: "Fetch the sources", Uses: uses, With: with}, nil
}

func conditionsFile(component string) string { return Folder(component) + "/conditions.json" }

// conditions writes the file of the conditions, where there are any.
func (g *generator) conditions() error {
	c := Conditions{Component: ConditionsComponent(g.Component), Parameters: g.Parameters}
	for _, s := range g.stages {
		if s.When != "" {
			c.Stages = append(c.Stages, ConditionsStage{Name: s.Stage, When: s.When})
		}
	}
	if len(c.Stages) == 0 {
		return nil
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	g.files[conditionsFile(g.Component.Name)] = append(text, '\n')
	return nil
}

// minutes rounds up, since GitHub counts minutes, and never beyond what it allows.
func minutes(d time.Duration) int {
	return min(int((d+time.Minute-1)/time.Minute), maxJobMinutes)
}
