package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/cost"
)

// shop is what a team's folder holds: a service, its environments, and a class that sleeps for half of each day.
const shop = `
apiVersion: platform.towpath.dev/v1alpha1
kind: EnvironmentClass
metadata: {name: sleepy}
spec:
  tier: Development
  podSecurity: Restricted
  sleep: {windows: [{name: night, timeZone: UTC, schedule: 0 0 * * *, durationSeconds: 43200}]}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Environment
metadata: {name: dev, namespace: team-shop}
spec: {classRef: {name: sleepy}}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Environment
metadata: {name: prod, namespace: team-shop}
spec: {classRef: {name: production}}
---
apiVersion: platform.towpath.dev/v1alpha1
kind: Component
metadata: {name: checkout, namespace: team-shop}
spec:
  templateRef: {name: web-service}
  image: registry.example/shop/checkout:1.4.2
  parameters: {replicas: {min: 2, max: 2}, resources: {cpu: "1", memory: 1Gi}}
  environments:
  - {name: dev}
  - {name: prod, parameters: {replicas: {min: 2, max: 6}}}
`

const shopPrices = `
currency: EUR
cpuCoreHour: "0.10"
memoryGiBHour: "0.01"
tiers: {Production: {cpuCoreHour: "0.20"}}
`

// write makes a file in a folder of its own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCostPrintsWhatComponentsCost(t *testing.T) {
	folder := filepath.Dir(write(t, "shop.yaml", shop))
	expect(t, with(t, nil, "", "towpath", "cost", "-f", folder, "--prices", write(t, "prices.yaml", shopPrices)), exitOK, `
EUR A MONTH                    AT LEAST  EXPECTED  AT MOST
checkout in dev (Development)     80.30     80.30    80.30
  Deployment/checkout             80.30     80.30    80.30
checkout in prod (Production)    306.60    459.90   919.80
  Deployment/checkout            306.60    459.90   919.80
all                              386.90    540.20  1000.10

assumed
  checkout in dev: sleep is taken off by the windows that come again: awake 50 % of the time
  checkout in prod: Deployment/checkout: HorizontalPodAutoscaler/checkout keeps from 2 to 6 pods, and 3 are expected: 25 % of the way
`, "")
}

func TestCostMarksWhatIsOfTheDefaultList(t *testing.T) {
	expect(t, with(t, nil, shop, "towpath", "cost", "-f", "-", "-e", "dev", "--prices", write(t, "prices.yaml", `{currency: USD, cpuCoreHour: "0.1"}`)), exitOK, `
USD A MONTH                    AT LEAST  EXPECTED  AT MOST
checkout in dev (Development)     76.09     76.09    76.09 *
  Deployment/checkout             76.09     76.09    76.09 *
* with prices of OpenCost's default list, which may not be yours: give --prices

assumed
  Memory at 0.004237 USD a GiB-hour: OpenCost's default list, since no price is configured
  sleep is taken off by the windows that come again: awake 50 % of the time
`, "")
}

func TestCostAsMarkdown(t *testing.T) {
	expect(t, with(t, nil, shop, "towpath", "cost", "-f", "-", "-e", "dev", "-o", "markdown"), exitOK, `
| USD a month | at least | expected | at most |
|---|--:|--:|--:|
| **checkout in dev (Development)** \* | 26.17 | 26.17 | 26.17 |
| `+"`Deployment/checkout`"+` \* | 26.17 | 26.17 | 26.17 |

\* with prices of OpenCost's default list, which may not be yours: give --prices

<details><summary>Assumed</summary>

- CPU at 0.031611 USD a core-hour: OpenCost's default list, since no price is configured
- Memory at 0.004237 USD a GiB-hour: OpenCost's default list, since no price is configured
- sleep is taken off by the windows that come again: awake 50 % of the time

</details>
`, "")
}

