// Package postgres runs a real PostgreSQL for tests: a cluster of its own in a folder, which is reached by a socket there alone.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrAbsent says that there is no PostgreSQL here, and how to get it.
var ErrAbsent = errors.New("there is no PostgreSQL: run make bin/postgres, install Debian's postgresql, or set TOWPATH_POSTGRES to a folder with initdb and postgres")

// Folder is where initdb and postgres are: TOWPATH_POSTGRES, or what make bin/postgres made, or what Debian installed.
func Folder() (string, error) {
	if folder := os.Getenv("TOWPATH_POSTGRES"); folder != "" {
		return folder, nil
	}
	_, file, _, _ := runtime.Caller(0)
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.Reverse(found)
	for _, folder := range append([]string{filepath.Join(filepath.Dir(file), "..", "..", "bin", "postgres", "bin")}, found...) {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err == nil {
			return folder, nil
		}
	}
	return "", ErrAbsent
}

// Server is one that runs.
type Server struct {
	dir  string
	stop func() error
}

// Start runs one, and returns when it answers. It keeps its data in a folder of its own, which Stop deletes. PostgreSQL does not run
// as root: there it runs as nobody.
func Start(ctx context.Context) (*Server, error) {
	folder, err := Folder()
	if err != nil {
		return nil, err
	}
	// A socket's path has 107 bytes at most, which a test's own folder may be longer than.
	dir, err := os.MkdirTemp("/tmp", "pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, stop: func() error { return nil }}
	if err := s.start(ctx, folder); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Address is that of the database postgres.
func (s *Server) Address() string {
	return "postgres://towpath@/postgres?" + url.Values{"host": {s.dir}, "sslmode": {"disable"}}.Encode()
}

func (s *Server) start(ctx context.Context, folder string) error {
	as, err := s.account()
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	initialise := exec.CommandContext(ctx, filepath.Join(folder, "initdb"), "--pgdata="+data, "--username=towpath", "--auth=trust", "--no-sync",
		"--encoding=UTF8", "--locale=C", "--no-instructions")
	initialise.SysProcAttr, initialise.Dir = as, s.dir
	initialise.Env = append(os.Environ(), "TZ=UTC")
	if out, err := initialise.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s (for root it runs as nobody, who must be able to read it): %w: %s", folder, err, out)
	}
	logs, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = logs.Close() }()
	command := exec.Command(filepath.Join(folder, "postgres"), "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50")
	command.SysProcAttr, command.Dir, command.Stdout, command.Stderr = as, s.dir, logs, logs
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	s.stop = func() error {
		// Fast shutdown.
		_ = command.Process.Signal(syscall.SIGINT)
		err := <-ended
		ended <- err
		return err
	}
	return s.wait(ctx, ended)
}

// account is whom PostgreSQL runs as, who owns the folder then.
func (s *Server) account() (*syscall.SysProcAttr, error) {
	// With the test that started it, it ends.
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return as, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, os.Chown(s.dir, int(uid), int(gid))
}

// wait waits for the socket: PostgreSQL makes it when it listens. Who connects before it accepts is told to try again, so the last line
// of the file of its process counts, which then says ready.
func (s *Server) wait(ctx context.Context, ended chan error) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		state, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if ready(string(state)) {
			return nil
		}
		select {
		case err := <-ended:
			ended <- err
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("postgres ended: %w: %s", err, text)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// ready looks at the last line of the file of the process.
func ready(state string) bool {
	fields := strings.Fields(state)
	return len(fields) > 0 && fields[len(fields)-1] == "ready"
}

// Stop ends it, and deletes its folder.
func (s *Server) Stop() error { return errors.Join(s.stop(), os.RemoveAll(s.dir)) }
