package credentials

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// shown is how many entries that cannot be read a text names.
const shown = 3

// Set is what a Secret holds. The zero value holds nothing.
type Set struct {
	entries []*Entry
	broken  []broken
	// lost are the entries of which nobody knows for which address they were meant, with what is wrong.
	lost []string
}

// broken is an entry that cannot be used, and its address.
type broken struct {
	key   string
	place place
	err   error
}

// Parse reads the entries of a Secret, one a key. One that cannot be read takes its own address alone with it.
func Parse(data map[string][]byte) *Set {
	s := &Set{}
	holders := map[place][]string{}
	var entries []*Entry
	for _, key := range slices.Sorted(maps.Keys(data)) {
		entry, where, err := parse(key, data[key])
		switch {
		case err == nil:
			entries = append(entries, entry)
		case where != nil:
			s.broken = append(s.broken, broken{key, *where, err})
		default:
			s.lost = append(s.lost, fmt.Sprintf("%s (%v)", key, err))
		}
		if where != nil {
			holders[*where] = append(holders[*where], key)
		}
	}
	for _, entry := range entries {
		if all := holders[entry.place]; len(all) > 1 {
			s.broken = append(s.broken, broken{entry.key, entry.place, fmt.Errorf("%s have the same address", strings.Join(all, " and "))})
			continue
		}
		s.entries = append(s.entries, entry)
	}
	return s
}

// Unreadable is a Set of which nothing is known, for a reason.
func Unreadable(why string) *Set { return &Set{lost: []string{why}} }

// For returns the entry for an address, nil for none: the one with the longest path, of those that the address is at or
// below. The error says that this one cannot be used, and why; a shorter one does not stand in for it.
func (s *Set) For(address string) (*Entry, error) {
	where, err := parsePlace(address)
	if err != nil {
		return nil, nil //nolint:nilerr // such an address is no entry's
	}
	var best *Entry
	for _, entry := range s.entries {
		if entry.place.covers(where) && (best == nil || len(entry.place.path) > len(best.place.path)) {
			best = entry
		}
	}
	var worst *broken
	for i := range s.broken {
		b := &s.broken[i]
		if b.place.covers(where) && (worst == nil || len(b.place.path) > len(worst.place.path)) {
			worst = b
		}
	}
	if worst != nil && (best == nil || len(worst.place.path) >= len(best.place.path)) {
		return nil, fmt.Errorf("entry %s cannot be used: %w", worst.key, worst.err)
	}
	return best, nil
}

// Lost names the entries of which nobody knows for which address they were meant, with what is wrong. Empty for none.
func (s *Set) Lost() string {
	text := strings.Join(s.lost[:min(len(s.lost), shown)], "; ")
	if more := len(s.lost) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Entries are those that can be used.
func (s *Set) Entries() []*Entry { return s.entries }
