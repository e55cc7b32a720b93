package manager

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
)

var importedDesc = prometheus.NewDesc("towpath_costsource_last_success_timestamp_seconds",
	"When a CostSource was last read to the end, in seconds since 1970; none for one that never was.", []string{"source", "type"}, nil)

// collectCostSources tells how old what bills say is. While the cache does not answer there are no figures, rather than wrong ones.
func collectCostSources(ctx context.Context, reader client.Reader, found chan<- prometheus.Metric) {
	var list platformv1alpha1.CostSourceList
	if reader.List(ctx, &list, client.UnsafeDisableDeepCopy) != nil {
		return
	}
	for i := range list.Items {
		if last := list.Items[i].Status.LastSuccess; last != nil {
			found <- prometheus.MustNewConstMetric(importedDesc, prometheus.GaugeValue, float64(last.Unix()), list.Items[i].Name, string(list.Items[i].Spec.Type))
		}
	}
}
