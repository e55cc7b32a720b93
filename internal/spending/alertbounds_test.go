package spending_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/internal/notify"
	"github.com/towpath-dev/towpath/internal/spending"
)

// bounds are how many items lists of a kind may have, by the path of the field.
func bounds(t *testing.T, kind string, paths ...[]string) []int {
	t.Helper()
	raw, err := os.ReadFile("../../config/crd/bases/platform.towpath.dev_" + kind + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, path := range paths {
		schema := *crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		for _, name := range path {
			if schema.Items != nil {
				schema = *schema.Items.Schema
			}
			schema = schema.Properties[name]
		}
		if schema.MaxItems == nil {
			t.Fatalf("%v has no bound", path)
		}
		all = append(all, int(*schema.MaxItems))
	}
	return all
}

// TestAsManyAlertsAsCanBeFitTheStatus has all limits of a Team alert for weeks while all of its targets are away, and are renamed again
// and again: a status that the API server refuses would end the alerts of the Team for good.
func TestAsManyAlertsAsCanBeFitTheStatus(t *testing.T) {
	t.Parallel()
	outbox := []string{"status", "spending", "alerts", "outbox"}
	b := bounds(t, "teams", []string{"spec", "spending", "limits"}, []string{"spec", "alerts"}, []string{"spec", "spending", "alerts"},
		outbox, append(outbox[:4:4], "deliveries"))
	limits, targets, mostItems, mostDeliveries := b[0], b[1]+b[2], b[3], b[4]
	rules, at := spending.AlertRules(), now
	var state notify.State
	decided, told := 0, map[string]int{}
	for round := range 8 {
		var names []string
		for i := range targets {
			names = append(names, fmt.Sprintf("target-%d-%d", round/2, i))
		}
		for limit := range limits {
			at = at.Add(time.Hour)
			var seen []notify.Observation
			for _, basis := range []notify.Basis{notify.Actual, notify.Forecast} {
				seen = append(seen, notify.Observation{Level: notify.Over, Alert: notify.Alert{
					Key:  notify.Key{UID: fmt.Sprintf("u/limit-%d", limit), Period: "2026-11", Threshold: fmt.Sprintf("80%% of %d USD", round), Basis: basis},
					Team: "shop", Name: "shop", EndsAt: now.AddDate(0, 1, 0),
				}})
			}
			decided += len(seen)
			state = spending.NotifyState(spending.AlertState(state.Advance(seen, names, rules, at)), "", "shop")
			// All but the last target take what is the first to be told.
			for _, name := range names[:len(names)-1] {
				if round%2 == 1 && limit%4 == 0 {
					batch := notify.Batch{Target: name, Alerts: []notify.Alert{state.Outbox[len(state.Outbox)-1].Alert}}
					state.Outbox = notify.Record(state.Outbox, batch, notify.Result{Delivered: 1}, nil, rules, at)
				}
			}
			if len(state.Outbox) > mostItems {
				t.Fatalf("%d alerts are kept after %d, and the status holds %d", len(state.Outbox), decided, mostItems)
			}
			for _, item := range state.Outbox {
				if len(item.Deliveries) > mostDeliveries {
					t.Fatalf("an alert has %d deliveries, and the status holds %d", len(item.Deliveries), mostDeliveries)
				}
			}
		}
	}
	// The last target never got anything: what it is owed is there, one by one or counted.
	for _, item := range state.Outbox {
		for _, d := range item.Deliveries {
			switch {
			case d.Progress == notify.Delivered:
			case item.Alert.Basis == notify.Omitted:
				told[d.Target] += item.Alert.Sequence
			default:
				told[d.Target]++
			}
		}
	}
	if last := fmt.Sprintf("target-3-%d", targets-1); told[last] < decided {
		t.Errorf("of %d alerts %s is told of %d", decided, last, told[last])
	}
}
