package main

import (
	"math"
	"math/rand/v2"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/forecast"
)

const (
	days = 400
	// firstDay is 2025-01-01.
	firstDay = forecast.Day(20089)
)

// truth is one event that was put into a series.
type truth struct {
	kind        forecast.Kind
	from, until int
	rises       bool
}

// made is a series whose truth is known.
type made struct {
	points []forecast.Point
	x      []float64
	events []truth
}

// recipe is what a family of series is made of.
type recipe struct {
	name                       string
	weekdays, monthEnds, trend bool
	steps, spikes, drifts      int
	quietest, noisiest         float64
	heavyTails                 bool
}

// The families. Steps and spikes are of 30 % or more, up or down.
var families = []recipe{
	{name: "flat", quietest: 0.02, noisiest: 0.08},
	{name: "weekdays", weekdays: true, quietest: 0.02, noisiest: 0.08},
	{name: "month ends", weekdays: true, monthEnds: true, quietest: 0.02, noisiest: 0.08},
	{name: "trends", weekdays: true, trend: true, quietest: 0.02, noisiest: 0.08},
	{name: "steps", weekdays: true, steps: 3, quietest: 0.02, noisiest: 0.08},
	{name: "spikes", weekdays: true, spikes: 8, quietest: 0.02, noisiest: 0.08},
	{name: "drifts", weekdays: true, drifts: 2, quietest: 0.02, noisiest: 0.08},
	{name: "noisy", weekdays: true, quietest: 0.10, noisiest: 0.20},
	{name: "all at once", weekdays: true, monthEnds: true, trend: true, steps: 2, spikes: 5, quietest: 0.02, noisiest: 0.08},
	{name: "heavy tails", weekdays: true, quietest: 0.02, noisiest: 0.08, heavyTails: true},
}

// generate makes a series of a family. What it draws depends on the seed, the family and the number alone.
func generate(r recipe, family int, seed, number uint64) made {
	random := rand.New(rand.NewPCG(seed, uint64(family)<<32|number))
	uniform := func(from, until float64) float64 { return from + (until-from)*random.Float64() }
	level := math.Exp(uniform(math.Log(20), math.Log(5000)))
	noise := uniform(r.quietest, r.noisiest)
	m := made{x: make([]float64, days)}

	week := [7]float64{1, 1, 1, 1, 1, 1, 1}
	if r.weekdays {
		weekend := uniform(0.4, 0.85)
		for i := range week {
			week[i] = uniform(0.95, 1.05)
			if i >= 5 {
				week[i] *= weekend
			}
		}
	}
	slope := 0.0
	if r.trend {
		slope = uniform(0.0005, 0.004) * sign(random)
		if slope < 0 {
			slope /= 2 // so that it does not end below nothing
		}
	}
	var ends [6]float64 // the last three days of a month and the first three
	if r.monthEnds {
		switch random.IntN(3) {
		case 0:
			ends[0] = uniform(0.4, 1.5)
		case 1:
			for i := range 3 {
				ends[i] = uniform(0.3, 1)
			}
		case 2:
			ends[3], ends[4] = uniform(0.4, 1.5), uniform(0.2, 0.8)
		}
	}
	factor := m.happen(r, random)
	for t := range m.x {
		day := (firstDay + forecast.Day(t)).Time()
		shape := week[(int(day.Weekday())+6)%7] + ends1(ends, day.Day(), day.AddDate(0, 1, -day.Day()).Day())
		e := random.NormFloat64()
		if r.heavyTails {
			// Student's t with 5 degrees of freedom, of variance 1.
			chi := 0.0
			for range 5 {
				n := random.NormFloat64()
				chi += n * n
			}
			e *= math.Sqrt(5/chi) / math.Sqrt(5.0/3)
		}
		m.x[t] = max(0, level*(1+slope*float64(t))*shape*factor[t]*(1+noise*e))
		m.points = append(m.points, forecast.Point{Day: firstDay + forecast.Day(t), Usage: decimal.NewFromFloat(m.x[t]).Round(4)})
	}
	return m
}

func sign(random *rand.Rand) float64 {
	if random.IntN(2) == 0 {
		return -1
	}
	return 1
}

// ends1 is the effect of the month's end on a day of it.
func ends1(ends [6]float64, day, last int) float64 {
	switch {
	case last-day < 3:
		return ends[last-day]
	case day <= 3:
		return ends[2+day]
	}
	return 0
}

// happen draws events, and returns by which factor each day is other than usual.
func (m *made) happen(r recipe, random *rand.Rand) []float64 {
	factor := make([]float64, days)
	for t := range factor {
		factor[t] = 1
	}
	// size draws how much something changes: three tenths at least.
	size := func(most float64) float64 { return 0.3 + (most-0.3)*random.Float64() }
	taken := make([]bool, days)
	// place draws where something begins that needs so many days for itself.
	place := func(length int) int {
		for range 1000 {
			at := 35 + random.IntN(days-35-length-3)
			free := true
			for t := max(0, at-14); t < min(days, at+length+14); t++ {
				free = free && !taken[t]
			}
			if free {
				for t := at; t < at+length; t++ {
					taken[t] = true
				}
				return at
			}
		}
		return -1
	}
	for range r.steps {
		at, by := place(21), size(1)
		if at < 0 {
			continue
		}
		rises := random.IntN(2) == 0
		if !rises {
			by = -size(0.6)
		}
		for t := at; t < days; t++ {
			factor[t] *= 1 + by
		}
		m.events = append(m.events, truth{forecast.Step, at, at, rises})
	}
	for range r.spikes {
		length := 1 + random.IntN(2)
		at, by := place(length), size(2)
		if at < 0 {
			continue
		}
		rises := random.IntN(5) > 0
		if !rises {
			by = -size(0.9)
		}
		for t := at; t < at+length; t++ {
			factor[t] *= 1 + by
		}
		m.events = append(m.events, truth{forecast.Spike, at, at + length - 1, rises})
	}
	for range r.drifts {
		length := 30 + random.IntN(31)
		at, by := place(length+30), size(0.8)
		if at < 0 {
			continue
		}
		rises := random.IntN(2) == 0
		if !rises {
			by /= -2
		}
		for t := at; t < days; t++ {
			factor[t] *= 1 + by*min(1, float64(t-at+1)/float64(length))
		}
		m.events = append(m.events, truth{forecast.Drift, at, at + length - 1, rises})
	}
	return factor
}
