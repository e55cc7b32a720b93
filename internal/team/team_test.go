package team_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/team"
)

func TestHome(t *testing.T) {
	shop := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if got := team.Home(shop); got != "team-shop" {
		t.Errorf("got %s", got)
	}
	shop.Spec.AdoptNamespace = "legacy"
	if got := team.Home(shop); got != "legacy" {
		t.Errorf("got %s", got)
	}
	if team.Owns(shop, "legacy") || team.Owns(shop, "") {
		t.Error("a Team owns no home before its status says so")
	}
	if shop.Status.Namespace = "legacy"; !team.Owns(shop, "legacy") || team.Owns(shop, "team-shop") {
		t.Error("a Team owns the home of its status alone")
	}
}

func TestSubjects(t *testing.T) {
	member := func(kind platformv1alpha1.MemberKind, name string, role platformv1alpha1.TeamRole) platformv1alpha1.TeamMember {
		return platformv1alpha1.TeamMember{Kind: kind, Name: name, Role: role}
	}
	shop := &platformv1alpha1.Team{Spec: platformv1alpha1.TeamSpec{Members: []platformv1alpha1.TeamMember{
		member("User", "grace", "Developer"), member("Group", "shop", "Developer"), member("User", "ada", "Developer"), member("User", "edsger", "Owner"),
	}}}
	subject := func(kind, name string) rbacv1.Subject {
		return rbacv1.Subject{APIGroup: "rbac.authorization.k8s.io", Kind: kind, Name: name}
	}
	want := map[string][]rbacv1.Subject{
		"towpath-developer": {subject("Group", "shop"), subject("User", "ada"), subject("User", "grace")},
		"towpath-owner":     {subject("User", "edsger")},
	}
	if diff := cmp.Diff(want, team.Subjects(shop)); diff != "" {
		t.Errorf("subjects (-want +got):\n%s", diff)
	}
}
