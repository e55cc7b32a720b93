package focus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// maxFooter is how large the description of a Parquet file may be: thousands of groups of rows.
const maxFooter = 32 << 20

// checkFooter says of a file that is cut off that it is, and bounds what describes it.
func checkFooter(content io.ReaderAt, size int64) error {
	const smallest = 12
	var end [8]byte
	if size < smallest {
		return fmt.Errorf("%w: it begins as Parquet but has %d bytes; fetch it again", ErrIncomplete, size)
	}
	if _, err := content.ReadAt(end[:], size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(end[4:]) != "PAR1" {
		return fmt.Errorf("%w: it begins as Parquet but does not end so; fetch it again", ErrIncomplete)
	}
	footer := int64(binary.LittleEndian.Uint32(end[:4]))
	switch {
	case footer > size-smallest:
		return fmt.Errorf("%w: its end describes more than there is; fetch it again", ErrIncomplete)
	case footer > maxFooter:
		return fmt.Errorf("%w: its description has %d bytes, and may have %d", ErrLimit, footer, maxFooter)
	}
	return nil
}

// checkPages looks at all pages that will be read. The library makes as much room for a page as its header says, so what is too large
// is refused before, and so is what unpacks to more than that.
func (r *reader) checkPages(content io.ReaderAt, meta *format.FileMetaData, leaves []leaf) error {
	unpack := &unpacker{most: r.options.Limits.Page}
	defer unpack.close()
	var unpacked int64
	for g := range meta.RowGroups {
		columns := meta.RowGroups[g].Columns
		for _, l := range leaves {
			if l.index >= len(columns) {
				return r.fail(l.column, fmt.Errorf("%w: group %d of rows lacks it; fetch the file again", ErrIncomplete, g+1))
			}
			size, err := r.checkChunk(content, &columns[l.index].MetaData, l.deepest, unpack)
			if err != nil {
				return r.fail(l.column, err)
			}
			if unpacked += size; unpacked > r.options.Limits.Bytes {
				return fmt.Errorf("%w: more than %d bytes unpacked", ErrLimit, r.options.Limits.Bytes)
			}
		}
	}
	return nil
}

// checkChunk goes from header to header, over all that the library might read, and says how much there is once it is unpacked.
func (r *reader) checkChunk(content io.ReaderAt, chunk *format.ColumnMetaData, deepest [2]int, unpack *unpacker) (int64, error) {
	begin := chunk.DataPageOffset
	if chunk.DictionaryPageOffset != 0 {
		begin = chunk.DictionaryPageOffset
	}
	end := begin + chunk.TotalCompressedSize
	if begin < 0 || chunk.TotalCompressedSize < 0 || end < begin {
		return 0, fmt.Errorf("%w: a column has no place in the file; fetch it again", ErrIncomplete)
	}
	var unpacked int64
	for at := begin; at < end; {
		header, length, err := pageHeader(content, at, end)
		if err != nil {
			return 0, err
		}
		size, full := int64(header.CompressedPageSize), int64(header.UncompressedPageSize)
		switch {
		case size < 0 || full < 0 || at+length+size > end:
			return 0, fmt.Errorf("%w: a page goes on after its column's end; fetch it again", ErrIncomplete)
		case max(size, full) > r.options.Limits.Page:
			return 0, fmt.Errorf("%w: a page has %d bytes unpacked, and may have %d", ErrLimit, max(size, full), r.options.Limits.Page)
		case !declares(chunk.Codec) && full/r.options.Limits.Ratio > size+freeOfPageRatio:
			return 0, fmt.Errorf("%w: a page unpacks to more than %d times its size", ErrLimit, r.options.Limits.Ratio)
		}
		if err := r.checkPage(io.NewSectionReader(content, at+length, size), chunk.Codec, header, deepest, unpack); err != nil {
			return 0, err
		}
		unpacked += full
		at += length + size
	}
	return unpacked, nil
}

// freeOfPageRatio is added to a page's size before its ratio is looked at: a page of one value many times over is tiny.
const freeOfPageRatio = 64 << 10

// checkPage looks at how many values a page says that it has, at what it unpacks to, and at what that stands for. What a page is, the library
// takes from its type alone, whatever else its header holds.
func (r *reader) checkPage(page *io.SectionReader, codec format.CompressionCodec, header *format.PageHeader, deepest [2]int, unpack *unpacker) error {
	// Each value takes four bytes at least, where it is the number of one in the dictionary.
	const least = 4
	full, values := int64(header.UncompressedPageSize), int32(-1)
	is := content{deepest: deepest, most: r.options.Limits.Page / least, bytes: r.options.Limits.Page, encoding: format.Plain}
	switch v1, v2 := &header.DataPageHeader, &header.DataPageHeaderV2; {
	case header.Type == format.DataPage && v1.Valid:
		values, is.encoding = v1.V.NumValues, v1.V.Encoding
		is.bits = [2]bool{v1.V.RepetitionLevelEncoding == format.BitPacked, v1.V.DefinitionLevelEncoding == format.BitPacked}
	case header.Type == format.DictionaryPage && header.DictionaryPageHeader.Valid:
		values, is.deepest = header.DictionaryPageHeader.V.NumValues, [2]int{}
	case header.Type == format.DataPageV2 && v2.Valid:
		values, is.encoding, is.version2 = v2.V.NumValues, v2.V.Encoding, true
		// Levels stand before what is packed.
		repetition, definition := int64(v2.V.RepetitionLevelsByteLength), int64(v2.V.DefinitionLevelsByteLength)
		levels := repetition + definition
		if repetition < 0 || definition < 0 || levels > page.Size() || levels > full {
			return fmt.Errorf("%w: a page has more levels than bytes; fetch it again", ErrIncomplete)
		}
		if v2.V.IsCompressed.Valid && !v2.V.IsCompressed.V {
			codec = format.Uncompressed
		}
		b, err := packed(io.NewSectionReader(page, 0, levels))
		if err != nil {
			return err
		}
		is.levels = [2][]byte{b[:repetition], b[repetition:]}
		page, full = io.NewSectionReader(page, levels, page.Size()-levels), full-levels
	}
	switch {
	case values < 0:
		return fmt.Errorf("%w: a page is of an unknown kind; fetch it again", ErrIncomplete)
	case int64(values) > is.most:
		return is.tooMany(uint64(values))
	}
	wanted := is.encoding != format.Plain || !is.version2 && is.deepest != [2]int{}
	var err error
	if is.data, err = unpack.unpack(codec, page, full, wanted); err != nil {
		return err
	}
	if !wanted {
		is.data = nil
	}
	return is.check()
}

// pageHeader is the header at a place, and how long it is. It is a few bytes mostly, but may hold the largest and smallest values.
func pageHeader(content io.ReaderAt, at, end int64) (*format.PageHeader, int64, error) {
	const first, last = 4 << 10, 4 << 20
	var protocol thrift.CompactProtocol
	for size := int64(first); ; size *= 32 {
		block := make([]byte, min(size, end-at))
		if _, err := content.ReadAt(block, at); err != nil {
			return nil, 0, fmt.Errorf("%w: a page has no header: %w; fetch it again", ErrIncomplete, err)
		}
		header := &format.PageHeader{}
		from := protocol.NewReaderFromBytes(block)
		err := thrift.NewDecoder(from).Decode(header)
		if err == nil {
			return header, int64(from.BytesRead()), nil
		}
		if size >= last || int64(len(block)) < size {
			return nil, 0, fmt.Errorf("%w: a page has no header: %w; fetch it again", ErrIncomplete, err)
		}
	}
}
