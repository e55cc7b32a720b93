package diff_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/diff"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/offline"
	"github.com/towpath-dev/towpath/internal/render"
)

// scaled is a Component in dev that renders to a Deployment with so many replicas.
func scaled(component string, replicas int64) offline.Result {
	return offline.Result{Namespace: "team-shop", Component: component, Environment: "dev", Objects: []render.Object{{
		Resource: "web", Object: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": component}, "spec": map[string]any{"replicas": replicas},
		}},
	}}}
}

func compare(before, after []offline.Result) (*diff.Report, string) {
	var places []diff.Place
	for i := range before {
		places = append(places, before[i].Place())
	}
	report := diff.Compare(places, before, after)
	var b strings.Builder
	if err := diff.Print(&b, report); err != nil {
		panic(err) // a Builder takes all
	}
	return report, b.String()
}

// Values that differ from place to place are shown for each.
func TestCompare_TellsValuesApart(t *testing.T) {
	_, text := compare(
		[]offline.Result{scaled("c1", 1), scaled("c2", 1), scaled("c7", 7)},
		[]offline.Result{scaled("c1", 10), scaled("c2", 10), scaled("c7", 70)})
	for _, want := range []string{
		"  ~ spec.replicas: 1 -> 10\n  in team-shop/c1 in dev, team-shop/c2 in dev\n",
		"  ~ spec.replicas: 7 -> 70\n  in team-shop/c7 in dev\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// Where each place has values of its own, a reader is not drowned in them.
func TestCompare_BoundsTheGroups(t *testing.T) {
	var before, after []offline.Result
	for i := range int64(20) {
		before, after = append(before, scaled(fmt.Sprintf("c%02d", i), i)), append(after, scaled(fmt.Sprintf("c%02d", i), i+100))
	}
	report, text := compare(before, after)
	if len(report.Objects) != 5 || report.Changed != 20 {
		t.Errorf("%d groups of %d changes", len(report.Objects), report.Changed)
	}
	if want := "  ~ spec.replicas: 4 -> 104\n  in team-shop/c04 in dev, team-shop/c05 in dev, team-shop/c06 in dev and 13 more, each with values of its own: those of the first are shown\n"; !strings.Contains(text, want) {
		t.Errorf("%q is missing in\n%s", want, text)
	}
}
