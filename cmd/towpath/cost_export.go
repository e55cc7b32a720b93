package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/cost/export"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/showback"
)

// exportFlags say what is exported, and where to.
type exportFlags struct {
	reportFlags

	version, as, history, dir string
	sources                   []string
}

// fromEnvironment begins the name of a variable that holds the address of a history.
const fromEnvironment = "env:"

func newCostExport(connect cluster.Connector, std streams) *cobra.Command {
	var flags exportFlags
	cmd := &cobra.Command{
		Use:   "export -o FOLDER",
		Short: "Write what teams cost in a month as FOCUS, for a warehouse",
		Long: `Write what teams cost in a month as a data set of the FinOps Open Cost and Usage
Specification (FOCUS) 1.4, for a warehouse such as Trino or DuckDB.

What was charged for a service is split among the teams that it was charged for; the
ratios of each such charge sum to 1, and what is no team's is a row of its own.

Without --history the figures are those of CostReports: a row a month. With it, those of
the manager's history, a row a day, for whoever may read that: a file of SQLite, or the
name of an environment variable that holds the address of PostgreSQL, so that no password
stands on a command line. docs/guides/showback.md says what the columns hold.`,
		Example: `  towpath cost export --team shop --month 2026-10 -o costs
  towpath cost export -A --month 2026-10 --format parquet -o costs
  towpath cost export --history history.db --month 2026-10 -o costs
  HISTORY=postgres://… towpath cost export --history env:HISTORY --month 2026-10 -o costs`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd.CommandPath()); err != nil {
				return err
			}
			return runExport(cmd.Context(), connect, &flags, cmd.CommandPath(), std, time.Now())
		},
	}
	flags.bindTeam(cmd, connect)
	cmd.Flags().BoolVarP(&flags.AllNamespaces, "all-namespaces", "A", false, "export every team")
	cmd.Flags().StringVar(&flags.version, "focus", export.Version, "version of FOCUS to write: 1.4")
	cmd.Flags().StringVar(&flags.as, "format", "csv", "csv or parquet")
	cmd.Flags().StringVar(&flags.history, "history", "", "file of SQLite, or env:NAME for the address of PostgreSQL (default: CostReports)")
	cmd.Flags().StringSliceVar(&flags.sources, "source", nil, "source of the history to export, for --history (default: all but estimates)")
	cmd.Flags().StringVarP(&flags.dir, "output", "o", "", "folder to write the file to; it is made where it is not there")
	_ = cmd.MarkFlagRequired("output")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"csv", "parquet"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *exportFlags) check(command string) error {
	var err error
	switch {
	case f.version != export.Version:
		err = fmt.Errorf("--focus %q: only version %s is written", f.version, export.Version)
	case f.as != "csv" && f.as != "parquet":
		err = fmt.Errorf("--format %q: must be csv or parquet", f.as)
	case f.AllNamespaces && (f.team != "" || f.Namespace != ""):
		err = errors.New("-A exports every team: give no --team and no -n with it")
	case f.history == "" && len(f.sources) > 0:
		err = errors.New("--source chooses among those of a history: give --history with it")
	case f.history != "" && (f.team != "" || f.Namespace != ""):
		err = errors.New("a history is exported whole, so that its ratios sum to 1: give no --team and no -n, and select by SubAccountId in the warehouse")
	}
	if err != nil {
		return &trouble{err: err, next: command + " --help"}
	}
	return nil
}

// batches hands charges over, those of a day at once.
type batches func(yield func([]export.Charge) error) error

