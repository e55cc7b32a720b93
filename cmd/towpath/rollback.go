package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func newRollback(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var to int64
	cmd := &cobra.Command{
		Use:   "rollback COMPONENT ENVIRONMENT",
		Short: "Bring an earlier Release back, and hold the environment there",
		Long: `Bring an earlier Release back, and hold the environment there.

It writes rollbackTo of the environment in spec.environments of the Component, with
your own rights. Nothing else enters the environment until towpath promote takes it
out again. Where a repository holds the Component, do the same there.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to < 0 {
				return &trouble{err: errors.New("--to must be the number of a Release, with which its name ends"), next: cmd.CommandPath() + " --help"}
			}
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			var number int64
			err = changeStep(cmd.Context(), connection, flags, args[0], args[1], func(step *platformv1alpha1.PathEnvironment, _ platformv1alpha1.ComponentEnvironmentStatus) error {
				var err error
				number, err = goodRelease(cmd.Context(), connection, flags, args[0], args[1], to)
				step.RollbackTo = number
				return err
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(std.out, "%s goes back to release %d in %s, and is held there; release it with: %s -n %s %s %s\n",
				args[0], number, args[1], flags.Reach(cmd.Root().DisplayName()+" promote"), connection.Namespace, args[0], args[1])
			return err
		},
	}
	flags.Bind(cmd)
	cmd.Flags().StringVarP(&flags.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
	cmd.Flags().Int64Var(&to, "to", 0, "number of the Release (default: the newest that was Ready, before the one that runs)")
	return cmd
}

// goodRelease is the number of a Release that an environment can go back to: the one that is asked for, or for 0 the newest
// that was Ready and ran something else than what runs. After a rollback that is one from before what was brought back, not
// the one that it was brought back from.
func goodRelease(ctx context.Context, connection *cluster.Cluster, flags cluster.Flags, component, environment string, asked int64) (int64, error) {
	var current, good *platformv1alpha1.Release
	var proven []platformv1alpha1.Release
	named := map[string]*platformv1alpha1.Release{}
	err := cluster.Pages(ctx, connection, &platformv1alpha1.ReleaseList{}, func(list *platformv1alpha1.ReleaseList) {
		for i := range list.Items {
			r := &list.Items[i]
			named[r.Name] = r
			if r.Opened() && (current == nil || r.Spec.Number > current.Spec.Number) {
				current = r.DeepCopy()
			}
			if r.Opened() && r.Proven() && r.Spec.Cause != platformv1alpha1.CauseAdoption {
				proven = append(proven, *r)
			}
		}
	}, client.InNamespace(connection.Namespace), client.MatchingLabels{platformv1alpha1.LabelComponent: component, platformv1alpha1.LabelEnvironment: environment})
	if err != nil {
		next, explained := cluster.Explain(err, flags, "list releases in namespace "+connection.Namespace)
		return 0, &trouble{err: explained, next: next}
	}
	origin := current
	for origin != nil && origin.Spec.Rollback != nil {
		origin = named[origin.Spec.Rollback.To]
	}
	for i := range proven {
		r := &proven[i]
		if asked == r.Spec.Number {
			return asked, nil
		}
		same := r.Spec.Version == current.Spec.Version && r.Spec.Revision == current.Spec.Revision
		if !same && origin != nil && r.Spec.Number < origin.Spec.Number && (good == nil || r.Spec.Number > good.Spec.Number) {
			good = r
		}
	}
	look := flags.Kubectl() + " -n " + connection.Namespace + " get releases"
	switch {
	case asked != 0:
		return 0, &trouble{err: fmt.Errorf("component %s cannot go back to release %d in %s: there is none of this number that was Ready there", component, asked, environment), next: look, code: exitFindings}
	case good == nil:
		return 0, &trouble{err: fmt.Errorf("component %s has nothing to go back to in %s: nothing else was Ready there", component, environment), next: look, code: exitFindings}
	}
	return good.Spec.Number, nil
}
