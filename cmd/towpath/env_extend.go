package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/preview"
)

func newEnvExtend(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "extend ENVIRONMENT --for DURATION",
		Short: "Put the end of an environment off",
		Long: `Put the end of an environment off.

It raises spec.lifetimeSeconds of the Environment, so that it lives for that much
longer from now on, or as long as its class allows. It never brings the end nearer.`,
		Example: "  towpath env extend pr-7-eaaebc96 --for 24h",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if lasts <= 0 {
				return &trouble{err: errors.New("--for must be positive, such as 24h"), next: cmd.CommandPath() + " --help"}
			}
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			said, err := extend(cmd.Context(), connection, flags, args[0], lasts)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(std.out, said)
			return err
		},
	}
	bindHome(cmd, &flags)
	cmd.Flags().DurationVar(&lasts, "for", 0, "for how long it lives on, from now, such as 24h")
	_ = cmd.MarkFlagRequired("for")
	return cmd
}

func extend(ctx context.Context, c *cluster.Cluster, flags cluster.Flags, name string, lasts time.Duration) (string, error) {
	list := fmt.Sprintf("%s -n %s get environments", flags.Kubectl(), c.Namespace)
	environment, err := findEnvironment(ctx, c, flags, name)
	switch {
	case err != nil:
		return "", err
	case environment == nil:
		return "", &trouble{err: fmt.Errorf("environment %s does not exist in namespace %s", name, c.Namespace), next: list, code: exitFindings}
	case !environment.DeletionTimestamp.IsZero():
		return "", &trouble{err: fmt.Errorf("environment %s is being deleted already", name), next: list, code: exitFindings}
	case environment.Status.ExpiresAt == nil && environment.Spec.LifetimeSeconds == 0:
		return fmt.Sprintf("environment %s has no end", name), nil
	}
	class := environment.Spec.ClassRef.Name
	seconds, end, clamped := preview.Until(environment.CreationTimestamp.Time, time.Now(), lasts, longestOf(ctx, c, class))
	limit := ""
	if clamped {
		limit = fmt.Sprintf(": class %s allows no longer", class)
	}
	if known := environment.Status.ExpiresAt; known != nil && !end.After(known.Time) {
		return fmt.Sprintf("environment %s lives until %s as it is%s", name, known.UTC().Format(time.RFC3339), limit), nil
	}
	before := environment.DeepCopy()
	environment.Spec.LifetimeSeconds = seconds
	if err := c.Patch(ctx, environment, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return "", explained(err, flags, "change environment "+name)
	}
	return fmt.Sprintf("environment %s lives until %s%s", name, end.UTC().Format(time.RFC3339), limit), nil
}
