// Package allocation shares what nodes cost among who runs on them, as OpenCost defines it: a container pays for what it
// requests or what it uses, whichever is more, sample by sample; what nobody pays for is idle. It is pure.
//
// Unlike OpenCost, whose idle is cut off at nothing where pods use more than a node has, rows always sum to what the nodes
// cost: on such a node all pay a little less. Nothing is lost by rounding either.
package allocation

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost"
)

// The names of rows that belong to nobody, as OpenCost has them.
const (
	// Idle is what of nodes nobody requests or uses.
	Idle = "__idle__"
	// Unallocated is a shared cost, or a part of one, that nobody has a share in.
	Unallocated = "__unallocated__"
	// Unmounted is the cost of a volume that no pod uses.
	Unmounted = "__unmounted__"
)

// places is how exactly each row is kept.
const places = 10

// Node is a node within the time that is looked at.
type Node struct {
	Name string
	// Size is what it has, and Hours for how long it was there.
	Size  cost.NodeSize
	Hours decimal.Decimal
	// PriceHour is what it costs an hour. It is parted by the ratio of Scope's prices.
	PriceHour decimal.Decimal
	Scope     cost.Scope
}

// Sample is what one container requested and used on average of a short time. One without a pod that runs, such as one whose
// image cannot be pulled, is none.
type Sample struct {
	// Key is who pays.
	Key, Node string
	Hours     decimal.Decimal
	// Cores and GiB of memory. Used is zero where it is not known; then the request counts.
	CPURequested, CPUUsed       decimal.Decimal
	MemoryRequested, MemoryUsed decimal.Decimal
	// GPUs are what is requested: they are had by one alone, used or not.
	GPUs decimal.Decimal
}

// Charge is a cost beside nodes, such as of a volume or a load balancer, which its users share by hours.
type Charge struct {
	Resource cost.Resource
	Amount   decimal.Decimal
	// Users are the hours of pods that used it, by who pays. Without any it is a row of its own: see Unmounted.
	Users map[string]decimal.Decimal
}

// Sharing is how a shared cost is split.
type Sharing string

// The ways.
const (
	// Even: everyone the same.
	Even Sharing = "Even"
	// Proportional: by what everyone pays otherwise.
	Proportional Sharing = "Proportional"
	// Fixed: by percentages that are given; what they leave is Unallocated.
	Fixed Sharing = "Fixed"
)

// Shared is a cost of all, such as of a control plane.
type Shared struct {
	Amount decimal.Decimal
	How    Sharing
	// Percent are the percentages of Fixed, by who pays.
	Percent map[string]decimal.Decimal
	// Of are rows that are shared in place of Amount, such as of what a cluster itself runs: what they would pay, their part of what
	// is idle included. They pay nothing then.
	Of []string
}

// IdleMode is who pays what is idle.
type IdleMode string

// The modes.
const (
	// Separate: it is a row of its own.
	Separate IdleMode = "Separate"
	// ShareByNode: those on a node pay what is idle there, of each resource by what they pay of it.
	ShareByNode IdleMode = "ShareByNode"
	// ShareByCluster: all pay what is idle anywhere, likewise.
	ShareByCluster IdleMode = "ShareByCluster"
)

// Row is what one pays.
type Row struct {
	CPU, Memory, GPU decimal.Decimal
	// Storage, LoadBalancer and Egress are of charges.
	Storage, LoadBalancer, Egress decimal.Decimal
	// Idle and Shared are its shares in both.
	Idle, Shared decimal.Decimal
}

// Total of the row.
func (r *Row) Total() decimal.Decimal {
	return decimal.Sum(r.CPU, r.Memory, r.GPU, r.Storage, r.LoadBalancer, r.Egress, r.Idle, r.Shared)
}

// Add adds what another pays.
func (r *Row) Add(o *Row) {
	r.CPU, r.Memory, r.GPU = r.CPU.Add(o.CPU), r.Memory.Add(o.Memory), r.GPU.Add(o.GPU)
	r.Storage, r.LoadBalancer, r.Egress = r.Storage.Add(o.Storage), r.LoadBalancer.Add(o.LoadBalancer), r.Egress.Add(o.Egress)
	r.Idle, r.Shared = r.Idle.Add(o.Idle), r.Shared.Add(o.Shared)
}

// Result is who pays what.
type Result map[string]*Row

func (r Result) row(key string) *Row {
	if r[key] == nil {
		r[key] = &Row{}
	}
	return r[key]
}

// Total of all rows: what the nodes cost, and the charges, and what is shared.
func (r Result) Total() decimal.Decimal {
	sum := decimal.Zero
	for _, row := range r {
		sum = sum.Add(row.Total())
	}
	return sum
}

// payers are those who pay, sorted: not the rows that belong to nobody.
func (r Result) payers() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r)), func(key string) bool {
		return key == Idle || key == Unallocated || key == Unmounted
	})
}