func runExport(ctx context.Context, connect cluster.Connector, flags *exportFlags, command string, std streams, now time.Time) error {
	var month showback.Month
	var from batches
	if flags.history != "" {
		var err error
		if month, err = flags.monthOr(now, command); err != nil {
			return err
		}
		store, err := openHistory(ctx, flags.history)
		if err != nil {
			return err
		}
		defer func() { _ = store.Close() }()
		if from, err = ofHistory(ctx, store, month, flags.sources, now); err != nil {
			return &trouble{err: err, next: command + " --help"}
		}
	} else {
		connection, found, err := flags.dial(ctx, connect, command, now)
		if err != nil {
			return err
		}
		if flags.AllNamespaces {
			connection.Namespace = ""
		}
		month = found
		if from, err = ofReports(ctx, connection, flags, month, command); err != nil {
			return err
		}
	}
	name := filepath.Join(flags.dir, fmt.Sprintf("towpath-costs-%s.%s", month, flags.as))
	rows, err := writeExport(name, flags.as, from)
	if err != nil {
		return &trouble{err: fmt.Errorf("writing %s: %w", name, err), next: "look at the folder's space and rights, and try again: nothing of the file is left"}
	}
	if rows == 0 {
		return &trouble{err: fmt.Errorf("there are no figures of %s", month), next: "give another month by --month", code: exitFindings}
	}
	_, err = fmt.Fprintf(std.out, "%s: %d rows\n", name, rows)
	return err
}

// writeExport writes a file under a name that nobody reads, and renames it when it is whole. Without rows there is none.
func writeExport(name, as string, from batches) (rows int, err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // as any folder that a user makes
		return 0, err
	}
	part, err := os.CreateTemp(filepath.Dir(name), ".towpath-costs-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil || rows == 0 {
			_ = part.Close()
			_ = os.Remove(part.Name())
		}
	}()
	made := map[string]func(io.Writer) (export.Writer, error){"csv": export.NewCSV, "parquet": export.NewParquet}[as]
	w, err := made(part)
	if err != nil {
		return 0, err
	}
	err = from(func(charges []export.Charge) error {
		found, err := export.Rows(charges)
		if err != nil {
			return err
		}
		rows += len(found)
		return w.Write(found)
	})
	if err = errors.Join(err, w.Close()); err != nil || rows == 0 {
		return rows, err
	}
	if err := errors.Join(part.Sync(), part.Close()); err != nil {
		return rows, err
	}
	return rows, os.Rename(part.Name(), name)
}

// openHistory opens a history that is there, to read alone.
func openHistory(ctx context.Context, name string) (history.Store, error) {
	if variable, ok := strings.CutPrefix(name, fromEnvironment); ok {
		address := os.Getenv(variable)
		if address == "" {
			return nil, &trouble{err: fmt.Errorf("--history %s: the environment variable %s is not set", name, variable), next: "export " + variable + "=postgres://user:password@host/database?sslmode=verify-full"}
		}
		store, err := sqlstore.OpenPostgreSQLToRead(ctx, address)
		if err != nil {
			return nil, &trouble{err: fmt.Errorf("--history %s: %w", name, err), next: "look whether the database answers, and whether the address in " + variable + " is its"}
		}
		return store, nil
	}
	if strings.Contains(name, "://") {
		return nil, &trouble{err: errors.New("--history: an address does not belong on a command line, where others see its password"), next: "put it into an environment variable, and give its name: --history env:NAME"}
	}
	if _, err := os.Stat(name); err != nil {
		return nil, &trouble{err: fmt.Errorf("--history: %w", err), next: "give a copy of the manager's file, or env:NAME for PostgreSQL"}
	}
	store, err := sqlstore.OpenSQLiteToRead(ctx, name)
	if err != nil {
		return nil, &trouble{err: fmt.Errorf("--history: %w", err), next: "give a copy of the manager's file"}
	}
	return store, nil
}

