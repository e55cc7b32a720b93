// Command manager runs Towpath's controllers and admission webhooks.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"go.uber.org/zap/zapcore"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/towpath-dev/towpath/internal/heap"
	"github.com/towpath-dev/towpath/internal/lazylog"
	"github.com/towpath-dev/towpath/internal/manager"
	"github.com/towpath-dev/towpath/internal/version"
)

func main() {
	if os.Getenv("GOGC") == "" {
		heap.Keep()
	}
	logging := logFlags(flag.CommandLine)
	configuration, err := configure(flag.CommandLine, os.Args[1:])
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(logging), zap.RawZapOpts(lazylog.Option())))
	log := ctrl.Log.WithName("setup")
	if err == nil {
		log.Info("Starting", "version", version.Version, "commit", version.Commit)
		err = run(ctrl.SetupSignalHandler(), configuration)
	}
	if err != nil {
		log.Error(err, "The manager ended")
		fmt.Fprintln(os.Stderr, "towpath manager:", err)
		os.Exit(1)
	}
}

// logFlags binds the flags of the log.
func logFlags(flags *flag.FlagSet) *zap.Options {
	logging := &zap.Options{TimeEncoder: zapcore.RFC3339TimeEncoder}
	logging.BindFlags(flags)
	return logging
}

// run finds the cluster and runs the manager there until the context ends.
func run(ctx context.Context, configuration *manager.Configuration) error {
	cfg, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	return manager.Run(ctx, cfg, manager.Options{Configuration: *configuration})
}
