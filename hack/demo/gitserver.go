package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// gitServer serves the bare repositories of its folder by git http-backend, on the loopback interface alone, to whoever is on this
// machine, without a password. It outlives the command, so that one can push after it; down ends it.
type gitServer struct{ dir string }

func (s *gitServer) file(name string) string { return filepath.Join(s.dir, name) }
func (s *gitServer) log() string             { return s.file("server.log") }

// address is where it listens: the same from one call to the next, since Components name it.
func (s *gitServer) address() (string, error) {
	path := s.file("server.address")
	raw, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(raw)), nil
	}
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), os.WriteFile(path, []byte(listener.Addr().String()), 0o600)
}

// url is that of a repository.
func (s *gitServer) url(name string) (string, error) {
	address, err := s.address()
	return "http://" + address + "/" + name + ".git", err
}

// start starts a process of this program that serves, unless one does, and waits until it answers.
func (s *gitServer) start(ctx context.Context) error {
	address, err := s.address()
	if err != nil {
		return err
	}
	if s.pid() == 0 {
		if err := s.spawn(); err != nil {
			return fmt.Errorf("starting the Git server: %w", err)
		}
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 15*time.Second, true, func(ctx context.Context) (bool, error) {
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = connection.Close() // nothing was said
		}
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("the Git server does not answer at %s: see %s", address, s.log())
	}
	return nil
}

func (s *gitServer) spawn() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(s.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	command := exec.Command(self, "-dir", filepath.Dir(s.dir), "git") //nolint:gosec // this program
	command.Stdout, command.Stderr = out, out
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return err
	}
	go func() { _ = command.Wait() }() // one that ended and that nobody waits for looks alive
	return os.WriteFile(s.file("pid"), []byte(strconv.Itoa(command.Process.Pid)), 0o600)
}

// pid is that of the process that serves; 0 where none does. Another program that got the number since does not count.
func (s *gitServer) pid() int {
	raw, err := os.ReadFile(s.file("pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return 0
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), "\x00"+filepath.Dir(s.dir)+"\x00git\x00") {
		return 0
	}
	return pid
}

func (s *gitServer) stop(ctx context.Context) error {
	pid := s.pid()
	if pid == 0 {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		return s.pid() == 0, nil
	})
	if err != nil {
		return fmt.Errorf("the Git server, process %d, does not end", pid)
	}
	return nil
}

// serve serves until the context ends.
func (s *gitServer) serve(ctx context.Context) error {
	address, err := s.address()
	if err != nil {
		return err
	}
	path, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return fmt.Errorf("git is needed: %w", err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"),
		Env:  append(plainGit(s.dir), "GIT_PROJECT_ROOT="+s.dir, "GIT_HTTP_EXPORT_ALL=1"),
	}
	server := &http.Server{Addr: address, Handler: backend, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// plainGit leaves out what the user of this machine has configured, so that a push is the same everywhere.
func plainGit(home string) []string {
	return []string{"HOME=" + home, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0"}
}
