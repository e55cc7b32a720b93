package fairness

import (
	"math"
	"time"
)

const (
	// halfLife is after how long half of what a party asked for is forgotten.
	halfLife = time.Second
	// allowance is how many requests of late never make a party yield: about what ten Components take.
	allowance = 100
	// remembered is for how long others leave room for a party after it asked for something. Between the steps of one Component, such as
	// its Release and the objects of that, nothing of its party is under way for some milliseconds.
	remembered = 250 * time.Millisecond
	// patience is how long a party yields at most before it is served something: nobody stands still, however many others there are.
	patience = 100 * time.Millisecond
	// forgotten is after how long without a request nothing is known of a party any more.
	forgotten = 10 * halfLife
)

// loads know how much parties have asked for of late. The zero value is ready. It is not safe for concurrent use.
type loads struct {
	byParty map[string]*load
	// swept is when those were dropped last that asked for nothing any more.
	swept time.Time
}

// load is how many requests a party made of late, each worth half after halfLife.
type load struct {
	amount float64
	// at is when it asked last, and served when it was given something last, or came.
	at, served time.Time
}

func (l *load) now(now time.Time) float64 {
	return l.amount * math.Exp2(-float64(now.Sub(l.at))/float64(halfLife))
}

// asked counts a request.
func (l *loads) asked(party string, now time.Time) {
	if now.Sub(l.swept) > forgotten {
		for name, of := range l.byParty {
			if now.Sub(of.at) > forgotten {
				delete(l.byParty, name)
			}
		}
		l.swept = now
	}
	of, ok := l.byParty[party]
	if !ok {
		if l.byParty == nil {
			l.byParty = map[string]*load{}
		}
		of = &load{at: now, served: now}
		l.byParty[party] = of
	}
	of.amount, of.at = of.now(now)+1, now
}

// served says that a party was given what it asked for.
func (l *loads) served(party string, now time.Time) {
	if of, ok := l.byParty[party]; ok {
		of.served = now
	}
}

func (l *loads) servedAt(party string) time.Time {
	if of, ok := l.byParty[party]; ok {
		return of.served
	}
	return time.Time{}
}

// lightest returns the least load of those that have something under way or wait for it, which busy holds, and of these and those
// that asked for something a moment ago.
func lightest[T any](l *loads, now time.Time, busy map[string]*party[T]) (active, seen float64) {
	active, seen = math.Inf(1), math.Inf(1)
	for name, of := range l.byParty {
		_, is := busy[name]
		if !is && now.Sub(of.at) >= remembered {
			continue
		}
		amount := of.now(now)
		seen = min(seen, amount)
		if is {
			active = min(active, amount)
		}
	}
	return active, seen
}

// yields says whether a party makes way for one with a load: it asks for more than twice as much, and for more than a little.
func (l *loads) yields(party string, to float64, now time.Time) bool {
	of, ok := l.byParty[party]
	return ok && of.now(now) > max(2*to, allowance)
}
