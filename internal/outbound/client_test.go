package outbound_test

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/outbound/dnstest"
)

// names starts a DNS server.
func names(t *testing.T) *dnstest.Server {
	t.Helper()
	server, err := dnstest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

func addresses(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func rulesOf(t *testing.T, allowed ...string) outbound.Rules {
	t.Helper()
	rules, err := outbound.NewRules(allowed...)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// server counts who reaches it.
func server(t *testing.T, handler http.HandlerFunc) (*httptest.Server, *atomic.Int32, string) {
	t.Helper()
	var reached atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		if handler != nil {
			handler(w, r)
		}
	}))
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return s, &reached, port
}

func TestClient_ReachesNoNameThatLeadsInside(t *testing.T) {
	_, reached, port := server(t, nil)
	dns := names(t)
	for name, addr := range map[string]string{
		"loop.test": "127.0.0.1", "six.test": "::1", "mapped.test": "::ffff:127.0.0.1", "nat.test": "64:ff9b::7f00:1",
		"private.test": "10.0.0.1", "link.test": "169.254.1.1", "local.test": "fe80::1", "unique.test": "fd00::1",
		"meta.test": "169.254.169.254", "meta6.test": "fd00:ec2::254", "any.test": "0.0.0.0", "any6.test": "::",
	} {
		dns.Set(name, addresses(addr))
		_, err := rulesOf(t).WithResolver(dns.Resolver()).Client(nil, 10*time.Second).Get("http://" + name + ":" + port + "/")
		var refused *outbound.RefusedError
		if !errors.As(err, &refused) || refused.Host != name || strings.Contains(refused.Error(), addr) {
			t.Errorf("%s: it says %v", name, err)
		}
	}
	if _, err := rulesOf(t).Client(nil, 10*time.Second).Get("http://localhost:" + port + "/"); err == nil {
		t.Error("a name of /etc/hosts passes")
	}
	dns.Set("both.test", addresses("127.0.0.1", "::1", "10.0.0.1"))
	if _, err := rulesOf(t).WithResolver(dns.Resolver()).Client(nil, 10*time.Second).Get("http://both.test:" + port + "/"); err == nil {
		t.Error("a name with several addresses passes")
	}
	if reached.Load() != 0 {
		t.Error("it was reached")
	}
}

// TestClient_AsksAboutTheAddressThatItConnectsTo plays a name that leads to a good address first and to a bad one then: what was
// found out before does not count, since each connection asks once, and looks at what it got.
func TestClient_AsksAboutTheAddressThatItConnectsTo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("this machine has no second address of its own: %v", err)
	}
	good := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Minute}}
	good.Start()
	t.Cleanup(good.Close)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	bad, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Skipf("the port is taken: %v", err)
	}
	var reached atomic.Bool
	go func() {
		if connection, err := bad.Accept(); err == nil {
			reached.Store(true)
			_ = connection.Close()
		}
	}()
	t.Cleanup(func() { _ = bad.Close() })

	dns := names(t)
	dns.Set("rebind.test", addresses("127.0.0.2"), addresses("127.0.0.1"))
	client := rulesOf(t, "127.0.0.2:"+port).WithResolver(dns.Resolver()).Client(nil, 10*time.Second)
	answer, err := client.Get("http://rebind.test:" + port + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	var refused *outbound.RefusedError
	if _, err := client.Get("http://rebind.test:" + port + "/"); !errors.As(err, &refused) {
		t.Errorf("the second time it says %v", err)
	}
	if dns.Asked("rebind.test") != 2 || reached.Load() {
		t.Errorf("it asked %d times, and reached it: %v", dns.Asked("rebind.test"), reached.Load())
	}
}

func TestClient_ReachesWhatThePlatformAllows(t *testing.T) {
	_, reached, port := server(t, nil)
	_, _, other := server(t, func(http.ResponseWriter, *http.Request) { t.Error("the other port is reached") })
	dns := names(t)
	dns.Set("am.test", addresses("127.0.0.1"))
	for _, allowed := range []string{"am.test", "am.test:" + port, "127.0.0.0/8", "AM.test."} {
		reached.Store(0)
		client := rulesOf(t, allowed).WithResolver(dns.Resolver()).Client(nil, 10*time.Second)
		for _, host := range []string{"am.test", "AM.test", "am.test."} {
			answer, err := client.Get("http://" + host + ":" + port + "/")
			if err != nil {
				t.Errorf("%s: %v", allowed, err)
				continue
			}
			_ = answer.Body.Close()
		}
		if reached.Load() != 3 {
			t.Errorf("%s: it is reached %d times", allowed, reached.Load())
		}
	}
	client := rulesOf(t, "am.test:"+port).WithResolver(dns.Resolver()).Client(nil, 10*time.Second)
	if _, err := client.Get("http://am.test:" + other + "/"); err == nil {
		t.Error("another port is allowed")
	}
}

func TestClient_FollowsNoRedirect(t *testing.T) {
	inside, reached, _ := server(t, nil)
	for _, code := range []int{301, 302, 303, 307, 308} {
		_, _, port := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inside.URL, code) })
		answer, err := rulesOf(t, "127.0.0.1:"+port).Client(nil, 10*time.Second).Post("http://127.0.0.1:"+port+"/", "text/plain", strings.NewReader("a"))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != code {
			t.Errorf("the answer is %d, want %d", answer.StatusCode, code)
		}
	}
	if reached.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestClient_GoesThroughNoProxy(t *testing.T) {
	proxy, reached, _ := server(t, nil)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	_, target, port := server(t, nil)
	dns := names(t)
	dns.Set("am.test", addresses("127.0.0.1"))
	answer, err := rulesOf(t, "am.test").WithResolver(dns.Resolver()).Client(nil, 10*time.Second).Get("http://am.test:" + port + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "http", Host: "am.test"}}); err != nil || u == nil {
		t.Fatalf("the environment names no proxy for it: %v", err)
	}
	if reached.Load() != 0 || target.Load() != 1 {
		t.Error("the proxy was asked")
	}
}

func TestClient_TrustsWhoIsKnown(t *testing.T) {
	secured := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	secured.StartTLS()
	t.Cleanup(secured.Close)
	if _, err := rulesOf(t, "127.0.0.0/8").Client(nil, 10*time.Second).Get(secured.URL); err == nil {
		t.Error("an unknown authority is trusted")
	}
	roots, err := outbound.Roots(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secured.Certificate().Raw}))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := rulesOf(t, "127.0.0.0/8").Client(roots, 10*time.Second).Get(secured.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if _, err := outbound.Roots([]byte(canary)); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("what is no certificate: %v", err)
	}
	if roots, err := outbound.Roots(nil); roots != nil || err != nil {
		t.Errorf("none gives %v, %v", roots, err)
	}
}
