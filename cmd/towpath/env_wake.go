package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/sleep"
)

// wallClock is what --for counts from.
var wallClock clock.PassiveClock = clock.RealClock{}

func newEnvWake(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var lasts time.Duration
	var scheduled bool
	cmd := &cobra.Command{
		Use:   "wake NAME",
		Short: "Wake an environment that sleeps, for a time",
		Long: `Wake an environment that sleeps, for a time.

It writes spec.wakeUntil of the Environment with your own rights: until then it is
awake, whatever windows say, and then it sleeps again if it should. With --scheduled
it takes wakeUntil out instead, and mode: Always of spec.sleep, so that windows alone
decide. Where a repository holds the Environment, do the same there.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if lasts < time.Minute {
				return &trouble{err: errors.New("--for must be at least a minute"), next: "set it to a time such as 2h or 30m"}
			}
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			until := metav1.NewTime(wallClock.Now().Add(lasts).Truncate(time.Second))
			environment, err := changeEnvironment(cmd.Context(), connection, flags, args[0], func(spec *platformv1alpha1.EnvironmentSpec) {
				if !scheduled {
					spec.WakeUntil = &until
					return
				}
				spec.WakeUntil = nil
				if spec.Sleep != nil {
					spec.Sleep.Mode = platformv1alpha1.SleepScheduled
				}
			})
			if err != nil {
				return err
			}
			said := fmt.Sprintf("environment %s is awake until %s\n", args[0], until.UTC().Format(time.RFC3339))
			if longest := longestWake(cmd.Context(), connection, environment); lasts > longest {
				said = fmt.Sprintf("environment %s is awake for %s, which is the longest that its class %s allows at once\n", args[0], longest, environment.Spec.ClassRef.Name)
			}
			if conditions := environment.Status.Conditions; len(conditions) > 0 && meta.FindStatusCondition(conditions, platformv1alpha1.ConditionAsleep) == nil {
				said = fmt.Sprintf("environment %s does not sleep: neither its class %s nor its spec.sleep has it do so\n", args[0], environment.Spec.ClassRef.Name)
			}
			if scheduled {
				said = fmt.Sprintf("environment %s sleeps by its windows alone\n", args[0])
			}
			_, err = fmt.Fprint(std.out, said)
			return err
		},
	}
	flags.Bind(cmd)
	cmd.Flags().StringVarP(&flags.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
	cmd.Flags().DurationVar(&lasts, "for", 2*time.Hour, "for how long, such as 2h or 30m")
	cmd.Flags().BoolVar(&scheduled, "scheduled", false, "let the windows alone decide from now on")
	return cmd
}

func newEnvSleep(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	cmd := &cobra.Command{
		Use:   "sleep NAME",
		Short: "Put an environment to sleep, until somebody wakes it",
		Long: `Put an environment to sleep, until somebody wakes it.

It writes mode: Always into spec.sleep of the Environment with your own rights, and
takes wakeUntil out. towpath env wake wakes it for a time, and with --scheduled lets
its windows decide again. Where a repository holds the Environment, do the same there.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			_, err = changeEnvironment(cmd.Context(), connection, flags, args[0], func(spec *platformv1alpha1.EnvironmentSpec) {
				if spec.Sleep == nil {
					spec.Sleep = &platformv1alpha1.EnvironmentSleep{}
				}
				spec.Sleep.Mode, spec.WakeUntil = platformv1alpha1.SleepAlways, nil
			})
			if err != nil {
				return err
			}
			wake := flags.Reach(cmd.Root().DisplayName()+" env wake") + " -n " + connection.Namespace + " " + args[0]
			_, err = fmt.Fprintf(std.out, "environment %s sleeps, if its class lets it; wake it for a time with: %s\nlet its windows decide again with: %s --scheduled\n", args[0], wake, wake)
			return err
		},
	}
	flags.Bind(cmd)
	cmd.Flags().StringVarP(&flags.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
	return cmd
}

// changeEnvironment changes the spec of an Environment, and returns it as it is then.
func changeEnvironment(ctx context.Context, connection *cluster.Cluster, flags cluster.Flags, name string, change func(*platformv1alpha1.EnvironmentSpec)) (*platformv1alpha1.Environment, error) {
	environment := &platformv1alpha1.Environment{}
	err := connection.Get(ctx, client.ObjectKey{Namespace: connection.Namespace, Name: name}, environment)
	if apierrors.IsNotFound(err) {
		return nil, &trouble{
			err:  fmt.Errorf("environment %s does not exist in namespace %s", name, connection.Namespace),
			next: flags.Kubectl() + " -n " + connection.Namespace + " get environments", code: exitFindings,
		}
	}
	if err != nil {
		next, explained := cluster.Explain(err, flags, "read environment "+name)
		return nil, &trouble{err: explained, next: next}
	}
	before := environment.DeepCopy()
	change(&environment.Spec)
	if err := connection.Patch(ctx, environment, client.MergeFrom(before)); err != nil {
		next, explained := cluster.Explain(err, flags, "change environment "+name)
		return nil, &trouble{err: explained, next: next}
	}
	return environment, nil
}

// longestWake is for how long the class of an environment lets it be woken at once. Who may not read classes gets to
// hear what holds by default.
func longestWake(ctx context.Context, connection *cluster.Cluster, environment *platformv1alpha1.Environment) time.Duration {
	var class platformv1alpha1.EnvironmentClass
	if err := connection.Get(ctx, client.ObjectKey{Name: environment.Spec.ClassRef.Name}, &class); err != nil || class.Spec.Sleep == nil {
		return sleep.DefaultMaxWake
	}
	return time.Duration(class.Spec.Sleep.MaxWakeSeconds) * time.Second
}
