// Command forge is what the kind suite has in place of a forge and of the tools of standard stages: a Git server that clients reach by
// HTTPS with a password, a registry of images, and, called by their names, tools which do with a real image in that registry what the real
// ones do at least: buildctl makes and pushes one, syft lists what is in it, grype reads it, cosign puts a signature beside it.
//
//	forge serve                                      both servers
//	forge commit REPOSITORY MESSAGE PATH=CONTENT…    pushes a commit to the branch main, and prints its hash
package main

import (
	"errors"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	if err := run(filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(name string, args []string) error {
	switch name {
	case "buildctl":
		return buildctl(args)
	case "syft":
		return syft(args)
	case "grype":
		return grype(args)
	case "cosign":
		return cosign(args)
	}
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve()
	case len(args) > 3 && args[0] == "commit":
		return commit(args[1], args[2], args[3:])
	}
	return errors.New("usage: forge serve, or forge commit REPOSITORY MESSAGE PATH=CONTENT…")
}
