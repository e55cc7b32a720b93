package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/showback"
)

type hintFlags struct{ wanted bool }

func (f *hintFlags) bind(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.wanted, "hints", false, "say how to spend less")
}

func findHints(context.Context, *cluster.Cluster, *reportFlags, *hintFlags, *showback.Report, time.Time) ([]showback.Hint, error) {
	return []showback.Hint{}, nil
}
