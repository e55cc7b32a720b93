package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// Program is an expression ready to be evaluated, by any number of goroutines at once.
type Program struct {
	// Source is the expression as written.
	Source string
	// Type of its value.
	Type *cel.Type
	// Variables that it uses, by full name, sorted.
	Variables []string
	// Paths are what it reads of these variables, as far as the names are literal, sorted:
	// "params.port" for params.port, params.?port and params["port"]. They include the shorter paths
	// on the way only where those are used as a whole.
	Paths []string

	step interpreter.InterpretableV2
	// places are the lines and columns of the nodes of the expression, for errors.
	places  map[int64]place
	members map[string][]string
	// loose are the variables that are used in other ways than a membership test.
	loose []string
}

// Members returns the string literals that the expression looks for in a list variable
// ("x" in name), sorted. Complete is false where it uses the variable in another way as well.
func (p *Program) Members(name string) (literals []string, complete bool) {
	return p.members[name], !slices.Contains(p.loose, name)
}

// Unknown is the value of a variable that is not known. An expression whose value does not depend on it has that value all the same.
var Unknown any = types.NewUnknown(1, nil)

// ErrUnknown is the error of an evaluation whose value depends on a variable that is Unknown.
var ErrUnknown = errors.New("the value of the expression is unknown")

// run evaluates at a cost of at most so much, and tells the cost. A panic of the interpreter is an error.
func (p *Program) run(variables map[string]any, most uint64) (value ref.Val, cost uint64, err error) {
	var tracker *interpreter.CostTracker
	defer func() {
		if r := recover(); r != nil {
			value, err = nil, fmt.Errorf("internal error: %v", r)
			if _, ok := r.(interpreter.EvalCancelledError); ok {
				err = errCost
			}
		}
		if tracker != nil {
			cost = tracker.ActualCost()
		}
	}()
	frame, err := interpreter.NewExecutionFrame(variables)
	if err != nil {
		return nil, 0, err
	}
	defer frame.Close()
	if observed, ok := p.step.(*interpreter.ObservableInterpretable); ok {
		value = observed.ObserveExec(frame, func(state any) {
			if t, ok := state.(*interpreter.CostTracker); ok { // which is told before the evaluation, too
				tracker, t.Limit = t, &most
			}
		})
	} else {
		value = p.step.Exec(frame)
	}
	switch v := value.(type) {
	case nil:
		return nil, 0, errors.New("the expression has no value")
	case *types.Err:
		return nil, 0, p.placed(v)
	case *types.Unknown:
		return nil, 0, ErrUnknown
	}
	return value, 0, nil
}

// place is where a node begins: its line from 1, and its column from 0.
type place struct{ line, column int32 }

// Line and Column implement common.Location.
func (p place) Line() int   { return int(p.line) }
func (p place) Column() int { return int(p.column) }

func placesOf(source *ast.SourceInfo) map[int64]place {
	places := make(map[int64]place, len(source.OffsetRanges()))
	for id := range source.OffsetRanges() {
		at := source.GetStartLocation(id)
		places[id] = place{int32(at.Line()), int32(at.Column())} //nolint:gosec // an expression has at most MaxSource characters
	}
	return places
}

// placedError is an error of an evaluation with its place in the expression.
type placedError struct {
	error
	at string
}

func (e *placedError) Unwrap() error { return e.error }

// placed tells where in the expression an error came up. Of two errors cel-go has one copy for all programs, whose place
// is that of whichever expression met it first.
func (p *Program) placed(err *types.Err) error {
	if err == types.NoSuchOverloadErr() || err.Error() == "timestamp overflow" {
		return err
	}
	if found, known := p.places[err.NodeID()]; known {
		return &placedError{err, at(found)}
	}
	return err
}

// hint adds the next step to the errors that people meet most often, and the place to those that have one.
func hint(err error) error {
	where := ""
	var placed *placedError
	if errors.As(err, &placed) {
		err, where = placed.error, placed.at
	}
	message := err.Error()
	switch {
	case strings.HasPrefix(message, "no such key: "):
		return fmt.Errorf("%w: give it a value, or read it as .?%s.orValue(…)%s", err, strings.TrimPrefix(message, "no such key: "), where)
	case strings.HasPrefix(message, "index out of bounds"):
		return fmt.Errorf("%w: test the size first, or read it as [?…]%s", err, where)
	case strings.HasPrefix(message, "no such overload"):
		return fmt.Errorf("%w: an operand has a type that the operation does not take; convert it%s", err, where)
	case where != "":
		return fmt.Errorf("%w%s", err, where)
	}
	return err
}

// planner turns checked expressions into programs. All programs share one table of functions: a
// program of cel-go's own holds a copy each, which is three quarters of its memory.
type planner struct {
	interpreter interpreter.Interpreter
	options     []interpreter.PlannerOption
}

func newPlanner(base *baseEnv) (*planner, error) {
	dispatcher := interpreter.NewDispatcher()
	for name, function := range base.env.Functions() {
		overloads, err := function.Bindings()
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", name, err)
		}
		for _, overload := range overloads {
			if err := dispatcher.Add(limited(name, overload)); err != nil {
				return nil, fmt.Errorf("function %s: %w", name, err)
			}
		}
	}
	adapter, provider := base.env.CELTypeAdapter(), base.env.CELTypeProvider()
	tracker, err := interpreter.NewCostTracker(&costs{},
		interpreter.CostTrackerLimit(MaxCost), interpreter.PresenceTestHasCost(false))
	if err != nil {
		return nil, err
	}
	return &planner{
		interpreter: interpreter.NewInterpreter(dispatcher, base.env.Container, provider, adapter,
			interpreter.NewAttributeFactory(base.env.Container, adapter, provider)),
		options: []interpreter.PlannerOption{
			interpreter.CustomDecoratorV2(lazyOptionals),
			interpreter.CustomDecoratorV2(boundComparisons),
			interpreter.Optimize(),
			interpreter.CompileRegexConstants(interpreter.MatchesRegexOptimization),
			interpreter.CostObserver(interpreter.CostTrackerFactory(tracker.Clone)),
		},
	}, nil
}

func (p *planner) plan(checked *ast.AST) (interpreter.InterpretableV2, error) {
	return p.interpreter.NewInterpretable(checked, p.options...)
}
