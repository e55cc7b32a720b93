package forecast

import (
	"math"
)

// Model is a way to forecast days.
type Model string

// The models.
const (
	// RunRate goes on at the level of the last seven days, by the weekdays' differences from it over eight.
	RunRate Model = "RunRate"
	// SeasonalNaive repeats the last week.
	SeasonalNaive Model = "SeasonalNaive"
	// HoltWinters is additive, with a trend and weekdays.
	HoltWinters Model = "HoltWinters"
	// DampedHoltWinters is the same with a trend that fades out.
	DampedHoltWinters Model = "DampedHoltWinters"
	// Mean is that of all days known: for histories that are too short for any other.
	Mean Model = "Mean"
)

const (
	// looksBack is how many days models see.
	looksBack = 12 * week
	// levelDays are those of the run-rate's level, profileDays those of its weekdays.
	levelDays, profileDays = week, 8 * week
)

// predict fills out with what the model expects of the days after a history, in which days may be missing but not all of
// them. Where it has parameters, it takes the best of some, or of all there are where those are none, and returns it.
func (m Model) predict(history, out []float64, some []smoothing) []smoothing {
	history = history[max(0, len(history)-looksBack):]
	switch m {
	case SeasonalNaive:
		seasonalNaive(history, out)
	case HoltWinters:
		return holtWinters(history, out, either(some, undamped[:]))
	case DampedHoltWinters:
		return holtWinters(history, out, either(some, damped[:]))
	case Mean:
		level := mean(history)
		for h := range out {
			out[h] = level
		}
	case RunRate:
		runRate(history, out)
	}
	return nil
}

func either(some, all []smoothing) []smoothing {
	if len(some) > 0 {
		return some
	}
	return all
}

// seasonalNaive expects what the last day of the same weekday cost, or all days where none is known.
func seasonalNaive(history, out []float64) {
	n := len(history)
	for h := range min(week, len(out)) {
		out[h] = math.NaN()
		for i := n + h - week; i >= 0; i -= week {
			if !math.IsNaN(history[i]) {
				out[h] = history[i]
				break
			}
		}
		if math.IsNaN(out[h]) {
			out[h] = mean(history)
		}
	}
	for h := week; h < len(out); h++ {
		out[h] = out[h-week]
	}
}

// runRate expects the level of the last days, and each weekday's difference from it.
func runRate(history, out []float64) {
	profile := weekdays(history[max(0, len(history)-profileDays):])
	n := len(history)
	sum, count := 0.0, 0
	for i := n - 1; i >= 0 && count < levelDays; i-- {
		if !math.IsNaN(history[i]) {
			sum += history[i] - profile[(n-1-i)%week]
			count++
		}
	}
	level := sum / float64(count)
	for h := range out {
		out[h] = level + profile[week-1-h%week]
	}
}

// weekdays says by how much each weekday differs from the mean of its week; weekdays are counted back from the last day.
// Whole weeks are compared with themselves, so that neither trend nor step distorts it; weeks with gaps do not count.
func weekdays(history []float64) (profile [week]float64) {
	n, weeks := len(history), 0
	for end := n; end >= week; end -= week {
		average := 0.0
		for _, v := range history[end-week : end] {
			average += v / week
		}
		if math.IsNaN(average) {
			continue
		}
		weeks++
		for i := range week {
			profile[i] += history[end-1-i] - average
		}
	}
	for i := range profile {
		profile[i] /= max(1, float64(weeks))
	}
	return profile
}
