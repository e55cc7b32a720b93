package expr

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// The limits of what the evaluations of one rendering may give.
const (
	// MaxDepth is how deep a value may be nested.
	MaxDepth = 64
	// MaxElements is how many elements one list, or entries one map, may have.
	MaxElements = 1_000
	// maxNodes is how many elements and entries all values of one rendering may have.
	maxNodes = 100_000
	// maxBytes is how many bytes all strings of one rendering may have.
	maxBytes = 4 << 20
)

// Absent is the value of optional.none(): the key or element is left out.
var Absent any = absent{}

type absent struct{}

// None is the value of an optional variable that has none.
var None any = types.OptionalNone

// Some is the value of an optional variable that has one.
func Some(value any) any {
	return types.OptionalOf(types.DefaultTypeAdapter.NativeToValue(value))
}

// ErrBudget is wrapped by the error of an evaluation that costs, or gives, more than is allowed.
var ErrBudget = errors.New("too expensive")

// Budget bounds the evaluations of one rendering together: their cost, and the size of what they
// give. It is not safe for concurrent use.
type Budget struct {
	all, cost    uint64
	nodes, bytes int
}

// NewBudget returns a full budget: the cost that Kubernetes allows the validation rules of one
// object (10,000,000, some seconds), 100,000 elements, and 4 MiB of strings.
func NewBudget() *Budget { return NewBudgetOf(celconfig.RuntimeCELCostBudget) }

// NewBudgetOf returns a budget of another cost, for what somebody waits for: a million takes a quarter of a second, and more
// on a machine that is busy.
func NewBudgetOf(cost uint64) *Budget {
	return &Budget{all: cost, cost: cost, nodes: maxNodes, bytes: maxBytes}
}

// Eval evaluates the expression with the values of its variables, by full name ("params",
// "resources.deployment"). It returns a value of the kinds that JSON has (nil, bool, int64, float64,
// string, []any and map[string]any), or Absent. A quantity, URL, address, version, duration or
// timestamp becomes its string, bytes become base64. The value shares nothing with the variables.
// The error is the first one of the evaluation, and wraps ErrBudget for what is too much. Eval
// never panics.
func (p *Program) Eval(variables map[string]any, budget *Budget) (any, error) {
	if budget.cost == 0 {
		return nil, budget.spent()
	}
	value, cost, err := p.run(variables, min(budget.cost, MaxCost))
	over := cost > budget.cost
	budget.cost -= min(budget.cost, cost)
	switch {
	case over: // it was ended there
		return nil, budget.spent()
	case err != nil:
		return nil, hint(err)
	}
	return budget.native(value, 0)
}

// spent is the error of what costs more than is left.
func (b *Budget) spent() error {
	return fmt.Errorf("the expressions of the template together are %w (their cost is over %d): loop over fewer elements, or bound the parameters with maxItems and maxLength",
		ErrBudget, b.all)
}

var (
	errCost = fmt.Errorf("the expression is %w (its cost is over %d): loop over fewer elements, or bound the parameters with maxItems and maxLength",
		ErrBudget, MaxCost)
	errSize = fmt.Errorf("the values of the template together are %w (over %d elements or %d bytes): make fewer, or bound the parameters with maxItems and maxLength",
		ErrBudget, maxNodes, maxBytes)
)

// spend takes an element and the bytes of its string from the budget.
func (b *Budget) spend(bytes int) error {
	b.nodes--
	b.bytes -= bytes
	if b.nodes < 0 || b.bytes < 0 {
		return errSize
	}
	return nil
}

// native turns a CEL value into a JSON value.
func (b *Budget) native(value ref.Val, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("the value is nested deeper than %d levels: make it flatter", MaxDepth)
	}
	if err := b.spend(0); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case *types.Optional:
		if !v.HasValue() {
			return Absent, nil
		}
		return b.native(v.GetValue(), depth+1)
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("%d is larger than the largest whole number of Kubernetes, %d", uint64(v), int64(math.MaxInt64))
		}
		return int64(v), nil
	case types.Double:
		if f := float64(v); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
		return nil, fmt.Errorf("%v is no finite number: guard the division", float64(v))
	case traits.Lister:
		return b.list(v, depth)
	case traits.Mapper:
		return b.entries(v, depth)
	case *types.Err:
		return nil, v
	}
	text, ok := text(value)
	if !ok {
		return nil, fmt.Errorf("a value of type %s cannot stand in an object: make a string, number, bool, list or map of it", value.Type().TypeName())
	}
	if err := b.spend(len(text)); err != nil {
		return nil, err
	}
	return text, nil
}

// text is the string that Kubernetes writes for a value.
func text(value ref.Val) (string, bool) {
	switch v := value.(type) {
	case types.String:
		return string(v), true
	case types.Bytes:
		return base64.StdEncoding.EncodeToString(v), true
	case types.Duration:
		return v.Duration.String(), true
	case types.Timestamp:
		s, ok := v.ConvertToType(types.StringType).(types.String)
		return string(s), ok
	case *types.Type:
		return "", false
	}
	// The types of Kubernetes' libraries: quantities, addresses, versions and URLs.
	if s, ok := value.Value().(fmt.Stringer); ok {
		return s.String(), true
	}
	return "", false
}

func (b *Budget) list(list traits.Lister, depth int) (any, error) {
	if n := size(list); n > MaxElements {
		return nil, fmt.Errorf("the list has %d elements, at most %d are allowed: bound it with maxItems", n, MaxElements)
	}
	out := []any{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		element, err := b.native(it.Next(), depth+1)
		if err != nil {
			return nil, err
		}
		if element != Absent {
			out = append(out, element)
		}
	}
	return out, nil
}

func (b *Budget) entries(m traits.Mapper, depth int) (any, error) {
	if n := size(m); n > MaxElements {
		return nil, fmt.Errorf("the map has %d keys, at most %d are allowed: bound it with maxProperties", n, MaxElements)
	}
	out := map[string]any{}
	for _, key := range sortedKeys(m) {
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("the key %v of a map must be a string: use string()", key.Value())
		}
		if err := b.spend(len(name)); err != nil {
			return nil, err
		}
		value, err := b.native(m.Get(key), depth+1)
		if err != nil {
			return nil, err
		}
		if value != Absent {
			out[string(name)] = value
		}
	}
	return out, nil
}
