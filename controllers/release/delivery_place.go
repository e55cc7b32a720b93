package release

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/delivery"
	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

// errand names one by where it leads: a class that says another place has it done there too.
func (s *scope) errand(what string) string {
	return strings.Join([]string{what, s.place(), s.directory(), string(s.git.Change)}, " ")
}

// place is the branch of a repository that the class names, with the credentials for it: a class that names others is asked anew.
func (s *scope) place() string { return s.branch() + " " + s.git.CredentialsKey }

// branch is the branch of a repository that the class names.
func (s *scope) branch() string { return s.git.URL + " " + s.git.Branch }

// destination is where errands of the Release go.
func (s *scope) destination() destination {
	return destination{branch: s.branch(), credentials: s.git.CredentialsKey}
}

// directory is where the files of the Release stand; empty where the path of the class cannot be.
func (s *scope) directory() string {
	layout, err := delivery.ParseLayout(s.git.Path)
	if err != nil {
		return ""
	}
	directory, _ := layout.Directory(targetOf(s.release))
	return directory
}

// in is an errand in the repository of a class, which is opened when it is the errand's turn.
func (r *Reconciler) in(
	git *platformv1alpha1.GitDelivery, do func(context.Context, *remote.Repository) (remote.Result, error),
) func(context.Context) (remote.Result, error) {
	return func(ctx context.Context) (remote.Result, error) {
		repository, err := r.repository(ctx, git)
		if err != nil {
			return remote.Result{}, err
		}
		return do(ctx, repository)
	}
}

// repository opens the one of a class, with the platform's credentials.
func (r *Reconciler) repository(ctx context.Context, git *platformv1alpha1.GitDelivery) (*remote.Repository, error) {
	layout, err := delivery.ParseLayout(git.Path)
	if err != nil {
		return nil, &remote.Problem{Reason: remote.ReasonInvalid, Message: err.Error()}
	}
	source := remote.Source{URL: git.URL, Branch: git.Branch, Mode: remote.Push, Layout: layout}
	if git.Change == platformv1alpha1.GitPullRequest {
		source.Mode = remote.Propose
	}
	if git.CredentialsKey != "" {
		const title = "Secret " + platformv1alpha1.SystemNamespace + "/" + platformv1alpha1.DeliverySecret
		var secret corev1.Secret
		err := r.Live.Get(ctx, types.NamespacedName{Namespace: platformv1alpha1.SystemNamespace, Name: platformv1alpha1.DeliverySecret}, &secret)
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
			return nil, &remote.Problem{Reason: remote.ReasonCredentials, Message: title + ", which has the credentials for " + git.URL +
				", does not exist, or the manager may not read it: make it, and apply config/rbac"}
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", title, err)
		}
		if source.Credentials, source.CA, err = remote.ReadCredentials(secret.Data, git.CredentialsKey, git.URL); err != nil {
			return nil, &remote.Problem{Reason: remote.ReasonCredentials, Message: title + ": " + err.Error()}
		}
	}
	return r.Git.Open(source)
}

// targetOf is a Component in an Environment, as a Release knows both.
func targetOf(release *platformv1alpha1.Release) delivery.Target {
	spec := &release.Spec
	return delivery.Target{
		Team:      spec.Team,
		Component: delivery.Component{Namespace: release.Namespace, Name: spec.Component.Name, UID: string(spec.Component.UID)},
		Environment: delivery.Environment{
			Name: spec.Environment.Name, UID: string(spec.Environment.UID), Namespace: spec.Environment.Namespace,
			Class: spec.Environment.Class, Tier: string(spec.Environment.Tier),
		},
	}
}

// deliveryOf is what is committed of a Release, with who wrote it and who let it in.
func deliveryOf(s *scope) delivery.Release {
	release := s.release
	out := delivery.Release{Target: targetOf(release), Name: release.Name, UID: string(release.UID), Number: release.Spec.Number,
		Cause: string(release.Spec.Cause), Image: release.Spec.Image}
	if d := release.Status.Delivery; d != nil && d.DeliveredAt != nil {
		out.LastDelivered = d.DeliveredAt.Time
	} else if d != nil && d.LastDeliveredAt != nil {
		out.LastDelivered = d.LastDeliveredAt.Time
	}
	if commit := release.Spec.Commit; commit != nil {
		out.Commit = commit.SHA
		out.Authors = appendName(out.Authors, commit.Author)
	}
	out.Authors = appendName(out.Authors, release.Spec.RequestedBy)
	for _, d := range release.Status.Decisions {
		if d.Decision == platformv1alpha1.DecisionApprove {
			out.Approvers = appendName(out.Approvers, d.Approver)
		}
	}
	for _, o := range s.objects {
		object := o.Object.DeepCopy()
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[platformv1alpha1.AnnotationDelivered] = string(release.UID)
		object.SetAnnotations(annotations)
		out.Objects = append(out.Objects, object)
	}
	return out
}

func appendName(names []string, name string) []string {
	if name == "" {
		return names
	}
	return append(names, name)
}
