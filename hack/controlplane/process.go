package controlplane

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// pollInterval is how often the start looks whether something is ready.
	pollInterval = 100 * time.Millisecond

	// termGrace is how long a process may take to end before it is killed.
	termGrace = 10 * time.Second

	// logTail is how much of a log an error quotes.
	logTail = 15
)

// child is a process that this one started.
type child struct {
	component
	done chan struct{}
	err  error
}

// spawner forks from one operating system thread that lives as long as the
// children do. The parent-death signal is sent when the forking *thread* ends,
// and the Go runtime ends a thread whenever a goroutine that was locked to it
// returns; forked from any other thread, a cluster could die of that.
type spawner struct {
	work chan func()
	once sync.Once
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	err := make(chan error, 1)
	s.work <- func() { err <- cmd.Start() }
	return <-err
}

func (s *spawner) close() { s.once.Do(func() { close(s.work) }) }

// launch starts a component and records its pid.
func (c *ControlPlane) launch(p component) error {
	log, err := os.OpenFile(c.dir.log(p.name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", p.name, err)
	}
	defer func() { _ = log.Close() }() // The child has its own descriptor; ours was never written to.

	cmd := exec.Command(filepath.Join(c.opts.BinDir, p.name), p.args...)
	cmd.Dir = c.dir.root
	cmd.Stdout, cmd.Stderr = log, log
	if c.opts.Detach {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	} else {
		// In a process group of their own, Ctrl-C in a terminal reaches the
		// parent alone, which can still clean up with a living API server.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	}
	if err := c.spawner.start(cmd); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	ch := &child{component: p, done: make(chan struct{})}
	c.children = append(c.children, ch)
	go func() {
		// Even an exit status of zero is an end that nobody asked for.
		ch.err = cmp.Or(cmd.Wait(), errors.New("exit status 0"))
		close(ch.done)
	}()
	if err := writeFile(c.dir.pid(p.name), []byte(strconv.Itoa(cmd.Process.Pid))); err != nil {
		return errors.Join(fmt.Errorf("recording the pid of %s: %w", p.name, err), cmd.Process.Kill())
	}
	return nil
}

// await polls until check returns nil. It fails as soon as a child has ended,
// and names the log of the component that is waited for.
func (c *ControlPlane) await(ctx context.Context, component, what string, check func(context.Context) error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		for _, ch := range c.children {
			select {
			case <-ch.done:
				return fmt.Errorf("%s ended while the start waited for %s: %w; %s", ch.name, what, ch.err, c.dir.tail(ch.name))
			default:
			}
		}
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w); %s", what, ctx.Err(), err, c.dir.tail(component))
		case <-ticker.C:
		}
	}
}

// tail quotes the end of a component's log.
func (l layout) tail(component string) string {
	path := l.log(component)
	data, err := os.ReadFile(path)
	if err != nil {
		return "its log cannot be read: " + err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	lines = lines[max(0, len(lines)-logTail):]
	return fmt.Sprintf("see %s, which ends with:\n%s", path, strings.Join(lines, "\n"))
}

// findProcess returns the running process of a component, if there is one. A
// pid file alone proves nothing: after a reboot its number may be anyone's. Ours
// has this folder in its arguments.
//
// os.FindProcess holds a pidfd, so that what is found here is what a later
// signal reaches, even if the pid is given to another process in between.
func (l layout) findProcess(component string) (*os.Process, bool) {
	data, err := os.ReadFile(l.pid(component))
	if err != nil {
		return nil, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 1 {
		return nil, false
	}
	p, err := os.FindProcess(pid)
	if err != nil || !l.owns(component, pid) {
		return nil, false
	}
	return p, true
}

// owns reports whether the pid is a living process of this cluster. A zombie has
// no arguments, so it counts as gone.
func (l layout) owns(component string, pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := strings.Split(string(data), "\x00")
	if filepath.Base(args[0]) != component {
		return false
	}
	for _, arg := range args[1:] {
		if strings.Contains(arg, l.root+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// stopProcesses ends all components, clients before servers, so that none logs
// errors about what it lost.
func stopProcesses(ctx context.Context, l layout) error {
	for _, stage := range [][]string{{kwok, scheduler, controllerManager}, {apiServer}, {etcd}} {
		errs := make([]error, len(stage))
		var wg sync.WaitGroup
		for i, name := range stage {
			wg.Go(func() { errs[i] = l.stopProcess(ctx, name) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

func (l layout) stopProcess(ctx context.Context, component string) error {
	p, alive := l.findProcess(component)
	if !alive {
		return removeIfPresent(l.pid(component))
	}
	for _, attempt := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, termGrace}, {syscall.SIGKILL, termGrace}} {
		if err := p.Signal(attempt.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("sending %s to %s (pid %d): %w", attempt.signal, component, p.Pid, err)
		}
		if l.gone(ctx, component, p.Pid, attempt.wait) {
			return removeIfPresent(l.pid(component))
		}
	}
	return fmt.Errorf("%s (pid %d) does not end; see %s", component, p.Pid, l.log(component))
}

// gone waits until the process is no more. When ctx ends it reports false, so
// that the caller goes on to kill.
func (l layout) gone(ctx context.Context, component string, pid int, wait time.Duration) bool {
	ticker := time.NewTicker(pollInterval / 5)
	defer ticker.Stop()
	deadline := time.After(wait)
	for l.owns(component, pid) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			// One more look after a kill, which takes the kernel a moment.
			time.Sleep(pollInterval)
			return !l.owns(component, pid)
		case <-deadline:
			return false
		}
	}
	return true
}

func removeIfPresent(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing a pid file: %w", err)
	}
	return nil
}
