package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Input are the objects that entities are made of. Their order means nothing.
type Input struct {
	Components   []platformv1alpha1.Component
	Environments []platformv1alpha1.Environment
	Teams        []platformv1alpha1.Team
	Classes      []platformv1alpha1.EnvironmentClass
	Templates    []platformv1alpha1.ServiceTemplate
	// Homes are home namespaces whose labels were read, for those that no Team owns.
	Homes map[string]Home
	// Kinds to make; empty for all but User.
	Kinds []string
	// Links that every Component gets.
	Links []LinkPattern
}

// Home is a namespace of a team.
type Home struct{ Team, CostCenter string }

// Export makes the entities, in the order of Kinds, and of their namespaces and names. It also says which namespaces nobody
// told the team of: what is in them belongs to the Group unknown.
func Export(in *Input) (entities []*Entity, unowned []string, err error) {
	e := &exporter{Input: lasting(in), homes: map[string]Home{}, components: map[string]*platformv1alpha1.Component{}, made: map[string]*Entity{}}
	e.index()
	e.groups()
	e.systems()
	for _, key := range sorted(e.components) {
		e.component(e.components[key])
	}
	for i := range e.Environments {
		e.environment(&e.Environments[i])
	}
	if e.err != nil {
		return nil, nil, e.err
	}
	wanted := in.Kinds
	if len(wanted) == 0 {
		wanted = slices.DeleteFunc(slices.Clone(Kinds), func(kind string) bool { return kind == KindUser })
	}
	for _, key := range sorted(e.made) {
		if entity := e.made[key]; slices.Contains(wanted, entity.Kind) {
			entities = append(entities, entity)
		}
	}
	slices.SortStableFunc(entities, func(a, b *Entity) int {
		return cmp.Or(cmp.Compare(slices.Index(Kinds, a.Kind), slices.Index(Kinds, b.Kind)),
			cmp.Compare(a.Metadata.Namespace, b.Metadata.Namespace), cmp.Compare(a.Metadata.Name, b.Metadata.Name))
	})
	for _, namespace := range sorted(e.homes) {
		if e.homes[namespace].Team == "" {
			unowned = append(unowned, namespace)
		}
	}
	return entities, unowned, nil
}

type exporter struct {
	*Input
	homes      map[string]Home
	components map[string]*platformv1alpha1.Component
	tiers      map[string]platformv1alpha1.Tier
	classes    map[string]platformv1alpha1.Tier
	templates  map[string]*platformv1alpha1.ServiceTemplate
	made       map[string]*Entity
	err        error
}

// add takes an entity. Two of one reference would take each other's place in Backstage.
func (e *exporter) add(entity *Entity) {
	if first := e.made[entity.Ref()]; first != nil && e.err == nil {
		e.err = fmt.Errorf("%s and %s would both be %s in Backstage: rename one of them",
			first.Metadata.Annotations[AnnotationObject], entity.Metadata.Annotations[AnnotationObject], entity.Ref())
		return
	}
	e.made[entity.Ref()] = entity
}

// index finds who owns which namespace, which tier each environment has, and what is where.
func (e *exporter) index() {
	e.tiers, e.classes = map[string]platformv1alpha1.Tier{}, map[string]platformv1alpha1.Tier{}
	e.templates = map[string]*platformv1alpha1.ServiceTemplate{}
	for i := range e.Classes {
		e.classes[e.Classes[i].Name] = e.Classes[i].Spec.Tier
	}
	for i := range e.Templates {
		e.templates[e.Templates[i].Name] = &e.Templates[i]
	}
	for i := range e.Components {
		c := &e.Components[i]
		e.components[c.Namespace+"/"+c.Name] = c
		e.homes[c.Namespace] = e.Homes[c.Namespace]
	}
	for i := range e.Environments {
		environment := &e.Environments[i]
		home := e.Homes[environment.Namespace]
		e.homes[environment.Namespace] = Home{
			Team:       cmp.Or(home.Team, e.homes[environment.Namespace].Team, environment.Status.Team),
			CostCenter: cmp.Or(home.CostCenter, e.homes[environment.Namespace].CostCenter, environment.Status.CostCenter),
		}
		e.tiers[environment.Namespace+"/"+environment.Name] = cmp.Or(environment.Status.Tier, e.classes[environment.Spec.ClassRef.Name])
	}
	// What the controller wrote into the status of a Team counts most: a label may be older.
	for i := range e.Teams {
		if home := e.Teams[i].Status.Namespace; home != "" {
			if _, used := e.homes[home]; used {
				e.homes[home] = Home{Team: e.Teams[i].Name, CostCenter: e.Teams[i].Spec.CostCenter}
			}
		}
	}
}

