package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

// capabilityReport is what -o json and -o yaml print.
type capabilityReport struct {
	APIVersion   string           `json:"apiVersion"`
	Kind         string           `json:"kind"`
	Capabilities []capabilityLine `json:"capabilities"`
}

// capabilityLine is one optional API.
type capabilityLine struct {
	// Name is group/version/Kind.
	Name string `json:"name"`
	// Served says whether the cluster has it.
	Served bool `json:"served"`
	// Enables are the resources that golden paths make with it, as template/resource, or the template alone
	// where something else in it asks.
	Enables []string `json:"enables"`
	// Behind are the Releases that run, were made when it was otherwise, and come to other objects for it: the
	// next one of these Components will differ. As namespace/release.
	Behind []string `json:"behind,omitempty"`
}

func newCapabilities(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var output format
	cmd := &cobra.Command{
		Use:   "capabilities",
		Short: "Show which optional APIs the cluster has, and what golden paths make with them",
		Long: `Show which optional APIs the cluster has, and what golden paths make with them.

Golden paths ask for APIs that not every cluster has, such as the Gateway API or
KEDA. What comes later shows in a Component's next Release; the Releases for
which that is so are named as behind.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			report, err := capabilitiesOf(cmd.Context(), connection)
			if err != nil {
				next, explained := cluster.Explain(err, flags, "reading golden paths and Releases")
				return &trouble{err: explained, next: next}
			}
			if output != formatText {
				return printValue(std.out, output, report)
			}
			return printCapabilities(std.out, report)
		},
	}
	flags.Bind(cmd)
	addFormat(cmd, &output, "json or yaml (default: a table)", formatJSON, formatYAML)
	return cmd
}

// capabilitiesOf asks the cluster for everything that its golden paths ask for.
func capabilitiesOf(ctx context.Context, c *cluster.Cluster) (*capabilityReport, error) {
	var templates platformv1alpha1.ServiceTemplateList
	if err := c.List(ctx, &templates); err != nil {
		return nil, err
	}
	var releases platformv1alpha1.ReleaseList
	if err := c.List(ctx, &releases); err != nil {
		return nil, err
	}
	lines := map[string]*capabilityLine{}
	asking := map[string][]string{} // capability: names of templates
	for i := range templates.Items {
		t := &templates.Items[i]
		compiled, _, errs := template.Compile(&t.Spec, nil)
		if len(errs) > 0 {
			continue // its own status says why
		}
		for _, name := range compiled.Capabilities() {
			if lines[name] == nil {
				served, err := serves(c.RESTMapper(), name)
				if err != nil {
					return nil, err
				}
				lines[name] = &capabilityLine{Name: name, Served: served}
			}
			asking[name] = append(asking[name], t.Name)
			ids := compiled.AskedBy(name)
			for _, id := range ids {
				lines[name].Enables = append(lines[name].Enables, t.Name+"/"+id)
			}
			if len(ids) == 0 {
				lines[name].Enables = append(lines[name].Enables, t.Name)
			}
		}
	}
	report := &capabilityReport{APIVersion: cliAPIVersion, Kind: "Capabilities", Capabilities: []capabilityLine{}}
	for name, line := range lines {
		slices.Sort(line.Enables)
		line.Behind = behind(ctx, c, releases.Items, asking[name], name, line.Served)
		report.Capabilities = append(report.Capabilities, *line)
	}
	slices.SortFunc(report.Capabilities, func(a, b capabilityLine) int { return strings.Compare(a.Name, b.Name) })
	return report, nil
}

// serves asks discovery for group/version/Kind, or version/Kind.
func serves(mapper meta.RESTMapper, name string) (bool, error) {
	cut := strings.LastIndex(name, "/")
	gv, err := schema.ParseGroupVersion(name[:cut])
	if err != nil {
		return false, err
	}
	_, err = mapper.RESTMapping(gv.WithKind(name[cut+1:]).GroupKind(), gv.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	return err == nil, err
}

// behind are the Releases that run a template which asks for the capability, recorded it otherwise, and would come to
// other objects with it as it is now.
func behind(ctx context.Context, c client.Reader, releases []platformv1alpha1.Release, templates []string, name string, served bool) []string {
	var names []string
	for i := range releases {
		r := &releases[i]
		if r.Opened() && r.Status.SupersededAt == nil && r.DeletionTimestamp.IsZero() && slices.Contains(templates, r.Spec.Template) &&
			slices.Contains(r.Spec.Capabilities, name) != served && differsBy(ctx, c, r, name) {
			names = append(names, r.Namespace+"/"+r.Name)
		}
	}
	slices.Sort(names)
	return names
}

// differsBy says whether a Release comes to other objects where the capability is otherwise than it recorded: a service
// without a route makes none, whatever the cluster serves. What cannot be rendered here counts as other.
func differsBy(ctx context.Context, c client.Reader, release *platformv1alpha1.Release, name string) bool {
	var revision platformv1alpha1.ServiceTemplateRevision
	if c.Get(ctx, client.ObjectKey{Name: release.Spec.Revision.Name}, &revision) != nil {
		return true
	}
	compiled, _, errs := template.Compile(&revision.Spec.Template, nil)
	if len(errs) > 0 {
		return true
	}
	// Of what was taken over, the version after it counts, which brings all of the golden path.
	release, other := release.DeepCopy(), release.DeepCopy()
	release.Spec.Cause, other.Spec.Cause = "", ""
	if other.Spec.Capabilities = slices.DeleteFunc(other.Spec.Capabilities, func(has string) bool { return has == name }); len(other.Spec.Capabilities) == len(release.Spec.Capabilities) {
		other.Spec.Capabilities = append(other.Spec.Capabilities, name)
	}
	before, err := render.Release(compiled, release)
	if err != nil {
		return true
	}
	after, err := render.Release(compiled, other)
	return err != nil || !equality.Semantic.DeepEqual(before, after)
}

func printCapabilities(out io.Writer, report *capabilityReport) error {
	if len(report.Capabilities) == 0 {
		_, err := fmt.Fprintln(out, "no golden path asks for an optional API")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "CAPABILITY\tSERVED\tENABLES\tBEHIND")
	for _, line := range report.Capabilities {
		served, late := "no", "-"
		if line.Served {
			served = "yes"
		}
		if len(line.Behind) > 0 {
			late = strings.Join(line.Behind, ", ")
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", line.Name, served, strings.Join(line.Enables, ", "), late)
	}
	return table.Flush()
}
