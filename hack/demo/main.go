// Command demo runs Towpath's main job on a local control plane: it starts a cluster, installs
// Towpath, runs the manager with the rights of its own service account, applies the golden paths
// and a sample team, waits until everything is Ready and shows it. The cluster stays up, and a Git server beside it.
//
// On a kind cluster, where pods run, it shows what becomes of a push.
package main

import (
	"context"
	"errors"
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
	kubeconfig := flag.String("kubeconfig", "", "Kubeconfig of the kind cluster, for kind.")
	manager := flag.String("manager", "", "Image of the manager in the node of the kind cluster, for kind.")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./hack/demo [-root DIR] [-dir DIR] up|down|git|kind")
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *root, *dir, *kubeconfig, *manager, flag.Arg(0))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, dir, kubeconfig, manager, verb string) error {
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
	case "kind":
		if kubeconfig == "" || manager == "" {
			return errors.New("kind needs -kubeconfig and -manager: make demo-kind names them")
		}
		if d.kubeconfig, err = filepath.Abs(kubeconfig); err != nil {
			return err
		}
		return d.onKind(ctx, manager)
	default:
		flag.Usage()
		return fmt.Errorf("%q is neither up, down, git nor kind", verb)
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
