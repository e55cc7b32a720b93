package monitoring_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/towpath-dev/towpath/config/monitoring"
	"github.com/towpath-dev/towpath/hack/prometheus"
)

// promtool runs it on files that it finds by name.
func promtool(t *testing.T, files map[string][]byte, args ...string) {
	t.Helper()
	binary, err := prometheus.Promtool()
	if err != nil {
		t.Fatal(err)
	}
	tool := exec.CommandContext(t.Context(), binary, args...)
	tool.Dir = t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(tool.Dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := tool.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestPrometheusTakesTheAlerts(t *testing.T) {
	rules := must[[]byte](t)(monitoring.RuleFile())
	promtool(t, map[string][]byte{"rules.yaml": rules}, "check", "rules", "--lint-fatal", "rules.yaml")
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	promtool(t, map[string][]byte{
		"rules.yaml": must[[]byte](t)(monitoring.RuleFile()), "tests.yaml": must[[]byte](t)(monitoring.RuleTests()),
	}, "test", "rules", "tests.yaml")
}

// An alert whose tests never see it fire, or never see it silent, is not tested.
func TestEachAlertIsSeenFiringAndSilent(t *testing.T) {
	var tests struct {
		Tests []struct {
			Name    string `json:"name"`
			Queries []struct {
				Samples []struct {
					Labels string `json:"labels"`
				} `json:"exp_samples"`
			} `json:"promql_expr_test"`
		} `json:"tests"`
	}
	if err := yaml.Unmarshal(must[[]byte](t)(monitoring.RuleTests()), &tests); err != nil {
		t.Fatal(err)
	}
	for _, alert := range must[[]monitoring.Alert](t)(monitoring.Alerts()) {
		firing, silent := false, false
		for _, test := range tests.Tests {
			if !strings.HasPrefix(test.Name, alert.Alert+": ") {
				continue
			}
			for _, query := range test.Queries {
				fires := false
				for _, sample := range query.Samples {
					fires = fires || sample.Labels == fmt.Sprintf("{alertname=%q}", alert.Alert)
				}
				firing, silent = firing || fires, silent || !fires
			}
		}
		if !firing || !silent {
			t.Errorf("tests.yaml sees %s firing: %t, silent: %t", alert.Alert, firing, silent)
		}
	}
}

func TestEachAlertSaysWhatToDo(t *testing.T) {
	page, err := os.ReadFile("../../docs/runbooks/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	const url = "https://github.com/towpath-dev/towpath/blob/main/docs/runbooks/alerts.md#"
	alerts := must[[]monitoring.Alert](t)(monitoring.Alerts())
	var names []string
	for _, alert := range alerts {
		names = append(names, alert.Alert)
		if severity := alert.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s has severity %q", alert.Alert, severity)
		}
		if alert.Annotations["summary"] == "" || alert.Annotations["description"] == "" {
			t.Errorf("%s lacks a summary or a description", alert.Alert)
		}
		if got, want := alert.Annotations["runbook_url"], url+strings.ToLower(alert.Alert); got != want {
			t.Errorf("%s has its runbook at %s, want %s", alert.Alert, got, want)
		}
	}
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^## (Towpath\S+)$`).FindAllSubmatch(page, -1) {
		sections = append(sections, string(m[1]))
	}
	if diff := cmp.Diff(names, sections); diff != "" {
		t.Errorf("alerts that the runbook lacks (-), and sections of none (+), or another order:\n%s", diff)
	}
}

// Rules with an expression of each panel are what promtool can read.
func TestDashboardsAskInPromQL(t *testing.T) {
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for i, query := range must[[]monitoring.Query](t)(monitoring.Queries()) {
		if strings.Contains(query.PromQL, "$") {
			t.Errorf("%s has a variable that nothing fills in: %s", query.Where, query.PromQL)
		}
		rules = append(rules, rule{fmt.Sprintf("q:%d", i), query.PromQL})
	}
	if len(rules) < 40 {
		t.Errorf("there are only %d queries: does the test still see them?", len(rules))
	}
	file, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboards", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	promtool(t, map[string][]byte{"queries.yaml": file}, "check", "rules", "queries.yaml")
}

func TestDashboardsAreWhole(t *testing.T) {
	for _, d := range must[[]monitoring.Dashboard](t)(monitoring.Dashboards()) {
		if d.UID != strings.TrimSuffix(d.File, ".json") || d.Title == "" {
			t.Errorf("%s has uid %q and title %q", d.File, d.UID, d.Title)
		}
		if !slices.ContainsFunc(d.Templating.List, func(v monitoring.Variable) bool { return v.Name == "datasource" && v.Type == "datasource" }) {
			t.Errorf("%s does not let choose the data source", d.File)
		}
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if p.Title == "" || ids[p.ID] {
				t.Errorf("%s, panel %d %q: no title, or the number of another", d.File, p.ID, p.Title)
			}
			ids[p.ID] = true
			if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
				t.Errorf("%s, panel %s asks %q, %d queries", d.File, p.Title, p.Datasource.UID, len(p.Targets))
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s, panel %s lies on %q, or outside", d.File, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

func TestAskedBy(t *testing.T) {
	for query, want := range map[string][]monitoring.Asked{
		`up{job="a"} == 0`:               {{Metric: "up", Labels: []string{"job"}}},
		`absent(up{job="up{b}"} == 1)`:   {{Metric: "up", Labels: []string{"job"}}},
		`sum(rate(a_total[5m])) / b > 5`: {{Metric: "a_total"}, {Metric: "b"}},
		`histogram_quantile(0.9, sum by (le, c) (rate(a_bucket{d!="e",f=~"g"}[10m:1m])))`: {{Metric: "a_bucket", Labels: []string{"d", "f", "le", "c"}}},
		`a and on (b) c unless d`: {{Metric: "a"}, {Metric: "c"}, {Metric: "d"}},
	} {
		if diff := cmp.Diff(want, monitoring.AskedBy(query), cmp.Transformer("sameIfNone", func(l []string) string { return strings.Join(l, ",") })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}
