package framework

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Name returns a name that no other spec has: a prefix with five random letters.
func Name(prefix string) string {
	const letters = "bcdfghjklmnpqrstvwxz"
	var b strings.Builder
	for range 5 {
		b.WriteByte(letters[rand.IntN(len(letters))])
	}
	return prefix + b.String()
}

// TeamNamespace is the home of a team, under the name team-<team>.
func TeamNamespace(team string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   "team-" + team,
		Labels: map[string]string{platformv1alpha1.LabelTeam: team, platformv1alpha1.LabelCostCenter: "cc-" + team},
	}}
}

// Team is a Team with these members, whose home namespace is team-<name>.
func Team(name string, members ...platformv1alpha1.TeamMember) *platformv1alpha1.Team {
	return &platformv1alpha1.Team{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       platformv1alpha1.TeamSpec{CostCenter: "cc-" + name, Members: members},
	}
}

// Class is an EnvironmentClass with restricted pods.
func Class(name string, tier platformv1alpha1.Tier) *platformv1alpha1.EnvironmentClass {
	return &platformv1alpha1.EnvironmentClass{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       platformv1alpha1.EnvironmentClassSpec{Tier: tier, PodSecurity: platformv1alpha1.PodSecurityRestricted},
	}
}

// Environment is an Environment in a team namespace.
func Environment(namespace, name, class string) *platformv1alpha1.Environment {
	return &platformv1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       platformv1alpha1.EnvironmentSpec{ClassRef: platformv1alpha1.ClassReference{Name: class}},
	}
}

// Template is a ServiceTemplate without parameters; Parameters makes some. It is experimental, so that specs may change
// it in any way.
func Template(name string, resources ...platformv1alpha1.ResourceTemplate) *platformv1alpha1.ServiceTemplate {
	return &platformv1alpha1.ServiceTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: platformv1alpha1.ServiceTemplateSpec{
			Summary: "A template of a suite.", Maturity: platformv1alpha1.MaturityExperimental, Resources: resources,
		},
	}
}

// Revision is a ServiceTemplateRevision as the manager would make it, but for its hash.
func Revision(template string, number int64, resources ...platformv1alpha1.ResourceTemplate) *platformv1alpha1.ServiceTemplateRevision {
	return &platformv1alpha1.ServiceTemplateRevision{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", template, number)},
		Spec: platformv1alpha1.ServiceTemplateRevisionSpec{
			TemplateName: template, Number: number, Hash: strings.Repeat("0", 64), Template: Template(template, resources...).Spec,
		},
	}
}

// Resource is a resource of a template, whose object is written in YAML.
func Resource(id, object string) platformv1alpha1.ResourceTemplate {
	return platformv1alpha1.ResourceTemplate{ID: id, Object: *JSON(object)}
}

// ConfigMap is a resource that makes a ConfigMap named after the Component and the resource.
func ConfigMap(id string) platformv1alpha1.ResourceTemplate {
	return Resource(id, `
apiVersion: v1
kind: ConfigMap
metadata: {name: "${component.name}-`+strings.ToLower(id)+`"}
data: {image: "${release.image}"}
`)
}

// Deployment is a resource that makes a Deployment of that many pods, named after the Component. Its one container, app, has these
// further fields, each as it stands in YAML.
func Deployment(id string, replicas int, container ...string) platformv1alpha1.ResourceTemplate {
	further := ""
	for _, field := range container {
		further += "\n        " + field
	}
	return Resource(id, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: "${component.name}"}
spec:
  replicas: `+strconv.Itoa(replicas)+`
  selector: {matchLabels: {app.kubernetes.io/name: "${component.name}"}}
  template:
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      automountServiceAccountToken: false
      containers:
      - name: app
        image: "${release.image}"
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}`+further+`
`)
}

// JSON is a value written in YAML: parameters, or their schema. It panics where that does not parse.
func JSON(text string) *apiextensionsv1.JSON {
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("%v in:\n%s", err, text))
	}
	return &apiextensionsv1.JSON{Raw: raw}
}

// Component is a Component with a path through these environments.
func Component(namespace, name, template string, environments ...string) *platformv1alpha1.Component {
	c := &platformv1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: platformv1alpha1.ComponentSpec{
			TemplateRef: platformv1alpha1.TemplateReference{Name: template}, Image: "registry.example/" + name + ":1.0.0",
		},
	}
	for _, environment := range environments {
		c.Spec.Environments = append(c.Spec.Environments, platformv1alpha1.PathEnvironment{Name: environment})
	}
	return c
}

// CRD defines a namespaced kind in version v1 of a group, with a spec that has the string fields
// color and size, and a status that keeps everything. Its plural is the kind in lower case with an s.
func CRD(group, kind string) *apiextensionsv1.CustomResourceDefinition {
	singular := strings.ToLower(kind)
	text, keep := apiextensionsv1.JSONSchemaProps{Type: "string"}, true
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: singular + "s." + group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: group, Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: kind, ListKind: kind + "List", Singular: singular, Plural: singular + "s"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object",
					Properties: map[string]apiextensionsv1.JSONSchemaProps{
						"spec":   {Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"color": text, "size": text}},
						"status": {Type: "object", XPreserveUnknownFields: &keep},
					},
				}},
			}},
		},
	}
}

// OpenCRD is as CRD, with a spec that keeps everything: it stands for a kind of others whose definition is not here.
func OpenCRD(group, kind string) *apiextensionsv1.CustomResourceDefinition {
	crd, keep := CRD(group, kind), true
	crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"] = apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &keep}
	return crd
}
