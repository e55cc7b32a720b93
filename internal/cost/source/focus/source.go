package focus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/cost/source"
	"github.com/towpath-dev/towpath/internal/history"
)

// Source is a source.Reader of the bills of a location.
type Source struct {
	// Place tells this location from another one. When it changes, what the new one says of a billing period takes the place of
	// what the old one said of it.
	Place string
	// Open opens the location.
	Open   func(context.Context) (Location, error)
	Limits Limits
}

var _ source.Reader = &Source{}

// position is what has been read.
type position struct {
	Place string `json:"place"`
	// Moved is set from when the place is another one until all of it was read.
	Moved bool            `json:"moved,omitempty"`
	Bills map[string]note `json:"bills"`
}

// note is what is remembered of a bill.
type note struct {
	Fingerprint string   `json:"is"`
	Unknown     []string `json:"unknown,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	// Said has a sketch of what the bill says of each billing period that was stored.
	Said map[string]source.Sketch `json:"said,omitempty"`
	// Days has the days of each billing period that is stored of it, also of those that only earlier issues told of.
	Days map[string]days `json:"days,omitempty"`
	// Young is when files of the bill were found that were just written, in seconds since 1970; 0 where it is not waited for.
	Young int64 `json:"young,omitempty"`
}

// maxNoted is how many unknown teams are remembered of one bill, and maxWarnings how many warnings come of all.
const (
	maxNoted    = 20
	maxWarnings = 8
)

func (c *position) String() string {
	text, _ := json.Marshal(c) // text alone
	return string(text)
}

// session is one import.
type session struct {
	*Source
	task     source.Task
	store    history.Store
	location Location
	basis    string
	now      position
	stored   map[history.Slice]bool
	listed   map[string]bool
	rows     int64
	older    []File
}

// Import reads the bills that have changed since the last time. One that cannot be read keeps no other from counting.
func (s *Source) Import(ctx context.Context, store history.Store, task source.Task) (source.Outcome, error) {
	location, err := s.Open(ctx)
	if err != nil {
		return source.Outcome{Cursor: task.Cursor}, failure(err)
	}
	defer func() { _ = location.Close() }()
	bills, err := Bills(ctx, location, s.Limits)
	if err != nil {
		return source.Outcome{Cursor: task.Cursor}, failure(err)
	}
	if len(bills) == 0 {
		return source.Outcome{Cursor: task.Cursor}, source.Fail(source.SourceInvalid, errors.New("the location has no bills"),
			"Put files there whose names end in .csv, .csv.gz, .gz or .parquet, or correct spec.focus.")
	}
	r := &session{Source: s, task: task, store: store, location: location, basis: basis(&task), stored: map[history.Slice]bool{}, listed: map[string]bool{}}
	for _, bill := range bills {
		r.older, r.listed[bill.Name] = append(r.older, bill.Older...), true
	}
	before := r.resume(bills)
	stored, err := store.Slices(ctx, task.Source)
	if err != nil {
		return r.outcome(), source.Stored(err)
	}
	for _, slice := range stored {
		r.stored[slice] = true
	}
	failed, err := r.all(ctx, bills, before)
	if err == nil && failed == nil && r.now.Moved {
		err = r.leave(ctx)
	}
	if err == nil {
		err = failed
	}
	return r.outcome(), err
}

// basis is another one when the same bill would come to other figures.
func basis(task *source.Task) string {
	hash := sha256.New()
	_, _ = fmt.Fprintf(hash, "%d %d\n", task.Settle, task.Backfill)
	for _, from := range slices.Sorted(maps.Keys(task.Conversions)) {
		_, _ = fmt.Fprintf(hash, "%s %s %s\n", from, task.Conversions[from].To, task.Conversions[from].Rate)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}

// resume takes up the cursor, and returns what it says of bills. Those that are gone are forgotten, but not what they said.
func (r *session) resume(bills []Bill) map[string]note {
	var before position
	if json.Unmarshal([]byte(r.task.Cursor), &before) != nil {
		before = position{} // all is read again, and counts once
	}
	r.now = position{Place: r.Place, Moved: before.Moved, Bills: map[string]note{}}
	if before.Place != r.Place {
		r.now.Moved, before.Bills = before.Place != "", nil
	}
	for _, bill := range bills {
		if n, ok := before.Bills[bill.Name]; ok {
			r.now.Bills[bill.Name] = n
		}
	}
	return before.Bills
}

// all reads every bill that is not what it was. The first error is what is wrong with bills, the second one ends the import.
func (r *session) all(ctx context.Context, bills []Bill, before map[string]note) (failed, ended error) {
	count := 0
	for _, bill := range bills {
		is := r.basis + bill.Fingerprint(r.task.Attribution)[:32]
		if before[bill.Name].Fingerprint == is {
			continue
		}
		if r.young(bill) {
			if count++; failed == nil {
				failed = source.Fail(source.Incomplete, fmt.Errorf("bill %s: its files were written less than %s ago, and more may come", bill.Name, together),
					"What it said before counts until then; it is tried again.")
			}
			continue
		}
		read, err := Read(ctx, r.location, bill, Options{
			Attribution: r.task.Attribution, Settle: r.task.Settle, Conversions: r.task.Conversions, Limits: r.Limits,
		})
		switch {
		case ctx.Err() != nil:
			return failed, source.Fail(source.NotReachable, context.Cause(ctx), "It is tried again.")
		case err != nil:
			if count++; failed == nil {
				failed = failure(err)
			}
			continue
		}
		if err := r.keep(ctx, read, bill, is); err != nil {
			return failed, err
		}
	}
	if count > 1 {
		first, _ := errors.AsType[*source.Failure](failed)
		failed = &source.Failure{Reason: first.Reason, Next: first.Next, Err: fmt.Errorf("%d of %d bills do not count. The first: %w", count, len(bills), first.Err)}
	}
	return failed, nil
}

// patience is how long a bill is waited for whose files are always new, as those are that a server makes when it is asked.
const patience = time.Hour

// young says whether a bill that counts already may be on its way: a run that is being uploaded would take the place of one that is
// whole. Times that are ahead of the manager's by more than clocks differ say nothing.
func (r *session) young(bill Bill) bool {
	n, now := r.now.Bills[bill.Name], r.task.Now
	age := now.Sub(newest(bill.Files))
	stored := func(slice history.Slice) bool { return slice.Part == bill.Name }
	if age >= together || age <= -together || !slices.ContainsFunc(slices.Collect(maps.Keys(r.stored)), stored) {
		return false
	}
	if n.Young == 0 {
		n.Young = now.Unix()
		r.now.Bills[bill.Name] = n
	}
	return now.Sub(time.Unix(n.Young, 0)) < patience
}

// keep stores what a bill says, and notes that it was read.
func (r *session) keep(ctx context.Context, read *Import, bill Bill, is string) error {
	today, n := history.DayOf(r.task.Now), note{Fingerprint: is, Unknown: shortened(slices.Sorted(maps.Keys(read.Report.UnknownTeams)))}
	n.Warnings, n.Said, n.Days = warnings(bill.Name, &read.Report), map[string]source.Sketch{}, map[string]days{}
	for _, period := range read.Ledger.Periods() {
		slice := history.Slice{Source: r.task.Source, Period: period, Part: bill.Name}
		span, _ := read.Ledger.Span(period)
		if span.To < today-history.Day(min(r.task.Backfill, history.Keep)) && !r.stored[slice] {
			n.Warnings = append(n.Warnings, fmt.Sprintf("bill %s: the billing period %s ends before spec.backfillDays, and was left out", bill.Name, period))
			continue
		}
		if begins, ok := begin(period); ok && span.Used >= begins {
			from, to := max(begins, today-history.Keep), min(span.Used, today)
			if err := read.Ledger.Cover(period, from, to, span.Currency, func(day history.Day) time.Time { return source.Final(day, r.task.Settle) }); err != nil {
				return source.Fail(source.BillInvalid, err, "")
			}
		}
		if err := r.store.Replace(ctx, slice, since(read.Ledger.Figures(period), today-history.Keep)); err != nil {
			return source.Stored(fmt.Errorf("storing %s: %w", slice, err))
		}
		n.Said[period], n.Days[period] = read.Ledger.Sketch(period), days{span.From, span.To}
		if err := r.replaced(ctx, period); err != nil {
			return err
		}
	}
	if read.Report.Rows == 0 || len(n.Said) > 0 {
		if err := r.reissued(ctx, bill.Name, r.now.Bills[bill.Name], &n); err != nil {
			return err
		}
	}
	r.rows += read.Report.Rows
	n.Warnings = n.Warnings[:min(len(n.Warnings), maxWarnings)]
	r.now.Bills[bill.Name] = n
	if r.task.Keep == nil {
		return nil
	}
	return source.Stored(r.task.Keep(ctx, r.now.String()))
}

func shortened(names []string) []string { return names[:min(len(names), maxNoted)] }

// begin is the first day of a billing period by its name.
func begin(period string) (history.Day, bool) {
	for _, layout := range []string{"2006-01", time.DateOnly} {
		if t, err := time.Parse(layout, period); err == nil {
			return history.DayOf(t), true
		}
	}
	return 0, false
}

// since leaves days out that the history would forget at once.
func since(figures iter.Seq2[history.Figure, error], first history.Day) iter.Seq2[history.Figure, error] {
	return func(yield func(history.Figure, error) bool) {
		for figure, err := range figures {
			if err == nil && figure.Day < first {
				continue
			}
			if !yield(figure, err) {
				return
			}
		}
	}
}

// replaced empties what another location said of a billing period that this one has just told of, so that it does not count twice
// while another bill of this location cannot be read. Where it fails, the bill that tells of the period is read again.
func (r *session) replaced(ctx context.Context, period string) error {
	if !r.now.Moved {
		return nil
	}
	for slice := range r.stored {
		if slice.Period == period && !r.listed[slice.Part] {
			if err := r.empty(ctx, slice); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *session) empty(ctx context.Context, slice history.Slice) error {
	if err := r.store.Replace(ctx, slice, func(func(history.Figure, error) bool) {}); err != nil {
		return source.Stored(fmt.Errorf("emptying %s: %w", slice, err))
	}
	return nil
}

// leave empties what another location said of the billing periods that this one tells of.
func (r *session) leave(ctx context.Context) error {
	stored, err := r.store.Slices(ctx, r.task.Source)
	if err != nil {
		return source.Stored(err)
	}
	told := map[string]bool{}
	for _, slice := range stored {
		if _, ok := r.now.Bills[slice.Part]; ok {
			told[slice.Period] = true
		}
	}
	for _, slice := range stored {
		if _, ok := r.now.Bills[slice.Part]; ok || !told[slice.Period] {
			continue
		}
		if err := r.empty(ctx, slice); err != nil {
			return err
		}
	}
	r.now.Moved = false
	return nil
}

// outcome is what there is to say, of bills that were read before too.
func (r *session) outcome() source.Outcome {
	out := source.Outcome{Cursor: r.now.String(), Rows: r.rows}
	unknown := source.Teams{}
	out.Warnings = r.now.twice() // first, since nothing else shows that something counts twice
	for _, name := range slices.Sorted(maps.Keys(r.now.Bills)) {
		n := r.now.Bills[name]
		for _, team := range n.Unknown {
			unknown.Add(team)
		}
		out.Warnings = append(out.Warnings, n.Warnings...)
	}
	out.UnknownTeams = unknown.Sorted()
	if len(r.older) > 0 {
		out.Warnings = append(out.Warnings[:min(len(out.Warnings), maxWarnings-1)], fmt.Sprintf("%d files do not count, such as %s: "+
			"there are newer ones whose paths differ by a time or a UUID alone, which are taken for another run of the same bill", len(r.older), r.older[0].Path))
	}
	out.Warnings = out.Warnings[:min(len(out.Warnings), maxWarnings)]
	return out
}

// warnings are what a report says that somebody might have to mend.
func warnings(name string, report *Report) []string {
	var all []string
	if report.BadTags > 0 {
		first := report.FirstBadTags[0]
		all = append(all, fmt.Sprintf("bill %s: %d rows have tags that are no JSON object, and are nobody's; the first is row %d of %s", name, report.BadTags, first.Row, first.File))
	}
	if report.NoAmount > 0 {
		all = append(all, fmt.Sprintf("bill %s: %d rows lack a cost, which counts as 0", name, report.NoAmount))
	}
	if report.Long > 0 {
		all = append(all, fmt.Sprintf("bill %s: %d charges are for more than a day, and stand on their first one", name, report.Long))
	}
	return all
}

// failure says why bills cannot be read.
func failure(err error) error {
	if inner, ok := errors.AsType[*source.Failure](err); ok {
		if place, ok := errors.AsType[*Error](err); ok {
			return &source.Failure{Reason: inner.Reason, Next: inner.Next, NotBefore: inner.NotBefore, Err: fmt.Errorf("%s: %w", place.File, inner.Err)}
		}
		return inner
	}
	switch {
	case errors.Is(err, ErrIncomplete):
		return source.Fail(source.Incomplete, err, "Nothing of the bill counts until it is whole; it is read again with the next import.")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return source.Fail(source.NotReachable, err, "It is tried again.")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), strings.HasPrefix(err.Error(), "location "):
		return source.Fail(source.SourceInvalid, err, "Mount the volume into the manager's pods, or correct spec.focus.")
	case errors.Is(err, ErrLimit):
		return source.Fail(source.BillInvalid, err, "Have the export write smaller files, or name a folder below.")
	}
	return source.Fail(source.BillInvalid, err, "Nothing of the bill counts; have it issued again, or take it out of the location.")
}
