// Package binding keeps RoleBindings that give a ClusterRole under its own name.
package binding

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	rbacv1ac "k8s.io/client-go/applyconfigurations/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/internal/label"
)

// Keeper keeps bindings, and takes them away.
type Keeper struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Owner owns the fields of the bindings.
	Owner client.FieldOwner
}

// Binding is a ClusterRole in one namespace, and who has it there.
type Binding struct {
	Namespace, Role     string
	Subjects            []rbacv1.Subject
	Labels, Annotations map[string]string
}

// Keep makes a binding as it should be; one without subjects it takes away.
func (k *Keeper) Keep(ctx context.Context, b Binding) error {
	if len(b.Subjects) == 0 {
		return k.Remove(ctx, b.Namespace, b.Role)
	}
	key := types.NamespacedName{Namespace: b.Namespace, Name: b.Role}
	var live rbacv1.RoleBinding
	err := k.Get(ctx, key, &live)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading role binding %s: %w", key, err)
	}
	if err == nil && label.Contains(live.Labels, b.Labels) && label.Contains(live.Annotations, b.Annotations) &&
		equality.Semantic.DeepEqual(live.Subjects, b.Subjects) {
		return nil
	}
	intent := rbacv1ac.RoleBinding(key.Name, key.Namespace).WithLabels(b.Labels).WithAnnotations(b.Annotations).
		WithRoleRef(rbacv1ac.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("ClusterRole").WithName(b.Role))
	for i := range b.Subjects {
		intent.WithSubjects(subject(&b.Subjects[i]))
	}
	err = k.Apply(ctx, intent, k.Owner, client.ForceOwnership)
	if apierrors.IsInvalid(err) {
		// Somebody made a binding of that name to another role, which cannot be changed.
		if err := k.deleteForged(ctx, key); err != nil {
			return err
		}
		err = k.Apply(ctx, intent, k.Owner, client.ForceOwnership)
	}
	if err != nil {
		return fmt.Errorf("applying role binding %s: %w", key, err)
	}
	return nil
}

func subject(s *rbacv1.Subject) *rbacv1ac.SubjectApplyConfiguration {
	ac := rbacv1ac.Subject().WithKind(s.Kind).WithName(s.Name)
	if s.APIGroup != "" {
		ac.WithAPIGroup(s.APIGroup)
	}
	if s.Namespace != "" {
		ac.WithNamespace(s.Namespace)
	}
	return ac
}

// Remove deletes a binding that the cache shows, which is one that Towpath labelled.
func (k *Keeper) Remove(ctx context.Context, namespace, role string) error {
	key := types.NamespacedName{Namespace: namespace, Name: role}
	var live rbacv1.RoleBinding
	if err := k.Get(ctx, key, &live); err != nil {
		return client.IgnoreNotFound(err)
	}
	return k.Delete(ctx, namespace, role)
}

// Delete deletes a binding, whether the cache shows it or not.
func (k *Keeper) Delete(ctx context.Context, namespace, role string) error {
	live := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role}}
	if err := client.IgnoreNotFound(k.Client.Delete(ctx, live)); err != nil {
		return fmt.Errorf("deleting role binding %s/%s: %w", namespace, role, err)
	}
	return nil
}

// deleteForged deletes a binding that stands in the place of ours and gives another role. The name is
// Towpath's in a namespace of its own.
func (k *Keeper) deleteForged(ctx context.Context, key types.NamespacedName) error {
	var live rbacv1.RoleBinding
	if err := k.Live.Get(ctx, key, &live); err != nil {
		return client.IgnoreNotFound(err)
	}
	if live.RoleRef == (rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: key.Name}) {
		return nil
	}
	if err := client.IgnoreNotFound(k.Client.Delete(ctx, &live, client.Preconditions{UID: &live.UID})); err != nil {
		return fmt.Errorf("deleting role binding %s, which gives another role: %w", key, err)
	}
	return nil
}
