package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/history/sqlstore"
	"github.com/towpath-dev/towpath/internal/showback"
)

// costReport is that of team shop for a month.
func costReportOf(month string, rows ...platformv1alpha1.CostReportRow) *platformv1alpha1.CostReport {
	return &platformv1alpha1.CostReport{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-shop", Name: month},
		Report: platformv1alpha1.CostReportContent{
			Team: "shop", Source: platformv1alpha1.CostsFromBills, State: platformv1alpha1.CostsSettled,
			FirstDay: month + "-01", LastDay: month + "-31", Rows: rows,
			Coverage: []platformv1alpha1.CostCoverage{{Currency: "EUR", Percent: "93.5"}},
		},
	}
}

func costReportRow(kind platformv1alpha1.CostKind, environment, component, service string, amount platformv1alpha1.Amount) platformv1alpha1.CostReportRow {
	return platformv1alpha1.CostReportRow{
		Kind: kind, Environment: environment, Component: component, Service: service, Category: platformv1alpha1.CostUsage,
		Currency: "EUR", Billed: amount, Effective: amount,
	}
}

func shopCosts() []client.Object {
	team := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	team.Status.Namespace = "team-shop"
	labelled := component("checkout")
	labelled.Labels = map[string]string{"app.kubernetes.io/part-of": "store"}
	return []client.Object{
		home(), team, &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "pay"}}, labelled,
		costReportOf("2026-10",
			costReportRow(platformv1alpha1.CostOwn, "prod", "checkout", "Compute", "212.40"),
			costReportRow(platformv1alpha1.CostOwn, "dev", "checkout", "Compute", "20"),
			costReportRow(platformv1alpha1.CostOwn, "prod", "storefront", "Compute", "60.10"),
			costReportRow(platformv1alpha1.CostIdle, "", "", "", "7.5"),
		),
		costReportOf("2026-08", costReportRow(platformv1alpha1.CostOwn, "prod", "checkout", "Compute", "100")),
	}
}

func TestCostReportPrintsWhatATeamCost(t *testing.T) {
	want := `
team shop, 2026-10, by component

COMPONENT                EFFECTIVE  BILLED       SHARE  CHANGE
checkout                    232.40  232.40 EUR  77.5 %       -
storefront                   60.10   60.10 EUR  20.0 %       -
(idle, the team's part)       7.50    7.50 EUR   2.5 %       -
all                         300.00  300.00 EUR               -

93.5 % of all EUR in the bill carries the name of a team; idle and shared are the team's part of the rest
there is no report of the month before to compare with
`
	for _, args := range [][]string{{"--team", "shop"}, {"-n", "team-shop"}, nil} {
		expect(t, towpath(t, shopCosts(), append([]string{"cost", "report", "--month", "2026-10"}, args...)...), exitOK, want, "")
	}
	got := towpath(t, shopCosts(), "cost", "report", "--month", "2026-10", "--by", "label=app.kubernetes.io/part-of", "-o", "csv")
	expect(t, got, exitOK, `
team,month,source,state,kind,label,currency,effective,billed,provisional,percent,before,change
shop,2026-10,Bills,Settled,Own,store,EUR,232.4,232.4,0,77.5,,
shop,2026-10,Bills,Settled,Own,,EUR,60.1,60.1,0,20,,
shop,2026-10,Bills,Settled,Idle,,EUR,7.5,7.5,0,2.5,,
`, "")
}

func TestCostReportAsJSONIsAStableStructure(t *testing.T) {
	got := towpath(t, shopCosts(), "cost", "report", "--month", "2026-10", "--by", "environment", "-o", "json")
	var report showback.Report
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != exitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	if report.APIVersion != "cli.platform.towpath.dev/v1alpha1" || report.Kind != "CostReport" || report.By != "environment" || report.Namespace != "team-shop" || len(report.Lines) != 3 || report.Lines[0].Group != "prod" {
		t.Errorf("got %+v", report)
	}
}

func TestCostReportSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		args         []string
		objects      []client.Object
		code         int
		says, next   string
		alsoContains string
	}{
		"a month without a report": {
			[]string{"--team", "shop", "--month", "2026-09"}, shopCosts(), exitFindings,
			"team shop, namespace team-shop has no report for 2026-09: there are 2026-08, 2026-10", "towpath cost report --team shop --month 2026-10", "",
		},
		"no report at all": {
			[]string{"--month", "2026-10"}, []client.Object{home()}, exitFindings,
			"namespace team-shop has no report of costs", "ask the platform team whether the manager's configuration has a history", "towpath cost -f component.yaml",
		},
		"a team that does not exist": {
			[]string{"--team", "shopp"}, shopCosts(), exitFindings, `team "shopp" does not exist: there are pay, shop`, "towpath cost report -n NAMESPACE", "",
		},
		"a team without a home":   {[]string{"--team", "pay"}, shopCosts(), exitTrouble, "team pay has no home namespace yet", "kubectl get team pay", ""},
		"a month that is none":    {[]string{"--month", "October"}, shopCosts(), exitTrouble, `--month: month "October": it must be a year and a month`, "--help", ""},
		"a grouping that is none": {[]string{"--by", "team"}, shopCosts(), exitTrouble, `--by "team": must be environment, component, service or label=KEY`, "--help", ""},
		"team and namespace":      {[]string{"--team", "shop", "-n", "team-shop"}, shopCosts(), exitTrouble, "give one of them", "--help", ""},
		"a format that is none":   {[]string{"-o", "xml"}, shopCosts(), exitTrouble, "must be one of csv, json, yaml, markdown", "--help", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := towpath(t, c.objects, append([]string{"cost", "report"}, c.args...)...)
			if got.code != c.code || got.out != "" || !strings.Contains(got.err, c.says) || !strings.Contains(got.err, "next: ") || !strings.Contains(got.err, c.next) || !strings.Contains(got.err, c.alsoContains) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestCostReportWithoutTheRight(t *testing.T) {
	forbidden := func(cluster.Flags) (*cluster.Cluster, error) {
		fakes := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithInterceptorFuncs(interceptor.Funcs{
			Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				return apierrors.NewForbidden(schema.GroupResource{Group: "platform.towpath.dev", Resource: "costreports"}, "2026-10", nil)
			},
		}).Build()
		return &cluster.Cluster{Client: fakes, Namespace: "team-pay"}, nil
	}
	got := with(t, forbidden, "", "towpath", "cost", "report", "--month", "2026-10")
	if got.code != exitTrouble || !strings.Contains(got.err, "cannot read costreport 2026-10 in namespace team-pay") || !strings.Contains(got.err, "auth can-i --list, then ask the platform team") {
		t.Errorf("got %+v", got)
	}
}

// filled is a file of SQLite with two days of October.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	store, err := sqlstore.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	figures := func(yield func(history.Figure, error) bool) {
		for _, day := range []int{1, 2} {
			for team, amount := range map[string]string{"shop": "6.5", "pay": "2.5", "": "1"} {
				figure := history.Figure{
					Day: history.Date(2026, time.October, day), Billed: decimal.RequireFromString(amount), Effective: decimal.RequireFromString(amount),
					Series: history.Series{Team: team, Service: "Compute", Category: history.Usage, Currency: "USD"},
				}
				if !yield(figure, nil) {
					return
				}
			}
		}
	}
	if err := store.Replace(t.Context(), history.Slice{Source: "aws", Period: "2026-10"}, figures); err != nil {
		t.Fatal(err)
	}
	return path
}

// exported are the cells of a file, by column.
func exported(t *testing.T, path string, columns ...string) []string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, record := range records[1:] {
		var cells []string
		for _, column := range columns {
			for i, name := range records[0] {
				if name == column {
					cells = append(cells, record[i])
				}
			}
		}
		rows = append(rows, strings.Join(cells, " "))
	}
	return rows
}

