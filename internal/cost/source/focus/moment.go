package focus

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// layouts are those of ISO 8601 that exports write, beside the one of FOCUS.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02T15:04",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999Z0700",
	"2006-01-02 15:04:05.999999999Z07",
	"2006-01-02 15:04:05.999999999 Z0700",
	"2006-01-02 15:04:05.999999999 -0700 MST",
	"2006-01-02 15:04:05.999999999 UTC",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04",
	time.DateOnly,
	"2006/01/02",
	"20060102",
	"20060102T150405Z",
}

// A bill is of these years. What is outside of them was misread.
const (
	firstYear = 2000
	lastYear  = 2199
)

var errMoment = errors.New("it must be a date and time in UTC as 2026-11-01T00:00:00Z")

func (r *reader) moment(c *cell) (time.Time, error) {
	switch c.kind {
	case null:
		return time.Time{}, fmt.Errorf("it is absent: %w", errMoment)
	case moment:
		return inRange(c.moment)
	}
	if t, ok := r.moments[string(c.text)]; ok {
		return t, nil
	}
	t, err := parseMoment(c.text)
	if err != nil {
		return t, fmt.Errorf("%s is no time: %w", quoted(c.text), err)
	}
	if len(c.text) <= maxCachedLen {
		if len(r.moments) >= maxCached {
			clear(r.moments)
		}
		r.moments[string(c.text)] = t
	}
	return t, nil
}

func inRange(t time.Time) (time.Time, error) {
	if t.Year() < firstYear || t.Year() > lastYear {
		return t, fmt.Errorf("the year %d is not one of a bill: %w", t.Year(), errMoment)
	}
	return t.UTC(), nil
}

// parseMoment reads a time. One without a zone is in UTC, as FOCUS has it. 1/11/2026 is refused: it is two days.
func parseMoment(b []byte) (time.Time, error) {
	const longest = 64
	if b = bytes.TrimSpace(b); len(b) > longest {
		return time.Time{}, errMoment
	}
	s := string(b)
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return inRange(t)
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		// Exports through Parquet or JSON have a number since 1970: of seconds, or a thousandth of each that is finer.
		switch len(s) {
		case 10:
			return inRange(time.Unix(n, 0))
		case 13:
			return inRange(time.UnixMilli(n))
		case 16:
			return inRange(time.UnixMicro(n))
		case 19:
			return inRange(time.Unix(0, n))
		}
	}
	if bytes.ContainsAny(b, "/.") {
		return time.Time{}, fmt.Errorf("its month and day may be either way round; %w", errMoment)
	}
	return time.Time{}, errMoment
}
