package source

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
)

// sketchSize is how many figures a Sketch remembers.
const sketchSize = 16

// Sketch is a sample of the figures of a billing period: those whose hashes are the least. Of two that sum up nearly the same figures nearly
// all samples are the same ones, however many figures there are.
type Sketch []uint32

// Sketch is that of a billing period. Figures of nothing are left out: every bill has them.
func (l *Ledger) Sketch(period string) Sketch {
	id, known := l.periods[period]
	var all Sketch
	for i := range l.groups {
		g := &l.groups[i]
		if !known || g.key.period != id || g.billed.Decimal().IsZero() && g.effective.Decimal().IsZero() {
			continue
		}
		series := &l.names[g.key.series]
		hash := fnv.New64a()
		_, _ = fmt.Fprintf(hash, "%d %q %q %q %q %q %q %t %s %s", g.key.day, series.Team, series.Environment, series.Component, series.service,
			series.category, series.currency, series.unused, g.billed.Decimal(), g.effective.Decimal())
		sum := hash.Sum64()
		all = append(all, uint32(sum^sum>>32)) //nolint:gosec // what is cut off was mixed in
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.Clone(all[:min(len(all), sketchSize)])
}

// Like says that two sketches are of nearly the same figures: of the least hashes of both together, three quarters and more are in both. Of one
// or two figures nobody can say that: flat fees are the same in many accounts.
func (s Sketch) Like(other Sketch) bool {
	both := slices.Concat(s, other)
	slices.Sort(both)
	both = slices.Compact(both)
	both = both[:min(len(both), sketchSize)]
	common := 0
	for _, hash := range both {
		if slices.Contains(s, hash) && slices.Contains(other, hash) {
			common++
		}
	}
	const least = 3
	return common >= least && 4*common >= 3*len(both)
}

// MarshalText writes it in base64: notes have one for each billing period of each bill.
func (s Sketch) MarshalText() ([]byte, error) {
	b := make([]byte, 0, 4*len(s))
	for _, hash := range s {
		b = binary.LittleEndian.AppendUint32(b, hash)
	}
	return []byte(base64.RawStdEncoding.EncodeToString(b)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *Sketch) UnmarshalText(text []byte) error {
	b, err := base64.RawStdEncoding.DecodeString(string(text))
	if err != nil {
		return err
	}
	*s = nil
	for ; len(b) >= 4; b = b[4:] {
		*s = append(*s, binary.LittleEndian.Uint32(b))
	}
	return nil
}
