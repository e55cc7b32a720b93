package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/spending"
)

const (
	payer          = "mint"
	payerNamespace = "team-" + payer
	// billedDays are those before today of which there is a bill, and aheadDays how many the budget still has.
	billedDays, aheadDays = 44, 46
)

// moneyFile holds what was shown of budgets: a second call has nothing to show any more, and changes nothing.
func (d *demo) moneyFile() string { return filepath.Join(d.dir, "money.txt") }

// billFile is a bill in FOCUS, which the manager reads as from a volume.
func (d *demo) billFile() string { return filepath.Join(d.dir, "bills", "bill.csv") }

// configurationFile is that of the manager. Alerts go to this machine, and repositories are on it, which is reached only by leave.
// No image that it names is ever pulled.
func (d *demo) configurationFile() string { return filepath.Join(d.dir, "manager.yaml") }

func (d *demo) writeConfiguration() error {
	if err := os.MkdirAll(d.dir, 0o750); err != nil {
		return err
	}
	repositories, err := d.git.address()
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`apiVersion: config.platform.towpath.dev/v1alpha1
kind: ManagerConfiguration
alerts: {allowedHosts: [127.0.0.1]}
history: {sqlite: %q}
sources: {allowedHosts: [%q], plainHTTP: true}
pipeline:
  images: {clone: registry.example/tools/git, image: registry.example/tools/buildctl, scan: registry.example/tools/grype}
  buildkitd: tcp://buildkitd.example:1234
  workspace: {size: 1Gi}
  digests: {resolve: Never}
`, filepath.Join(d.dir, "history.db"), repositories)
	return os.WriteFile(d.configurationFile(), []byte(text), 0o600)
}

// runMoney has a team spend, be alerted, and be stopped at its limit.
func (d *demo) runMoney(ctx context.Context) error {
	if _, err := os.Stat(d.moneyFile()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	if err := d.writeBill(today); err != nil {
		return err
	}
	alerts, err := receive(ctx)
	if err != nil {
		return err
	}
	defer alerts.close()
	if err := d.applyMoney(ctx, today, alerts.url); err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: payerNamespace, Name: "ledger"}
	budget := &platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: payerNamespace, Name: "all"}}
	err = d.await(ctx, func(ctx context.Context) []string {
		waits := []string{d.waitsFor(ctx, key)}
		if err := d.client.Get(ctx, client.ObjectKeyFromObject(budget), budget); err != nil {
			waits = append(waits, err.Error())
		} else if budget.Status.Source != platformv1alpha1.CostFromBills {
			waits = append(waits, "Budget all has not read the bill")
		}
		if alerts.first() == "" {
			waits = append(waits, "no alert has come")
		}
		return all(waits...)
	})
	if err != nil {
		return err
	}
	denied, err := d.overspend(ctx, key)
	if err != nil {
		return err
	}
	report, err := d.report(ctx, today.AddDate(0, 0, -1).Format("2006-01"))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("\nteam mint: %d days of a bill in FOCUS, a budget, and a limit of the platform\n  budget     %s of %s spent; forecast %s\n  alert      %s\n  ledger     %s\n\n%s",
		billedDays, money(budget, budget.Status.Spent), money(budget, budget.Spec.Amount), expected(budget), strings.ReplaceAll(alerts.first(), "\n", "\n    "), denied, report)
	return os.WriteFile(d.moneyFile(), []byte(text), 0o600)
}

func expected(b *platformv1alpha1.Budget) string {
	if f := b.Status.Forecast; f != nil {
		return money(b, f.Amount)
	}
	return "unknown"
}

// money is an amount of a budget, with as many places as its currency has.
func money(b *platformv1alpha1.Budget, amount platformv1alpha1.Amount) string {
	value, err := estimate.Decimal(amount)
	if err != nil {
		return err.Error()
	}
	return spending.Money(value, b.Spec.Currency)
}

