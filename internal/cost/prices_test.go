package cost_test

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/cost"
)

func TestLoad(t *testing.T) {
	p := prices(t, `
currency: USD
cpuCoreHour: 0.00000000000000012345 # a float would lose it
gpuHour: {default: "1", nvidia.com/gpu: "2"}
storageGiBHour: {fast: "0.5"}
loadBalancerHour: "0.02"
discountPercent: {cpu: "50", gpu: "10"}
tiers:
  Development: {capacity: Spot, gpuHour: {default: "0.5"}, discountPercent: {cpu: "0"}}
  Staging: {capacity: Spot}
pools:
- {name: big, nodeSelector: {pool: big}, memoryGiBHour: "0.1", capacity: OnDemand}
- {name: big-fast, nodeSelector: {pool: big, disk: fast}, memoryGiBHour: "0.2"}
`)
	for _, tc := range []struct {
		tier     platformv1alpha1.Tier
		selector map[string]string
		resource cost.Resource
		kind     string
		want     string
		from     cost.Origin
	}{
		{"", nil, cost.CPU, "", "0.000000000000000061725", cost.Configured},
		{"", nil, cost.Memory, "", "0.004237", cost.DefaultList},
		{"", nil, cost.GPU, "amd.com/gpu", "0.9", cost.Configured},
		{"", nil, cost.GPU, "nvidia.com/gpu", "1.8", cost.Configured},
		{"", nil, cost.Storage, "fast", "0.5", cost.Configured},
		{"", nil, cost.Storage, "slow", "0.00005479452", cost.DefaultList},
		{"", nil, cost.Egress, "", "0.12", cost.DefaultList},
		{"Development", nil, cost.CPU, "", "0.006655", cost.DefaultList},
		{"Development", nil, cost.Memory, "", "0.000892", cost.DefaultList},
		{"Development", nil, cost.GPU, "nvidia.com/gpu", "0.45", cost.Configured}, // the nearest terms that have any
		{"Staging", nil, cost.CPU, "", "0.0033275", cost.DefaultList},             // discounts are of spot prices too
		{"Production", map[string]string{"pool": "small"}, cost.Memory, "", "0.004237", cost.DefaultList},
		{"Production", map[string]string{"pool": "big", "disk": "fast"}, cost.Memory, "", "0.1", cost.Configured},
		{"Development", map[string]string{"pool": "big"}, cost.CPU, "", "0.00000000000000012345", cost.Configured},
	} {
		got, ok := p.In(tc.tier, tc.selector).Price(cost.Item{Resource: tc.resource, Type: tc.kind})
		if !ok || !got.Amount.Equal(amount(tc.want)) || got.From != tc.from {
			t.Errorf("%s in %s of %v: %s %s, want %s", cost.Item{Resource: tc.resource, Type: tc.kind}, tc.tier, tc.selector, got.Amount, got.From, tc.want)
		}
	}
	if got, ok := p.In("", nil).Price(cost.Item{Resource: cost.Device, Type: "x"}); ok {
		t.Errorf("a device of no price costs %s", got.Amount)
	}
}

