// Package gitwire reads what Git servers send, which tenants choose, within bounds.
package gitwire

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage/memory"
)

// ErrTooLarge is among the errors where a server sends more than may be read.
var ErrTooLarge = errors.New("the server sends more than may be read")

// Unpack reads the objects of a pack into a store, which has what some of them are made from, once it is known that all of them together
// are no more than limit bytes: a few bytes can become as many as one likes.
func Unpack(into *memory.Storage, pack []byte, limit int64) error {
	if err := measure(pack, limit); err != nil {
		return err
	}
	parser, err := packfile.NewParserWithStorage(packfile.NewScanner(bytes.NewReader(pack)), into)
	if err != nil {
		return err
	}
	if _, err := parser.Parse(); err != nil {
		return fmt.Errorf("its objects cannot be read: %w", err)
	}
	return nil
}

// measure adds up how large the objects of a pack are, those that are made from others included, and stops where it is too much.
func measure(pack []byte, limit int64) error {
	scanner := packfile.NewScanner(bytes.NewReader(pack))
	_, count, err := scanner.Header()
	if err != nil {
		return fmt.Errorf("its objects cannot be read: %w", err)
	}
	// What is kept of an object besides its content.
	const each = 256
	for range count {
		header, err := scanner.NextObjectHeader()
		if err != nil {
			return fmt.Errorf("its objects cannot be read: %w", err)
		}
		if limit -= header.Length + each; limit < 0 || header.Length < 0 {
			return ErrTooLarge
		}
		if !header.Type.IsDelta() {
			continue // the scanner skips it, and reads no more than the length that it says
		}
		var delta bytes.Buffer
		if _, _, err := scanner.NextObject(&delta); err != nil {
			return fmt.Errorf("its objects cannot be read: %w", err)
		}
		if limit -= target(delta.Bytes()); limit < 0 {
			return ErrTooLarge
		}
	}
	return nil
}

// target is how large the object is that a delta makes: its second number, behind the size of what it is made from. What cannot be
// read counts as endless.
func target(delta []byte) int64 {
	var size int64
	for range 2 {
		size = 0
		for shift := 0; ; shift += 7 {
			if len(delta) == 0 || shift > 56 {
				return 1 << 62
			}
			b := delta[0]
			delta = delta[1:]
			size |= int64(b&0x7f) << shift
			if b&0x80 == 0 {
				break
			}
		}
	}
	return size
}

// Limited reads at most so many bytes, and then fails by ErrTooLarge; io.LimitedReader would end as if that were all.
type Limited struct {
	// From is read from, Left how much of it may still be.
	From io.Reader
	Left int64
}

// Read implements io.Reader.
func (l *Limited) Read(p []byte) (int, error) {
	if l.Left <= 0 {
		return 0, ErrTooLarge
	}
	n, err := l.From.Read(p[:min(int64(len(p)), l.Left)])
	l.Left -= int64(n)
	return n, err
}

// Or is the error of what read from it, unless the limit is why.
func (l *Limited) Or(err error) error {
	if l.Left <= 0 {
		return ErrTooLarge
	}
	return err
}
