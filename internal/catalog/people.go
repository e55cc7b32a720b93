package catalog

import (
	"cmp"
	"slices"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// groups makes a Group of each Team, and of each team that is known by the label of a namespace alone. Users are the members
// of kind User: who is in which group of the API server's authentication, nobody here knows.
func (e *exporter) groups() {
	known := map[string]bool{}
	memberOf := map[string][]string{}
	emails := map[string]string{}
	for i := range e.Teams {
		t := &e.Teams[i]
		if !t.DeletionTimestamp.IsZero() {
			continue
		}
		known[t.Name] = true
		group := newGroup(t.Name, t.Spec.CostCenter)
		for _, contact := range t.Spec.Contacts {
			if webURL(contact.Address) {
				group.Metadata.Links = append(group.Metadata.Links, Link{URL: contact.Address, Title: contact.Name})
			}
		}
		e.add(group)
		for _, member := range t.Spec.Members {
			if member.Kind == platformv1alpha1.MemberUser {
				memberOf[member.Name] = append(memberOf[member.Name], groupRef(t.Name))
				if len(member.Emails) > 0 {
					emails[member.Name] = cmp.Or(emails[member.Name], slices.Min(member.Emails))
				}
			}
		}
	}
	for _, namespace := range sorted(e.homes) {
		home := e.homes[namespace]
		if name := cmp.Or(home.Team, unknown); !known[name] {
			known[name] = true
			e.add(newGroup(name, home.CostCenter))
		}
	}
	for _, name := range sorted(memberOf) {
		groups := memberOf[name]
		slices.Sort(groups)
		profile := map[string]any{"displayName": name}
		if emails[name] != "" {
			profile["email"] = emails[name]
		}
		e.add(&Entity{APIVersion: apiVersion, Kind: KindUser, Metadata: Metadata{
			Name: Name(name), Annotations: map[string]string{AnnotationObject: name},
		}, Spec: map[string]any{"profile": profile, "memberOf": slices.Compact(groups)}})
	}
}

func newGroup(name, costCenter string) *Entity {
	return &Entity{APIVersion: apiVersion, Kind: KindGroup, Metadata: Metadata{
		Name: Name(name), Labels: labels("", costCenter), Annotations: map[string]string{AnnotationObject: name},
	}, Spec: map[string]any{"type": "team", "profile": map[string]any{"displayName": name}, "children": []string{}}}
}

// systems makes a System of each home namespace that has anything in it.
func (e *exporter) systems() {
	for _, namespace := range sorted(e.homes) {
		home := e.homes[namespace]
		e.add(&Entity{APIVersion: apiVersion, Kind: KindSystem, Metadata: Metadata{
			Name: systemName(namespace, home.Team), Namespace: entityNamespace(namespace), Labels: labels(home.Team, home.CostCenter),
			Description: "What is in the home namespace " + namespace, Annotations: map[string]string{AnnotationObject: namespace},
		}, Spec: map[string]any{"owner": groupRef(home.Team)}})
	}
}
