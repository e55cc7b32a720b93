package costsource

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/towpath-dev/towpath/internal/cost/source"
)

var (
	imports = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "towpath_costsource_imports_total",
		Help: "Imports of a CostSource; result is Imported, or the reason why one failed.",
	}, []string{"source", "result"})
	rows = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "towpath_costsource_rows_total",
		Help: "Rows, or groups of charges, that imports of a CostSource read.",
	}, []string{"source"})
)

func init() { metrics.Registry.MustRegister(imports, rows) }

// count counts an import.
func count(name string, outcome *source.Outcome, err error) {
	result := "Imported"
	if err != nil {
		result = string(failed(err).Reason)
	}
	imports.WithLabelValues(name, result).Inc()
	rows.WithLabelValues(name).Add(float64(outcome.Rows))
}

// forgetMetrics has the series of a source go with it.
func forgetMetrics(name string) {
	imports.DeletePartialMatch(prometheus.Labels{"source": name})
	rows.DeletePartialMatch(prometheus.Labels{"source": name})
}
