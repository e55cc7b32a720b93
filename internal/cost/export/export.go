// Package export writes what teams cost as a data set of the FinOps Open Cost and Usage Specification (FOCUS) 1.4, in CSV and in
// Parquet, so that a warehouse reads it beside bills. What was charged on a day for a service is an origin charge; each
// team's part of it is a split, whose ratio stands in AllocatedMethodDetails, and what is no team's is the remainder, a row
// of its own. The ratios of an origin charge sum to 1, to the last place.
package export

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/history"
)

// Version is that of FOCUS which is written.
const Version = "1.4"

// Method is the AllocatedMethodId of the splits. docs/guides/showback.md says what it means.
const Method = "towpath-attribution-v1"

// Charge is what is exported: the figure of a source for a day, or for several.
type Charge struct {
	history.Series

	// Source is the history's.
	Source string
	// Billing are the first day of the billing period and the first one after it; From and To those of the charge.
	BillingFrom, BillingTo, From, To history.Day
	Billed, Effective                decimal.Decimal
	// Provisional is set where the figure may still change.
	Provisional bool
	// Description says more of it; empty for what a charge always says.
	Description string
}

// Row is one of the data set.
type Row struct {
	Charge

	// Origin names the origin charge that it is a part of, and Ratio says which part.
	Origin string
	Ratio  decimal.Decimal
}

// RatioPlaces are the decimal places of ratios.
const RatioPlaces = 12

// Rows are charges as rows, in an order of their own: for each origin charge the parts of teams, then the remainder. All
// charges of an origin must come at once, which those of a day do.
func Rows(charges []Charge) ([]Row, error) {
	origins := map[string][]Charge{}
	for i := range charges {
		if err := check(&charges[i]); err != nil {
			return nil, err
		}
		key := originOf(&charges[i])
		origins[key] = append(origins[key], charges[i])
	}
	names := make([]string, 0, len(origins))
	for name := range origins {
		names = append(names, name)
	}
	slices.Sort(names)
	rows := make([]Row, 0, len(charges))
	for _, name := range names {
		parts := merged(origins[name])
		weights := make([]decimal.Decimal, len(parts))
		for i := range parts {
			weights[i] = parts[i].Effective.Abs()
		}
		if decimal.Sum(decimal.Zero, weights...).IsZero() {
			for i := range parts {
				weights[i] = parts[i].Billed.Abs()
			}
		}
		id := idOf(name)
		for i, ratio := range cost.Split(decimal.NewFromInt(1), weights, RatioPlaces) {
			rows = append(rows, Row{Charge: parts[i], Origin: id, Ratio: ratio})
		}
	}
	return rows, nil
}

// biggest is what 38 digits with twelve places hold.
var biggest = decimal.New(1, 26)

func check(c *Charge) error {
	switch {
	case c.Source == "":
		return fmt.Errorf("a charge of %s must have a source", c.From)
	case c.To <= c.From || c.BillingTo <= c.BillingFrom:
		return fmt.Errorf("a charge of %s must end after it begins", c.From)
	case c.Billed.Abs().Cmp(biggest) >= 0 || c.Effective.Abs().Cmp(biggest) >= 0:
		return fmt.Errorf("an amount of %s, %s, is too large for a file: it must be less than 10^26", c.From, c.Effective)
	}
	return (&history.Figure{Series: c.Series}).Check()
}

// originOf tells origin charges apart: by day, what was charged for, and the sign, since parts of a charge and of its
// refund have no common whole.
func originOf(c *Charge) string {
	sign := c.Effective.Sign()
	if sign == 0 {
		sign = c.Billed.Sign()
	}
	return fmt.Sprintf("%s\x00%s\x00%d\x00%d\x00%s\x00%s\x00%s\x00%t\x00%d\x00%t",
		c.From, c.To, c.BillingFrom, c.BillingTo, c.Source, c.Service, c.Category, c.Unused, sign, c.Effective.IsZero()) + "\x00" + c.Currency
}

