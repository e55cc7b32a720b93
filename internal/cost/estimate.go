package cost

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"
)

// Estimate is what objects cost. Its figures are kept as they were made, so that it can be frozen as JSON: decimals are
// strings. The parts sum to the whole exactly, those of objects too, and a month is HoursPerMonth hours exactly.
type Estimate struct {
	Currency string `json:"currency"`
	// Hourly is the average of all hours, those slept through included; Monthly is HoursPerMonth times that.
	Hourly  Range `json:"hourly"`
	Monthly Range `json:"monthly"`
	// Parts are the same by what is paid for.
	Parts []Part `json:"parts,omitempty"`
	// Objects are the same by what makes it; those that cost nothing and of which nothing is assumed are left out. Sums of
	// estimates have none.
	Objects []Object `json:"objects,omitempty"`
	// Assumptions are what was not known and counts for more than one object, sorted. Each object has its own besides.
	Assumptions []string `json:"assumptions,omitempty"`
}

// Part is what one resource costs.
type Part struct {
	Resource Resource `json:"resource"`
	// Type of a GPU or device, or a storage class; empty where there is none.
	Type string `json:"type,omitempty"`
	// PriceFrom is DefaultList where any of it is an assumption.
	PriceFrom Origin `json:"priceFrom"`
	// Amount is how much of it there is, on average of all hours: cores, GiB, or pieces.
	Amount  Range `json:"amount"`
	Hourly  Range `json:"hourly"`
	Monthly Range `json:"monthly"`
}

// Object is what one object costs.
type Object struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Pool is that of its pods; empty where none is known.
	Pool        string   `json:"pool,omitempty"`
	Hourly      Range    `json:"hourly"`
	Monthly     Range    `json:"monthly"`
	Parts       []Part   `json:"parts,omitempty"`
	Assumptions []string `json:"assumptions,omitempty"`
}

