package template

import (
	"github.com/google/cel-go/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
)

// declType is the type that expressions see for a schema. It differs from that of Kubernetes in two
// ways, both because expressions here work on plain values: a string is a string whatever its
// format (Kubernetes' code makes a timestamp of date-time), and what the schema does not tell (a
// quantity, an int-or-string, unknown fields that are kept) is a value of any type, where
// Kubernetes hides the field.
func declType(s common.Schema, depth int) *apiservercel.DeclType {
	if s == nil || depth > maxDepth || s.IsXIntOrString() || s.IsXPreserveUnknownFields() || s.IsXEmbeddedResource() {
		return apiservercel.DynType
	}
	switch s.Type() {
	case "string":
		return apiservercel.StringType
	case "boolean":
		return apiservercel.BoolType
	case "integer":
		return apiservercel.IntType
	case "number":
		return apiservercel.DoubleType
	case "array":
		return apiservercel.NewListType(declType(s.Items(), depth+1), -1)
	case "object":
		if extra := s.AdditionalProperties(); extra != nil && extra.Schema() != nil {
			return apiservercel.NewMapType(apiservercel.StringType, declType(extra.Schema(), depth+1), -1)
		}
		if len(s.Properties()) == 0 && depth > 0 {
			return apiservercel.NewMapType(apiservercel.StringType, apiservercel.DynType, -1)
		}
		fields := make(map[string]*apiservercel.DeclField, len(s.Properties()))
		for name, property := range s.Properties() {
			fields[name] = apiservercel.NewDeclField(name, declType(property, depth+1), true, nil, nil)
		}
		return apiservercel.NewObjectType("object", fields)
	}
	return apiservercel.DynType
}

// named gives an object type a name, and names made from it to the object types in it. No
// expression can spell the name: one that it could spell would hide the variable of that name.
func named(t *apiservercel.DeclType, name string) *apiservercel.DeclType {
	return t.MaybeAssignTypeName("@" + name)
}

// isObject says whether a type is an object type with known fields.
func isObject(t *cel.Type) bool { return t.Kind() == cel.StructKind }

// isOptional says whether a type is optional_type(…). What is in it is its only parameter.
func isOptional(t *cel.Type) bool {
	return t.Kind() == cel.OpaqueKind && t.TypeName() == "optional_type" && len(t.Parameters()) == 1
}
