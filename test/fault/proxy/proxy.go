// Package proxy stands between a manager and its API server. It passes calls on, keeps what was asked and what
// came of it, and has calls fail in the way that a test asks for.
package proxy

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

// Proxy is a server that speaks to clients as the API server behind it does: by TLS and HTTP/2.
type Proxy struct {
	server  *httptest.Server
	reverse *httputil.ReverseProxy
	gate    *gate
	away    atomic.Bool

	mu      sync.Mutex
	fault   Fault
	lag     func(*Call) time.Duration
	calls   []*Call
	last    time.Time
	watches map[*Call]context.CancelFunc
}

// callKey finds the Call in the context of a request.
type callKey struct{}

// New starts a proxy in front of the API server of a configuration.
func New(upstream *rest.Config) (*Proxy, error) {
	target, err := url.Parse(upstream.Host)
	if err != nil {
		return nil, fmt.Errorf("parsing the address of the API server: %w", err)
	}
	// The certificates of the API server, and nobody's identity: that comes with each request.
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(upstream))
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	p := &Proxy{last: time.Now(), watches: map[*Call]context.CancelFunc{}}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      transport,
		FlushInterval:  -1, // a watch sends what there is
		ModifyResponse: p.answered,
		// An API server that cannot be reached does not answer either.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.ErrorLog = silent
	p.server.EnableHTTP2 = true
	p.gate = &gate{Listener: p.server.Listener, closed: &p.away}
	p.server.Listener = p.gate
	p.server.StartTLS()
	return p, nil
}

// Config points a configuration to the proxy, with the identity that it has.
func (p *Proxy) Config(cfg *rest.Config) {
	cfg.Host = p.server.URL
	cfg.CAFile = ""
	cfg.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
}

// Close ends the proxy and all that it still serves.
func (p *Proxy) Close() {
	p.Inject(nil)
	p.Lag(nil)
	p.away.Store(true)
	p.server.CloseClientConnections()
	p.server.Close()
}

// ServeHTTP passes a request on, or does with it what the fault says.
//
// It has the whole body before it asks the API server. That refuses some requests without reading theirs, and a client
// that meets a refusal stops sending it: a proxy that passed on what came so far would wait for the rest, and the client
// for the end of the answer, which net/http/httputil sends only then.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	call := parse(r)
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), callKey{}, call))
	defer cancel()
	p.mu.Lock()
	fault := p.fault
	if !call.Background() {
		p.last = time.Now()
	}
	p.calls = append(p.calls, call)
	if call.Watches() {
		p.watches[call] = cancel
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watches, call)
		if !call.Background() {
			p.last = time.Now()
		}
	}()
	pass := func(w http.ResponseWriter) { p.reverse.ServeHTTP(w, r.WithContext(ctx)) }
	if fault == nil {
		pass(w)
		return
	}
	fault(w, call, pass)
}

// answered keeps what the API server answered, and puts watches behind the lag.
func (p *Proxy) answered(answer *http.Response) error {
	call, ok := answer.Request.Context().Value(callKey{}).(*Call)
	if !ok {
		return nil
	}
	call.code.Store(int64(answer.StatusCode))
	if call.Watches() && answer.StatusCode == http.StatusOK {
		answer.Body = p.delayed(answer.Request.Context(), call, answer.Body)
	}
	return nil
}

// Inject has calls go through a fault from now on, in place of the one before; nil ends it. What is under way goes on as
// it began.
func (p *Proxy) Inject(fault Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// Lag says how long what watches send is kept back; nil for not at all. It is asked again and again, so that it may
// change its mind about what is kept back.
func (p *Proxy) Lag(lag func(*Call) time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lag = lag
}

// Away makes the API server unreachable, as seen from the clients, until Back.
func (p *Proxy) Away() {
	p.away.Store(true)
	p.server.CloseClientConnections()
}

// Refused is how many connections were refused while the API server was away, ever.
func (p *Proxy) Refused() int { return int(p.gate.refused.Load()) }

// Back ends Away.
func (p *Proxy) Back() { p.away.Store(false) }

// DropWatches cuts the watches that run, and returns how many those were.
func (p *Proxy) DropWatches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cancel := range p.watches {
		cancel()
	}
	return len(p.watches)
}

// Calls returns what was asked since the last Forget.
func (p *Proxy) Calls() Calls {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(Calls(nil), p.calls...)
}

// Forget drops what is known of calls.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = nil
}

// Quiet is how long nothing was asked, but for what is asked at any time.
func (p *Proxy) Quiet() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.last)
}

// gate is a listener that hangs up while it is closed.
type gate struct {
	net.Listener
	closed *atomic.Bool
	// refused is how many connections it hung up on.
	refused atomic.Int64
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil || !g.closed.Load() {
			return conn, err
		}
		g.refused.Add(1)
		_ = conn.Close()
	}
}