// ofHistory are the charges of a month of a history, day by day.
func ofHistory(ctx context.Context, store history.Store, month showback.Month, chosen []string, now time.Time) (batches, error) {
	query := history.Query{From: month.Begin(), To: month.End(), At: now, GroupBy: []history.Dimension{history.BySource}}
	sums, err := store.Sum(ctx, query)
	if err != nil {
		return nil, err
	}
	var found []string
	for i := range sums {
		if !slices.Contains(found, sums[i].Source) {
			found = append(found, sums[i].Source)
		}
	}
	// Estimates beside bills would tell the same money twice.
	if query.Sources = showback.BillSources(found); len(query.Sources) == 0 {
		query.Sources = found
	}
	for _, name := range chosen {
		if !slices.Contains(found, name) {
			return nil, fmt.Errorf("--source %s: it has no figures of %s; there are %s", name, month, cmp.Or(strings.Join(found, ", "), "none"))
		}
		query.Sources = chosen
	}
	query.GroupBy = append([]history.Dimension{history.BySource}, showback.GroupBy...)
	return func(yield func([]export.Charge) error) error {
		for day := month.Begin(); day < month.End() && len(found) > 0; day++ {
			query.From, query.To = day, day+1
			sums, err := store.Sum(ctx, query)
			if err != nil {
				return err
			}
			charges := make([]export.Charge, len(sums))
			for i := range sums {
				s := &sums[i]
				charges[i] = export.Charge{
					Series: s.Series, Source: s.Source, BillingFrom: month.Begin(), BillingTo: month.End(), From: day, To: day + 1,
					Billed: s.Billed, Effective: s.Effective, Provisional: s.Provisional,
				}
			}
			if err := yield(charges); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// ofReports are the charges of CostReports of a month: a row a month.
func ofReports(ctx context.Context, c *cluster.Cluster, flags *exportFlags, month showback.Month, command string) (batches, error) {
	var reports []platformv1alpha1.CostReport
	if c.Namespace != "" {
		report, err := readReport(ctx, c, flags.Flags, month)
		if err != nil {
			return nil, err
		}
		if report == nil {
			return nil, noReport(ctx, c, &flags.reportFlags, month, command)
		}
		reports = append(reports, *report)
	} else if err := cluster.Pages(ctx, c, &platformv1alpha1.CostReportList{}, func(list *platformv1alpha1.CostReportList) {
		for i := range list.Items {
			if list.Items[i].Name == month.String() {
				reports = append(reports, list.Items[i])
			}
		}
	}, client.InNamespace("")); err != nil {
		return nil, explained(err, flags.Flags, "list costreports in all namespaces")
	}
	teams := map[string]bool{}
	var charges []export.Charge
	for i := range reports {
		// A team with two homes has its report in both.
		if teams[reports[i].Report.Team] {
			continue
		}
		teams[reports[i].Report.Team] = true
		found, err := chargesOf(&reports[i], month)
		if err != nil {
			return nil, &trouble{err: err, next: fmt.Sprintf("%s -n %s get costreport %s -o yaml", flags.Kubectl(), reports[i].Namespace, month)}
		}
		charges = append(charges, found...)
	}
	return func(yield func([]export.Charge) error) error { return yield(charges) }, nil
}

// chargesOf are the rows of a CostReport as charges. The team's parts of what is no team's go back to what they are parts of.
func chargesOf(report *platformv1alpha1.CostReport, month showback.Month) ([]export.Charge, error) {
	content := &report.Report
	source := "towpath-" + strings.ToLower(string(content.Source))
	charges := make([]export.Charge, 0, len(content.Rows))
	for i := range content.Rows {
		row := &content.Rows[i]
		c := export.Charge{
			Series: history.Series{
				Team: content.Team, Environment: row.Environment, Component: row.Component, Service: row.Service,
				Category: history.Category(row.Category), Currency: row.Currency, Unused: row.Commitment == platformv1alpha1.CommitmentUnused,
			},
			Source: source, BillingFrom: month.Begin(), BillingTo: month.End(), From: month.Begin(), To: month.End(),
			Provisional: content.State == platformv1alpha1.CostsProvisional,
		}
		switch row.Kind {
		case platformv1alpha1.CostIdle, platformv1alpha1.CostShared:
			c.Team, c.Service = "", string(row.Kind)
		case platformv1alpha1.CostOthers:
			c.Service, c.Description = string(row.Kind), "The least charges of the team together"
		}
		var err error
		if c.Billed, err = decimal.NewFromString(string(row.Billed)); err == nil {
			c.Effective, err = decimal.NewFromString(string(row.Effective))
		}
		if err != nil {
			return nil, fmt.Errorf("CostReport %s/%s: report.rows[%d]: %w", report.Namespace, report.Name, i, err)
		}
		charges = append(charges, c)
	}
	return charges, nil
}
