package focus

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// readParquet reads the columns that are asked for, row by row: of each, one page is in memory. The file's end says where
// everything is, so one that is cut off is found before anything is read.
func (r *reader) readParquet(ctx context.Context, content io.ReaderAt, size int64) (err error) {
	// The library panics on some files that are damaged on purpose.
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(err, fmt.Errorf("%w: it is damaged: %v; fetch it again", ErrIncomplete, p))
		}
	}()
	if err := checkFooter(content, size); err != nil {
		return err
	}
	file, err := parquet.OpenFile(content, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(64<<10))
	if err != nil {
		return fmt.Errorf("%w: %w; fetch it again", ErrIncomplete, err)
	}
	leaves, err := r.leavesOf(file)
	if err != nil {
		return err
	}
	if err := r.checkPages(content, file.Metadata(), leaves); err != nil {
		return err
	}
	for _, group := range file.RowGroups() {
		if err := r.readGroup(ctx, group, leaves); err != nil {
			return err
		}
	}
	return nil
}

// leaf is a column of the file that is read: one that has a value for each row, or one of the two of a map.
type leaf struct {
	column column
	index  int
	role   role
	read   func(parquet.Value, *cell) error
	// deepest are the highest levels of repetition and definition.
	deepest [2]int
}

type role uint8

const (
	whole role = iota
	mapKey
	mapValue
)

// leavesOf finds the columns that are read.
func (r *reader) leavesOf(file *parquet.File) ([]leaf, error) {
	columns := file.Root().Columns()
	if len(columns) > r.options.Limits.Columns {
		return nil, fmt.Errorf("%w: it has %d columns, and may have %d", ErrLimit, len(columns), r.options.Limits.Columns)
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name()
	}
	at, err := positions(names)
	if err != nil {
		return nil, err
	}
	var leaves []leaf
	for c := range columnCount {
		if at[c] < 0 {
			continue
		}
		found := columns[at[c]]
		if !found.Leaf() {
			both, err := mapLeaves(c, found)
			if err != nil {
				return nil, err
			}
			leaves = append(leaves, both...)
			continue
		}
		read, err := r.decoder(c, found.Type())
		if err != nil {
			return nil, &Error{Place: r.place, Column: names[at[c]], Err: err}
		}
		if found.Repeated() {
			return nil, &Error{Place: r.place, Column: names[at[c]], Err: errors.New("it must have one value in each row, but is repeated")}
		}
		leaves = append(leaves, leaf{column: c, index: found.Index(), read: read, deepest: deepest(found)})
	}
	return leaves, nil
}

func deepest(c *parquet.Column) [2]int { return [2]int{c.MaxRepetitionLevel(), c.MaxDefinitionLevel()} }

// mapLeaves are the keys and values of a map, as AWS has tags.
func mapLeaves(c column, found *parquet.Column) ([]leaf, error) {
	wrong := &Error{Column: c.String(), Err: errors.New("its type must be text that is a JSON object, or a map of text to text")}
	inner := found.Columns()
	if c != tags || len(inner) != 1 || inner[0].Leaf() || !inner[0].Repeated() {
		return nil, wrong
	}
	both := inner[0].Columns()
	if len(both) != 2 {
		return nil, wrong
	}
	for _, part := range both {
		if !part.Leaf() || part.Repeated() || part.Type().Kind() != parquet.ByteArray {
			return nil, wrong
		}
	}
	return []leaf{
		{column: c, index: both[0].Index(), role: mapKey, deepest: deepest(both[0])},
		{column: c, index: both[1].Index(), role: mapValue, deepest: deepest(both[1])},
	}, nil
}

