package focus

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
)

// readPlain reads CSV.
func (r *reader) readPlain(ctx context.Context, file io.Reader) error {
	return r.readCSV(ctx, &bounded{from: file, limits: r.options.Limits})
}

// readGzip reads CSV packed by gzip. It reads to the end, where the checksum is: what is cut off or damaged does not count.
func (r *reader) readGzip(ctx context.Context, file io.Reader) error {
	packed := &counted{from: file}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return incomplete(err)
	}
	return r.readCSV(ctx, &bounded{from: unpacked, packed: packed, limits: r.options.Limits})
}

func incomplete(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ends in the middle; fetch it again", ErrIncomplete)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("%w: gzip's checksum or header does not fit what is there; fetch it again", ErrIncomplete)
	}
	return err
}

// counted counts what is read. It is read by one goroutine, which asks for the count too.
type counted struct {
	from io.Reader
	n    int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.n += int64(n)
	return n, err
}

// bounded ends with an error where a file becomes larger than it may be.
type bounded struct {
	from   io.Reader
	packed *counted
	limits Limits
	n      int64
}

// freeOfRatio is how much is unpacked before the ratio is looked at: small files may repeat themselves.
const freeOfRatio = 64 << 20

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.n += int64(n)
	switch {
	case b.n > b.limits.Bytes:
		return 0, fmt.Errorf("%w: more than %d bytes unpacked", ErrLimit, b.limits.Bytes)
	case b.packed != nil && b.n > freeOfRatio && b.n/b.limits.Ratio > b.packed.n:
		return 0, fmt.Errorf("%w: it unpacks to more than %d times its size", ErrLimit, b.limits.Ratio)
	case errors.Is(err, io.ErrUnexpectedEOF), b.packed != nil && !errors.Is(err, io.EOF):
		return n, incomplete(err)
	}
	return n, err
}

// readCSV reads a header and rows.
func (r *reader) readCSV(ctx context.Context, from io.Reader) error {
	ahead := readAhead(ctx, from)
	defer ahead.Close()
	lines := newLines(ahead, r.options.Limits)
	header, err := lines.next()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it has no header", ErrIncomplete)
	}
	if err != nil {
		return err
	}
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = string(bytes.TrimPrefix(name, []byte("\ufeff")))
	}
	at, err := positions(names)
	if err != nil {
		return err
	}
	var cells row
	for {
		r.place.Row++
		fields, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &Error{Place: r.place, Err: err}
		}
		if len(fields) != len(names) {
			return &Error{Place: r.place, Err: fmt.Errorf("it has %d cells, but the header has %d: it is cut off or damaged here, or a cell with a comma "+
				"is not in quotes; export it again", len(fields), len(names))}
		}
		for c, i := range at {
			cells[c].kind = null
			if i >= 0 && !isNull(fields[i]) {
				cells[c].kind, cells[c].text = text, fields[i]
			}
		}
		if err := r.add(&cells); err != nil {
			return err
		}
	}
}
