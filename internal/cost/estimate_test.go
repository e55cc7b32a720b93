package cost_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/towpath-dev/towpath/internal/cost"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing them")

// holds checks that parts sum to their whole exactly, and a month is 730 hours.
func holds(t *testing.T, e *cost.Estimate) {
	t.Helper()
	month := decimal.NewFromInt(730)
	sum := func(parts []cost.Part) (hourly cost.Range) {
		for _, p := range parts {
			hourly = hourly.Add(p.Hourly)
			if !p.Monthly.Equal(p.Hourly.Mul(month)) {
				t.Errorf("%s %s: a month costs %v, and an hour %v", p.Resource, p.Type, p.Monthly, p.Hourly)
			}
		}
		return hourly
	}
	if hourly := sum(e.Parts); !hourly.Equal(e.Hourly) || !e.Monthly.Equal(e.Hourly.Mul(month)) {
		t.Errorf("parts sum to %v, and the whole is %v an hour and %v a month", hourly, e.Hourly, e.Monthly)
	}
	if len(e.Objects) == 0 {
		return
	}
	var all cost.Range
	for _, o := range e.Objects {
		if hourly := sum(o.Parts); !hourly.Equal(o.Hourly) || !o.Monthly.Equal(o.Hourly.Mul(month)) {
			t.Errorf("%s/%s: parts sum to %v, and the whole is %v an hour and %v a month", o.Kind, o.Name, hourly, o.Hourly, o.Monthly)
		}
		all = all.Add(o.Hourly)
	}
	if !all.Equal(e.Hourly) {
		t.Errorf("objects sum to %v, and the whole is %v", all, e.Hourly)
	}
}

