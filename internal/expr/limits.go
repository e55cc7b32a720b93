package expr

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
	"k8s.io/apiserver/pkg/cel/library"
)

// The limits of one evaluation. Cost is counted as in Kubernetes: about one for each step and one
// for each ten bytes of a string that is gone through; a million takes about a quarter of a second.
const (
	// MaxCost of one evaluation.
	MaxCost = 1_000_000
	// MaxSource is the longest expression, in characters.
	MaxSource = 16_384
	// maxRange is the longest list that lists.range makes.
	maxRange = 10_000
	// maxPrecision is the most digits that format writes after the point.
	maxPrecision = 100
)

// weigh tells beforehand how much a call will cost, in bytes made or elements compared.
type weigh func(args []ref.Val) uint64

// weights are the calls whose result can be far larger than what they are given, or that compare
// each with each, by function. cel-go counts their cost once they are done, which is too late: two
// parameters of 700 KB would be enough to make replace ask for all memory there is.
var weights = map[string]weigh{
	"replace": weighReplace, "join": weighJoin, "format": weighDeep, "flatten": weighDeep,
	"distinct": weighPairs, "sets.contains": weighPairs, "sets.intersects": weighPairs, "sets.equivalent": weighPairs,
}

// limited returns an overload of a function with its weight checked before each call.
func limited(function string, o *functions.Overload) *functions.Overload {
	weight, heavy := weights[function]
	if !heavy {
		return o
	}
	bounded := *o
	check := func(args ...ref.Val) ref.Val {
		if weight(args) > MaxCost {
			return types.WrapErr(fmt.Errorf("%s is %w (over %d bytes or elements): bound the parameters with maxItems and maxLength", function, ErrBudget, MaxCost))
		}
		return nil
	}
	if unary := o.Unary; unary != nil {
		bounded.Unary = func(v ref.Val) ref.Val {
			if err := check(v); err != nil {
				return err
			}
			return unary(v)
		}
	}
	if binary := o.Binary; binary != nil {
		bounded.Binary = func(a, b ref.Val) ref.Val {
			if err := check(a, b); err != nil {
				return err
			}
			return binary(a, b)
		}
	}
	if function := o.Function; function != nil {
		bounded.Function = func(args ...ref.Val) ref.Val {
			if err := check(args...); err != nil {
				return err
			}
			return function(args...)
		}
	}
	return &bounded
}

func weighReplace(args []ref.Val) uint64 {
	if len(args) < 3 {
		return 0
	}
	in, ok1 := args[0].(types.String)
	old, ok2 := args[1].(types.String)
	replacement, ok3 := args[2].(types.String)
	if !ok1 || !ok2 || !ok3 {
		return 0
	}
	return uint64(len(in)) + uint64(strings.Count(string(in), string(old)))*uint64(len(replacement))
}

func weighJoin(args []ref.Val) uint64 {
	weight := deepSize(args[0], MaxCost+1)
	if len(args) == 2 {
		if separator, ok := args[1].(types.String); ok {
			weight += size(args[0]) * uint64(len(separator))
		}
	}
	return weight
}

func weighDeep(args []ref.Val) uint64 {
	var weight uint64
	for _, arg := range args {
		weight += deepSize(arg, MaxCost+1)
	}
	return weight
}

func weighPairs(args []ref.Val) uint64 {
	return size(args[0]) * size(args[len(args)-1])
}

// deepSize counts bytes of strings and elements of lists and maps, all the way down, and stops soon
// after max: the same list inside itself many times over is small in memory and endless to walk.
func deepSize(v ref.Val, max uint64) uint64 {
	total := uint64(1)
	switch v := v.(type) {
	case types.String:
		total += uint64(len(v))
	case types.Bytes:
		total += uint64(len(v))
	case *types.Optional:
		if v.HasValue() {
			total += deepSize(v.GetValue(), max)
		}
	case traits.Lister:
		for it := v.Iterator(); total <= max && it.HasNext() == types.True; {
			total += deepSize(it.Next(), max-total)
		}
	case traits.Mapper:
		for it := v.Iterator(); total <= max && it.HasNext() == types.True; {
			key := it.Next()
			total += deepSize(key, max)
			if total <= max {
				total += deepSize(v.Get(key), max-total)
			}
		}
	}
	return total
}

// size is the number of elements of a list or map, of characters of a string, or 1.
func size(v ref.Val) uint64 {
	if sizer, ok := v.(traits.Sizer); ok {
		if n, ok := sizer.Size().(types.Int); ok && n >= 0 {
			return uint64(n)
		}
	}
	return 1
}

// costs are those of Kubernetes, of the calls above, and of what it takes to sort.
type costs struct {
	kubernetes library.CostEstimator
}

// CallCost returns the cost of a call, or nil for cel-go's own estimate.
func (c *costs) CallCost(function, overloadID string, args []ref.Val, result ref.Val) *uint64 {
	one := func(n uint64) *uint64 { return &n }
	switch function {
	case sortedFunction:
		if len(args) == 1 {
			if m, ok := args[0].(traits.Mapper); ok {
				return one(1 + size(m))
			}
		}
		return one(0)
	case operators.Equals, operators.NotEquals, operators.In:
		if len(args) == 2 {
			if n := comparisonSize(function, args[0], args[1]); n > 0 {
				return one(1 + n/10) // as for strings: ten bytes cost one
			}
		}
	case mapInsertFunction:
		return one(1)
	case "join", "format", "distinct", "sets.contains", "sets.intersects", "sets.equivalent", "flatten":
		return one(1 + weights[function](args))
	case "lists.range", "slice", "reverse", "@sortByAssociatedKeys", "sort", "first", "last", "split", "quote":
		return one(1 + size(args[0]) + size(result))
	}
	return c.kubernetes.CallCost(function, overloadID, args, result)
}

var _ interpreter.ActualCostEstimator = (*costs)(nil)
