package forecast

import "time"

// Day is a day in UTC, counted from 1970-01-01. Bills come by days in UTC (Cost Explorer's and FOCUS' do), so everything
// here goes by them, periods too: a team in another zone sees its month begin and end with UTC's.
type Day int

const (
	secondsADay = 24 * 60 * 60
	week        = 7
)

// DayOf is the day in UTC that a time is in.
func DayOf(t time.Time) Day {
	seconds := t.Unix()
	day := seconds / secondsADay
	if seconds%secondsADay < 0 {
		day--
	}
	return Day(day)
}

// Time is when the day begins.
func (d Day) Time() time.Time { return time.Unix(int64(d)*secondsADay, 0).UTC() }

func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// month is the first day of the month that lies so many months after the day's.
func (d Day) month(after int) Day {
	t := d.Time()
	return DayOf(time.Date(t.Year(), t.Month()+time.Month(after), 1, 0, 0, 0, 0, time.UTC))
}

// Period is a range of days.
type Period struct {
	// From is the first day, Until the first after the last.
	From, Until Day
}

// Month is the calendar month of a day.
func Month(d Day) Period { return Period{d.month(0), d.month(1)} }

// Quarter is the calendar quarter of a day.
func Quarter(d Day) Period {
	in := (int(d.Time().Month()) - 1) % 3
	return Period{d.month(-in), d.month(3 - in)}
}

// Year is the calendar year of a day.
func Year(d Day) Period {
	in := int(d.Time().Month()) - 1
	return Period{d.month(-in), d.month(12 - in)}
}

// Holds says whether a day is in the period.
func (p Period) Holds(d Day) bool { return p.From <= d && d < p.Until }

// Days is how many there are.
func (p Period) Days() int { return max(0, int(p.Until-p.From)) }
