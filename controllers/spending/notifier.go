package spending

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/binding"
	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/notify/send"
)

// fieldOwner owns the fields of what is written for spending.
const fieldOwner = client.FieldOwner("towpath-spending")

// Notifier finds the targets of alerts that Budgets and Teams name. A Courier carries the alerts there.
type Notifier struct {
	client.Client
	// Live reads Secrets, which no cache holds.
	Live client.Reader
}

// Target is where alerts go, and the namespace of its Secrets.
type Target struct {
	platformv1alpha1.AlertTarget
	Namespace string
	// Prefix keeps apart targets of the same name: those of the platform, and those of the team.
	Prefix string
	// Bound says that the manager was given the Secret towpath-alerts there. The authorizer may not know it yet.
	Bound bool
}

// name is how states and messages call the target.
func (t *Target) name() string { return t.Prefix + t.Name }

// Targets are what alerts go to, as far as their Secrets can be read.
type Targets struct {
	Names        []string
	destinations []notify.Destination
	ready        map[string]send.Target
	// Wrong says by name why a target cannot be used.
	Wrong map[string]error
	// Lags is set where a right that was given is not there yet: nothing was tried, and it is to be tried again soon.
	Lags error
}

// Usable says whether anything can be sent to any of them.
func (t *Targets) Usable() bool { return len(t.ready) > 0 }

// KeepReader lets the manager read the Secret for alerts in the home of a Team, and there alone.
func (n *Notifier) KeepReader(ctx context.Context, t *platformv1alpha1.Team) error {
	if t.Status.Namespace == "" || !t.DeletionTimestamp.IsZero() {
		return nil
	}
	keeper := &binding.Keeper{Client: n.Client, Live: n.Live, Owner: fieldOwner}
	return keeper.Keep(ctx, binding.Binding{
		Namespace: t.Status.Namespace, Role: platformv1alpha1.AlertReaderClusterRole,
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: platformv1alpha1.ManagerAccount, Namespace: platformv1alpha1.SystemNamespace}},
		Labels: map[string]string{
			"app.kubernetes.io/managed-by": platformv1alpha1.ManagedBy, "app.kubernetes.io/part-of": t.Name, platformv1alpha1.LabelTeam: t.Name,
		},
	})
}

// Resolve reads the Secrets of targets. One that cannot be read is at fault itself: what it is owed waits.
func (n *Notifier) Resolve(ctx context.Context, targets []Target) (*Targets, error) {
	out := &Targets{ready: map[string]send.Target{}, Wrong: map[string]error{}}
	secrets := &secretReader{live: n.Live, read: map[types.NamespacedName]*corev1.Secret{}}
	for i := range targets {
		t := &targets[i]
		kind := t.Type
		if kind == "" {
			kind = platformv1alpha1.AlertTargetSlack
		}
		ready := send.Target{Key: t.Namespace + "/" + t.name(), Name: t.name(), Kind: notify.Kind(kind)}
		revision, err := secrets.fill(ctx, t, &ready)
		if err != nil && !isUsers(err) {
			return nil, err
		}
		out.Names = append(out.Names, t.name())
		if lag, ok := err.(*userError); ok && lag.forbidden && t.Bound { //nolint:errorlint // it is never wrapped
			out.Lags = fmt.Errorf("reading where alerts go: %w", err)
			continue
		}
		if err != nil {
			out.Wrong[t.name()] = err
		} else {
			out.ready[t.name()] = ready
		}
		out.destinations = append(out.destinations, notify.Destination{Name: t.name(), Kind: ready.Kind, Revision: revision})
	}
	return out, nil
}

// userError is one that somebody must mend. It holds no content of a Secret.
type userError struct {
	text string
	// forbidden says that the Secret of which a name is given to the manager could not be read.
	forbidden bool
}

func (e *userError) Error() string { return e.text }

func isUsers(err error) bool {
	_, ok := err.(*userError) //nolint:errorlint // it is never wrapped
	return ok
}

// secretReader reads each Secret once.
type secretReader struct {
	live client.Reader
	read map[types.NamespacedName]*corev1.Secret
}

