// Command towpath is the tool for those who write for Towpath and look after what it made: it checks
// and renders files without a cluster, and shows the state of Components in one. Installed as
// kubectl-towpath it is a plugin of kubectl.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args, cluster.Connect, streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, terminal: isTerminal(os.Stdout)})
	stop()
	os.Exit(code)
}
