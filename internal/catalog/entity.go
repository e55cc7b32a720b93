package catalog

import (
	"cmp"
	"regexp"
	"strings"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Entity is one of Backstage, as its descriptor files have it.
type Entity struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   Metadata       `json:"metadata"`
	Spec       map[string]any `json:"spec"`
}

// Metadata of an Entity.
type Metadata struct {
	Name string `json:"name"`
	// Namespace is Backstage's, and no namespace of Kubernetes. Empty for default.
	Namespace   string            `json:"namespace,omitempty"`
	Title       string            `json:"title,omitempty"`
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Links       []Link            `json:"links,omitempty"`
}

// Link is a page about an Entity.
type Link struct {
	URL   string `json:"url"`
	Title string `json:"title,omitempty"`
	Type  string `json:"type,omitempty"`
}

// The kinds of entities.
const (
	KindComponent = "Component"
	KindGroup     = "Group"
	KindResource  = "Resource"
	KindSystem    = "System"
	KindUser      = "User"
)

// Kinds are all of them, in the order in which they are exported.
var Kinds = []string{KindGroup, KindUser, KindSystem, KindComponent, KindResource}

// Annotations of entities.
const (
	// AnnotationSourceLocation says where the source is, as url: and an https URL. On a Component of Towpath it is taken over.
	AnnotationSourceLocation = "backstage.io/source-location"
	// AnnotationSelector has Backstage's Kubernetes plugin find the objects of an entity by their labels.
	AnnotationSelector = "backstage.io/kubernetes-label-selector"
	// AnnotationKubernetesNamespace has the plugin look in one namespace.
	AnnotationKubernetesNamespace = "backstage.io/kubernetes-namespace"
	// AnnotationObject names the object of Towpath that an entity stands for, as namespace/name, or name.
	AnnotationObject = platformv1alpha1.LabelPrefix + "object"
)

const apiVersion = "backstage.io/v1alpha1"

// Lifecycles that Backstage knows by name.
const (
	LifecycleProduction   = "production"
	LifecycleExperimental = "experimental"
	LifecycleDeprecated   = "deprecated"
)

// unknown stands for a team that nobody told.
const unknown = "unknown"

// Service is what is known of a Component.
type Service struct {
	// Name, and Namespace that it is in; empty for one that nobody told.
	Name, Namespace string
	// Team that owns it; empty for unknown.
	Team, CostCenter string
	// Template is the golden path, and Summary what that says of itself.
	Template, Summary string
	// Kind is Component, or Resource; empty for Component. Type is a type of that kind; empty for service.
	Kind, Type string
	// Lifecycle; empty for experimental. Resources have none.
	Lifecycle string
	// Repository is the https URL of the source; empty for unknown.
	Repository string
	// DependsOn are references of entities.
	DependsOn []string
	Links     []Link
}

var tagPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// NewComponent makes the entity of a Component.
func NewComponent(s Service) *Entity {
	kind := cmp.Or(s.Kind, KindComponent)
	entity := &Entity{APIVersion: apiVersion, Kind: kind, Metadata: Metadata{
		Name: Name(s.Name), Namespace: entityNamespace(s.Namespace), Description: s.Summary, Links: s.Links,
		Labels: labels(s.Team, s.CostCenter),
		Annotations: map[string]string{
			AnnotationObject:   strings.TrimPrefix(s.Namespace+"/"+s.Name, "/"),
			AnnotationSelector: selector(map[string]string{platformv1alpha1.LabelComponent: s.Name, platformv1alpha1.LabelTeam: s.Team}),
		},
	}}
	if tagPattern.MatchString(s.Template) {
		entity.Metadata.Tags = []string{s.Template}
	}
	entity.Metadata.Annotations[platformv1alpha1.LabelTemplate] = s.Template
	if s.Repository != "" {
		repository := strings.TrimSuffix(s.Repository, "/")
		entity.Metadata.Annotations[AnnotationSourceLocation] = "url:" + repository + "/"
		entity.Metadata.Links = append([]Link{{URL: repository, Title: "Source"}}, entity.Metadata.Links...)
	}
	entity.Spec = map[string]any{"type": cmp.Or(s.Type, "service"), "owner": groupRef(s.Team)}
	if kind == KindComponent {
		entity.Spec["lifecycle"] = cmp.Or(s.Lifecycle, LifecycleExperimental)
	}
	if s.Namespace != "" {
		entity.Spec["system"] = systemRef(s.Namespace, s.Team)
	}
	if len(s.DependsOn) > 0 {
		entity.Spec["dependsOn"] = s.DependsOn
	}
	return entity
}

func labels(team, costCenter string) map[string]string {
	found := map[string]string{}
	for key, value := range map[string]string{platformv1alpha1.LabelTeam: team, platformv1alpha1.LabelCostCenter: costCenter} {
		if value != "" {
			found[key] = value
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

// selector writes a label selector, in the order of its keys.
func selector(wanted map[string]string) string {
	var parts []string
	for _, key := range sorted(wanted) {
		if wanted[key] != "" {
			parts = append(parts, key+"="+wanted[key])
		}
	}
	return strings.Join(parts, ",")
}
