package main

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/towpath-dev/towpath/config"
)

// use is one right that somebody used, or was refused, in a suite.
type use struct {
	// who is manager or applier.
	who, verb, group, resource string
	// namespace is empty for the whole cluster, and * for any but those of the installation.
	namespace string
	// name of the object, where roles limit by name.
	name    string
	allowed bool
}

func parseUse(line string) (use, error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 7 {
		return use{}, fmt.Errorf("%q has %d fields, not 7", line, len(fields))
	}
	return use{fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6] == "allow"}, nil
}

// asksForSecret says that the manager asked for a Secret that a tenant named, and was refused: it says so to them.
func (u use) asksForSecret() bool {
	return u.who == "manager" && u.verb == "get" && u.resource == "secrets" && u.namespace == "*" && !u.allowed
}

func (u use) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s.%s %s", u.who, u.verb, u.resource, u.group, u.name))
}

// right is the smallest part of a rule: one verb on one resource, on one name where the rule names some.
type right struct {
	who, role, verb, group, resource string
	// namespace that the right is limited to, empty for the whole cluster; * for the applier's own.
	namespace, name string
}

func (r right) String() string {
	text := fmt.Sprintf("role %s", r.role)
	if r.namespace != "" && r.namespace != "*" {
		text += " in " + r.namespace
	}
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s.%s %s", text, r.verb, r.resource, r.group, r.name))
}

// covers says whether a right is enough for a use.
func (r right) covers(u use) bool {
	return r.who == u.who && r.verb == u.verb && r.group == u.group && r.resource == u.resource &&
		(r.namespace == "" || r.namespace == u.namespace) &&
		(r.name == "" || r.name == u.name)
}

// holder is who has a role, and whether it is bound in namespaces of others.
type holder struct {
	who       string
	elsewhere bool
}

// holders are the roles of the manager and of the appliers.
var holders = map[string]holder{
	"towpath-manager": {"manager", false}, "towpath-alert-reader": {"manager", true}, "towpath-git-reader": {"manager", true}, "towpath-applier": {"applier", true},
}

// given are the rights that config/rbac gives the manager and the appliers, in single parts. What platform teams
// add by aggregation is not there.
func given() ([]right, error) {
	var rights []right
	for _, object := range config.RBAC() {
		has, ok := holders[object.GetName()]
		if !ok || object.GetKind() != "Role" && object.GetKind() != "ClusterRole" {
			continue
		}
		var role rbacv1.ClusterRole // a Role has its rules in the same place
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			return nil, err
		}
		namespace := object.GetNamespace()
		if has.elsewhere {
			namespace = "*"
		}
		for _, rule := range role.Rules {
			rights = append(rights, parts(has.who, object.GetName(), namespace, rule)...)
		}
	}
	return rights, nil
}

func parts(who, role, namespace string, rule rbacv1.PolicyRule) []right {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	var rights []right
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				for _, name := range names {
					rights = append(rights, right{who, role, verb, group, resource, namespace, name})
				}
			}
		}
	}
	return rights
}

// excuse says why rights are given that no suite uses: each verb on each resource, all of them named.
type excuse struct {
	// Who is manager or applier.
	Who   string   `json:"who"`
	Verbs []string `json:"verbs"`
	// Group of all the resources; empty for that of Kubernetes' own.
	Group     string   `json:"group"`
	Resources []string `json:"resources"`
	Reason    string   `json:"reason"`
	// Sometimes says that it depends on timing whether a suite uses them.
	Sometimes bool `json:"sometimes,omitempty"`
}

// excused is the smallest part of an excuse: one verb on one resource.
type excused struct {
	who, verb, group, resource string
	sometimes                  bool
}

func (e excused) String() string {
	return fmt.Sprintf("%s: %s %s.%s", e.who, e.verb, e.resource, e.group)
}

func (e excused) covers(r right) bool {
	return e.who == r.who && e.verb == r.verb && e.group == r.group && e.resource == r.resource
}

// partsOf takes excuses apart, and says what of them is none: a part without a reason, or one that is there twice. An
// asterisk stands for nothing but itself, which no role has.
func partsOf(excuses []excuse) (all []excused, problems []string) {
	for _, e := range excuses {
		for _, verb := range e.Verbs {
			for _, resource := range e.Resources {
				part := excused{e.Who, verb, e.Group, resource, e.Sometimes}
				twice := slices.ContainsFunc(all, func(other excused) bool { return other.String() == part.String() })
				switch {
				case strings.TrimSpace(e.Reason) == "":
					problems = append(problems, "excused without a reason: "+part.String())
				case twice:
					problems = append(problems, "excused twice: "+part.String())
				default:
					all = append(all, part)
				}
			}
		}
	}
	return all, problems
}

// compare returns what is unused, missing, or excused without need.
func compare(rights []right, uses []use, excuses []excuse) []string {
	all, problems := partsOf(excuses)
	needed := make([]bool, len(all))
	for i, e := range all {
		needed[i] = e.sometimes && slices.ContainsFunc(rights, e.covers)
	}
	for _, r := range rights {
		if slices.ContainsFunc(uses, r.covers) {
			continue
		}
		i := slices.IndexFunc(all, func(e excused) bool { return e.covers(r) })
		if i < 0 {
			problems = append(problems, "unused: "+r.String())
			continue
		}
		needed[i] = true
	}
	groups := map[string]bool{}
	for _, r := range rights {
		groups[r.who+r.group] = true
	}
	for _, u := range uses {
		switch covered := slices.ContainsFunc(rights, func(r right) bool { return r.covers(u) }); {
		case covered: // refused all the same for a moment, until the authorizer had read a new binding
		case u.who != "manager" && u.who != "applier":
			problems = append(problems, "impersonated: "+u.String())
		case u.asksForSecret():
		case groups[u.who+u.group]:
			// What suites add by the roles of aggregation is of groups of their own.
			problems = append(problems, "missing: "+u.String())
		}
	}
	for i, e := range all {
		if !needed[i] {
			problems = append(problems, "excused, though it is used or not given any more: "+e.String())
		}
	}
	return problems
}
