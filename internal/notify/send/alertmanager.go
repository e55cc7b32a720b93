package send

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/towpath-dev/towpath/internal/notify"
)

const (
	alertsPath = "/api/v2/alerts"
	// open is for how long an alert stands whose period is over already. Without an end, or with one in the past, Alertmanager
	// takes it for resolved.
	open = 24 * time.Hour
	// maxLabel and maxLabels bound what a tenant's names can make of it.
	maxLabel, maxLabels = 256, 30
)

// postableAlert is one as POST /api/v2/alerts takes it.
type postableAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// alertmanagerMessage is one request with all alerts: Alertmanager groups them by itself.
func alertmanagerMessage(alerts []notify.Alert, now time.Time) ([]message, error) {
	body := make([]postableAlert, 0, len(alerts))
	for _, a := range alerts {
		body = append(body, postable(a, now))
	}
	raw, err := json.Marshal(body)
	return []message{{alerts: len(alerts), contentType: "application/json", body: raw}}, err
}

func postable(a notify.Alert, now time.Time) postableAlert {
	// By its labels an alert is known again as it ends; so what may change in between is an annotation.
	labels := map[string]string{
		"alertname": "TowpathBudget", "team": a.Team, "namespace": a.Namespace, "budget": a.Name, "period": a.Period,
		"threshold": a.Threshold, "basis": string(a.Basis), "severity": strings.ToLower(string(a.Severity)),
	}
	switch a.Basis {
	case notify.Anomaly:
		labels["alertname"] = "TowpathCostAnomaly"
	case notify.Omitted:
		labels["alertname"] = "TowpathAlertsOmitted"
		labels["count"] = strconv.Itoa(a.Sequence)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		if key := labelName(name); labels[key] == "" && len(labels) < maxLabels {
			labels[key] = a.Labels[name]
		}
	}
	annotations := map[string]string{
		"summary": cut(clean(a.Title), maxTitle), "description": cut(clean(a.Text), maxText),
		"spent": a.Spent, "forecast": a.Forecast, "limit": a.Limit, "currency": a.Currency,
	}
	for _, texts := range []map[string]string{labels, annotations} {
		for name, text := range texts {
			if text = strings.ToValidUTF8(text, ""); text == "" {
				delete(texts, name)
			} else {
				texts[name] = text
			}
		}
	}
	for name, text := range labels {
		labels[name] = cut(clean(text), maxLabel)
	}
	end := a.EndsAt
	if a.Status == notify.Firing && !end.After(now) {
		end = now.Add(open)
	}
	start := a.StartsAt
	if start.After(end) {
		start = end
	}
	return postableAlert{Labels: labels, Annotations: annotations, StartsAt: start.UTC(), EndsAt: end.UTC(), GeneratorURL: webLink(a.Link)}
}

var notInLabel = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// labelName is a name as Prometheus takes it.
func labelName(name string) string {
	name = notInLabel.ReplaceAllString(name, "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}
