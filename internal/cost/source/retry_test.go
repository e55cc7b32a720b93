package source_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/cost/source"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "99999999999999999999": 24 * time.Hour, now.Add(time.Hour).Format(http.TimeFormat): time.Hour,
		now.Add(90 * 24 * time.Hour).Format(http.TimeFormat): 24 * time.Hour,
		"": 0, "0": 0, "-5": 0, "NaN": 0, "soon": 0, now.Add(-time.Hour).Format(http.TimeFormat): 0,
	} {
		at := source.RetryAfter(header, now)
		if want == 0 && !at.IsZero() || want > 0 && !at.Equal(now.Add(want)) {
			t.Errorf("%q: %s, want in %s", header, at, want)
		}
	}
}
