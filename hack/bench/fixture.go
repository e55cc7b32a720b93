package main

import (
	_ "embed"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/environment"
	"github.com/towpath-dev/towpath/internal/render"
	"github.com/towpath-dev/towpath/internal/revision"
	"github.com/towpath-dev/towpath/internal/template"
)

const (
	// teams is how many there are, each with one environment and its share of the Components.
	teams = 20
	// environmentName is that of each team's environment, and of its class.
	environmentName = "bench"
	// templateName is that of template.yaml.
	templateName = "bench"
)

//go:embed template.yaml
var templateFile []byte

// serviceTemplate is what all Components are made of.
func serviceTemplate() (*platformv1alpha1.ServiceTemplate, error) {
	t := &platformv1alpha1.ServiceTemplate{}
	if err := yaml.UnmarshalStrict(templateFile, t); err != nil {
		return nil, fmt.Errorf("template.yaml: %w", err)
	}
	return t, nil
}

func environmentClass() *platformv1alpha1.EnvironmentClass {
	return &platformv1alpha1.EnvironmentClass{
		ObjectMeta: metav1.ObjectMeta{Name: environmentName},
		Spec:       platformv1alpha1.EnvironmentClassSpec{Tier: platformv1alpha1.TierDevelopment, PodSecurity: platformv1alpha1.PodSecurityRestricted},
	}
}

func teamName(i int) string      { return fmt.Sprintf("team%02d", i%teams) }
func costCenter(i int) string    { return "cc-" + teamName(i) }
func homeNamespace(i int) string { return "team-" + teamName(i) }
func componentName(i int) string { return fmt.Sprintf("service-%05d", i) }
func componentImage(i int) string {
	return "registry.example/" + teamName(i) + "/" + componentName(i) + ":1.0.0"
}
func workloadNamespace(i int) string {
	return environment.NamespaceName(teamName(i), environmentName)
}

// team is a team's home and its environment.
func team(i int) (*corev1.Namespace, *platformv1alpha1.Environment) {
	home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: homeNamespace(i), Labels: map[string]string{
		platformv1alpha1.LabelTeam: teamName(i), platformv1alpha1.LabelCostCenter: costCenter(i),
	}}}
	return home, &platformv1alpha1.Environment{
		ObjectMeta: metav1.ObjectMeta{Namespace: home.Name, Name: environmentName},
		Spec:       platformv1alpha1.EnvironmentSpec{ClassRef: platformv1alpha1.ClassReference{Name: environmentName}},
	}
}

// component is the i-th Component.
func component(i int, templateName string) *platformv1alpha1.Component {
	return &platformv1alpha1.Component{
		ObjectMeta: metav1.ObjectMeta{Namespace: homeNamespace(i), Name: componentName(i)},
		Spec: platformv1alpha1.ComponentSpec{
			TemplateRef:  platformv1alpha1.TemplateReference{Name: templateName},
			Image:        componentImage(i),
			Env:          componentEnv(),
			Environments: []platformv1alpha1.PathEnvironment{{Name: environmentName}},
		},
	}
}

func componentEnv() []platformv1alpha1.EnvVar {
	return []platformv1alpha1.EnvVar{{Name: "LOG_LEVEL", Value: "info"}, {Name: "REGION", Value: "local"}}
}

// rendered are the objects that the i-th Component becomes, from the code that the manager renders them
// with. The Component does not exist, so its UID is made up.
func rendered(i int, t *template.Template, templateName string) ([]render.Object, error) {
	return render.Release(t, &platformv1alpha1.Release{
		ObjectMeta: metav1.ObjectMeta{Namespace: homeNamespace(i)},
		Spec: platformv1alpha1.ReleaseSpec{
			Component: platformv1alpha1.ReleaseComponent{Name: componentName(i), UID: types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i))},
			Environment: platformv1alpha1.ReleaseEnvironment{
				Name: environmentName, Namespace: workloadNamespace(i), Class: environmentName, Tier: platformv1alpha1.TierDevelopment,
			},
			Template: templateName,
			Revision: platformv1alpha1.RevisionReference{Name: revision.Name(templateName, 1), Number: 1},
			Image:    componentImage(i),
			Env:      componentEnv(),
			Team:     teamName(i), CostCenter: costCenter(i),
			PodSecurity: platformv1alpha1.PodSecurityRestricted,
		},
	})
}
