package history_test

import (
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/history"
)

func TestDayOf(t *testing.T) {
	for want, at := range map[string]time.Time{
		"2026-11-01": time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC),
		"2026-10-31": time.Date(2026, time.November, 1, 0, 30, 0, 0, time.FixedZone("", 3600)),
		"1970-01-01": time.Unix(86399, 0),
		"1969-12-31": time.Unix(-1, 0),
		"1969-12-30": time.Unix(-86401, 0),
	} {
		if got := history.DayOf(at).String(); got != want {
			t.Errorf("%s is %s, want %s", at, got, want)
		}
	}
	if got := history.Date(1970, time.January, 2); got != 1 {
		t.Errorf("it is %d", got)
	}
}

func TestShare_OfNothingIsNone(t *testing.T) {
	if _, ok := (history.Coverage{}).Share(); ok {
		t.Error("there is a share of nothing")
	}
}
