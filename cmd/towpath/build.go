package main

import (
	"github.com/spf13/cobra"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func newBuild(connect cluster.Connector, std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Record what was built of a Component, and look at its Builds",
		Long: `Record what was built of a Component, and look at its Builds.

A Component that has a source and names no image runs that of the newest Build of its
branch which has succeeded.`,
		Args: cobra.NoArgs,
		RunE: help,
	}
	cmd.AddCommand(newBuildRecord(connect, std), newBuildLogs(connect, std))
	return cmd
}
