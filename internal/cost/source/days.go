package source

import (
	"encoding/json"
	"time"

	"github.com/towpath-dev/towpath/internal/history"
)

// Days is the cursor of a source that is asked for days: which of them need not be asked for again.
type Days struct {
	// From is the first day that was asked for, and Final the last one up to which all are final. Both are 0 before the first
	// import.
	From  history.Day `json:"from"`
	Final history.Day `json:"final"`
	// Unknown are the teams that do not exist and that charges named.
	Unknown []string `json:"unknown,omitempty"`
	// Basis tells apart what the figures were made by: another one has all days asked for anew.
	Basis string `json:"basis,omitempty"`
}

// ParseDays reads a cursor. One that cannot be read is the one before the first import: all is asked for again, and counts once.
func ParseDays(cursor string) Days {
	var d Days
	if json.Unmarshal([]byte(cursor), &d) != nil {
		return Days{}
	}
	return d
}

// String is the cursor.
func (d Days) String() string {
	text, _ := json.Marshal(d) // numbers and text alone
	return string(text)
}

// Plan says from which day on, up to and with today, a source is to be asked. The first time it is that of the backfill. Later
// it is the first day that is not final, however long ago that is, and at least reread days before today, as far as days were asked
// for. It goes back to the first day of the backfill, too, where that was not asked for yet, where figures were made by something
// else, or where a team exists now whose charges were nobody's.
func (d Days) Plan(task *Task, basis string, reread int) (from, today history.Day) {
	today = history.DayOf(task.Now)
	first := today - history.Day(min(task.Backfill, history.Keep))
	if d.From == 0 {
		return first, today
	}
	open := max(min(d.Final+1, today-history.Day(reread)), d.From, today-history.Keep)
	if first < d.From || d.Basis != basis || d.Final > today { // a day that is to come was final by a clock that was ahead
		return min(first, open), today
	}
	for _, team := range d.Unknown {
		if task.Attribution.Teams[team] {
			return min(first, open), today
		}
	}
	return open, today
}

// Read is the cursor once days were asked for: from the first of them, up to and with the last of them that is final, before
// which there is none that is not.
func (d Days) Read(task *Task, basis string, from, final history.Day, unknown Teams) Days {
	for _, team := range d.Unknown {
		if !task.Attribution.Teams[team] {
			unknown.Add(team)
		}
	}
	next := Days{From: from, Final: max(final, from-1), Unknown: unknown.Sorted(), Basis: basis}
	if d.From != 0 && d.Basis == basis && from <= d.Final+1 && d.Final <= history.DayOf(task.Now) {
		next.From, next.Final = min(d.From, from), max(d.Final, final)
	}
	return next
}

// Final is when a day is.
func Final(day history.Day, settle time.Duration) time.Time {
	return day.Time().Add(24*time.Hour + settle)
}
