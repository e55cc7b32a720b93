package forecast

import (
	"math"
	"slices"
)

// The month's last three days and its first three may cost more or less than their weekdays: billing runs, reports,
// closing the books. Each of the six has an effect of its own.
const (
	edge     = 3
	ordinary = int8(-1)
	// mostMonths is how many months an effect is learned from, and fewestMonths how many it takes.
	mostMonths, fewestMonths = 6, 2
	// surely is how many standard errors an effect must be from zero.
	surely = 3
)

// positions says for each of n days where it is in its month: 0 to 2 for the last day and those before it, 3 to 5 for the
// first and those after it, else ordinary.
func positions(first Day, n int) []int8 {
	out := make([]int8, n)
	begins, ends := first.month(0), first.month(1)
	for i := range out {
		d := first + Day(i)
		if d >= ends {
			begins, ends = ends, d.month(1)
		}
		switch {
		case ends-d <= edge:
			out[i] = int8(ends - d - 1)
		case d-begins < edge:
			out[i] = int8(edge + d - begins)
		default:
			out[i] = ordinary
		}
	}
	return out
}

// calendar learns the effects, as shares of what a day usually costs.
type calendar struct {
	seen [2 * edge][]float64
}

func (c *calendar) learn(position int8, share float64) {
	if position == ordinary {
		return
	}
	c.seen[position] = append(c.seen[position], share)
	c.seen[position] = c.seen[position][max(0, len(c.seen[position])-mostMonths):]
}

// effect is the median of the months seen, where there are enough, which agree, and it cannot be noise; zero otherwise.
func (c *calendar) effect(position int8, noise float64) float64 {
	if position == ordinary || len(c.seen[position]) < fewestMonths {
		return 0
	}
	seen := c.seen[position]
	middle := median(seen)
	if math.Abs(middle) < surely*noise*medianError/math.Sqrt(float64(len(seen))) {
		return 0
	}
	against := 0
	for _, share := range seen {
		if share*middle <= 0 {
			against++
		}
	}
	if against > len(seen)/4 {
		return 0
	}
	return middle
}

// medianError is by how much the standard error of a median exceeds that of a mean, for normal noise: √(π/2).
const medianError = 1.2533

// median is that of the values that are known; NaN of none.
func median(values []float64) float64 {
	var room [8]float64
	sorted := room[:0]
	for _, v := range values {
		if !math.IsNaN(v) {
			sorted = append(sorted, v)
		}
	}
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// middle is the upper median of values that are all known, by Hoare's selection, since sorting many costs the most of all. It
// leaves them in another order.
func middle(values []float64) float64 {
	low, high, k := 0, len(values)-1, len(values)/2
	for low < high {
		pivot := values[(low+high)/2]
		i, j := low, high
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for values[j] > pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			high = j
		case k >= i:
			low = i
		default:
			return values[k]
		}
	}
	return values[k]
}

// mean is that of the values that are known; NaN of none.
func mean(values []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range values {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}