// readGroup reads a group of rows.
func (r *reader) readGroup(ctx context.Context, group parquet.RowGroup, leaves []leaf) (err error) {
	chunks := group.ColumnChunks()
	cursors := make([]*cursor, len(leaves))
	for i := range leaves {
		cursors[i] = &cursor{leaf: leaves[i], pages: chunks[leaves[i].index].Pages(), most: r.options.Limits.Cell}
	}
	defer func() {
		for _, c := range cursors {
			err = errors.Join(err, c.close())
		}
	}()
	var cells row
	for n := range group.NumRows() {
		const often = 1024
		if n%often == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.place.Row++
		for _, c := range cursors {
			if err := c.next(&cells[c.leaf.column]); err != nil {
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					err = fmt.Errorf("%w: the column ends before the file's last row", ErrIncomplete)
				}
				return r.fail(c.leaf.column, err)
			}
		}
		if err := r.add(&cells); err != nil {
			return err
		}
	}
	for _, c := range cursors {
		if _, err := c.peek(); !errors.Is(err, io.EOF) {
			return r.fail(c.leaf.column, fmt.Errorf("%w: the column goes on after the file's last row", ErrIncomplete))
		}
	}
	return nil
}

// cursor goes through the values of a column.
type cursor struct {
	leaf   leaf
	most   int
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buffer [256]parquet.Value
	i, n   int
	err    error
	pairs  []pair
}

// peek is the next value, which stays valid until the one after it is peeked at.
func (c *cursor) peek() (*parquet.Value, error) {
	for c.i == c.n {
		if c.values != nil && c.err == nil {
			c.i, c.n = 0, 0
			c.n, c.err = c.values.ReadValues(c.buffer[:])
			continue
		}
		if c.err != nil && !errors.Is(c.err, io.EOF) {
			return nil, c.err
		}
		c.drop()
		page, err := c.pages.ReadPage()
		if err != nil {
			return nil, err
		}
		c.page, c.values, c.err = page, page.Values(), nil
	}
	return &c.buffer[c.i], nil
}

func (c *cursor) drop() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page, c.values = nil, nil
	}
}

func (c *cursor) close() error {
	c.drop()
	return c.pages.Close()
}

// next puts the value of the next row into a cell. Of a map, values come after keys.
func (c *cursor) next(to *cell) error {
	v, err := c.peek()
	if err != nil {
		return err
	}
	if c.leaf.role != whole {
		return c.nextOfMap(to)
	}
	c.i++
	if v.IsNull() {
		to.kind = null
		return nil
	}
	if k := v.Kind(); (k == parquet.ByteArray || k == parquet.FixedLenByteArray) && len(v.ByteArray()) > c.most {
		return fmt.Errorf("%w: the cell has %d bytes, and may have %d", ErrLimit, len(v.ByteArray()), c.most)
	}
	return c.leaf.read(*v, to)
}

// maxPairs is how many tags a row may have.
const maxPairs = 1000

// nextOfMap reads a row's keys or values. They are copied, since a row may go on in the next page.
func (c *cursor) nextOfMap(to *cell) error {
	count, bytes := 0, 0
	for {
		v, err := c.peek()
		if errors.Is(err, io.EOF) && count > 0 || err == nil && count > 0 && v.RepetitionLevel() == 0 {
			break
		}
		if err != nil {
			return err
		}
		c.i++
		count++
		if count > maxPairs {
			return fmt.Errorf("%w: the row has more than %d tags", ErrLimit, maxPairs)
		}
		if count > len(c.pairs) {
			c.pairs = append(c.pairs, pair{})
		}
		var b []byte
		if !v.IsNull() {
			b = v.ByteArray()
		}
		if bytes += len(b); bytes > c.most {
			return fmt.Errorf("%w: the tags have more than %d bytes", ErrLimit, c.most)
		}
		c.pairs[count-1].key = append(c.pairs[count-1].key[:0], b...)
	}
	if c.leaf.role == mapKey {
		to.kind, to.pairs = pairs, c.pairs[:count]
		return nil
	}
	if count != len(to.pairs) {
		return errors.New("the map has more keys than values")
	}
	for i := range to.pairs {
		to.pairs[i].value = c.pairs[i].key
	}
	if count == 1 && len(to.pairs[0].key) == 0 {
		to.kind = null
	}
	return nil
}

// Codecs whose pages say themselves how large they are need no second look.
func declares(codec format.CompressionCodec) bool {
	return codec == format.Uncompressed || codec == format.Snappy
}
