package catalog_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/catalog"
)

// The rules of Backstage's descriptor format (https://backstage.io/docs/features/software-catalog/descriptor-format), in our
// words. `make backstage-schemas` asks Backstage's own package.
var (
	entityName     = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	entityDNSLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	annotationKey  = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelValue     = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	entityTag      = regexp.MustCompile(`^[a-z0-9:+#]+(-[a-z0-9:+#]+)*$`)
	entityRef      = regexp.MustCompile(`^[a-z]+:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?$`)
)

// required are the fields that a kind must have in its spec.
var required = map[string][]string{
	catalog.KindComponent: {"type", "lifecycle", "owner"},
	catalog.KindResource:  {"type", "owner"},
	catalog.KindSystem:    {"owner"},
	catalog.KindGroup:     {"type", "children"},
	catalog.KindUser:      {"memberOf"},
}

// validate holds an entity to what Backstage takes.
func validate(t *testing.T, entity *catalog.Entity) {
	t.Helper()
	meta := &entity.Metadata
	wrong := func(what, value string) { t.Errorf("%s: %s %q", entity.Ref(), what, value) }
	if entity.APIVersion != "backstage.io/v1alpha1" {
		wrong("apiVersion", entity.APIVersion)
	}
	if !entityName.MatchString(meta.Name) {
		wrong("name", meta.Name)
	}
	if meta.Namespace != "" && !entityDNSLabel.MatchString(meta.Namespace) {
		wrong("namespace", meta.Namespace)
	}
	for key := range meta.Annotations {
		if !annotationKey.MatchString(key) {
			wrong("annotation", key)
		}
	}
	for key, value := range meta.Labels {
		if !annotationKey.MatchString(key) || !labelValue.MatchString(value) {
			wrong("label", key+"="+value)
		}
	}
	for _, tag := range meta.Tags {
		if !entityTag.MatchString(tag) || len(tag) > 63 {
			wrong("tag", tag)
		}
	}
	for _, link := range meta.Links {
		if parsed, err := url.Parse(link.URL); err != nil || !strings.HasPrefix(parsed.Scheme, "http") {
			wrong("link", link.URL)
		}
	}
	fields, known := required[entity.Kind]
	if !known {
		wrong("kind", entity.Kind)
	}
	for _, field := range fields {
		if value, found := entity.Spec[field]; !found || value == "" {
			wrong("spec without", field)
		}
	}
	for _, to := range relations(entity) {
		if !entityRef.MatchString(to) {
			wrong("reference", to)
		}
	}
}
