package focus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/format"
)

// content is what a page has once it is unpacked, and what of the schema says how it is read.
type content struct {
	// levels are those before the values of a page of version 2, repetition and definition; of version 1 they are within data.
	levels [2][]byte
	data   []byte
	// deepest is the highest level of each.
	deepest  [2]int
	version2 bool
	encoding format.Encoding
	// bits says that levels of version 1 are packed by bits, as old writers do, and not by runs.
	bits [2]bool
	// most is how many values there may be, and bytes how many they may come to.
	most, bytes int64
}

// check bounds what the library makes of a page. A run is a value and how often it is there: a few bytes that stand for billions, all of which
// it makes room for, however many values the page says that it has.
func (c *content) check() error {
	data := c.data
	for i, deepest := range c.deepest {
		runs := c.levels[i]
		if deepest == 0 {
			continue
		}
		if !c.version2 {
			if len(data) < 4 || int64(binary.LittleEndian.Uint32(data)) > int64(len(data)-4) {
				return endsEarly()
			}
			runs = data[4 : 4+binary.LittleEndian.Uint32(data)]
			data = data[4+len(runs):]
		}
		if !c.bits[i] {
			if err := c.runs(runs, width(deepest)); err != nil {
				return err
			}
		}
	}
	if len(data) == 0 {
		return nil
	}
	switch c.encoding {
	case oldDictionary, format.RLEDictionary:
		return c.runs(data[1:], uint64(data[0]))
	case format.RLE:
		return c.runs(data, 0)
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray:
		_, _, err := c.deltas(data, false)
		return err
	case format.DeltaByteArray:
		// Each value begins with so much of the one before, and goes on with something of its own.
		shared, rest, err := c.deltas(data, true)
		if err != nil {
			return err
		}
		own, _, err := c.deltas(rest, true)
		if err == nil && shared+own > c.bytes {
			err = fmt.Errorf("%w: the values of a page have %d bytes, and may have %d", ErrLimit, shared+own, c.bytes)
		}
		return err
	}
	return nil // what is plain is as large as it is
}

// oldDictionary is what old writers, and Spark among those of today, call RLEDictionary.
const oldDictionary format.Encoding = 2

// width is how many bits a level takes.
func width(deepest int) uint64 {
	bits := uint64(0)
	for ; deepest > 0; deepest >>= 1 {
		bits++
	}
	return bits
}

func endsEarly() error {
	return fmt.Errorf("%w: a page ends in the middle of its values; fetch it again", ErrIncomplete)
}

// runs counts the values of runs and of packed ones in between.
func (c *content) runs(b []byte, width uint64) error {
	total, most := uint64(0), uint64(c.most) //nolint:gosec // it is positive
	for len(b) > 0 {
		head, n := binary.Uvarint(b)
		if n <= 0 {
			return endsEarly()
		}
		b = b[n:]
		count, size := head>>1, (width+7)/8
		if count == 0 {
			continue
		}
		if head&1 != 0 {
			const together = 8
			if count > most {
				return c.tooMany(count)
			}
			count, size = count*together, count*width
		}
		if total += min(count, most+1); total > most {
			return c.tooMany(total)
		}
		b = b[min(size, uint64(len(b))):]
	}
	return nil
}

func (c *content) tooMany(count uint64) error {
	return fmt.Errorf("%w: a page has %d values or more, and may have %d", ErrLimit, count, c.most)
}

// errDeltas says that deltas are not such.
var errDeltas = errors.New("its deltas cannot be read")

// deltas goes through numbers that are told by how they differ, and returns what comes after them, and their sum, as far as it may be, where it is
// wanted: they are lengths then, of 32 bits.
func (c *content) deltas(b []byte, sums bool) (sum int64, rest []byte, err error) {
	var head [3]uint64 // how many are in a block, in how many parts, and how many there are
	for i := range head {
		if head[i], b, err = uvarint(b); err != nil {
			return 0, nil, err
		}
	}
	size, parts, total := head[0], head[1], head[2]
	const largest = 1 << 16
	switch {
	case size == 0 || size > largest || parts == 0 || parts > size || size%parts != 0 || size/parts%8 != 0:
		return 0, nil, damaged(errDeltas)
	case total > uint64(c.most): //nolint:gosec // it is positive
		return 0, nil, c.tooMany(total)
	}
	first, b, err := varint(b)
	if err != nil || total == 0 {
		return 0, b, err
	}
	value := int32(first) //nolint:gosec // as the library does
	sum = c.plus(0, value)
	for left := total - 1; left > 0; {
		var least int64
		if least, b, err = varint(b); err != nil {
			return 0, nil, err
		}
		if uint64(len(b)) < parts {
			return 0, nil, endsEarly()
		}
		widths := b[:parts]
		b = b[parts:]
		for _, width := range widths {
			const widest = 64
			if left == 0 {
				break
			}
			if width > widest {
				return 0, nil, damaged(errDeltas)
			}
			packed := b[:min(size/parts*uint64(width)/8, uint64(len(b)))]
			b = b[len(packed):]
			count := min(size/parts, left)
			left -= count
			for i := uint64(0); sums && i < count; i++ {
				value += int32(least) + int32(unpacked(packed, i*uint64(width), uint64(width))) //nolint:gosec // as the library does
				sum = c.plus(sum, value)
			}
		}
	}
	return sum, b, nil
}

// plus adds lengths, up to what is too much.
func (c *content) plus(sum int64, value int32) int64 {
	return min(sum+int64(max(value, 0)), c.bytes+1)
}

// unpacked is a number of so many bits at a place; what is not there is nothing.
func unpacked(b []byte, at, width uint64) uint64 {
	value := uint64(0)
	for bit := range width {
		if i := (at + bit) / 8; i < uint64(len(b)) && b[i]>>((at+bit)%8)&1 != 0 {
			value |= 1 << bit
		}
	}
	return value
}

func uvarint(b []byte) (uint64, []byte, error) {
	value, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, fmt.Errorf("%w: %w", endsEarly(), io.ErrUnexpectedEOF)
	}
	return value, b[n:], nil
}

func varint(b []byte) (int64, []byte, error) {
	value, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, fmt.Errorf("%w: %w", endsEarly(), io.ErrUnexpectedEOF)
	}
	return value, b[n:], nil
}
