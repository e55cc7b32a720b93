// Command argocd is those programs of Argo CD that deliver: its application controller, its repository server, and the helper by which Git
// asks the latter for a password. As with Argo CD's own program, the variable ARGOCD_BINARY_NAME says which one runs; that program is not
// built itself, since it brings a user interface, an API server and much else that no delivery needs. One more, redis, is the store which
// the two keep what they found in: a server in memory, for tests alone.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alicebob/miniredis/v2"
	appcontroller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	gitaskpass "github.com/argoproj/argo-cd/v3/cmd/argocd-git-ask-pass/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/spf13/cobra"
)

func main() {
	programs := map[string]func() *cobra.Command{
		"argocd-application-controller": appcontroller.NewCommand,
		"argocd-repo-server":            reposerver.NewCommand,
		"argocd-git-ask-pass":           gitaskpass.NewCommand,
		"redis":                         redis,
	}
	name := os.Getenv("ARGOCD_BINARY_NAME")
	program, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "ARGOCD_BINARY_NAME is %q, which is none of the programs that are built here\n", name)
		os.Exit(2)
	}
	if err := program().Execute(); err != nil {
		os.Exit(1)
	}
}

// redis serves the protocol of Redis until it is told to end.
func redis() *cobra.Command {
	var address string
	command := &cobra.Command{
		Use:           "redis",
		RunE: func(*cobra.Command, []string) error {
			server := miniredis.NewMiniRedis()
			if err := server.StartAddr(address); err != nil {
				return err
			}
			defer server.Close()
			end := make(chan os.Signal, 1)
			signal.Notify(end, os.Interrupt, syscall.SIGTERM)
			<-end
			return nil
		},
	}
	command.Flags().StringVar(&address, "address", "127.0.0.1:6379", "where to listen")
	return command
}
