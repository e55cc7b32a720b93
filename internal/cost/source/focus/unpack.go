package focus

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// unpacker looks whether pages unpack to what their headers say. The library unpacks to whatever there is, makes as much room as the packed
// content itself asks for, and with LZ4 doubles it until the content fits: so what is not as its header says must not come to it.
type unpacker struct {
	// most is how large a page may be.
	most int64
	zstd *zstd.Decoder
}

// unpack returns what a page unpacks to; full is how much its header says that there is. Where the content is not wanted, it returns none if it
// can tell how much it is without.
func (u *unpacker) unpack(codec format.CompressionCodec, page *io.SectionReader, full int64, wanted bool) ([]byte, error) {
	if page.Size() == 0 {
		return nil, nil
	}
	switch codec {
	case format.Uncompressed:
		if !wanted {
			return nil, nil
		}
		return packed(page)
	case format.Snappy:
		return unpackSnappy(page, full, wanted)
	case format.Lz4Raw:
		return unpackLZ4(page, full)
	case format.Gzip:
		unpacked, err := gzip.NewReader(page)
		if err != nil {
			return nil, damaged(err)
		}
		return drain(unpacked, full)
	case format.Brotli:
		return drain(brotli.NewReader(page), full)
	case format.Zstd:
		return u.unpackZstd(page, full)
	}
	return nil, fmt.Errorf("its pages are packed by %s; they must be packed by gzip, Snappy, Zstandard, LZ4_RAW or Brotli, or not at all", codec)
}

// packed is a page as it is.
func packed(page *io.SectionReader) ([]byte, error) {
	b := make([]byte, page.Size())
	if _, err := io.ReadFull(page, b); err != nil {
		return nil, incomplete(err)
	}
	return b, nil
}

// unpackZstd bounds the window too, which is the decoder's memory.
func (u *unpacker) unpackZstd(page *io.SectionReader, full int64) ([]byte, error) {
	const window = 8 << 20 // what encoders use, also for pages that are smaller
	if u.zstd == nil {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(uint64(max(window, u.most)))) //nolint:gosec // it is positive
		if err != nil {
			return nil, err
		}
		u.zstd = decoder
	}
	if err := u.zstd.Reset(page); err != nil {
		return nil, damaged(err)
	}
	return drain(u.zstd, full)
}

// close gives back what a decoder holds.
func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
	}
}

// unpackSnappy reads the length that a block of Snappy begins with: as much room is made for it.
func unpackSnappy(page *io.SectionReader, full int64, wanted bool) ([]byte, error) {
	var begin [binary.MaxVarintLen64]byte
	n, err := page.ReadAt(begin[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	length, read := binary.Uvarint(begin[:n])
	switch {
	case read <= 0:
		return nil, damaged(errors.New("a block of Snappy has no length"))
	case length > uint64(full): //nolint:gosec // it is not negative
		return nil, tooMuch(full)
	case !wanted:
		return nil, nil
	}
	b, err := packed(page)
	if err != nil {
		return nil, err
	}
	if b, err = snappy.Decode(nil, b); err != nil {
		return nil, damaged(err)
	}
	return b, nil
}

// unpackLZ4 unpacks a block, which says nowhere how large it is.
func unpackLZ4(page *io.SectionReader, full int64) ([]byte, error) {
	b, err := packed(page)
	if err != nil {
		return nil, err
	}
	unpacked := make([]byte, full)
	n, err := lz4.UncompressBlock(b, unpacked)
	if err != nil {
		return nil, fmt.Errorf("%w: a page is damaged, or unpacks to more than the %d bytes that it says: %w; fetch it again", ErrIncomplete, full, err)
	}
	return unpacked[:n], nil
}

// drain reads all that there should be, and a byte more.
func drain(unpacked io.Reader, full int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(unpacked, full+1))
	switch {
	case int64(len(b)) > full:
		return nil, tooMuch(full)
	case err != nil:
		return nil, damaged(err)
	}
	return b, nil
}

func tooMuch(full int64) error {
	return fmt.Errorf("%w: a page unpacks to more than the %d bytes that it says", ErrLimit, full)
}

// damaged says of an error of unpacking what to do.
func damaged(err error) error {
	if known := incomplete(err); errors.Is(known, ErrIncomplete) {
		return known
	}
	return fmt.Errorf("%w: a page cannot be unpacked: %w; fetch it again", ErrIncomplete, err)
}
