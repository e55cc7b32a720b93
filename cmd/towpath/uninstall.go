package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/uninstall"
)

func newUninstall(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var workloads, definitions string
	var yes bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take Towpath out of the cluster",
		Long: `Take Towpath out of the cluster: webhooks, manager, admission policies, all objects
of its kinds, roles and namespaces of the installation. The kinds themselves stay, without
objects, unless --definitions=delete says otherwise.

Workloads keep running unless --workloads=delete says otherwise. Those that are
kept are nobody's from then on: a later installation takes them over only by
towpath adopt, as anything else that runs already.
Without --yes it only says what it would do. It needs the rights of a cluster
administrator, and goes on where an earlier run ended.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			choice := uninstall.Workloads(workloads)
			if choice != uninstall.Keep && choice != uninstall.Delete {
				return &trouble{err: fmt.Errorf("--workloads is %q; it must be keep or delete", workloads), next: cmd.CommandPath() + " --help"}
			}
			if definitions != string(uninstall.Keep) && definitions != string(uninstall.Delete) {
				return &trouble{err: fmt.Errorf("--definitions is %q; it must be keep or delete", definitions), next: cmd.CommandPath() + " --help"}
			}
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			err = survey(cmd.Context(), connection, std, choice)
			if err == nil && !yes {
				_, err = fmt.Fprintf(std.out, "nothing was changed; to go on: %s --workloads=%s --definitions=%s --yes\n", flags.Reach(cmd.CommandPath()), choice, definitions)
				return err
			}
			if err == nil {
				err = uninstall.Run(cmd.Context(), connection, uninstall.Options{
					Workloads: choice, Definitions: definitions == string(uninstall.Delete), Timeout: timeout, Progress: std.out,
				})
			}
			return uninstallTrouble(err, flags)
		},
	}
	flags.Bind(cmd)
	cmd.Flags().StringVar(&workloads, "workloads", string(uninstall.Keep), "keep or delete what Components run, with the namespaces of their Environments")
	cmd.Flags().StringVar(&definitions, "definitions", string(uninstall.Keep), "keep or delete the CustomResourceDefinitions of Towpath's kinds")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it, and do not only say what would be done")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long each step may wait")
	return cmd
}

// survey says what there is, and what becomes of it.
func survey(ctx context.Context, c *cluster.Cluster, std streams, workloads uninstall.Workloads) error {
	kinds, err := uninstall.Kinds(ctx, c)
	if err != nil {
		return err
	}
	counts := make([]string, 0, len(kinds))
	for _, kind := range kinds {
		count, err := uninstall.Count(ctx, c, kind)
		if err != nil {
			return err
		}
		counts = append(counts, fmt.Sprintf("%d %s", count, kind.Kind))
	}
	text := "this cluster has no kinds of Towpath\n"
	if len(counts) > 0 {
		text = "this cluster has objects of Towpath, which are removed: " + strings.Join(counts, ", ") + "\n"
	}
	if workloads == uninstall.Delete {
		text += "everything that Components run is DELETED, and each Environment's namespace with all that is in it, data too\n"
	} else {
		text += "what Components run keeps running, and is nobody's from then on\n"
	}
	_, err = io.WriteString(std.out, text)
	return err
}

func uninstallTrouble(err error, flags cluster.Flags) error {
	if err == nil {
		return nil
	}
	var known *uninstall.Error
	if errors.As(err, &known) {
		return &trouble{err: known.Err, next: known.Next}
	}
	next, explained := cluster.Explain(err, flags, "uninstall Towpath")
	return &trouble{err: explained, next: next}
}
