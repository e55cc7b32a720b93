package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/diff"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/manifest"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/internal/compatibility"
	"github.com/towpath-dev/towpath/internal/cost"
)

// formatMarkdown is for comments of pull requests.
const formatMarkdown format = "markdown"

// diffFlags are the flags of diff besides those that find a cluster or files.
type diffFlags struct {
	file, base, prices string
	from               []string
}

func newDiff(connect cluster.Connector, std streams) *cobra.Command {
	var reach cluster.Flags
	var where folders
	var flags diffFlags
	var output format
	cmd := &cobra.Command{
		Use:   "diff -f TEMPLATE",
		Short: "Show what a change of a golden path does to the Components that follow it",
		Long: `Show what a change of a golden path does to the Components that follow it.

Against a cluster it renders every Release that runs once more, with the template
of the file in place of its revision, and compares: how many Components change,
which objects, field by field, whose pods restart, and who cannot get the change.
With --from-dir it does the same for a folder of Components, without a cluster:
for a pull request. There the template as it was comes from --base, else from the
folder, else from the catalogue. Nothing is written.

Exit codes: 0 everybody can get the change, 1 somebody cannot, or it is breaking
and the template does not allow it, 2 the command could not do its work. Components
that are not valid as they are, whatever changes, are named, and count for nothing.`,
		Example: `  towpath diff -f web-service.yaml
  git show main:web-service.yaml | towpath diff -f web-service.yaml --base - --from-dir components/ -o markdown`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.file == "" {
				return &trouble{err: errors.New("name the file of a ServiceTemplate with -f"), next: cmd.CommandPath() + " --help"}
			}
			documents, err := readTemplate(flags.file, std)
			if err != nil {
				return err
			}
			prices, err := readPrices(flags.prices)
			if err != nil {
				return &trouble{err: err, next: nextPrices}
			}
			var report *diff.Report
			if len(flags.from) > 0 {
				report, err = diffFolder(cmd.Context(), &where, &flags, documents, prices, std)
			} else {
				report, err = diffCluster(cmd.Context(), connect, reach, documents, prices)
			}
			if err != nil {
				return err
			}
			return printImpact(std, output, report)
		},
	}
	reach.Bind(cmd)
	where.bind(cmd)
	cmd.Flags().StringVarP(&flags.file, "filename", "f", "", "file with the ServiceTemplate as it is to be, - for standard input")
	cmd.Flags().StringVar(&flags.base, "base", "", "file with the ServiceTemplate as it was, - for standard input; with --from-dir")
	cmd.Flags().StringSliceVar(&flags.from, "from-dir", nil, "file or folder with Components, in place of a cluster")
	cmd.Flags().StringVar(&flags.prices, "prices", "", "file with the list of prices by which the change is estimated (default: OpenCost's default list)")
	addFormat(cmd, &output, "json, yaml or markdown (default: text)", formatJSON, formatYAML, formatMarkdown)
	return cmd
}

// readTemplate reads the file of the one template.
func readTemplate(file string, std streams) ([]*manifest.Document, error) {
	documents, problems, err := manifest.Read([]string{file}, std.in)
	if err != nil {
		return nil, unreadable(err)
	}
	if len(problems) > 0 {
		return nil, &trouble{err: fmt.Errorf("%s:%d: %s", problems[0].File, problems[0].Line, problems[0].Message), next: "correct the file"}
	}
	documents = slices.DeleteFunc(documents, func(d *manifest.Document) bool { return d.Object.GetKind() != "ServiceTemplate" })
	if len(documents) != 1 {
		return nil, &trouble{err: fmt.Errorf("%s: must hold one ServiceTemplate, and holds %d", file, len(documents)), next: "split it into a file for each template"}
	}
	return documents, nil
}

