package cost

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/towpath-dev/towpath/internal/quantity"
)

// fieldError is a field that cannot be read.
func fieldError(path, format string, args ...any) error {
	return fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
}

// at is the value at a path below an object; nil where there is none. Nothing is copied: objects come by the ten thousand.
func at(object map[string]any, path ...string) any {
	var value any = object
	for _, step := range path {
		below, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = below[step]
	}
	return value
}

func mapAt(object map[string]any, path ...string) map[string]any {
	value, _ := at(object, path...).(map[string]any)
	return value
}

func textAt(object map[string]any, path ...string) string {
	value, _ := at(object, path...).(string)
	return value
}

// mapsAt are the objects of a list.
func mapsAt(object map[string]any, path ...string) []map[string]any {
	list, _ := at(object, path...).([]any)
	found := make([]map[string]any, 0, len(list))
	for _, item := range list {
		if value, ok := item.(map[string]any); ok {
			found = append(found, value)
		}
	}
	return found
}

// textsAt are the texts of a map, such as labels.
func textsAt(object map[string]any, path ...string) map[string]string {
	values := mapAt(object, path...)
	if len(values) == 0 {
		return nil
	}
	found := make(map[string]string, len(values))
	for key, value := range values {
		found[key], _ = value.(string)
	}
	return found
}

// numberAt is a whole number that is not negative; otherwise where there is none.
func numberAt(object map[string]any, otherwise int64, path ...string) (int64, error) {
	var number int64
	switch value := at(object, path...).(type) {
	case nil:
		return otherwise, nil
	case int64:
		number = value
	case int:
		number = int64(value)
	case float64:
		if number = int64(value); float64(number) != value {
			return 0, fieldError(strings.Join(path, "."), "%v must be a whole number", value)
		}
	default:
		return 0, fieldError(strings.Join(path, "."), "%v must be a whole number", value)
	}
	if number < 0 {
		return 0, fieldError(strings.Join(path, "."), "%d must not be negative", number)
	}
	return number, nil
}

// quantityOf reads one that is not negative.
func quantityOf(value any, path string) (resource.Quantity, error) {
	var text string
	switch value := value.(type) {
	case string:
		text = value
	case int64:
		text = strconv.FormatInt(value, 10)
	default:
		text = fmt.Sprint(value)
	}
	q, err := quantity.Parse(text)
	switch {
	case err != nil:
		return q, fieldError(path, "%v", err)
	case q.Sign() < 0:
		return q, fieldError(path, "%s must not be negative", text)
	}
	return q, nil
}

// quantities reads a list of resources.
func quantities(values map[string]any, path string) (corev1.ResourceList, error) {
	if len(values) == 0 {
		return nil, nil
	}
	list := make(corev1.ResourceList, len(values))
	for name, value := range values {
		q, err := quantityOf(value, path+"."+name)
		if err != nil {
			return nil, err
		}
		list[corev1.ResourceName(name)] = q
	}
	return list, nil
}

// wide is above what quantities of anything real are. From there on 64 bits do not hold thousandths or sums: the result would be less than
// nothing, which would make room for what costs.
const wide = 1 << 50

// exact is a quantity, however large.
func exact(q resource.Quantity) decimal.Decimal {
	d := q.AsDec()
	return decimal.NewFromBigInt(d.UnscaledBig(), -int32(d.Scale()))
}

// cores of a quantity, to the thousandth, as Kubernetes counts them.
func cores(q resource.Quantity) decimal.Decimal {
	if q.CmpInt64(wide) > 0 {
		return exact(q)
	}
	return decimal.New(q.MilliValue(), -3)
}

// pieces of a quantity, in whole ones.
func pieces(q resource.Quantity) decimal.Decimal {
	if q.CmpInt64(wide) > 0 {
		return exact(q)
	}
	return decimal.NewFromInt(q.Value())
}

// perByte is one by the bytes of a GiB, which has thirty places and no more.
var perByte = decimal.NewFromInt(1).DivRound(decimal.NewFromInt(1<<30), 30)

// gib of a quantity of bytes.
func gib(q resource.Quantity) decimal.Decimal {
	if q.CmpInt64(math.MaxInt64) >= 0 {
		return exact(q).Mul(perByte).Round(places)
	}
	bytes := q.Value()
	if bytes%(1<<20) == 0 { // by far the most: a MiB has ten places, so that nothing is rounded
		return decimal.New(bytes>>20, 0).Mul(perMiB)
	}
	return decimal.NewFromInt(bytes).Mul(perByte).Round(places)
}

var perMiB = decimal.NewFromInt(1).DivRound(decimal.NewFromInt(1<<10), places)
