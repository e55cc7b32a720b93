package manager

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/census"
)

var (
	componentsDesc = prometheus.NewDesc("towpath_template_components",
		"Components of a ServiceTemplate; pinned says whether they stay at a revision.", []string{"template", "maturity", "pinned"}, nil)
	environmentsDesc = prometheus.NewDesc("towpath_template_environments",
		"Environments in which a Component of a ServiceTemplate runs, by the revision that it runs.", []string{"template", "revision", "latest"}, nil)
	overridesDesc = prometheus.NewDesc("towpath_template_overrides",
		"Components of a ServiceTemplate that override a path which it opens; path is \""+census.NotOpen+"\" for all others together.", []string{"template", "resource", "path"}, nil)
)

// collectTemplates collects who follows which template. While the cache does not answer there are no figures, rather than
// wrong ones.
func collectTemplates(ctx context.Context, reader client.Reader, found chan<- prometheus.Metric) {
	var templates platformv1alpha1.ServiceTemplateList
	var components platformv1alpha1.ComponentList
	if reader.List(ctx, &templates, client.UnsafeDisableDeepCopy) != nil || reader.List(ctx, &components, client.UnsafeDisableDeepCopy) != nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value int, labels ...string) {
		found <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	for _, t := range census.Count(templates.Items, components.Items) {
		gauge(componentsDesc, t.Components-t.Pinned, t.Name, string(t.Maturity), "false")
		gauge(componentsDesc, t.Pinned, t.Name, string(t.Maturity), "true")
		for _, r := range t.Revisions {
			gauge(environmentsDesc, r.Environments, t.Name, strconv.FormatInt(r.Number, 10), strconv.FormatBool(r.Number == t.Latest))
		}
		for _, o := range t.Overrides {
			gauge(overridesDesc, o.Components, t.Name, o.Resource, o.Path)
		}
	}
}
