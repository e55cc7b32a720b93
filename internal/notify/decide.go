package notify

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// Rules are the settings of all decisions here.
type Rules struct {
	// Cooldown is how long a figure that fell and rises again waits until it may alert again.
	Cooldown time.Duration
	// Retention is for how long after its end a period is remembered. Bills are corrected late; what comes later yet is ignored.
	Retention time.Duration
	// Window is how long an alert waits for others of its team, to be one message with them.
	Window time.Duration
	// Base and Cap bound the time between two attempts, which doubles with each.
	Base, Cap time.Duration
	// MaxRetryAfter bounds what a receiver may ask for.
	MaxRetryAfter time.Duration
	// Refused is how long an alert waits that the receiver will not have, unless its target is changed before.
	Refused time.Duration
	// MaxWaiting is how many alerts may wait for a target. Of more, the oldest are told as a number.
	MaxWaiting int
	// Keep is how many delivered ones are kept to be shown.
	Keep int
}

// Defaults returns the rules that are used where nothing else is said.
func Defaults() Rules {
	return Rules{
		Cooldown: 24 * time.Hour, Retention: 45 * 24 * time.Hour, Window: 30 * time.Second,
		Base: 30 * time.Second, Cap: time.Hour, MaxRetryAfter: 24 * time.Hour, Refused: 6 * time.Hour,
		MaxWaiting: 50, Keep: 10,
	}
}

// Level is where a figure stands beside its threshold.
type Level string

const (
	// Over is at the threshold or above.
	Over Level = "Over"
	// Near is below it, yet so close that an alert is neither made nor taken back: a figure that trembles makes no noise.
	Near Level = "Near"
	// Under is below that.
	Under Level = "Under"
)

var decimal = lazyregexp.New(`^-?[0-9]{1,30}(\.[0-9]{1,18})?$`)

// LevelOf compares two amounts, exactly. The margin is in percent of the threshold.
func LevelOf(amount, threshold string, margin int64) (Level, error) {
	var figures [2]*big.Rat
	for i, text := range []string{amount, threshold} {
		if !decimal().MatchString(text) {
			return "", fmt.Errorf("%.40q must be an amount such as 812.40", text)
		}
		figures[i], _ = new(big.Rat).SetString(text)
	}
	if figures[1].Sign() < 0 || margin < 0 || margin > 100 {
		return "", fmt.Errorf("the threshold %s must not be negative, and the margin of %d must be from 0 to 100 percent", threshold, margin)
	}
	low := new(big.Rat).Mul(figures[1], big.NewRat(100-margin, 100))
	switch {
	case figures[0].Cmp(figures[1]) >= 0:
		return Over, nil
	case figures[0].Cmp(low) >= 0:
		return Near, nil
	}
	return Under, nil
}

// Observation is what is known now of one threshold. One of which nothing is known is not listed, and changes nothing.
type Observation struct {
	Level Level
	// Alert is what to say: where the level is Over, of the alert; else of its end. Status, Sequence and StartsAt are set here.
	// EndsAt must be the end of the period.
	Alert Alert
}

// Fired remembers an alert, so that it does not come again.
type Fired struct {
	Key      `json:",inline"`
	Sequence int `json:"sequence"`
	// At is when it last fired.
	At time.Time `json:"at"`
	// Until is the end of the period.
	Until time.Time `json:"until,omitzero"`
	// Over says that it was not taken back.
	Over bool `json:"over"`
	// Severity and Labels are those that it was sent with: by these a receiver knows which alert ends.
	Severity Severity          `json:"severity"`
	Labels   map[string]string `json:"labels,omitempty"`
}

// Decide returns what is remembered next, and which alerts to send. One of Anomaly comes once for each key. One of Actual or Forecast comes
// again where its end was told in between, since who got that takes it for over, and the last one is a Cooldown ago: what is spent
// falls where a bill is corrected, or a limit raised for a while.
func Decide(fired []Fired, observations []Observation, rules Rules, now time.Time) ([]Fired, []Alert) {
	now = now.UTC().Truncate(time.Second)
	next := slices.Clone(fired)
	var alerts []Alert
	for _, o := range observations {
		if forgotten(o.Alert.EndsAt, rules, now) {
			continue
		}
		i := slices.IndexFunc(next, func(f Fired) bool { return f.Key == o.Alert.Key })
		if i < 0 {
			if o.Level == Over {
				f := Fired{Key: o.Alert.Key}
				alerts = append(alerts, f.fire(o.Alert, now))
				next = append(next, f)
			}
			continue
		}
		f := &next[i]
		f.Until = o.Alert.EndsAt
		switch {
		case o.Level == Over && !f.Over && f.Basis != Anomaly && !now.Before(f.At.Add(rules.Cooldown)):
			alerts = append(alerts, f.fire(o.Alert, now))
		case o.Level == Under && f.Over:
			alerts = append(alerts, f.resolve(o.Alert, now))
		}
	}
	return slices.DeleteFunc(next, func(f Fired) bool { return forgotten(f.Until, rules, now) }), alerts
}

// forgotten says that a period is so long over that nothing of it counts any more.
func forgotten(end time.Time, rules Rules, now time.Time) bool {
	return !end.IsZero() && !now.Before(end.Add(rules.Retention))
}

func (f *Fired) fire(a Alert, now time.Time) Alert {
	f.Sequence, f.At, f.Until, f.Over, f.Severity, f.Labels = f.Sequence+1, now, a.EndsAt, true, a.Severity, maps.Clone(a.Labels)
	a.Status, a.Sequence, a.StartsAt, a.Labels = Firing, f.Sequence, now, maps.Clone(a.Labels)
	return a
}

func (f *Fired) resolve(a Alert, now time.Time) Alert {
	f.Over = false
	a.Status, a.Sequence, a.StartsAt, a.EndsAt = Resolved, f.Sequence, f.At, now
	a.Severity, a.Labels = f.Severity, maps.Clone(f.Labels)
	return a
}
