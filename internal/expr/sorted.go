package expr

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// sortedFunction is put around the range of every comprehension. No template can write the name.
const sortedFunction = "@sorted"

// mapInsertFunction is what transformMapEntry becomes. Inserting a map into a map goes through the
// former in random order, which shows in the error about a key that is there twice.
const mapInsertFunction = "cel.@mapInsert"

// sortedLibrary declares @sorted(T) -> T: a map becomes a view of itself whose iterator goes in the
// order of the keys, anything else is returned as it is.
func sortedLibrary() cel.EnvOption {
	t := cel.TypeParamType("T")
	return cel.Function(sortedFunction, cel.Overload("sorted_any", []*cel.Type{t}, t,
		cel.UnaryBinding(func(v ref.Val) ref.Val {
			if m, ok := v.(traits.Mapper); ok {
				return sortedMap{m}
			}
			return v
		})))
}

// sortIterations rewrites a parsed expression so that every iteration goes over @sorted(…). It must
// run before the type check, which then covers what it wrote.
func sortIterations(a *ast.AST) {
	factory := ast.NewExprFactory()
	next := ast.MaxID(a)
	wrap := func(e ast.Expr) ast.Expr {
		next++
		if place, ok := a.SourceInfo().GetOffsetRange(e.ID()); ok {
			a.SourceInfo().SetOffsetRange(next, place)
		}
		return factory.NewCall(next, sortedFunction, e)
	}
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.ComprehensionKind:
			c := e.AsComprehension()
			if c.IterRange().Kind() == ast.ListKind {
				return
			}
			e.SetKindCase(factory.NewComprehensionTwoVar(e.ID(), wrap(c.IterRange()), c.IterVar(), c.IterVar2(),
				c.AccuVar(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()))
		case ast.CallKind:
			call := e.AsCall()
			if call.FunctionName() == mapInsertFunction && len(call.Args()) == 2 {
				e.SetKindCase(factory.NewCall(e.ID(), mapInsertFunction, call.Args()[0], wrap(call.Args()[1])))
			}
		}
	}))
}

// sortedMap is a map whose iterator goes in the order of the keys. It is not foldable, so that
// two-variable comprehensions use the iterator as well.
type sortedMap struct {
	traits.Mapper
}

// Iterator goes through the keys in order.
func (m sortedMap) Iterator() traits.Iterator {
	return &keyIterator{keys: sortedKeys(m.Mapper)}
}

// sortedKeys returns the keys of a map in order: by type, then by value.
func sortedKeys(m traits.Mapper) []ref.Val {
	var keys []ref.Val
	for it := m.Iterator(); it.HasNext() == types.True; {
		keys = append(keys, it.Next())
	}
	slices.SortStableFunc(keys, compareKeys)
	return keys
}

func compareKeys(a, b ref.Val) int {
	if x, ok := a.(types.String); ok {
		if y, ok := b.(types.String); ok {
			return cmp.Compare(x, y)
		}
	}
	if a.Type() == b.Type() {
		if comparer, ok := a.(traits.Comparer); ok {
			if order, ok := comparer.Compare(b).(types.Int); ok {
				return int(order)
			}
		}
		return cmp.Compare(fmt.Sprint(a.Value()), fmt.Sprint(b.Value()))
	}
	return cmp.Compare(a.Type().TypeName(), b.Type().TypeName())
}

// keyIterator goes through a slice of keys. The embedded nil value stands for what no iterator is
// ever asked: to be compared or converted.
type keyIterator struct {
	ref.Val
	keys []ref.Val
	at   int
}

// HasNext says whether Next has another key.
func (it *keyIterator) HasNext() ref.Val {
	return types.Bool(it.at < len(it.keys))
}

// Next returns the next key.
func (it *keyIterator) Next() ref.Val {
	if it.at >= len(it.keys) {
		return nil
	}
	it.at++
	return it.keys[it.at-1]
}
