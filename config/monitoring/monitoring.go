// Package monitoring reads the alerts and dashboards of this folder, so that tests can hold them to what a manager serves.
package monitoring

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed alerts/prometheusrule.yaml alerts/tests.yaml dashboards/*.json
var files embed.FS

// Alert is a rule that alerts.
type Alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// Query is one that is asked of Prometheus.
type Query struct {
	// Where it stands: the name of an alert, or file and panel of a dashboard.
	Where string
	// PromQL of it, as Prometheus takes it: variables of Grafana are filled in.
	PromQL string
}

// RuleFile is what Prometheus loads: the rules without the object of the operator that they come in.
func RuleFile() ([]byte, error) {
	data, err := files.ReadFile("alerts/prometheusrule.yaml")
	if err != nil {
		return nil, err
	}
	var object struct {
		Spec map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal(data, &object); err != nil {
		return nil, err
	}
	return yaml.Marshal(object.Spec)
}

// RuleTests are the tests of the rules, as promtool takes them; they name the rule file rules.yaml.
func RuleTests() ([]byte, error) { return files.ReadFile("alerts/tests.yaml") }

// Alerts are the rules, in the order of the file.
func Alerts() ([]Alert, error) {
	data, err := RuleFile()
	if err != nil {
		return nil, err
	}
	var rules struct {
		Groups []struct {
			Name  string  `json:"name"`
			Rules []Alert `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.UnmarshalStrict(data, &rules); err != nil {
		return nil, err
	}
	var alerts []Alert
	for _, group := range rules.Groups {
		alerts = append(alerts, group.Rules...)
	}
	return alerts, nil
}

// Dashboard is one of Grafana, as far as it is asked about.
type Dashboard struct {
	File       string `json:"-"`
	UID        string `json:"uid"`
	Title      string `json:"title"`
	Templating struct {
		List []Variable `json:"list"`
	} `json:"templating"`
	Panels []Panel `json:"panels"`
}

// Variable is what the reader of a dashboard chooses.
type Variable struct {
	Name  string          `json:"name"`
	Type  string          `json:"type"`
	Query json.RawMessage `json:"query"`
}

// Panel is one of a dashboard.
type Panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos struct {
		H, W, X, Y int
	} `json:"gridPos"`
	Datasource struct {
		UID string `json:"uid"`
	} `json:"datasource"`
	Targets []struct {
		RefID string `json:"refId"`
		Expr  string `json:"expr"`
	} `json:"targets"`
}

// Dashboards are those of the folder.
func Dashboards() ([]Dashboard, error) {
	names, err := fs.Glob(files, "dashboards/*.json")
	if err != nil {
		return nil, err
	}
	dashboards := make([]Dashboard, 0, len(names))
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		d := Dashboard{File: path.Base(name)}
		if err := json.Unmarshal(data, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		dashboards = append(dashboards, d)
	}
	return dashboards, nil
}

// values is a query of Grafana for the values of a label.
var values = regexp.MustCompile(`label_values\((.*), *[a-z_]+\)`)

// Queries are all of alerts and dashboards.
func Queries() ([]Query, error) {
	alerts, err := Alerts()
	if err != nil {
		return nil, err
	}
	dashboards, err := Dashboards()
	if err != nil {
		return nil, err
	}
	var queries []Query
	for _, alert := range alerts {
		queries = append(queries, Query{Where: alert.Alert, PromQL: alert.Expr})
	}
	for _, d := range dashboards {
		filled := []string{"$__rate_interval", "5m"}
		for _, v := range d.Templating.List {
			filled = append(filled, "$"+v.Name, ".*")
			var query struct {
				Query string `json:"query"`
			}
			if json.Unmarshal(v.Query, &query) != nil {
				continue
			}
			if m := values.FindStringSubmatch(query.Query); m != nil {
				queries = append(queries, Query{Where: d.File + ", variable " + v.Name, PromQL: m[1]})
			}
		}
		fill := strings.NewReplacer(filled...)
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				queries = append(queries, Query{Where: d.File + ", panel " + p.Title, PromQL: fill.Replace(target.Expr)})
			}
		}
	}
	return queries, nil
}
