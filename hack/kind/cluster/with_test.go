package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// machine is a stand-in for Docker that remembers: the folder $STATE has the file docker while a daemon answers, and the file node, with
// its state in it, while there is a node. What it is asked to do is in $STATE/calls. Its scripts start and stop that daemon.
const machine = `*)
  [[ $1 == inspect || $1 == version || $1 == ps || $1 == exec ]] || echo "$*" >>"$STATE/calls"
  [[ -e $STATE/docker ]] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }
  case $1 in
  ps) [[ ! -e $STATE/node ]] || echo towpath-control-plane ;;
  inspect)
    case $* in
    *role*) echo control-plane ;;
    *Status*) cat "$STATE/node" ;;
    *Ports*) printf '127.0.0.1\t6443' ;;
    *Config.Image*) echo image ;;
    esac ;;
  start) echo running >"$STATE/node" ;;
  stop) echo exited >"$STATE/node" ;;
  rm) rm -f "$STATE/node" ;;
  run) [[ $* != *--name* ]] || echo running >"$STATE/node" ;;
  exec) [[ $* != *admin.conf* || $* == *wait* ]] || cat "$STATE/admin.conf" ;;
  esac ;;`

const kubeconfigOfNode = `apiVersion: v1
kind: Config
clusters: [{name: towpath, cluster: {server: "https://towpath-control-plane:6443"}}]
contexts: [{name: kubernetes-admin@towpath, context: {cluster: towpath, user: kubernetes-admin}}]
current-context: kubernetes-admin@towpath
users: [{name: kubernetes-admin, user: {}}]
`

// withMachine is a site on that machine, and what there is in the beginning: the state of Docker, and that of a node.
func withMachine(t *testing.T, docker bool, node string) (*site, string) {
	t.Helper()
	state := t.TempDir()
	t.Setenv("STATE", state)
	s := standIn(t, machine)
	files := map[string]string{"admin.conf": kubeconfigOfNode}
	if docker {
		files["docker"], files["ours"] = "", "" // as an earlier make kind-up of this clone left it
	}
	if node != "" {
		files["node"] = node
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(state, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.image = "image" // which this Docker has
	s.scripts = filepath.Join(state, "scripts")
	if err := os.Mkdir(s.scripts, 0o700); err != nil {
		t.Fatal(err)
	}
	// As docker.sh does, which ends no daemon that it has not started.
	script := `#!/usr/bin/env bash
case $1 in
start) [[ -e $STATE/docker ]] || touch "$STATE/docker" "$STATE/ours" ;;
stop) [[ ! -e $STATE/ours ]] || rm -f "$STATE/docker" "$STATE/ours" ;;
esac
`
	if err := os.WriteFile(filepath.Join(s.scripts, "docker.sh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return s, state
}

// is reads a file of the machine; nothing where there is none.
func is(t *testing.T, state, file string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(state, file))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

// What was there stays, and what was started for the command goes, however it ends.
func TestWithLeavesTheMachineAsItWasFound(t *testing.T) {
	const succeeds, fails = "exit 0", "exit 7"
	for _, test := range []struct {
		name    string
		docker  bool
		node    string
		keep    bool
		command string

		wantDocker bool
		wantNode   string
		code       int
	}{
		{name: "a cluster that runs", docker: true, node: "running", command: succeeds, wantDocker: true, wantNode: "running"},
		{name: "a cluster that runs, and a command that fails", docker: true, node: "running", command: fails, wantDocker: true, wantNode: "running", code: 7},
		{name: "a cluster that was stopped", docker: true, node: "exited", command: succeeds, wantDocker: true, wantNode: "exited"},
		{name: "a cluster that was stopped, and no Docker", node: "exited", command: succeeds, wantNode: "exited"},
		{name: "the same, and a command that fails", node: "exited", command: fails, wantNode: "exited", code: 7},
		{name: "the same, kept", node: "exited", keep: true, command: succeeds, wantDocker: true, wantNode: "running"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, state := withMachine(t, test.docker, test.node)
			err := s.with(test.keep, filepath.Join(state, "logs"), []string{"bash", "-c", `cp "$STATE/node" "$STATE/seen"; ` + test.command})
			if seen := is(t, state, "seen"); seen != "running" {
				t.Errorf("the command saw a node that is %q, and Docker was asked for:\n%s", seen, is(t, state, "calls"))
			}
			var failed commandError
			if test.code == 0 && err != nil || test.code != 0 && (!errors.As(err, &failed) || failed.code != test.code) {
				t.Errorf("got %v, want exit code %d", err, test.code)
			}
			_, err = os.Stat(filepath.Join(state, "docker"))
			if answers := err == nil; answers != test.wantDocker || is(t, state, "node") != test.wantNode {
				t.Errorf("Docker answers: %t, and the node is %q; want %t and %q", answers, is(t, state, "node"), test.wantDocker, test.wantNode)
			}
		})
	}
}

// A cluster cannot be made on the stand-in. What that leaves is ended as what a command leaves.
func TestWithRemovesWhatItMade(t *testing.T) {
	for name, keep := range map[string]bool{"removed": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			s, state := withMachine(t, false, "")
			err := s.with(keep, filepath.Join(state, "logs"), []string{"touch", filepath.Join(state, "seen")})
			if err == nil {
				t.Fatal("a cluster was made of nothing")
			}
			if _, err := os.Stat(filepath.Join(state, "seen")); err == nil {
				t.Error("the command ran without a cluster")
			}
			if !strings.Contains(is(t, state, "calls"), "run ") {
				t.Fatalf("no node was asked for, but: %v\n%s", err, is(t, state, "calls"))
			}
			_, gone := os.Stat(filepath.Join(state, "docker"))
			if got := gone == nil; got != keep {
				t.Errorf("Docker answers: %t, want %t", got, keep)
			}
			if !keep && is(t, state, "node") != "" {
				t.Errorf("the node is left %s", is(t, state, "node"))
			}
		})
	}
}

// leave is what ends a cluster that was made.
func TestLeaveRemovesAClusterThatWasNotThere(t *testing.T) {
	s, state := withMachine(t, true, "running")
	if err := s.leave(found{docker: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(is(t, state, "calls"), "rm -f -v towpath-control-plane") || is(t, state, "node") != "" {
		t.Errorf("the node is %q, and Docker was asked for:\n%s", is(t, state, "node"), is(t, state, "calls"))
	}
}

// Who interrupts it interrupts the command, and what was there before still stays.
func TestWithHandsSignalsOn(t *testing.T) {
	for _, name := range []string{"INT", "TERM"} {
		t.Run(name, func(t *testing.T) {
			s, state := withMachine(t, false, "exited")
			// It sends the signal itself, once it is ready for what comes of it.
			script := `trap 'exit 9' ` + name + `; kill -` + name + ` "$0"; while :; do sleep 0.01; done`
			err := s.with(false, filepath.Join(state, "logs"), []string{"bash", "-c", script, strconv.Itoa(os.Getpid())})
			var failed commandError
			if !errors.As(err, &failed) || failed.code != 9 {
				t.Errorf("got %v, want exit code 9", err)
			}
			if is(t, state, "node") != "exited" {
				t.Errorf("the node is %s", is(t, state, "node"))
			}
			if _, err := os.Stat(filepath.Join(state, "docker")); err == nil {
				t.Error("Docker goes on")
			}
		})
	}
}
