package costreport

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/shopspring/decimal"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/showback"
)

// informative is a source that does not count for teams.
func informative(s *platformv1alpha1.CostSource) *platformv1alpha1.CostSource {
	s.Spec.TeamCosts = platformv1alpha1.TeamCostsInformative
	return s
}

func TestABillThatWasReadIsLookedAt(t *testing.T) {
	at := func(minute int, rows int64) *platformv1alpha1.CostSource {
		s := &platformv1alpha1.CostSource{}
		moment := metav1.NewTime(time.Date(2026, 11, 29, 12, minute, 0, 0, time.UTC))
		s.Status.LastSuccess, s.Status.Rows = &moment, rows
		return s
	}
	for name, c := range map[string]struct {
		before, after *platformv1alpha1.CostSource
		want          bool
	}{
		"the first time":            {&platformv1alpha1.CostSource{}, at(1, 7), true},
		"again":                     {at(1, 7), at(2, 7), true},
		"nothing had changed":       {at(1, 7), at(2, 0), false},
		"another write of a status": {at(1, 7), at(1, 7), false},
		"it failed":                 {at(1, 7), &platformv1alpha1.CostSource{}, false},
		"it counts no more":         {at(1, 7), informative(at(1, 7)), true},
		"it failed, and counts":     {informative(at(1, 0)), at(1, 0), true},
	} {
		if got := read(c.before, c.after); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestSourcesThatCount(t *testing.T) {
	of := func(name string, kind platformv1alpha1.CostSourceType, counts platformv1alpha1.TeamCosts) platformv1alpha1.CostSource {
		return platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: platformv1alpha1.CostSourceSpec{Type: kind, TeamCosts: counts}}
	}
	sources := []platformv1alpha1.CostSource{
		of("aws", platformv1alpha1.CostSourceAWSCostExplorer, platformv1alpha1.TeamCostsCounted), of("old", platformv1alpha1.CostSourceFOCUS, ""),
		of("beside", platformv1alpha1.CostSourceOpenCost, platformv1alpha1.TeamCostsInformative),
		of("cluster", platformv1alpha1.CostSourceOpenCost, platformv1alpha1.TeamCostsCounted),
		of("silent", platformv1alpha1.CostSourceFOCUS, platformv1alpha1.TeamCostsCounted),
	}
	bills, allocated := counted(sources, []string{"aws", "beside", "cluster", "deleted", "old"})
	if !slices.Equal(bills, []string{"aws", "cluster", "old"}) || !slices.Equal(allocated, []string{"cluster"}) {
		t.Errorf("%v count, and %v allocate", bills, allocated)
	}
}

func TestPassesAreSpread(t *testing.T) {
	least, most := every*2, time.Duration(0)
	for range 1000 {
		d := jittered(every)
		least, most = min(least, d), max(most, d)
	}
	if least < 21*time.Hour || most > 27*time.Hour || most-least < time.Hour {
		t.Errorf("from %s to %s", least, most)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	month := showback.Month{Year: 2026, Month: time.November}
	book := &showback.Book{Month: month, Now: month.Begin().Time(), Source: platformv1alpha1.CostsFromBills, First: month.Begin(), Last: month.Begin()}
	total := decimal.Zero
	for i := range maxSeries + 500 {
		amount := decimal.New(int64(i+1), 0)
		total = total.Add(amount)
		book.Sums = append(book.Sums, history.Sum{Effective: amount, Series: history.Series{
			Team: fmt.Sprintf("team-%d", i/10), Environment: fmt.Sprintf("e%d", i%10), Category: history.Usage, Currency: "USD",
		}})
	}
	book.Sums = append(book.Sums, history.Sum{Effective: decimal.New(7, 0), Series: history.Series{Category: history.Tax, Currency: "USD"}})
	figures.Store(newFigures(showback.Open(book, nil)))
	defer figures.Store(nil)
	if got := testutil.CollectAndCount(collector{}, "towpath_cost_month_to_date"); got != maxSeries+1 {
		t.Errorf("%d series", got)
	}
	sum := 0.0
	found := make(chan prometheus.Metric, 2*maxSeries)
	collector{}.Collect(found)
	close(found)
	for metric := range found {
		if metric.Desc() == monthDesc {
			sum += testutil.ToFloat64(single{metric})
		}
	}
	if want := total.InexactFloat64(); sum != want {
		t.Errorf("they sum to %f, want %f", sum, want)
	}
	if newFigures(nil) != nil {
		t.Error("there are figures of nothing")
	}
}

// single is one metric, for testutil.
type single struct{ prometheus.Metric }

func (s single) Describe(descs chan<- *prometheus.Desc) { descs <- s.Desc() }

func (s single) Collect(found chan<- prometheus.Metric) { found <- s.Metric }
