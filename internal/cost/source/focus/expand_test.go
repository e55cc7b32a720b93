package focus

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// TestContent_CountsWhatThereIs holds what is counted of pages to what was written: to the value and to the byte.
func TestContent_CountsWhatThereIs(t *testing.T) {
	for range 200 {
		count := 1 + rand.IntN(400) //nolint:gosec // any will do
		var text []byte
		offsets, numbers, wide := []uint32{0}, []int32{}, []int64{}
		for i := range count {
			numbers = append(numbers, rand.Int32N(1<<rand.IntN(20))) //nolint:gosec // as above
			wide = append(wide, rand.Int64()>>rand.IntN(64))         //nolint:gosec // as above
			text = append(text, strings.Repeat("ab", rand.IntN(i%7+1))...)
			offsets = append(offsets, uint32(len(text))) //nolint:gosec // short
		}
		encoded := func(b []byte, err error) []byte {
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		for kind, data := range map[format.Encoding][]byte{
			format.RLEDictionary:        encoded(parquet.RLEDictionary.EncodeInt32(nil, numbers)),
			format.DeltaByteArray:       encoded(parquet.DeltaByteArray.EncodeByteArray(nil, text, offsets)),
			format.DeltaLengthByteArray: encoded(parquet.DeltaLengthByteArray.EncodeByteArray(nil, text, offsets)),
			format.DeltaBinaryPacked:    encoded(parquet.DeltaBinaryPacked.EncodeInt64(nil, wide)),
		} {
			const padding = 8
			is := content{encoding: kind, data: data, most: int64(count + padding), bytes: int64(len(text))}
			if err := is.check(); err != nil {
				t.Fatalf("%s of %d values in %d bytes: %v", kind, count, len(text), err)
			}
			if is.most = int64(count) - 1; !errors.Is(is.check(), ErrLimit) {
				t.Fatalf("%s: %d values pass for fewer: %v", kind, count, is.check())
			}
			is.most = int64(count + padding)
			if is.bytes = int64(len(text)) - 1; kind == format.DeltaByteArray && !errors.Is(is.check(), ErrLimit) {
				t.Fatalf("%d bytes pass for fewer: %v", len(text), is.check())
			}
			for cut := range data { // whatever it says, it ends
				is.data = data[:cut]
				_ = is.check()
			}
		}
	}
}

// TestContent_FewBytesThatStandForMany has pages of which the library would make gigabytes.
func TestContent_FewBytesThatStandForMany(t *testing.T) {
	run := func(count uint64, value ...byte) []byte { return append(binary.AppendUvarint(nil, count), value...) }
	many := run(1<<30<<1, 1)
	first := append(binary.LittleEndian.AppendUint32(nil, uint32(len(many))), many...)
	deltas := func(total uint64) []byte {
		b := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(nil, 1<<16), 1), total)
		b = binary.AppendVarint(b, 1<<20)
		for range (total + 1<<16 - 2) >> 16 {
			b = append(b, 0, 0) // as the one before, 65,536 times
		}
		return b
	}
	for name, is := range map[string]content{
		"a run of the dictionary":    {encoding: format.RLEDictionary, data: append([]byte{1}, many...)},
		"many runs":                  {encoding: format.RLEDictionary, data: append([]byte{1}, []byte(strings.Repeat(string(run(1<<23<<1, 1)), 3))...)},
		"packed numbers of no bits":  {encoding: format.RLEDictionary, data: append([]byte{0}, run(1<<28<<1|1)...)},
		"levels of version 1":        {encoding: format.Plain, deepest: [2]int{0, 1}, data: first},
		"levels of repetition":       {encoding: format.Plain, deepest: [2]int{1, 2}, data: first},
		"levels of version 2":        {encoding: format.Plain, deepest: [2]int{0, 1}, version2: true, levels: [2][]byte{nil, many}},
		"numbers that do not differ": {encoding: format.DeltaBinaryPacked, data: deltas(1 << 30)},
		"lengths":                    {encoding: format.DeltaLengthByteArray, data: deltas(1 << 30)},
		"the same text, 65,536 times": {encoding: format.DeltaByteArray,
			data: append(deltas(1<<16), deltas(1<<16)...)},
	} {
		is.most, is.bytes = 16<<20, 64<<20
		if err := is.check(); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
