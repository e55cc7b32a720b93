package source_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost/source"
)

func TestParseAmount(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0.5": "-0.5", "+1": "1", "1.": "1", ".5": "0.5", "123456789012345678901234567890.123": "123456789012345678901234567890.123",
		"9223371.999999999999999999999999": "9223371.999999999999999999999999", "9223372.5": "9223372.5", "1e3": "1000", "1.2E-7": "0.00000012",
		"$1,234.50": "1234.5", "1,234,567": "1234567", "-$5": "-5", "$-5": "-5", "(5.00)": "-5", "($5.00)": "-5", "5 €": "5", "USD 5": "5", "5.5 usd": "",
		"5.5 USD": "5.5", "\u22125": "-5", " 7 ": "7", "1e-30": "0.000000000000000000000000000001",
		"": "", "-": "", ".": "", "1,5": "", "1,234": "", "12,34.5": "", "1.234,50": "", "1_000": "", "0x10": "", "NaN": "", "Infinity": "", "--5": "", "(-5)": "",
		"1e401": "", "1e99999999999": "", "5 5": "", "1.2.3": "", "$": "", "five": "",
	} {
		got, err := source.ParseAmount([]byte(text))
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is %s", text, got.Decimal())
		case want == "" && !errors.Is(err, source.ErrAmount) && !errors.Is(err, source.ErrAmbiguous):
			t.Errorf("%q: %v", text, err)
		case want != "" && (err != nil || got.Decimal().String() != want):
			t.Errorf("%q is %s, %v, want %s", text, got.Decimal(), err, want)
		}
	}
}

func TestParseAmountIn_RefusesAnotherCurrency(t *testing.T) {
	for text, want := range map[string]string{
		"5": "", "$5": "", "USD 5": "", "5 USD": "", "($5.00)": "", "-$5": "",
		"EUR 100": "EUR", "100 EUR": "EUR", "€5": "€", "(€5)": "€", "5 €": "€", "-€5": "€", "$€5": "€", "(5 EUR)": "EUR", "CAD 5": "CAD",
	} {
		_, err := source.ParseAmountIn([]byte(text), "USD")
		other, ok := errors.AsType[*source.CurrencyError](err)
		if (want == "") != (err == nil) || want != "" && (!ok || other.Mark != want || other.Currency != "USD") {
			t.Errorf("%q: %v, want it to name %q", text, err, want)
		}
	}
	for _, code := range []string{"CAD", "AUD", "MXN"} {
		if _, err := source.ParseAmountIn([]byte("$5"), code); err != nil {
			t.Errorf("$ is %s too: %v", code, err)
		}
	}
	for _, code := range []string{"EUR", "JPY"} {
		if _, err := source.ParseAmountIn([]byte("$5"), code); err == nil {
			t.Errorf("$ is not %s", code)
		}
	}
}

// TestAmount_AddsExactly adds drawn amounts, also such as overflow, and compares with sums of decimals.
func TestAmount_AddsExactly(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 2))
		var sum source.Amount
		var want decimal.Decimal
		for range 2000 {
			d := decimal.New(random.Int64()-math.MaxInt64/2, -random.Int32N(30))
			if random.IntN(10) == 0 {
				d = decimal.New(9_000_000, 0)
			}
			if random.IntN(2) == 0 {
				d = d.Truncate(12)
			}
			parsed, err := source.ParseAmount([]byte(d.String()))
			if err != nil || !parsed.Decimal().Equal(d) || !source.AmountOf(d).Decimal().Equal(d) {
				t.Fatalf("seed %d: %s is read as %s, %v", seed, d, parsed.Decimal(), err)
			}
			sum, want = sum.Add(parsed), want.Add(d)
		}
		if !sum.Decimal().Equal(want) {
			t.Errorf("seed %d: %s, want %s", seed, sum.Decimal(), want)
		}
	}
}

func TestAmountOfFloat(t *testing.T) {
	for f, want := range map[float64]string{0.1: "0.1", -1234.5678: "-1234.5678", 1e-20: "0.00000000000000000001", 123e20: "12300000000000000000000", 0: "0"} {
		if got, err := source.AmountOfFloat(f); err != nil || got.Decimal().String() != want {
			t.Errorf("%v is %s, %v", f, got.Decimal(), err)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := source.AmountOfFloat(f); err == nil {
			t.Errorf("%v is an amount", f)
		}
	}
}
