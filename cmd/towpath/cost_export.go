package main

import (
	"github.com/spf13/cobra"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func newCostExport(_ cluster.Connector, _ streams) *cobra.Command {
	return &cobra.Command{Use: "export"}
}
