package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/showback"
)

// formatCSV is for spreadsheets.
const formatCSV format = "csv"

// reportFlags choose what a report of costs is about.
type reportFlags struct {
	cluster.Flags

	team, month, by string
	output          format
}

// bindTeam gives a command the flags that choose a team and a month.
func (f *reportFlags) bindTeam(cmd *cobra.Command, connect cluster.Connector) {
	bindHome(cmd, &f.Flags)
	cmd.Flags().StringVar(&f.team, "team", "", "name of the team (default: the one at home in the namespace)")
	cmd.Flags().StringVar(&f.month, "month", "", "month, as 2026-10 (default: the one that runs, in UTC)")
	_ = cmd.RegisterFlagCompletionFunc("team", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		connection, err := connect(f.Flags)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, _ := teamNames(ctx, connection)
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

func newCostReport(connect cluster.Connector, std streams) *cobra.Command {
	var flags reportFlags
	var hints hintFlags
	var now nowFlags
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Show what a team cost in a month",
		Long: `Show what a team cost in a month, by environment, component, service or any label of
its Components, and what changed since the month before.

The figures are those of the CostReport of the month in the team's home namespace, which
the manager writes once a day: of bills, or of estimates where it reads none. Idle and
shared are the team's part of what is no team's. The table and Markdown round amounts;
csv and json have them exactly, and all lines sum to the total. docs/guides/showback.md
says how to read them.

With --now the figures are of no month: what the nodes of the cluster cost is shared among
what runs on them at this moment, by what each container asks for or uses, whichever is
more, with what is idle and what is shared.`,
		Example: `  towpath cost report --team shop --month 2026-10
  towpath cost report -n team-shop --by label=app.kubernetes.io/part-of -o csv
  towpath cost report --team shop --hints
  towpath cost report --team shop --now --idle cluster --prometheus http://localhost:9090
  towpath cost report --now --by team`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if now.wanted {
				return runNow(cmd.Context(), connect, &flags, &now, &hints, cmd.CommandPath(), std.out)
			}
			by, err := showback.ParseBy(flags.by)
			if err != nil {
				return &trouble{err: err, next: cmd.CommandPath() + " --help"}
			}
			connection, month, err := flags.dial(cmd.Context(), connect, cmd.CommandPath(), time.Now())
			if err != nil {
				return err
			}
			report, found, err := loadReport(cmd.Context(), connection, &flags, month, by, cmd.CommandPath())
			if err != nil {
				return err
			}
			if hints.wanted {
				if report.Hints, err = findHints(cmd.Context(), connection, &flags, &hints, report, found, time.Now()); err != nil {
					return err
				}
			}
			return printReport(std.out, report, flags.output)
		},
	}
	flags.bindTeam(cmd, connect)
	cmd.Flags().StringVar(&flags.by, "by", string(showback.ByComponent), "what to group by: environment, component, service or label=KEY of Components; with --now also team, and no service")
	hints.bind(cmd)
	now.bind(cmd)
	addFormat(cmd, &flags.output, "csv, json, yaml or markdown (default: a table)", formatCSV, formatJSON, formatYAML, formatMarkdown)
	return cmd
}

// dial connects to the cluster, and finds out which namespace and month are meant.
func (f *reportFlags) dial(ctx context.Context, connect cluster.Connector, command string, now time.Time) (*cluster.Cluster, showback.Month, error) {
	month, err := f.monthOr(now, command)
	if err != nil {
		return nil, month, err
	}
	if f.team != "" && f.Namespace != "" {
		return nil, month, &trouble{err: fmt.Errorf("--team %s and -n %s: give one of them", f.team, f.Namespace), next: command + " --help"}
	}
	connection, err := dial(connect, f.Flags)
	if err != nil || f.team == "" {
		return connection, month, err
	}
	connection.Namespace, err = homeOf(ctx, connection, f.Flags, f.team, command)
	return connection, month, err
}

// monthOr is the month of --month, else that of a moment.
func (f *reportFlags) monthOr(now time.Time, command string) (showback.Month, error) {
	if f.month == "" {
		return showback.MonthOf(now), nil
	}
	month, err := showback.ParseMonth(f.month)
	if err != nil {
		return month, &trouble{err: fmt.Errorf("--month: %w", err), next: command + " --help"}
	}
	return month, nil
}

// homeOf finds the home namespace of a team: what its Team says, else the namespace that bears its label.
func homeOf(ctx context.Context, c *cluster.Cluster, flags cluster.Flags, name, command string) (string, error) {
	var team platformv1alpha1.Team
	err := c.Get(ctx, client.ObjectKey{Name: name}, &team)
	switch {
	case err == nil && team.Status.Namespace != "":
		return team.Status.Namespace, nil
	case err == nil:
		return "", &trouble{err: fmt.Errorf("team %s has no home namespace yet", name), next: flags.Kubectl() + " get team " + name}
	case !apierrors.IsNotFound(err):
		return "", explained(err, flags, "read team "+name)
	}
	var homes corev1.NamespaceList
	// Most may not list namespaces; who may finds homes without a Team too.
	if c.List(ctx, &homes, client.MatchingLabels{platformv1alpha1.LabelTeam: name}) == nil {
		for i := range homes.Items {
			if _, workload := homes.Items[i].Labels[platformv1alpha1.LabelEnvironment]; !workload {
				return homes.Items[i].Name, nil
			}
		}
	}
	names, err := teamNames(ctx, c)
	if err != nil {
		return "", explained(err, flags, "list teams")
	}
	there := "there is no Team at all"
	if len(names) > 0 {
		there = "there are " + shownNames(names)
	}
	return "", &trouble{
		err:  fmt.Errorf("team %q does not exist: %s", name, there),
		next: fmt.Sprintf("give one of these, or the home of a team without a Team object: %s -n NAMESPACE", command), code: exitFindings,
	}
}

