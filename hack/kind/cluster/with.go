package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

// found is what there was before somebody had the cluster for a while.
type found struct {
	// docker says that a daemon answered, and cluster that there was one, whose stopped nodes did not run.
	docker, cluster bool
	stopped         []string
}

// commandError is what became of a command that failed.
type commandError struct {
	code int
	error
}

// with has the cluster while a command runs, and then leaves the machine as it was found: a cluster that it made is removed, and dockerd
// ended that it started, also where the command fails; what was there before stays. Where something failed, the node's logs go to the
// folder first. With keep, all of it stays.
func (s *site) with(keep bool, folder string, command []string) error {
	// From now on, who interrupts this interrupts the command alone: what was started is ended in any case.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	was, err := s.find()
	if err == nil {
		err = s.up()
	}
	if err == nil {
		err = s.during(signals, command)
	}
	if keep {
		tell(fmt.Sprintf("the kind cluster %s is left as it is: make kind-down removes it, and ends Docker where that was started for it", s.name))
		return err
	}
	if err != nil && was.made() {
		s.keepLogs(folder)
	}
	return errors.Join(err, s.leave(was))
}

// find says what there is, and starts Docker to find that out.
func (s *site) find() (found, error) {
	was := found{docker: answers() == nil}
	if _, err := s.script("docker.sh", "start"); err != nil {
		return was, err
	}
	all, err := s.provider.ListNodes(s.name)
	if err != nil {
		// Of a cluster that nobody could see nothing is removed.
		was.cluster = true
		return was, explained(err)
	}
	was.cluster = len(all) > 0
	for _, node := range all {
		state, err := docker(context.Background(), "inspect", "-f", "{{.State.Status}}", node.String())
		if err != nil {
			return was, err
		}
		if state != "running" {
			was.stopped = append(was.stopped, node.String())
		}
	}
	return was, nil
}

// made says whether a cluster that there is now is of this call.
func (f found) made() bool { return !f.cluster }

// leave ends what was not there before.
func (s *site) leave(was found) error {
	if answers() != nil {
		return nil // nothing was started that could be ended
	}
	var failed error
	switch {
	case was.made():
		failed = explained(s.provider.Delete(s.name, s.kubeconfig))
	case len(was.stopped) > 0:
		_, failed = docker(context.Background(), append([]string{"stop"}, was.stopped...)...)
		tell(fmt.Sprintf("the kind cluster %s is stopped, as it was found", s.name))
	default:
		tell(fmt.Sprintf("the kind cluster %s was there before, and stays: make kind-down removes it", s.name))
	}
	if was.docker {
		return failed
	}
	_, err := s.script("docker.sh", "stop")
	return errors.Join(failed, err)
}

// keepLogs copies the node's logs, as far as there is one: something else has failed already.
func (s *site) keepLogs(folder string) {
	if err := s.logs(folder); err != nil {
		tell(fmt.Sprintf("no logs of the node are kept: %v", err))
	}
}

// during runs the command, in a process group of its own: each signal reaches it once.
func (s *site) during(signals <-chan os.Signal, command []string) error {
	select {
	case got := <-signals:
		return fmt.Errorf("%s was not begun: %s", command[0], got)
	default:
	}
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec // what it was called to run
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s cannot be run: %w", command[0], err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case got := <-signals:
			if number, is := got.(syscall.Signal); is {
				_ = syscall.Kill(-cmd.Process.Pid, number)
			}
		case err := <-done:
			if err != nil {
				return commandError{cmd.ProcessState.ExitCode(), fmt.Errorf("%s: %w", strings.Join(command, " "), err)}
			}
			return nil
		}
	}
}
