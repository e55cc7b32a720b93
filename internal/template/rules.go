package template

import (
	"context"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// check lays the defaults under values, and holds them to the schema but for its rules.
func (p *parameters) check(values map[string]any, at *field.Path) field.ErrorList {
	defaulting.Default(values, p.structural)
	numbers(values, p.structural)
	errs := plain(validation.ValidateCustomResource(at, values, p.validator), at, values)
	errs = append(errs, objectmeta.Validate(context.Background(), at, values, p.structural, false)...) // x-kubernetes-embedded-resource
	return append(errs, listtype.ValidateListSetsAndMaps(at, p.structural, values)...)
}

// askRules asks the rules of the schema. On values of the wrong type they would not evaluate: those are left out
// first, and of what the rules say then only that counts which has nothing to do with them.
func (p *parameters) askRules(budget *RulesBudget, values map[string]any, wrong field.ErrorList, at *field.Path) field.ErrorList {
	if p.rules == nil {
		return nil
	}
	if len(wrong) > 0 {
		values = runtime.DeepCopyJSON(values)
		for _, err := range wrong {
			dropAt(values, strings.TrimPrefix(err.Field, at.String()))
		}
		if len(p.check(values, at)) > 0 {
			return nil
		}
	}
	if budget.left <= 0 {
		return field.ErrorList{field.Invalid(at, field.OmitValueType{},
			"the rules of the parameters are too expensive in all environments together: loop over fewer elements, or bound the parameters with maxItems and maxLength")}
	}
	var found field.ErrorList
	found, budget.left = p.rules.Validate(context.Background(), at, p.structural, values, nil, budget.left)
	var errs field.ErrorList
	for _, err := range found {
		if related(err, wrong) {
			continue
		}
		if _, omitted := err.BadValue.(field.OmitValueType); omitted {
			switch value, _ := valueAt(values, strings.TrimPrefix(err.Field, at.String())); value.(type) {
			case string, bool, int64, float64:
				err.BadValue = value // also of a default, which stands in no file
			}
		}
		errs = append(errs, err)
	}
	return errs
}

// related says whether an error is about a place above or below one that is wrong already.
func related(err *field.Error, wrong field.ErrorList) bool {
	for _, other := range wrong {
		if below(err.Field, other.Field) || below(other.Field, err.Field) {
			return true
		}
	}
	return false
}

func below(path, of string) bool {
	rest, ok := strings.CutPrefix(path, of)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// dropAt takes out the value at a path; of a list, all of it.
func dropAt(values map[string]any, path string) {
	path, _, _ = strings.Cut(path, "[")
	steps := strings.FieldsFunc(path, func(r rune) bool { return r == '.' })
	for i, step := range steps {
		if i == len(steps)-1 {
			delete(values, step)
			return
		}
		next, ok := values[step].(map[string]any)
		if !ok {
			return
		}
		values = next
	}
}
