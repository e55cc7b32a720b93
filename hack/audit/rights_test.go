package main

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// The rules below are: get and list of pods everywhere; update of the Secret cert in one namespace; and what an
// applier writes in its own.
func rightsOfTest() []right {
	return slices.Concat(
		parts("manager", "towpath-manager", "", rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get", "list"}}),
		parts("manager", "towpath-manager", "towpath-system", rbacv1.PolicyRule{
			APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"cert"}, Verbs: []string{"update"},
		}),
		parts("applier", "towpath-applier", "*", rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"patch"}}),
	)
}

var allUsed = []string{
	"manager\tget\t\tpods\t*\t\tallow", "manager\tlist\t\tpods\t\t\tallow",
	"manager\tupdate\t\tsecrets\ttowpath-system\tcert\tallow", "applier\tpatch\tapps\tdeployments\t*\t\tallow",
}

func TestCompare(t *testing.T) {
	without := func(i int) []string { return slices.Delete(slices.Clone(allUsed), i, i+1) }
	for name, c := range map[string]struct {
		uses    []string
		excuses []excuse
		want    []string
	}{
		"everything is used": {uses: allUsed},
		"a right is unused":  {uses: without(1), want: []string{"unused: role towpath-manager: list pods."}},
		"a right is unused, with a reason": {
			uses: without(1), excuses: []excuse{{Who: "manager", Verbs: []string{"list"}, Resources: []string{"pods"}, Reason: "later"}},
		},
		"an asterisk excuses nothing": {
			uses: without(1), excuses: []excuse{{Who: "manager", Verbs: []string{"list"}, Group: "*", Resources: []string{"*"}, Reason: "later"}},
			want: []string{"unused: role towpath-manager: list pods.", "excused, though it is used or not given any more: manager: list *.*"},
		},
		"an excuse of which a part is used": {
			uses: without(1), excuses: []excuse{{Who: "manager", Verbs: []string{"get", "list"}, Resources: []string{"pods"}, Reason: "later"}},
			want: []string{"excused, though it is used or not given any more: manager: get pods."},
		},
		"an excuse that is there twice": {
			uses: without(1), excuses: []excuse{
				{Who: "manager", Verbs: []string{"list"}, Resources: []string{"pods", "pods"}, Reason: "later"},
			},
			want: []string{"excused twice: manager: list pods."},
		},
		"an excuse without a reason is none": {
			uses: without(1), excuses: []excuse{{Who: "manager", Verbs: []string{"list"}, Resources: []string{"pods"}}},
			want: []string{"excused without a reason: manager: list pods.", "unused: role towpath-manager: list pods."},
		},
		"an excuse of what is used": {
			uses: allUsed, excuses: []excuse{{Who: "manager", Verbs: []string{"get"}, Resources: []string{"pods"}, Reason: "old"}},
			want: []string{"excused, though it is used or not given any more: manager: get pods."},
		},
		"an excuse of what is used sometimes": {
			uses: allUsed, excuses: []excuse{{Who: "manager", Verbs: []string{"get"}, Resources: []string{"pods"}, Reason: "timing", Sometimes: true}},
		},
		"an excuse of what is not given": {
			uses: allUsed, excuses: []excuse{{Who: "manager", Verbs: []string{"watch"}, Resources: []string{"pods"}, Reason: "timing", Sometimes: true}},
			want: []string{"excused, though it is used or not given any more: manager: watch pods."},
		},
		"a verb is missing": {
			uses: append(slices.Clone(allUsed), "manager\tdelete\t\tpods\t*\t\tforbid"), want: []string{"missing: manager: delete pods."},
		},
		"a name is missing": {
			uses: append(slices.Clone(allUsed), "manager\tupdate\t\tsecrets\ttowpath-system\tother\tforbid"), want: []string{"missing: manager: update secrets. other"},
		},
		"a Role does not reach other namespaces": {
			uses: append(slices.Clone(allUsed), "manager\tupdate\t\tsecrets\t*\tcert\tforbid"), want: []string{"missing: manager: update secrets. cert"},
		},
		"what a suite added by aggregation is its own":     {uses: append(slices.Clone(allUsed), "applier\tpatch\texample.com\tgadgets\t*\t\tallow")},
		"a right that was not there yet is no other right": {uses: append(slices.Clone(allUsed), "applier\tpatch\tapps\tdeployments\t*\t\tforbid")},
		"somebody else was impersonated": {
			uses: append(slices.Clone(allUsed), "somebody else: x\tget\t\tpods\t*\t\tallow"), want: []string{"impersonated: somebody else: x: get pods."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var uses []use
			for _, line := range c.uses {
				u, err := parseUse(line)
				if err != nil {
					t.Fatal(err)
				}
				uses = append(uses, u)
			}
			if got := compare(rightsOfTest(), uses, c.excuses); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestGivenHoldsWhatLimitsTheManager(t *testing.T) {
	rights, err := given()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rights {
		seen[r.who+" "+r.verb] = true
		for _, wrong := range []struct {
			what string
			is   bool
		}{
			{"a wildcard", r.verb == "*" || r.group == "*" || r.resource == "*"},
			{"escalate", r.verb == "escalate"},
			{"bind without a name", r.verb == "bind" && r.name == ""},
			{"Secrets outside of the manager's namespace, but for where a team's alerts go, and credentials of repositories", r.resource == "secrets" && r.namespace != "towpath-system" &&
				(r.namespace != "*" || r.verb != "get" || r.name != "towpath-alerts" && r.name != "towpath-git")},
			{"impersonation outside of the appliers' namespace", r.verb == "impersonate" && (r.namespace != "towpath-appliers" || r.resource != "serviceaccounts")},
			{"tokens of accounts", r.resource == "serviceaccounts/token"},
		} {
			if wrong.is {
				t.Errorf("%s gives %s", r, wrong.what)
			}
		}
	}
	// Else a rename of the roles would leave nothing to look at.
	for _, want := range []string{"manager bind", "manager impersonate", "applier patch"} {
		if !seen[want] {
			t.Errorf("no right %q was found", want)
		}
	}
}
