package expr

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apimachinery/pkg/api/resource"
	apiservercel "k8s.io/apiserver/pkg/cel"

	"github.com/towpath-dev/towpath/internal/quantity"
)

// boundedQuantities binds quantity() and isQuantity() of Kubernetes' library anew, which must come before it: expressions read by them what
// developers write, and the parser does not end with all of that.
func boundedQuantities() cel.EnvOption {
	text := []*cel.Type{cel.StringType}
	return cel.Lib(options{
		cel.Function("quantity", cel.Overload("string_to_quantity", text, apiservercel.QuantityType, cel.UnaryBinding(toQuantity))),
		cel.Function("isQuantity", cel.Overload("is_quantity_string", text, cel.BoolType, cel.UnaryBinding(isQuantity))),
	})
}

// options are a library.
type options []cel.EnvOption

// CompileOptions implements cel.Library.
func (o options) CompileOptions() []cel.EnvOption { return o }

// ProgramOptions implements cel.Library.
func (options) ProgramOptions() []cel.ProgramOption { return nil }

func isQuantity(v ref.Val) ref.Val {
	if _, ok := v.Value().(string); !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	return types.Bool(!types.IsError(toQuantity(v)))
}

func toQuantity(v ref.Val) ref.Val {
	text, ok := v.Value().(string)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	if err := quantity.Check(text); err != nil {
		return types.WrapErr(err)
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return types.WrapErr(err)
	}
	return apiservercel.Quantity{Quantity: &q}
}