// Input is what is shared, and how.
type Input struct {
	Nodes   []Node
	Samples []Sample
	Charges []Charge
	Shared  []Shared
	Idle    IdleMode
}

// Allocate shares all costs. It refuses what would make rows that sum to something else.
func Allocate(in Input) (Result, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	result := Result{}
	if err := in.nodes(result); err != nil {
		return nil, err
	}
	for _, charge := range in.Charges {
		charge.add(result)
	}
	shares := slices.Clone(in.Shared)
	for i := range shares {
		for _, key := range shares[i].Of {
			if row := result[key]; row != nil {
				shares[i].Amount = shares[i].Amount.Add(row.Total())
				delete(result, key)
			}
		}
	}
	// What everyone pays is looked at before any of it is shared, so that the order of shared costs does not matter.
	base := map[string]decimal.Decimal{}
	for _, key := range result.payers() {
		base[key] = result[key].Total()
	}
	for i := range shares {
		shares[i].add(result, base)
	}
	return result, nil
}

func (in *Input) check() error {
	if !slices.Contains([]IdleMode{Separate, ShareByNode, ShareByCluster}, in.Idle) {
		return fmt.Errorf("idle %q: must be %s, %s or %s", in.Idle, Separate, ShareByNode, ShareByCluster)
	}
	known := map[string]bool{}
	for i := range in.Nodes {
		n := &in.Nodes[i]
		if known[n.Name] || n.Hours.IsNegative() {
			return fmt.Errorf("node %q: must be there once, for no less than no time", n.Name)
		}
		known[n.Name] = true
	}
	for i := range in.Samples {
		s := &in.Samples[i]
		if !known[s.Node] {
			return fmt.Errorf("a sample of %q is of node %q, which is not there", s.Key, s.Node)
		}
		for _, amount := range []decimal.Decimal{s.Hours, s.CPURequested, s.CPUUsed, s.MemoryRequested, s.MemoryUsed, s.GPUs} {
			if amount.IsNegative() {
				return fmt.Errorf("a sample of %q on node %q is negative", s.Key, s.Node)
			}
		}
	}
	for i := range in.Charges {
		for key, hours := range in.Charges[i].Users {
			if hours.IsNegative() {
				return fmt.Errorf("a charge of %s was used by %q for %s hours", in.Charges[i].Resource, key, hours)
			}
		}
	}
	for i := range in.Shared {
		if how := in.Shared[i].How; !slices.Contains([]Sharing{Even, Proportional, Fixed}, how) {
			return fmt.Errorf("a shared cost is split %q: must be %s, %s or %s", how, Even, Proportional, Fixed)
		}
		if len(in.Shared[i].Of) > 0 && !in.Shared[i].Amount.IsZero() {
			return errors.New("a shared cost is an amount, or what rows cost: not both")
		}
		sum := decimal.Zero
		for key, percent := range in.Shared[i].Percent {
			if percent.IsNegative() {
				return fmt.Errorf("the share of %q is %s percent: it must not be negative", key, percent)
			}
			sum = sum.Add(percent)
		}
		if sum.GreaterThan(hundred) {
			return errors.New("the shares of a cost must be 100 percent at most")
		}
	}
	return nil
}

var hundred = decimal.NewFromInt(100)

// resources are those that a node is made of: which a node has, a sample takes, its part of the price, and where it goes.
var resources = []struct {
	has   func(*cost.NodeSize) decimal.Decimal
	takes func(*Sample) decimal.Decimal
	part  func(*cost.NodeParts) decimal.Decimal
	field func(*Row) *decimal.Decimal
}{
	{
		func(n *cost.NodeSize) decimal.Decimal { return n.Cores },
		func(s *Sample) decimal.Decimal { return decimal.Max(s.CPURequested, s.CPUUsed) },
		func(p *cost.NodeParts) decimal.Decimal { return p.CPU },
		func(r *Row) *decimal.Decimal { return &r.CPU },
	},
	{
		func(n *cost.NodeSize) decimal.Decimal { return n.MemoryGiB },
		func(s *Sample) decimal.Decimal { return decimal.Max(s.MemoryRequested, s.MemoryUsed) },
		func(p *cost.NodeParts) decimal.Decimal { return p.Memory },
		func(r *Row) *decimal.Decimal { return &r.Memory },
	},
	{
		func(n *cost.NodeSize) decimal.Decimal { return n.GPUs },
		func(s *Sample) decimal.Decimal { return s.GPUs },
		func(p *cost.NodeParts) decimal.Decimal { return p.GPU },
		func(r *Row) *decimal.Decimal { return &r.GPU },
	},
}

