package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
	"github.com/towpath-dev/towpath/internal/preview"
)

func newEnvDeletePreview(connect cluster.Connector, std streams) *cobra.Command {
	o := &previewOptions{}
	var output format
	var pr string
	cmd := &cobra.Command{
		Use:   "delete-preview --pr URL|NUMBER",
		Short: "Delete the environment of a pull request, with everything in it",
		Long: `Delete the environment of a pull request, with everything in it: the copies of
Components, what they run, and the namespace.

It is made to be called by CI when the pull request is closed. Where the environment
is gone already, that is no error. Where --pr is a number, --component must be the
one that the preview was made with.`,
		Example: "  towpath env delete-preview --pr https://git.example/shop/checkout/pull/7 --wait",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.pr, err = readPullRequest(cmd, pr); err != nil {
				return err
			}
			if o.pr.URL == "" && o.component == "" {
				return &trouble{err: errors.New("--pr is a number, so that --component must say of which Component"), next: cmd.CommandPath() + " --help"}
			}
			o.program = cmd.Root().DisplayName()
			connection, err := dial(connect, o.Flags)
			if err != nil {
				return err
			}
			ctx, done := untilOverdue(cmd.Context(), o.timeout)
			defer done()
			report, err := o.delete(ctx, connection)
			if err != nil {
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
	cmd.Flags().StringVar(&o.component, "component", "", "Component that the preview was made with, where --pr is a number")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "delete nothing")
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until everything is gone")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long all of it may take")
	_ = cmd.MarkFlagRequired("pr")
	addFormat(cmd, &output, "json or yaml (default: text)", formatJSON, formatYAML)
	return cmd
}

// delete deletes the Environment. The copies belong to it, and go when it does.
func (o *previewOptions) delete(ctx context.Context, c *cluster.Cluster) (*previewReport, error) {
	name := preview.EnvironmentName(o.pr, o.component)
	report := &previewReport{
		APIVersion: cliAPIVersion, Kind: "Preview", DryRun: o.dryRun, Namespace: c.Namespace, PullRequest: o.pr,
		Environment: previewEnvironment{Name: name, Action: actionGone}, Components: []previewComponent{}, Next: []tree.Step{},
	}
	environment, err := findEnvironment(ctx, c, o.Flags, name)
	if err != nil {
		return nil, err
	}
	copies, err := copiesIn(ctx, c, c.Namespace, name)
	if err != nil {
		return nil, explained(err, o.Flags, "list components in namespace "+c.Namespace)
	}
	if environment != nil {
		if err := isFor(environment, o.pr, o.Flags); err != nil {
			return nil, err
		}
		report.Environment.Action, report.Environment.Class = actionDeleted, environment.Spec.ClassRef.Name
		if err := o.deleteObject(ctx, c, environment); err != nil {
			return nil, explained(err, o.Flags, "delete environment "+name)
		}
	}
	for i := range copies {
		report.Components = append(report.Components, previewComponent{
			Name: copies[i].Name, CopyOf: copies[i].Labels[platformv1alpha1.LabelPreviewOf], Image: copies[i].Spec.Image, Action: actionDeleted,
		})
	}
	if !o.wait || o.dryRun {
		return report, nil
	}
	if environment != nil {
		if err := o.awaitGone(ctx, c, environment); err != nil {
			return nil, o.said(err, "wait for environment "+name)
		}
	}
	for i := range copies {
		if err := o.awaitGone(ctx, c, &copies[i]); err != nil {
			return nil, o.said(err, "wait for component "+copies[i].Name)
		}
	}
	return report, nil
}

func (o *previewOptions) deleteObject(ctx context.Context, c *cluster.Cluster, object client.Object) error {
	uid := object.GetUID()
	options := []client.DeleteOption{client.Preconditions{UID: &uid}}
	if o.dryRun {
		options = append(options, client.DryRunAll)
	}
	if err := c.Delete(ctx, object, options...); !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}
