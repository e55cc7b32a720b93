package main

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"regexp"
)

// nameVariable has a cluster of another name than that of the clone.
const nameVariable = "TOWPATH_KIND_CLUSTER"

// names are those that kind, and a container's host, take. The node's name has 14 bytes more.
var names = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$`)

// nameOf is the name of a clone's cluster, unless another was asked for: two clones on one machine have two clusters.
func nameOf(root string) (string, error) {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("towpath-%x", sha256.Sum256([]byte(real)))[:len("towpath-")+8], nil
}

// kubeconfigOf is where a cluster's kubeconfig is. Each name that was asked for has its own, or two would change each other's context.
func kubeconfigOf(root, asked string) string {
	file := "kubeconfig"
	if asked != "" {
		file = asked + "." + file
	}
	return filepath.Join(root, "bin", "kind", file)
}
