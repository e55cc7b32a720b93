package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/internal/pipeline"
	"github.com/towpath-dev/towpath/internal/pipeline/actions"
)

func newPipeline(connect cluster.Connector, std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pipeline",
		Short: "Keep the workflows of a repository in step with its golden paths",
		Long: `Keep the workflows of a repository in step with the pipelines of its golden paths.

sync writes the files by which GitHub Actions carries a pipeline out; when is what
they call to evaluate conditions.`,
		Args: cobra.NoArgs,
		RunE: help,
	}
	cmd.AddCommand(newPipelineSync(connect, std), newPipelineWhen(std))
	return cmd
}

// syncFlags are the flags of pipeline sync.
type syncFlags struct {
	cluster.Flags
	folders
	files       []string
	dir, config string
	fromCluster bool
	check       bool
}

func newPipelineSync(connect cluster.Connector, std streams) *cobra.Command {
	var flags syncFlags
	cmd := &cobra.Command{
		Use:   "sync --config FILE",
		Short: "Write the workflows of a repository, or check that they are in step",
		Long: `Write the workflows by which GitHub Actions carries out the pipelines of golden
paths, for each Component of the repository whose source.engine is GitHubActions.

Components are read from the files component.yaml of the repository, or those of
-f. Golden paths come from --templates, with --from-cluster from the cluster, else
from the catalogue that ships with Towpath. --config names a file with the
platform's settings below pipeline: which commits of actions may be used, and which
image holds towpath. docs/guides/pipelines-github.md shows one.

For a Component checkout, .github/workflows/towpath-checkout.yaml is written, and
the folder .github/towpath/checkout. Files there that belong to no stage any more are
removed. With --check nothing is written: what differs is shown.

Exit codes: 0 written, or with --check in step, 1 behind, or findings in the
files, 2 the command could not do its work.`,
		Example: `  towpath pipeline sync --config platform.yaml
  towpath pipeline sync --config platform.yaml --from-cluster --check`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.run(cmd.Context(), connect, std, cmd.CommandPath())
		},
	}
	flags.Flags.Bind(cmd)
	flags.bind(cmd)
	cmd.Flags().StringSliceVarP(&flags.files, "filename", "f", nil, "file or folder with Components, - for standard input (default: each component.yaml of the repository)")
	cmd.Flags().StringVar(&flags.dir, "dir", ".", "folder of the repository")
	cmd.Flags().StringVar(&flags.config, "config", "", "file with the platform's settings of pipelines")
	cmd.Flags().BoolVar(&flags.fromCluster, "from-cluster", false, "take golden paths from the cluster")
	cmd.Flags().BoolVar(&flags.check, "check", false, "write nothing, and fail where the repository is behind")
	return cmd
}

// platformSettings are the settings of pipelines, in a file of their own.
type platformSettings struct {
	Pipeline struct {
		// Images of the standard stages, by their names in lower case, as in the manager's configuration.
		Images map[string]string `json:"images"`
		// Buildkitd is the address of the buildkitd as runners reach it.
		Buildkitd string         `json:"buildkitd"`
		Actions   actions.Config `json:"actions"`
	} `json:"pipeline"`
}

// maxSettings is more than any file of settings has.
const maxSettings = 1 << 20

// platform is what the platform's settings say.
type platform struct {
	text     []byte
	config   actions.Config
	standard pipeline.Standard
}

// readSettings reads the platform's settings.
func readSettings(name string) (*platform, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxSettings+1))
	if err == nil && len(text) > maxSettings {
		err = fmt.Errorf("%s has more than %d bytes", name, maxSettings)
	}
	if err != nil {
		return nil, err
	}
	var settings platformSettings
	if err := yaml.UnmarshalStrict(text, &settings); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &settings.Pipeline
	standard := pipeline.Standard{Buildkitd: p.Buildkitd, Images: map[platformv1alpha1.StandardStage]string{}}
	for _, stage := range []platformv1alpha1.StandardStage{
		platformv1alpha1.StageImage, platformv1alpha1.StageSBOM, platformv1alpha1.StageScan, platformv1alpha1.StageSign, platformv1alpha1.StageProvenance,
	} {
		standard.Images[stage] = p.Images[strings.ToLower(string(stage))]
	}
	return &platform{text: text, config: p.Actions, standard: p.Actions.Standard(standard)}, p.Actions.Check(name + ": pipeline.actions")
}