// some are objects of any size.
func some(random *rand.Rand, n int) []*unstructured.Unstructured {
	var documents []string
	for i := range n {
		template := fmt.Sprintf(`{spec: {nodeSelector: {pool: p%d}, containers: [{name: a, resources: {requests: {cpu: %dm, memory: %dk}, limits: {nvidia.com/gpu: %d, nvidia.com/mig-%dg.5gb: 1}}}]}}`,
			random.IntN(3), random.IntN(5000), random.IntN(9_000_000), random.IntN(3), 1+random.IntN(7))
		switch random.IntN(4) {
		case 0:
			documents = append(documents, fmt.Sprintf(`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: o%d}, spec: {replicas: %d, template: %s, volumeClaimTemplates: [{spec: {resources: {requests: {storage: %dk}}}}]}}`,
				i, random.IntN(9), template, random.IntN(9_000_000)))
		case 1:
			documents = append(documents, fmt.Sprintf(`{apiVersion: batch/v1, kind: CronJob, metadata: {name: o%d}, spec: {schedule: "%d * * * *", jobTemplate: {spec: {completions: %d, activeDeadlineSeconds: %d, template: %s}}}}`,
				i, random.IntN(60), 1+random.IntN(5), random.IntN(5000), template))
		case 2:
			documents = append(documents, fmt.Sprintf(`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: o%d}, spec: {minReplicas: %d, maxReplicas: %d, scaleTargetRef: {kind: Deployment, name: o%d}}}`,
				i, 1+random.IntN(3), 1+random.IntN(30), random.IntN(n)))
		default:
			documents = append(documents, fmt.Sprintf(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: o%d}, spec: {replicas: %d, template: %s}}`, i, random.IntN(9), template))
		}
	}
	return parsed(documents...)
}

// Whatever is estimated, added, subtracted or scaled: parts sum to their whole to the last place, the least is not more
// than what is expected, nor that than the most.
func TestPartsSumToTheirWhole(t *testing.T) {
	awake := cost.AwakeBy(nights())
	list := prices(t, `
currency: USD
cpuCoreHour: "0.0333333333"
gpuHour: {default: "0.7777777"}
discountPercent: {cpu: "33.33", memory: "17"}
autoscaling: {expectedPercent: "33.3"}
pools:
- {name: one, nodeSelector: {pool: p1}, capacity: Spot}
- {name: two, nodeSelector: {pool: p2}, cpuCoreHour: "0.02", discountPercent: {gpu: "3.7"}}
`)
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		in := cost.Input{Objects: some(random, 1+random.IntN(12)), Prices: list}
		if random.IntN(2) == 0 {
			in.Awake = awake
		}
		a, err := cost.Of(in)
		if err != nil {
			t.Fatal(err)
		}
		in.Objects = append(in.Objects[1:], some(random, 4)...)
		b, err := cost.Of(in)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := a.Add(b)
		if err != nil {
			t.Fatal(err)
		}
		difference, err := sum.Sub(b)
		if err != nil {
			t.Fatal(err)
		}
		change, err := b.Sub(a)
		if err != nil {
			t.Fatal(err)
		}
		third := a.Scale(amount("0.333333"))
		for _, e := range []*cost.Estimate{a, b, sum, difference, change, third, sum.Scale(amount("1.7"))} {
			holds(t, e)
		}
		for _, r := range []cost.Range{a.Hourly, b.Hourly, sum.Hourly, third.Hourly} {
			if r.Min.GreaterThan(r.Expected) || r.Expected.GreaterThan(r.Max) {
				t.Errorf("seed %d: %v is out of order", seed, r)
			}
		}
		if !sum.Hourly.Equal(a.Hourly.Add(b.Hourly)) || !difference.Hourly.Equal(a.Hourly) || !change.Hourly.Equal(b.Hourly.Sub(a.Hourly)) {
			t.Errorf("seed %d: %v and %v are %v, without the other %v", seed, a.Hourly, b.Hourly, sum.Hourly, difference.Hourly)
		}
		if none, err := a.Sub(a); err != nil || !none.Hourly.IsZero() || len(none.Parts) > 0 || len(none.Objects) > 0 {
			t.Errorf("seed %d: without itself it is %+v, %v", seed, none, err)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestTheOrderOfObjectsDoesNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 8))
	objects := some(random, 20)
	var first string
	for range 10 {
		random.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		e, err := cost.Of(cost.Input{Objects: objects, Prices: cost.DefaultPrices()})
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(data)
		}
		if string(data) != first {
			t.Fatalf("got\n%.500s\nand\n%.500s", data, first)
		}
	}
}

func TestSub_ByObject(t *testing.T) {
	of := func(documents ...string) *cost.Estimate {
		e, err := cost.Of(cost.Input{Objects: parsed(documents...), Prices: prices(t, easy)})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	was := of(`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 2, template: `+one+`}}`,
		`{apiVersion: v1, kind: Service, spec: {type: LoadBalancer}}`, `{apiVersion: v1, kind: Service, metadata: {name: same}, spec: {type: LoadBalancer}}`)
	is := of(`{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 5, template: `+one+`}}`,
		`{apiVersion: v1, kind: PersistentVolumeClaim, spec: {resources: {requests: {storage: 1Gi}}}}`, `{apiVersion: v1, kind: Service, metadata: {name: same}, spec: {type: LoadBalancer}}`)
	change, err := is.Sub(was)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, o := range change.Objects {
		said = append(said, o.Kind+"/"+o.Name+" "+o.Monthly.Expected.String())
	}
	if got := strings.Join(said, ", "); got != "Deployment/x 240.9, PersistentVolumeClaim/x 0.73, Service/x -21.9" {
		t.Errorf("the change is %s", got)
	}
}

func TestCurrenciesAreNeverMixed(t *testing.T) {
	a, b := &cost.Estimate{Currency: "USD"}, &cost.Estimate{Currency: "EUR"}
	var mixed *cost.CurrencyError
	if _, err := a.Add(b); !errors.As(err, &mixed) || err.Error() != "amounts in USD and in EUR cannot be added: give prices of one currency" {
		t.Errorf("added: %v", err)
	}
	if _, err := a.Sub(b); !errors.As(err, &mixed) {
		t.Errorf("subtracted: %v", err)
	}
	if sum, err := cost.Sum(&cost.Estimate{}, a, &cost.Estimate{}); err != nil || sum.Currency != "USD" {
		t.Errorf("with nothing: %+v, %v", sum, err)
	}
}

// The form is frozen in Releases: a change of this file is a change of the API.
func TestJSON(t *testing.T) {
	e, err := cost.Of(cost.Input{Objects: append(service("checkout"), parsed(
		`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {storageClassName: fast, resources: {requests: {storage: 10Gi}}}}`)...),
		Prices: cost.DefaultPrices(), Awake: cost.AwakeBy(nights())})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "estimate.json")
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var back cost.Estimate
	if err := json.Unmarshal(want, &back); err != nil {
		t.Fatal(err)
	}
	holds(t, &back)
	if again, err := json.MarshalIndent(&back, "", "  "); err != nil || string(again) != string(got) {
		t.Errorf("read and written again it is\n%s, %v", again, err)
	}
}

// FuzzOf estimates what anybody writes: it panics at nothing, and its parts sum to their whole.
func FuzzOf(f *testing.F) {
	for _, object := range append(service("x"), some(rand.New(rand.NewPCG(2, 9)), 8)...) {
		data, err := json.Marshal(object.Object)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var object map[string]any
		if utiljson.Unmarshal(data, &object) != nil || object == nil {
			return
		}
		e, err := cost.Of(cost.Input{Objects: []*unstructured.Unstructured{{Object: object}}, Prices: cost.DefaultPrices()})
		if err != nil {
			return
		}
		if e.Hourly.Min.IsNegative() || e.Hourly.Min.GreaterThan(e.Hourly.Expected) || e.Hourly.Expected.GreaterThan(e.Hourly.Max) {
			t.Errorf("an hour costs %v", e.Hourly)
		}
		holds(t, e)
	})
}
