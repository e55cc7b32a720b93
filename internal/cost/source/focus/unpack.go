package focus

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
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

// check unpacks what is packed of a page to nowhere; full is how much its header says that there is.
func (u *unpacker) check(codec format.CompressionCodec, page *io.SectionReader, full int64) error {
	if page.Size() == 0 {
		return nil
	}
	switch codec {
	case format.Snappy:
		return checkSnappy(page, full)
	case format.Lz4Raw:
		return checkLZ4(page, full)
	case format.Gzip:
		unpacked, err := gzip.NewReader(page)
		if err != nil {
			return incomplete(err)
		}
		return drain(unpacked, full)
	case format.Brotli:
		return drain(brotli.NewReader(page), full)
	case format.Zstd:
		return u.checkZstd(page, full)
	}
	return nil // what is not packed is as large as it is, and the library knows no others
}

// checkZstd bounds the window too, which is the decoder's memory.
func (u *unpacker) checkZstd(page *io.SectionReader, full int64) error {
	const window = 8 << 20 // what encoders use, also for pages that are smaller
	if u.zstd == nil {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(uint64(max(window, u.most)))) //nolint:gosec // it is positive
		if err != nil {
			return err
		}
		u.zstd = decoder
	}
	if err := u.zstd.Reset(page); err != nil {
		return damaged(err)
	}
	return drain(u.zstd, full)
}

// close gives back what a decoder holds.
func (u *unpacker) close() {
	if u.zstd != nil {
		u.zstd.Close()
	}
}

// checkSnappy reads the length that a block of Snappy begins with: as much room is made for it.
func checkSnappy(page *io.SectionReader, full int64) error {
	var begin [binary.MaxVarintLen64]byte
	n, err := page.ReadAt(begin[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	length, read := binary.Uvarint(begin[:n])
	switch {
	case read <= 0:
		return damaged(errors.New("a block of Snappy has no length"))
	case length > uint64(full): //nolint:gosec // it is not negative
		return tooMuch(full)
	}
	return nil
}

// checkLZ4 unpacks a block, which says nowhere how large it is.
func checkLZ4(page *io.SectionReader, full int64) error {
	packed := make([]byte, page.Size())
	if _, err := io.ReadFull(page, packed); err != nil {
		return incomplete(err)
	}
	if _, err := lz4.UncompressBlock(packed, make([]byte, full)); err != nil {
		return fmt.Errorf("%w: a page is damaged, or unpacks to more than the %d bytes that it says: %w; fetch it again", ErrIncomplete, full, err)
	}
	return nil
}

// drain reads to nowhere, and a byte more than there should be.
func drain(unpacked io.Reader, full int64) error {
	n, err := io.Copy(io.Discard, io.LimitReader(unpacked, full+1))
	switch {
	case n > full:
		return tooMuch(full)
	case err != nil:
		return damaged(err)
	}
	return nil
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
