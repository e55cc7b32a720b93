package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

// envReport is what env list prints.
type envReport struct {
	APIVersion   string     `json:"apiVersion"`
	Kind         string     `json:"kind"`
	Environments []envEntry `json:"environments"`
}

type envEntry struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Class     string `json:"class"`
	// Workload is the namespace where it runs; empty until it was made.
	Workload    string                        `json:"workloadNamespace,omitempty"`
	PullRequest *platformv1alpha1.PullRequest `json:"pullRequest,omitempty"`
	// Components that have it in their path.
	Components []string `json:"components"`
	// Status is Ready, Asleep, Deleting, or the reason why it is not ready.
	Status string `json:"status"`
	// AsleepUntil is when it wakes, where it sleeps; empty for when somebody wakes it.
	AsleepUntil string `json:"asleepUntil,omitempty"`
	// ExpiresAt is when it ends; empty for never.
	ExpiresAt string `json:"expiresAt,omitempty"`
	// Expiring says that the end is near.
	Expiring bool `json:"expiring,omitempty"`
}

func newEnvList(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var output format
	var previews bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List environments: what runs in them, for which pull request, and when they end",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			namespace := connection.Namespace
			if flags.AllNamespaces {
				namespace = ""
			}
			report, err := listEnvironments(cmd.Context(), connection, flags, namespace, previews)
			if err != nil {
				return err
			}
			if output != formatText {
				return printValue(std.out, output, report)
			}
			return printEnvironments(std.out, report, flags.AllNamespaces)
		},
	}
	flags.Bind(cmd)
	flags.BindNamespace(cmd)
	cmd.Flags().BoolVar(&previews, "previews", false, "only those of pull requests")
	addFormat(cmd, &output, "json or yaml (default: a table)", formatJSON, formatYAML)
	return cmd
}

func listEnvironments(ctx context.Context, c client.Reader, flags cluster.Flags, namespace string, previews bool) (*envReport, error) {
	report := &envReport{APIVersion: cliAPIVersion, Kind: "Environments", Environments: []envEntry{}}
	in := client.InNamespace(namespace)
	users := map[client.ObjectKey][]string{}
	err := cluster.Pages(ctx, c, &platformv1alpha1.ComponentList{}, func(list *platformv1alpha1.ComponentList) {
		for i := range list.Items {
			for _, step := range list.Items[i].Spec.Environments {
				key := client.ObjectKey{Namespace: list.Items[i].Namespace, Name: step.Name}
				users[key] = append(users[key], list.Items[i].Name)
			}
		}
	}, in)
	if err != nil {
		return nil, explained(err, flags, "list components")
	}
	err = cluster.Pages(ctx, c, &platformv1alpha1.EnvironmentList{}, func(list *platformv1alpha1.EnvironmentList) {
		for i := range list.Items {
			if e := &list.Items[i]; !previews || e.Spec.SourceRef != nil {
				report.Environments = append(report.Environments, entryOf(e, users[client.ObjectKeyFromObject(e)]))
			}
		}
	}, in)
	if err != nil {
		return nil, explained(err, flags, "list environments")
	}
	slices.SortFunc(report.Environments, func(a, b envEntry) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return report, nil
}

func entryOf(e *platformv1alpha1.Environment, users []string) envEntry {
	slices.Sort(users)
	entry := envEntry{
		Namespace: e.Namespace, Name: e.Name, Class: e.Spec.ClassRef.Name, Workload: e.Status.Namespace,
		Components: append([]string{}, users...), Status: "Unknown",
		Expiring: meta.IsStatusConditionTrue(e.Status.Conditions, platformv1alpha1.ConditionExpiring),
	}
	if source := e.Spec.SourceRef; source != nil {
		entry.PullRequest = &source.PullRequest
	}
	if end := e.Status.ExpiresAt; end != nil {
		entry.ExpiresAt = end.UTC().Format(time.RFC3339)
	}
	ready := meta.FindStatusCondition(e.Status.Conditions, platformv1alpha1.ConditionReady)
	switch {
	case !e.DeletionTimestamp.IsZero():
		entry.Status = platformv1alpha1.ReasonDeleting
	case ready != nil && ready.Status == metav1.ConditionTrue && e.Asleep():
		entry.Status = platformv1alpha1.ReasonAsleep
		if until := e.Status.Sleep.Until; until != nil {
			entry.AsleepUntil = until.UTC().Format(time.RFC3339)
		}
	case ready != nil && ready.Status == metav1.ConditionTrue:
		entry.Status = platformv1alpha1.ReasonReady
	case ready != nil:
		entry.Status = ready.Reason
	}
	return entry
}

func printEnvironments(out io.Writer, report *envReport, everywhere bool) error {
	if len(report.Environments) == 0 {
		_, err := io.WriteString(out, "no environment\n")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	header := "NAME\tCLASS\tSTATUS\tEXPIRES\tPULL REQUEST\tCOMPONENTS\n"
	if everywhere {
		header = "NAMESPACE\t" + header
	}
	rows := header
	for i := range report.Environments {
		e := &report.Environments[i]
		if everywhere {
			rows += e.Namespace + "\t"
		}
		request, ends := "-", cmp.Or(e.ExpiresAt, "never")
		if e.PullRequest != nil {
			request = cmp.Or(e.PullRequest.URL, fmt.Sprintf("%d", e.PullRequest.Number))
		}
		if e.Expiring {
			ends += " (soon)"
		}
		status := e.Status
		if e.AsleepUntil != "" {
			status += " until " + e.AsleepUntil
		}
		rows += strings.Join([]string{e.Name, e.Class, status, ends, request, cmp.Or(strings.Join(e.Components, ", "), "-")}, "\t") + "\n"
	}
	if _, err := io.WriteString(table, rows); err != nil {
		return err
	}
	return table.Flush()
}
