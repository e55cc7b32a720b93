package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/why"
)

func newWhy(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var output format
	var environment string
	cmd := &cobra.Command{
		Use:   "why COMPONENT",
		Short: "Say why a Component is not ready: the first cause, and what helps",
		Long: `Say why a Component is not ready: the first cause, and what helps.

It walks from the Component over environment, Release and object to pods, events
and, where a container ended, the last lines that it logged. All is read with the
rights of your kubeconfig; what you may not read is said. Logs are shown here
only: they are never stored in the cluster.

The exit code is 0 where the Component is ready, and 1 where it is not.`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeComponents(cmd.Context(), connect, flags)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := explain(cmd.Context(), connect, flags, args[0], environment, cmd.Root().DisplayName())
			if err != nil {
				return err
			}
			if output != formatText {
				err = printValue(std.out, output, answer)
			} else {
				err = why.Print(std.out, answer)
			}
			if err == nil && !answer.Ready {
				return errFindings
			}
			return err
		},
	}
	flags.Bind(cmd)
	cmd.Flags().StringVarP(&flags.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
	cmd.Flags().StringVarP(&environment, "environment", "e", "", "environment of the path to explain (default: the first that is not ready)")
	addFormat(cmd, &output, "json or yaml (default: text)", formatJSON, formatYAML)
	return cmd
}

// explain reads the cluster and finds the answer.
func explain(ctx context.Context, connect cluster.Connector, flags cluster.Flags, component, environment, program string) (*why.Answer, error) {
	connection, report, err := statusReport(ctx, connect, flags, component, program)
	if err != nil {
		return nil, err
	}
	walker := why.Walker{Reader: connection, Logs: connection.Logs}
	answer, err := walker.Component(ctx, report, environment)
	var unknown *why.UnknownEnvironment
	if errors.As(err, &unknown) {
		return nil, &trouble{err: err, next: flags.Reach(program+" status") + " -n " + report.Teams[0].Namespace + " " + component}
	}
	return answer, err
}