func TestCostAsJSONIsAStableStructure(t *testing.T) {
	got := with(t, nil, shop, "towpath", "cost", "-f", "-", "-o", "json", "--prices", write(t, "prices.yaml", shopPrices))
	var report costReport
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != exitOK {
		t.Fatalf("%v: %+v", err, got)
	}
	if report.APIVersion != "cli.platform.towpath.dev/v1alpha1" || report.Kind != "Cost" || len(report.Items) != 2 {
		t.Fatalf("got %+v", report)
	}
	prod := report.Items[1]
	if prod.Namespace != "team-shop" || prod.Component != "checkout" || prod.Environment != "prod" || prod.Template != "web-service" || prod.Tier != "Production" ||
		prod.Estimate.Currency != "EUR" || prod.Estimate.Monthly.Expected.String() != "459.9" || prod.Estimate.Parts[0].PriceFrom != cost.Configured {
		t.Errorf("got %+v", prod)
	}
	if total := report.Total; total.Currency != "EUR" || total.Monthly.Max.String() != "1000.1" || len(total.Objects) > 0 {
		t.Errorf("the total is %+v", total)
	}
	if !strings.Contains(got.out, `"expected": "540.2"`) {
		t.Errorf("no amount is a text:\n%s", got.out)
	}
}

func TestCostSaysWhatIsWrong(t *testing.T) {
	file := write(t, "shop.yaml", shop)
	for name, tc := range map[string]struct {
		args []string
		code int
		err  string
	}{
		"no files":           {nil, exitTrouble, "towpath: name a file or a folder with -f\nnext: towpath cost --help\n"},
		"an argument":        {[]string{"-f", file, "checkout"}, exitTrouble, "towpath: unknown command \"checkout\" for \"towpath cost\"\nnext: towpath cost --help\n"},
		"another Component":  {[]string{"-f", file, "--component", "chekout"}, exitFindings, "towpath: the files have no Component \"chekout\"; they have checkout\nnext: name one of them, or leave the name out\n"},
		"no environment":     {[]string{"-f", file, "-e", "moon"}, exitFindings, "towpath: the files have no Component in environment moon\nnext: leave -e out to see all environments\n"},
		"no prices":          {[]string{"-f", file, "--prices", filepath.Join(t.TempDir(), "none")}, exitTrouble, "no such file or directory\nnext: correct the list of prices; docs/costs.md has an example\n"},
		"prices of nobody":   {[]string{"-f", file, "--prices", write(t, "prices.yaml", "{currency: EUR, cpuCoreHour: -1}")}, exitTrouble, "prices.yaml: cpuCoreHour: -1 must not be negative; what is taken off a price goes into discountPercent\nnext: correct the list of prices; docs/costs.md has an example\n"},
		"an unknown format":  {[]string{"-f", file, "-o", "csv"}, exitTrouble, "towpath: -o \"csv\": must be one of json, yaml, markdown\nnext: towpath cost --help\n"},
		"a broken Component": {[]string{"-f", write(t, "shop.yaml", strings.Replace(shop, "cpu: \"1\"", "cpu: \"many\"", 1))}, exitFindings, "shop.yaml:26: Component/checkout: spec.parameters.resources.cpu: Invalid value: \"many\": must be a quantity of CPU from 10m to 64, such as 250m or 2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := with(t, nil, "", append([]string{"towpath", "cost"}, tc.args...)...)
			if got.code != tc.code || got.out != "" || !strings.HasSuffix(got.err, tc.err) {
				t.Errorf("got %d\n%s%s\nwant %d\n%s", got.code, got.out, got.err, tc.code, tc.err)
			}
		})
	}
}

// All that ships can be estimated, without anything of which nothing is known.
func TestCostOfTheCatalogue(t *testing.T) {
	for _, capabilities := range []string{"", "gateway.networking.k8s.io/v1/HTTPRoute,keda.sh/v1alpha1/ScaledObject,postgresql.cnpg.io/v1/Cluster"} {
		got := with(t, nil, "", "towpath", "cost", "-f", "../../config/catalog", "--tier", "Production", "--capabilities", capabilities)
		if got.code != exitOK || strings.Contains(got.out, "is not known, and counts as nothing") || strings.Contains(got.out, "no price of") || strings.Contains(got.out, "has no price") {
			t.Errorf("got %d\n%s%s", got.code, got.out, got.err)
		}
		for _, name := range []string{"hello", "mailer", "report", "handbook", "sessions", "orders-db"} {
			if !strings.Contains(got.out, "\n"+name+" in ") {
				t.Errorf("with %q there is no %s:\n%s", capabilities, name, got.out)
			}
		}
	}
}
