package manager

import (
	"strings"
	"testing"

	"github.com/towpath-dev/towpath/internal/cost"
)

func TestPricesAreReadFromTheirText(t *testing.T) {
	got, err := decodeConfiguration([]byte(head + "prices:\n  currency: EUR\n  cpuCoreHour: 0.0290\n  memoryGiBHour: \"0.0039\"\n  storageGiBHour: {default: 0.00005479452}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Prices.list == nil || got.Prices.list.Currency != "EUR" {
		t.Fatalf("got %+v", got.Prices.list)
	}
	if rate := got.Prices.list.Rates[cost.Item{Resource: cost.Storage}]; rate.String() != "0.00005479452" {
		t.Errorf("no float comes between: %s", rate)
	}
}

func TestWrongPricesAreRefusedWithTheirField(t *testing.T) {
	for prices, want := range map[string]string{
		"{currency: EUR}": "cpuCoreHour",
		"{currency: XXX, cpuCoreHour: 1, memoryGiBHour: 1}":                "XXX",
		"{currency: USD, cpuCoreHour: -1}":                                 "cpuCoreHour",
		"{currency: USD, cpuHour: 1}":                                      "cpuHour",
		"{currency: USD, cpuCoreHour: 1e9999}":                             "1e9999",
		"{currency: USD, cpuCoreHour: 0.03, tiers: {Prod: {gpuHour: {}}}}": "Prod",
		"[]": "prices",
	} {
		if _, err := decodeConfiguration([]byte(head + "prices: " + prices + "\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error with %q, got %v", prices, want, err)
		}
	}
}

func TestHistoryIsInOnePlace(t *testing.T) {
	c := DefaultConfiguration()
	c.History.SQLite, c.History.PostgreSQLAddressFile = "/a", "/b"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "not both") {
		t.Error(err)
	}
}
