package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/census"
)

// adoptionReport is what -o json and -o yaml print.
type adoptionReport struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Templates  []census.Template `json:"templates"`
}

func newAdoption(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var output format
	cmd := &cobra.Command{
		Use:   "adoption",
		Short: "Count who follows which golden path, who runs its newest revision, and who overrides what",
		Long: `Count who follows which golden path, who runs its newest revision, and who
overrides what.

It reads the Components of all namespaces with the rights of your kubeconfig. The
manager's metrics towpath_template_components, towpath_template_environments and
towpath_template_overrides say the same over time. Paths that many override are
those where the standard may be too narrow; those that nobody does can be closed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			report, doing, err := countAdoption(cmd.Context(), connection)
			if err != nil {
				next, explained := cluster.Explain(err, flags, doing)
				return &trouble{err: explained, next: next}
			}
			if output != formatText {
				return printValue(std.out, output, report)
			}
			return printAdoption(std.out, report.Templates)
		},
	}
	flags.Bind(cmd)
	addFormat(cmd, &output, "json or yaml (default: a table)", formatJSON, formatYAML)
	return cmd
}

// countAdoption reads the cluster. doing completes "cannot …" where that fails.
func countAdoption(ctx context.Context, reader client.Reader) (report *adoptionReport, doing string, err error) {
	var templates []platformv1alpha1.ServiceTemplate
	err = cluster.Pages(ctx, reader, &platformv1alpha1.ServiceTemplateList{}, func(list *platformv1alpha1.ServiceTemplateList) {
		templates = append(templates, list.Items...)
	})
	if err != nil {
		return nil, "list servicetemplates", err
	}
	var components []platformv1alpha1.Component
	err = cluster.Pages(ctx, reader, &platformv1alpha1.ComponentList{}, func(list *platformv1alpha1.ComponentList) {
		components = append(components, list.Items...)
	})
	if err != nil {
		return nil, "list components in all namespaces", err
	}
	return &adoptionReport{APIVersion: cliAPIVersion, Kind: "Adoption", Templates: census.Count(templates, components)}, "", nil
}

func printAdoption(out io.Writer, templates []census.Template) error {
	if len(templates) == 0 {
		_, err := io.WriteString(out, "no ServiceTemplate, and no Component\n")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := []string{"TEMPLATE\tMATURITY\tCOMPONENTS\tPINNED\tENVIRONMENTS\tON LATEST\tOVERRIDING\tREVISIONS"}
	for i := range templates {
		t := &templates[i]
		maturity := string(t.Maturity)
		switch {
		case maturity == "":
			maturity = "(gone)"
		case t.ReplacedBy != "":
			maturity += ", use " + t.ReplacedBy
		}
		revisions := make([]string, len(t.Revisions))
		for j, r := range t.Revisions {
			revisions[j] = fmt.Sprintf("%d: %d", r.Number, r.Environments)
		}
		latest := "-"
		if t.Environments > 0 {
			latest = strconv.Itoa(int(t.Share()*100)) + " %"
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%s\t%d\t%s", t.Name, maturity, t.Components, t.Pinned, t.Environments, latest, t.Overriding, strings.Join(revisions, ", ")))
	}
	if _, err := io.WriteString(table, strings.Join(rows, "\n")+"\n"); err != nil {
		return err
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return printOverrides(out, templates)
}

// printOverrides lists the open paths of each template, those first that most override.
func printOverrides(out io.Writer, templates []census.Template) error {
	rows := []string{"\nTEMPLATE\tOVERRIDABLE\tCOMPONENTS"}
	for i := range templates {
		for _, o := range templates[i].Overrides {
			path := strings.TrimPrefix(o.Resource+": "+o.Path, ": ")
			rows = append(rows, fmt.Sprintf("%s\t%s\t%d", templates[i].Name, path, o.Components))
		}
	}
	if len(rows) == 1 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, strings.Join(rows, "\n")+"\n"); err != nil {
		return err
	}
	return table.Flush()
}