// writeBill writes what each day cost: a service that costs the same each day, and one that costs more since twelve days ago.
func (d *demo) writeBill(today time.Time) error {
	if err := os.MkdirAll(filepath.Dir(d.billFile()), 0o750); err != nil {
		return err
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	rows := [][]string{{"BilledCost", "EffectiveCost", "BillingCurrency", "ChargeCategory", "ServiceName", "ServiceProviderName", "ChargePeriodStart", "BillingPeriodStart", "Tags"}}
	tags := `{"team":"` + payer + `","environment":"dev","component":"ledger"}`
	for day := billedDays; day > 0; day-- {
		at := today.AddDate(0, 0, -day)
		month := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
		compute := "24.00"
		if day <= 12 {
			compute = "33.60"
		}
		for _, charge := range [][2]string{{"Compute", compute}, {"Database", "12.50"}} {
			rows = append(rows, []string{charge[1], charge[1], "USD", "Usage", charge[0], "Example Cloud", at.Format(time.RFC3339), month.Format(time.RFC3339), tags})
		}
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return os.WriteFile(d.billFile(), out.Bytes(), 0o600)
}

// applyMoney applies what hack/demo/money has, with the days of the period, where the bill is, and where alerts go.
func (d *demo) applyMoney(ctx context.Context, today time.Time, url string) error {
	period := platformv1alpha1.SpendingPeriod{
		Type: platformv1alpha1.PeriodCustom,
		From: today.AddDate(0, 0, -billedDays).Format(time.DateOnly), Until: today.AddDate(0, 0, aheadDays-1).Format(time.DateOnly),
	}
	team := &platformv1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: payer}, Spec: platformv1alpha1.TeamSpec{
		CostCenter: "cc-0007",
		Spending: &platformv1alpha1.TeamSpending{Limits: []platformv1alpha1.SpendingLimit{{
			Name: "quarter", Amount: "4000", Currency: "USD", Period: period, Enforcement: platformv1alpha1.EnforceDeny,
		}}},
	}}
	if err := d.client.Create(ctx, team); err != nil {
		return err
	}
	err := d.await(ctx, func(ctx context.Context) []string {
		return all(errText(d.client.Get(ctx, client.ObjectKey{Name: payerNamespace}, &corev1.Namespace{})))
	})
	if err != nil {
		return err
	}
	for _, object := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: payerNamespace, Name: "towpath-alerts"}, StringData: map[string]string{"url": url}},
		&platformv1alpha1.CostSource{ObjectMeta: metav1.ObjectMeta{Name: "example-cloud"}, Spec: platformv1alpha1.CostSourceSpec{
			Type: platformv1alpha1.CostSourceFOCUS, BackfillDays: 2 * billedDays,
			FOCUS: &platformv1alpha1.FOCUSSource{Volume: &platformv1alpha1.FOCUSVolume{Path: filepath.Dir(d.billFile())}},
		}},
		&platformv1alpha1.Budget{ObjectMeta: metav1.ObjectMeta{Namespace: payerNamespace, Name: "all"}, Spec: platformv1alpha1.BudgetSpec{
			Amount: "3400", Currency: "USD", Period: period,
			Thresholds: []platformv1alpha1.BudgetThreshold{{Name: "half", Percent: 50, Basis: platformv1alpha1.BasisActual}},
			Alerts: []platformv1alpha1.AlertTarget{{
				Name: "chat", Type: platformv1alpha1.AlertTargetSlack, SecretRef: platformv1alpha1.SecretKeyReference{Name: "towpath-alerts", Key: "url"},
			}},
		}},
	} {
		if err := d.client.Create(ctx, object); err != nil {
			return err
		}
	}
	_, err = install.Files(ctx, d.client, filepath.Join(d.root, "hack", "demo", "money"))
	return err
}

// overspend asks for far more than there is money for, and says what becomes of it.
func (d *demo) overspend(ctx context.Context, key client.ObjectKey) (string, error) {
	before := len(d.warned.texts)
	patch := `{"spec":{"parameters":{"replicas":{"min":80,"max":80}}}}`
	if err := d.client.Patch(ctx, &platformv1alpha1.Component{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		return "", err
	}
	said := "replicas to 80:"
	for _, text := range d.warned.texts[before:] {
		said += "\n    Warning: " + text
	}
	err := d.await(ctx, func(ctx context.Context) []string {
		var ledger platformv1alpha1.Component
		if err := d.client.Get(ctx, key, &ledger); err != nil {
			return []string{err.Error()}
		}
		c := meta.FindStatusCondition(ledger.Status.Conditions, platformv1alpha1.ConditionPromoted)
		if c == nil || c.Reason != platformv1alpha1.ReasonSpendingDenied {
			return []string{fmt.Sprintf("Component ledger is not held back: %+v", c)}
		}
		said += fmt.Sprintf("\n    %s: %s", c.Reason, strings.ReplaceAll(c.Message, ": towpath ", ": bin/towpath "))
		return nil
	})
	return said, err
}

// report is what the team cost in a month, once that was written down.
func (d *demo) report(ctx context.Context, month string) (string, error) {
	arguments := []string{"cost", "report", "--team", payer, "--month", month, "--by", "service"}
	var out bytes.Buffer
	err := d.await(ctx, func(ctx context.Context) []string {
		out.Reset()
		towpath := exec.CommandContext(ctx, filepath.Join(d.root, "bin", "towpath"), append(arguments, "--kubeconfig", d.plane.AdminKubeconfig())...)
		towpath.Stdout, towpath.Stderr = &out, &out
		if err := towpath.Run(); err != nil {
			return []string{fmt.Sprintf("towpath cost report: %v: %s", err, out.String())}
		}
		return nil
	})
	return "$ bin/towpath " + strings.Join(arguments, " ") + "\n" + out.String(), err
}

func (d *demo) showMoney() error {
	text, err := os.ReadFile(d.moneyFile())
	if err != nil {
		return err
	}
	fmt.Print(string(text))
	return nil
}

func errText(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// warnings keeps what the API server warns of, as kubectl would print it.
type warnings struct{ texts []string }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.texts = append(w.texts, text)
}

// receiver takes alerts as a chat does. It ends with the demo; later alerts wait for it.
type receiver struct {
	url    string
	server *http.Server
	mu     sync.Mutex
	alerts []string
}

func receive(ctx context.Context) (*receiver, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{url: "http://" + listener.Addr().String() + "/hook"}
	r.server = &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		if err != nil {
			http.Error(w, "cut off", http.StatusBadRequest)
			return
		}
		var message struct {
			Text string `json:"text"`
		}
		if err := json.Unmarshal(body, &message); err != nil {
			http.Error(w, "no message", http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.alerts = append(r.alerts, message.Text)
	})}
	go func() { _ = r.server.Serve(listener) }()
	return r, nil
}

// first is what the first message that came says; empty where none has.
func (r *receiver) first() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.alerts) == 0 {
		return ""
	}
	return r.alerts[0]
}

func (r *receiver) close() { _ = r.server.Close() }
