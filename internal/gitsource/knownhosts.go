package gitsource

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what hashed names in known_hosts are made with
	"encoding/base64"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/towpath-dev/towpath/internal/gittext"
)

// knownHosts are the lines of a file known_hosts. It is read here, since the library's own reader takes files alone.
type knownHosts struct{ entries []hostEntry }

type hostEntry struct {
	patterns []string
	key      ssh.PublicKey
	revoked  bool
}

const maxKnownHosts = 1000

func parseKnownHosts(data []byte) (*knownHosts, error) {
	hosts := &knownHosts{}
	for n, text := range bytes.Split(data, []byte("\n")) {
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		if len(hosts.entries) == maxKnownHosts {
			return nil, fmt.Errorf("it must have at most %d lines", maxKnownHosts)
		}
		marker, patterns, key, _, _, err := ssh.ParseKnownHosts(text)
		if err != nil {
			return nil, fmt.Errorf("its line %d is not of the form `host type key`", n+1)
		}
		if marker != "" && marker != "revoked" && marker != "cert-authority" {
			return nil, fmt.Errorf("its line %d has a marker other than @revoked and @cert-authority", n+1)
		}
		if marker == "cert-authority" {
			continue // certificates of hosts are not supported: their keys have to be listed
		}
		hosts.entries = append(hosts.entries, hostEntry{patterns: patterns, key: key, revoked: marker == "revoked"})
	}
	return hosts, nil
}

// algorithms are those by which the host may prove itself: the server would choose another kind of key otherwise, which is not listed.
func (k *knownHosts) algorithms(address string) []string {
	var all []string
	for i := range k.entries {
		e := &k.entries[i]
		if e.revoked || !e.matches(address) {
			continue
		}
		kinds := []string{e.key.Type()}
		if e.key.Type() == ssh.KeyAlgoRSA {
			kinds = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		for _, kind := range kinds {
			if !slices.Contains(all, kind) {
				all = append(all, kind)
			}
		}
	}
	return all
}

// check says whether a key is one of the host.
func (k *knownHosts) check(address string, key ssh.PublicKey) error {
	marshalled, known := key.Marshal(), false
	for i := range k.entries {
		e := &k.entries[i]
		if !bytes.Equal(e.key.Marshal(), marshalled) {
			continue
		}
		if e.revoked {
			return problem(HostKeyRefused, "the key of %s is marked as revoked in known_hosts: somebody may be posing as the server", address)
		}
		known = known || e.matches(address)
	}
	if !known {
		return problem(HostKeyRefused, "the server %s has the key %s, which is not the one in known_hosts of the Secret: somebody may be posing as it, "+
			"or its key was changed; compare it with what the server's owner publishes, and replace the line", address, ssh.FingerprintSHA256(key))
	}
	return nil
}

// matches says whether a line is about an address, which is host:port.
func (e *hostEntry) matches(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	name := strings.ToLower(host)
	if port != "22" {
		name = "[" + name + "]:" + port
	}
	found := false
	for _, pattern := range e.patterns {
		negated := strings.HasPrefix(pattern, "!")
		if !same(strings.TrimPrefix(pattern, "!"), name) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// same compares a name with a pattern, which may be hashed.
func same(pattern, name string) bool {
	if hashed, ok := strings.CutPrefix(pattern, "|1|"); ok {
		salt, sum, _ := strings.Cut(hashed, "|")
		key, err := base64.StdEncoding.DecodeString(salt)
		want, wrong := base64.StdEncoding.DecodeString(sum)
		if err != nil || wrong != nil {
			return false
		}
		mac := hmac.New(sha1.New, key)
		_, _ = mac.Write([]byte(name))
		return hmac.Equal(mac.Sum(nil), want)
	}
	pattern = strings.ToLower(pattern)
	if !strings.ContainsAny(pattern, "*?") {
		return pattern == name
	}
	// The brackets around a host with a port are no class of characters.
	escape := strings.NewReplacer("[", `\[`, "]", `\]`)
	ok, err := path.Match(escape.Replace(pattern), name)
	return err == nil && ok
}

// tail keeps the beginning of what the far end says of errors.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p[:min(len(p), 4*maxRemoteText-min(len(t.data), 4*maxRemoteText))]...)
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return gittext.Line(string(t.data), maxRemoteText)
}
