package override

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/towpath-dev/towpath/internal/label"
)

// closedField is a place that is never open.
type closedField struct {
	path Path
	// kind of which that is so; empty for every kind.
	kind string
	why  string
}

// closedFields are the places that are never open, whatever a template says. The guard refuses most of them again, by
// their values; here a platform engineer hears it when they write the template, and a developer at admission.
var closedFields = func() []closedField {
	const (
		identity  = "Towpath and the template say what an object is"
		selectors = "what finds what by labels is the template's, and most selectors cannot change"
		traffic   = "it takes over traffic that is not the Component's"
		node      = "it reaches the node, which only a template may ask for"
		account   = "whose rights pods have, and which tokens they get, is the template's"
	)
	fields := []closedField{
		{mustParse("apiVersion"), "", identity},
		{mustParse("kind"), "", identity},
		{mustParse("status"), "", "the kind's controller writes it"},
		{mustParse("spec.selector"), "", selectors},
		{mustParse("spec.podSelector"), "", selectors},
		{mustParse("spec.externalName"), "Service", traffic},
		{mustParse("spec.externalIPs"), "Service", traffic},
		{mustParse("automountServiceAccountToken"), "ServiceAccount", account},
		{mustParse("spec.volumeName"), "PersistentVolumeClaim", "a claim must not choose its volume, which could hold data of others"},
	}
	for _, pods := range []string{"spec.template", "spec.jobTemplate.spec.template", "template"} {
		fields = append(fields,
			closedField{mustParse(pods + ".spec.nodeName"), "", "it passes by the scheduler"},
			closedField{mustParse(pods + ".spec.hostNetwork"), "", node},
			closedField{mustParse(pods + ".spec.hostPID"), "", node},
			closedField{mustParse(pods + ".spec.hostIPC"), "", node},
			closedField{mustParse(pods + ".spec.hostUsers"), "", node},
			closedField{mustParse(pods + ".spec.securityContext.windowsOptions.hostProcess"), "", node},
			closedField{mustParse(pods + ".spec.volumes[*].hostPath"), "", node},
			closedField{mustParse(pods + ".spec.serviceAccountName"), "", account},
			closedField{mustParse(pods + ".spec.serviceAccount"), "", account},
			closedField{mustParse(pods + ".spec.automountServiceAccountToken"), "", account},
			closedField{mustParse(pods + ".spec.volumes[*].projected"), "", "it may hold a token, and " + account},
		)
		for _, containers := range []string{".spec.containers[*]", ".spec.initContainers[*]"} {
			fields = append(fields,
				closedField{mustParse(pods + containers + ".securityContext.privileged"), "", node},
				closedField{mustParse(pods + containers + ".securityContext.capabilities.add"), "", node},
				closedField{mustParse(pods + containers + ".securityContext.procMount"), "", node},
				closedField{mustParse(pods + containers + ".securityContext.windowsOptions.hostProcess"), "", node},
				closedField{mustParse(pods + containers + ".ports[*].hostPort"), "", node},
				closedField{mustParse(pods + containers + ".ports[*].hostIP"), "", node},
			)
		}
	}
	return fields
}()

// wide are the places that hold so much of what is closed that opening them as a whole cannot be meant.
var wide = []string{
	"metadata", "spec", "spec.template", "spec.template.metadata", "spec.template.spec",
	"spec.jobTemplate", "spec.jobTemplate.metadata", "spec.jobTemplate.spec", "spec.jobTemplate.spec.template",
	"spec.jobTemplate.spec.template.metadata", "spec.jobTemplate.spec.template.spec", "template", "template.metadata", "template.spec",
}

func mustParse(text string) Path {
	path, err := ParsePath(text)
	if err != nil {
		panic(fmt.Sprintf("path %s: %v", text, err))
	}
	return path
}

// closed says why a place is never open in objects of a kind, or nothing.
func closed(kind schema.GroupKind, place fieldpath.Path) string {
	for _, field := range closedFields {
		if (field.kind == "" || field.kind == kind.Kind) && field.path.covers(place) {
			return field.why
		}
	}
	return closedMetadata(place)
}

// closedMetadata says why a place in metadata is never open: of the object, and of any template in it.
func closedMetadata(place fieldpath.Path) string {
	for i, at := range place {
		if at.FieldName == nil || *at.FieldName != "metadata" || i > 0 && place[i-1].FieldName == nil {
			continue
		}
		if i+1 == len(place) || place[i+1].FieldName == nil || *place[i+1].FieldName != "labels" && *place[i+1].FieldName != "annotations" {
			if i == 0 || *place[i-1].FieldName == "template" || *place[i-1].FieldName == "jobTemplate" {
				return "of metadata only labels and annotations can be open"
			}
			continue
		}
		if i+2 < len(place) && place[i+2].FieldName != nil && label.Reserved(*place[i+2].FieldName) {
			return "Towpath sets it"
		}
	}
	return ""
}

// place is the path as a place in an object, for comparing it with what is closed.
func (p Path) place() fieldpath.Path {
	place := make(fieldpath.Path, 0, len(p))
	for _, step := range p {
		if !step.element() {
			name := step.Field
			place = append(place, fieldpath.PathElement{FieldName: &name})
			continue
		}
		keys := value.FieldList{}
		for _, key := range step.Keys {
			keys = append(keys, value.Field{Name: key.Name, Value: value.NewValueInterface(key.Value)})
		}
		place = append(place, fieldpath.PathElement{Key: &keys})
	}
	return place
}
