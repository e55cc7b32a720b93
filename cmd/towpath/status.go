package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
)

// completionTimeout bounds what a press of the tab key waits for.
const completionTimeout = 3 * time.Second

func newStatus(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var output format
	var brief bool
	cmd := &cobra.Command{
		Use:   "status [COMPONENT]",
		Short: "Show what runs where, how it is, and what to do next",
		Long: `Show what runs where, how it is, and what to do next.

The tree goes from team to component, environment, release and object. It is
read with the rights of your kubeconfig. -o json and -o yaml print the same as
kind Status of cli.platform.towpath.dev/v1alpha1, whose fields are only added to.`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeComponents(cmd.Context(), connect, flags)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			component := ""
			if len(args) == 1 {
				component = args[0]
			}
			_, report, err := statusReport(cmd.Context(), connect, flags, component, cmd.Root().DisplayName())
			if err != nil {
				return err
			}
			if output != formatText {
				return printValue(std.out, output, report)
			}
			colour := std.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
			return tree.Print(std.out, report, tree.Style{Colour: colour, Brief: brief, Now: time.Now()})
		},
	}
	flags.Bind(cmd)
	flags.BindNamespace(cmd)
	cmd.Flags().BoolVar(&brief, "brief", false, "leave out objects that are Ready")
	addFormat(cmd, &output, "json or yaml (default: a tree)", formatJSON, formatYAML)
	return cmd
}

// statusReport connects to the cluster, reads it and builds the report.
func statusReport(ctx context.Context, connect cluster.Connector, flags cluster.Flags, component, program string) (*cluster.Cluster, *tree.Report, error) {
	connection, err := dial(connect, flags)
	if err != nil {
		return nil, nil, err
	}
	options := tree.Options{Namespace: connection.Namespace, Component: component, Kubectl: flags.Kubectl(), Status: flags.Reach(program + " status"),
		Approve: flags.Reach(program + " approve"), Promote: flags.Reach(program + " promote"),
		Extend: flags.Reach(program + " env extend"), Wake: flags.Reach(program + " env wake")}
	if flags.AllNamespaces {
		options.Namespace = ""
	}
	snapshot, err := tree.Load(ctx, connection, options.Namespace)
	if err != nil {
		return nil, nil, statusTrouble(err, flags, program)
	}
	report, err := tree.Build(snapshot, options)
	if err != nil {
		return nil, nil, statusTrouble(err, flags, program)
	}
	return connection, report, nil
}

func statusTrouble(err error, flags cluster.Flags, program string) error {
	var missing *tree.NotFound
	if errors.As(err, &missing) {
		next := flags.Reach(program+" status") + " -A"
		switch {
		case missing.Component == "":
			next = flags.Kubectl() + " get namespaces -l " + platformv1alpha1.LabelTeam
		case len(missing.Others) > 0 && missing.Namespace != "":
			next = flags.Reach(program+" status") + " -n " + missing.Namespace
		}
		return &trouble{err: err, next: next, code: exitFindings}
	}
	var read *tree.ReadError
	if errors.As(err, &read) {
		next, explained := cluster.Explain(read.Err, flags, read.Doing)
		return &trouble{err: explained, next: next}
	}
	return err
}

// completeComponents offers the names of Components. It stays silent where it cannot.
func completeComponents(ctx context.Context, connect cluster.Connector, flags cluster.Flags) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	connection, err := connect(flags)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	namespace := connection.Namespace
	if flags.AllNamespaces {
		namespace = ""
	}
	var components platformv1alpha1.ComponentList
	if err := connection.List(ctx, &components, client.InNamespace(namespace)); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]string, 0, len(components.Items))
	for i := range components.Items {
		names = append(names, components.Items[i].Name)
	}
	slices.SortFunc(names, strings.Compare)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
