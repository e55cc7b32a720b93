package template

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/expr"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// namePattern is what names of parameters and ids of resources match, so that expressions can name
// them without quotes.
var namePattern = lazyregexp.New(`^[a-z][a-zA-Z0-9]*$`)

// parameters is the compiled schema of a template's parameters.
type parameters struct {
	structural *structuralschema.Structural
	validator  validation.SchemaCreateValidator
	rules      *schemacel.Validator
	known      known
}

// ParameterError says that parameters do not fit a template's schema.
type ParameterError struct {
	// Errors are all findings, each with path, value and rule.
	Errors field.ErrorList
}

// Error names every finding.
func (e *ParameterError) Error() string { return e.Errors.ToAggregate().Error() }

// compileParameters checks and compiles the schema with the code that Kubernetes uses for custom
// resources, so that it accepts exactly what a CustomResourceDefinition does.
func compileParameters(spec *platformv1alpha1.ServiceTemplateSpec, at *field.Path) (*parameters, field.ErrorList) {
	props := &apiextensionsv1.JSONSchemaProps{Type: "object"}
	if spec.Parameters != nil && len(spec.Parameters.Raw) > 0 {
		if err := strictUnmarshal(spec.Parameters.Raw, props); err != nil {
			return nil, field.ErrorList{field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("must be an OpenAPI v3 schema: %v", err))}
		}
	}
	if props.Type != "object" {
		return nil, field.ErrorList{field.Invalid(at.Child("type"), props.Type, "must be object: parameters are named")}
	}
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(props, internal, nil); err != nil {
		return nil, field.ErrorList{field.Invalid(at, field.OmitValueType{}, err.Error())}
	}
	errs := checkNames(internal, at)
	errs = append(errs, validateAsCRD(internal, at)...)
	if len(errs) > 0 {
		return nil, errs
	}
	structural, err := structuralschema.NewStructural(internal)
	if err != nil {
		return nil, field.ErrorList{field.Invalid(at, field.OmitValueType{}, err.Error())}
	}
	validator, _, err := validation.NewSchemaValidator(internal)
	if err != nil {
		return nil, field.ErrorList{field.Invalid(at, field.OmitValueType{}, err.Error())}
	}
	return &parameters{
		structural: structural, validator: validator,
		rules: schemacel.NewValidator(structural, false, celconfig.PerCallLimit),
	}, nil
}

// strictUnmarshal refuses fields that a schema does not have: a misspelt maximum bounds nothing.
func strictUnmarshal(raw []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// checkNames checks the names of properties at every level.
func checkNames(schema *apiextensions.JSONSchemaProps, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for name := range schema.Properties {
		property := schema.Properties[name]
		here := at.Child("properties").Key(name)
		if !namePattern().MatchString(name) {
			errs = append(errs, field.Invalid(here, name, "the name of a parameter must match "+namePattern().String()))
		}
		if escaped, ok := apiservercel.Escape(name); ok && escaped != name {
			errs = append(errs, field.Invalid(here, name, "is a reserved word of CEL, which expressions could not name: choose another"))
		}
		errs = append(errs, checkNames(&property, here)...)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		errs = append(errs, checkNames(schema.Items.Schema, at.Child("items"))...)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		errs = append(errs, checkNames(schema.AdditionalProperties.Schema, at.Child("additionalProperties"))...)
	}
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	return errs
}

// validateAsCRD puts the schema into a CustomResourceDefinition and has Kubernetes validate that.
func validateAsCRD(schema *apiextensions.JSONSchemaProps, at *field.Path) field.ErrorList {
	const group, plural = "parameters.platform.towpath.dev", "parameters"
	keepUnknown := false
	crd := &apiextensions.CustomResourceDefinition{}
	crd.Name = plural + "." + group
	crd.Spec = apiextensions.CustomResourceDefinitionSpec{
		Group: group, Version: "v1", Scope: apiextensions.NamespaceScoped, PreserveUnknownFields: &keepUnknown,
		Names: apiextensions.CustomResourceDefinitionNames{Plural: plural, Singular: "parameter", Kind: "Parameter", ListKind: "ParameterList"},
		Versions: []apiextensions.CustomResourceDefinitionVersion{{
			Name: "v1", Served: true, Storage: true,
			Schema: &apiextensions.CustomResourceValidation{OpenAPIV3Schema: &apiextensions.JSONSchemaProps{
				Type: "object", Properties: map[string]apiextensions.JSONSchemaProps{"spec": *schema},
			}},
		}},
	}
	crd.Status.StoredVersions = []string{"v1"}
	var errs field.ErrorList
	for _, err := range apiextensionsvalidation.ValidateCustomResourceDefinition(context.Background(), crd) {
		_, rest, ok := strings.Cut(err.Field, "openAPIV3Schema.properties[spec]")
		if !ok && !strings.Contains(err.Field, "openAPIV3Schema") {
			continue // of the definition around it, not of the schema
		}
		err.Field = at.String() + rest
		errs = append(errs, err)
	}
	return errs
}

// declType is the type of the variable params.
func (p *parameters) declType() *apiservercel.DeclType {
	return named(declType(&model.Structural{Structural: p.structural}, 0), "params")
}

// ResolveParameters returns a copy of parameters with the defaults of the schema, and every error
// at once: unknown names, types, bounds and rules, each with its path below at, the value and the
// rule. The copy is nil when there are errors.
func (t *Template) ResolveParameters(values map[string]any, at *field.Path) (map[string]any, field.ErrorList) {
	return t.ResolveParametersWithin(NewRulesBudget(), values, at)
}

// RulesBudget bounds what the rules of a schema cost, in one check or in several together.
type RulesBudget struct{ left int64 }

// NewRulesBudget returns what Kubernetes allows the rules of one object: 10,000,000, some seconds.
func NewRulesBudget() *RulesBudget { return &RulesBudget{celconfig.RuntimeCELCostBudget} }

// ResolveParametersWithin is ResolveParameters at the expense of a budget.
func (t *Template) ResolveParametersWithin(budget *RulesBudget, values map[string]any, at *field.Path) (map[string]any, field.ErrorList) {
	if at == nil {
		at = field.NewPath("parameters")
	}
	key := keyOf(values)
	if resolved, ok := t.parameters.known.get(key, values); ok {
		return resolved, nil
	}
	resolved := runtime.DeepCopyJSON(values)
	if resolved == nil {
		resolved = map[string]any{}
	}
	errs := t.parameters.unknown(resolved, at)
	errs = append(errs, t.parameters.check(resolved, at)...)
	errs = append(errs, t.parameters.askRules(budget, resolved, errs, at)...)
	if len(errs) > 0 {
		return nil, ordered(errs)
	}
	t.parameters.known.put(key, values, resolved)
	return resolved, nil
}

var (
	inBody    = lazyregexp.New(`^\S* in body (should|must|can't)`)
	wrongType = lazyregexp.New(`^\S* in body must be of type (\w+): "\w+"$`)
)

// plain says what Kubernetes' schema validation found in the words of our own messages, and names
// the value where it only names the type.
func plain(errs field.ErrorList, at *field.Path, values map[string]any) field.ErrorList {
	var out field.ErrorList
	for _, err := range errs {
		switch found := wrongType().FindStringSubmatch(err.Detail); {
		case found != nil:
			err.Type, err.Detail = field.ErrorTypeTypeInvalid, "must be of type "+found[1]
			err.BadValue = field.OmitValueType{}
			if value, ok := valueAt(values, strings.TrimPrefix(err.Field, at.String())); ok {
				err.BadValue = value
			}
		case strings.HasPrefix(err.Detail, "Checked value must be of type"):
			continue // says again what was said of the field itself
		default:
			err.Detail = inBody().ReplaceAllStringFunc(err.Detail, func(s string) string {
				if strings.HasSuffix(s, "can't") {
					return "can't"
				}
				return "must"
			})
		}
		out = append(out, err)
	}
	return out
}

// valueAt finds a value by a path such as .items[0].name.
func valueAt(value any, path string) (any, bool) {
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch v := value.(type) {
		case map[string]any:
			member, ok := v[step]
			if !ok {
				return nil, false
			}
			value = member
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// ordered sorts errors by field and text, and drops what is said twice. Kubernetes' validation goes
// through maps, so that it finds errors in random order: a condition with them would change with
// every reconciliation.
func ordered(errs field.ErrorList) field.ErrorList {
	slices.SortStableFunc(errs, func(a, b *field.Error) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Error(), b.Error()))
	})
	return slices.CompactFunc(errs, func(a, b *field.Error) bool { return a.Error() == b.Error() })
}

