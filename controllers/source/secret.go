package source

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/binding"
	"github.com/towpath-dev/towpath/internal/build"
	"github.com/towpath-dev/towpath/internal/gitsource"
)

// The keys of a Secret with credentials of a repository.
const (
	keyUsername   = "username"
	keyPassword   = "password"
	keyIdentity   = "identity"
	keyKnownHosts = "known_hosts"
	keyCA         = "ca"
	// keyRepository limits for which repositories the Secret is: addresses that theirs must begin with, one a line.
	keyRepository = "repository"
	// keyWebhookSecret is what webhooks are signed with.
	keyWebhookSecret = "webhookSecret"
)

const (
	// maxLags is how often to wait for a right that was given, and that the authorizer does not know yet.
	maxLags = 5
	lagWait = time.Second
)

// lagError says that a right was given a moment ago, and is not there yet.
type lagError struct{ wait time.Duration }

func (e *lagError) Error() string { return "a right that was given is not there yet" }

// repository is what to ask, with the credentials.
func (r *Reconciler) repository(ctx context.Context, c *platformv1alpha1.Component, t *turn) (gitsource.Repository, error) {
	source := c.Spec.Source
	out := gitsource.Repository{URL: source.Repository, Branch: build.Branch(c.Spec.Source)}
	if source.SecretRef == nil {
		return out, nil
	}
	secret, err := r.secret(ctx, c, t)
	if err != nil {
		return out, err
	}
	if err := meant(secret, source.Repository); err != nil {
		return out, err
	}
	out.Credentials = gitsource.Credentials{
		Username: text(secret, keyUsername), Password: text(secret, keyPassword),
		Identity: secret.Data[keyIdentity], KnownHosts: secret.Data[keyKnownHosts],
	}
	out.CA = secret.Data[keyCA]
	return out, nil
}

func text(secret *corev1.Secret, key string) string {
	return strings.TrimSpace(string(secret.Data[key]))
}

// secret reads the Secret that a Component names, in the workload namespace where its Builds run, and nowhere else.
func (r *Reconciler) secret(ctx context.Context, c *platformv1alpha1.Component, t *turn) (*corev1.Secret, error) {
	namespace, err := r.place(ctx, c)
	if err != nil {
		return nil, err
	}
	name := c.Spec.Source.SecretRef.Name
	if name == platformv1alpha1.GitSecret {
		if err := r.keepReader(ctx, c, namespace); err != nil {
			return nil, err
		}
	}
	secret := &corev1.Secret{}
	err = r.Live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret)
	switch {
	case err == nil:
		t.lags = 0
		return secret, nil
	case apierrors.IsNotFound(err):
		return nil, missing("spec.source.secretRef: Secret %s is not in namespace %s: create it with username and password, or with identity and known_hosts", name, namespace)
	case apierrors.IsForbidden(err) && name == platformv1alpha1.GitSecret && t.lags < maxLags:
		t.lags++
		return nil, &lagError{lagWait}
	case apierrors.IsForbidden(err):
		return nil, &gitsource.Problem{Reason: platformv1alpha1.ReasonCredentialsUnreadable, Message: fmt.Sprintf(
			"spec.source.secretRef: the manager may not read Secret %[1]s in namespace %[2]s. It may read one named %[3]s; for another, somebody who may give rights there runs: "+
				"kubectl -n %[2]s create role towpath-git-%[1]s --verb=get --resource=secrets --resource-name=%[1]s && "+
				"kubectl -n %[2]s create rolebinding towpath-git-%[1]s --role=towpath-git-%[1]s --serviceaccount=%[4]s:%[5]s",
			name, namespace, platformv1alpha1.GitSecret, platformv1alpha1.SystemNamespace, platformv1alpha1.ManagerAccount)}
	default:
		return nil, fmt.Errorf("reading Secret %s/%s: %w", namespace, name, err)
	}
}

func missing(format string, args ...any) error {
	return &gitsource.Problem{Reason: gitsource.CredentialsMissing, Message: fmt.Sprintf(format, args...)}
}

// meant refuses to send credentials to a repository that they are not for: who may write a Component may name any.
func meant(secret *corev1.Secret, repository string) error {
	prefixes := strings.Fields(text(secret, keyRepository))
	if len(prefixes) == 0 {
		return nil
	}
	for _, prefix := range prefixes {
		prefix = strings.TrimSuffix(prefix, "/")
		if repository == prefix || strings.HasPrefix(repository, prefix+"/") {
			return nil
		}
	}
	return &gitsource.Problem{Reason: gitsource.CredentialsRefused, Message: fmt.Sprintf(
		"Secret %s in namespace %s is not for this repository: its key repository must have an address that spec.source.repository begins with", secret.Name, secret.Namespace)}
}

// place is the workload namespace where Builds run.
func (r *Reconciler) place(ctx context.Context, c *platformv1alpha1.Component) (string, error) {
	name := build.Environment(c)
	var environment platformv1alpha1.Environment
	err := r.Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: name}, &environment)
	switch {
	case apierrors.IsNotFound(err):
		return "", &gitsource.Problem{Reason: platformv1alpha1.ReasonEnvironmentNotFound, Message: fmt.Sprintf(
			"spec.source.secretRef: its Secret stands where Builds run, in Environment %s, which does not exist: create it, or set spec.source.environment", name)}
	case err != nil:
		return "", fmt.Errorf("reading Environment %s: %w", name, err)
	case environment.Status.Namespace == "" || !environment.DeletionTimestamp.IsZero():
		return "", &gitsource.Problem{Reason: platformv1alpha1.ReasonEnvironmentNotReady, Message: fmt.Sprintf(
			"spec.source.secretRef: its Secret stands where Builds run, in Environment %s, which has no namespace: kubectl -n %s describe environment %s says why", name, c.Namespace, name)}
	}
	return environment.Status.Namespace, nil
}

// keepReader lets the manager read the Secret towpath-git in a workload namespace. The binding goes with the namespace.
func (r *Reconciler) keepReader(ctx context.Context, c *platformv1alpha1.Component, namespace string) error {
	keeper := &binding.Keeper{Client: r.Client, Live: r.Live, Owner: fieldOwner}
	err := keeper.Keep(ctx, binding.Binding{
		Namespace: namespace, Role: platformv1alpha1.GitReaderClusterRole,
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: platformv1alpha1.ManagerAccount, Namespace: platformv1alpha1.SystemNamespace}},
		Labels:   map[string]string{"app.kubernetes.io/managed-by": platformv1alpha1.ManagedBy, "app.kubernetes.io/part-of": c.Namespace},
	})
	if apierrors.IsNotFound(err) {
		return &lagError{lagWait} // the namespace is going
	}
	return err
}
