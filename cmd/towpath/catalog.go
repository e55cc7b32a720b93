package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/catalog"
)

func newCatalog(connect cluster.Connector, std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "catalog",
		Short: "Tell software catalogues what runs on Towpath",
		Args:  cobra.NoArgs,
		RunE:  help,
	}
	cmd.AddCommand(newCatalogExport(connect, std))
	return cmd
}

// catalogOptions are the flags of catalog export.
type catalogOptions struct {
	cluster.Flags
	kinds, links []string
	dir          string
}

func newCatalogExport(connect cluster.Connector, std streams) *cobra.Command {
	var o catalogOptions
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write Components, Environments and Teams as entities of Backstage",
		Long: `Write Components, Environments and Teams as entities of Backstage: Component,
Resource, System and Group, with their relations.

Everything that you may read is exported; what you may not read is named on
standard error. The same objects give the same bytes, so that a change in the
output is one of the catalogue. Environments of pull requests, and the copies of
Components in them, are left out.

Entities of a team are in the Backstage namespace that is called as its home
namespace; Groups and Users are in default. Users are made with --kinds alone.`,
		Example: `  towpath catalog export > entities.yaml
  towpath catalog export -n team-shop --kinds System,Resource
  towpath catalog export --dir catalog --link 'Dashboard=https://grafana.example/d/component?var-component={name}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := o.input()
			if err != nil {
				return &trouble{err: err, next: cmd.CommandPath() + " --help"}
			}
			connection, err := dial(connect, o.Flags)
			if err != nil {
				return err
			}
			return o.export(cmd.Context(), connection, std, in)
		},
	}
	o.Bind(cmd)
	cmd.Flags().StringVarP(&o.Namespace, "namespace", "n", "", "one home namespace (default: all that you may read)")
	cmd.Flags().StringSliceVar(&o.kinds, "kinds", nil, "kinds of entities to write: "+strings.Join(catalog.Kinds, ", ")+" (default: all but User)")
	cmd.Flags().StringArrayVar(&o.links, "link", nil, "link that every Component gets, as TITLE=URL with {name}, {namespace} and {team}")
	cmd.Flags().StringVar(&o.dir, "dir", "", "folder to write a file an entity to, and all.yaml, which names them; what an earlier export left there is replaced")
	_ = cmd.RegisterFlagCompletionFunc("kinds", cobra.FixedCompletions(catalog.Kinds, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// input reads the flags.
func (o *catalogOptions) input() (*catalog.Input, error) {
	in := &catalog.Input{Kinds: o.kinds}
	for _, kind := range o.kinds {
		if !slices.Contains(catalog.Kinds, kind) {
			return nil, fmt.Errorf("--kinds %q: must be one of %s", kind, strings.Join(catalog.Kinds, ", "))
		}
	}
	for _, text := range o.links {
		link, err := catalog.ParseLink(text)
		if err != nil {
			return nil, fmt.Errorf("--link %w", err)
		}
		in.Links = append(in.Links, link)
	}
	return in, nil
}

func (o *catalogOptions) export(ctx context.Context, c *cluster.Cluster, std streams, in *catalog.Input) error {
	notes, err := o.load(ctx, c, in)
	if err != nil {
		return err
	}
	entities, unowned, err := catalog.Export(in)
	if err != nil {
		return &trouble{err: err, next: "rename one of them, or leave its kind out with --kinds", code: exitFindings}
	}
	for _, namespace := range unowned {
		notes = append(notes, "nobody tells the team of namespace "+namespace+": what is in it belongs to the group unknown")
	}
	if o.dir != "" {
		if err := writeCatalog(o.dir, entities); err != nil {
			return &trouble{err: err, next: "name another folder with --dir"}
		}
		notes = append(notes, fmt.Sprintf("wrote %d entities to %s; register all.yaml there", len(entities), o.dir))
	} else if err := printEntities(std.out, entities); err != nil {
		return err
	}
	for _, note := range notes {
		if _, err := fmt.Fprintf(std.err, "note: %s\n", note); err != nil {
			return err
		}
	}
	return nil
}

// load reads what the caller may read. It says what they may not.
func (o *catalogOptions) load(ctx context.Context, c *cluster.Cluster, in *catalog.Input) (notes []string, err error) {
	for _, part := range []struct {
		what string
		read func() error
	}{
		{"teams", func() error {
			return cluster.Pages(ctx, c, &platformv1alpha1.TeamList{}, func(l *platformv1alpha1.TeamList) { in.Teams = append(in.Teams, l.Items...) })
		}},
		{"environmentclasses", func() error {
			return cluster.Pages(ctx, c, &platformv1alpha1.EnvironmentClassList{}, func(l *platformv1alpha1.EnvironmentClassList) {
				in.Classes = append(in.Classes, l.Items...)
			})
		}},
		{"servicetemplates", func() error {
			return cluster.Pages(ctx, c, &platformv1alpha1.ServiceTemplateList{}, func(l *platformv1alpha1.ServiceTemplateList) {
				in.Templates = append(in.Templates, l.Items...)
			})
		}},
	} {
		switch err := part.read(); {
		case apierrors.IsForbidden(err):
			notes = append(notes, "you may not list "+part.what+": what they would tell is missing")
		case err != nil:
			return nil, explained(err, o.Flags, "list "+part.what)
		}
	}
	if o.Namespace != "" {
		in.Teams = slices.DeleteFunc(in.Teams, func(t platformv1alpha1.Team) bool { return t.Status.Namespace != o.Namespace })
		if err := loadNamespace(ctx, c, in, o.Namespace); err != nil {
			return nil, explained(err, o.Flags, "list components and environments in namespace "+o.Namespace)
		}
	} else {
		more, err := o.loadAll(ctx, c, in)
		if err != nil {
			return nil, err
		}
		notes = append(notes, more...)
	}
	return notes, o.loadHomes(ctx, c, in)
}

// loadAll reads every namespace at once, or where the caller may not, the homes of the teams one by one.
func (o *catalogOptions) loadAll(ctx context.Context, c *cluster.Cluster, in *catalog.Input) (notes []string, err error) {
	err = loadNamespace(ctx, c, in, "")
	if !apierrors.IsForbidden(err) {
		return nil, explainedOrNil(err, o.Flags, "list components and environments")
	}
	everywhere := err
	in.Components, in.Environments = nil, nil
	homes := []string{c.Namespace}
	for i := range in.Teams {
		homes = append(homes, in.Teams[i].Status.Namespace)
	}
	slices.Sort(homes)
	homes = slices.DeleteFunc(slices.Compact(homes), func(name string) bool { return name == "" })
	read := 0
	for _, home := range homes {
		switch err := loadNamespace(ctx, c, in, home); {
		case apierrors.IsForbidden(err):
			notes = append(notes, "you may not read namespace "+home+": it is missing")
		case err != nil:
			return nil, explained(err, o.Flags, "list components and environments in namespace "+home)
		default:
			read++
		}
	}
	if read == 0 {
		return nil, explained(everywhere, o.Flags, "list components and environments, neither everywhere nor in one home namespace")
	}
	return notes, nil
}

func explainedOrNil(err error, flags cluster.Flags, doing string) error {
	if err == nil {
		return nil
	}
	return explained(err, flags, doing)
}

// loadNamespace reads one namespace, or with an empty name all of them. On an error it has taken nothing.
func loadNamespace(ctx context.Context, c client.Reader, in *catalog.Input, namespace string) error {
	var components []platformv1alpha1.Component
	var environments []platformv1alpha1.Environment
	err := cluster.Pages(ctx, c, &platformv1alpha1.ComponentList{}, func(l *platformv1alpha1.ComponentList) {
		components = append(components, l.Items...)
	}, client.InNamespace(namespace))
	if err != nil {
		return err
	}
	err = cluster.Pages(ctx, c, &platformv1alpha1.EnvironmentList{}, func(l *platformv1alpha1.EnvironmentList) {
		environments = append(environments, l.Items...)
	}, client.InNamespace(namespace))
	if err != nil {
		return err
	}
	in.Components, in.Environments = append(in.Components, components...), append(in.Environments, environments...)
	return nil
}

// loadHomes reads the labels of home namespaces. Few may; then the Teams and the Environments tell who owns what.
func (o *catalogOptions) loadHomes(ctx context.Context, c client.Reader, in *catalog.Input) error {
	in.Homes = map[string]catalog.Home{}
	err := cluster.Pages(ctx, c, &corev1.NamespaceList{}, func(l *corev1.NamespaceList) {
		for i := range l.Items {
			labels := l.Items[i].Labels
			in.Homes[l.Items[i].Name] = catalog.Home{Team: labels[platformv1alpha1.LabelTeam], CostCenter: labels[platformv1alpha1.LabelCostCenter]}
		}
	}, client.HasLabels{platformv1alpha1.LabelTeam})
	if apierrors.IsForbidden(err) {
		return nil
	}
	return explainedOrNil(err, o.Flags, "list namespaces")
}

// printEntities writes one stream of documents.
func printEntities(out io.Writer, entities []*catalog.Entity) error {
	var text strings.Builder
	for _, entity := range entities {
		document, err := yaml.Marshal(entity)
		if err != nil {
			return err
		}
		text.WriteString("---\n")
		text.Write(document)
	}
	_, err := io.WriteString(out, text.String())
	return err
}
