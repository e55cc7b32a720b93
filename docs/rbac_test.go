package docs_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/towpath-dev/towpath/config"
)

var update = flag.Bool("update", false, "write the tables of rbac.md")

const (
	rbacPage         = "rbac.md"
	rolesBegin       = "<!-- roles: begin -->\n"
	rolesEnd         = "<!-- roles: end -->\n"
	stale            = "is not what config/rbac gives: run go test ./docs -run TestRoles -update, and read the diff"
	everybody        = "towpath-catalog-view"
	platformEngineer = "towpath-platform"
)

type letter struct{ verb, letter string }

// letters are the verbs, in the order in which the table shows them.
var letters = []letter{
	{"get", "g"}, {"list", "l"}, {"watch", "w"}, {"create", "c"}, {"update", "u"}, {"patch", "p"}, {"delete", "d"}, {"deletecollection", "D"},
}

// columns are the roles of people that the table shows.
var columns = []string{"towpath-viewer", "towpath-developer", "towpath-owner", platformEngineer, everybody}

// clusterRoles are the shipped ones by name.
func clusterRoles(t *testing.T) map[string]*rbacv1.ClusterRole {
	t.Helper()
	roles := map[string]*rbacv1.ClusterRole{}
	for _, object := range config.RBAC() {
		if object.GetKind() != "ClusterRole" {
			continue
		}
		role := &rbacv1.ClusterRole{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, role); err != nil {
			t.Fatal(err)
		}
		roles[role.Name] = role
	}
	return roles
}

// rulesOf are the rules of a role, with those that kube-controller-manager aggregates into it.
func rulesOf(t *testing.T, roles map[string]*rbacv1.ClusterRole, name string) []rbacv1.PolicyRule {
	t.Helper()
	role := roles[name]
	if role == nil {
		t.Fatalf("config/rbac has no ClusterRole %s", name)
	}
	if role.AggregationRule == nil {
		return role.Rules
	}
	var rules []rbacv1.PolicyRule
	for i := range role.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&role.AggregationRule.ClusterRoleSelectors[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range roles {
			if selector.Matches(labels.Set(other.Labels)) {
				rules = append(rules, other.Rules...)
			}
		}
	}
	return rules
}

// table is the roles × kinds × verbs as Markdown.
func table(t *testing.T) string {
	t.Helper()
	roles := clusterRoles(t)
	kinds := map[string]map[string]map[string]bool{} // kind → role → verb
	for _, column := range columns {
		for _, rule := range rulesOf(t, roles, column) {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					kind := strings.TrimSuffix(resource+"."+group, ".")
					if kinds[kind] == nil {
						kinds[kind] = map[string]map[string]bool{}
					}
					if kinds[kind][column] == nil {
						kinds[kind][column] = map[string]bool{}
					}
					for _, verb := range rule.Verbs {
						kinds[kind][column][verb] = true
					}
				}
			}
		}
	}
	var b strings.Builder
	b.WriteString("| kind | `" + strings.Join(columns, "` | `") + "` |\n|---" + strings.Repeat("|---", len(columns)) + "|\n")
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(&b, "| %s |", kind)
		for _, column := range columns {
			fmt.Fprintf(&b, " %s |", cell(kinds[kind][column]))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// cell shows verbs by their letters, and those that have none by their names.
func cell(verbs map[string]bool) string {
	text := ""
	for _, l := range letters {
		if verbs[l.verb] {
			text += l.letter
		}
	}
	for _, verb := range slices.Sorted(maps.Keys(verbs)) {
		if !slices.ContainsFunc(letters, func(l letter) bool { return l.verb == verb }) {
			text += " " + verb
		}
	}
	return cmp.Or(strings.TrimSpace(text), "–")
}

func TestRoles(t *testing.T) {
	page := read(t, rbacPage)
	before, rest, begins := strings.Cut(page, rolesBegin)
	old, after, ends := strings.Cut(rest, rolesEnd)
	if !begins || !ends {
		t.Fatalf("%s lacks %q or %q", rbacPage, rolesBegin, rolesEnd)
	}
	now := table(t)
	if *update {
		write(t, rbacPage, before+rolesBegin+now+rolesEnd+after)
	} else if old != now {
		t.Errorf("%s %s", rbacPage, stale)
	}
	for name := range clusterRoles(t) {
		ofMachines := name == "towpath-manager" || strings.HasPrefix(name, "towpath-manager-") || strings.HasPrefix(name, "towpath-applier")
		if !ofMachines && name != "towpath-workload-view" && !strings.Contains(before, "`"+name+"`") {
			t.Errorf("%s does not say who has the ClusterRole %s", rbacPage, name)
		}
	}
}
