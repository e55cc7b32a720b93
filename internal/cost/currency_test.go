package cost_test

import (
	"testing"

	"github.com/towpath-dev/towpath/internal/cost"
)

func TestCheckCurrency(t *testing.T) {
	t.Parallel()
	for code, digits := range map[string]int32{"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3, "SLE": 2, "XCG": 2} {
		if err := cost.CheckCurrency(code); err != nil {
			t.Error(err)
		}
		if got := cost.Digits(code); got != digits {
			t.Errorf("%s is written with %d decimal places, wanted %d", code, got, digits)
		}
	}
	for _, code := range []string{"", "usd", "US", "DEM", "XAU", "XXX", "XTS", "Credits"} {
		if err := cost.CheckCurrency(code); err == nil {
			t.Errorf("%q passes for money that circulates", code)
		}
	}
}
