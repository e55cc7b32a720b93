package override

import (
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

// WarnFor is how long before its expiry an override is warned of.
const WarnFor = 14 * 24 * time.Hour

// expiry is when an override counts as expired; false where it never does. What is no date never expires: the
// API server refuses it.
func expiry(o *platformv1alpha1.Override) (time.Time, bool) {
	at, err := time.Parse(time.DateOnly, o.Expires)
	return at, err == nil
}

// Expired says whether an override has expired.
func Expired(o *platformv1alpha1.Override, now time.Time) bool {
	at, ok := expiry(o)
	return ok && !now.Before(at)
}

// Expiring says whether an override has expired, or will soon.
func Expiring(o *platformv1alpha1.Override, now time.Time) bool {
	at, ok := expiry(o)
	return ok && !now.Before(at.Add(-WarnFor))
}

// NextChange is how long it is until Expired or Expiring gives another answer for one of the overrides; zero where
// neither ever will.
func NextChange(overrides []platformv1alpha1.Override, now time.Time) time.Duration {
	var next time.Duration
	for i := range overrides {
		at, ok := expiry(&overrides[i])
		if !ok {
			continue
		}
		for _, change := range []time.Time{at.Add(-WarnFor), at} {
			if wait := change.Sub(now); wait > 0 && (next == 0 || wait < next) {
				next = wait
			}
		}
	}
	return next
}
