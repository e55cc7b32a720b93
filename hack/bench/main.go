// Command bench measures Towpath on local control planes, and writes a table and build/bench/<name>.json.
// Each run has a control plane of its own, which is gone when the run ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/towpath-dev/towpath/internal/sleep"
)

// options are what the flags say.
type options struct {
	root, out string
	// work is the folder of everything that is removed at the end.
	work string
	// instances is how many Components are made, runs how often.
	instances, runs int
	// teams is how many Teams there are in benchEnvironments.
	teams int
	// sleepers is how many Environments of benchEnvironments fall asleep at the same minute, and spread over how long
	// their class spreads that.
	sleepers int
	spread   time.Duration
	// workers is how many of its clients' requests are under way at once.
	workers int
	// managerWorkers is the manager's --workers; its default if zero.
	managerWorkers  int
	steady, timeout time.Duration
	profile         bool
	// ready says that there are controllers, a scheduler and simulated nodes.
	ready bool
}

// The benchmarks by their names. The result of each is written under its name.
const (
	benchComponents = "components"
	benchReady      = "components-ready"
	benchFairness   = "fairness"
	// benchEnvironments makes Teams and Environments.
	benchEnvironments = "environments"
)

var benchmarks = []string{benchComponents, benchReady, benchFairness, benchEnvironments}

func main() {
	o, name, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard))) // what its own watches log would stand between the results
	err = o.begin()
	switch {
	case err != nil:
	case name == benchFairness:
		err = fairness(ctx, o)
	case name == benchEnvironments:
		err = environments(ctx, o)
	default:
		err = components(ctx, o, name)
	}
	if err == nil || ctx.Err() != nil { // else its logs are still needed
		_ = os.RemoveAll(o.work)
	}
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted:
		fmt.Fprintln(os.Stderr, "\nbench was interrupted; nothing is left running")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "\nbench failed:", err)
		os.Exit(1)
	}
}

// parse reads the arguments. It has said what is wrong with them when it returns an error.
func parse(arguments []string, say io.Writer) (*options, string, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(say)
	flags.StringVar(&o.root, "root", ".", "Root of the repository, with bin/manager and bin/kube.")
	flags.StringVar(&o.out, "out", "", "Folder of results and profiles. Default: build/bench in the root.")
	flags.IntVar(&o.instances, "n", 1000, "How many Components, or Environments, are made.")
	flags.IntVar(&o.teams, "teams", 200, "How many Teams the Environments are spread over.")
	flags.IntVar(&o.sleepers, "sleepers", -1, "How many of the Environments fall asleep at the same minute, and wake; 0 for none. Default: all, 500 at most.")
	flags.DurationVar(&o.spread, "spread", sleep.DefaultSpread, "Over how long their class spreads that, in whole seconds.")
	flags.BoolVar(&o.ready, "nodes", false, "Run controllers, a scheduler and simulated nodes beside the API server in environments, too.")
	flags.IntVar(&o.runs, "runs", 3, "How many runs there are of each kind, Towpath's and the bare client's in turn.")
	flags.IntVar(&o.workers, "clients", 16, "How many requests the bare client, and whoever makes Components, has under way at once.")
	flags.IntVar(&o.managerWorkers, "manager-workers", 0, "The manager's --workers. Default: the manager's.")
	flags.DurationVar(&o.steady, "steady", time.Minute, "How long the steady state is watched.")
	flags.DurationVar(&o.timeout, "timeout", 15*time.Minute, "How long the Components of one run may take.")
	flags.BoolVar(&o.profile, "profile", false, "Write the manager's profiles of CPU, heap and allocations. The CPU profile itself costs some CPU.")
	flags.Usage = func() {
		_, _ = fmt.Fprintf(say, `usage: go run ./hack/bench [flags] [%[1]s|%[2]s|%[3]s|%[4]s]

%[1]s: time until all children of the Components exist, requests, CPU and memory, on etcd and
kube-apiserver alone. %[2]s: time until all Components are Ready, with kube-controller-manager,
kube-scheduler and simulated nodes. %[3]s: one team's Components beside those that another makes all
at once, -n of them, and beside invalid ones. %[4]s: time until Teams and their Environments are
Ready, requests of each, and memory; then how they fall asleep at the same minute, and wake, and how
fast the API server answers meanwhile. Default: %[1]s.

`, benchComponents, benchReady, benchFairness, benchEnvironments)
		flags.PrintDefaults()
	}
	if err := flags.Parse(arguments); err != nil {
		return nil, "", err
	}
	name := benchComponents
	if flags.NArg() > 0 {
		name = flags.Arg(0)
	}
	o.ready = o.ready || name == benchReady
	if err := o.complete(name, flags.NArg()); err != nil {
		_, _ = fmt.Fprintln(say, "bench:", err)
		return nil, "", err
	}
	return o, name, nil
}

// begin makes the folders, and takes a copy of the manager: all runs are of the same one, also if it is
// built anew meanwhile.
func (o *options) begin() error {
	parent := filepath.Join(o.root, ".work", "bench")
	for _, dir := range []string{parent, o.out} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	var err error
	if o.work, err = os.MkdirTemp(parent, "bench-"); err != nil {
		return err
	}
	binary, err := os.ReadFile(filepath.Join(o.root, "bin", "manager"))
	if err != nil {
		return fmt.Errorf("%w: run make build", err)
	}
	return os.WriteFile(o.manager(), binary, 0o755)
}

// manager is the path of the copy. Its name is that of the program in what a run used.
func (o *options) manager() string { return filepath.Join(o.work, managerProgram) }

// complete checks the arguments, and makes the folders absolute.
func (o *options) complete(name string, names int) error {
	if !slices.Contains(benchmarks, name) || names > 1 {
		return fmt.Errorf("name one benchmark of %s after the flags", strings.Join(benchmarks, ", "))
	}
	if o.instances < 1 || o.runs < 1 || o.workers < 1 || o.teams < 1 {
		return fmt.Errorf("-n, -runs, -clients and -teams must be at least 1")
	}
	if o.ready && name != benchReady && name != benchEnvironments {
		return fmt.Errorf("-nodes is for %s", benchEnvironments)
	}
	if o.sleepers < 0 {
		o.sleepers = min(o.instances, 500)
	}
	if o.sleepers > o.instances || o.spread < 0 || o.spread > time.Hour || o.spread%time.Second != 0 {
		return fmt.Errorf("-sleepers must be at most -n, and -spread whole seconds up to an hour")
	}
	root, err := filepath.Abs(o.root)
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join(root, "build", "bench")
	}
	o.root = root
	o.out, err = filepath.Abs(o.out)
	return err
}

func init() {
	if runtime.GOOS != "linux" {
		panic("bench reads /proc: it runs on Linux only")
	}
}
