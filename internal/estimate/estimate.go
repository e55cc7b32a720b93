// Package estimate puts what internal/cost says of rendered objects into the API: the estimate that is frozen in a Release, and the
// sums of those that run.
package estimate

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/shopspring/decimal"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/sleep"
)

const (
	// Places is how many decimal places the API keeps of an amount.
	Places = 4
	// mostAssumptions and longestAssumption bound what is frozen in a Release.
	mostAssumptions, longestAssumption = 8, 256
	// mostPlans is how many ways to sleep are remembered. There are few: of the classes, and of Environments with windows of
	// their own.
	mostPlans = 1024
)

// tooMuch is what no Release costs a month: amounts of the API have 15 digits, and sums of Releases must fit too.
var tooMuch = decimal.New(1, 12)

// Estimator estimates by one list of prices. Many may use it at once.
type Estimator struct {
	prices *cost.Prices

	mu sync.Mutex
	// awake remembers when an environment is awake, by its plan: that takes milliseconds to find out.
	awake map[string]cost.Awake
}

// New returns an Estimator; nil prices are those of the default list.
func New(prices *cost.Prices) *Estimator {
	if prices == nil {
		prices = cost.DefaultPrices()
	}
	return &Estimator{prices: prices, awake: map[string]cost.Awake{}}
}

// Currency is that of the prices.
func (e *Estimator) Currency() string { return e.prices.Currency }

// Of estimates objects as they were rendered, in an environment with a tier, which sleeps by a plan. An error names the object and the
// field that cannot be read.
func (e *Estimator) Of(objects []*unstructured.Unstructured, tier platformv1alpha1.Tier, plan sleep.Plan) (*platformv1alpha1.ReleaseCost, error) {
	awake, err := e.awakeBy(plan)
	if err != nil {
		return nil, err
	}
	found, err := cost.Of(cost.Input{Objects: objects, Prices: e.prices, Tier: tier, Awake: awake})
	if err != nil {
		return nil, err
	}
	if found.Monthly.Min.IsNegative() || found.Monthly.Expected.IsNegative() {
		// No price is, and no amount: a limit that counted it would let in as much more.
		return nil, fmt.Errorf("they would cost less than nothing, %s %s a month: correct replicas or requests", found.Monthly.Expected, found.Currency)
	}
	if found.Monthly.Max.GreaterThanOrEqual(tooMuch) {
		return nil, fmt.Errorf("they would cost a trillion %s a month or more: correct replicas or requests", found.Currency)
	}
	estimated := &platformv1alpha1.ReleaseCost{EstimatedCost: platformv1alpha1.EstimatedCost{
		Currency: found.Currency, Monthly: amounts(found.Monthly), PricesFrom: platformv1alpha1.PricesConfigured,
	}}
	for i := range found.Parts {
		if found.Parts[i].PriceFrom == cost.DefaultList {
			estimated.PricesFrom = platformv1alpha1.PricesOfDefaultList
		}
	}
	for i := range found.Objects {
		o := &found.Objects[i]
		for _, text := range o.Assumptions {
			if len(estimated.Assumptions) < mostAssumptions {
				estimated.Assumptions = append(estimated.Assumptions, condition.Clip(fmt.Sprintf("%s/%s: %s", o.Kind, o.Name, text), longestAssumption))
			}
		}
	}
	return estimated, nil
}

// awakeBy is cost.AwakeBy, remembered.
func (e *Estimator) awakeBy(plan sleep.Plan) (cost.Awake, error) {
	if plan.Class == nil && plan.Own == nil {
		return cost.Awake{}, nil
	}
	// How beginnings are spread, and wishes to wake, do not count.
	key, err := json.Marshal(struct {
		Class *platformv1alpha1.ClassSleep
		Own   *platformv1alpha1.EnvironmentSleep
		Tier  platformv1alpha1.Tier
	}{plan.Class, plan.Own, plan.Tier})
	if err != nil {
		return cost.Awake{}, fmt.Errorf("remembering how an environment sleeps: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	awake, ok := e.awake[string(key)]
	if !ok {
		if len(e.awake) >= mostPlans {
			clear(e.awake)
		}
		awake = cost.AwakeBy(sleep.Plan{Tier: plan.Tier, Class: plan.Class, Own: plan.Own})
		e.awake[string(key)] = awake
	}
	return awake, nil
}

func amounts(r cost.Range) platformv1alpha1.AmountRange {
	return platformv1alpha1.AmountRange{Min: Amount(r.Min), Expected: Amount(r.Expected), Max: Amount(r.Max)}
}

// Amount is an amount of the API, to four decimal places.
func Amount(d decimal.Decimal) platformv1alpha1.Amount {
	return platformv1alpha1.Amount(d.Round(Places).String())
}

// Decimal reads an amount of the API.
func Decimal(a platformv1alpha1.Amount) (decimal.Decimal, error) {
	d, err := decimal.NewFromString(string(a))
	if err != nil {
		return decimal.Zero, fmt.Errorf("%.40q must be an amount such as \"212.4\"", string(a))
	}
	return d, nil
}
