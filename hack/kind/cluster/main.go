// Command cluster makes, fills and removes the kind cluster of a clone by kind's own library: of kind's node image where a registry
// hands it out, else of the one that is built here.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const usage = `cluster up             makes the cluster, or goes on with the one there is, also where its node was stopped
cluster load IMAGE…    copies images of Docker into its node
cluster logs DIR       copies the logs of its node into that folder
cluster down           removes it, and ends dockerd where up has started it
cluster with [--keep] DIR COMMAND…
                       has it while COMMAND runs, and then ends what it has started for that, unless --keep is given; where
                       something failed, the logs of a node that goes are copied into DIR first

Its name is made of the clone's folder; TOWPATH_KIND_CLUSTER=<name> is another one. Its kubeconfig is bin/kind/kubeconfig, that of
another name bin/kind/<name>.kubeconfig; nobody's own is touched. KIND_IMAGE=<image> names the node image.
KIND_PULL_TIMEOUT=<seconds> bounds how long a registry may take to hand out kind's own (600).`

func main() {
	os.Exit(call(os.Args[1:], os.Stdout, os.Stderr))
}

// call runs what the arguments ask for, and returns the exit code: 2 where they ask for nothing that there is, and of a command that
// failed its own.
func call(arguments []string, out, complaints io.Writer) int {
	err := run(arguments)
	var failed commandError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errHelp):
		_, _ = fmt.Fprintln(out, usage)
		return 0
	}
	_, _ = fmt.Fprintln(complaints, err)
	switch {
	case errors.Is(err, errUsage):
		return 2
	case errors.As(err, &failed) && failed.code > 0:
		return failed.code
	default:
		return 1
	}
}

func run(arguments []string) error {
	wanted, err := parse(arguments)
	if err != nil {
		return err
	}
	settings, err := settingsOf(os.Getenv)
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	root, err := repository(here)
	if err != nil {
		return err
	}
	s, err := newSite(root, settings)
	if err != nil {
		return err
	}
	switch wanted.verb {
	case "up":
		return s.up()
	case "load":
		return s.load(wanted.operands)
	case "logs":
		return s.logs(wanted.operands[0])
	case "with":
		return s.with(wanted.keep, wanted.operands[0], wanted.operands[1:])
	default:
		return s.down()
	}
}

// repository is the folder that holds hack/kind, from a folder in it: make, a suite and a person call this from different ones.
func repository(from string) (string, error) {
	for folder := from; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "hack", "kind", "cluster.yaml")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("neither %s nor a folder above it holds hack/kind/cluster.yaml: call this from a checkout of Towpath", from)
		}
	}
}
