package gitsource_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/gitsource/gittest"
)

// key is a pair: what signs, and the private half in PEM.
func key(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// serve runs git-upload-pack for who has a key, as an SSH server does.
func serve(t *testing.T, root string, host ssh.Signer, client ssh.PublicKey) (address string) {
	t.Helper()
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, given ssh.PublicKey) (*ssh.Permissions, error) {
		if string(given.Marshal()) != string(client.Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go session(connection, config, root)
		}
	}()
	return listener.Addr().String()
}

func session(connection net.Conn, config *ssh.ServerConfig, root string) {
	defer func() { _ = connection.Close() }()
	_, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for opened := range channels {
		channel, asked, err := opened.Accept()
		if err != nil {
			return
		}
		for request := range asked {
			if request.Type != "exec" {
				_ = request.Reply(false, nil)
				continue
			}
			_ = request.Reply(true, nil)
			text := string(request.Payload[4:])
			name, ok := strings.CutPrefix(text, "git-upload-pack '/")
			if !ok || !strings.HasSuffix(name, ".git'") {
				_, _ = io.WriteString(channel.Stderr(), "unknown command "+text)
				_ = channel.Close()
				continue
			}
			command := exec.Command("git-upload-pack", root+"/"+strings.TrimSuffix(name, "'")) //nolint:gosec // of a test
			command.Stdout, command.Stderr = channel, channel.Stderr()
			// Given as Stdin, the channel would keep the command waiting for a client that waits for it.
			if input, err := command.StdinPipe(); err == nil {
				go func() { _, _ = io.Copy(input, channel); _ = input.Close() }()
			}
			_ = command.Run()
			_ = channel.Close()
		}
	}
}

func TestSSH_AsksWhoProvesToBeMeant(t *testing.T) {
	s := start(t)
	from := s.push(t, gittest.Change{Files: files("a"), Message: "First"})
	sha := s.push(t, gittest.Change{Files: files("b"), Message: "Second"})
	host, _ := key(t)
	client, identity := key(t)
	address := serve(t, s.server.Root, host, client.PublicKey())
	s.source.URL = "ssh://git@" + address + "/checkout.git"
	line := knownhosts.Line([]string{address}, host.PublicKey())
	hashed := knownhosts.HashHostname(knownhosts.Normalize(address)) + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host.PublicKey())))

	for name, known := range map[string]string{
		"plain": line, "hashed": "# comment\n\n" + hashed + "\n", "a pattern": strings.Replace(line, "127.0.0.1", "127.0.0.*", 1),
		"among others": knownhosts.Line([]string{"git.example"}, client.PublicKey()) + "\n" + line,
	} {
		s.source.Credentials = gitsource.Credentials{Identity: identity, KnownHosts: []byte(known)}
		head, err := s.client.Head(t.Context(), s.source)
		if err != nil || head.SHA != sha {
			t.Errorf("%s: it is %+v (%v)", name, head, err)
			continue
		}
		if r := s.look(t, gitsource.Question{From: from}); r.Count != 1 || fmt.Sprint(r.Paths) != "[b]" {
			t.Errorf("%s: it is %+v", name, r)
		}
	}

	other, stranger := key(t)
	for name, c := range map[string]struct {
		known    string
		identity []byte
		reason   gitsource.Reason
		text     string
	}{
		"no known_hosts":      {"", identity, gitsource.HostKeyRefused, "ssh-keyscan"},
		"another host":        {knownhosts.Line([]string{"git.example"}, host.PublicKey()), identity, gitsource.HostKeyRefused, "has no key for"},
		"another port":        {knownhosts.Line([]string{"127.0.0.1"}, host.PublicKey()), identity, gitsource.HostKeyRefused, "has no key for"},
		"another key":         {knownhosts.Line([]string{address}, other.PublicKey()), identity, gitsource.HostKeyRefused, "posing"},
		"a revoked key":       {line + "\n@revoked * " + strings.SplitN(line, " ", 2)[1], identity, gitsource.HostKeyRefused, "revoked"},
		"a negated host":      {strings.Replace(line, "[", "![", 1), identity, gitsource.HostKeyRefused, "has no key for"},
		"nonsense":            {"nonsense", identity, gitsource.HostKeyRefused, "line 1"},
		"no identity":         {line, nil, gitsource.CredentialsMissing, "identity"},
		"no private key":      {line, []byte(secret), gitsource.CredentialsMissing, "PEM"},
		"an identity unknown": {line, stranger, gitsource.CredentialsRefused, "deploy keys"},
	} {
		s.source.Credentials = gitsource.Credentials{Identity: c.identity, KnownHosts: []byte(c.known)}
		_, err := s.client.Head(t.Context(), s.source)
		t.Log(name)
		problem(t, err, c.reason, c.text)
	}
	s.source.Credentials = gitsource.Credentials{Identity: identity, KnownHosts: []byte(line)}
	s.source.URL = "ssh://git@" + address + "/nothing.git"
	_, err := s.client.Head(t.Context(), s.source)
	problem(t, err, gitsource.RepositoryNotFound)
}
