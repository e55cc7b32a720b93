package source

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/towpath-dev/towpath/internal/cost"
)

// signs are those of currencies that exports put beside amounts.
const signs = "$€£¥₹₩₽฿₪₫₴₺"

// signed are the currencies that write a sign: dollars and pesos the same one.
var signed = map[rune]string{
	'$': "USD AUD BBD BMD BND BSD BZD CAD FJD GYD HKD JMD KYD LRD NAD NZD SBD SGD SRD TTD TWD XCD ARS CLP COP CUP DOP MXN UYU",
	'€': "EUR", '£': "GBP EGP FKP GIP LBP SDG SHP SSP SYP", '¥': "JPY CNY", '₹': "INR", '₩': "KRW KPW", '₽': "RUB", '฿': "THB", '₪': "ILS",
	'₫': "VND", '₴': "UAH", '₺': "TRY",
}

// CurrencyError is what is wrong with an amount that names another currency than the one it is in.
type CurrencyError struct {
	// Mark is the sign or code that stands beside the amount, Currency the code of the one it must be.
	Mark, Currency string
}

// Error says what to do.
func (e *CurrencyError) Error() string {
	return fmt.Sprintf("it says %s, and the currency of the row is %s: have the export write amounts in the currency that it names, or without sign and code", e.Mark, e.Currency)
}

// checkMarks says whether what stands beside an amount, signs or a code, is of a currency.
func checkMarks(marks, currency string) error {
	if currency == "" || marks == currency {
		return nil
	}
	if cost.KnownCurrency(marks) {
		return &CurrencyError{Mark: marks, Currency: currency}
	}
	for _, sign := range marks {
		if !strings.Contains(signed[sign], currency) {
			return &CurrencyError{Mark: string(sign), Currency: currency}
		}
	}
	return nil
}

// maxDressed is the longest text that may hold an amount.
const maxDressed = 96

// undress takes from an amount what is no part of the number, and refuses what is of another currency.
func undress(text []byte, currency string) ([]byte, error) {
	if len(text) > maxDressed {
		return nil, ErrAmount
	}
	s := strings.ReplaceAll(string(text), "\u00a0", " ")
	s = strings.TrimSpace(strings.ReplaceAll(s, "\u2212", "-"))
	negative := false
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		negative = true
		s = s[1 : len(s)-1]
	}
	s, marks := unsigned(s)
	if err := checkMarks(marks, currency); err != nil {
		return nil, err
	}
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		if negative {
			return nil, ErrAmount
		}
		negative = true
		if s, marks = unsigned(rest); checkMarks(marks, currency) != nil {
			return nil, checkMarks(marks, currency)
		}
	}
	s, err := joined(s)
	if err != nil {
		return nil, err
	}
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789.eE+-", r) }) {
		return nil, ErrAmount
	}
	if negative {
		if s[0] == '-' || s[0] == '+' {
			return nil, ErrAmount
		}
		s = "-" + s
	}
	return []byte(s), nil
}

// unsigned takes a currency's sign or code from one end of an amount, and returns it as well.
func unsigned(s string) (bare, marks string) {
	s = strings.TrimSpace(s)
	if bare := strings.TrimLeft(s, signs); bare != s {
		return strings.TrimSpace(bare), s[:len(s)-len(bare)]
	}
	if bare := strings.TrimRight(s, signs); bare != s {
		return strings.TrimSpace(bare), s[len(bare):]
	}
	if len(s) > 3 && cost.KnownCurrency(s[:3]) {
		return strings.TrimSpace(s[3:]), s[:3]
	}
	if len(s) > 3 && cost.KnownCurrency(s[len(s)-3:]) {
		return strings.TrimSpace(s[:len(s)-3]), s[len(s)-3:]
	}
	return s, ""
}

// joined takes the commas between thousands out: where they stand at every third digit, and there are two of them or a decimal
// point after them. 1,234 alone may be either.
func joined(s string) (string, error) {
	commas := strings.Count(s, ",")
	if commas == 0 {
		return s, nil
	}
	whole, _, point := strings.Cut(s, ".")
	if strings.Contains(s[len(whole):], ",") || commas == 1 && !point {
		return "", ErrAmbiguous
	}
	groups := bytes.Split([]byte(strings.TrimLeft(whole, "+-")), []byte(","))
	for i, group := range groups {
		if len(group) == 0 || len(group) > 3 || i > 0 && len(group) != 3 {
			return "", ErrAmbiguous
		}
	}
	return strings.ReplaceAll(s, ",", ""), nil
}
