package cost

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	yamlv3 "go.yaml.in/yaml/v3"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/internal/lazyregexp"
)

// maxFile is more than any list of prices has.
const maxFile = 1 << 20

// defaultType is how a file names the price of all types that have none of their own.
const defaultType = "default"

// plainAmount are those that are read: an exponent could be of any size.
var plainAmount = lazyregexp.New(`^-?[0-9]{1,12}(\.[0-9]{1,20})?$`)

// amount is a decimal of a file. It is taken from its text, so that no float comes between.
type amount struct{ decimal.Decimal }

// UnmarshalYAML reads one.
func (a *amount) UnmarshalYAML(node *yamlv3.Node) error {
	if node.Kind != yamlv3.ScalarNode || !plainAmount().MatchString(node.Value) {
		return fmt.Errorf("line %d: %q must be a decimal number without an exponent, such as \"0.031611\"", node.Line, node.Value)
	}
	var err error
	a.Decimal, err = decimal.NewFromString(node.Value)
	return err
}

// fileTerms are Terms as people write them.
type fileTerms struct {
	CPUCoreHour       *amount           `yaml:"cpuCoreHour"`
	MemoryGiBHour     *amount           `yaml:"memoryGiBHour"`
	SpotCPUCoreHour   *amount           `yaml:"spotCPUCoreHour"`
	SpotMemoryGiBHour *amount           `yaml:"spotMemoryGiBHour"`
	GPUHour           map[string]amount `yaml:"gpuHour"`
	DeviceHour        map[string]amount `yaml:"deviceHour"`
	StorageGiBHour    map[string]amount `yaml:"storageGiBHour"`
	LoadBalancerHour  *amount           `yaml:"loadBalancerHour"`
	EgressGiB         *amount           `yaml:"egressGiB"`
	DiscountPercent   map[string]amount `yaml:"discountPercent"`
	Capacity          Capacity          `yaml:"capacity"`
}

// file is a list of prices as people write it.
type file struct {
	Currency    string `yaml:"currency"`
	fileTerms   `yaml:",inline"`
	Autoscaling struct {
		ExpectedPercent *amount `yaml:"expectedPercent"`
	} `yaml:"autoscaling"`
	Tiers map[platformv1alpha1.Tier]fileTerms `yaml:"tiers"`
	Pools []struct {
		Name         string            `yaml:"name"`
		NodeSelector map[string]string `yaml:"nodeSelector"`
		fileTerms    `yaml:",inline"`
	} `yaml:"pools"`
}

// fields are how files name the resources.
var fields = map[Resource]string{
	CPU: "cpuCoreHour", Memory: "memoryGiBHour", SpotCPU: "spotCPUCoreHour", SpotMemory: "spotMemoryGiBHour", GPU: "gpuHour",
	Device: "deviceHour", Storage: "storageGiBHour", LoadBalancer: "loadBalancerHour", Egress: "egressGiB",
}

// discountable are what a discount may be of; spot prices follow those of CPU and Memory.
var discountable = []Resource{CPU, Memory, GPU, Device, Storage, LoadBalancer, Egress}

func fieldOf(item Item) string {
	if item.Type == "" {
		return fields[item.Resource]
	}
	return fields[item.Resource] + "." + item.Type
}

// lower is how files name a resource in discountPercent: cpu, memory, gpu, loadBalancer.
func lower(resource Resource) string {
	if resource == CPU || resource == GPU {
		return strings.ToLower(string(resource))
	}
	return strings.ToLower(string(resource[:1])) + string(resource[1:])
}

// Load reads a list of prices in YAML or JSON, and checks it. What it does not know it refuses: a price with a wrong name
// would be one of the default list.
func Load(data []byte) (*Prices, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("the list of prices has %d bytes and must have at most %d", len(data), maxFile)
	}
	decoder := yamlv3.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var f file
	if err := decoder.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the list of prices is empty: it must have at least currency, such as currency: USD")
		}
		return nil, fmt.Errorf("not readable as a list of prices: %s", readable(err))
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("the list of prices must be one document")
	}
	if f.Currency == "" {
		return nil, errors.New("currency must be set, such as currency: USD")
	}
	return f.prices()
}

func (f *file) prices() (*Prices, error) {
	p := &Prices{Currency: f.Currency, Tiers: map[platformv1alpha1.Tier]Terms{}}
	var err error
	if p.Terms, err = f.terms(""); err != nil {
		return nil, err
	}
	if e := f.Autoscaling.ExpectedPercent; e != nil {
		p.ExpectedPercent = &e.Decimal
	}
	for tier, terms := range f.Tiers {
		if p.Tiers[tier], err = terms.terms(fmt.Sprintf("tiers.%s.", tier)); err != nil {
			return nil, err
		}
	}
	for i := range f.Pools {
		pool := Pool{Name: f.Pools[i].Name, NodeSelector: f.Pools[i].NodeSelector}
		if pool.Terms, err = f.Pools[i].terms(fmt.Sprintf("pools[%d].", i)); err != nil {
			return nil, err
		}
		p.Pools = append(p.Pools, pool)
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	return p, nil
}

func (f *fileTerms) terms(at string) (Terms, error) {
	t := Terms{Rates: map[Item]decimal.Decimal{}, Discounts: map[Resource]decimal.Decimal{}, Capacity: f.Capacity}
	for resource, rate := range map[Resource]*amount{
		CPU: f.CPUCoreHour, Memory: f.MemoryGiBHour, SpotCPU: f.SpotCPUCoreHour, SpotMemory: f.SpotMemoryGiBHour,
		LoadBalancer: f.LoadBalancerHour, Egress: f.EgressGiB,
	} {
		if rate != nil {
			t.Rates[Item{resource, ""}] = rate.Decimal
		}
	}
	for resource, rates := range map[Resource]map[string]amount{GPU: f.GPUHour, Device: f.DeviceHour, Storage: f.StorageGiBHour} {
		for kind, rate := range rates {
			if kind == defaultType {
				kind = ""
			}
			t.Rates[Item{resource, kind}] = rate.Decimal
		}
	}
	for name, percent := range f.DiscountPercent {
		at2 := slices.IndexFunc(discountable, func(r Resource) bool { return lower(r) == name })
		if at2 < 0 {
			known := make([]string, len(discountable))
			for i, resource := range discountable {
				known[i] = lower(resource)
			}
			return Terms{}, fmt.Errorf("%sdiscountPercent.%s: is not known; it must be one of %s", at, name, strings.Join(known, ", "))
		}
		t.Discounts[discountable[at2]] = percent.Decimal
	}
	return t, nil
}

// unknownField is how the YAML library says that a file has a field which the type has not.
var unknownField = lazyregexp.New(`field (\S+) not found in type \S+`)

// readable words an error of the YAML library for people.
func readable(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.ReplaceAll(strings.TrimPrefix(text, "unmarshal errors:\n  "), "\n  ", "; ")
	return unknownField().ReplaceAllString(text, "$1 is no field of it (docs/costs.md has the fields)")
}
