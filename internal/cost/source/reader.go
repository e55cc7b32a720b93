package source

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/history"
)

// Reader reads a source of bills into a history.
type Reader interface {
	// Import reads what there is to read, and stores it. The outcome counts also where there is an error: what was stored by
	// then is stored, and what is read twice counts once.
	Import(ctx context.Context, store history.Store, task Task) (Outcome, error)
}

// Task is what a reader is to do.
type Task struct {
	// Source is the name of the source: that of its slices.
	Source string
	// Now is the time.
	Now time.Time
	// Backfill is how many days before today are read the first time.
	Backfill int
	// Settle is for how long after its end a day is provisional.
	Settle      time.Duration
	Attribution Attribution
	Conversions Conversions
	// Cursor is what the last Outcome says; empty the first time.
	Cursor string
	// Spend is asked before each request that costs money. Its error ends the import. Nil allows all.
	Spend func(context.Context) error
	// Keep stores a cursor while the import is still under way, so that one that ends early need not read all again. Nil keeps
	// nothing.
	Keep func(ctx context.Context, cursor string) error
}

// Outcome is what there is to say of an import.
type Outcome struct {
	// Cursor is the reader's note of what it has read.
	Cursor string
	// Rows is how many rows or groups were read.
	Rows int64
	// UnknownTeams are teams that charges name and that do not exist, in order.
	UnknownTeams []string
	// Warnings are what was odd and did not keep anything from counting.
	Warnings []string
}

// Reason is why an import failed, in the words of conditions.
type Reason string

// The reasons.
const (
	NotReachable        Reason = "NotReachable"
	Throttled           Reason = "Throttled"
	RequestLimitReached Reason = "RequestLimitReached"
	CredentialsRefused  Reason = "CredentialsRefused"
	BillInvalid         Reason = "BillInvalid"
	Incomplete          Reason = "Incomplete"
	SourceInvalid       Reason = "SourceInvalid"
	HistoryUnavailable  Reason = "HistoryUnavailable"
)

// Failure is an error of an import, with its reason and the next step.
type Failure struct {
	Reason Reason
	Err    error
	// Next is what somebody can do, as a sentence.
	Next string
	// NotBefore is when to try again at the earliest; zero: whenever.
	NotBefore time.Time
}

// Error is what is wrong, and what can be done.
func (f *Failure) Error() string {
	text := strings.TrimSuffix(f.Err.Error(), ".")
	if f.Next != "" {
		text += ". " + f.Next
	}
	return text
}

// Unwrap is what is wrong.
func (f *Failure) Unwrap() error { return f.Err }

// Fail is a Failure.
func Fail(reason Reason, err error, next string) error {
	if found, ok := errors.AsType[*Failure](err); ok {
		return found // the one nearest to what happened knows best
	}
	return &Failure{Reason: reason, Err: err, Next: next}
}

// Stored says of an error of the history that it is one.
func Stored(err error) error {
	if err == nil {
		return nil
	}
	return Fail(HistoryUnavailable, err, "Look at the volume or database of the history; what is not stored is read again.")
}

// Conversions are by currency what its amounts become.
type Conversions map[string]Conversion

// Conversion is another currency, and how many of it one of the first is.
type Conversion struct {
	To   string
	Rate decimal.Decimal
}

// converted is a charge in the currency that its own becomes.
func (c Conversions) converted(charge *Charge) *Charge {
	to, other := c[charge.Currency], *charge
	other.Currency = to.To
	other.Billed = AmountOf(charge.Billed.Decimal().Mul(to.Rate))
	other.Effective = AmountOf(charge.Effective.Decimal().Mul(to.Rate))
	return &other
}

// Teams are the names of teams that a source was seen to name, and that do not exist, up to a number of them.
type Teams map[string]bool

// maxUnknown is how many are remembered.
const maxUnknown = 50

// Add adds one, if there is room.
func (t Teams) Add(name string) {
	if name != "" && len(t) < maxUnknown {
		t[name] = true
	}
}

// Sorted are their names.
func (t Teams) Sorted() []string { return Sorted(t) }

// Sorted are the keys of a map, in order.
func Sorted[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }
