package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/tree"
)

// Exit codes, the same for every verb.
const (
	exitOK = 0
	// exitFindings: the command did its work, and what it looked at is not in order.
	exitFindings = 1
	// exitTrouble: the command could not do its work: wrong usage, unreadable files, no cluster.
	exitTrouble = 2
)

// cliAPIVersion is the version of what -o json and -o yaml print.
const cliAPIVersion = tree.ReportAPIVersion

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	// terminal says that out is one, so that colours can be seen.
	terminal bool
}

// errFindings ends a command with exitFindings; what was found is printed already.
var errFindings = errors.New("findings")

// trouble is an error with the command or change that helps.
type trouble struct {
	err  error
	next string
	code int
}

func (t *trouble) Error() string { return t.err.Error() }

func (t *trouble) Unwrap() error { return t.err }

// dial opens the connection that flags ask for. It sends nothing yet; the error says what to do.
func dial(connect cluster.Connector, flags cluster.Flags) (*cluster.Cluster, error) {
	connection, err := connect(flags)
	if err != nil {
		next, explained := cluster.ExplainConfig(err)
		return nil, &trouble{err: explained, next: next}
	}
	return connection, nil
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, connect cluster.Connector, std streams) int {
	root := newRoot(programName(args[0]), connect, std)
	root.SetArgs(args[1:])
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errFindings) {
		return exitFindings
	}
	text := fmt.Sprintf("%s: %s\n", root.DisplayName(), err)
	code := exitTrouble
	var known *trouble
	switch {
	case !errors.As(err, &known): // such as an argument or a flag that is missing, which cobra looks for
		text += fmt.Sprintf("next: %s --help\n", cmd.CommandPath())
	case known.next != "":
		text += fmt.Sprintf("next: %s\n", known.next)
	}
	if known != nil && known.code != 0 {
		code = known.code
	}
	if _, err := io.WriteString(std.err, text); err != nil {
		return exitTrouble
	}
	return code
}

// programName is how the user calls us: kubectl finds plugins by the prefix of their file name.
func programName(arg0 string) string {
	name := strings.TrimSuffix(filepath.Base(arg0), ".exe")
	if plugin, ok := strings.CutPrefix(name, "kubectl-"); ok {
		return "kubectl " + strings.ReplaceAll(plugin, "_", "-")
	}
	return "towpath"
}

func newRoot(program string, connect cluster.Connector, std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "towpath",
		Short: "Check, render and watch services on Towpath's golden paths",
		Long: `Check, render and watch services on Towpath's golden paths.

lint, render, cost, convert, pipeline and new work on files, without a cluster, and so does diff --from-dir.
status, why, cost report, cost export, diff, adoption, adopt, capabilities, catalog and version read the cluster of your
kubeconfig with your own rights; approve, reject, promote, rollback, rollout, env, build record, eject --yes and uninstall change it.

Exit codes: 0 in order, 1 findings, 2 the command could not do its work.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		// cobra builds "kubectl towpath lint" from this, in usage and in errors.
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: program},
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &trouble{err: err, next: cmd.CommandPath() + " --help"}
	})
	root.AddCommand(
		newLint(std), newRender(std), newCost(connect, std), newConvert(std), newBuild(connect, std), newPipeline(connect, std),
		newStatus(connect, std), newWhy(connect, std), newDiff(connect, std),
		newApprove(connect, std), newReject(connect, std), newPromote(connect, std), newRollback(connect, std), newRollout(connect, std),
		newEnv(connect, std), newAdoption(connect, std), newAdopt(connect, std), newEject(connect, std),
		newCapabilities(connect, std), newNew(connect, std), newCatalog(connect, std), newUninstall(connect, std), newVersion(connect, std),
	)
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.RunE = help
	}
	return root
}

// help is what a command does that only has others below it. Without it cobra would show the help and end with 0 whatever word
// follows, also one that is misspelt.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// isTerminal reports whether a file is one that shows colours.
func isTerminal(file *os.File) bool {
	return term.IsTerminal(int(file.Fd()))
}
