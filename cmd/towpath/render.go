package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/internal/render"
)

// renderFlags are the flags of render besides those that find files.
type renderFlags struct {
	files, environments []string
	tier, ownerUID      string
	settings            offline.Settings
}

func newRender(std streams) *cobra.Command {
	var where folders
	var flags renderFlags
	output := formatYAML
	cmd := &cobra.Command{
		Use:   "render -f FILE|FOLDER|- [COMPONENT]",
		Short: "Print the objects that Components become, without a cluster",
		Long: `Print the objects that Components become, without a cluster.

They are the same to the byte as the controller's, if what the cluster knows is
told: team and cost centre by the Namespace in the files or by flags, the class
by the Environment and EnvironmentClass or --tier, optional APIs by
--capabilities, the owner's UID by files from kubectl get -o yaml or --owner-uid,
label aliases by --label-alias.
A Release, together with its ServiceTemplateRevision, tells all of it.`,
		Example: `  towpath render -f component.yaml -e prod --tier Production
  towpath render -f deploy/ checkout --capabilities gateway.networking.k8s.io/v1/HTTPRoute
  kubectl get servicetemplaterevisions,releases -n team-shop -o yaml | towpath render -f -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			selection := offline.Selection{Environments: flags.environments}
			if len(args) == 1 {
				selection.Component = args[0]
			}
			if err := flags.complete(cmd); err != nil {
				return err
			}
			world, err := where.world(cmd.Context(), flags.files, std.in)
			if err != nil {
				return err
			}
			return runRender(world, selection, &flags.settings, std, output)
		},
	}
	where.bind(cmd)
	flags.bind(cmd, "render")
	cmd.Flags().StringVar(&flags.settings.Team, "team", "", "team, where the files do not tell it")
	cmd.Flags().StringVar(&flags.settings.CostCenter, "cost-center", "", "cost centre, where the files do not tell it")
	cmd.Flags().StringVar(&flags.ownerUID, "owner-uid", "", "UID of the Component, where the file does not tell it (default: all zero)")
	cmd.Flags().StringToStringVar(&flags.settings.LabelAliases, "label-alias", nil, "further label, as key=platform.towpath.dev/… (as configured in the manager)")
	addFormat(cmd, &output, "yaml or json", formatYAML, formatJSON)
	return cmd
}

// bind gives a command the flags that say what is rendered, and where.
func (f *renderFlags) bind(cmd *cobra.Command, verb string) {
	cmd.Flags().StringSliceVarP(&f.files, "filename", "f", nil, "file or folder with Components, - for standard input")
	cmd.Flags().StringSliceVarP(&f.environments, "environment", "e", nil, "environment to "+verb+" (default: all of the path)")
	cmd.Flags().StringVar(&f.tier, "tier", "", "tier, where the files do not tell it: "+strings.Join(tierNames(), ", "))
	cmd.Flags().StringSliceVar(&f.settings.Capabilities, "capabilities", nil, "optional APIs of the cluster, as group/version/Kind")
	_ = cmd.RegisterFlagCompletionFunc("tier", cobra.FixedCompletions(tierNames(), cobra.ShellCompDirectiveNoFileComp))
}

func tierNames() []string {
	return []string{
		string(platformv1alpha1.TierDevelopment), string(platformv1alpha1.TierStaging),
		string(platformv1alpha1.TierProduction), string(platformv1alpha1.TierPreview),
	}
}

// complete checks the flags.
func (f *renderFlags) complete(cmd *cobra.Command) error {
	help := cmd.CommandPath() + " --help"
	if len(f.files) == 0 {
		return &trouble{err: fmt.Errorf("name a file or a folder with -f"), next: help}
	}
	if f.tier != "" && !slices.Contains(tierNames(), f.tier) {
		return &trouble{err: fmt.Errorf("--tier %q: must be one of %s", f.tier, strings.Join(tierNames(), ", ")), next: help}
	}
	for _, capability := range f.settings.Capabilities {
		if strings.Count(capability, "/") != 2 {
			return &trouble{err: fmt.Errorf("--capabilities %q: must be group/version/Kind, such as gateway.networking.k8s.io/v1/HTTPRoute", capability), next: help}
		}
	}
	if err := render.CheckAliases(f.settings.LabelAliases); err != nil {
		return &trouble{err: err, next: help}
	}
	f.settings.Tier, f.settings.OwnerUID = platformv1alpha1.Tier(f.tier), types.UID(f.ownerUID)
	return nil
}

func runRender(world *offline.World, selection offline.Selection, settings *offline.Settings, std streams, output format) error {
	results, err := renderSelected(world, selection, settings, std, func(string) bool { return true })
	if err != nil {
		return err
	}
	if err := printResults(std.out, results, output); err != nil {
		return err
	}
	return foundAll(world, selection, results)
}

// renderSelected renders what is selected, and says on standard error what was assumed, as far as that matters, and found.
func renderSelected(world *offline.World, selection offline.Selection, settings *offline.Settings, std streams, matters func(string) bool) ([]offline.Result, error) {
	if selection.Component != "" {
		if found, others := world.Has(selection.Component); !found && world.Count(offline.Error) == 0 {
			return nil, &trouble{
				err:  fmt.Errorf("the files have no Component %q; they have %s", selection.Component, orNone(others)),
				next: "name one of them, or leave the name out", code: exitFindings,
			}
		}
	}
	results := world.Render(selection, settings)
	world.Sort()
	assumed := map[string]bool{}
	for _, result := range results {
		for _, what := range result.Assumed {
			if matters(what) {
				assumed[what] = true
			}
		}
	}
	var notes strings.Builder
	for _, what := range slices.Sorted(maps.Keys(assumed)) {
		notes.WriteString("note: not told, so assumed: " + what + "\n")
	}
	for _, finding := range world.Findings {
		notes.WriteString(finding.String() + "\n")
	}
	_, err := io.WriteString(std.err, notes.String())
	return results, err
}

// foundAll ends a command as what it found says.
func foundAll(world *offline.World, selection offline.Selection, results []offline.Result) error {
	if world.Count(offline.Error) > 0 {
		return errFindings
	}
	if len(results) == 0 {
		return &trouble{err: fmt.Errorf("the files have no Component in environment %s", orNone(selection.Environments)),
			next: "leave -e out to see all environments", code: exitFindings}
	}
	return nil
}

// printResults writes objects in the order in which they are applied.
func printResults(out io.Writer, results []offline.Result, output format) error {
	if output == formatJSON {
		items := []json.RawMessage{}
		for _, result := range results {
			for _, object := range result.Objects {
				data, err := offline.JSON(object)
				if err != nil {
					return err
				}
				items = append(items, data)
			}
		}
		return printValue(out, output, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	}
	var text strings.Builder
	for _, result := range results {
		for _, object := range result.Objects {
			data, err := offline.JSON(object)
			if err != nil {
				return err
			}
			document, err := yaml.JSONToYAML(data)
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "---\n# component %s, environment %s, resource %s\n%s", result.Component, result.Environment, object.Resource, document)
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
