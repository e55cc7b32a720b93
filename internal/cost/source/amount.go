package source

import (
	"errors"
	"math"
	"strconv"

	"github.com/shopspring/decimal"
)

// Amount is money, exact. A bill has millions of them, so what fits is two integers: 24 decimal places and nine million of a
// currency. What does not is a decimal beside them.
type Amount struct {
	// The amount is pico × 10^-12 + yocto × 10^-24 + rest. yocto is always less than one pico.
	pico, yocto int64
	rest        *decimal.Decimal
}

const (
	half = 12
	// one is 10^12.
	one = 1_000_000_000_000
)

// AmountOf is a decimal as an Amount.
func AmountOf(d decimal.Decimal) Amount {
	if amount, ok := plain([]byte(d.String())); ok {
		return amount
	}
	return Amount{rest: &d}
}

// Decimal is the amount as a decimal.
func (a Amount) Decimal() decimal.Decimal {
	d := decimal.New(a.pico, -half)
	if a.yocto != 0 {
		d = d.Add(decimal.New(a.yocto, -2*half))
	}
	if a.rest != nil {
		d = d.Add(*a.rest)
	}
	return d
}

// Add is the sum.
func (a Amount) Add(b Amount) Amount {
	rest := a.rest
	if b.rest != nil {
		rest = plus(rest, *b.rest)
	}
	yocto := a.yocto + b.yocto
	carry := yocto / one
	yocto -= carry * one
	pico, ok := add(a.pico, b.pico)
	if ok {
		pico, ok = add(pico, carry)
	}
	if !ok {
		// What was there moves to the decimal, so that this is rare.
		rest = plus(rest, decimal.New(a.pico, -half).Add(decimal.New(carry, -half)))
		pico = b.pico
	}
	return Amount{pico: pico, yocto: yocto, rest: rest}
}

func plus(rest *decimal.Decimal, d decimal.Decimal) *decimal.Decimal {
	if rest != nil {
		d = d.Add(*rest)
	}
	return &d
}

// add adds, and says whether the sum fits.
func add(a, b int64) (int64, bool) {
	sum := a + b
	// It overflowed where both have the sign that the sum has not.
	return sum, (a^sum)&(b^sum) >= 0
}

// Bounds of a number, so that 1e999999999 makes no number of a gigabyte.
const (
	maxDigits   = 64
	maxExponent = 400
)

// ErrAmount is what is wrong with text that is no amount.
var ErrAmount = errors.New("it must be a decimal number, such as -1234.56 or 1.2E-7")

// ErrAmbiguous is what is wrong with an amount whose comma may be either.
var ErrAmbiguous = errors.New("its comma may stand for thousands or for decimals; write decimals after a dot, and no commas")

// ParseAmount reads an amount: digits with a decimal point, an exponent, a sign. What exports have besides is understood where it
// cannot mean two things: a currency's sign or code before or after, brackets for negative amounts, commas between thousands.
func ParseAmount(text []byte) (Amount, error) { return ParseAmountIn(text, "") }

// ParseAmountIn is ParseAmount of an amount in a currency: a sign or code of another one is a CurrencyError. A sign that several have, such
// as $, may be any of them.
func ParseAmountIn(text []byte, currency string) (Amount, error) {
	if amount, ok := plain(text); ok {
		return amount, nil
	}
	bare, err := undress(text, currency)
	if err != nil {
		return Amount{}, err
	}
	if amount, ok := plain(bare); ok {
		return amount, nil
	}
	if !short(bare) {
		return Amount{}, ErrAmount
	}
	d, err := decimal.NewFromString(string(bare))
	if err != nil {
		return Amount{}, ErrAmount
	}
	return AmountOf(d), nil
}

// AmountOfFloat is the shortest decimal that is this float: 0.1, not 0.1000000000000000055. Files that store money as floats
// mean that.
func AmountOfFloat(f float64) (Amount, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Amount{}, ErrAmount
	}
	if f == 0 {
		return Amount{}, nil
	}
	var buffer [64]byte
	form := byte('f')
	if size := math.Abs(f); size < 1e-18 || size >= 1e15 {
		form = 'g'
	}
	return ParseAmount(strconv.AppendFloat(buffer[:0], f, form, -1, 64))
}

// plain reads what nearly all amounts are, [-]digits[.digits], without a decimal.
func plain(text []byte) (Amount, bool) {
	i, negative := 0, false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		negative = text[0] == '-'
		i = 1
	}
	begin := i
	var whole int64
	for ; i < len(text) && text[i] != '.'; i++ {
		c := text[i] - '0'
		if c > 9 {
			return Amount{}, false
		}
		if whole = whole*10 + int64(c); whole >= math.MaxInt64/one {
			return Amount{}, false
		}
	}
	digits := i - begin
	var parts [2]int64
	if i < len(text) {
		fraction := text[i+1:]
		if len(fraction) > 2*half {
			return Amount{}, false
		}
		digits += len(fraction)
		for n := range parts {
			for place := range half {
				parts[n] *= 10
				if at := n*half + place; at < len(fraction) {
					c := fraction[at] - '0'
					if c > 9 {
						return Amount{}, false
					}
					parts[n] += int64(c)
				}
			}
			if len(fraction) <= half {
				break
			}
		}
	}
	if digits == 0 {
		return Amount{}, false
	}
	amount := Amount{pico: whole*one + parts[0], yocto: parts[1]}
	if negative {
		amount.pico, amount.yocto = -amount.pico, -amount.yocto
	}
	return amount, true
}

// short says whether a number is short enough to be made.
func short(text []byte) bool {
	if len(text) > maxDigits {
		return false
	}
	for i, c := range text {
		if c == 'e' || c == 'E' {
			exponent, err := strconv.Atoi(string(text[i+1:]))
			return err == nil && exponent >= -maxExponent && exponent <= maxExponent
		}
	}
	return true
}
