package focus

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/cost"
	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
)

// kind is how a cell comes.
type kind uint8

const (
	null kind = iota
	// text is what CSV has, and most of Parquet.
	text
	// amount, moment and pairs are what Parquet has already made of it.
	amount
	moment
	pairs
)

// cell is a value of a row. What it points to is the reader's again once the row is added.
type cell struct {
	kind   kind
	text   []byte
	amount source.Amount
	moment time.Time
	pairs  []pair
}

// pair is a tag.
type pair struct{ key, value []byte }

// row has the cells of the columns that are read.
type row [columnCount]cell

// reader adds rows to a ledger.
type reader struct {
	options   Options
	ledger    *source.Ledger
	report    Report
	place     Place
	providers map[string]bool

	words   map[string]string
	moments map[string]time.Time
	tags    *tagReader
	charge  source.Charge

	period      string
	periodStart time.Time
	last        [columnCount]struct {
		raw  []byte
		word string
	}
}

func newReader(options Options) *reader {
	ledger := source.NewLedger(options.Limits.Groups)
	ledger.Convert(options.Conversions)
	return &reader{
		options: options, ledger: ledger,
		report:    Report{UnknownTeams: map[string]int64{}},
		providers: map[string]bool{}, words: map[string]string{}, moments: map[string]time.Time{},
		tags: newTagReader(options.Attribution),
	}
}

// fail is an error of a column in the row that is read.
func (r *reader) fail(c column, err error) error {
	return &Error{Place: r.place, Column: c.String(), Err: err}
}

// add adds a row, whose number is in r.place.
func (r *reader) add(cells *row) error {
	c := &r.charge
	*c = source.Charge{}
	// What is wrong with the currency is told after what is wrong with amounts.
	var err, unknown error
	c.Currency, unknown = r.currency(&cells[billingCurrency])
	if c.Billed, err = r.amount(&cells[billedCost], c.Currency); err != nil {
		return r.fail(billedCost, err)
	}
	if c.Effective, err = r.amount(&cells[effectiveCost], c.Currency); err != nil {
		return r.fail(effectiveCost, err)
	}
	if cells[billedCost].kind == null || cells[effectiveCost].kind == null {
		r.report.NoAmount++
	}
	if unknown != nil {
		return r.fail(billingCurrency, unknown)
	}
	if c.Category, err = r.category(&cells[chargeCategory]); err != nil {
		return r.fail(chargeCategory, err)
	}
	if err := r.times(cells); err != nil {
		return err
	}
	c.Service = r.service(cells)
	if class := &cells[chargeClass]; class.kind == text && strings.EqualFold(r.wordOf(chargeClass, class.text), "Correction") {
		r.report.Corrections++
	}
	if status := &cells[commitmentStatus]; status.kind == text {
		c.Unused = strings.EqualFold(r.wordOf(commitmentStatus, status.text), "Unused")
	}
	if p := &cells[provider]; p.kind == text {
		if name := r.wordOf(provider, p.text); !r.providers[name] && len(r.providers) < maxProviders {
			r.providers[name] = true
		}
	}
	r.owner(&cells[tags])
	if err := r.ledger.Add(c); err != nil {
		return &Error{Place: r.place, Err: err}
	}
	r.report.Rows++
	return nil
}

func (r *reader) amount(c *cell, currency string) (source.Amount, error) {
	switch c.kind {
	case null:
		return source.Amount{}, nil
	case amount:
		return c.amount, nil
	}
	parsed, err := source.ParseAmountIn(c.text, currency)
	if other, ok := errors.AsType[*source.CurrencyError](err); ok {
		return parsed, fmt.Errorf("%s is no amount in %s: %w", quoted(c.text), currency, other)
	}
	if err != nil {
		return parsed, fmt.Errorf("%s is no amount: %w", quoted(c.text), err)
	}
	return parsed, nil
}

func (r *reader) currency(c *cell) (string, error) {
	if c.kind == null {
		return "", errors.New("it must be the currency of the invoice, such as USD, but is absent")
	}
	code := r.wordOf(billingCurrency, c.text)
	if !cost.KnownCurrency(code) {
		if upper := strings.ToUpper(code); cost.KnownCurrency(upper) {
			return upper, nil
		}
		return "", fmt.Errorf("%s must be a code of ISO 4217, such as USD; amounts of a currency that is not known cannot be added up", quoted(c.text))
	}
	return code, nil
}

