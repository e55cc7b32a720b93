package expr

import (
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// lazyOptionals makes a.or(b) and a.orValue(b) evaluate b only when a has no value. cel-go does the
// same in a decorator that it does not export.
func lazyOptionals(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok || len(call.Args()) != 2 {
		return i, nil
	}
	overload := call.OverloadID()
	switch call.Function() {
	case "or":
		if overload == "" || overload == "optional_or_optional" {
			return &alternative{call: call}, nil
		}
	case "orValue":
		if overload == "" || overload == "optional_orValue_value" {
			return &alternative{call: call, unwrap: true}, nil
		}
	}
	return i, nil
}

// alternative is a.or(b), or a.orValue(b) where unwrap is set.
type alternative struct {
	call   interpreter.InterpretableCall
	unwrap bool
}

// ID is the node in the expression.
func (a *alternative) ID() int64 { return a.call.ID() }

// Exec evaluates the first operand, and the second one only when needed.
func (a *alternative) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	args := a.call.Args()
	first := args[0].Exec(frame)
	switch value := first.(type) {
	case *types.Err, *types.Unknown:
		return first
	case *types.Optional:
		switch {
		case !value.HasValue():
			return args[1].Exec(frame)
		case a.unwrap:
			return value.GetValue()
		default:
			return first
		}
	default:
		return types.NoSuchOverloadErr()
	}
}

// Eval is Exec by another name.
func (a *alternative) Eval(vars interpreter.Activation) ref.Val {
	return a.Exec(interpreter.AsFrame(vars))
}
