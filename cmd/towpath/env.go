package main

import (
	"github.com/spf13/cobra"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func newEnv(connect cluster.Connector, std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Wake environments, and put them to sleep",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEnvWake(connect, std))
	cmd.AddCommand(newEnvSleep(connect, std))
	return cmd
}
