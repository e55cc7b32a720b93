package focus

import (
	"context"
	"io"
)

// ahead reads, and unpacks, in a goroutine of its own, a few blocks before they are asked for: unpacking takes as long as
// understanding.
type ahead struct {
	full, empty chan block
	stop        context.CancelFunc
	done        chan struct{}
	now         block
	rest        []byte
}

type block struct {
	data []byte
	n    int
	err  error
}

const (
	blockSize = 256 << 10
	blocks    = 4
)

func readAhead(ctx context.Context, from io.Reader) *ahead {
	ctx, stop := context.WithCancel(ctx)
	a := &ahead{full: make(chan block, blocks+1), empty: make(chan block, blocks), stop: stop, done: make(chan struct{})}
	for range blocks {
		a.empty <- block{data: make([]byte, blockSize)}
	}
	go func() {
		defer close(a.done)
		defer close(a.full)
		for {
			select {
			case <-ctx.Done():
				a.fail(ctx)
				return
			case b := <-a.empty:
				if ctx.Err() != nil {
					a.fail(ctx)
					return
				}
				for b.n, b.err = 0, nil; b.n < len(b.data) && b.err == nil; {
					var n int
					n, b.err = from.Read(b.data[b.n:])
					b.n += n
				}
				a.full <- b
				if b.err != nil {
					return
				}
			}
		}
	}()
	return a
}

// fail says that the context has ended. There is room for it beside all blocks.
func (a *ahead) fail(ctx context.Context) { a.full <- block{err: context.Cause(ctx)} }

// Read gives what was read ahead.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.data != nil {
			a.empty <- a.now
		}
		b, ok := <-a.full
		if !ok {
			return 0, io.ErrClosedPipe
		}
		a.now, a.rest = b, b.data[:b.n]
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the goroutine, and waits for it: the file under it is the caller's to close.
func (a *ahead) Close() {
	a.stop()
	<-a.done
}
