package notify

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// Refusal says what a receiver will not have.
type Refusal string

const (
	// RefusedAlert is about what was sent: others may pass.
	RefusedAlert Refusal = "Alert"
	// RefusedTarget is about the target, such as an address that is not allowed: nothing passes.
	RefusedTarget Refusal = "Target"
)

// Result is what became of alerts that were to be delivered. They are taken in order: the first ones were delivered, then some
// failed, and the rest was not tried.
type Result struct {
	Delivered, Failed int
	// Refusal says that to try again helps only after something was changed.
	Refusal Refusal
	// RetryAfter is how long to wait at least.
	RetryAfter time.Duration
}

// Record returns the items with what became of a batch. Items that are not of it stay as they are.
func Record(items []Item, batch Batch, result Result, err error, rules Rules, now time.Time) []Item {
	now = now.UTC().Truncate(time.Second)
	next := clone(items)
	place := map[string]int{}
	for i, a := range batch.Alerts {
		place[a.ID()] = i
	}
	for i := range next {
		at, ours := place[next[i].Alert.ID()]
		j := next[i].delivery(batch.Target)
		if !ours || j < 0 || next[i].Deliveries[j].Progress == Delivered {
			continue
		}
		d := &next[i].Deliveries[j]
		switch {
		case at < result.Delivered:
			d.Attempts++
			d.Progress, d.DeliveredAt, d.Revision, d.LastError, d.NextAttempt = Delivered, now, batch.Revision, "", time.Time{}
		case at < result.Delivered+result.Failed:
			d.Attempts++
			d.Revision, d.LastError = batch.Revision, short(err)
			d.Progress, d.NextAttempt = Pending, now.Add(result.wait(rules, d.Attempts, batch, at))
			if result.Refusal != "" {
				d.Progress = RefusedByTarget
			}
		case result.RetryAfter > 0 && d.Progress == Pending:
			d.Revision, d.NextAttempt = batch.Revision, now.Add(min(upToSecond(result.RetryAfter), rules.MaxRetryAfter))
		}
	}
	return tidy(next, rules, now)
}

// wait is the time until the next attempt.
func (r Result) wait(rules Rules, attempts int, batch Batch, at int) time.Duration {
	switch {
	case r.Refusal == RefusedAlert && r.Failed > 1:
		// One of them is the reason: each is tried alone.
		return 0
	case r.Refusal != "":
		return rules.Refused
	}
	asked := min(upToSecond(r.RetryAfter), rules.MaxRetryAfter)
	return max(asked, Backoff(rules, attempts, batch.Target+batch.Alerts[at].ID()))
}

// Backoff is the time between attempts: it doubles up to the cap, and is spread by a fifth to both sides, by a seed, so that the
// same state gives the same time.
func Backoff(rules Rules, attempts int, seed string) time.Duration {
	wait := rules.Base
	for i := 1; i < attempts && wait < rules.Cap; i++ {
		wait *= 2
	}
	sum := sha256.Sum256([]byte(seed + strconv.Itoa(attempts)))
	spread := binary.BigEndian.Uint16(sum[:])
	wait = min(wait, rules.Cap)
	return upToSecond(wait*4/5 + wait*2/5*time.Duration(spread)/65536)
}

func upToSecond(d time.Duration) time.Duration {
	if whole := d.Truncate(time.Second); whole < d {
		return whole + time.Second
	}
	return max(d, 0)
}

// short is an error as status keeps it.
func short(err error) string {
	if err == nil {
		return ""
	}
	const most = 200
	text := strings.ToValidUTF8(err.Error(), "")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	return text
}