// lasting leaves out what is going, and what was made for one pull request: a catalogue is for what stays.
func lasting(in *Input) *Input {
	kept := *in
	kept.Components = slices.DeleteFunc(slices.Clone(in.Components), func(c platformv1alpha1.Component) bool {
		return !c.DeletionTimestamp.IsZero() || c.Labels[platformv1alpha1.LabelPreviewOf] != ""
	})
	kept.Environments = slices.DeleteFunc(slices.Clone(in.Environments), func(e platformv1alpha1.Environment) bool {
		return !e.DeletionTimestamp.IsZero() || e.Spec.SourceRef != nil
	})
	return &kept
}

func (e *exporter) component(c *platformv1alpha1.Component) {
	home := e.homes[c.Namespace]
	service := Service{
		Name: c.Name, Namespace: c.Namespace, Team: home.Team, CostCenter: home.CostCenter, Template: c.Spec.TemplateRef.Name,
		Repository: repositoryOf(c.Annotations[AnnotationSourceLocation]), Lifecycle: e.lifecycle(c),
	}
	if service.Repository == "" && c.Spec.Source != nil {
		service.Repository = repositoryOf("url:" + c.Spec.Source.Repository)
	}
	service.Kind, service.Type = e.kindOf(c)
	if t := e.templates[service.Template]; t != nil {
		service.Summary = t.Spec.Summary
	}
	for _, use := range c.Spec.Uses {
		kind := KindComponent
		if used := e.components[c.Namespace+"/"+use.Component]; used != nil {
			kind, _ = e.kindOf(used)
		}
		service.DependsOn = append(service.DependsOn, ref(kind, c.Namespace, Name(use.Component)))
	}
	for _, step := range c.Spec.Environments {
		if _, exists := e.tiers[c.Namespace+"/"+step.Name]; exists {
			service.DependsOn = append(service.DependsOn, ref(KindResource, c.Namespace, environmentName(step.Name)))
		}
	}
	slices.Sort(service.DependsOn)
	service.DependsOn = slices.Compact(service.DependsOn)
	for _, pattern := range e.Links[:min(len(e.Links), maxLinks)] {
		service.Links = append(service.Links, pattern.of(c.Name, c.Namespace, home.Team))
	}
	e.add(NewComponent(service))
}

// kindOf is what a Component is in Backstage.
func (e *exporter) kindOf(c *platformv1alpha1.Component) (kind, what string) {
	if t := e.templates[c.Spec.TemplateRef.Name]; t != nil {
		return KindOf(t.Annotations)
	}
	return KindComponent, ""
}

// KindOf is what Components of a golden path are in Backstage, as its annotations say; an empty type is the default.
func KindOf(annotations map[string]string) (kind, what string) {
	kind, what = KindComponent, annotations[platformv1alpha1.AnnotationCatalogType]
	if annotations[platformv1alpha1.AnnotationCatalogKind] == KindResource {
		kind = KindResource
	}
	if len(what) > maxName || !tagPattern.MatchString(what) {
		what = ""
	}
	return kind, what
}

// lifecycle goes by how far the path leads: a service whose last environment is production is one that users depend on.
func (e *exporter) lifecycle(c *platformv1alpha1.Component) string {
	if t := e.templates[c.Spec.TemplateRef.Name]; t != nil && t.Spec.Maturity == platformv1alpha1.MaturityDeprecated {
		return LifecycleDeprecated
	}
	last := c.Spec.Environments[max(len(c.Spec.Environments)-1, 0):]
	if len(last) == 1 && e.tiers[c.Namespace+"/"+last[0].Name] == platformv1alpha1.TierProduction {
		return LifecycleProduction
	}
	return LifecycleExperimental
}

func (e *exporter) environment(environment *platformv1alpha1.Environment) {
	home, tier := e.homes[environment.Namespace], e.tiers[environment.Namespace+"/"+environment.Name]
	entity := &Entity{APIVersion: apiVersion, Kind: KindResource, Metadata: Metadata{
		Name: environmentName(environment.Name), Namespace: entityNamespace(environment.Namespace), Title: environment.Name,
		Description: fmt.Sprintf("Environment of the class %s", environment.Spec.ClassRef.Name), Labels: labels(home.Team, home.CostCenter),
		Annotations: map[string]string{
			AnnotationObject: environment.Namespace + "/" + environment.Name,
			AnnotationSelector: selector(map[string]string{
				platformv1alpha1.LabelEnvironment: environment.Name, platformv1alpha1.LabelTeam: home.Team,
			}),
		},
	}, Spec: map[string]any{"type": "environment", "owner": groupRef(home.Team), "system": systemRef(environment.Namespace, home.Team)}}
	if tier != "" {
		entity.Metadata.Tags = []string{strings.ToLower(string(tier))}
	}
	if environment.Status.Namespace != "" {
		entity.Metadata.Annotations[AnnotationKubernetesNamespace] = environment.Status.Namespace
	}
	e.add(entity)
}
