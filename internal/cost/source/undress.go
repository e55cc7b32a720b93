package source

import (
	"bytes"
	"strings"

	"github.com/towpath-dev/towpath/internal/cost"
)

// signs are those of currencies that exports put beside amounts.
const signs = "$€£¥₹₩₽฿₪₫₴₺"

// maxDressed is the longest text that may hold an amount.
const maxDressed = 96

// undress takes from an amount what is no part of the number.
func undress(text []byte) ([]byte, error) {
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
	s = unsigned(s)
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		if negative {
			return nil, ErrAmount
		}
		negative = true
		s = unsigned(rest)
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

// unsigned takes a currency's sign or code from one end of an amount.
func unsigned(s string) string {
	s = strings.TrimSpace(s)
	if bare := strings.TrimSpace(strings.TrimLeft(s, signs)); bare != s {
		return bare
	}
	if bare := strings.TrimSpace(strings.TrimRight(s, signs)); bare != s {
		return bare
	}
	if len(s) > 3 && cost.KnownCurrency(s[:3]) {
		return strings.TrimSpace(s[3:])
	}
	if len(s) > 3 && cost.KnownCurrency(s[len(s)-3:]) {
		return strings.TrimSpace(s[:len(s)-3])
	}
	return s
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
