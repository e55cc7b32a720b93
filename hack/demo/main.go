// Command demo runs Towpath's main job on a local control plane: it starts a cluster, installs
// Towpath, runs the manager with the rights of its own service account, applies the golden paths
// and a sample team, waits until everything is Ready and shows it. The cluster stays up, and a Git server beside it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	root := flag.String("root", ".", "Root of the repository.")
	dir := flag.String("dir", "", "Folder of the cluster's state. Default: .work/demo in the root.")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./hack/demo [-root DIR] [-dir DIR] up|down|git")
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *root, *dir, flag.Arg(0))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, dir, verb string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if dir == "" {
		dir = filepath.Join(root, ".work", "demo")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	d := newDemo(root, dir)
	switch verb {
	case "up":
		return d.up(ctx)
	case "down":
		return d.down(ctx)
	case "git": // what up starts beside itself
		return d.git.serve(ctx)
	default:
		flag.Usage()
		return fmt.Errorf("%q is neither up, down nor git", verb)
	}
}

// step prints what is being done and how long it took.
func step(what string, do func() error) error {
	fmt.Printf("  %-62s", what)
	start := time.Now()
	if err := do(); err != nil {
		fmt.Println("failed")
		return err
	}
	fmt.Printf("%6.1fs\n", time.Since(start).Seconds())
	return nil
}
