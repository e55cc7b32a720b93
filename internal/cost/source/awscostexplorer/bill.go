package awscostexplorer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/costexplorer/types"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
)

// bill is what Cost Explorer answers, day by day, until all of it is there.
type bill struct {
	source   *Source
	task     *source.Task
	from, to history.Day
	days     map[history.Day]*day
	unknown  source.Teams
	rows     int64
	currency string
	// noAmortized counts groups without a cost in which commitments are spread.
	noAmortized int
}

// day is one day.
type day struct {
	estimated bool
	charges   []source.Charge
}

// categories are the types of charges that are not usage, as FOCUS calls them. Cost Explorer has names of its own, which its API
// and its console spell in two ways; one that is not here is usage.
var categories = map[string]history.Category{
	"Tax": history.Tax, "Credit": history.Credit, "Refund": history.Credit,
	"EdpDiscount": history.Credit, "Enterprise Discount Program Discount": history.Credit, "BundledDiscount": history.Credit,
	"PrivateRateDiscount": history.Credit, "Private Rate Discount": history.Credit,
	"SppDiscount": history.Credit, "Solution Provider Program Discount": history.Credit, "DistributorDiscount": history.Credit,
	"Fee": history.Purchase, "Upfront": history.Purchase, "RIFee": history.Purchase, "Recurring": history.Purchase,
	"RIUpfrontFee": history.Purchase, "SavingsPlanUpfrontFee": history.Purchase, "Savings Plan Upfront Fee": history.Purchase,
	"SavingsPlanRecurringFee": history.Purchase, "Savings Plan Recurring Fee": history.Purchase,
}

// recordTypes are their names.
func recordTypes() []string {
	return source.Sorted(categories)
}

// add adds what a page says of a day.
func (b *bill) add(result *types.ResultByTime, q question) error {
	if result.TimePeriod == nil {
		return errors.New("a day of the answer has no time")
	}
	start, err := time.Parse(time.DateOnly, aws.ToString(result.TimePeriod.Start))
	if err != nil {
		return fmt.Errorf("a day of the answer begins at %q, which is none", aws.ToString(result.TimePeriod.Start))
	}
	on := history.DayOf(start)
	if on < b.from || on > b.to {
		return fmt.Errorf("the answer is about %s, and the question was about %s to %s", on, b.from, b.to)
	}
	d := b.days[on]
	if d == nil {
		d = &day{}
		b.days[on] = d
	}
	d.estimated = d.estimated || result.Estimated
	for i := range result.Groups {
		charge, err := b.charge(on, &result.Groups[i], q)
		if err != nil {
			return fmt.Errorf("%s, group %s: %w", on, strings.Join(result.Groups[i].Keys, ", "), err)
		}
		if charge != nil {
			d.charges = append(d.charges, *charge)
			b.rows++
		}
	}
	return nil
}

// charge is a group as a charge; nil where it is nothing.
func (b *bill) charge(on history.Day, group *types.Group, q question) (*source.Charge, error) {
	const keys = 2
	prefix := b.source.TeamTag + "$"
	if len(group.Keys) != keys || !strings.HasPrefix(group.Keys[0], prefix) {
		return nil, fmt.Errorf("it must have two keys, the first of which begins with %s", prefix)
	}
	billed, ok := group.Metrics[unblended]
	if !ok {
		return nil, fmt.Errorf("it has no %s", unblended)
	}
	effective, ok := group.Metrics[netAmortized]
	if !ok {
		effective = billed
		b.noAmortized++
	}
	c := &source.Charge{Period: on.String(), Day: on, Service: source.Plain(group.Keys[1]), Category: history.Usage, Currency: aws.ToString(billed.Unit)}
	var err error
	if c.Billed, err = source.ParseAmount([]byte(aws.ToString(billed.Amount))); err != nil {
		return nil, fmt.Errorf("%s %q: %w", unblended, aws.ToString(billed.Amount), err)
	}
	if c.Effective, err = source.ParseAmount([]byte(aws.ToString(effective.Amount))); err != nil {
		return nil, fmt.Errorf("%s %q: %w", netAmortized, aws.ToString(effective.Amount), err)
	}
	if c.Billed.Decimal().IsZero() && c.Effective.Decimal().IsZero() {
		return nil, nil // its unit may be N/A
	}
	if q.groupBy == others.groupBy {
		c.Category = cmp.Or(categories[c.Service], history.Usage)
	}
	b.currency = cmp.Or(b.currency, c.Currency)
	var unknown string
	attribution := source.Attribution{TeamKeys: []string{prefix}, Teams: b.task.Attribution.Teams}
	c.Owner, unknown = attribution.Owner(func(string) string { return group.Keys[0][len(prefix):] })
	b.unknown.Add(unknown)
	return c, nil
}

// store stores each day that was told of, and says up to which day all are final.
func (b *bill) store(ctx context.Context, store history.Store) (history.Day, error) {
	final, open := b.from-1, false
	for on := b.from; on <= b.to; on++ {
		d := b.days[on]
		if d == nil || (d.estimated && len(d.charges) == 0) {
			open = true // nothing is known of it yet
			continue
		}
		settles := b.settles(on, d.estimated)
		open = open || settles.After(b.task.Now)
		if !open {
			final = on
		}
		if err := b.storeDay(ctx, store, on, d, settles); err != nil {
			return 0, err
		}
	}
	return final, nil
}

func (b *bill) storeDay(ctx context.Context, store history.Store, on history.Day, d *day, settles time.Time) error {
	ledger := source.NewLedger(0)
	ledger.Convert(b.task.Conversions)
	for i := range d.charges {
		d.charges[i].Settles = settles
		if err := ledger.Add(&d.charges[i]); err != nil {
			return source.Fail(source.BillInvalid, fmt.Errorf("%s: %w", on, err), "Nothing of this day and those after it counts.")
		}
	}
	if err := ledger.Cover(on.String(), on, on, cmp.Or(b.currency, "USD"), func(history.Day) time.Time { return settles }); err != nil {
		return source.Fail(source.BillInvalid, fmt.Errorf("%s: %w", on, err), "")
	}
	slice := history.Slice{Source: b.task.Source, Period: on.String()}
	if err := store.Replace(ctx, slice, ledger.Figures(on.String())); err != nil {
		return source.Stored(fmt.Errorf("storing %s: %w", slice, err))
	}
	return nil
}

// warnings are what was odd.
func (b *bill) warnings() []string {
	if b.noAmortized == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d groups have no %s, and %s stands in for it: commitments are not spread over their use there", b.noAmortized, netAmortized, unblended)}
}
