package showback

import (
	"fmt"
	"time"

	"github.com/towpath-dev/towpath/internal/history"
)

// Month is a month in UTC.
type Month struct {
	Year  int
	Month time.Month
}

// MonthOf is the month of a moment.
func MonthOf(t time.Time) Month {
	t = t.UTC()
	return Month{t.Year(), t.Month()}
}

// ParseMonth reads a month as 2026-10.
func ParseMonth(text string) (Month, error) {
	t, err := time.Parse("2006-01", text)
	if err != nil {
		return Month{}, fmt.Errorf("month %q: it must be a year and a month, such as 2026-10", text)
	}
	return MonthOf(t), nil
}

// String is the month as 2026-10.
func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m.Year, int(m.Month)) }

// Plus is the month so many later, or earlier.
func (m Month) Plus(n int) Month {
	return MonthOf(time.Date(m.Year, m.Month+time.Month(n), 1, 0, 0, 0, 0, time.UTC))
}

// Begin is the first day.
func (m Month) Begin() history.Day { return history.Date(m.Year, m.Month, 1) }

// End is the first day after it.
func (m Month) End() history.Day { return m.Plus(1).Begin() }

// Days is how many it has.
func (m Month) Days() int { return int(m.End() - m.Begin()) }
