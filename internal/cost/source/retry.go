package source

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// longestWait is how long a server can have us wait.
const longestWait = 24 * time.Hour

// RetryAfter is when a server wants to be asked again that answers with this header, in seconds or as a date; the zero time where it does not
// say, or says a moment that has passed.
func RetryAfter(header string, now time.Time) time.Time {
	if seconds, err := strconv.ParseFloat(header, 64); err == nil {
		if seconds <= 0 || math.IsNaN(seconds) {
			return time.Time{}
		}
		return now.Add(time.Duration(min(seconds, longestWait.Seconds()) * float64(time.Second)))
	}
	at, err := http.ParseTime(header)
	if err != nil || !at.After(now) {
		return time.Time{}
	}
	if latest := now.Add(longestWait); at.After(latest) {
		return latest
	}
	return at
}
