package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func newApprove(connect cluster.Connector, std streams) *cobra.Command {
	return newDecide(connect, std, platformv1alpha1.DecisionApprove, "approve", "Approve a Release that waits for the gate of an environment",
		`Approve a Release that waits for the gate of an environment.

It creates an Approval in your name, which needs the right to create approvals and
the verb approve on releases in the namespace: the ClusterRole towpath-approver.
An Approval counts for one Release, and cannot be changed.`)
}

func newReject(connect cluster.Connector, std streams) *cobra.Command {
	return newDecide(connect, std, platformv1alpha1.DecisionReject, "reject", "Keep the version of a Release that waits out of its environment, for good",
		`Keep the version of a Release that waits out of its environment, for good.

It creates an Approval with the decision Reject in your name. Whoever approves, the
version does not enter; the next one is decided on anew.`)
}

// newDecide is a verb that decides on a Release.
func newDecide(connect cluster.Connector, std streams, decision platformv1alpha1.Decision, verb, short, long string) *cobra.Command {
	var flags cluster.Flags
	var reason string
	var breakGlass bool
	cmd := &cobra.Command{
		Use: verb + " RELEASE", Short: short, Long: long, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if breakGlass && reason == "" {
				return &trouble{err: errors.New("--break-glass needs a reason"), next: "add --reason"}
			}
			connection, err := dial(connect, flags)
			if err != nil {
				return err
			}
			decision := decision
			if breakGlass {
				decision = platformv1alpha1.DecisionBreakGlass
			}
			release, err := waitingRelease(cmd.Context(), connection, flags, args[0])
			if err != nil {
				return err
			}
			user, err := whoAmI(cmd.Context(), connection, flags)
			if err != nil {
				return err
			}
			approval := &platformv1alpha1.Approval{
				// It goes when the Release does.
				ObjectMeta: metav1.ObjectMeta{Namespace: release.Namespace, GenerateName: release.Name + "-", OwnerReferences: []metav1.OwnerReference{{
					APIVersion: platformv1alpha1.GroupVersion.String(), Kind: "Release", Name: release.Name, UID: release.UID,
				}}},
				Spec: platformv1alpha1.ApprovalSpec{
					ReleaseRef: platformv1alpha1.ReleaseReference{Name: release.Name, UID: release.UID}, Approver: user, Decision: decision, Reason: reason,
				},
			}
			if err := connection.Create(cmd.Context(), approval); err != nil {
				next, explained := cluster.Explain(err, flags, verb+" release "+release.Name)
				return &trouble{err: explained, next: next}
			}
			_, err = fmt.Fprintf(std.out, "%s: %s of release %s for %s\n", user, decision, release.Name, release.Spec.Environment.Name)
			if err != nil {
				return err
			}
			return sayWhy(cmd.Context(), connection, std.out, release, decision)
		},
	}
	flags.Bind(cmd)
	cmd.Flags().StringVarP(&flags.Namespace, "namespace", "n", "", "home namespace of the team (default: the context's)")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it stands in the record")
	if decision == platformv1alpha1.DecisionApprove {
		cmd.Flags().BoolVar(&breakGlass, "break-glass", false, "let it in during a freeze, which needs the ClusterRole towpath-breakglass; it approves nothing else")
	}
	return cmd
}

// patience is how long the manager has to take a decision in, before it is said what the Release still waits for.
const patience = 3 * time.Second

// sayWhy says why a Release has not entered though something was decided on it.
func sayWhy(ctx context.Context, connection *cluster.Cluster, out io.Writer, release *platformv1alpha1.Release, decision platformv1alpha1.Decision) error {
	why, rejected := stillWaits(ctx, connection, release)
	switch {
	case why == "", rejected && decision == platformv1alpha1.DecisionReject:
		return nil
	case rejected:
		why = "it does not enter: " + why
	default:
		why = "it still waits: " + why
	}
	_, err := fmt.Fprintln(out, why)
	return err
}

// stillWaits is what a Release waits for though something was decided on it: more of the same, something else, or one who
// may decide, which the author of a change may not be; or who rejected it. Empty where it has entered, or nobody can say.
func stillWaits(ctx context.Context, connection *cluster.Cluster, release *platformv1alpha1.Release) (why string, rejected bool) {
	_ = wait.PollUntilContextTimeout(ctx, patience/10, patience, true, func(ctx context.Context) (bool, error) {
		component := &platformv1alpha1.Component{}
		if err := connection.Get(ctx, client.ObjectKey{Namespace: release.Namespace, Name: release.Spec.Component.Name}, component); err != nil {
			return false, err // what was known last is said, as where time is up
		}
		why, rejected = "", false
		for _, state := range component.Status.Environments {
			if state.Name == release.Spec.Environment.Name && state.Pending == release.Name {
				why, rejected = state.Message, state.Reason == platformv1alpha1.ReasonRejected
			}
		}
		return why == "" || rejected, nil
	})
	return why, rejected
}

// waitingRelease reads a Release, and makes sure that it waits for a gate.
func waitingRelease(ctx context.Context, connection *cluster.Cluster, flags cluster.Flags, name string) (*platformv1alpha1.Release, error) {
	release := &platformv1alpha1.Release{}
	err := connection.Get(ctx, client.ObjectKey{Namespace: connection.Namespace, Name: name}, release)
	look := flags.Kubectl() + " -n " + connection.Namespace + " get releases"
	switch {
	case apierrors.IsNotFound(err):
		return nil, &trouble{err: fmt.Errorf("release %s does not exist in namespace %s", name, connection.Namespace), next: look, code: exitFindings}
	case err != nil:
		next, explained := cluster.Explain(err, flags, "read release "+name)
		return nil, &trouble{err: explained, next: next}
	case release.Opened():
		return nil, &trouble{err: fmt.Errorf("release %s waits for no gate: it has entered %s", name, release.Spec.Environment.Name), next: look, code: exitFindings}
	case release.Status.SupersededAt != nil:
		return nil, &trouble{err: fmt.Errorf("release %s waits no more: another one took its place", name), next: look, code: exitFindings}
	}
	return release, nil
}

// whoAmI asks the API server who the caller is to it.
func whoAmI(ctx context.Context, connection *cluster.Cluster, flags cluster.Flags) (string, error) {
	review := &authenticationv1.SelfSubjectReview{}
	if err := connection.Create(ctx, review); err != nil {
		next, explained := cluster.Explain(err, flags, "find out who you are")
		return "", &trouble{err: explained, next: next}
	}
	if review.Status.UserInfo.Username == "" {
		return "", errors.New("the cluster does not say who you are")
	}
	return review.Status.UserInfo.Username, nil
}
