package focus

import (
	"fmt"
	"io"
	"sync"
)

// Ranged is content that is fetched a block at a time from where any part of it can be had: so a bill needs neither disk nor
// memory for all of it. A few blocks are kept, for Parquet is read here and there.
type Ranged struct {
	info  Info
	fetch func(from, to int64) ([]byte, error)

	mu     sync.Mutex
	blocks []fetched
}

var _ Content = &Ranged{}

// fetched is a block, and where it begins.
type fetched struct {
	at   int64
	data []byte
}

const (
	rangeBlock = 4 << 20
	// keptBlocks times rangeBlock is the memory that one file takes.
	keptBlocks = 4
)

// NewRanged returns content of which fetch has the bytes from one place up to, and without, another; it must return all of them, or an error.
func NewRanged(info Info, fetch func(from, to int64) ([]byte, error)) *Ranged {
	return &Ranged{info: info, fetch: fetch}
}

// ReadAt reads from the blocks that it takes.
func (r *Ranged) ReadAt(p []byte, from int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(p) {
		if from >= r.info.Size {
			return n, io.EOF
		}
		data, err := r.block(from / rangeBlock * rangeBlock)
		if err != nil {
			return n, err
		}
		copied := copy(p[n:], data[from%rangeBlock:])
		n, from = n+copied, from+int64(copied)
	}
	return n, nil
}

// block is the block that begins at a place.
func (r *Ranged) block(at int64) ([]byte, error) {
	for i := range r.blocks {
		if r.blocks[i].at == at {
			found := r.blocks[i]
			copy(r.blocks[1:i+1], r.blocks[:i]) // the one used last stands first
			r.blocks[0] = found
			return found.data, nil
		}
	}
	to := min(at+rangeBlock, r.info.Size)
	data, err := r.fetch(at, to)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != to-at {
		return nil, fmt.Errorf("%w: of the bytes from %d to %d it has %d", ErrIncomplete, at, to, len(data))
	}
	if len(r.blocks) < keptBlocks {
		r.blocks = append(r.blocks, fetched{})
	}
	copy(r.blocks[1:], r.blocks)
	r.blocks[0] = fetched{at, data}
	return data, nil
}

// Info is what the file was like when it was opened: fetch sees to it that it has not changed.
func (r *Ranged) Info() (Info, error) { return r.info, nil }

// Close lets go of the blocks.
func (r *Ranged) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks = nil
	return nil
}
