package check

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kube-openapi/pkg/validation/spec"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/openapi"
	"github.com/towpath-dev/towpath/internal/template"
)

// maxSpec is how many bytes the spec of a Job may have, maxQuery how many characters a query with the values of its
// expressions.
const maxSpec, maxQuery = 16 << 10, 2048

// jobKind is what a check runs.
var jobKind = schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}

// ours are the fields of a Job that a check sets itself, or that would take the Job out of its hands.
var ours = map[string]string{
	"activeDeadlineSeconds":   "timeoutSeconds of the check bounds the Job",
	"ttlSecondsAfterFinished": "the Job is deleted an hour after its end, and earlier with its Release",
	"suspend":                 "a Job that does not run checks nothing",
	"managedBy":               "Kubernetes runs the Job",
	"selector":                "Kubernetes makes the selector",
	"manualSelector":          "Kubernetes makes the selector",
}

// Validate says what is wrong with the checks of a list: expressions, and the spec of each Job against its schema, where
// kinds is not nil. An error of type Internal means that kinds did not answer.
func Validate(checks []platformv1alpha1.Check, at *field.Path, kinds openapi.Source) field.ErrorList {
	var errs field.ErrorList
	for i := range checks {
		errs = append(errs, ValidateOne(&checks[i], at.Key(checks[i].Name), kinds)...)
	}
	return errs
}

// ValidateOne does so for the check that stands at a path.
func ValidateOne(c *platformv1alpha1.Check, at *field.Path, kinds openapi.Source) field.ErrorList {
	var known *spec.Schema
	if c.Job != nil && kinds != nil {
		kind, err := kinds.Kind(jobKind)
		if err != nil && !errors.Is(err, openapi.ErrUnknownKind) {
			return field.ErrorList{field.InternalError(at, fmt.Errorf("reading the schema of Job: %w", err))}
		}
		if err == nil {
			known = kind.Schema
		}
	}
	_, errs := compile(c, at, known)
	return errs
}

// compile compiles what of a check holds expressions: its query, or the spec of its Job.
func compile(c *platformv1alpha1.Check, at *field.Path, known *spec.Schema) (*template.Snippet, field.ErrorList) {
	if c.Prometheus != nil {
		return template.CompileSnippet(c.Prometheus.Query, nil, at.Child("prometheus", "query"))
	}
	at = at.Child("job")
	if c.Job == nil || c.Job.Spec == nil {
		return nil, field.ErrorList{field.Required(at, "a check must have either prometheus or job")}
	}
	var given map[string]any
	if err := utiljson.Unmarshal(c.Job.Spec.Raw, &given); err != nil || given == nil {
		return nil, field.ErrorList{field.Invalid(at.Child("spec"), field.OmitValueType{}, "must be the spec of a Job: an object with template")}
	}
	if n := len(c.Job.Spec.Raw); n > maxSpec {
		return nil, field.ErrorList{field.Invalid(at.Child("spec"), field.OmitValueType{}, fmt.Sprintf("must not be larger than %d bytes, and has %d", maxSpec, n))}
	}
	var errs field.ErrorList
	for name, why := range ours {
		if _, ok := given[name]; ok {
			errs = append(errs, field.Forbidden(at.Child("spec", name), "must not be set: "+why))
		}
	}
	snippet, wrong := template.CompileSnippet(map[string]any{"spec": given}, known, at)
	return snippet, append(errs, wrong...)
}
