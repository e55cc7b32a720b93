package focus

import (
	"fmt"
	"slices"
	"strings"
)

// column is one that is read. All others of a file are not looked at.
type column int

const (
	billedCost column = iota
	effectiveCost
	billingCurrency
	chargeCategory
	serviceName
	chargePeriodStart
	billingPeriodStart
	provider
	// Those that follow may be absent.
	chargePeriodEnd
	chargeClass
	serviceCategory
	commitmentStatus
	tags
	columnCount
)

const firstOptional = chargePeriodEnd

// columnNames are those of each column, the one of the newest version first. 1.3 has other names for providers than those before,
// and 1.4 has these alone.
var columnNames = [columnCount][]string{
	billedCost:         {"BilledCost"},
	effectiveCost:      {"EffectiveCost"},
	billingCurrency:    {"BillingCurrency"},
	chargeCategory:     {"ChargeCategory"},
	serviceName:        {"ServiceName"},
	chargePeriodStart:  {"ChargePeriodStart"},
	billingPeriodStart: {"BillingPeriodStart"},
	provider:           {"ServiceProviderName", "ProviderName", "HostProviderName", "PublisherName"},
	chargePeriodEnd:    {"ChargePeriodEnd"},
	chargeClass:        {"ChargeClass"},
	serviceCategory:    {"ServiceCategory"},
	commitmentStatus:   {"CommitmentDiscountStatus"},
	tags:               {"Tags"},
}

// String is the column's name in the newest version.
func (c column) String() string { return columnNames[c][0] }

// folded is a column's name as query engines and warehouses leave it: some make all letters small, some put underscores.
func folded(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	return strings.NewReplacer("_", "", " ", "").Replace(name)
}

// positions says where each column stands among a file's, -1: nowhere. It is an error where one is missing that must be there,
// and names all of those.
func positions(header []string) ([columnCount]int, error) {
	var found [columnCount]int
	at := map[string][]int{}
	for i, name := range header {
		at[folded(name)] = append(at[folded(name)], i)
	}
	var missing, double []string
	for c := range columnCount {
		found[c] = -1
		for _, name := range columnNames[c] {
			places := at[folded(name)]
			if len(places) > 1 {
				double = append(double, name)
			}
			if len(places) > 0 {
				found[c] = places[0]
				break
			}
		}
		if found[c] < 0 && c < firstOptional {
			names := columnNames[c]
			if c == provider {
				names = names[:2]
			}
			missing = append(missing, strings.Join(names, " or "))
		}
	}
	switch {
	case len(missing) > 0 && len(header) == 1 && strings.ContainsAny(header[0], ";\t|"):
		return found, fmt.Errorf("its columns must be separated by commas, but its first line is %.80q", header[0])
	case len(missing) > 0:
		slices.Sort(missing)
		return found, fmt.Errorf("columns are missing: %s; export them too (FOCUS 1.0 to 1.4 has them as mandatory)", strings.Join(missing, ", "))
	case len(double) > 0:
		return found, fmt.Errorf("columns are there more than once: %s; export each once", strings.Join(double, ", "))
	}
	return found, nil
}
