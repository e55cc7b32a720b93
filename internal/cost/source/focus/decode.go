package focus

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
	"github.com/shopspring/decimal"

	"github.com/towpath-dev/towpath/internal/cost/source"
)

// decoder is how the values of a column's type are read.
func (r *reader) decoder(c column, of parquet.Type) (func(parquet.Value, *cell) error, error) {
	switch c {
	case billedCost, effectiveCost:
		if read := amounts(of); read != nil {
			return read, nil
		}
		return nil, fmt.Errorf("its type is %s, and must be decimal, double, integer or text", of)
	case chargePeriodStart, chargePeriodEnd, billingPeriodStart:
		if read := moments(of); read != nil {
			return read, nil
		}
		return nil, fmt.Errorf("its type is %s, and must be timestamp, date or text", of)
	}
	if of.Kind() != parquet.ByteArray {
		return nil, fmt.Errorf("its type is %s, and must be text", of)
	}
	return texts, nil
}

func texts(v parquet.Value, to *cell) error {
	to.kind = null
	if b := v.ByteArray(); !isNull(b) {
		to.kind, to.text = text, b
	}
	return nil
}

// amounts reads money. A decimal is an integer with a scale; a double means the shortest decimal that it stands for.
func amounts(of parquet.Type) func(parquet.Value, *cell) error {
	scale, isDecimal := decimals(of)
	switch of.Kind() {
	case parquet.Double:
		return func(v parquet.Value, to *cell) (err error) {
			to.kind = amount
			if to.amount, err = source.AmountOfFloat(v.Double()); err != nil {
				err = fmt.Errorf("%v is no amount: %w", v.Double(), err)
			}
			return err
		}
	case parquet.Float:
		return func(v parquet.Value, to *cell) (err error) {
			to.kind = amount
			var buffer [32]byte
			if to.amount, err = source.ParseAmount(strconv.AppendFloat(buffer[:0], float64(v.Float()), 'g', -1, 32)); err != nil {
				err = fmt.Errorf("%v is no amount: %w", v.Float(), err)
			}
			return err
		}
	case parquet.Int32, parquet.Int64:
		return func(v parquet.Value, to *cell) error {
			n := int64(0)
			if n = v.Int64(); v.Kind() == parquet.Int32 {
				n = int64(v.Int32())
			}
			to.kind, to.amount = amount, source.AmountOf(decimal.New(n, -scale))
			return nil
		}
	case parquet.ByteArray, parquet.FixedLenByteArray:
		if !isDecimal {
			if of.Kind() == parquet.ByteArray {
				return texts
			}
			return nil
		}
		return func(v parquet.Value, to *cell) error {
			b := v.ByteArray()
			const longest = 32
			if len(b) > longest {
				return fmt.Errorf("%w: a decimal of %d bytes", ErrLimit, len(b))
			}
			to.kind, to.amount = amount, source.AmountOf(decimal.NewFromBigInt(twosComplement(b), -scale))
			return nil
		}
	}
	return nil
}

// decimals is the scale of a decimal, and whether it is one.
func decimals(of parquet.Type) (int32, bool) {
	if logical := of.LogicalType(); logical != nil {
		if d, ok := logical.Value.(*format.DecimalType); ok {
			return d.Scale, true
		}
	}
	return 0, false
}

func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return n
}

// moments reads times: of any unit, as days, as Spark's old 96 bits, or as text.
func moments(of parquet.Type) func(parquet.Value, *cell) error {
	at := func(time func(parquet.Value) time.Time) func(parquet.Value, *cell) error {
		return func(v parquet.Value, to *cell) error {
			to.kind, to.moment = moment, time(v)
			return nil
		}
	}
	switch of.Kind() {
	case parquet.ByteArray:
		return texts
	case parquet.Int32:
		return at(func(v parquet.Value) time.Time { return time.Unix(int64(v.Int32())*86400, 0).UTC() })
	case parquet.Int96:
		return at(func(v parquet.Value) time.Time {
			const julian1970 = 2440588
			n := v.Int96()
			var b [8]byte
			binary.LittleEndian.PutUint32(b[:4], n[0])
			binary.LittleEndian.PutUint32(b[4:], n[1])
			return time.Unix((int64(n[2])-julian1970)*86400, int64(binary.LittleEndian.Uint64(b[:]))).UTC()
		})
	case parquet.Int64:
		switch unit(of) {
		case time.Millisecond:
			return at(func(v parquet.Value) time.Time { return time.UnixMilli(v.Int64()).UTC() })
		case time.Microsecond:
			return at(func(v parquet.Value) time.Time { return time.UnixMicro(v.Int64()).UTC() })
		case time.Nanosecond:
			return at(func(v parquet.Value) time.Time { return time.Unix(0, v.Int64()).UTC() })
		}
	}
	return nil
}

// unit is that of a timestamp; 0 where it is none.
func unit(of parquet.Type) time.Duration {
	if logical := of.LogicalType(); logical != nil {
		if stamp, ok := logical.Value.(*format.TimestampType); ok && stamp.Unit.Value != nil {
			return stamp.Unit.Value.Duration()
		}
	}
	if converted := of.ConvertedType(); converted != nil {
		switch *converted {
		case deprecated.TimestampMillis:
			return time.Millisecond
		case deprecated.TimestampMicros:
			return time.Microsecond
		}
	}
	return 0
}
