package cost

import (
	"fmt"
	"strings"

	"golang.org/x/text/currency"
)

// currencies are the codes of ISO 4217 for money that circulates; funds, metals, codes for testing and money of before are left
// out. They are a table here, since the library takes the latter, and does not know all that have come since.
var currencies = func() map[string]bool {
	known := map[string]bool{}
	for code := range strings.FieldsSeq(`
		AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP
		CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD
		IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
		MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
		SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG
		XOF XPF YER ZAR ZMW ZWG`) {
		known[code] = true
	}
	return known
}()

// KnownCurrency says whether a code of ISO 4217 is one of money that circulates.
func KnownCurrency(code string) bool { return currencies[code] }

// CheckCurrency says why a text is no code of a currency; nil where it is one.
func CheckCurrency(code string) error {
	if !KnownCurrency(code) {
		return fmt.Errorf("currency %q is not known: it must be a code of ISO 4217 in capitals, such as USD or EUR", code)
	}
	return nil
}

// Digits is how many decimal places a currency is written with: 2 for USD, 0 for JPY.
func Digits(code string) int32 {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return 2
	}
	scale, _ := currency.Standard.Rounding(unit)
	return int32(scale) //nolint:gosec // a scale is below ten
}