// AllAssumptions are those of the estimate, and those of its objects with their names before them, sorted.
func (e *Estimate) AllAssumptions() []string {
	all := slices.Clone(e.Assumptions)
	for i := range e.Objects {
		for _, text := range e.Objects[i].Assumptions {
			all = append(all, fmt.Sprintf("%s/%s: %s", e.Objects[i].Kind, e.Objects[i].Name, text))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// part is one of so much at a price. The amount is rounded first, and what it costs after that. What it costs a month is
// said once it is merged.
func part(item Item, price Price, amount Range) Part {
	amount = amount.round()
	return Part{Resource: item.Resource, Type: item.Type, PriceFrom: price.From, Amount: amount, Hourly: amount.Mul(price.Amount).round()}
}

// into adds parts to others, one for each resource and type. There are few of these, so that they are looked through.
func into(sums, parts []Part) []Part {
	for i := range parts {
		p := &parts[i]
		at := slices.IndexFunc(sums, func(s Part) bool { return s.Resource == p.Resource && s.Type == p.Type })
		if at < 0 {
			sums = append(sums, *p)
			continue
		}
		s := &sums[at]
		s.Amount, s.Hourly = s.Amount.Add(p.Amount), s.Hourly.Add(p.Hourly)
		if p.PriceFrom == DefaultList {
			s.PriceFrom = DefaultList
		}
	}
	return sums
}

// listed has parts that were summed in their order, without those that are nothing, and with what they cost a month.
func listed(sums []Part) []Part {
	sums = slices.DeleteFunc(sums, func(p Part) bool { return p.Amount.IsZero() && p.Hourly.IsZero() })
	slices.SortFunc(sums, func(a, b Part) int {
		return cmp.Or(cmp.Compare(order[a.Resource], order[b.Resource]), cmp.Compare(a.Type, b.Type))
	})
	for i := range sums {
		sums[i].Monthly = sums[i].Hourly.Mul(month)
	}
	return sums
}

// order is how parts are listed.
var order = map[Resource]int{CPU: 1, Memory: 2, GPU: 3, Device: 4, Storage: 5, LoadBalancer: 6, Egress: 7}

// of has an object of parts, of which there may be several of one resource.
func (o Object) of(parts []Part) Object {
	o.Parts = listed(into(make([]Part, 0, len(parts)), parts))
	o.Hourly, o.Monthly = total(o.Parts)
	slices.Sort(o.Assumptions)
	o.Assumptions = slices.Compact(o.Assumptions)
	return o
}

func total(parts []Part) (hourly, monthly Range) {
	for i := range parts {
		hourly = hourly.Add(parts[i].Hourly)
	}
	return hourly, hourly.Mul(month)
}

// whole sums the objects of an estimate, and keeps them.
func whole(currency string, objects []Object, assumptions []string) *Estimate {
	slices.SortStableFunc(objects, func(a, b Object) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	e := &Estimate{Currency: currency, Objects: objects}
	var sums []Part
	for i := range objects {
		sums = into(sums, objects[i].Parts)
	}
	return e.with(sums, assumptions)
}

// with completes an estimate by its parts, summed.
func (e *Estimate) with(sums []Part, assumptions []string) *Estimate {
	e.Parts = listed(sums)
	e.Hourly, e.Monthly = total(e.Parts)
	slices.Sort(assumptions)
	e.Assumptions = slices.Compact(assumptions)
	return e
}

// CurrencyError is a sum of two currencies, which nobody can make without a rate.
type CurrencyError struct{ A, B string }

func (e *CurrencyError) Error() string {
	return fmt.Sprintf("amounts in %s and in %s cannot be added: give prices of one currency", e.A, e.B)
}

// same is the one currency of two; one that is empty is that of an estimate of nothing.
func same(a, b string) (string, error) {
	if a == "" || b == "" || a == b {
		return cmp.Or(a, b), nil
	}
	return "", &CurrencyError{a, b}
}

// Sum adds estimates up. The sum has no objects, since objects of many Components and environments have the same names,
// and of assumptions those that count for more than one object. Different currencies are a CurrencyError.
func Sum(estimates ...*Estimate) (*Estimate, error) {
	sum := &Estimate{}
	var sums []Part
	var assumptions []string
	for _, e := range estimates {
		var err error
		if sum.Currency, err = same(sum.Currency, e.Currency); err != nil {
			return nil, err
		}
		sums = into(sums, e.Parts)
		for _, text := range e.Assumptions {
			if !slices.Contains(assumptions, text) {
				assumptions = append(assumptions, text)
			}
		}
	}
	return sum.with(sums, assumptions), nil
}

// Add is the Sum of two.
func (e *Estimate) Add(other *Estimate) (*Estimate, error) { return Sum(e, other) }

// Sub is what this estimate has more than another: what a change costs. Where both have objects it is said by object, too.
// What did not change is left out.
func (e *Estimate) Sub(other *Estimate) (*Estimate, error) {
	currency, err := same(e.Currency, other.Currency)
	if err != nil {
		return nil, err
	}
	type key struct{ kind, name string }
	objects := map[key]Object{}
	for _, o := range e.Objects {
		known := objects[key{o.Kind, o.Name}]
		o.Parts = slices.Concat(known.Parts, o.Parts)
		objects[key{o.Kind, o.Name}] = o
	}
	for _, o := range other.Objects {
		known := objects[key{o.Kind, o.Name}]
		known.Kind, known.Name = o.Kind, o.Name
		known.Parts = slices.Concat(known.Parts, negative(o.Parts))
		objects[key{o.Kind, o.Name}] = known
	}
	difference := &Estimate{Currency: currency}
	if len(e.Parts) > 0 && len(e.Objects) == 0 || len(other.Parts) > 0 && len(other.Objects) == 0 {
		objects = nil // one of them is a sum
	}
	for _, o := range objects {
		if o = o.of(o.Parts); len(o.Parts) > 0 {
			difference.Objects = append(difference.Objects, o)
		}
	}
	slices.SortFunc(difference.Objects, func(a, b Object) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
	return difference.with(into(slices.Clone(e.Parts), negative(other.Parts)), slices.Concat(e.Assumptions, other.Assumptions)), nil
}

func negative(parts []Part) []Part {
	negated := slices.Clone(parts)
	for i := range negated {
		p := &negated[i]
		p.Amount, p.Hourly = Range{}.Sub(p.Amount), Range{}.Sub(p.Hourly)
	}
	return negated
}

// Scale multiplies by an amount, such as a share or a number of environments. Each part is rounded anew, so that the parts
// still sum to the whole: those of objects do to theirs, and all objects to the estimate.
func (e *Estimate) Scale(by decimal.Decimal) *Estimate {
	if len(e.Objects) == 0 {
		return (&Estimate{Currency: e.Currency}).with(scaled(e.Parts, by), slices.Clone(e.Assumptions))
	}
	objects := make([]Object, len(e.Objects))
	for i, o := range e.Objects {
		o.Assumptions = slices.Clone(o.Assumptions)
		objects[i] = o.of(scaled(o.Parts, by))
	}
	return whole(e.Currency, objects, slices.Clone(e.Assumptions))
}

func scaled(parts []Part, by decimal.Decimal) []Part {
	list := slices.Clone(parts)
	for i := range list {
		list[i].Amount, list[i].Hourly = list[i].Amount.Mul(by).round(), list[i].Hourly.Mul(by).round()
	}
	return list
}
