package manager

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/towpath-dev/towpath/internal/version"
)

// collectTimeout bounds what a scrape waits for the cache.
const collectTimeout = 5 * time.Second

var (
	buildDesc = prometheus.NewDesc("towpath_build_info", "The build that runs, always 1.", nil,
		prometheus.Labels{"version": version.Version, "commit": version.Commit, "go_version": runtime.Version()})
	certificateDesc = prometheus.NewDesc("towpath_webhook_certificate_expiration_timestamp_seconds",
		"When the certificate ends that the webhooks and the metrics are served with, in seconds since 1970.", nil, nil)
)

// collector tells what no counter does. It counts when it is scraped, from the cache and from the certificate's file, so
// that it costs nothing else. The registry is the process's, and so is the collector: it reads what the newest manager reads.
type collector struct {
	sources atomic.Pointer[sources]
}

// sources are what a collector reads.
type sources struct {
	reader client.Reader
	// certificate is the file that the webhooks and the metrics are served with.
	certificate string
}

var _ prometheus.Collector = &collector{}

// collect returns the collector, registered once.
var collect = sync.OnceValue(func() *collector {
	c := &collector{}
	metrics.Registry.MustRegister(c)
	return c
})

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{buildDesc, certificateDesc, conditionsDesc, componentsDesc, environmentsDesc, overridesDesc,
		importedDesc, spentDesc, forecastDesc, burnDesc, anomaliesDesc} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(found chan<- prometheus.Metric) {
	found <- prometheus.MustNewConstMetric(buildDesc, prometheus.GaugeValue, 1)
	from := c.sources.Load()
	if from == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	collectCertificate(from.certificate, found)
	collectConditions(ctx, from.reader, found)
	collectTemplates(ctx, from.reader, found)
	collectCostSources(ctx, from.reader, found)
	collectBudgets(ctx, from.reader, found)
}

// collectCertificate tells when the certificate of a file ends; nothing where there is none yet.
func collectCertificate(file string, found chan<- prometheus.Metric) {
	if certificates, err := cert.CertsFromFile(file); err == nil {
		found <- prometheus.MustNewConstMetric(certificateDesc, prometheus.GaugeValue, float64(certificates[0].NotAfter.Unix()))
	}
}
