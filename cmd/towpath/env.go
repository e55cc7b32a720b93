package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/preview"
)

func newEnv(connect cluster.Connector, std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Make, list, wake and end environments, such as those of pull requests",
		Long: `Make, list, wake and end environments, such as those of pull requests.

preview makes the environment of a pull request, with a copy of a Component in it,
and is made to be called by CI at each push; delete-preview ends it when the pull
request is closed. wake and sleep say when an environment runs. All of it is
written with your own rights, and kubectl or a repository can do the same.`,
		Args: cobra.NoArgs,
		RunE: help,
	}
	cmd.AddCommand(
		newEnvPreview(connect, std),
		newEnvDeletePreview(connect, std),
		newEnvList(connect, std),
		newEnvExtend(connect, std),
		newEnvWake(connect, std),
		newEnvSleep(connect, std),
	)
	return cmd
}

// bindHome gives a command the flags that choose a cluster and one home namespace.
func bindHome(cmd *cobra.Command, flags *cluster.Flags) {
	flags.Bind(cmd)
	cmd.Flags().StringVarP(&flags.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
}

// readPullRequest reads the value of --pr.
func readPullRequest(cmd *cobra.Command, text string) (platformv1alpha1.PullRequest, error) {
	pr, err := preview.Parse(text)
	if err != nil {
		return pr, &trouble{err: fmt.Errorf("--pr: %w", err), next: cmd.CommandPath() + " --help"}
	}
	return pr, nil
}

// shownPR is a pull request for people.
func shownPR(pr platformv1alpha1.PullRequest) string {
	if pr.URL != "" {
		return pr.URL
	}
	return fmt.Sprintf("pull request %d", pr.Number)
}

// findEnvironment reads an Environment; nil where there is none.
func findEnvironment(ctx context.Context, c *cluster.Cluster, flags cluster.Flags, name string) (*platformv1alpha1.Environment, error) {
	found := &platformv1alpha1.Environment{}
	err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explained(err, flags, "read environment "+name)
	}
	return found, nil
}

// explained is an error of the cluster in the caller's words.
func explained(err error, flags cluster.Flags, doing string) error {
	next, said := cluster.Explain(err, flags, doing)
	return &trouble{err: said, next: next}
}

// isFor makes sure that an Environment is that of a pull request: its name alone could be another's.
func isFor(environment *platformv1alpha1.Environment, pr platformv1alpha1.PullRequest, flags cluster.Flags) error {
	if source := environment.Spec.SourceRef; source != nil && source.PullRequest == pr {
		return nil
	}
	return &trouble{
		err:  fmt.Errorf("environment %s exists, and is not that of %s", environment.Name, shownPR(pr)),
		next: fmt.Sprintf("look whose it is: %s -n %s get environment %s -o yaml", flags.Kubectl(), environment.Namespace, environment.Name),
		code: exitFindings,
	}
}

// longestOf is the longest lifetime that a class allows; zero where it says nothing, or may not be read: then the condition
// WithinLimits says what it is.
func longestOf(ctx context.Context, c client.Reader, class string) time.Duration {
	found := &platformv1alpha1.EnvironmentClass{}
	if err := c.Get(ctx, client.ObjectKey{Name: class}, found); err != nil || found.Spec.Lifetime == nil {
		return 0
	}
	return time.Duration(found.Spec.Lifetime.MaxSeconds) * time.Second
}

// copiesIn are the Components that were copied into an environment.
func copiesIn(ctx context.Context, c client.Reader, namespace, environment string) ([]platformv1alpha1.Component, error) {
	var copies []platformv1alpha1.Component
	err := cluster.Pages(ctx, c, &platformv1alpha1.ComponentList{}, func(list *platformv1alpha1.ComponentList) {
		for i := range list.Items {
			if preview.CopiedInto(&list.Items[i], environment) {
				copies = append(copies, list.Items[i])
			}
		}
	}, client.InNamespace(namespace), client.HasLabels{platformv1alpha1.LabelPreviewOf})
	return copies, err
}
