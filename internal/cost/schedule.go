package cost

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
	_ "time/tzdata" // the zones are the same wherever this runs

	"github.com/robfig/cron/v3"
	"github.com/shopspring/decimal"
)

// anyDay is the bit by which the cron library marks a field that says nothing of days.
const anyDay = 1 << 63

// runsPerHour is how often an hour a CronJob starts, on average of a year, while the environment is awake.
func runsPerHour(schedule, zone string, awake *Awake) (decimal.Decimal, error) {
	if strings.Contains(schedule, "=") {
		return decimal.Zero, fmt.Errorf("spec.schedule: %q must not name a zone: spec.timeZone does", schedule)
	}
	parsed, err := cron.ParseStandard(schedule)
	if err != nil {
		return decimal.Zero, fmt.Errorf("spec.schedule: %q is no cron schedule: %w", schedule, err)
	}
	location := time.UTC
	if zone != "" {
		if location, err = time.LoadLocation(zone); err != nil {
			return decimal.Zero, fmt.Errorf("spec.timeZone: %q is not known: it must be a name of the IANA database, such as Europe/Berlin", zone)
		}
	}
	switch s := parsed.(type) {
	case *cron.SpecSchedule:
		minutes := int32(yearUntil.Sub(yearFrom) / time.Minute) //nolint:gosec // a year has half a million
		if awake.sleeps {
			minutes = awake.end
		}
		return decimal.NewFromInt(60*starts(s, location, awake, minutes)).DivRound(decimal.NewFromInt(int64(minutes)), places), nil
	case cron.ConstantDelaySchedule:
		return decimal.NewFromInt(3600).DivRound(decimal.NewFromInt(int64(s.Delay/time.Second)), places).Mul(awake.Share()), nil
	default:
		return decimal.Zero, fmt.Errorf("spec.schedule: %q is of no kind that is known", schedule)
	}
}

// starts counts the starts within so many minutes of the year. Bits are counted instead of times looked for: a schedule may
// come each minute. What changes of clocks do on two days a year is not.
func starts(s *cron.SpecSchedule, zone *time.Location, awake *Awake, minutes int32) int64 {
	perHour, hours := int64(bits.OnesCount64(s.Minute&^uint64(anyDay))), s.Hour&^uint64(anyDay)
	perDay := perHour * int64(bits.OnesCount64(hours))
	var total int64
	first := yearFrom.In(zone)
	next := 0 // the first stretch of sleep that may matter
	for day := -1; ; day++ {
		midnight := time.Date(first.Year(), first.Month(), first.Day()+day, 0, 0, 0, 0, zone)
		from := int32(midnight.Sub(yearFrom) / time.Minute) //nolint:gosec // a year has half a million
		if from >= minutes {
			return total
		}
		if s.Month&(1<<uint(midnight.Month())) == 0 || !onDay(s, midnight) { //nolint:gosec // a month is positive
			continue
		}
		for next < len(awake.asleep) && awake.asleep[next].until <= from {
			next++
		}
		within := from >= 0 && from+24*60 <= minutes
		if within && (next == len(awake.asleep) || awake.asleep[next].from >= from+24*60) {
			total += perDay
			continue
		}
		total += startsOf(s, hours, awake.asleep[next:], from, minutes)
	}
}

// startsOf counts those of one day, of which a part is slept or lies outside.
func startsOf(s *cron.SpecSchedule, hours uint64, asleep []stretch, from, end int32) int64 {
	var total int64
	for hour := range int32(24) {
		if hours&(1<<hour) == 0 {
			continue
		}
		for minute := range int32(60) {
			at := from + hour*60 + minute
			for len(asleep) > 0 && asleep[0].until <= at {
				asleep = asleep[1:]
			}
			slept := len(asleep) > 0 && asleep[0].from <= at
			if s.Minute&(1<<minute) != 0 && at >= 0 && at < end && !slept {
				total++
			}
		}
	}
	return total
}

// onDay says whether a schedule comes on a day: where it names days of the month and of the week, on either.
func onDay(s *cron.SpecSchedule, day time.Time) bool {
	ofMonth, ofWeek := s.Dom&(1<<uint(day.Day())) != 0, s.Dow&(1<<uint(day.Weekday())) != 0 //nolint:gosec // both are positive
	if s.Dom&anyDay != 0 || s.Dow&anyDay != 0 {
		return ofMonth && ofWeek
	}
	return ofMonth || ofWeek
}
