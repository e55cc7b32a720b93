package template

import (
	"github.com/google/cel-go/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"

	"github.com/towpath-dev/towpath/internal/expr"
)

// The types of the variables that every template has.
var (
	componentType = object("Component", map[string]*apiservercel.DeclType{
		"name": apiservercel.StringType, "namespace": apiservercel.StringType, "team": apiservercel.StringType,
		"costCenter": apiservercel.StringType, "env": apiservercel.NewListType(apiservercel.DynType, -1),
		"connections": apiservercel.NewListType(connectionType, -1),
	})
	// connectionType is where a Component that is used can be called.
	connectionType = object("Connection", map[string]*apiservercel.DeclType{
		"component": apiservercel.StringType, "as": apiservercel.StringType,
		"podLabels": apiservercel.NewMapType(apiservercel.StringType, apiservercel.StringType, -1),
		"ports":     apiservercel.NewListType(apiservercel.IntType, -1),
	})
	environmentType = object("Environment", map[string]*apiservercel.DeclType{
		"name": apiservercel.StringType, "namespace": apiservercel.StringType, "tier": apiservercel.StringType, "class": apiservercel.StringType,
	})
	releaseType = object("Release", map[string]*apiservercel.DeclType{
		"image": apiservercel.StringType, "commit": apiservercel.StringType, "revision": apiservercel.IntType,
	})
)

func object(name string, fields map[string]*apiservercel.DeclType) *apiservercel.DeclType {
	declared := make(map[string]*apiservercel.DeclField, len(fields))
	for field, kind := range fields {
		declared[field] = apiservercel.NewDeclField(field, kind, true, nil, nil)
	}
	return apiservercel.NewObjectType("@"+name, declared)
}

// variables are the ones that every expression of a template may use, but for other resources.
func (c *compiler) variables() []expr.Variable {
	params := cel.DynType
	if c.params != nil {
		params = c.params.CelType()
	}
	return []expr.Variable{
		{Name: "params", Type: params},
		{Name: "component", Type: componentType.CelType()},
		{Name: "environment", Type: environmentType.CelType()},
		{Name: "release", Type: releaseType.CelType()},
		// The names of what is used are the Component's, and the outputs its provider's: neither is known here.
		{Name: "uses", Type: cel.MapType(cel.StringType, cel.MapType(cel.StringType, cel.DynType))},
		{Name: "capabilities", Type: cel.ListType(cel.StringType)},
	}
}