// diffFolder compares what the Components of a folder render to.
func diffFolder(ctx context.Context, where *folders, flags *diffFlags, documents []*manifest.Document, prices *cost.Prices, std streams) (*diff.Report, error) {
	before, err := where.world(ctx, flags.from, std.in)
	if err != nil {
		return nil, err
	}
	after, err := where.world(ctx, flags.from, std.in)
	if err != nil {
		return nil, err
	}
	if flags.base != "" {
		base, err := readTemplate(flags.base, std)
		if err != nil {
			return nil, err
		}
		before.Replace(ctx, base)
	}
	name := documents[0].Object.GetName()
	if before.Spec(name) == nil {
		return nil, &trouble{err: fmt.Errorf("the template %s as it was is in none of the files", name), next: "give it with --base"}
	}
	pinned := before.Pinned(name)
	before.Unpin(name)
	after.Unpin(name)
	return diffWorlds(ctx, before, after, documents, pinned, 0, "", prices)
}

// allow says whether a breaking change is allowed. latest is the number of the newest revision, 0 where that is not known: then
// it is for the reader to look whether the leave is for that. promised is how far that one may be relied on.
func allow(report *diff.Report, is *platformv1alpha1.ServiceTemplateSpec, latest int64, promised platformv1alpha1.Maturity) {
	report.Allowed = is.Maturity == platformv1alpha1.MaturityExperimental && promised == platformv1alpha1.MaturityExperimental
	if report.Allowed || is.Rollout == nil || is.Rollout.AllowBreaking == nil {
		return
	}
	from := is.Rollout.AllowBreaking.FromRevision
	report.Allowed = latest == 0 || from == latest
	if latest == 0 {
		report.AllowedFrom = from
	}
}

// diffWorlds renders before and after. latest is the number of the newest revision, 0 where that is not known, and promised how
// far it may be relied on.
func diffWorlds(ctx context.Context, before, after *offline.World, documents []*manifest.Document, pinned []string, latest int64, promised platformv1alpha1.Maturity, prices *cost.Prices) (*diff.Report, error) {
	known := len(after.Findings)
	names := after.Replace(ctx, documents)
	if wrong := after.Findings[known:]; len(wrong) > 0 {
		return nil, &trouble{err: errors.New(wrong[0].String()), next: "correct the template; towpath lint shows all that is wrong", code: exitFindings}
	}
	name := names[0]
	was, is := before.Spec(name), after.Spec(name)
	seen := len(before.Findings)
	rendered, changed := results(before, name), results(after, name)
	report := diff.Compare(before.Places(name), rendered, changed)
	for _, finding := range before.Findings[seen:] {
		if finding.Severity == offline.Error {
			report.Already = append(report.Already, finding.String())
		}
	}
	report.APIVersion, report.Kind, report.Template, report.Pinned = cliAPIVersion, diff.Kind, name, pinned
	changes, err := compatibility.Compare(was, is)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		report.Changes = append(report.Changes, platformv1alpha1.TemplateChange{Level: c.Level, Path: c.Path, Message: c.Message})
	}
	if latest == 0 {
		promised = was.Maturity
	}
	allow(report, is, latest, promised)
	if len(rendered) > 0 {
		changed = slices.DeleteFunc(changed, func(r offline.Result) bool { return !report.Gets(r) })
		if report.Cost, err = diff.CostOf(rendered, changed, prices); err != nil {
			return nil, &trouble{err: fmt.Errorf("estimating what it costs: %w", err), next: "towpath lint shows what else is wrong", code: exitFindings}
		}
	}
	before.Sort()
	after.Sort()
	for _, finding := range after.Findings {
		switch {
		case finding.Severity != offline.Error || slices.Contains(before.Findings, finding):
		case report.Refused == 0: // another thing that is wrong with what was not valid before either
			report.Already = append(report.Already, finding.String())
		default:
			report.Cannot = append(report.Cannot, finding.String())
		}
	}
	return report, nil
}

// results are the renderings of one template.
func results(world *offline.World, name string) []offline.Result {
	all := world.Render(offline.Selection{}, &offline.Settings{})
	return slices.DeleteFunc(all, func(r offline.Result) bool { return r.Template != name })
}

func printImpact(std streams, output format, report *diff.Report) error {
	var err error
	switch output {
	case formatText:
		err = diff.Print(std.out, report)
	case formatMarkdown:
		err = diff.Markdown(std.out, report)
	default:
		err = printValue(std.out, output, report)
	}
	if err == nil && (len(report.Cannot) > 0 || report.Breaking()) {
		return errFindings
	}
	return err
}
