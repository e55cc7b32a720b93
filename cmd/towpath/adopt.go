package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/adopt"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/aliases"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/running"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/template"
)

// adoptOptions are the flags of adopt.
type adoptOptions struct {
	cluster.Flags
	template, home, environment, component, class, container string
	aliases                                                  map[string]string
	output                                                   format
}

func newAdopt(connect cluster.Connector, std streams) *cobra.Command {
	var o adoptOptions
	cmd := &cobra.Command{
		Use:   "adopt deployment/NAME|statefulset/NAME|cronjob/NAME",
		Short: "Propose a Component that takes over what runs already",
		Long: `Propose a Component that takes over what runs already, without a restart.

Reads a workload with its Services, autoscaler, disruption budget, network
policies, service account and routes, and finds the parameters with which a
golden path comes nearest to them. Prints the manifests, the commands by which
the owner consents, and what changes when: taking over only adds labels to the
objects, which a dry run on the API server proves, and labels the namespace; the
first new version brings the golden path.

It changes nothing in the cluster. With -o the manifests alone go to standard
output. The exit code is 1 where a setting could not be mapped: read what is
named before the first new version.`,
		Example: `  towpath adopt deployment/checkout -n legacy --template web-service --home team-shop -e prod --class production
  towpath adopt deployment/checkout -n legacy --template web-service --home team-shop -e prod -o yaml | kubectl apply -f -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, name, err := workloadArgument(args[0])
			if err != nil {
				return &trouble{err: err, next: cmd.CommandPath() + " --help"}
			}
			if err := render.CheckAliases(o.aliases); err != nil {
				return &trouble{err: err, next: cmd.CommandPath() + " --help"}
			}
			connection, err := dial(connect, o.Flags)
			if err != nil {
				return err
			}
			report, err := o.run(cmd.Context(), connection, kind, name)
			if err != nil {
				var known *trouble
				if errors.As(err, &known) {
					return err
				}
				next, explained := cluster.Explain(err, o.Flags, "propose a Component for "+args[0])
				return &trouble{err: explained, next: next}
			}
			return report.print(std, o.output)
		},
	}
	o.Bind(cmd)
	cmd.Flags().StringVarP(&o.Namespace, "namespace", "n", "", "namespace that the workload runs in (default: the context's)")
	cmd.Flags().StringVar(&o.template, "template", "", "golden path to fit")
	cmd.Flags().StringVar(&o.home, "home", "", "home namespace of the team that the Component will belong to")
	cmd.Flags().StringVarP(&o.environment, "environment", "e", "", "Environment that the namespace is, or becomes")
	cmd.Flags().StringVar(&o.component, "component", "", "name of the Component (default: the workload's)")
	cmd.Flags().StringVar(&o.class, "class", "", "EnvironmentClass, where the Environment does not exist yet")
	cmd.Flags().StringVar(&o.container, "container", "", "container that runs the Component's image, where there are several (default: by the workload's name, else what a Service leads to)")
	cmd.Flags().StringToStringVar(&o.aliases, "label-alias", nil, "further label, as key=platform.towpath.dev/… (default: as the manager's configuration has them, else the newest Release of --home)")
	addFormat(cmd, &o.output, "yaml or json: the manifests alone (default: a report)", formatYAML, formatJSON)
	for _, name := range []string{"template", "home", "environment"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// workloadKinds are the kinds that can be taken over, as kubectl names them.
var workloadKinds = map[string]schema.GroupVersionKind{}

func init() {
	for kind, names := range map[schema.GroupVersionKind]string{
		{Group: "apps", Version: "v1", Kind: "Deployment"}:  "deployment deployments deploy",
		{Group: "apps", Version: "v1", Kind: "StatefulSet"}: "statefulset statefulsets sts",
		{Group: "batch", Version: "v1", Kind: "CronJob"}:    "cronjob cronjobs cj",
	} {
		for _, name := range strings.Fields(names) {
			workloadKinds[name] = kind
		}
	}
}

func workloadArgument(argument string) (schema.GroupVersionKind, string, error) {
	kind, name, ok := strings.Cut(argument, "/")
	known, served := workloadKinds[strings.ToLower(kind)]
	if !ok || !served || name == "" {
		return schema.GroupVersionKind{}, "", fmt.Errorf("%q must be deployment/NAME, statefulset/NAME or cronjob/NAME", argument)
	}
	return known, name, nil
}

// adoption is what adopt found out.
type adoption struct {
	proposal *adopt.Proposal
	// environment to make; nil where it exists.
	environment *platformv1alpha1.Environment
	namespace   string
	kubectl     string
	class       *platformv1alpha1.EnvironmentClass
	notes       []string
	proofs      []running.Proof
	// space is what becomes of the namespace; nil where it was not looked at.
	space *running.Namespace
	// environmentUID is empty where the Environment does not exist.
	environmentUID types.UID
	// insecure says why the pods as found would be refused.
	insecure []string
	managers []string
	// aliases are the further labels of the manager's configuration, with their values.
	aliases map[string]string
	// aliasesUnknown says that these could not be found out.
	aliasesUnknown bool
}

func (o *adoptOptions) run(ctx context.Context, c *cluster.Cluster, kind schema.GroupVersionKind, name string) (*adoption, error) {
	report := &adoption{namespace: c.Namespace, kubectl: o.Kubectl()}
	found, err := running.Find(ctx, c, c.Namespace, kind, name)
	if apierrors.IsNotFound(err) {
		return nil, &trouble{err: fmt.Errorf("%s %s does not exist in namespace %s", kind.Kind, name, c.Namespace),
			next: fmt.Sprintf("%s -n %s get %ss", o.Kubectl(), c.Namespace, strings.ToLower(kind.Kind))}
	}
	if err != nil {
		return nil, err
	}
	if owner := found.Workload.GetLabels()[platformv1alpha1.LabelOwnerUID]; owner != "" {
		return nil, &trouble{err: fmt.Errorf("%s %s belongs to Component %s already", kind.Kind, name, found.Workload.GetLabels()[platformv1alpha1.LabelComponent]), next: "towpath status"}
	}
	report.notes = found.Notes
	in := adopt.Input{Workload: found.Workload, Others: found.Others, Container: o.container, Kinds: openapi.Kubernetes(), Now: time.Now()}
	if in.Place, err = o.place(ctx, c, report); err != nil {
		return nil, err
	}
	in.Place.Component = cmp.Or(o.component, name)
	if in.Place.LabelAliases, err = o.findAliases(ctx, c, report); err != nil {
		return nil, err
	}
	if in.Existing, err = o.existing(ctx, c, in.Place.Component); err != nil {
		return nil, err
	}
	if err := o.compile(ctx, c, &in); err != nil {
		return nil, err
	}
	if report.proposal, err = adopt.Fit(in); err != nil {
		var refusal *adopt.Refusal
		if errors.As(err, &refusal) {
			return nil, &trouble{err: err, next: refusal.Next}
		}
		return nil, &trouble{err: err, next: "choose another golden path: " + o.Kubectl() + " get servicetemplates"}
	}
	in.Place.Image = report.proposal.Component.Spec.Image
	joined, err := o.join(in.Existing, report.proposal.Component)
	if err != nil {
		return nil, err
	}
	if err := adopt.Check(in, report.proposal.Component); err != nil {
		return nil, &trouble{err: err, next: "choose another name with --component, or another golden path with --template"}
	}
	report.notes = append(report.notes, joined...)
	if in.Existing == nil && len(report.proposal.Component.Spec.Overrides) > 0 && report.class.Spec.DropExpiredOverrides {
		report.notes = append(report.notes, fmt.Sprintf("class %s drops overrides that have expired: the golden path's values come then, with a Release of its own", report.class.Name))
	}
	labels := render.Labels(in.Place)
	report.aliases = aliasLabels(labels, in.Place.LabelAliases)
	for _, match := range report.proposal.Matches {
		report.proofs = append(report.proofs, running.Prove(ctx, c, match.Found, labels))
	}
	if report.space, err = running.ProveNamespace(ctx, c, in.Place, &report.class.Spec, report.environmentUID); apierrors.IsForbidden(err) {
		report.notes = append(report.notes, fmt.Sprintf("namespace %s: what becomes of its labels was not looked at: %v", c.Namespace, err))
	} else if err != nil {
		return nil, err
	}
	report.managers = adopt.Managers(found.Workload)
	report.insecure, err = adopt.Refused(found.Workload, report.class.Spec.PodSecurity)
	return report, err
}

// findAliases finds out which labels the manager sets for cost tools. Where its configuration does not tell, the report
// says where else they come from.
func (o *adoptOptions) findAliases(ctx context.Context, c *cluster.Cluster, report *adoption) (map[string]string, error) {
	if len(o.aliases) > 0 {
		return o.aliases, nil
	}
	found, err := aliases.Find(ctx, c, o.home)
	if err != nil {
		return nil, err
	}
	switch {
	case !found.Known:
		report.aliasesUnknown = true
		report.notes = append(report.notes, fmt.Sprintf("label aliases of the manager's configuration are not known, and not shown (%v): give them with --label-alias", found.Why))
	case found.Release != "":
		report.notes = append(report.notes, fmt.Sprintf("label aliases are those of Release %s, since the manager's configuration cannot be read (%v): give others with --label-alias", found.Release, found.Why))
	}
	return found.Aliases, nil
}

// aliasLabels are those labels that are aliases.
func aliasLabels(labels, aliases map[string]string) map[string]string {
	only := maps.Clone(labels)
	maps.DeleteFunc(only, func(key, _ string) bool { _, alias := aliases[key]; return !alias })
	return only
}

// homes is how to find a home namespace.
func (o *adoptOptions) homes() string {
	return o.Kubectl() + " get namespaces -l " + platformv1alpha1.LabelTeam + ", and choose one with --home"
}

// place finds out about the team and the environment.
func (o *adoptOptions) place(ctx context.Context, c *cluster.Cluster, report *adoption) (render.Input, error) {
	in := render.Input{OwnerUID: "00000000-0000-0000-0000-000000000000", HomeNamespace: o.home, Template: o.template}
	var home corev1.Namespace
	if err := c.Get(ctx, client.ObjectKey{Name: o.home}, &home); apierrors.IsNotFound(err) {
		return in, &trouble{err: fmt.Errorf("namespace %s, which --home names, does not exist", o.home), next: o.homes()}
	} else if err != nil {
		return in, err
	}
	in.Team, in.CostCenter = home.Labels[platformv1alpha1.LabelTeam], home.Labels[platformv1alpha1.LabelCostCenter]
	if in.Team == "" || in.CostCenter == "" {
		return in, &trouble{err: fmt.Errorf("namespace %s is no home of a team: it must bear the labels %s and %s", o.home, platformv1alpha1.LabelTeam, platformv1alpha1.LabelCostCenter),
			next: o.homes()}
	}
	var environment platformv1alpha1.Environment
	err := c.Get(ctx, client.ObjectKey{Namespace: o.home, Name: o.environment}, &environment)
	switch {
	case apierrors.IsNotFound(err):
		if o.class == "" {
			return in, &trouble{err: fmt.Errorf("environment %s/%s does not exist yet, so its class must be named", o.home, o.environment),
				next: "give --class; see " + o.Kubectl() + " get environmentclasses"}
		}
		environment = platformv1alpha1.Environment{}
		environment.SetGroupVersionKind(platformv1alpha1.GroupVersion.WithKind("Environment"))
		environment.Namespace, environment.Name = o.home, o.environment
		environment.Spec = platformv1alpha1.EnvironmentSpec{ClassRef: platformv1alpha1.ClassReference{Name: o.class}, AdoptNamespace: c.Namespace}
		report.environment = &environment
	case err != nil:
		return in, err
	case cmp.Or(environment.Status.Namespace, environment.Spec.AdoptNamespace) != c.Namespace:
		return in, &trouble{err: fmt.Errorf("environment %s/%s: its namespace is %q, and the workload runs in %s: a Component takes over only what is in its environment's namespace",
			o.home, o.environment, environment.Status.Namespace, c.Namespace), next: "choose another name with -e, for a new Environment that adopts " + c.Namespace}
	case o.class != "" && o.class != environment.Spec.ClassRef.Name:
		return in, &trouble{err: fmt.Errorf("environment %s/%s is of class %s, not %s, and a class cannot change", o.home, o.environment, environment.Spec.ClassRef.Name, o.class), next: "leave --class out"}
	}
	report.environmentUID = environment.UID
	report.class = &platformv1alpha1.EnvironmentClass{}
	if err := c.Get(ctx, client.ObjectKey{Name: environment.Spec.ClassRef.Name}, report.class); err != nil {
		if apierrors.IsNotFound(err) {
			return in, &trouble{err: fmt.Errorf("EnvironmentClass %s does not exist", environment.Spec.ClassRef.Name), next: o.Kubectl() + " get environmentclasses"}
		}
		return in, err
	}
	in.Environment = render.Environment{Name: o.environment, Namespace: c.Namespace, Class: report.class.Name, Tier: report.class.Spec.Tier}
	return in, nil
}

// compile reads and compiles the golden path, and notes which optional APIs it finds.
func (o *adoptOptions) compile(ctx context.Context, c *cluster.Cluster, in *adopt.Input) error {
	var path platformv1alpha1.ServiceTemplate
	if err := c.Get(ctx, client.ObjectKey{Name: o.template}, &path); err != nil {
		if apierrors.IsNotFound(err) {
			return &trouble{err: fmt.Errorf("ServiceTemplate %s does not exist", o.template), next: o.Kubectl() + " get servicetemplates"}
		}
		return err
	}
	compiled, _, errs := template.Compile(&path.Spec, nil)
	if len(errs) > 0 {
		return &trouble{err: fmt.Errorf("ServiceTemplate %s does not compile: %w", o.template, errs.ToAggregate()), next: o.Kubectl() + " describe servicetemplate " + o.template}
	}
	in.Spec, in.Compiled = &path.Spec, compiled
	in.Place.Revision = 1
	if latest := path.Status.LatestRevision; latest != nil {
		in.Place.Revision = latest.Number
	}
	for _, name := range compiled.Capabilities() {
		served, err := serves(c.RESTMapper(), name)
		if err != nil {
			return err
		}
		if served {
			in.Place.Capabilities = append(in.Place.Capabilities, name)
		}
	}
	return nil
}
