package focus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lines reads the rows of CSV as RFC 4180 has it. encoding/csv would do, but for one thing: it has no bounds, so a quote that is
// not closed has it take the rest of the file into memory. Since it must be our own, it also makes no copies: cells point into
// the buffer, until the next row is asked for.
type lines struct {
	from   io.Reader
	limits Limits
	buffer []byte
	// What is not yet parsed is buffer[begin:end].
	begin, end int
	err        error
	cells      [][]byte
}

func newLines(from io.Reader, limits Limits) *lines {
	return &lines{from: from, limits: limits, buffer: make([]byte, 256<<10)}
}

var (
	errQuote = errors.New(`a cell has a quote in it without being in quotes, or text after its closing quote; ` +
		`put cells with quotes in quotes, and each quote in them twice`)
	errEnds = fmt.Errorf("%w: the file ends in the middle of this row, without a line break; fetch it again, or, if it is whole, "+
		"have it end with a line break", ErrIncomplete)
)

// next are the cells of the next row that is not empty; io.EOF after the last one.
func (l *lines) next() ([][]byte, error) {
	for {
		line, err := l.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			continue
		}
		return l.split(line)
	}
}

// line is the next row without its line break. A row ends at the first line break before which quotes are even in number.
func (l *lines) line() ([]byte, error) {
	seen, quotes := 0, 0
	for {
		unread := l.buffer[l.begin:l.end]
		for {
			i := bytes.IndexByte(unread[seen:], '\n')
			if i < 0 {
				break
			}
			quotes += bytes.Count(unread[seen:seen+i], []byte{'"'})
			seen += i + 1
			if quotes%2 == 0 {
				if seen > l.limits.Row {
					return nil, l.tooLong()
				}
				l.begin += seen
				return bytes.TrimSuffix(unread[:seen-1], []byte{'\r'}), nil
			}
		}
		quotes += bytes.Count(unread[seen:], []byte{'"'})
		seen = len(unread)
		if seen > l.limits.Row {
			return nil, l.tooLong()
		}
		if l.err != nil {
			if !errors.Is(l.err, io.EOF) {
				return nil, l.err
			}
			if seen > 0 {
				return nil, errEnds
			}
			return nil, io.EOF
		}
		l.fill()
	}
}

func (l *lines) tooLong() error {
	return fmt.Errorf("%w: the row has more than %d bytes; a quote may not be closed before it", ErrLimit, l.limits.Row)
}

// fill reads on, with what is not yet parsed at the buffer's begin.
func (l *lines) fill() {
	if l.begin > 0 {
		l.end = copy(l.buffer, l.buffer[l.begin:l.end])
		l.begin = 0
	}
	if l.end == len(l.buffer) {
		l.buffer = append(l.buffer, make([]byte, len(l.buffer))...)
	}
	const patience = 100
	for range patience {
		n, err := l.from.Read(l.buffer[l.end:])
		l.end += n
		l.err = err
		if n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}

// split cuts a row into its cells.
func (l *lines) split(line []byte) ([][]byte, error) {
	l.cells = l.cells[:0]
	for {
		var cell []byte
		var more bool
		var err error
		if len(line) > 0 && line[0] == '"' {
			cell, line, more, err = unquote(line)
		} else {
			cell, line, more, err = bare(line)
		}
		switch {
		case err != nil:
			return nil, err
		case len(cell) > l.limits.Cell:
			return nil, fmt.Errorf("%w: cell %d of the row has %d bytes, and may have %d", ErrLimit, len(l.cells)+1, len(cell), l.limits.Cell)
		case len(l.cells) == l.limits.Columns:
			return nil, fmt.Errorf("%w: the row has more than %d cells", ErrLimit, l.limits.Columns)
		}
		l.cells = append(l.cells, cell)
		if !more {
			return l.cells, nil
		}
	}
}

// bare is a cell without quotes, what follows its comma, and whether there is one.
func bare(line []byte) (cell, rest []byte, more bool, err error) {
	i := bytes.IndexByte(line, ',')
	if cell = line; i >= 0 {
		cell, rest, more = line[:i], line[i+1:], true
	}
	if bytes.IndexByte(cell, '"') >= 0 {
		return nil, nil, false, errQuote
	}
	return cell, rest, more, nil
}

// unquote is a cell in quotes, put together in place.
func unquote(line []byte) (cell, rest []byte, more bool, err error) {
	line = line[1:]
	to, from := 0, 0
	for {
		i := bytes.IndexByte(line[from:], '"')
		if i < 0 {
			// Quotes are even in number, so this is a quote too many within the row.
			return nil, nil, false, errQuote
		}
		if to != from {
			copy(line[to:], line[from:from+i])
		}
		to, from = to+i, from+i+1
		if from < len(line) && line[from] == '"' {
			line[to] = '"'
			to, from = to+1, from+1
			continue
		}
		cell = line[:to]
		switch {
		case from == len(line):
			return cell, nil, false, nil
		case line[from] == ',':
			return cell, line[from+1:], true, nil
		}
		return nil, nil, false, errQuote
	}
}
