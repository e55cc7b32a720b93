package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func newPromote(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	cmd := &cobra.Command{
		Use:   "promote RELEASE | promote COMPONENT ENVIRONMENT",
		Short: "Let a Release through a manual gate, or end a rollback that holds an environment",
		Long: `Let a Release through a manual gate, or end a rollback that holds an environment.

It writes promote of the environment in spec.environments of the Component, or takes
rollbackTo out, with your own rights. Where a repository holds the Component, do the
same there.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				release, err := waitingRelease(cmd.Context(), connection, flags, args[0])
				if err != nil {
					return err
				}
				return promote(cmd.Context(), connection, flags, std.out, release.Spec.Component.Name, release.Spec.Environment.Name, release.Name)
			}
			return promote(cmd.Context(), connection, flags, std.out, args[0], args[1], "")
		},
	}
	flags.Bind(cmd)
	cmd.Flags().StringVarP(&flags.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
	return cmd
}

// promote lets a Release into an environment: the one that is named, else the one that waits there. A rollback that
// holds the environment ends.
func promote(ctx context.Context, connection *cluster.Cluster, flags cluster.Flags, out io.Writer, component, environment, release string) error {
	said := ""
	err := changeStep(ctx, connection, flags, component, environment, func(step *platformv1alpha1.PathEnvironment, state platformv1alpha1.ComponentEnvironmentStatus) error {
		if release == "" {
			release = state.Pending
		}
		switch {
		case step.RollbackTo > 0:
			said = fmt.Sprintf("%s in %s is held at release %d no more\n", component, environment, step.RollbackTo)
			step.RollbackTo = 0
		case release == "":
			return fmt.Errorf("nothing of component %s waits to enter %s", component, environment)
		default:
			said = fmt.Sprintf("promoted release %s into %s\n", release, environment)
		}
		if release != "" {
			step.Promote = release
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err = io.WriteString(out, said); err != nil || release == "" {
		return err
	}
	promoted := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Namespace: connection.Namespace, Name: release}}
	promoted.Spec.Component.Name, promoted.Spec.Environment.Name = component, environment
	return sayWhy(ctx, connection, out, promoted, "")
}

// changeStep changes one environment of a Component's path, of the state that was looked at.
func changeStep(ctx context.Context, connection *cluster.Cluster, flags cluster.Flags, name, environment string,
	change func(*platformv1alpha1.PathEnvironment, platformv1alpha1.ComponentEnvironmentStatus) error,
) error {
	component := &platformv1alpha1.Component{}
	err := connection.Get(ctx, client.ObjectKey{Namespace: connection.Namespace, Name: name}, component)
	look := flags.Reach("towpath status") + " -n " + connection.Namespace
	if apierrors.IsNotFound(err) {
		return &trouble{err: fmt.Errorf("component %s does not exist in namespace %s", name, connection.Namespace), next: look, code: exitFindings}
	}
	if err != nil {
		next, explained := cluster.Explain(err, flags, "read component "+name)
		return &trouble{err: explained, next: next}
	}
	before := component.DeepCopy()
	var step *platformv1alpha1.PathEnvironment
	for i := range component.Spec.Environments {
		if component.Spec.Environments[i].Name == environment {
			step = &component.Spec.Environments[i]
		}
	}
	if step == nil {
		var path []string
		for i := range component.Spec.Environments {
			path = append(path, component.Spec.Environments[i].Name)
		}
		return &trouble{err: fmt.Errorf("%s is not in the path of component %s, which is %s", environment, name, strings.Join(path, ", ")), next: look + " " + name, code: exitFindings}
	}
	var state platformv1alpha1.ComponentEnvironmentStatus
	for _, known := range component.Status.Environments {
		if known.Name == environment {
			state = known
		}
	}
	if err := change(step, state); err != nil {
		if explained := (*trouble)(nil); errors.As(err, &explained) {
			return err
		}
		return &trouble{err: err, next: look + " " + name, code: exitFindings}
	}
	if component.Spec.RequestedBy != "" {
		if component.Spec.RequestedBy, err = whoAmI(ctx, connection, flags); err != nil {
			return err
		}
	}
	if err := connection.Patch(ctx, component, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		next, explained := cluster.Explain(err, flags, "change component "+name)
		return &trouble{err: explained, next: next}
	}
	return nil
}
