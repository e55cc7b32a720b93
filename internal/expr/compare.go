package expr

import (
	"fmt"

	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// boundComparisons makes ==, != and in look at the size of lists and maps before they compare them.
// cel-go counts the cost of a comparison by the outermost list alone, and a list can hold the same
// list many times over, and that again: small in memory, and endless to compare.
func boundComparisons(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || len(call.Args()) != 2 {
		return i, nil
	}
	switch call.Function() {
	case operators.Equals, operators.NotEquals, operators.In:
		return &comparison{InterpretableCall: call}, nil
	}
	return i, nil
}

// comparison is a == b, a != b or a in b.
type comparison struct {
	interpreter.InterpretableCall
}

// Exec evaluates both operands, and compares them when they are not too large.
func (c *comparison) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	args := c.Args()
	a, b := args[0].Exec(frame), args[1].Exec(frame)
	for _, operand := range []ref.Val{a, b} {
		if types.IsUnknownOrError(operand) {
			return operand
		}
	}
	if comparisonSize(c.Function(), a, b) >= MaxCost {
		return types.WrapErr(fmt.Errorf("the comparison is %w (over %d bytes or elements): bound the parameters with maxItems and maxLength", ErrBudget, MaxCost))
	}
	switch c.Function() {
	case operators.Equals:
		return types.Equal(a, b)
	case operators.NotEquals:
		return types.Bool(types.Equal(a, b) != types.True)
	}
	if container, ok := b.(traits.Container); ok && b.Type().HasTrait(traits.ContainerType) {
		return container.Contains(a)
	}
	return types.NoSuchOverloadErr()
}

// Eval is Exec by another name.
func (c *comparison) Eval(vars interpreter.Activation) ref.Val {
	return c.Exec(interpreter.AsFrame(vars))
}

// comparisonSize is how many bytes and elements a comparison may go through, or 0 where cel-go
// knows. A map is asked for a key by that alone.
func comparisonSize(function string, a, b ref.Val) uint64 {
	if function == operators.In {
		if _, ok := b.(traits.Lister); ok {
			return deepSize(b, MaxCost)
		}
		return 0
	}
	if nested(a) && nested(b) {
		return min(deepSize(a, MaxCost), deepSize(b, MaxCost))
	}
	return 0
}

// nested says whether a value has elements, which may have elements.
func nested(v ref.Val) bool {
	switch v.(type) {
	case traits.Lister, traits.Mapper, *types.Optional:
		return true
	}
	return false
}
