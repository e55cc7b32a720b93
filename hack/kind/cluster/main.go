// Command cluster makes, fills and removes the kind cluster "towpath" by kind's own library: of kind's node image where a registry
// hands it out, else of the one that is built here.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const usage = `cluster up             makes the cluster, or goes on with the one there is, also where its node was stopped
cluster load IMAGE…    copies images of Docker into its node
cluster logs DIR       copies the logs of its node into that folder
cluster down           removes it, and ends dockerd where up has started it

Its kubeconfig is bin/kind/kubeconfig; nobody's own is touched. KIND_IMAGE=<image> names the node image.
KIND_PULL_TIMEOUT=<seconds> bounds how long a registry may take to hand out kind's own (600).`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
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
	s := newSite(root, settings)
	switch wanted.verb {
	case "up":
		return s.up()
	case "load":
		return s.load(wanted.operands)
	case "logs":
		return s.logs(wanted.operands[0])
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
