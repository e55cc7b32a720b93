package proxy

import (
	"context"
	"io"
	"time"
)

// look is how often a stream that is kept back asks whether it still is.
const look = 20 * time.Millisecond

// delayed is the body of a watch behind the lag. What came goes on in its order, each piece once it is as old as the
// lag says.
func (p *Proxy) delayed(ctx context.Context, call *Call, body io.ReadCloser) io.ReadCloser {
	s := &stream{ctx: ctx, body: body, pieces: make(chan piece, 1024), behind: func(came time.Time) bool {
		p.mu.Lock()
		lag := p.lag
		p.mu.Unlock()
		return lag != nil && time.Since(came) < lag(call)
	}}
	go s.fill()
	return s
}

// piece is what one read gave.
type piece struct {
	came time.Time
	data []byte
	err  error
}

type stream struct {
	ctx    context.Context
	body   io.ReadCloser
	pieces chan piece
	now    piece
	behind func(came time.Time) bool
}

// fill reads what comes, so that it is known when it came.
func (s *stream) fill() {
	for {
		buffer := make([]byte, 32<<10)
		n, err := s.body.Read(buffer)
		select {
		case s.pieces <- piece{came: time.Now(), data: buffer[:n], err: err}:
		case <-s.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// Read implements io.Reader.
func (s *stream) Read(into []byte) (int, error) {
	if len(s.now.data) == 0 {
		if s.now.err != nil {
			return 0, s.now.err
		}
		select {
		case s.now = <-s.pieces:
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
		for s.behind(s.now.came) {
			select {
			case <-time.After(look):
			case <-s.ctx.Done():
				return 0, s.ctx.Err()
			}
		}
	}
	n := copy(into, s.now.data)
	s.now.data = s.now.data[n:]
	if len(s.now.data) == 0 && s.now.err != nil {
		return n, s.now.err
	}
	return n, nil
}

// Close implements io.Closer.
func (s *stream) Close() error { return s.body.Close() }
