package window_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/window"
)

// zones have changes of an hour, of half an hour, none, and at midnight.
var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago"}

// What Span says of one moment must fit what it says of others: it is open for all of a span, and for nothing beside it.
func TestSpan_HoldsForAllOfIt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		w := window.Window{
			TimeZone: zones[random.IntN(len(zones))],
			Schedule: fmt.Sprintf("%d %d * * %d", random.IntN(60), random.IntN(24), random.IntN(7)),
			Duration: time.Duration(1+random.IntN(3*24*60)) * time.Minute,
		}
		if random.IntN(2) == 0 {
			w.Schedule = fmt.Sprintf("%d */%d * * *", random.IntN(60), 6+random.IntN(18))
			w.Duration = time.Duration(1+random.IntN(4*60)) * time.Minute
		}
		times, err := window.Read(w)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.IntN(365*24*60)) * time.Minute)
		from, until, open := times.Span(now)
		if open {
			if now.Before(from) || !now.Before(until) {
				t.Fatalf("%+v: at %s it is open from %s until %s", w, now, from, until)
			}
			for _, within := range []time.Time{from, until.Add(-time.Second)} {
				if _, _, still := times.Span(within); !still {
					t.Fatalf("%+v: it is open from %s until %s, and not at %s", w, from, until, within)
				}
			}
			if _, _, still := times.Span(until); still {
				t.Fatalf("%+v: it closes at %s, and is open then", w, until)
			}
			continue
		}
		next := times.Next(now)
		if !next.After(now) {
			t.Fatalf("%+v: next after %s is %s", w, now, next)
		}
		if _, _, opens := times.Span(next); !opens {
			t.Fatalf("%+v: it begins at %s, and is not open then", w, next)
		}
		if _, _, early := times.Span(next.Add(-time.Second)); early {
			t.Fatalf("%+v: after %s it begins at %s, and is open a second before", w, now, next)
		}
	}
}

func TestNext(t *testing.T) {
	for name, tc := range map[string]struct {
		window      window.Window
		after, want string
	}{
		"tonight":                            {window.Window{TimeZone: "Europe/Berlin", Schedule: "0 20 * * *", Duration: time.Hour}, "2026-06-01T12:00:00Z", "2026-06-01T18:00:00Z"},
		"tomorrow":                           {window.Window{TimeZone: "Europe/Berlin", Schedule: "0 20 * * *", Duration: time.Hour}, "2026-06-01T18:00:00Z", "2026-06-02T18:00:00Z"},
		"over the change":                    {window.Window{TimeZone: "Europe/Berlin", Schedule: "0 20 * * *", Duration: time.Hour}, "2026-10-24T19:00:00Z", "2026-10-25T19:00:00Z"},
		"a start that the day does not have": {window.Window{TimeZone: "Europe/Berlin", Schedule: "30 2 * * *", Duration: time.Hour}, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		"29 February":                        {window.Window{TimeZone: "UTC", Schedule: "0 0 29 2 *", Duration: time.Hour}, "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		"once":                               {window.Window{TimeZone: "Europe/Berlin", From: "2026-12-20T18:00", Until: "2027-01-04T08:00"}, "2026-06-01T12:00:00Z", "2026-12-20T17:00:00Z"},
		"once, and over":                     {window.Window{TimeZone: "Europe/Berlin", From: "2026-12-20T18:00", Until: "2027-01-04T08:00"}, "2026-12-20T17:00:00Z", ""},
		"never":                              {window.Window{TimeZone: "UTC", Schedule: "0 0 30 2 *", Duration: time.Hour}, "2026-03-01T00:00:00Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			times, err := window.Read(tc.window)
			if err != nil {
				t.Fatal(err)
			}
			after, err := time.Parse(time.RFC3339, tc.after)
			if err != nil {
				t.Fatal(err)
			}
			got := times.Next(after)
			if tc.want == "" && got.IsZero() {
				return
			}
			if got.UTC().Format(time.RFC3339) != tc.want {
				t.Errorf("got %s, want %s", got.UTC(), tc.want)
			}
		})
	}
}
