package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/internal/scaffold"
	"github.com/towpath-dev/towpath/internal/version"
)

// The Dockerfile's images, unless flags say others. They are names of images that exist, without digests: which one to trust,
// and when to take the next, is for the team to say.
const (
	defaultBuildImage = "docker.io/library/golang:1.26"
	defaultRunImage   = "gcr.io/distroless/static-debian12:nonroot"
)

// newOptions are the flags of new.
type newOptions struct {
	cluster.Flags
	folders
	scaffold.Input
	fromCluster, dryRun bool
	settings            []string
	config, engine      string
	language, dir       string
	languageGiven       bool
	platform            *platform
}

func newNew(connect cluster.Connector, std streams) *cobra.Command {
	var o newOptions
	cmd := &cobra.Command{
		Use:   "new TEMPLATE NAME",
		Short: "Make the repository of a new service on a golden path",
		Long: `Make the repository of a new service on a golden path: source that builds and
answers its probes, a Dockerfile, component.yaml, README.md, catalog-info.yaml
for Backstage, and the checks of component.yaml for pre-commit and CI.

The golden path comes from -f, with --from-cluster from the cluster, else from
the catalogue that ships with Towpath. component.yaml is checked as by lint
before anything is written. What the golden path requires and --set does not
tell is filled with an example, and named.

With --engine, a golden path that has a pipeline builds the service: component.yaml
names the repository in place of an image. Jobs and Tekton build in the cluster, by
the pipeline as the golden path has it, and need no file of it. For GitHubActions,
--config names the platform's settings, and the workflow is written as towpath
pipeline sync does.

Files that exist are never written over: they are listed, and nothing is
written. There is no --force.`,
		Example: `  towpath new web-service checkout -n team-shop -e dev,prod --repository https://git.example/shop/checkout
  towpath new scheduled-job report --set schedule="30 2 * * *" --dry-run
  towpath new our-service checkout --from-cluster -o services/checkout
  towpath new our-service checkout --from-cluster --config platform.yaml --repository https://github.example/shop/checkout
  towpath new web-service checkout --engine Jobs --repository https://git.example/shop/checkout --image registry.example/shop/checkout`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Template, o.Name = args[0], args[1]
			o.languageGiven = cmd.Flags().Changed("language")
			return o.run(cmd.Context(), connect, std, cmd.CommandPath())
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return shippedTemplates(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	o.bind(cmd)
	return cmd
}

func (o *newOptions) bind(cmd *cobra.Command) {
	o.Flags.Bind(cmd)
	flags := cmd.Flags()
	flags.StringSliceVarP(&o.templates, "filename", "f", nil, "file or folder with the ServiceTemplate, - for standard input")
	flags.StringSliceVar(&o.crds, "crds", nil, "file or folder with CustomResourceDefinitions that the golden path makes objects of")
	flags.BoolVar(&o.fromCluster, "from-cluster", false, "take the golden path from the cluster")
	flags.StringVarP(&o.dir, "output", "o", "", "folder to write to (default: one with the name of the service)")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the tree of files, and write nothing")
	flags.StringVarP(&o.Input.Namespace, "namespace", "n", "", "home namespace of the team, for component.yaml")
	flags.StringVar(&o.Team, "team", "", "team, for catalog-info.yaml (default: the namespace without team-)")
	flags.StringVar(&o.Image, "image", "", "image that the Component runs (default: one at registry.example, to be changed)")
	flags.StringSliceVarP(&o.Environments, "environment", "e", []string{"dev"}, "environments of the path, in order")
	flags.StringArrayVar(&o.settings, "set", nil, "parameter of the golden path, as path=value, such as replicas.min=2")
	flags.StringVar(&o.engine, "engine", "", "what builds the service by the golden path's pipeline: Jobs, Tekton or GitHubActions (default: GitHubActions with --config, else nothing: component.yaml names an image)")
	flags.StringVar(&o.config, "config", "", "file with the platform's settings of pipelines, for GitHubActions")
	flags.StringVar(&o.language, "language", string(scaffold.Go), "skeleton: go, or none for no source and no Dockerfile")
	flags.StringVar(&o.Module, "module", "", "path of the Go module (default: that of --repository)")
	flags.StringVar(&o.Repository, "repository", "", "https or ssh URL of the repository, for Backstage and --engine")
	flags.StringVar(&o.BuildImage, "build-image", defaultBuildImage, "image that the Dockerfile builds with")
	flags.StringVar(&o.RunImage, "run-image", defaultRunImage, "image that the program runs in")
	flags.StringSliceVar(&o.Actions, "action", nil, "action that the CI job may use, as actions/checkout@COMMIT or actions/setup-go@COMMIT (default: none, plain commands)")
	_ = cmd.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions([]string{
		string(platformv1alpha1.EngineJobs), string(platformv1alpha1.EngineTekton), string(platformv1alpha1.EngineGitHubActions),
	}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("language", cobra.FixedCompletions([]string{string(scaffold.Go), string(scaffold.None)}, cobra.ShellCompDirectiveNoFileComp))
}

func shippedTemplates() []string {
	var names []string
	for _, object := range config.Catalog() {
		names = append(names, object.GetName())
	}
	return names
}

func (o *newOptions) run(ctx context.Context, connect cluster.Connector, std streams, program string) error {
	help := program + " --help"
	world, err := o.find(ctx, connect, std)
	if err != nil {
		return err
	}
	if err := o.builds(); err != nil {
		return err
	}
	filled, notes, err := o.complete(world)
	if err != nil {
		return &trouble{err: err, next: help}
	}
	files, err := scaffold.Files(&o.Input)
	if err != nil {
		return &trouble{err: err, next: help}
	}
	if err := o.check(ctx, world, files, filled, std.out); err != nil {
		return err
	}
	if o.dryRun {
		err = checkNew(o.dir, files)
	} else {
		err = writeNew(o.dir, files)
	}
	if err != nil {
		return &trouble{err: err, next: "name another folder with -o, or move these away"}
	}
	return o.say(std, files, notes)
}

// builds finds out what builds the service.
func (o *newOptions) builds() error {
	o.Engine = platformv1alpha1.BuildEngine(o.engine)
	if o.config != "" && o.engine == "" {
		o.Engine = platformv1alpha1.EngineGitHubActions
	}
	flag := "--engine"
	if o.engine == "" {
		flag = "--config"
	}
	switch workflow := o.Engine == platformv1alpha1.EngineGitHubActions; {
	case o.Engine != "" && o.Spec.Pipeline == nil:
		return &trouble{err: fmt.Errorf("%s: golden path %s has no pipeline, so nothing says what %s should run; nothing was written", flag, o.Template, o.Engine), next: "leave " + flag + " out", code: exitFindings}
	case workflow && o.config == "":
		return &trouble{err: errors.New("--engine GitHubActions: nobody says which commits of actions the workflow may use; nothing was written"), next: "name the file with the platform's settings with --config; docs/guides/pipelines-github.md shows one"}
	case !workflow && o.config != "":
		return &trouble{err: fmt.Errorf("--config: only GitHubActions has a workflow, and --engine is %s; nothing was written", o.Engine), next: "leave --config out"}
	case workflow:
		var err error
		if o.platform, err = readSettings(o.config); err != nil {
			return &trouble{err: err, next: "correct the file; docs/guides/pipelines-github.md shows one"}
		}
		o.Settings = o.platform.text
	}
	return nil
}

// find reads the golden path from where the flags say.
func (o *newOptions) find(ctx context.Context, connect cluster.Connector, std streams) (*offline.World, error) {
	world, err := o.world(ctx, nil, std.in)
	if err != nil {
		return nil, err
	}
	if o.fromCluster {
		if len(o.templates) > 0 {
			return nil, &trouble{err: errors.New("-f and --from-cluster: only one of them can tell the golden path"), next: "leave one of them out"}
		}
		if err := o.fetch(ctx, connect, world); err != nil {
			return nil, err
		}
	}
	if o.Spec = world.Spec(o.Template); o.Spec == nil {
		next := "name one of them, its file with -f, or --from-cluster"
		if found := world.FindingsOf(strings.Join(o.templates, "")); len(found) > 0 {
			next = "towpath lint " + strings.Join(o.templates, " ")
		}
		return nil, &trouble{err: fmt.Errorf("no golden path is called %q; there are %s", o.Template, orNone(world.Templates())), next: next, code: exitFindings}
	}
	o.Annotations = world.Annotations(o.Template)
	if !world.Shipped(o.Template) && !sameAsShipped(o.Template, o.Spec) {
		o.OwnTemplate, err = yaml.Marshal(world.Manifest(o.Template))
	}
	return world, err
}

// fetch takes the golden path from the cluster into the world.
func (o *newOptions) fetch(ctx context.Context, connect cluster.Connector, world *offline.World) error {
	connection, err := dial(connect, o.Flags)
	if err != nil {
		return err
	}
	return addTemplate(ctx, connection, o.Flags, world, o.Template)
}

// sameAsShipped says whether a golden path is the one that ships with Towpath, which lint knows without a file.
func sameAsShipped(name string, spec *platformv1alpha1.ServiceTemplateSpec) bool {
	for _, object := range config.Catalog() {
		if object.GetName() != name {
			continue
		}
		own, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&platformv1alpha1.ServiceTemplate{Spec: *spec})
		return err == nil && apiequality.Semantic.DeepEqual(own["spec"], object.Object["spec"])
	}
	return false
}

// complete fills in what the flags leave open. It returns the parameters that it filled, and what to tell of all that it did.
func (o *newOptions) complete(world *offline.World) (filled, notes []string, err error) {
	if o.Parameters, err = scaffold.Settings(o.settings); err != nil {
		return nil, nil, err
	}
	var example map[string]any
	image := ""
	if world.Shipped(o.Template) {
		example, image = shippedExample(o.Template)
	}
	if filled, err = scaffold.Fill(o.Spec, o.Parameters, example); err != nil {
		return nil, nil, err
	}
	if len(filled) > 0 {
		notes = append(notes, "examples, to be changed in component.yaml: "+strings.Join(filled, ", "))
	}
	if o.Engine == "" && o.Spec.Pipeline != nil {
		notes = append(notes, o.Template+" has a pipeline, and nothing is built by it: component.yaml names an image. --engine has it built from --repository")
	}
	o.Language, o.Version = scaffold.Language(o.language), version.Version
	software := scaffold.Runs(o.Spec) == scaffold.RunsSoftware
	if software && !o.languageGiven {
		o.Language = scaffold.None
		notes = append(notes, "no source and no Dockerfile: "+o.Template+" runs what others wrote; --language go makes them")
	}
	if o.Team == "" {
		var home bool
		if o.Team, home = strings.CutPrefix(o.Input.Namespace, "team-"); !home || o.Team == "" {
			o.Team = cmp.Or(o.Team, "unknown") // a home that a Team adopted has a name of its own
			notes = append(notes, "not told, so to be changed in catalog-info.yaml where it is another: the team, "+o.Team+" (--team)")
		}
	}
	if o.Image == "" {
		o.Image = "registry.example/" + o.Team + "/" + o.Name + ":0.1.0"
		if software && image != "" {
			o.Image = image
		}
		notes = append(notes, "not told, so to be changed in component.yaml: the image (--image)")
	}
	if o.Module == "" {
		o.Module = "example.com/" + o.Team + "/" + o.Name
		if o.Repository != "" {
			o.Module = scaffold.ModuleOf(o.Repository)
		}
	}
	if o.Engine != "" && strings.HasPrefix(o.Repository, "ssh://") {
		notes = append(notes, "SSH needs a key: name its Secret in component.yaml, as spec.source.secretRef")
	}
	if o.dir == "" {
		o.dir = o.Name
	}
	return filled, notes, err
}

// shippedExample is what the README of a golden path shows: parameters and an image.
func shippedExample(name string) (parameters map[string]any, image string) {
	for _, object := range config.Examples() {
		if used, _, _ := unstructured.NestedString(object.Object, "spec", "templateRef", "name"); used == name {
			parameters, _, _ = unstructured.NestedMap(object.Object, "spec", "parameters")
			image, _, _ = unstructured.NestedString(object.Object, "spec", "image")
		}
	}
	return parameters, image
}

// check holds component.yaml to what lint checks, and prints what is wrong. Where a workflow is to build it, it adds that to the files.
func (o *newOptions) check(ctx context.Context, world *offline.World, files map[string][]byte, filled []string, out io.Writer) error {
	const file = "component.yaml"
	documents, problems := manifest.Parse(file, files[file])
	world.AddFiles(ctx, documents, problems)
	world.Lint()
	if o.Engine == platformv1alpha1.EngineGitHubActions {
		for _, workflow := range world.Workflows(o.platform.standard, o.platform.config) {
			maps.Copy(files, workflow.Files)
		}
	}
	wrong := false
	var said strings.Builder
	for _, finding := range world.FindingsOf(file) {
		wrong = wrong || finding.Severity == offline.Error
		fmt.Fprintf(&said, "%s\n", finding)
	}
	if !wrong {
		return nil
	}
	if _, err := io.WriteString(out, said.String()); err != nil {
		return err
	}
	next := "set what that names with --set PATH=VALUE"
	if len(filled) > 0 {
		next = "tell what the golden path requires: --set " + strings.Join(filled, "=… --set ") + "=…"
	}
	return &trouble{err: fmt.Errorf("component %s would not be in order on the golden path %s; nothing was written", o.Name, o.Template), next: next, code: exitFindings}
}

func (o *newOptions) say(std streams, files map[string][]byte, notes []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s/\n", strings.TrimSuffix(o.dir, "/"))
	for line := range strings.Lines(scaffold.Tree(slices.Collect(maps.Keys(files)))) {
		text.WriteString("  " + line)
	}
	if _, err := io.WriteString(std.out, text.String()); err != nil {
		return err
	}
	var said strings.Builder
	for _, note := range notes {
		fmt.Fprintf(&said, "note: %s\n", note)
	}
	if o.dryRun {
		said.WriteString("nothing was written\n")
	} else {
		fmt.Fprintf(&said, "next: cd %s && git init && pre-commit install; README.md says how to go on\n", o.dir)
	}
	_, err := io.WriteString(std.err, said.String())
	return err
}
