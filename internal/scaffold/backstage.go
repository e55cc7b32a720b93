package scaffold

import (
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/catalog"
)

// SourceLocation is the annotation that says where the source is: of Backstage's entities, and of a Component for its export.
const SourceLocation = catalog.AnnotationSourceLocation

// catalogInfo is the entity of the Component, under the name that an export of the cluster gives it.
func catalogInfo(in *Input) ([]byte, error) {
	kind, what := catalog.KindOf(in.Annotations)
	entity := catalog.NewComponent(catalog.Service{
		Kind: kind, Type: what, Name: in.Name, Namespace: in.Namespace, Team: in.Team, Template: in.Template, Summary: strings.Join(strings.Fields(in.Spec.Summary), " "),
		Repository: in.browsable(),
	})
	text, err := yaml.Marshal(entity)
	if err != nil {
		return nil, err
	}
	return append([]byte("# For Backstage. Take Components out of \"towpath catalog export\" where repositories register this file: --kinds says how.\n"), text...), nil
}
