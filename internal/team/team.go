// Package team says what follows from a Team: the name of its home, and who has which role in its namespaces. It
// is pure.
package team

import (
	"cmp"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// FieldOwner owns the fields of what a Team makes.
const FieldOwner = "towpath-team"

// ClusterRoles are those that members are bound to.
var ClusterRoles = []string{
	platformv1alpha1.OwnerClusterRole, platformv1alpha1.DeveloperClusterRole, platformv1alpha1.ViewerClusterRole,
}

// clusterRoles are the ClusterRoles of the roles.
var clusterRoles = map[platformv1alpha1.TeamRole]string{
	platformv1alpha1.TeamOwner:     platformv1alpha1.OwnerClusterRole,
	platformv1alpha1.TeamDeveloper: platformv1alpha1.DeveloperClusterRole,
	platformv1alpha1.TeamViewer:    platformv1alpha1.ViewerClusterRole,
}

// Home returns the name of the home namespace that a Team asks for.
func Home(t *platformv1alpha1.Team) string {
	return cmp.Or(t.Spec.AdoptNamespace, "team-"+t.Name)
}

// Owns says whether a namespace is the home of a Team, and not only one that bears its name.
func Owns(t *platformv1alpha1.Team, namespace string) bool {
	return namespace != "" && t.Status.Namespace == namespace
}

// Subjects returns who is bound to each ClusterRole, in an order that does not depend on that of the members.
func Subjects(t *platformv1alpha1.Team) map[string][]rbacv1.Subject {
	subjects := map[string][]rbacv1.Subject{}
	for i := range t.Spec.Members {
		m := &t.Spec.Members[i]
		role := clusterRoles[m.Role]
		subjects[role] = append(subjects[role], rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: string(m.Kind), Name: m.Name})
	}
	for _, list := range subjects {
		slices.SortFunc(list, func(a, b rbacv1.Subject) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
		})
	}
	return subjects
}
