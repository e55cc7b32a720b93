package main

import (
	"math"
	"runtime"
	"sync"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/forecast"
)

// warmUp is how many days of a series only teach: what happens in them is neither asked for nor counted.
const warmUp = 120

// method is a way to forecast that is compared.
type method struct {
	name string
	ask  func(points []forecast.Point, period forecast.Period, today forecast.Day) (forecast.Outlook, error)
}

func by(m forecast.Model) method {
	return method{string(m), func(points []forecast.Point, period forecast.Period, today forecast.Day) (forecast.Outlook, error) {
		return forecast.LookAheadBy(m, points, period, today)
	}}
}

// methods are the one that ships, which is first, and the single models, of which the baseline is the first.
var methods = []method{
	{"chosen", forecast.LookAhead}, by(forecast.SeasonalNaive), by(forecast.RunRate), by(forecast.HoltWinters),
	by(forecast.DampedHoltWinters),
}

// score sums what one method was wrong by.
type score struct {
	// byDay and ofSums are of days, and of what was left of each period.
	byDay, ofSums float64
	// inside of asked intervals held the truth.
	inside, asked int
}

// found counts anomalies.
type found struct {
	right, wrong, events, missed int
}

// outcome is that of one family.
type outcome struct {
	scores         [5]score
	actual         float64
	periods        int
	anomalies      found
	forecastModels map[string]int
}

func (o *outcome) add(other *outcome) {
	for i := range o.scores {
		a, b := &o.scores[i], &other.scores[i]
		a.byDay += b.byDay
		a.ofSums += b.ofSums
		a.inside += b.inside
		a.asked += b.asked
	}
	o.actual += other.actual
	o.periods += other.periods
	o.anomalies.right += other.anomalies.right
	o.anomalies.wrong += other.anomalies.wrong
	o.anomalies.events += other.anomalies.events
	o.anomalies.missed += other.anomalies.missed
	for m, n := range other.forecastModels {
		if o.forecastModels == nil {
			o.forecastModels = map[string]int{}
		}
		o.forecastModels[m] += n
	}
}

// evaluate forecasts and judges series of each family with each seed, on all cores; the outcome does not depend on how many
// there are.
func evaluate(seeds []uint64, each int) ([]outcome, error) {
	type job struct {
		family int
		seed   uint64
		number int
	}
	var jobs []job
	for family := range families {
		for _, seed := range seeds {
			for number := range each {
				jobs = append(jobs, job{family, seed, number})
			}
		}
	}
	results, errs := make([]outcome, len(jobs)), make([]error, len(jobs))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				j := jobs[i]
				results[i], errs[i] = one(generate(families[j.family], j.family, j.seed, uint64(j.number)))
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	workers.Wait()
	out := make([]outcome, len(families))
	for i := range jobs {
		if errs[i] != nil {
			return nil, errs[i]
		}
		out[jobs[i].family].add(&results[i])
	}
	return out, nil
}

// one evaluates one series: on the 1st, 8th, 15th and 22nd of each of its last months it forecasts the rest of the month,
// from the days before. Errors are in units of the series' mean, so that a dear series counts no more than a cheap one.
func one(m made) (outcome, error) {
	var o outcome
	unit := 0.0
	for _, v := range m.x {
		unit += v / days
	}
	for t := days - 150; t < days; t++ {
		today := firstDay + forecast.Day(t)
		month := forecast.Month(today)
		left := int(month.Until - today)
		if day := int(today - month.From); day != 0 && day != 7 && day != 14 && day != 21 || t+left > days {
			continue
		}
		actual := 0.0
		for _, v := range m.x[t : t+left] {
			actual += v / unit
		}
		o.actual += actual
		o.periods++
		for i, method := range methods {
			outlook, err := method.ask(m.points[:t], month, today)
			if err != nil {
				return o, err
			}
			s, sum := &o.scores[i], 0.0
			for h, d := range outlook.Days {
				expected := d.Amount.InexactFloat64() / unit
				s.byDay += math.Abs(expected - m.x[t+h]/unit)
				sum += expected
			}
			s.ofSums += math.Abs(sum - actual)
			if outlook.HasInterval() {
				s.asked++
				truth := outlook.Spent.InexactFloat64() + actual*unit
				if truth >= outlook.Low.InexactFloat64() && truth <= outlook.High.InexactFloat64() {
					s.inside++
				}
			}
			if i == 0 {
				name := string(outlook.Model)
				if outlook.Adjusted {
					name += "+"
				}
				o.add(&outcome{forecastModels: map[string]int{name: 1}})
			}
		}
	}
	var err error
	o.anomalies, err = judge(m)
	return o, err
}

// limits are those of the report: a budget's defaults would do as well.
var limits = forecast.Limits{Amount: decimal.NewFromInt(1), Percent: 25}

// judge compares the anomalies that are found with those that were put in. Each event may be found once: a second finding
// of it is wrong.
func judge(m made) (found, error) {
	var f found
	anomalies, err := forecast.FindAnomalies(m.points, firstDay+days-1, limits)
	if err != nil {
		return f, err
	}
	told := make([]bool, len(m.events))
	for i := range anomalies.Found {
		a := &anomalies.Found[i]
		from, which := int(a.From-firstDay), -1
		for j, e := range m.events {
			if !told[j] && e.rises == a.Amount.IsPositive() && e.near(from, int(a.Until-firstDay)) {
				which = j
			}
		}
		switch {
		case which >= 0 && m.events[which].from >= warmUp:
			f.right++
		case which < 0 && from >= warmUp:
			f.wrong++
		}
		if which >= 0 {
			told[which] = true
		}
	}
	for j, e := range m.events {
		if e.from < warmUp {
			continue
		}
		f.events++
		if !told[j] {
			f.missed++
		}
	}
	return f, nil
}

// near says whether what was found from one day to another is this event: a spike on its days, a step within a fortnight of
// its first, a drift while it lasts or soon after.
func (e truth) near(from, until int) bool {
	switch e.kind {
	case forecast.Spike:
		return from >= e.from && from <= e.until
	case forecast.Step:
		return from >= e.from-1 && from <= e.from+14 || from < e.from && from >= e.from-7 && until > e.from
	}
	return until >= e.from && from <= e.until+14
}