func TestCostExportOfAHistory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for it")
	got := with(t, nil, "", "towpath", "cost", "export", "--history", filled(t), "--month", "2026-10", "-o", dir)
	name := filepath.Join(dir, "towpath-costs-2026-10.csv")
	expect(t, got, exitOK, name+": 6 rows\n", "")
	want := []string{
		"2026-10-01T00:00:00Z pay 2.5", "2026-10-01T00:00:00Z shop 6.5", "2026-10-01T00:00:00Z  1",
		"2026-10-02T00:00:00Z pay 2.5", "2026-10-02T00:00:00Z shop 6.5", "2026-10-02T00:00:00Z  1",
	}
	if diff := cmp.Diff(want, exported(t, name, "ChargePeriodStart", "SubAccountId", "EffectiveCost")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCostExportOfReports(t *testing.T) {
	dir := t.TempDir()
	got := towpath(t, shopCosts(), "cost", "export", "-A", "--month", "2026-10", "-o", dir)
	name := filepath.Join(dir, "towpath-costs-2026-10.csv")
	expect(t, got, exitOK, name+": 4 rows\n", "")
	if rows := exported(t, name, "SubAccountId", "ServiceName", "EffectiveCost"); len(rows) != 4 || !strings.Contains(strings.Join(rows, "\n"), " Idle 7.5") {
		t.Errorf("got %q", rows)
	}
	if got := towpath(t, shopCosts(), "cost", "export", "--team", "shop", "--month", "2026-10", "--format", "parquet", "-o", dir); got.code != exitOK {
		t.Errorf("got %+v", got)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Errorf("files are %v, %v", files, err)
	}
}

func TestCostExportSaysWhatToDo(t *testing.T) {
	t.Setenv("HISTORY_ADDRESS", "")
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"another version":          {[]string{"--focus", "1.2"}, exitTrouble, `--focus "1.2": only version 1.4 is written`},
		"another format":           {[]string{"--format", "xlsx"}, exitTrouble, "must be csv or parquet"},
		"all teams and one":        {[]string{"-A", "--team", "shop"}, exitTrouble, "give no --team"},
		"a history and a team":     {[]string{"--history", "x.db", "--team", "shop"}, exitTrouble, "select by SubAccountId"},
		"a source without history": {[]string{"--source", "aws"}, exitTrouble, "give --history with it"},
		"a source that is none":    {[]string{"--history", filled(t), "--month", "2026-10", "--source", "gcp"}, exitTrouble, "--source gcp: it has no figures of 2026-10; there are aws"},
		"no such file":             {[]string{"--history", "no-such.db"}, exitTrouble, "next: give a copy of the manager's file"},
		"an address in the open":   {[]string{"--history", "postgres://u:secret@h/d"}, exitTrouble, "--history env:NAME"},
		"a variable that is none":  {[]string{"--history", "env:HISTORY_ADDRESS"}, exitTrouble, "HISTORY_ADDRESS is not set"},
		"a month without figures":  {[]string{"-A", "--month", "2026-01"}, exitFindings, "there are no figures of 2026-01"},
		"a month without report":   {[]string{"--month", "2026-01"}, exitFindings, "there are 2026-08, 2026-10"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			got := towpath(t, shopCosts(), append([]string{"cost", "export", "-o", dir}, c.args...)...)
			if got.code != c.code || got.out != "" || !strings.Contains(got.err, c.says) || strings.Contains(got.err, "secret") {
				t.Errorf("got %+v", got)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
				t.Errorf("it left %v, %v", files, err)
			}
		})
	}
	if got := towpath(t, nil, "cost", "export"); got.code != exitTrouble || !strings.Contains(got.err, `required flag(s) "output"`) {
		t.Errorf("without a folder: %+v", got)
	}
}
