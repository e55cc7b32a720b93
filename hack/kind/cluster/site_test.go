package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestErrorsSayTheWayOut has a stand-in for Docker's client answer as the real one does where something is wrong.
func TestErrorsSayTheWayOut(t *testing.T) {
	const runs = `version) ;; ps) echo towpath-control-plane ;; run) ;;`
	for _, test := range []struct {
		name, docker string
		call         func(*site) error
		want         []string
	}{
		{
			name:   "no daemon",
			docker: `*) echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2; exit 1 ;;`,
			call:   func(s *site) error { return s.load([]string{"towpath:dev"}) },
			want:   []string{"no Docker daemon answers", "make kind-up", "Cannot connect"},
		},
		{
			name:   "a daemon of others",
			docker: `*) echo "permission denied while trying to connect to the Docker daemon socket" >&2; exit 1 ;;`,
			call:   func(s *site) error { return s.logs("somewhere") },
			want:   []string{"the group docker"},
		},
		{
			name:   "no cluster",
			docker: `version | ps) ;;`,
			call:   func(s *site) error { return s.load([]string{"towpath:dev"}) },
			want:   []string{"there is no kind cluster towpath", "make kind-up"},
		},
		{
			name:   "a cluster that is stopped",
			docker: runs + `inspect) case $* in *role*) echo control-plane ;; *) echo exited ;; esac ;;`,
			call:   func(s *site) error { return s.logs("somewhere") },
			want:   []string{"towpath-control-plane", "is exited", "make kind-up"},
		},
		{
			name:   "images that nobody built",
			docker: runs + `inspect) case $* in *role*) echo control-plane ;; *) echo running ;; esac ;; image) [[ $* == *there* ]] && echo sha256:1 ;;`,
			call:   func(s *site) error { return s.load([]string{"towpath:dev", "is-there:1", "app:1"}) },
			want:   []string{"Docker has no image towpath:dev, app:1:", "make docker-build"},
		},
		{
			name: "a port that is taken",
			docker: runs + `start) echo "Error response from daemon: driver failed programming external connectivity on endpoint towpath-control-plane: ` +
				`Error starting userland proxy: listen tcp4 127.0.0.1:37717: bind: address already in use" >&2; exit 1 ;;`,
			call: (*site).up,
			want: []string{"cannot be started", "127.0.0.1:37717", "Another process listens", "make kind-down and then make kind-up"},
		},
		{
			name:   "a cluster that was never finished",
			docker: runs + `start) ;; inspect) case $* in *role*) echo control-plane ;; *Ports*) ;; *) echo image ;; esac ;; exec) echo "cat: /etc/kubernetes/admin.conf: No such file or directory" >&2; exit 1 ;;`,
			call:   (*site).up,
			want:   []string{"never finished", "make kind-down, and then make kind-up"},
		},
		{
			name:   "an image that was asked for and is nowhere",
			docker: `version | ps) ;; image) exit 1 ;; pull) echo "Error response from daemon: manifest for mine:1 not found" >&2; exit 1 ;;`,
			call: func(s *site) error {
				s.image = "mine:1"
				return s.up()
			},
			want: []string{"KIND_IMAGE is mine:1", "manifest for mine:1 not found"},
		},
		{
			name:   "a registry that does not answer",
			docker: `version | ps) ;; image) exit 1 ;; pull) exec sleep 60 ;;`,
			call: func(s *site) error {
				s.image, s.pullTimeout = "mine:1", 50*time.Millisecond
				return s.up()
			},
			want: []string{"took longer than KIND_PULL_TIMEOUT"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.call(standIn(t, test.docker))
			for _, words := range test.want {
				if err == nil || !strings.Contains(err.Error(), words) {
					t.Errorf("got %v, want an error with %q", err, words)
				}
			}
		})
	}
}

// standIn is a site whose client of Docker is a script of these cases of its first argument.
func standIn(t *testing.T, cases string) *site {
	t.Helper()
	folder := t.TempDir()
	script := "#!/usr/bin/env bash\ncase $1 in " + cases + " esac\n"
	if err := os.WriteFile(filepath.Join(folder, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, err := repository(here)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSite(root, settings{cluster: "towpath", pullTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	s.kubeconfig = filepath.Join(folder, "kubeconfig")
	return s
}

func TestRepositoryIsNamedWhereThereIsNone(t *testing.T) {
	if root, err := repository(t.TempDir()); err == nil {
		t.Errorf("got %s", root)
	}
}
