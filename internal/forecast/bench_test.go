package forecast_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/forecast"
)

// A thousand series of 400 days are what a large installation looks at each day: Towpath promises two seconds for them, on two
// cores.
func BenchmarkThousandSeries(b *testing.B) {
	const count, days = 1000, 400
	series := make([][]forecast.Point, count)
	for i := range series {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		level := 10 + 1000*random.Float64()
		for t := range days {
			amount := level * (1 + 0.3*math.Sin(float64(t)*2*math.Pi/7)) * (1 + 0.05*random.NormFloat64())
			if t > 250 {
				amount *= 1.4
			}
			series[i] = append(series[i], forecast.Point{Day: forecast.Day(20000 + t), Usage: decimal.NewFromFloat(amount).Round(4)})
		}
	}
	today := forecast.Day(20000 + days)
	limits := forecast.Limits{Amount: decimal.NewFromInt(1), Percent: 20}
	b.ResetTimer()
	for b.Loop() {
		next := make(chan int)
		var workers sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			workers.Go(func() {
				for i := range next {
					if o, err := forecast.LookAhead(series[i], forecast.Month(today), today); err != nil || !o.HasInterval() {
						panic(fmt.Sprint(o.Note, err))
					}
					if _, err := forecast.FindAnomalies(series[i], today, limits); err != nil {
						panic(err)
					}
				}
			})
		}
		for i := range series {
			next <- i
		}
		close(next)
		workers.Wait()
	}
	b.ReportMetric(float64(b.Elapsed().Seconds())/float64(b.N), "s/1000-series")
}
