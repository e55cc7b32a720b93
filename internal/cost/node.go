package cost

import (
	"errors"

	"github.com/shopspring/decimal"
)

// NodeSize is what a node has.
type NodeSize struct {
	Cores, MemoryGiB, GPUs decimal.Decimal
	// GPUType is by what its GPUs are priced, see Scope.GPUType; empty for any.
	GPUType string
}

// Price is what the node costs an hour by what its cores, memory and GPUs do elsewhere. defaulted says that a price of the default list is
// in it.
func (n *NodeSize) Price(s Scope) (price decimal.Decimal, defaulted bool) {
	for _, part := range n.parts() {
		if rate, ok := s.Price(part.item); ok && !part.has.IsZero() {
			price = price.Add(rate.Amount.Mul(part.has))
			defaulted = defaulted || rate.From == DefaultList
		}
	}
	return price, defaulted
}

// nodePart is so much of something that a node has.
type nodePart struct {
	item Item
	has  decimal.Decimal
}

// parts are those of a node's price, in the order of NodeParts.
func (n *NodeSize) parts() []nodePart {
	return []nodePart{{Item{CPU, ""}, n.Cores}, {Item{Memory, ""}, n.MemoryGiB}, {Item{GPU, n.GPUType}, n.GPUs}}
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
	has := size.parts()
	weights := make([]decimal.Decimal, len(has))
	sum := decimal.Zero
	for i, part := range has {
		if part.has.IsNegative() {
			return NodeParts{}, errors.New("a node must not have less than nothing of a resource")
		}
		if rate, ok := s.Price(part.item); ok {
			weights[i] = rate.Amount.Mul(part.has)
		}
		sum = sum.Add(weights[i])
	}
	switch {
	case price.IsNegative():
		return NodeParts{}, errors.New("the price of a node must not be negative")
	case sum.IsZero() && !size.Cores.IsZero():
		weights = []decimal.Decimal{one, decimal.Zero, decimal.Zero} // nothing tells the ratio
	case sum.IsZero():
		return NodeParts{}, errors.New("a node must have cores, memory or a GPU that its price can be of")
	}
	split := Split(price, weights, places)
	parts := NodeParts{CPU: split[0], Memory: split[1], GPU: split[2]}
	for i, rate := range []*decimal.Decimal{&parts.CoreHour, &parts.GiBHour, &parts.GPUHour} {
		if !has[i].has.IsZero() {
			*rate = split[i].DivRound(has[i].has, places)
		}
	}
	return parts, nil
}
