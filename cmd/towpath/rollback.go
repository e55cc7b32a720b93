package main

import (
	"context"
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
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			number := to
			if number == 0 {
				if number, err = lastGood(cmd.Context(), connection, flags, args[0], args[1]); err != nil {
					return err
				}
			}
			err = changeStep(cmd.Context(), connection, flags, args[0], args[1], func(step *platformv1alpha1.PathEnvironment, _ platformv1alpha1.ComponentEnvironmentStatus) error {
				step.RollbackTo = number
				return nil
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

// lastGood is the number of the newest Release that was Ready and ran something else than what runs.
func lastGood(ctx context.Context, connection *cluster.Cluster, flags cluster.Flags, component, environment string) (int64, error) {
	var current, good *platformv1alpha1.Release
	var all []platformv1alpha1.Release
	err := cluster.Pages(ctx, connection, &platformv1alpha1.ReleaseList{}, func(list *platformv1alpha1.ReleaseList) {
		all = append(all, list.Items...)
	}, client.InNamespace(connection.Namespace), client.MatchingLabels{platformv1alpha1.LabelComponent: component, platformv1alpha1.LabelEnvironment: environment})
	if err != nil {
		next, explained := cluster.Explain(err, flags, "list releases in namespace "+connection.Namespace)
		return 0, &trouble{err: explained, next: next}
	}
	for i := range all {
		if r := &all[i]; r.Opened() && (current == nil || r.Spec.Number > current.Spec.Number) {
			current = r
		}
	}
	for i := range all {
		r := &all[i]
		same := r.Spec.Version == current.Spec.Version && r.Spec.Revision == current.Spec.Revision
		if r.Opened() && !same && r.Proven() && r.Spec.Cause != platformv1alpha1.CauseAdoption && (good == nil || r.Spec.Number > good.Spec.Number) {
			good = r
		}
	}
	if good == nil {
		return 0, &trouble{
			err:  fmt.Errorf("component %s has nothing to go back to in %s: nothing else was Ready there", component, environment),
			next: flags.Kubectl() + " -n " + connection.Namespace + " get releases", code: exitFindings,
		}
	}
	return good.Spec.Number, nil
}
