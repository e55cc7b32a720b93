package main

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// componentLabel says which part of the monitoring an object belongs to, if any.
const componentLabel = "app.kubernetes.io/component"

// monitored are the values of the parts of the monitoring.
var monitored = map[string]string{
	"metrics":    ".Values.monitoring.serviceMonitor",
	"alerts":     ".Values.monitoring.prometheusRule",
	"dashboards": ".Values.monitoring.dashboards",
}

// optional is the condition on which an object is installed, empty for always.
func optional(object map[string]any) string {
	if value := monitored[label(object, componentLabel)]; value != "" {
		return fmt.Sprintf(`include "towpath.detected" (list . %s.enabled)`, value)
	}
	metadata, _ := object["metadata"].(map[string]any)
	switch {
	case object["kind"] == "Namespace":
		return ".Values.namespaces.create"
	case object["kind"] == "ClusterRoleBinding" && metadata["name"] == "towpath-catalog-view":
		return ".Values.rbac.catalogForEverybody"
	}
	return ""
}

var aggregation = regexp.MustCompile(`(?m)(^    rbac\.authorization\.k8s\.io/aggregate-to-.*\n)+`)

// withoutAggregation leaves the labels by which Kubernetes' roles get rights on our kinds to a value.
func withoutAggregation(text string) string {
	return aggregation.ReplaceAllString(text, "{{- if .Values.rbac.aggregateToKubernetesRoles }}\n$0{{- end }}\n")
}

// monitorPlaces are those of the ServiceMonitor.
func monitorPlaces(object map[string]any) []place {
	value := monitored["metrics"]
	endpoint := func(field string) []string { return []string{"spec", "endpoints", field} }
	return []place{
		labels(object, value),
		{path: endpoint("interval"), value: value + ".interval", optional: true},
		{path: endpoint("authorization"), value: orElse(value+".authorization", get(object, endpoint("authorization"))), form: block},
		{path: endpoint("tlsConfig"), value: orElse(value+".tlsConfig", get(object, endpoint("tlsConfig"))), form: block},
	}
}

// alertsPlaces are those of the PrometheusRule.
func alertsPlaces(object map[string]any) []place { return []place{labels(object, monitored["alerts"])} }

// dashboardsPlaces are those of the ConfigMap with dashboards. By which label Grafana finds it is a value.
func dashboardsPlaces(object map[string]any) []place {
	metadata, _ := object["metadata"].(map[string]any)
	if all, ok := metadata["labels"].(map[string]any); ok {
		delete(all, "grafana_dashboard")
	}
	return []place{labels(object, monitored["dashboards"])}
}

// labels are an object's own, which stay, and those of a value.
func labels(object map[string]any, value string) place {
	metadata, _ := object["metadata"].(map[string]any)
	return place{path: []string{"metadata", "labels"}, form: block,
		value: fmt.Sprintf("merge (%s) (%s.labels | default dict)", constant(metadata["labels"]), value)}
}

// label is a label of an object.
func label(object map[string]any, name string) string {
	metadata, _ := object["metadata"].(map[string]any)
	all, _ := metadata["labels"].(map[string]any)
	value, _ := all[name].(string)
	return value
}

// orElse is a value, or what is in the manifests where that is empty.
func orElse(value string, manifest any) string {
	return fmt.Sprintf("%s | default (%s)", value, constant(manifest))
}

// constant is an expression that gives a map.
func constant(of any) string {
	raw, err := json.Marshal(of)
	if err != nil {
		panic(fmt.Sprintf("what was read as YAML cannot be written: %v", err))
	}
	return fmt.Sprintf("fromJson `%s`", raw)
}

// get is a field of an object; a list on the way has one member.
func get(at any, path []string) any {
	for _, key := range path {
		if list, ok := at.([]any); ok && len(list) == 1 {
			at = list[0]
		}
		node, _ := at.(map[string]any)
		at = node[key]
	}
	return at
}