func (r *secretReader) fill(ctx context.Context, t *Target, ready *send.Target) (revision string, err error) {
	var versions []string
	value := func(ref *platformv1alpha1.SecretKeyReference, field string) (string, error) {
		secret, err := r.get(ctx, types.NamespacedName{Namespace: t.Namespace, Name: ref.Name}, field)
		if err != nil {
			return "", err
		}
		if version := string(secret.UID) + "/" + secret.ResourceVersion; !slices.Contains(versions, version) {
			versions = append(versions, version)
		}
		content, ok := secret.Data[ref.Key]
		if !ok || len(content) == 0 {
			return "", &userError{text: fmt.Sprintf("%s: Secret %s in namespace %s must have a key %s that is not empty", field, ref.Name, t.Namespace, ref.Key)}
		}
		return strings.TrimSpace(string(content)), nil
	}
	text, err := value(&t.SecretRef, "secretRef")
	if err != nil {
		return "unreadable", err
	}
	ready.URL = send.Secret(text)
	if t.SigningKeysRef != nil {
		if text, err = value(t.SigningKeysRef, "signingKeysRef"); err != nil {
			return "unreadable", err
		}
		for _, key := range strings.Fields(text) {
			ready.SigningKeys = append(ready.SigningKeys, send.Secret(key))
		}
	}
	if t.TokenRef != nil {
		if text, err = value(t.TokenRef, "tokenRef"); err != nil {
			return "unreadable", err
		}
		ready.Bearer = send.Secret(text)
	}
	if t.CARef != nil {
		if text, err = value(t.CARef, "caRef"); err != nil {
			return "unreadable", err
		}
		ready.CA = []byte(text)
	}
	revision = strings.Join(versions, ",")
	return revision[:min(len(revision), 128)], nil
}

func (r *secretReader) get(ctx context.Context, key types.NamespacedName, field string) (*corev1.Secret, error) {
	if secret := r.read[key]; secret != nil {
		return secret, nil
	}
	secret := &corev1.Secret{}
	err := r.live.Get(ctx, key, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &userError{text: fmt.Sprintf("%s: Secret %s is not in namespace %s: create it with the key that the target names", field, key.Name, key.Namespace)}
	case apierrors.IsForbidden(err):
		return nil, &userError{forbidden: key.Name == platformv1alpha1.AlertSecret, text: fmt.Sprintf("%s: the manager may not read Secret %s in namespace %s: keep what is secret of alerts in Secret %s of a Team's home, or let service account %s in %s get that Secret by a Role",
			field, key.Name, key.Namespace, platformv1alpha1.AlertSecret, platformv1alpha1.ManagerAccount, platformv1alpha1.SystemNamespace)}
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s: %w", key, err)
	}
	r.read[key] = secret
	return secret, nil
}

// Owed says what targets are yet to get, and why; nothing where they have all.
func (t *Targets) Owed(state notify.State) string {
	var said []string
	for _, name := range t.Names {
		waiting, last := 0, ""
		if err := t.Wrong[name]; err != nil {
			last = err.Error()
		}
		for i := range state.Outbox {
			for _, d := range state.Outbox[i].Deliveries {
				if d.Target != name || d.Progress == notify.Delivered {
					continue
				}
				if waiting++; d.LastError != "" && t.Wrong[name] == nil {
					last = d.LastError
				}
			}
		}
		switch {
		case last != "" && waiting == 0:
			said = append(said, fmt.Sprintf("target %s cannot be used: %s", name, last))
		case waiting > 0 && last == "":
			said = append(said, fmt.Sprintf("%d for %s are about to be sent", waiting, name))
		case waiting > 0:
			said = append(said, fmt.Sprintf("%d wait for %s: %s", waiting, name, last))
		}
	}
	return strings.Join(said, "; ")
}

// TargetsOf are the targets of alerts of a list, with Secrets in a namespace; bound says that the manager was given these.
func TargetsOf(list []platformv1alpha1.AlertTarget, namespace, prefix string, bound bool) []Target {
	var targets []Target
	for i := range list {
		targets = append(targets, Target{AlertTarget: list[i], Namespace: namespace, Prefix: prefix, Bound: bound})
	}
	return targets
}