func teamNames(ctx context.Context, c *cluster.Cluster) ([]string, error) {
	var names []string
	err := cluster.Pages(ctx, c, &platformv1alpha1.TeamList{}, func(list *platformv1alpha1.TeamList) {
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
	})
	slices.Sort(names)
	return names, err
}

// shownNames is at most ten names, and how many more there are.
func shownNames(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// loadReport reads the CostReports of a month and of the one before, and makes the report.
func loadReport(ctx context.Context, c *cluster.Cluster, flags *reportFlags, month showback.Month, by showback.By, command string) (*showback.Report, *platformv1alpha1.CostReport, error) {
	found, err := readReport(ctx, c, flags.Flags, month)
	if err != nil {
		return nil, nil, err
	}
	if found == nil {
		return nil, nil, noReport(ctx, c, flags, month, command)
	}
	in := showback.Input{Report: found, By: by}
	if in.Before, err = readReport(ctx, c, flags.Flags, month.Plus(-1)); err != nil {
		return nil, nil, err
	}
	if by.Dimension == showback.ByLabel {
		in.Labels = map[string]map[string]string{}
		err := cluster.Pages(ctx, c, &platformv1alpha1.ComponentList{}, func(list *platformv1alpha1.ComponentList) {
			for i := range list.Items {
				in.Labels[list.Items[i].Name] = maps.Clone(list.Items[i].Labels)
			}
		}, client.InNamespace(c.Namespace))
		if err != nil {
			return nil, nil, explained(err, flags.Flags, "list components in namespace "+c.Namespace)
		}
	}
	report, err := showback.Of(in)
	if err != nil {
		return nil, nil, &trouble{err: err, next: fmt.Sprintf("%s -n %s get costreport %s -o yaml", flags.Kubectl(), c.Namespace, month)}
	}
	report.APIVersion, report.Kind = cliAPIVersion, "CostReport"
	return report, found, nil
}

// readReport reads the CostReport of a month; nil where there is none.
func readReport(ctx context.Context, c *cluster.Cluster, flags cluster.Flags, month showback.Month) (*platformv1alpha1.CostReport, error) {
	found := &platformv1alpha1.CostReport{}
	err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: month.String()}, found)
	switch {
	case apierrors.IsNotFound(err) && isOfObject(err):
		return nil, nil
	case err != nil:
		return nil, explained(err, flags, fmt.Sprintf("read costreport %s in namespace %s", month, c.Namespace))
	}
	return found, nil
}

// isOfObject tells that an object is not there from that its kind is not.
func isOfObject(err error) bool {
	status, ok := err.(apierrors.APIStatus)
	return ok && status.Status().Details != nil && status.Status().Details.Name != ""
}

// noReport says which reports there are.
func noReport(ctx context.Context, c *cluster.Cluster, flags *reportFlags, month showback.Month, command string) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(platformv1alpha1.GroupVersion.WithKind("CostReportList"))
	if err := c.List(ctx, list, client.InNamespace(c.Namespace)); err != nil {
		return explained(err, flags.Flags, "list costreports in namespace "+c.Namespace)
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	slices.Sort(names)
	who := "namespace " + c.Namespace
	if flags.team != "" {
		who = "team " + flags.team + ", namespace " + c.Namespace
	}
	if len(names) == 0 {
		return &trouble{
			err: fmt.Errorf("%s has no report of costs: either it is the home of no team, or it cost nothing yet, or the platform keeps no history of costs", who),
			next: fmt.Sprintf("ask the platform team whether the manager's configuration has a history; what a Component would cost: %s -f component.yaml",
				strings.TrimSuffix(command, " report")),
			code: exitFindings,
		}
	}
	return &trouble{
		err:  fmt.Errorf("%s has no report for %s: there are %s", who, month, strings.Join(names, ", ")),
		next: fmt.Sprintf("%s --month %s", flags.again(command, c.Namespace), names[len(names)-1]), code: exitFindings,
	}
}

// again is the command with the flags that lead it to the same team.
func (f *reportFlags) again(command, namespace string) string {
	if f.team != "" {
		return f.Reach(command) + " --team " + f.team
	}
	return f.Reach(command) + " -n " + namespace
}

func printReport(out io.Writer, report *showback.Report, as format) error {
	var text string
	var err error
	switch as {
	case formatJSON, formatYAML:
		return printValue(out, as, report)
	case formatCSV:
		text, err = report.CSV()
	case formatMarkdown:
		text = report.Markdown()
	default:
		text = report.Table()
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}