func TestLoad_RefusesWhatCannotBe(t *testing.T) {
	for file, want := range map[string]string{
		"":                        "the list of prices is empty: it must have at least currency, such as currency: USD",
		"cpuCoreHour: 1":          "currency must be set, such as currency: USD",
		"[]":                      "not readable as a list of prices",
		"currency: USD\n---\nx":   "the list of prices must be one document",
		"currency: usd":           `currency "usd" is not known: it must be a code of ISO 4217 in capitals`,
		"currency: XXX":           `currency "XXX" is not known`,
		"currency: ABC":           `currency "ABC" is not known`,
		"{currency: USD, cpu: 1}": "not readable as a list of prices: line 1: cpu is no field of it (docs/costs.md has the fields)",
		"{currency: USD, pools: [{name: a, nodeSelector: {a: b}, cpu: 1}]}":                     "cpu is no field of it",
		"{currency: USD, cpuCoreHour: -1}":                                                      "cpuCoreHour: -1 must not be negative; what is taken off a price goes into discountPercent",
		"{currency: USD, gpuHour: {a: -1}}":                                                     "gpuHour.a: -1 must not be negative",
		"{currency: USD, cpuCoreHour: 1e9}":                                                     `line 1: "1e9" must be a decimal number without an exponent, such as "0.031611"`,
		"{currency: USD, cpuCoreHour: $1}":                                                      `"$1" must be a decimal number`,
		"{currency: USD, cpuCoreHour: .inf}":                                                    `".inf" must be a decimal number`,
		"{currency: USD, discountPercent: {cpu: 101}}":                                          "discountPercent.cpu: 101 must be from 0 to 100",
		"{currency: USD, discountPercent: {disk: 1}}":                                           "discountPercent.disk: is not known; it must be one of cpu, memory, gpu, device, storage, loadBalancer, egress",
		"{currency: USD, capacity: Free}":                                                       `capacity: "Free" must be OnDemand or Spot`,
		"{currency: USD, autoscaling: {expectedPercent: 101}}":                                  "autoscaling.expectedPercent: 101 must be from 0 to 100",
		"{currency: USD, tiers: {Live: {}}}":                                                    `tiers: "Live" is no tier: it must be one of Development, Staging, Production, Preview`,
		"{currency: USD, tiers: {Staging: {cpuCoreHour: -2}}}":                                  "tiers.Staging.cpuCoreHour: -2 must not be negative",
		"{currency: USD, pools: [{name: a}]}":                                                   "pools[0].nodeSelector: must have a label of the pool's nodes",
		"{currency: USD, pools: [{nodeSelector: {a: b}}]}":                                      `pools[0].name: "" must be a name that no other pool has`,
		"{currency: EUR, cpuCoreHour: 1}":                                                       "memoryGiBHour: must be set: prices are in EUR, and the default list is in USD",
		"{currency: EUR, cpuCoreHour: 1, memoryGiBHour: 1, tiers: {Staging: {capacity: Spot}}}": "tiers.Staging.spotCPUCoreHour: must be set",
		"{currency: EUR, cpuCoreHour: 1, memoryGiBHour: 1, pools: [{name: a, nodeSelector: {a: b}, capacity: Spot}]}": "pools[0].spotCPUCoreHour: must be set",
		"{currency: USD, currency: EUR}":          `not readable as a list of prices: line 1: mapping key "currency" already defined at line 1`,
		"currency: " + strings.Repeat("U", 2<<20): "the list of prices has 2097162 bytes and must have at most 1048576",
	} {
		if _, err := cost.Load([]byte(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: got %v, want %s", file, err, want)
		}
	}
}

func TestDigits(t *testing.T) {
	for code, want := range map[string]int32{"USD": 2, "JPY": 0, "KWD": 3} {
		if got := cost.Digits(code); got != want {
			t.Errorf("%s has %d places, want %d", code, got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		total   string
		weights string
		want    string
	}{
		{"1", "1 1 1", "0.34 0.33 0.33"},
		{"0.01", "1 1 1", "0.01 0 0"},
		{"100", "2 1 1", "50 25 25"},
		{"10", "0 0", "5 5"},
		{"10", "0 3 0", "0 10 0"},
		{"-1", "1 1 1", "-0.34 -0.33 -0.33"},
		{"0.005", "1 1", "0.005 0"},
		{"7", "", ""},
	} {
		var weights []decimal.Decimal
		for text := range strings.FieldsSeq(tc.weights) {
			weights = append(weights, amount(text))
		}
		var got []string
		for _, part := range cost.Split(amount(tc.total), weights, 2) {
			got = append(got, part.String())
		}
		if said := strings.Join(got, " "); said != tc.want {
			t.Errorf("%s by %s is %s, want %s", tc.total, tc.weights, said, tc.want)
		}
	}
}

// OpenCost's own split has made a g4dn.xlarge of 0.526 cost 0.565 (opencost#2901).
func TestNodePrices_SumToTheNode(t *testing.T) {
	scope := cost.DefaultPrices().In("", nil)
	parts, err := cost.NodePrices(amount("0.526"), cost.NodeSize{Cores: amount("4"), MemoryGiB: amount("16"), GPUs: amount("1")}, scope)
	if err != nil {
		t.Fatal(err)
	}
	if sum := decimal.Sum(parts.CPU, parts.Memory, parts.GPU); !sum.Equal(amount("0.526")) {
		t.Errorf("%+v sums to %s", parts, sum)
	}
	if !parts.CPU.Equal(amount("0.0581257223")) || !parts.Memory.Equal(amount("0.031163669")) || !parts.CoreHour.Equal(amount("0.0145314306")) {
		t.Errorf("got %+v", parts)
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 11))
		price := decimal.New(random.Int64N(1_000_000_000), -random.Int32N(14))
		size := cost.NodeSize{Cores: decimal.New(1+random.Int64N(200_000), -3), MemoryGiB: decimal.New(random.Int64N(1_000_000), -3), GPUs: decimal.NewFromInt(random.Int64N(9))}
		parts, err := cost.NodePrices(price, size, scope)
		if err != nil || !decimal.Sum(parts.CPU, parts.Memory, parts.GPU).Equal(price) || parts.CPU.IsNegative() || parts.Memory.IsNegative() || parts.GPU.IsNegative() {
			t.Fatalf("seed %d: %s of %+v is %+v, %v", seed, price, size, parts, err)
		}
	}
	for _, size := range []cost.NodeSize{{}, {Cores: amount("-1"), MemoryGiB: amount("8")}} {
		if _, err := cost.NodePrices(amount("1"), size, scope); err == nil {
			t.Errorf("%+v is no node", size)
		}
	}
	if _, err := cost.NodePrices(amount("-1"), cost.NodeSize{Cores: amount("1")}, scope); err == nil {
		t.Error("a node pays nobody")
	}
}

// The example that people copy is one that can be read.
func TestTheListOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/costs.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	p := prices(t, text)
	got, ok := p.In(platformv1alpha1.TierDevelopment, map[string]string{"example.com/pool": "reserved"}).Price(cost.Item{Resource: cost.CPU})
	if !ok || !got.Amount.Equal(amount("0.0174")) {
		t.Errorf("a core-hour costs %s", got.Amount)
	}
	list := cost.DefaultPrices()
	spot := *list
	spot.Capacity = cost.Spot
	for _, known := range []*cost.Prices{list, &spot} {
		for _, resource := range []cost.Resource{cost.CPU, cost.Memory, cost.GPU, cost.Storage, cost.Egress} {
			rate, ok := known.In("", nil).Price(cost.Item{Resource: resource})
			if !ok || !strings.Contains(string(page), " "+rate.Amount.String()+" |") {
				t.Errorf("%s at %s is not in the table of the default list", resource, rate.Amount)
			}
		}
	}
}