func (r *reader) category(c *cell) (history.Category, error) {
	category := history.Category(r.wordOf(chargeCategory, c.text))
	if c.kind == text && category.Known() {
		return category, nil
	}
	for _, known := range []history.Category{history.Usage, history.Purchase, history.Tax, history.Credit, history.Adjustment} {
		if c.kind == text && strings.EqualFold(string(category), string(known)) {
			return known, nil
		}
	}
	return "", fmt.Errorf("%s must be Usage, Purchase, Tax, Credit or Adjustment", quoted(c.text))
}

func (r *reader) service(cells *row) string {
	for _, c := range []column{serviceName, serviceCategory} {
		if cells[c].kind == text {
			return r.wordOf(c, cells[c].text)
		}
	}
	return ""
}

// times reads the day of a charge and its billing period.
func (r *reader) times(cells *row) error {
	c := &r.charge
	start, err := r.moment(&cells[chargePeriodStart])
	if err != nil {
		return r.fail(chargePeriodStart, err)
	}
	period, err := r.moment(&cells[billingPeriodStart])
	if err != nil {
		return r.fail(billingPeriodStart, err)
	}
	c.Day = history.DayOf(start)
	c.Period = r.periodOf(period)
	c.Settles = c.Day.Time().Add(24*time.Hour + r.options.Settle)
	if cells[chargePeriodEnd].kind == null {
		return nil
	}
	end, err := r.moment(&cells[chargePeriodEnd])
	if err != nil {
		return r.fail(chargePeriodEnd, err)
	}
	if end.Before(start) {
		return r.fail(chargePeriodEnd, fmt.Errorf("%s must not be before ChargePeriodStart, %s", end.Format(time.RFC3339), start.Format(time.RFC3339)))
	}
	if end.Sub(start) > 24*time.Hour {
		r.report.Long++
	}
	return nil
}

// periodOf is the name of the billing period, which is the same for millions of rows.
func (r *reader) periodOf(start time.Time) string {
	if r.period == "" || !start.Equal(r.periodStart) {
		r.period, r.periodStart = source.PeriodOf(start), start
	}
	return r.period
}

// owner reads the tags.
func (r *reader) owner(c *cell) {
	found := r.tags.read(c)
	r.charge.Owner = found.owner
	switch {
	case found.unknown != "":
		r.report.UnknownTeamRows++
		if _, ok := r.report.UnknownTeams[found.unknown]; ok || len(r.report.UnknownTeams) < MaxUnknownTeams {
			r.report.UnknownTeams[found.unknown]++
		}
	case found.owner.Team == "":
		r.report.Untagged++
	}
	if found.bad {
		r.report.BadTags++
		if len(r.report.FirstBadTags) < maxPlaces {
			r.report.FirstBadTags = append(r.report.FirstBadTags, r.place)
		}
	}
}

// Caches begin anew when they hold so much, so that a file of ever other values does not fill them.
const (
	maxCached    = 1 << 16
	maxCachedLen = 512
)

// wordOf is the word in a cell. Most columns have the same one in many rows on end.
func (r *reader) wordOf(c column, b []byte) string {
	last := &r.last[c]
	if last.word == "" || !bytes.Equal(last.raw, b) {
		last.word = r.word(b)
		last.raw = append(last.raw[:0], b...)
	}
	return last.word
}

// word is a text without space around it, as a string that is made once.
func (r *reader) word(b []byte) string {
	if s, ok := r.words[string(b)]; ok {
		return s
	}
	s := strings.TrimSpace(source.Plain(string(b)))
	if len(s) > maxCachedLen {
		s = strings.ToValidUTF8(s[:maxCachedLen], "")
	}
	if len(b) <= maxCachedLen {
		if len(r.words) >= maxCached {
			clear(r.words)
		}
		r.words[string(b)] = s
	}
	return s
}

// quoted is a cell in a message: the first of it, so that a message is short.
func quoted(b []byte) string {
	const most = 60
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}

// isNull says whether a cell's text means that there is none: exports write NULL or \N where CSV has nothing to say it with.
func isNull(b []byte) bool {
	switch len(b) {
	case 0:
		return true
	case 2:
		return string(b) == `\N`
	case 4:
		return bytes.EqualFold(b, []byte("null"))
	case 6:
		return bytes.EqualFold(b, []byte("<null>"))
	}
	return false
}
