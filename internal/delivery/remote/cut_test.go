package remote_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

// cutter passes bytes on to a server, and cuts the first connections after so many in one direction.
type cutter struct {
	address string
	// cuts are how many connections are still to be cut.
	cuts atomic.Int32
}

func startCutter(t *testing.T, server string, cuts int32, after int64, answers bool) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	c := &cutter{address: listener.Addr().String()}
	c.cuts.Store(cuts)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go c.pass(client, server, after, answers)
		}
	}()
	return c
}

func (c *cutter) pass(client net.Conn, server string, after int64, answers bool) {
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		_ = client.Close()
		return
	}
	cut := func() {
		_ = client.Close()
		_ = upstream.Close()
	}
	copyTo := func(to io.Writer, from io.Reader, limited bool) {
		if limited && c.cuts.Load() > 0 {
			if n, _ := io.CopyN(to, from, after); n == after {
				c.cuts.Add(-1)
			}
			cut()
			return
		}
		_, _ = io.Copy(to, from)
		cut()
	}
	go copyTo(upstream, client, !answers)
	copyTo(client, upstream, answers)
}

// TestCommit_SurvivesACutAnywhere cuts connections after so many bytes of requests or answers, whatever is on its way just
// then: a handshake, a greeting, a pack or a report.
func TestCommit_SurvivesACutAnywhere(t *testing.T) {
	for _, scheme := range []string{"http", "ssh"} {
		for _, answers := range []bool{false, true} {
			for _, after := range []int64{1, 150, 300, 450, 700, 1200, 2500, 3500} {
				t.Run(fmt.Sprintf("%s, answers %v, %d", scheme, answers, after), func(t *testing.T) {
					s := startGit(t)
					s.write("main", map[string]string{"README.md": "mine"})
					source := s.source(remote.Push)
					server := strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/deploy.git")
					var known *sshServer
					if scheme == "ssh" {
						known = s.startSSH()
						server = known.address
					}
					c := startCutter(t, server, 3, after, answers)
					source.URL = strings.Replace(source.URL, strings.TrimPrefix(strings.TrimSuffix(s.url, "/deploy.git"), "http://"), c.address, 1)
					if known != nil {
						known.address = c.address
						source = known.source(t)
					}
					r := open(t, poolOf(t, remote.Retry{Attempts: 10, First: time.Millisecond, Longest: 20 * time.Millisecond}), source)
					for _, name := range []string{"checkout", "basket"} {
						if result := commit(t, r, releaseOf(name, 1)); !result.Made {
							t.Errorf("%s: the result is %+v", name, result)
						}
					}
					if n := s.count("main"); n != 3 {
						t.Errorf("there are %d commits", n)
					}
					s.check("main")
				})
			}
		}
	}
}
