package remote

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // known_hosts hashes names with it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/towpath-dev/towpath/internal/outbound"
)

const sshTimeout = 15 * time.Second

// overSSH speaks Git's protocol to a command at the far end of SSH. It reads no file: neither ~/.ssh/config, which could lead
// elsewhere, nor an agent.
type overSSH struct {
	place   place
	rules   outbound.Rules
	config  *ssh.ClientConfig
	address string
}

type sshConversation struct {
	client  *ssh.Client
	session *ssh.Session
	stdin   io.WriteCloser
	stdout  io.Reader
	// stop ends the watch of the context.
	stop func() bool
}

func newSSH(p place, rules outbound.Rules, c Credentials) (overSSH, error) {
	port := p.Port()
	if port == "" {
		port = "22"
	}
	address := net.JoinHostPort(p.Hostname(), port)
	if len(c.Key) == 0 {
		return overSSH{}, problem(ReasonCredentials, "%s needs a private key of SSH in PEM", p)
	}
	signer, err := ssh.ParsePrivateKey(c.Key)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked && c.Passphrase != "" {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(c.Key, []byte(c.Passphrase))
	}
	if err != nil {
		// What the parser says may hold parts of the key.
		return overSSH{}, problem(ReasonCredentials, "the SSH key for %s cannot be read: it must be a private key in PEM, and its passphrase must fit if it has one", p)
	}
	known, err := readKnownHosts(c.KnownHosts, p.Hostname(), port)
	if err != nil {
		return overSSH{}, problem(ReasonHostKey, "%s: %v", p, err)
	}
	return overSSH{place: p, rules: rules, address: address, config: &ssh.ClientConfig{
		User: p.User.Username(), Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: known.check(p),
		HostKeyAlgorithms: known.algorithms(),
	}}, nil
}

func (o overSSH) open(ctx context.Context, service string) (conversation, error) {
	connection, err := o.rules.DialContext(ctx, "tcp", o.address)
	if err != nil {
		return nil, err
	}
	// SSH knows no context: a connection that is closed ends whatever waits for it.
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	c := &sshConversation{stop: stop}
	fail := func(err error) (conversation, error) {
		stop()
		_ = connection.Close()
		return nil, cmp.Or(ctx.Err(), err)
	}
	_ = connection.SetDeadline(time.Now().Add(sshTimeout))
	inner, channels, requests, err := ssh.NewClientConn(connection, o.address, o.config)
	if err != nil {
		if found, ok := errors.AsType[*Problem](err); ok {
			return fail(found)
		}
		if strings.Contains(err.Error(), "unable to authenticate") {
			return fail(problem(ReasonCredentials, "%s does not accept the SSH key of the user %s: add its public half to the repository, with the right to write",
				o.place, o.place.User.Username()))
		}
		return fail(err)
	}
	_ = connection.SetDeadline(time.Now().Add(requestTimeout))
	c.client = ssh.NewClient(inner, channels, requests)
	if err := c.start(service + " '" + o.place.Path + "'"); err != nil {
		c.close()
		return nil, cmp.Or(ctx.Err(), err)
	}
	return c, nil
}

func (c *sshConversation) start(command string) (err error) {
	if c.session, err = c.client.NewSession(); err != nil {
		return err
	}
	if c.stdin, err = c.session.StdinPipe(); err != nil {
		return err
	}
	if c.stdout, err = c.session.StdoutPipe(); err != nil {
		return err
	}
	return c.session.Start(command)
}

func (c *sshConversation) greeting() io.Reader { return c.stdout }

func (c *sshConversation) send(_ context.Context, request []byte) (io.ReadCloser, error) {
	if _, err := c.stdin.Write(request); err != nil {
		return nil, err
	}
	return io.NopCloser(c.stdout), nil
}

func (c *sshConversation) close() {
	c.stop()
	if c.stdin != nil {
		// A flush takes leave of a server to which nothing was sent; to another one it is one word too many, which it no longer reads.
		_, _ = c.stdin.Write([]byte("0000"))
		_ = c.stdin.Close()
	}
	_ = c.client.Close()
}

// hostKeys are the keys that known_hosts has of one server.
type hostKeys struct{ trusted, revoked []ssh.PublicKey }

// readKnownHosts finds the keys of a host. It understands names, [name]:port and hashed names; patterns and authorities it
// refuses, where another program would trust more than who wrote them may have thought of.
func readKnownHosts(data []byte, host, port string) (hostKeys, error) {
	var keys hostKeys
	name := host
	if port != "22" {
		name = "[" + host + "]:" + port
	}
	for rest := bytes.TrimSpace(data); len(rest) > 0; {
		marker, hosts, key, _, next, err := ssh.ParseKnownHosts(rest)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return keys, errors.New("known_hosts cannot be read: it must have lines such as those of ssh-keyscan")
		}
		rest = next
		if marker != "" && marker != "revoked" && marker != "cert-authority" {
			return keys, errors.New("known_hosts has a marker other than @revoked and @cert-authority")
		}
		if slices.ContainsFunc(hosts, func(h string) bool { return strings.ContainsAny(h, "*?!") }) || marker == "cert-authority" {
			return keys, errors.New("known_hosts must name hosts in full: patterns (* ? !) and @cert-authority are not supported")
		}
		if !slices.ContainsFunc(hosts, func(h string) bool { return matches(h, name) }) {
			continue
		}
		if marker == "revoked" {
			keys.revoked = append(keys.revoked, key)
		} else {
			keys.trusted = append(keys.trusted, key)
		}
	}
	if len(keys.trusted) == 0 {
		return keys, fmt.Errorf("known_hosts has no key of %s: ask who runs the server for it, and add the line", name)
	}
	return keys, nil
}

func matches(entry, name string) bool {
	hashed, found := strings.CutPrefix(entry, "|1|")
	if !found {
		return strings.EqualFold(entry, name)
	}
	salt, sum, _ := strings.Cut(hashed, "|")
	key, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		return false
	}
	want, err := base64.StdEncoding.DecodeString(sum)
	if err != nil {
		return false
	}
	mac := hmac.New(sha1.New, key)
	mac.Write([]byte(name))
	return hmac.Equal(mac.Sum(nil), want)
}

func (k hostKeys) check(p place) ssh.HostKeyCallback {
	is := func(key ssh.PublicKey) func(ssh.PublicKey) bool {
		return func(other ssh.PublicKey) bool { return bytes.Equal(key.Marshal(), other.Marshal()) }
	}
	return func(_ string, _ net.Addr, key ssh.PublicKey) error {
		if slices.ContainsFunc(k.revoked, is(key)) {
			return problem(ReasonHostKey, "%s shows the key %s, which known_hosts says is revoked: do not trust this server before who runs it explains it",
				p, ssh.FingerprintSHA256(key))
		}
		if !slices.ContainsFunc(k.trusted, is(key)) {
			return problem(ReasonHostKey, "%s shows the key %s, which is none of those in known_hosts: somebody may pose as the server; "+
				"ask who runs it whether the key has changed before adding it", p, ssh.FingerprintSHA256(key))
		}
		return nil
	}
}

// algorithms asks the server for a key of a kind that is known, which it might otherwise not choose.
func (k hostKeys) algorithms() []string {
	var all []string
	for _, key := range k.trusted {
		if key.Type() == ssh.KeyAlgoRSA {
			all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			continue
		}
		all = append(all, key.Type())
	}
	return all
}
