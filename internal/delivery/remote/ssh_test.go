package remote_test

import (
	"bytes"
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

	"github.com/towpath-dev/towpath/internal/delivery/remote"
)

// sshServer lets one key run Git on one repository.
type sshServer struct {
	address string
	hostKey ssh.PublicKey
	// key is the private one that it lets in, in PEM.
	key []byte
}

func keyOf(t testing.TB) (private []byte, signer ssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = ssh.NewSignerFromKey(key); err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), signer
}

func (s *gitServer) startSSH() *sshServer {
	s.t.Helper()
	_, host := keyOf(s.t)
	private, allowed := keyOf(s.t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != "git" || !bytes.Equal(key.Marshal(), allowed.PublicKey().Marshal()) {
			return nil, fmt.Errorf("who is that?")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serveSSH(connection, config)
		}
	}()
	return &sshServer{address: listener.Addr().String(), hostKey: host.PublicKey(), key: private}
}

func (s *gitServer) serveSSH(connection net.Conn, config *ssh.ServerConfig) {
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
			var command struct{ Text string }
			_ = ssh.Unmarshal(request.Payload, &command)
			_ = request.Reply(true, nil)
			service, path, _ := strings.Cut(command.Text, " ")
			status := uint32(1)
			if path == "'/deploy.git'" && (service == "git-upload-pack" || service == "git-receive-pack") {
				git := exec.Command("git", strings.TrimPrefix(service, "git-"), s.dir)
				git.Env, git.Stdout, git.Stderr = gitEnv(), channel, channel.Stderr()
				stdin, _ := git.StdinPipe()
				if git.Start() == nil {
					go func() {
						_, _ = io.Copy(stdin, channel)
						_ = stdin.Close()
					}()
					if git.Wait() == nil {
						status = 0
					}
				}
			} else {
				_, _ = io.WriteString(channel.Stderr(), "no such repository\n")
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			_ = channel.Close()
		}
	}
}

func (s *sshServer) source(t testing.TB) remote.Source {
	return remote.Source{URL: "ssh://git@" + s.address + "/deploy.git", Branch: "main", Layout: layoutOf(t, "{team}/{environment}/{component}"),
		Credentials: remote.Credentials{Key: s.key, KnownHosts: []byte("# ours\n" + knownhosts.Line([]string{s.address}, s.hostKey) + "\n")}}
}

func TestSSH_Delivers(t *testing.T) {
	s := startGit(t)
	server := s.startSSH()
	r := open(t, poolOf(t, quick), server.source(t))
	commit(t, r, releaseOf("checkout", 1))
	commit(t, r, releaseOf("basket", 1))
	if got := commit(t, r, releaseOf("checkout", 1)); got.Made {
		t.Errorf("the result is %+v", got)
	}
	// What somebody else pushed is read too, and by whoever starts anew.
	s.write("main", map[string]string{"README.md": "mine"})
	hashed := server.source(t)
	hashed.Credentials.KnownHosts = []byte(knownhosts.HashHostname("["+strings.Replace(server.address, ":", "]:", 1)) + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(server.hostKey))))
	for i, again := range []*remote.Repository{r, open(t, poolOf(t, quick), hashed)} {
		commit(t, again, releaseOf("checkout", int64(i)+2))
		if held, _, err := again.ReleaseAt(t.Context(), releaseOf("checkout", 1).Target); err != nil || held == nil || held.Number != int64(i)+2 {
			t.Errorf("it holds %v, %v", held, err)
		}
	}
	if s.count("main") != 5 {
		t.Errorf("there are %d commits", s.count("main"))
	}
	s.check("main")
}

func TestSSH_IsDeclined(t *testing.T) {
	s := startGit(t)
	hook(t, s, "echo main is protected >&2; exit 1")
	_, err := open(t, poolOf(t, quick), s.startSSH().source(t)).Commit(t.Context(), releaseOf("checkout", 1), noon)
	refused(t, err, remote.ReasonDeclined, "main is protected")
}

func TestSSH_TrustsNoServerThatIsNotKnown(t *testing.T) {
	s := startGit(t)
	server := s.startSSH()
	_, other := keyOf(t)
	line := func(key ssh.PublicKey) string { return knownhosts.Line([]string{server.address}, key) + "\n" }
	for name, c := range map[string]struct {
		known, words string
	}{
		"another key": {line(other.PublicKey()), "none of those in known_hosts"},
		"revoked":     {"@revoked " + line(server.hostKey) + line(server.hostKey), "is revoked"},
	} {
		source := server.source(t)
		source.Credentials.KnownHosts = []byte(c.known)
		_, err := open(t, poolOf(t, quick), source).Commit(t.Context(), releaseOf("checkout", 1), noon)
		if err == nil {
			t.Fatalf("%s: it is trusted", name)
		}
		refused(t, err, remote.ReasonHostKey, c.words)
	}
	for name, c := range map[string]struct{ known, words string }{
		"none":         {"", "has no key of [127.0.0.1]:"},
		"elsewhere":    {knownhosts.Line([]string{"git.example"}, server.hostKey), "has no key of [127.0.0.1]:"},
		"a pattern":    {"* " + string(ssh.MarshalAuthorizedKey(server.hostKey)), "are not supported"},
		"an authority": {"@cert-authority " + line(server.hostKey), "are not supported"},
		"no sense":     {"git.example hello !", "cannot be read"},
	} {
		source := server.source(t)
		source.Credentials.KnownHosts = []byte(c.known)
		_, err := poolOf(t, quick).Open(source)
		if err == nil {
			t.Fatalf("%s: it is taken", name)
		}
		refused(t, err, remote.ReasonHostKey, c.words)
	}
	if s.git("for-each-ref") != "" {
		t.Error("it was pushed to")
	}
}

func TestSSH_SaysWhatToDoAboutKeys(t *testing.T) {
	s := startGit(t)
	server := s.startSSH()
	source := server.source(t)
	source.Credentials.Key, _ = keyOf(t)
	_, err := open(t, poolOf(t, quick), source).Commit(t.Context(), releaseOf("checkout", 1), noon)
	refused(t, err, remote.ReasonCredentials, "does not accept the SSH key of the user git")
	for _, key := range []string{"", "-----BEGIN c4nary-----"} {
		source.Credentials.Key = []byte(key)
		_, err := poolOf(t, quick).Open(source)
		refused(t, err, remote.ReasonCredentials, "private key")
		if err != nil && strings.Contains(err.Error(), "c4nary") {
			t.Errorf("it shows the key: %v", err)
		}
	}
	source = server.source(t)
	source.URL = strings.Replace(source.URL, "deploy", "other", 1)
	if _, err := open(t, poolOf(t, remote.Retry{Attempts: 1}), source).Commit(t.Context(), releaseOf("checkout", 1), noon); err == nil {
		t.Error("there is another repository")
	}
}