func (f *syncFlags) run(ctx context.Context, connect cluster.Connector, std streams, program string) error {
	if f.config == "" {
		return &trouble{err: errors.New("name the file with the platform's settings of pipelines with --config"), next: program + " --help"}
	}
	settings, err := readSettings(f.config)
	if err != nil {
		return &trouble{err: err, next: "correct the file; docs/guides/pipelines-github.md shows one"}
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return &trouble{err: err, next: "name the folder of the repository with --dir"}
	}
	defer func() { _ = root.Close() }() // every file is closed on its own
	world, err := f.world(ctx, connect, root, std)
	if err != nil {
		return err
	}
	workflows := world.Workflows(settings.standard, settings.config)
	world.Sort()
	for _, finding := range world.Findings {
		if _, err := fmt.Fprintln(std.err, finding); err != nil {
			return err
		}
	}
	if world.Count(offline.Error) > 0 {
		return errFindings
	}
	if len(workflows) == 0 {
		if _, err := fmt.Fprintln(std.err, "note: no Component of the files has GitHubActions as its source.engine"); err != nil {
			return err
		}
	}
	wanted := actions.Files{}
	for _, workflow := range workflows {
		maps.Copy(wanted, workflow.Files)
	}
	found, err := readGenerated(root)
	if err != nil {
		return &trouble{err: err, next: "check the folder .github of the repository"}
	}
	if len(f.files) > 0 {
		// Nothing was said of other Components, which does not mean that there are none.
		maps.DeleteFunc(found, func(path string, _ []byte) bool { return !has(world, actions.Owner(path)) })
	}
	differences := actions.Drift(wanted, found)
	for _, difference := range differences {
		if difference.State == actions.Foreign {
			return &trouble{err: fmt.Errorf("%s exists, and was not made by towpath pipeline sync: nothing is written over", difference.Path), next: "remove or rename it", code: exitFindings}
		}
	}
	if f.check {
		return showDrift(std, differences, wanted, found, program+" --config "+f.config)
	}
	if err := writeWorkflows(root, std.out, differences, wanted); err != nil {
		return &trouble{err: err, next: "check that the folder .github of the repository can be written, and holds no symbolic links"}
	}
	return nil
}

func has(world *offline.World, component string) bool {
	found, _ := world.Has(component)
	return found
}

// world reads the Components, and what they follow.
func (f *syncFlags) world(ctx context.Context, connect cluster.Connector, root *os.Root, std streams) (*offline.World, error) {
	files := f.files
	if len(files) == 0 {
		var err error
		if files, err = findComponents(root); err != nil {
			return nil, &trouble{err: err, next: "check the folder, or name files with -f"}
		}
		if len(files) == 0 {
			return nil, &trouble{err: fmt.Errorf("%s has no file component.yaml", f.dir), next: "name the files of Components with -f, or another folder with --dir"}
		}
		for i := range files {
			files[i] = filepath.Join(f.dir, files[i])
		}
	}
	world, err := f.folders.world(ctx, files, std.in)
	if err != nil || !f.fromCluster {
		return world, err
	}
	connection, err := dial(connect, f.Flags)
	if err != nil {
		return nil, err
	}
	for _, name := range world.TemplatesOf() {
		if err := addTemplate(ctx, connection, f.Flags, world, name); err != nil {
			return nil, err
		}
	}
	return world, nil
}

// findComponents finds the files component.yaml of a repository, but for those that are of dependencies.
func findComponents(root *os.Root) ([]string, error) {
	var files []string
	err := fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "vendor" || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.Type().IsRegular() && entry.Name() == "component.yaml":
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// newPipelineWhen is what workflows call. It reads nothing but its files and what differs from commit to commit.
func newPipelineWhen(std streams) *cobra.Command {
	var conditions, changed string
	cmd := &cobra.Command{
		Use:   "when --conditions FILE",
		Short: "Evaluate the conditions of stages, in a workflow",
		Long: `Evaluate the conditions of stages, as workflows of towpath pipeline sync do. The
branch, the tag and the number of the pull request come from the environment
variables TOWPATH_BRANCH, TOWPATH_TAG and TOWPATH_PULL_REQUEST.

For each stage with a condition, a line stage=true or stage=false is printed.
A condition that depends on which files changed, where nothing tells that, is true.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			next := cmd.CommandPath() + " --help"
			text, err := os.ReadFile(conditions)
			if err != nil {
				return &trouble{err: err, next: next}
			}
			read, err := actions.ReadConditions(text)
			if err != nil {
				return &trouble{err: fmt.Errorf("%s: %w", conditions, err), next: "write the file anew: towpath pipeline sync"}
			}
			build, err := buildFromEnvironment(changed)
			if err != nil {
				return &trouble{err: err, next: next}
			}
			decisions, err := read.Decide(build)
			if err != nil {
				return &trouble{err: err, next: "correct the condition in the ServiceTemplate, then towpath pipeline sync", code: exitFindings}
			}
			for _, decision := range decisions {
				if _, err := fmt.Fprintf(std.out, "%s=%t\n", decision.Stage, decision.Runs); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&conditions, "conditions", "", "file with the conditions, of towpath pipeline sync")
	cmd.Flags().StringVar(&changed, "changed-paths", "", "file with the paths that changed, each ended by a NUL (default: it is not known)")
	return cmd
}

// buildFromEnvironment reads what is built.
func buildFromEnvironment(changed string) (pipeline.Build, error) {
	build := pipeline.Build{Branch: os.Getenv("TOWPATH_BRANCH"), Tag: os.Getenv("TOWPATH_TAG")}
	if number := os.Getenv("TOWPATH_PULL_REQUEST"); number != "" {
		var err error
		if build.PullRequest, err = strconv.ParseInt(number, 10, 64); err != nil {
			return build, fmt.Errorf("TOWPATH_PULL_REQUEST %q must be a number", number)
		}
	}
	if changed == "" {
		return build, nil
	}
	text, err := os.ReadFile(changed)
	build.ChangedPaths = []string{}
	for path := range strings.SplitSeq(string(text), "\x00") {
		if path != "" {
			build.ChangedPaths = append(build.ChangedPaths, path)
		}
	}
	return build, err
}
