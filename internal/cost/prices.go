package cost

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// Resource is what has a price.
type Resource string

// The resources, with their units.
const (
	CPU          Resource = "CPU"          // core-hour
	Memory       Resource = "Memory"       // GiB-hour
	GPU          Resource = "GPU"          // hour of one, by type
	Device       Resource = "Device"       // hour of one, by device class of dynamic resource allocation
	Storage      Resource = "Storage"      // GiB-hour, by storage class
	LoadBalancer Resource = "LoadBalancer" // hour of one
	Egress       Resource = "Egress"       // GiB that leaves to the internet
	SpotCPU      Resource = "SpotCPU"      // core-hour of capacity that may be taken away
	SpotMemory   Resource = "SpotMemory"   // GiB-hour of such capacity
)

var units = map[Resource]string{
	CPU: "core-hour", Memory: "GiB-hour", GPU: "GPU-hour", Device: "device-hour", Storage: "GiB-hour",
	LoadBalancer: "hour", Egress: "GiB", SpotCPU: "core-hour", SpotMemory: "GiB-hour",
}

// Item is what one price is for. Type is that of a GPU, a storage class or a device class; empty is what counts for all
// types that have no price of their own.
type Item struct {
	Resource Resource
	Type     string
}

// Capacity is on which terms nodes are had.
type Capacity string

// The capacities.
const (
	OnDemand Capacity = "OnDemand"
	Spot     Capacity = "Spot"
)

// Terms are prices, and what is taken off them.
type Terms struct {
	Rates map[Item]decimal.Decimal
	// Discounts are percent of the price of a resource, whatever its type.
	Discounts map[Resource]decimal.Decimal
	// Capacity is empty where these terms do not say.
	Capacity Capacity
}

// Pool are nodes with terms of their own.
type Pool struct {
	Name string
	// NodeSelector are labels of its nodes: a pod whose nodeSelector has them all runs there.
	NodeSelector map[string]string
	Terms
}

// Prices are what resources cost. What they do not say of a resource in USD says the default list.
// They are not changed while they are in use, so that many may read them at once.
type Prices struct {
	// Currency is a code of ISO 4217.
	Currency string
	// Terms are those of all nodes. Those of a tier come before them, and those of a pool before these.
	Terms
	Tiers map[platformv1alpha1.Tier]Terms
	Pools []Pool
	// ExpectedPercent is how far between its least and its most an autoscaler is expected; nil for DefaultExpectedPercent.
	ExpectedPercent *decimal.Decimal
}

// DefaultExpectedPercent is where an autoscaler is expected of which nothing is known: nearer to its least, since most
// services have little to do most of the time.
const DefaultExpectedPercent = 25

// DefaultCurrency is that of the default list.
const DefaultCurrency = "USD"

// defaults is OpenCost's published default (configs/default.json, of GCP us-central1). What it has at
// nothing, load balancers, is left out: that is no price.
var defaults = map[Item]decimal.Decimal{
	{CPU, ""}:        decimal.RequireFromString("0.031611"),
	{SpotCPU, ""}:    decimal.RequireFromString("0.006655"),
	{Memory, ""}:     decimal.RequireFromString("0.004237"),
	{SpotMemory, ""}: decimal.RequireFromString("0.000892"),
	{GPU, ""}:        decimal.RequireFromString("0.95"),
	{Storage, ""}:    decimal.RequireFromString("0.00005479452"),
	{Egress, ""}:     decimal.RequireFromString("0.12"),
}

// DefaultPrices are the default list alone.
func DefaultPrices() *Prices { return &Prices{Currency: DefaultCurrency} }

// Origin says where a price is from.
type Origin string

// The origins.
const (
	// Configured prices are those that somebody gave.
	Configured Origin = "Configured"
	// DefaultList prices are the published ones of OpenCost: an assumption.
	DefaultList Origin = "DefaultList"
)

// Price is one that counts, after discounts.
type Price struct {
	Amount decimal.Decimal
	From   Origin
}

// Scope is where something runs: by that its prices are found.
type Scope struct {
	prices *Prices
	// terms are the nearest first.
	terms []*Terms
	// Pool is the name of the node pool; empty for none that is known.
	Pool string
}

// In is the scope of a tier and of a pod's nodeSelector. Of several pools that fit, the first counts.
func (p *Prices) In(tier platformv1alpha1.Tier, nodeSelector map[string]string) Scope {
	s := Scope{prices: p, terms: make([]*Terms, 0, 3)}
	for i := range p.Pools {
		if pool := &p.Pools[i]; pool.holds(nodeSelector) {
			s.terms, s.Pool = append(s.terms, &pool.Terms), pool.Name
			break
		}
	}
	if terms, ok := p.Tiers[tier]; ok {
		s.terms = append(s.terms, &terms)
	}
	s.terms = append(s.terms, &p.Terms)
	return s
}

func (p *Pool) holds(nodeSelector map[string]string) bool {
	for key, value := range p.NodeSelector {
		if has, ok := nodeSelector[key]; !ok || has != value {
			return false
		}
	}
	return len(p.NodeSelector) > 0
}