// nodes shares what nodes cost, each resource by the hours that were taken of it.
func (in *Input) nodes(result Result) error {
	idle := make([]decimal.Decimal, len(resources)) // that all share
	paid := make([]map[string]decimal.Decimal, len(resources))
	for i := range paid {
		paid[i] = map[string]decimal.Decimal{}
	}
	on := map[string][]*Sample{}
	for i := range in.Samples {
		on[in.Samples[i].Node] = append(on[in.Samples[i].Node], &in.Samples[i])
	}
	for n := range in.Nodes {
		node := &in.Nodes[n]
		parts, err := cost.NodePrices(node.PriceHour, node.Size, node.Scope)
		if err != nil {
			return fmt.Errorf("node %q: %w", node.Name, err)
		}
		for i, resource := range resources {
			taken := map[string]decimal.Decimal{}
			for _, sample := range on[node.Name] {
				taken[sample.Key] = taken[sample.Key].Add(resource.takes(sample).Mul(sample.Hours))
			}
			rest := share(result, resource.field, resource.part(&parts).Mul(node.Hours), resource.has(&node.Size).Mul(node.Hours), taken, paid[i])
			if in.Idle == ShareByNode {
				rest = shareIdle(result, rest, taken)
			}
			if in.Idle == ShareByCluster {
				idle[i] = idle[i].Add(rest)
			} else if !rest.IsZero() {
				own := result.row(Idle)
				own.Idle = own.Idle.Add(rest)
			}
		}
	}
	for i, amount := range idle {
		if rest := shareIdle(result, amount, paid[i]); !rest.IsZero() {
			own := result.row(Idle)
			own.Idle = own.Idle.Add(rest)
		}
	}
	return nil
}

// share splits what a resource of a node costs, and returns what is idle of it.
func share(result Result, field func(*Row) *decimal.Decimal, amount, capacity decimal.Decimal, taken, paid map[string]decimal.Decimal) decimal.Decimal {
	keys, weights := sorted(taken)
	unused := decimal.Max(decimal.Zero, capacity.Sub(decimal.Sum(decimal.Zero, weights...)))
	if decimal.Sum(unused, weights...).IsZero() {
		return amount // there is none of it, and nobody takes any
	}
	parts := cost.Split(amount, append(weights, unused), places)
	for i, key := range keys {
		row := result.row(key)
		of := field(row)
		*of = of.Add(parts[i])
		paid[key] = paid[key].Add(parts[i])
	}
	return parts[len(keys)]
}

// shareIdle splits what is idle by weights, and returns it where there are none.
func shareIdle(result Result, amount decimal.Decimal, by map[string]decimal.Decimal) decimal.Decimal {
	keys, weights := sorted(by)
	if amount.IsZero() || decimal.Sum(decimal.Zero, weights...).IsZero() {
		return amount
	}
	for i, part := range cost.Split(amount, weights, places) {
		row := result.row(keys[i])
		row.Idle = row.Idle.Add(part)
	}
	return decimal.Zero
}

func (c *Charge) add(result Result) {
	keys, weights := sorted(c.Users)
	if len(keys) == 0 || decimal.Sum(decimal.Zero, weights...).IsZero() {
		keys, weights = []string{Unallocated}, []decimal.Decimal{hundred}
		if c.Resource == cost.Storage {
			keys[0] = Unmounted
		}
	}
	for i, part := range cost.Split(c.Amount, weights, places) {
		row := result.row(keys[i])
		field := &row.Shared
		switch c.Resource {
		case cost.Storage:
			field = &row.Storage
		case cost.LoadBalancer:
			field = &row.LoadBalancer
		case cost.Egress:
			field = &row.Egress
		}
		*field = field.Add(part)
	}
}

// add splits a shared cost among those who paid so much before.
func (s *Shared) add(result Result, base map[string]decimal.Decimal) {
	keys, weights := sorted(base)
	switch s.How {
	case Fixed:
		keys, weights = sorted(s.Percent)
		keys, weights = append(keys, Unallocated), append(weights, hundred.Sub(decimal.Sum(decimal.Zero, weights...)))
	case Proportional:
		for i := range weights {
			weights[i] = decimal.Max(decimal.Zero, weights[i]) // who has credits alone pays nothing
		}
	default:
		for i := range weights {
			weights[i] = hundred
		}
	}
	if len(keys) == 0 {
		keys, weights = []string{Unallocated}, []decimal.Decimal{hundred}
	}
	for i, part := range cost.Split(s.Amount, weights, places) {
		if part.IsZero() {
			continue
		}
		row := result.row(keys[i])
		row.Shared = row.Shared.Add(part)
	}
}

// sorted are keys in order, and their values.
func sorted(of map[string]decimal.Decimal) (keys []string, values []decimal.Decimal) {
	keys = slices.Sorted(maps.Keys(of))
	values = make([]decimal.Decimal, len(keys), len(keys)+1)
	for i, key := range keys {
		values[i] = of[key]
	}
	return keys, values
}
