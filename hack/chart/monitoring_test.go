package main

import (
	"reflect"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

const (
	monitor    = "ServiceMonitor/towpath-system/towpath-manager"
	rule       = "PrometheusRule/towpath-system/towpath-manager"
	dashboards = "ConfigMap/towpath-system/towpath-dashboards"
	scraper    = "Secret/towpath-system/towpath-metrics-scraper"
)

// monitoring are values of the monitoring.
func monitoring(part string, values object) object {
	return object{"monitoring": object{part: values}}
}

func TestMonitoring_IsInstalledWhereItCanBe(t *testing.T) {
	c := made(t, kustomized(t), "v1.2.3")
	for name, tc := range map[string]struct {
		values object
		served []string
		want   map[string]bool
	}{
		"no operator":           {nil, nil, map[string]bool{}},
		"the operator":          {nil, []string{operator}, map[string]bool{monitor: true, scraper: true, rule: true, dashboards: true}},
		"forced":                {monitoring("serviceMonitor", object{"enabled": true}), nil, map[string]bool{monitor: true, scraper: true}},
		"not wanted":            {monitoring("prometheusRule", object{"enabled": false}), []string{operator}, map[string]bool{monitor: true, scraper: true, dashboards: true}},
		"dashboards alone":      {monitoring("dashboards", object{"enabled": true}), nil, map[string]bool{dashboards: true}},
		"another version of it": {nil, []string{"monitoring.coreos.com/v1alpha1"}, map[string]bool{}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := templated(t, c, tc.values, tc.served...)
			if err != nil {
				t.Fatal(err)
			}
			found := objects(t, text)
			for _, id := range []string{monitor, scraper, rule, dashboards} {
				if (found[id] != nil) != tc.want[id] {
					t.Errorf("%s: %t, want %t", id, found[id] != nil, tc.want[id])
				}
			}
		})
	}
}

func TestMonitoring_Values(t *testing.T) {
	c := made(t, kustomized(t), "v1.2.3")
	text, err := templated(t, c, object{"monitoring": object{
		"serviceMonitor": object{
			"labels": object{"release": "kube", "app.kubernetes.io/part-of": "other"}, "interval": "15s",
			"authorization": object{"credentials": object{"name": "mine", "key": "t"}},
			"tlsConfig":     object{"ca": object{"configMap": object{"name": "ca", "key": "c"}}, "serverName": "a"},
		},
		"prometheusRule": object{"labels": object{"release": "kube"}},
		"dashboards":     object{"labels": object{"grafana_dashboard": nil, "dashboards": "yes"}},
	}}, operator)
	if err != nil {
		t.Fatal(err)
	}
	found := objects(t, text)
	labels := func(id string) object { return at[object](t, found[id], "metadata", "labels") }
	part := func(name string, more ...string) object {
		all := object{"app.kubernetes.io/part-of": "towpath", "app.kubernetes.io/component": name}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	endpoint := at[[]any](t, found[monitor], "spec", "endpoints")[0].(object)
	for what, same := range map[string]bool{
		"labels of the monitor":    reflect.DeepEqual(labels(monitor), part("metrics", "release", "kube")),
		"labels of the rule":       reflect.DeepEqual(labels(rule), part("alerts", "release", "kube")),
		"labels of the dashboards": reflect.DeepEqual(labels(dashboards), part("dashboards", "dashboards", "yes")),
		"interval":                 endpoint["interval"] == "15s",
		"authorization":            reflect.DeepEqual(endpoint["authorization"], object{"credentials": object{"name": "mine", "key": "t"}}),
		"tlsConfig":                reflect.DeepEqual(endpoint["tlsConfig"], object{"ca": object{"configMap": object{"name": "ca", "key": "c"}}, "serverName": "a"}),
		"port":                     endpoint["port"] == "metrics" && endpoint["scheme"] == "https",
	} {
		if !same {
			t.Errorf("%s is not what the values say", what)
		}
	}
}

// The operator's own types say what its kinds take; a field that they do not know is a mistake.
func TestMonitoring_IsWhatTheOperatorTakes(t *testing.T) {
	seen := 0
	for document := range strings.SplitSeq(string(kustomized(t)), "\n---\n") {
		var of struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal([]byte(document), &of); err != nil {
			t.Fatal(err)
		}
		var into any
		switch of.Kind {
		case "ServiceMonitor":
			into = &monitoringv1.ServiceMonitor{}
		case "PrometheusRule":
			into = &monitoringv1.PrometheusRule{}
		default:
			continue
		}
		seen++
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Errorf("%s: %v", of.Kind, err)
		}
		if monitor, ok := into.(*monitoringv1.ServiceMonitor); ok {
			for _, endpoint := range monitor.Spec.Endpoints {
				if endpoint.Authorization == nil || endpoint.Authorization.Validate() != nil || endpoint.TLSConfig == nil || endpoint.TLSConfig.Validate() != nil {
					t.Errorf("the operator does not take %+v", endpoint)
				}
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d objects of the operator's kinds were seen", seen)
	}
}
