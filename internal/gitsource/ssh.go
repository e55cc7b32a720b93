package gitsource

import (
	"context"
	"io"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/towpath-dev/towpath/internal/outbound"
)

// overSSH speaks Git's protocol by SSH: the program runs at the far end, and both sides talk over its input and output.
type overSSH struct {
	rules  outbound.Rules
	place  place
	config *ssh.ClientConfig
	host   string
	// refused is why the key of the host was, of the last conversation.
	hosts *knownHosts
}

func newSSH(rules outbound.Rules, p place, c Credentials) (*overSSH, error) {
	if len(c.Identity) == 0 {
		return nil, problem(CredentialsMissing, "%s needs a private key: put one into the key identity of the Secret in spec.source.secretRef", p)
	}
	if len(c.KnownHosts) == 0 {
		return nil, problem(HostKeyRefused, "%s needs the host keys of its server: put them into the key known_hosts of the Secret, as `ssh-keyscan %s` "+
			"prints them, once you have compared them with what the server's owner publishes", p, p.Hostname())
	}
	signer, err := ssh.ParsePrivateKey(c.Identity)
	if err != nil {
		return nil, problem(CredentialsMissing, "the key identity of the Secret for %s cannot be read: it must be a private SSH key in PEM without a passphrase", p)
	}
	port := p.Port()
	if port == "" {
		port = "22"
	}
	hosts, err := parseKnownHosts(c.KnownHosts)
	if err != nil {
		return nil, problem(HostKeyRefused, "the key known_hosts of the Secret for %s cannot be read: %v", p, err)
	}
	user := p.User.Username()
	if user == "" {
		user = "git"
	}
	address := net.JoinHostPort(p.Hostname(), port)
	algorithms := hosts.algorithms(address)
	if len(algorithms) == 0 {
		return nil, problem(HostKeyRefused, "known_hosts in the Secret has no key for %s: add the lines that `ssh-keyscan -p %s %s` prints, once you have "+
			"compared them with what the server's owner publishes", address, port, p.Hostname())
	}
	return &overSSH{rules: rules, place: p, host: address, hosts: hosts, config: &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyAlgorithms: algorithms, ClientVersion: "SSH-2.0-towpath",
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error { return hosts.check(address, key) },
	}}, nil
}

type sshConversation struct {
	place   place
	stop    func() bool
	client  *ssh.Client
	session *ssh.Session
	stdin   io.WriteCloser
	stdout  io.Reader
	stderr  *tail
}

func (o *overSSH) open(ctx context.Context) (conversation, error) {
	connection, err := o.rules.DialContext(ctx, "tcp", o.host)
	if err != nil {
		return nil, err
	}
	// The library knows no contexts: a connection that is closed ends whatever waits for it.
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	c, err := o.start(connection)
	if err != nil {
		stop()
		_ = connection.Close()
		return nil, o.refusal(err)
	}
	c.stop = stop
	return c, nil
}

func (o *overSSH) start(connection net.Conn) (*sshConversation, error) {
	raw, channels, requests, err := ssh.NewClientConn(connection, o.host, o.config)
	if err != nil {
		return nil, err
	}
	c := &sshConversation{place: o.place, client: ssh.NewClient(raw, channels, requests), stderr: &tail{}}
	if c.session, err = c.client.NewSession(); err != nil {
		return nil, err
	}
	if c.stdin, err = c.session.StdinPipe(); err != nil {
		return nil, err
	}
	if c.stdout, err = c.session.StdoutPipe(); err != nil {
		return nil, err
	}
	c.session.Stderr = c.stderr
	// readURL left no character in the path that a shell gives a meaning.
	return c, c.session.Start(service + " '" + o.place.Path + "'")
}

// refusal says what an error of the handshake means.
func (o *overSSH) refusal(err error) error {
	switch text := err.Error(); {
	case ProblemOf(err) != nil:
		return err
	case strings.Contains(text, "no common algorithm for host key"):
		return problem(HostKeyRefused, "the server of %s has no key of the kinds that known_hosts in the Secret lists for it: add its keys as ssh-keyscan prints them", o.place)
	case strings.Contains(text, "unable to authenticate"):
		return problem(CredentialsRefused, "%s does not accept the SSH key: add the public part of the Secret's identity to its deploy keys, for user %s", o.place, o.config.User)
	default:
		return err
	}
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
	_ = c.session.Close()
	_ = c.client.Close()
}

// heard is what the far end said in place of a greeting.
func (c *sshConversation) heard(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	text := c.stderr.text()
	if text == "" {
		return nil
	}
	for _, words := range []string{"not found", "does not exist", "could not be found", "not appear to be a git repository", "no such"} {
		if strings.Contains(strings.ToLower(text), words) {
			return problem(RepositoryNotFound, "%s does not exist, or this key does not see it: check the URL, and that the key may read it; the server says: %s", c.place, text)
		}
	}
	return problem(CredentialsRefused, "%s is not given to this key; the server says: %s", c.place, text)
}
