package manager

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/condition"
)

var conditionsDesc = prometheus.NewDesc("towpath_conditions",
	"Objects of a kind by one of their conditions: Ready, and Promoted of a Component; status is Unknown where it says nothing yet.",
	[]string{"kind", "condition", "status", "reason"}, nil)

// counted are the kinds that people write, with the conditions that are counted. Releases are not among them: most are
// history, and of what runs the Component tells.
var counted = []struct {
	kind       string
	list       func() client.ObjectList
	conditions []string
}{
	{"Component", func() client.ObjectList { return &platformv1alpha1.ComponentList{} }, []string{platformv1alpha1.ConditionReady, platformv1alpha1.ConditionPromoted}},
	{"CostSource", func() client.ObjectList { return &platformv1alpha1.CostSourceList{} }, []string{platformv1alpha1.ConditionReady}},
	{"Environment", func() client.ObjectList { return &platformv1alpha1.EnvironmentList{} }, []string{platformv1alpha1.ConditionReady}},
	{"EnvironmentClass", func() client.ObjectList { return &platformv1alpha1.EnvironmentClassList{} }, []string{platformv1alpha1.ConditionReady}},
	{"ServiceTemplate", func() client.ObjectList { return &platformv1alpha1.ServiceTemplateList{} }, []string{platformv1alpha1.ConditionReady}},
	{"Team", func() client.ObjectList { return &platformv1alpha1.TeamList{} }, []string{platformv1alpha1.ConditionReady}},
}

// said is what a condition says.
type said struct {
	condition string
	status    metav1.ConditionStatus
	reason    string
}

// collectConditions counts the objects of each kind by what their conditions say. A kind that the cache does not tell of
// has no figures, rather than wrong ones.
func collectConditions(ctx context.Context, reader client.Reader, found chan<- prometheus.Metric) {
	for _, k := range counted {
		list := k.list()
		if reader.List(ctx, list, client.UnsafeDisableDeepCopy) != nil {
			continue
		}
		counts := map[said]int{}
		_ = meta.EachListItem(list, func(object runtime.Object) error { // it is a list, and nothing here fails
			for _, name := range k.conditions {
				counts[says(condition.Of(object), name)]++
			}
			return nil
		})
		for what, count := range counts {
			found <- prometheus.MustNewConstMetric(conditionsDesc, prometheus.GaugeValue, float64(count), k.kind, what.condition, string(what.status), what.reason)
		}
	}
}

// says is what the condition of a type says. One that is not there is Unknown, with no reason.
func says(conditions []metav1.Condition, name string) said {
	if c := meta.FindStatusCondition(conditions, name); c != nil {
		return said{name, c.Status, c.Reason}
	}
	return said{name, metav1.ConditionUnknown, ""}
}
