package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/pipeline/tekton"
)

func newBuildLogs(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var lines int64
	cmd := &cobra.Command{
		Use:   "logs BUILD [STAGE]",
		Short: "Show what the stages of a Build logged",
		Long: `Show what the stages of a Build logged, as long as their pods are there.

They are read with the rights of your kubeconfig: no object of Towpath holds a line of
them. Without a stage it is those that failed, or where none did, all.`,
		Example: `  towpath build logs checkout-3f2a9c1d0b7e -n team-shop
  towpath build logs checkout-3f2a9c1d0b7e test`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			build, err := findBuild(cmd.Context(), connection, flags, args[0])
			if err != nil {
				return err
			}
			stages, err := stagesToShow(build, args[1:], cmd.CommandPath())
			if err != nil {
				return err
			}
			for i := range stages {
				if err := showStage(cmd.Context(), connection, flags, std, build, &stages[i], lines); err != nil {
					return err
				}
			}
			return nil
		},
	}
	bindHome(cmd, &flags)
	cmd.Flags().Int64Var(&lines, "lines", 200, "how many lines of each container are shown, the last ones")
	return cmd
}

// findBuild reads a Build.
func findBuild(ctx context.Context, c *cluster.Cluster, flags cluster.Flags, name string) (*platformv1alpha1.Build, error) {
	build := &platformv1alpha1.Build{}
	err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, build)
	if apierrors.IsNotFound(err) {
		return nil, &trouble{
			err: fmt.Errorf("build %s does not exist in namespace %s", name, c.Namespace), code: exitFindings,
			next: fmt.Sprintf("%s -n %s get builds", flags.Kubectl(), c.Namespace),
		}
	}
	if err != nil {
		return nil, explained(err, flags, "read build "+name)
	}
	return build, nil
}

// stagesToShow are the stages that are meant.
func stagesToShow(build *platformv1alpha1.Build, named []string, command string) ([]platformv1alpha1.BuildStage, error) {
	var ran, failed []platformv1alpha1.BuildStage
	var names []string
	for _, stage := range build.Status.Stages {
		names = append(names, stage.Name)
		if len(named) == 1 && stage.Name == named[0] {
			return []platformv1alpha1.BuildStage{stage}, nil
		}
		if name, _ := runner(&stage); name == "" {
			continue
		}
		ran = append(ran, stage)
		if stage.State == platformv1alpha1.StageFailed {
			failed = append(failed, stage)
		}
	}
	switch {
	case len(named) == 1:
		return nil, &trouble{err: fmt.Errorf("build %s has no stage %s: there are %s", build.Name, named[0], strings.Join(names, ", ")), next: command + " " + build.Name, code: exitFindings}
	case len(failed) > 0:
		return failed, nil
	case len(ran) == 0:
		next := ""
		if build.Spec.URL != "" {
			next = "open " + build.Spec.URL
		}
		return nil, &trouble{err: fmt.Errorf("build %s has run nothing in the cluster", build.Name), next: next, code: exitFindings}
	}
	return ran, nil
}

// runner is what runs the pods of a stage, for people, and the label by which they are found; empty where nothing has run.
func runner(stage *platformv1alpha1.BuildStage) (name string, pods client.MatchingLabels) {
	switch {
	case stage.Job != "":
		return "Job " + stage.Job, client.MatchingLabels{batchv1.JobNameLabel: stage.Job}
	case stage.TaskRun != "":
		return "TaskRun " + stage.TaskRun, client.MatchingLabels{tekton.LabelPod: stage.TaskRun}
	}
	return "", nil
}

// besideImage says what a stage put beside the image.
func besideImage(build *platformv1alpha1.Build, stage *platformv1alpha1.BuildStage) string {
	if stage.Evidence == "" {
		return ""
	}
	for _, one := range build.Status.Evidence {
		if one.Location == stage.Evidence {
			return fmt.Sprintf(", %s at %s", one.Type, one.Location)
		}
	}
	return fmt.Sprintf(", says that it put %s beside the image", stage.Evidence)
}

// showStage prints what the pods of a stage logged: each try is a pod.
func showStage(ctx context.Context, c *cluster.Cluster, flags cluster.Flags, std streams, build *platformv1alpha1.Build, stage *platformv1alpha1.BuildStage, lines int64) error {
	if _, err := fmt.Fprintf(std.out, "== %s: %s%s\n", stage.Name, strings.ToLower(string(stage.State)), besideImage(build, stage)); err != nil {
		return err
	}
	name, labels := runner(stage)
	if name == "" || build.Status.Place == nil {
		return nil
	}
	var pods corev1.PodList
	err := c.List(ctx, &pods, client.InNamespace(build.Status.Place.Namespace), labels)
	if err != nil {
		return explained(err, flags, "list pods in namespace "+build.Status.Place.Namespace)
	}
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	if len(pods.Items) == 0 {
		_, err = fmt.Fprintf(std.out, "its pods are gone: %s in %s\n", name, build.Status.Place.Namespace)
		return err
	}
	for i := range pods.Items {
		for _, container := range pods.Items[i].Spec.Containers {
			text, err := c.Logs(ctx, pods.Items[i].Namespace, pods.Items[i].Name, container.Name, false, lines)
			if apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) { // it does not run yet, or is gone
				text, err = fmt.Sprintf("pod %s has logged nothing that is there", pods.Items[i].Name), nil
			}
			if err != nil {
				return explained(err, flags, "read the logs of pod "+pods.Items[i].Name)
			}
			if text != "" && !strings.HasSuffix(text, "\n") {
				text += "\n"
			}
			if _, err := fmt.Fprint(std.out, text); err != nil {
				return err
			}
		}
	}
	return nil
}
