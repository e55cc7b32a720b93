package forecast

import "math"

// smoothing are the parameters of Holt-Winters: of level, trend and season, and by how much the trend fades a day.
type smoothing struct {
	level, trend, season, damping float64
}

// The parameters are fitted by trying these: the surface is flat around its best, so a finer search gains little.
var undamped, damped = grid(1), grid(0.95)

func grid(damping float64) (all [24]smoothing) {
	i := 0
	for _, level := range []float64{0.03, 0.1, 0.25, 0.5} {
		for _, trend := range []float64{0.005, 0.03, 0.1} {
			for _, season := range []float64{0.05, 0.2} {
				all[i] = smoothing{level, trend, season, damping}
				i++
			}
		}
	}
	return all
}

// state is what Holt-Winters knows after a day; the season is by the day's index modulo seven.
type state struct {
	level, trend float64
	season       [week]float64
}

// warmUp is how many days the state may settle for before errors count.
const warmUp = 2 * week

// holtWinters fits by the least sum of absolute errors a day ahead, which a single spike does not rule as it rules that
// of squares, and goes on from the last state.
func holtWinters(history, out []float64, grid []smoothing) (best []smoothing) {
	begin := initial(history)
	end, least := begin, math.Inf(1)
	for i, p := range grid {
		if last, sum := p.run(history, begin, least); sum < least {
			best, end, least = grid[i:i+1:i+1], last, sum
		}
	}
	level, trend := end.level, end.trend
	for h := range out {
		trend *= grid[0].damping
		level += trend
		out[h] = level + end.season[(len(history)+h)%week]
	}
	return best
}

// run goes through a history, and gives up where the sum of errors is no better than another's.
func (p smoothing) run(history []float64, s state, enough float64) (last state, sum float64) {
	day := 0
	for i, y := range history {
		trend := p.damping * s.trend
		before := s.level + trend
		if math.IsNaN(y) {
			s.level, s.trend = before, trend
		} else {
			err := y - before - s.season[day]
			if i >= warmUp {
				if sum += math.Abs(err); sum >= enough {
					return s, sum
				}
			}
			s.level = before + p.level*err
			s.trend = trend + p.level*p.trend*err
			s.season[day] += p.season * (1 - p.level) * err
		}
		if day++; day == week {
			day = 0
		}
	}
	return s, sum
}

// initial is a state before the first day, of the first four weeks.
func initial(history []float64) (s state) {
	begin := history[:min(len(history), 4*week)]
	n := len(begin)
	profile := weekdays(begin)
	for i := range profile {
		s.season[((n-1-i)%week+week)%week] = profile[i]
	}
	s.level = mean(begin)
	if n == 4*week {
		if a, b := mean(begin[:2*week]), mean(begin[2*week:]); !math.IsNaN(a) && !math.IsNaN(b) {
			s.trend = (b - a) / (2 * week)
			s.level = (a+b)/2 - s.trend*float64(n+1)/2
		}
	}
	if math.IsNaN(s.level) {
		s.level = mean(history)
	}
	return s
}
