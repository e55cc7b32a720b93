package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
)

// lintReport is what `lint -o json` prints. Fields are only ever added within a version.
type lintReport struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Documents  int               `json:"documents"`
	Errors     int               `json:"errors"`
	Warnings   int               `json:"warnings"`
	Findings   []offline.Finding `json:"findings"`
}

func newLint(std streams) *cobra.Command {
	var where folders
	var output format
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint FILE|FOLDER|-...",
		Short: "Check files without a cluster",
		Long: `Check files without a cluster.

Objects of Towpath are checked against their schemas, as the API server would.
ServiceTemplates are compiled. Components get their template from the files,
from --templates or from the catalogue that ships with Towpath; the parameters
of each environment are merged and checked, and what they render to is held to
the rules of the guard. Other documents are left alone.

Findings are printed as file:line: Kind/name: field: message.
Exit codes: 0 in order, 1 errors found (with --strict: or warnings), 2 unreadable.`,
		Example: `  towpath lint component.yaml
  towpath lint deploy/ --templates ../platform/templates
  cat component.yaml | towpath lint -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &trouble{err: fmt.Errorf("name a file, a folder, or - for standard input"), next: cmd.CommandPath() + " --help"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			world, err := where.world(cmd.Context(), args, std.in)
			if err != nil {
				return err
			}
			world.Now = time.Now()
			world.Lint()
			report := lintReport{
				APIVersion: cliAPIVersion, Kind: "Lint", Documents: world.Documents,
				Errors: world.Count(offline.Error), Warnings: world.Count(offline.Warning), Findings: world.Findings,
			}
			if err := printLint(std, output, &report); err != nil {
				return err
			}
			if report.Errors > 0 || strict && report.Warnings > 0 {
				return errFindings
			}
			return nil
		},
	}
	where.bind(cmd)
	cmd.Flags().BoolVar(&strict, "strict", false, "fail on warnings too")
	addFormat(cmd, &output, "json or yaml (default: a line a finding)", formatJSON, formatYAML)
	return cmd
}

func printLint(std streams, output format, report *lintReport) error {
	if output != formatText {
		if report.Findings == nil {
			report.Findings = []offline.Finding{}
		}
		return printValue(std.out, output, report)
	}
	for _, finding := range report.Findings {
		if _, err := fmt.Fprintln(std.out, finding); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(std.err, "%s, %s, %s\n", plural(report.Documents, "document"), plural(report.Errors, "error"), plural(report.Warnings, "warning"))
	return err
}