// merged are the parts by owner, one each, the remainder last.
func merged(charges []Charge) []Charge {
	slices.SortStableFunc(charges, func(a, b Charge) int {
		return cmp.Or(cmp.Compare(rank(&a), rank(&b)), strings.Compare(a.Team, b.Team), strings.Compare(a.Environment, b.Environment), strings.Compare(a.Component, b.Component))
	})
	var parts []Charge
	for i := range charges {
		c := charges[i]
		if n := len(parts); n > 0 && parts[n-1].Series == c.Series {
			parts[n-1].Billed, parts[n-1].Effective = parts[n-1].Billed.Add(c.Billed), parts[n-1].Effective.Add(c.Effective)
			parts[n-1].Provisional = parts[n-1].Provisional || c.Provisional
			continue
		}
		parts = append(parts, c)
	}
	return parts
}

func rank(c *Charge) int {
	if c.Team == "" {
		return 1
	}
	return 0
}

// idOf is a name that is as long for each.
func idOf(name string) string {
	hash := sha256.Sum256([]byte(name))
	const enough = 16
	return "origin/" + hex.EncodeToString(hash[:enough])
}

// fields are the values of a row, by column; nil is null.
func (r *Row) fields() (map[string]*string, error) {
	tags, err := r.tags()
	if err != nil {
		return nil, err
	}
	f := map[string]*string{
		"BillingPeriodStart":    moment(r.BillingFrom),
		"BillingPeriodEnd":      moment(r.BillingTo),
		"ChargePeriodStart":     moment(r.From),
		"ChargePeriodEnd":       moment(r.To),
		"BillingAccountId":      text(r.Source),
		"BillingCurrency":       text(r.Currency),
		"ChargeCategory":        text(string(r.Category)),
		"ChargeDescription":     text(r.description()),
		"HostProviderName":      text(r.Source),
		"ServiceProviderName":   text(r.Source),
		"InvoiceIssuerName":     text(r.Source),
		"ServiceCategory":       text("Other"),
		"ServiceName":           text(cmp.Or(r.Service, "unknown")),
		"Tags":                  tags,
		"ResourceId":            text(r.Origin),
		"SubAccountId":          text(r.Team),
		"AllocatedMethodId":     text(Method),
		"AllocatedResourceId":   text(r.resource()),
		"AllocatedResourceName": text(cmp.Or(r.Component, r.Environment, r.Team)),
		"x_Provisional":         text(fmt.Sprint(r.Provisional)),
	}
	f["AllocatedMethodDetails"] = text(fmt.Sprintf(`{"Elements":[{"AllocatedRatio":%s,"UsageUnit":%q,"UsageQuantity":%s}]}`, r.Ratio, r.Currency, r.Effective.Abs()))
	if r.Unused {
		f["CommitmentDiscountStatus"], f["CommitmentDiscountId"] = text("Unused"), text("not-kept")
	}
	return f, nil
}

func (r *Row) description() string {
	switch {
	case r.Description != "":
		return r.Description
	case r.Team == "":
		return "Remainder that is no team's"
	}
	return "Part of a team"
}

// resource is whom a part is allocated to; empty for the remainder, as FOCUS wants it.
func (r *Row) resource() string {
	if r.Team == "" {
		return ""
	}
	return strings.TrimRight(r.Team+"/"+r.Environment+"/"+r.Component, "/")
}

// tags are those that Towpath's own reader, and others, find the owner by. FOCUS has AllocatedTags for tags that Tags does not
// have, so they do not stand there again.
func (r *Row) tags() (*string, error) {
	if r.Team == "" {
		return nil, nil
	}
	owner := map[string]string{platformv1alpha1.LabelTeam: r.Team}
	if r.Environment != "" {
		owner[platformv1alpha1.LabelEnvironment] = r.Environment
	}
	if r.Component != "" {
		owner[platformv1alpha1.LabelComponent] = r.Component
	}
	data, err := json.Marshal(owner)
	if err != nil {
		return nil, err
	}
	return text(string(data)), nil
}

// text is a value; nil, which is null, where it is empty.
func text(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

func moment(day history.Day) *string { return text(day.Time().Format(time.RFC3339)) }
