package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
)

// previewOptions are the flags of env preview.
type previewOptions struct {
	cluster.Flags
	pr                       platformv1alpha1.PullRequest
	component, image, commit string
	class                    string
	classGiven               bool
	lasts                    time.Duration
	parameters               *apiextensionsv1.JSON
	dryRun, wait             bool
	timeout                  time.Duration
	program                  string
}

// previewReport is what env preview and env delete-preview did.
type previewReport struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// DryRun says that nothing was written.
	DryRun bool `json:"dryRun,omitempty"`
	// Namespace is the home of the team.
	Namespace   string                       `json:"namespace"`
	PullRequest platformv1alpha1.PullRequest `json:"pullRequest"`
	Environment previewEnvironment           `json:"environment"`
	Components  []previewComponent           `json:"components"`
	Notes       []string                     `json:"notes,omitempty"`
	Next        []tree.Step                  `json:"next"`
}

type previewEnvironment struct {
	Name  string `json:"name"`
	Class string `json:"class,omitempty"`
	// Action is created, updated, unchanged or deleted, or gone where it was not there.
	Action string `json:"action"`
	// Namespace is where it runs, and ExpiresAt when it ends; empty while the manager has not said.
	Namespace string `json:"namespace,omitempty"`
	ExpiresAt string `json:"expiresAt,omitempty"`
}

type previewComponent struct {
	Name   string `json:"name"`
	CopyOf string `json:"copyOf"`
	Image  string `json:"image"`
	Action string `json:"action"`
}

// What was done.
const (
	actionCreated   = "created"
	actionUpdated   = "updated"
	actionUnchanged = "unchanged"
	actionDeleted   = "deleted"
	actionGone      = "gone"
)

func newEnvPreview(connect cluster.Connector, std streams) *cobra.Command {
	o := &previewOptions{}
	var output format
	var pr, parameters string
	cmd := &cobra.Command{
		Use:   "preview --pr URL|NUMBER --component NAME --image IMAGE",
		Short: "Make the environment of a pull request, with a copy of a Component in it",
		Long: `Make the environment of a pull request, with a copy of a Component in it.

It is made to be called by CI at each push: the same pull request always gives the
same environment, and a new image goes to the same copy. The copy has the template,
parameters, variables and overrides of the Component, and runs in that environment
alone. What it uses is copied too, with the image that it has. Several Components
of a pull request share an environment where --pr is its address; where it is a
number, the Component stands for the repository.

The environment is deleted with everything in it by env delete-preview, or when
its lifetime ends.`,
		Example: `  towpath env preview --pr https://git.example/shop/checkout/pull/7 --component checkout --image registry.example/checkout:3f2a9c1 --wait
  towpath env preview --pr 7 --component checkout --image registry.example/checkout:3f2a9c1 --for 24h --parameters 'route: {hosts: [pr-7.preview.example]}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.pr, err = readPullRequest(cmd, pr); err != nil {
				return err
			}
			if o.parameters, err = readParameters(parameters); err != nil {
				return &trouble{err: err, next: cmd.CommandPath() + " --help"}
			}
			if o.lasts < 0 || o.timeout <= 0 {
				return &trouble{err: errors.New("--for and --timeout must be positive"), next: cmd.CommandPath() + " --help"}
			}
			o.classGiven, o.program = cmd.Flags().Changed("class"), cmd.Root().DisplayName()
			connection, err := dial(connect, o.Flags)
			if err != nil {
				return err
			}
			ctx, done := untilOverdue(cmd.Context(), o.timeout)
			defer done()
			report, err := o.run(ctx, connection)
			if err != nil {
				return err
			}
			if err := o.awaitReady(ctx, connection, report); err != nil {
				return err
			}
			if output != formatText {
				return printValue(std.out, output, report)
			}
			return printPreview(std.out, report)
		},
	}
	bindHome(cmd, &o.Flags)
	cmd.Flags().StringVar(&pr, "pr", "", "address of the pull request or merge request, or its number")
	cmd.Flags().StringVar(&o.component, "component", "", "Component to copy")
	cmd.Flags().StringVar(&o.image, "image", "", "image that the copy runs")
	cmd.Flags().StringVar(&o.commit, "commit", "", "commit that the image was built from, in hexadecimal")
	cmd.Flags().StringVar(&o.class, "class", "preview", "EnvironmentClass of the environment")
	cmd.Flags().DurationVar(&o.lasts, "for", 0, "put the end off to that long from now on, as far as the class allows (default: the class says, from the creation on)")
	cmd.Flags().StringVar(&parameters, "parameters", "", "parameters of the copy in place of the Component's, as YAML or JSON; null takes one out")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "write nothing; the cluster checks all the same")
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until the copy is Ready")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long all of it may take")
	for _, name := range []string{"pr", "component", "image"} {
		_ = cmd.MarkFlagRequired(name)
	}
	addFormat(cmd, &output, "json or yaml (default: text)", formatJSON, formatYAML)
	return cmd
}

// readParameters reads the value of --parameters.
func readParameters(text string) (*apiextensionsv1.JSON, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("--parameters: %w", err)
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return nil, errors.New("--parameters must be an object, such as 'replicas: {min: 1}'")
	}
	return &apiextensionsv1.JSON{Raw: raw}, nil
}

// printPreview says what was done.
func printPreview(out io.Writer, report *previewReport) error {
	var text strings.Builder
	would := ""
	if report.DryRun {
		would = " (dry run)"
	}
	e := &report.Environment
	fmt.Fprintf(&text, "environment %s %s%s, for %s", e.Name, e.Action, would, shownPR(report.PullRequest))
	if e.Class != "" {
		fmt.Fprintf(&text, ", class %s", e.Class)
	}
	if e.ExpiresAt != "" {
		fmt.Fprintf(&text, ", ends at %s", e.ExpiresAt)
	}
	text.WriteString("\n")
	for _, c := range report.Components {
		fmt.Fprintf(&text, "component %s %s%s: a copy of %s with image %s\n", c.Name, c.Action, would, c.CopyOf, c.Image)
	}
	for _, note := range report.Notes {
		fmt.Fprintf(&text, "note: %s\n", note)
	}
	for _, step := range report.Next {
		fmt.Fprintf(&text, "next: %s\n      # %s\n", step.Command, step.Why)
	}
	_, err := io.WriteString(out, text.String())
	return err
}
