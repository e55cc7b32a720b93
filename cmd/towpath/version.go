package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/towpath-dev/towpath/api/v1alpha1"
	"github.com/towpath-dev/towpath/cmd/towpath/internal/cluster"
	"github.com/towpath-dev/towpath/internal/version"
)

// versions is what `version -o json` prints.
type versions struct {
	Client clientVersion `json:"client"`
	// Server is the manager in the cluster; nil where it cannot be seen.
	Server *serverVersion `json:"server,omitempty"`
	// Note says why the server is missing.
	Note string `json:"note,omitempty"`
}

type clientVersion struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

type serverVersion struct {
	Version string `json:"version"`
	Image   string `json:"image"`
}

func newVersion(connect cluster.Connector, std streams) *cobra.Command {
	var flags cluster.Flags
	var output format
	var clientOnly bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this tool and of the manager in the cluster",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found := versions{Client: clientVersion{
				Version: version.Version, Commit: version.Commit, Date: version.Date,
				Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
			}}
			if !clientOnly {
				found.Server, found.Note = serverOf(cmd.Context(), connect, flags)
			}
			if output != formatText {
				return printValue(std.out, output, found)
			}
			text := fmt.Sprintf("client: %s (commit %s, %s, %s, %s)\n", found.Client.Version, found.Client.Commit,
				found.Client.Date, found.Client.Go, found.Client.Platform)
			if found.Server != nil {
				text += fmt.Sprintf("server: %s (%s)\n", found.Server.Version, found.Server.Image)
			} else if !clientOnly {
				text += fmt.Sprintf("server: not visible: %s\n", found.Note)
			}
			_, err := io.WriteString(std.out, text)
			return err
		},
	}
	flags.Bind(cmd)
	cmd.Flags().BoolVar(&clientOnly, "client", false, "do not ask the cluster")
	addFormat(cmd, &output, "json or yaml", formatJSON, formatYAML)
	return cmd
}

// serverOf reads the manager's version from its Deployment. That a version cannot be seen is not an
// error: most callers have no rights in the manager's namespace.
func serverOf(ctx context.Context, connect cluster.Connector, flags cluster.Flags) (*serverVersion, string) {
	connection, err := connect(flags)
	if err != nil {
		_, explained := cluster.ExplainConfig(err)
		return nil, explained.Error()
	}
	var deployments appsv1.DeploymentList
	if err := connection.List(ctx, &deployments, client.InNamespace(platformv1alpha1.SystemNamespace)); err != nil {
		_, explained := cluster.Explain(err, flags, "list deployments in namespace "+platformv1alpha1.SystemNamespace)
		return nil, explained.Error()
	}
	for i := range deployments.Items {
		for _, container := range deployments.Items[i].Spec.Template.Spec.Containers {
			if container.Name == "manager" {
				return &serverVersion{Version: imageVersion(container.Image), Image: container.Image}, ""
			}
		}
	}
	return nil, "no Deployment in namespace " + platformv1alpha1.SystemNamespace + " has a container named manager"
}

// imageVersion is the tag of an image, else its digest.
func imageVersion(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		return name[at+1:]
	}
	if digest != "" {
		return digest
	}
	return "latest"
}
