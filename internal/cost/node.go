package cost

import (
	"errors"

	"github.com/shopspring/decimal"
)

// NodeSize is what a node has.
type NodeSize struct {
	Cores, MemoryGiB, GPUs decimal.Decimal
}

// NodeParts are the parts of a node's price an hour. They sum to it exactly.
type NodeParts struct {
	CPU, Memory, GPU decimal.Decimal
	// CoreHour, GiBHour and GPUHour are the same for each unit, rounded: times what the node has, they may miss the parts
	// by the last place.
	CoreHour, GiBHour, GPUHour decimal.Decimal
}

// NodePrices parts the price of a node an hour, by what its cores, memory and GPUs cost elsewhere: the ratio is that of
// the scope's prices, and the parts sum to what the node costs, as OpenCost's split says it should.
func NodePrices(price decimal.Decimal, size NodeSize, s Scope) (NodeParts, error) {
	have := []decimal.Decimal{size.Cores, size.MemoryGiB, size.GPUs}
	weights := make([]decimal.Decimal, len(have))
	sum := decimal.Zero
	for i, resource := range []Resource{CPU, Memory, GPU} {
		if have[i].IsNegative() {
			return NodeParts{}, errors.New("a node must not have less than nothing of a resource")
		}
		if rate, ok := s.Price(Item{resource, ""}); ok {
			weights[i] = rate.Amount.Mul(have[i])
		}
		sum = sum.Add(weights[i])
	}
	switch {
	case price.IsNegative():
		return NodeParts{}, errors.New("the price of a node must not be negative")
	case sum.IsZero() && !have[0].IsZero():
		weights = []decimal.Decimal{one, decimal.Zero, decimal.Zero} // nothing tells the ratio
	case sum.IsZero():
		return NodeParts{}, errors.New("a node must have cores, memory or a GPU that its price can be of")
	}
	split := Split(price, weights, places)
	parts := NodeParts{CPU: split[0], Memory: split[1], GPU: split[2]}
	for i, rate := range []*decimal.Decimal{&parts.CoreHour, &parts.GiBHour, &parts.GPUHour} {
		if !have[i].IsZero() {
			*rate = split[i].DivRound(have[i], places)
		}
	}
	return parts, nil
}
