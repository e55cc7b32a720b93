// Package lifetime says when an environment ends, and when to warn of it. It is pure: the time comes in.
//
// The end is that long after the creation. It may be put off at any time; but where it comes nearer, since the class or
// the Environment changed, or was not seen for long, it comes no sooner than a notice from then. So nothing is ever
// deleted unannounced, and a class that is lowered, or a slip in a spec, takes away what is old already only after a
// warning that fits its age.
package lifetime

import (
	"time"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

const (
	// noticePart is which part of a lifetime the warning takes.
	noticePart = 4
	// maxNotice is the longest warning.
	maxNotice = 24 * time.Hour
)

// Input is what the end of an environment depends on.
type Input struct {
	// CreatedAt is when the Environment was made.
	CreatedAt time.Time
	// Seconds is the lifetime that the Environment asks for; 0 for none.
	Seconds int32
	// Class is what the class says; nil for nothing.
	Class *platformv1alpha1.Lifetime
	// ClassUnknown says that the class cannot be read: then the end stays as it was announced.
	ClassUnknown bool
	// Announced is the end that the status holds; zero for none.
	Announced time.Time
	Now       time.Time
}

// Verdict is what follows.
type Verdict struct {
	// End is when the environment ends; zero for never.
	End time.Time
	// Above says that the Environment asks for more than Max, the most that the class allows.
	Above bool
	Max   time.Duration
	// Expiring says that the end is near, Expired that it is over.
	Expiring, Expired bool
	// Again is after which time to look again; zero where nothing comes by itself.
	Again time.Duration
}

// Judge says when an environment ends, and how near that is.
func Judge(in Input) Verdict {
	var v Verdict
	if in.ClassUnknown {
		v.End = in.Announced
	} else {
		var length time.Duration
		length, v.Above, v.Max = lengthOf(in.Seconds, in.Class)
		v.End = endOf(in, length)
	}
	if v.End.IsZero() {
		return v
	}
	warn := v.End.Add(-Notice(v.End.Sub(in.CreatedAt)))
	switch {
	case !in.Now.Before(v.End):
		v.Expiring, v.Expired = true, true
	case !in.Now.Before(warn):
		v.Expiring, v.Again = true, v.End.Sub(in.Now)
	default:
		v.Again = warn.Sub(in.Now)
	}
	return v
}

// lengthOf is the lifetime that holds; zero for no end.
func lengthOf(seconds int32, class *platformv1alpha1.Lifetime) (length time.Duration, above bool, most time.Duration) {
	if class == nil {
		return inSeconds(seconds), false, 0
	}
	most = inSeconds(class.MaxSeconds)
	length = inSeconds(seconds)
	if length == 0 {
		length = inSeconds(class.DefaultSeconds)
	}
	if most > 0 && (length == 0 || length > most) {
		return most, inSeconds(seconds) > most, most
	}
	return length, false, most
}

// endOf is when a lifetime ends, given what was announced.
func endOf(in Input, length time.Duration) time.Time {
	if length == 0 {
		return time.Time{}
	}
	end := in.CreatedAt.Add(length)
	if !in.Announced.IsZero() && !end.Before(in.Announced) {
		return end // as announced, or put off
	}
	// What is old already has as long a notice as if it had been meant to live for that long.
	soonest := wholeSecond(in.Now.Add(Notice(max(length, in.Now.Sub(in.CreatedAt)))))
	if !in.Announced.IsZero() && in.Announced.Before(soonest) {
		soonest = in.Announced
	}
	if end.Before(soonest) {
		return soonest
	}
	return end
}

// Notice is how long before its end an environment of that lifetime says so: a quarter of it, at most a day.
func Notice(length time.Duration) time.Duration { return min(length/noticePart, maxNotice) }

// wholeSecond rounds up to what a status can hold.
func wholeSecond(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); !whole.Equal(t) {
		return whole.Add(time.Second)
	}
	return t
}

func inSeconds(n int32) time.Duration { return time.Duration(n) * time.Second }