// numbers turns whole numbers into int64 where the schema says integer and into float64 where it
// says number: JSON has one kind of number, and expressions have two that do not mix. It changes
// maps and lists in place, and returns the value.
func numbers(value any, s *structuralschema.Structural) any {
	if s == nil {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if property, ok := s.Properties[name]; ok {
				v[name] = numbers(member, &property)
			} else if s.AdditionalProperties != nil {
				v[name] = numbers(member, s.AdditionalProperties.Structural)
			}
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i], s.Items)
		}
	case float64:
		// Beyond 2^53 a float64 does not hold every whole number: validation will refuse it or not.
		if s.Type == "integer" && v == math.Trunc(v) && math.Abs(v) <= 1<<53 {
			return int64(v)
		}
	case int64:
		if s.Type == "number" {
			return float64(v)
		}
	}
	return value
}

// unknown reports the parameters that the schema does not have, and takes them out.
func (p *parameters) unknown(values map[string]any, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	paths := pruning.PruneWithOptions(values, p.structural, false, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range paths {
		name := path[strings.LastIndex(path, ".")+1:]
		known := p.namesBeside(path)
		message := "no such parameter"
		if near := expr.Nearest(name, known); near != "" {
			message += fmt.Sprintf("; did you mean %s?", near)
		} else if len(known) > 0 {
			message += "; the template has " + strings.Join(known, ", ")
		}
		errs = append(errs, field.Invalid(at.Child(path), field.OmitValueType{}, message))
	}
	return errs
}

// namesBeside returns the names that the schema has at the place of an unknown path.
func (p *parameters) namesBeside(path string) []string {
	schema := p.structural
	steps := strings.Split(path, ".")
	for _, step := range steps[:len(steps)-1] {
		name, indexed, _ := strings.Cut(step, "[")
		next, ok := schema.Properties[name]
		if !ok {
			return nil
		}
		schema = &next
		if indexed != "" && schema.Items != nil {
			schema = schema.Items
		}
	}
	names := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// MergeParameters lays over on base by RFC 7396: null deletes a key, objects merge, anything else
// replaces. Neither argument is changed, and the result shares nothing with them.
func MergeParameters(base, over map[string]any) map[string]any {
	merged := runtime.DeepCopyJSON(base)
	if merged == nil {
		merged = map[string]any{}
	}
	for key, value := range over {
		switch v := value.(type) {
		case nil:
			delete(merged, key)
		case map[string]any:
			below, _ := merged[key].(map[string]any)
			merged[key] = MergeParameters(below, v)
		default:
			merged[key] = runtime.DeepCopyJSONValue(v)
		}
	}
	return merged
}
