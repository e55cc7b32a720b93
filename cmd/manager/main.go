// Command manager runs Towpath's controllers and admission webhooks.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"go.uber.org/zap/zapcore"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/towpath-dev/towpath/internal/lazylog"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/version"
)

// gcPercent is by how much the heap may grow before garbage is collected, where GOGC does not say. Half of Go's default
// costs some CPU in a burst, and a fifth less memory at 1,000 Components (docs/performance.md): what the manager lives
// on are caches, and memory is what nodes lack first.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	logging := zap.Options{TimeEncoder: zapcore.RFC3339TimeEncoder}
	logging.BindFlags(flag.CommandLine)
	configuration, err := configure(flag.CommandLine, os.Args[1:])
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging), zap.RawZapOpts(lazylog.Option())))
	log := ctrl.Log.WithName("setup")
	log.Info("Starting", "version", version.Version, "commit", version.Commit)
	if err == nil {
		err = run(ctrl.SetupSignalHandler(), configuration)
	}
	if err != nil {
		log.Error(err, "The manager ended")
		fmt.Fprintln(os.Stderr, "towpath manager:", err)
		os.Exit(1)
	}
}

// run finds the cluster and runs the manager there until the context ends.
func run(ctx context.Context, configuration *manager.Configuration) error {
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	return manager.Run(ctx, cfg, manager.Options{Configuration: *configuration})
}
