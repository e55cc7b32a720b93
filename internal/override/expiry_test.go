package override_test

import (
	"testing"
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/override"
)

func TestExpiry(t *testing.T) {
	until := func(date string) platformv1alpha1.Override { return platformv1alpha1.Override{Expires: date} }
	for name, tc := range map[string]struct {
		now               string
		override          platformv1alpha1.Override
		expiring, expired bool
		next              time.Duration
	}{
		"never":                     {"2027-02-28T23:59:59Z", until(""), false, false, 0},
		"no date":                   {"2027-02-28T23:59:59Z", until("soon"), false, false, 0},
		"in a month":                {"2027-01-30T00:00:00Z", until("2027-03-01"), false, false, 16 * 24 * time.Hour},
		"a second before 14 days":   {"2027-02-14T23:59:59Z", until("2027-03-01"), false, false, time.Second},
		"14 days before":            {"2027-02-15T00:00:00Z", until("2027-03-01"), true, false, 14 * 24 * time.Hour},
		"a second before":           {"2027-02-28T23:59:59Z", until("2027-03-01"), true, false, time.Second},
		"from the beginning of it":  {"2027-03-01T00:00:00Z", until("2027-03-01"), true, true, 0},
		"in UTC":                    {"2027-03-01T01:30:00+02:00", until("2027-03-01"), true, false, 30 * time.Minute},
		"long after":                {"2030-01-01T00:00:00Z", until("2027-03-01"), true, true, 0},
		"further than durations go": {"2027-01-01T00:00:00Z", until("9999-12-31"), false, false, 1<<63 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, tc.now)
			if err != nil {
				t.Fatal(err)
			}
			if got := override.Expiring(&tc.override, now); got != tc.expiring {
				t.Errorf("it is expiring: %v", got)
			}
			if got := override.Expired(&tc.override, now); got != tc.expired {
				t.Errorf("it has expired: %v", got)
			}
			if got := override.NextChange([]platformv1alpha1.Override{until(""), tc.override}, now); got != tc.next {
				t.Errorf("the next change is in %v, want %v", got, tc.next)
			}
		})
	}
}