// Price finds the price of an item: of its type, else of all types, in the nearest terms that have either; else that of
// the default list. False says that there is none.
func (s Scope) Price(item Item) (Price, bool) {
	paid := item
	if s.spot() {
		switch item.Resource {
		case CPU:
			paid.Resource = SpotCPU
		case Memory:
			paid.Resource = SpotMemory
		}
	}
	for _, terms := range s.terms {
		for _, key := range [...]Item{paid, {paid.Resource, ""}} {
			if rate, ok := terms.Rates[key]; ok {
				return Price{s.discounted(item.Resource, rate), Configured}, true
			}
		}
	}
	if rate, ok := defaults[Item{paid.Resource, ""}]; ok && s.prices.Currency == DefaultCurrency {
		return Price{s.discounted(item.Resource, rate), DefaultList}, true
	}
	return Price{}, false
}

// Own finds the price of exactly this type; false where there is none.
func (s Scope) Own(item Item) (Price, bool) {
	for _, terms := range s.terms {
		if rate, ok := terms.Rates[item]; ok {
			return Price{s.discounted(item.Resource, rate), Configured}, true
		}
	}
	return Price{}, false
}

func (s Scope) spot() bool {
	for _, terms := range s.terms {
		if terms.Capacity != "" {
			return terms.Capacity == Spot
		}
	}
	return false
}

func (s Scope) discounted(resource Resource, rate decimal.Decimal) decimal.Decimal {
	for _, terms := range s.terms {
		if percent, ok := terms.Discounts[resource]; ok {
			return rate.Mul(hundred.Sub(percent)).Shift(-2)
		}
	}
	return rate
}

// Check says what is wrong with prices; nil where they can be used. Load does it.
func (p *Prices) Check() error {
	if err := CheckCurrency(p.Currency); err != nil {
		return err
	}
	if e := p.ExpectedPercent; e != nil && (e.IsNegative() || e.GreaterThan(hundred)) {
		return fmt.Errorf("autoscaling.expectedPercent: %s must be from 0 to 100", e)
	}
	if err := p.Terms.check(""); err != nil {
		return err
	}
	for _, tier := range slices.Sorted(maps.Keys(p.Tiers)) {
		terms, at := p.Tiers[tier], fmt.Sprintf("tiers.%s.", tier)
		if !slices.Contains(tiers, tier) {
			return fmt.Errorf("tiers: %q is no tier: it must be one of %s", tier, names(tiers))
		}
		if err := terms.check(at); err != nil {
			return err
		}
		if err := p.complete(at, p.In(tier, nil)); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for i := range p.Pools {
		pool, at := &p.Pools[i], fmt.Sprintf("pools[%d].", i)
		switch {
		case pool.Name == "" || seen[pool.Name]:
			return fmt.Errorf("%sname: %q must be a name that no other pool has", at, pool.Name)
		case len(pool.NodeSelector) == 0:
			return fmt.Errorf("%snodeSelector: must have a label of the pool's nodes: by it pods are found that run there", at)
		}
		seen[pool.Name] = true
		if err := pool.check(at); err != nil {
			return err
		}
		if err := p.complete(at, p.In("", pool.NodeSelector)); err != nil {
			return err
		}
	}
	return p.complete("", p.In("", nil))
}

var tiers = []platformv1alpha1.Tier{
	platformv1alpha1.TierDevelopment, platformv1alpha1.TierStaging, platformv1alpha1.TierProduction, platformv1alpha1.TierPreview,
}

func names[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = string(one)
	}
	return strings.Join(out, ", ")
}

func (t *Terms) check(at string) error {
	for item, rate := range t.Rates {
		if rate.IsNegative() {
			return fmt.Errorf("%s%s: %s must not be negative; what is taken off a price goes into discountPercent", at, fieldOf(item), rate)
		}
	}
	for resource, percent := range t.Discounts {
		if percent.IsNegative() || percent.GreaterThan(hundred) {
			return fmt.Errorf("%sdiscountPercent.%s: %s must be from 0 to 100", at, lower(resource), percent)
		}
	}
	if t.Capacity != "" && t.Capacity != OnDemand && t.Capacity != Spot {
		return fmt.Errorf("%scapacity: %q must be OnDemand or Spot", at, t.Capacity)
	}
	return nil
}

// complete says which of the prices that all need is missing: the default list fills up only what is in its currency.
func (p *Prices) complete(at string, s Scope) error {
	for _, resource := range []Resource{CPU, Memory} {
		if _, ok := s.Price(Item{resource, ""}); ok {
			continue
		}
		if s.spot() {
			resource = map[Resource]Resource{CPU: SpotCPU, Memory: SpotMemory}[resource]
		}
		return fmt.Errorf("%s%s: must be set: prices are in %s, and the default list is in %s", at, fieldOf(Item{resource, ""}), p.Currency, DefaultCurrency)
	}
	return nil
}
