package component

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

func TestTheAuthorOfACommitIsAMember(t *testing.T) {
	team := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	team.Spec.Members = []platformv1alpha1.TeamMember{
		{Kind: platformv1alpha1.MemberUser, Name: "ada", Emails: []string{"ada@shop.example", "ada@home.example"}},
		{Kind: platformv1alpha1.MemberUser, Name: "oidc:ada", Emails: []string{"ada@shop.example"}},
		{Kind: platformv1alpha1.MemberUser, Name: "bob"},
		{Kind: platformv1alpha1.MemberGroup, Name: "crowd", Emails: []string{"eve@shop.example"}},
	}
	for name, tc := range map[string]struct {
		team       *platformv1alpha1.Team
		by, author string
		want       []string
		says       string
	}{
		"as every user with that e-mail":         {team, "bob", "ada@shop.example", []string{"ada", "bob", "oidc:ada"}, ""},
		"by another of the e-mails":              {team, "bob", "ada@home.example", []string{"ada", "bob"}, ""},
		"in any case of the letters":             {team, "bob", "Ada@Shop.Example", []string{"ada", "bob", "oidc:ada"}, ""},
		"with a name before it":                  {team, "bob", "Ada L. <ada@home.example>", []string{"ada", "bob"}, ""},
		"as the one who asks already":            {team, "ada", "ada@home.example", []string{"ada"}, ""},
		"and nobody counts where it is unknown":  {team, "bob", "mallory@evil.example", nil, "no User of Team shop has the e-mail of the author of a commit, mallory@evil.example"},
		"and a group has no e-mails":             {team, "bob", "eve@shop.example", nil, "no User of Team shop"},
		"and does not stand in for who asks":     {team, "", "ada@home.example", nil, ""},
		"only where there is a Team":             {nil, "bob", "mallory@evil.example", []string{"bob"}, ""},
		"and nobody is added where none is said": {team, "bob", "", []string{"bob"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			pending := &platformv1alpha1.Release{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: ago(time.Minute)}}
			pending.Spec.RequestedBy, pending.Spec.Commit = tc.by, &platformv1alpha1.Commit{SHA: "3f2c9d1", Author: tc.author}
			s := &scope{team: tc.team, stops: []stop{{unopened: []*platformv1alpha1.Release{pending}}}}
			users, unknown := s.authors(&s.stops[0], pending)
			if !slices.Equal(users, tc.want) || !strings.Contains(unknown, tc.says) || tc.says == "" && unknown != "" {
				t.Errorf("they are %v, %q, want %v, %q", users, unknown, tc.want, tc.says)
			}
		})
	}
}
