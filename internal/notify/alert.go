// Package notify decides which alerts there are, when they are sent to whom, and what becomes of them: values in, values out.
// What a controller keeps between two passes is a State; package send carries alerts to their targets.
//
//	state = state.Advance(observations, targets, rules, now)   // and written to status, before anything is sent
//	for batches, next := Plan(state.Outbox, destinations, rules, now); …
//	    result, err := sender.Deliver(ctx, target, batch.Alerts)
//	    state.Outbox = Record(state.Outbox, batch, result, err, rules, now)   // and written to status
//
// As the state is written before the first attempt and after each, an alert that nobody got is still there after a restart. One
// that was received where the answer was lost is sent again, with the same ID, by which a receiver can tell.
package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Basis is what an alert compares with its threshold.
type Basis string

const (
	// Actual is what was spent. Its alert comes once in a period, unless its end was told.
	Actual Basis = "Actual"
	// Forecast is what will have been spent at the period's end. Its alert may come again after the forecast fell.
	Forecast Basis = "Forecast"
	// Anomaly is a day that is unlike others. The threshold is the series, and the period the day.
	Anomaly Basis = "Anomaly"
	// Omitted tells how many alerts were left out, because too many waited for a target. The threshold is the target.
	Omitted Basis = "Omitted"
)

// Severity says how much an alert matters.
type Severity string

const (
	// Info is good to know.
	Info Severity = "Info"
	// Warning needs a look.
	Warning Severity = "Warning"
	// Critical needs somebody now.
	Critical Severity = "Critical"
)

// Status says whether what an alert is about begins or ends.
type Status string

const (
	// Firing is an alert.
	Firing Status = "Firing"
	// Resolved takes one back.
	Resolved Status = "Resolved"
)

// Key is what an alert is about: one comes once for each.
type Key struct {
	// UID is that of the Budget, or of what else it is about.
	UID string `json:"uid"`
	// Period is that of the budget, such as 2026-11.
	Period string `json:"period"`
	// Threshold as it is shown, such as "80%" or "500.00 USD". Where a limit that was raised should alert again, the limit
	// stands in it.
	Threshold string `json:"threshold"`
	// Basis is what is compared.
	Basis Basis `json:"basis"`
}

// Alert is what is sent. Amounts are decimal strings. Time is in whole seconds, as status keeps it.
type Alert struct {
	Key `json:",inline"`
	// Sequence counts the times that this key fired.
	Sequence int      `json:"sequence"`
	Status   Status   `json:"status"`
	Severity Severity `json:"severity"`
	Team     string   `json:"team"`
	// Namespace and Name are those of the Budget.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Title     string `json:"title"`
	Text      string `json:"text,omitempty"`
	Spent     string `json:"spent,omitempty"`
	Forecast  string `json:"forecast,omitempty"`
	Limit     string `json:"limit,omitempty"`
	Currency  string `json:"currency,omitempty"`
	// Labels are further ones by which a receiver may route, such as environment, component or cause.
	Labels map[string]string `json:"labels,omitempty"`
	// Link leads to details.
	Link string `json:"link,omitempty"`
	// StartsAt is when it fired first, EndsAt when it ends by itself (the end of the period) or ended.
	StartsAt time.Time `json:"startsAt"`
	EndsAt   time.Time `json:"endsAt,omitzero"`
}

// ID is the same for the same alert however often it is sent, and another for each other one. Parts are written with their
// length, so that no two keys run together.
func (a Alert) ID() string {
	var text strings.Builder
	for _, part := range []string{a.UID, a.Period, a.Threshold, string(a.Basis), strconv.Itoa(a.Sequence), string(a.Status)} {
		text.WriteString(strconv.Itoa(len(part)) + ":" + part)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return "alert_" + hex.EncodeToString(sum[:16])
}
