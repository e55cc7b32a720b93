// Package cli_test runs the command line tool, as people do, against a cluster with Towpath in it.
package cli_test

import (
	"context"
	"os/exec"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/hack/install"
	"github.com/towpath-dev/towpath/test/framework"
)

var (
	cluster *framework.Cluster
	binary  string
)

func TestCLI(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "CLI")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	binary, err = gexec.Build("github.com/towpath-dev/towpath/cmd/towpath", "-buildvcs=false")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(gexec.CleanupBuildArtifacts)
	cluster, err = framework.Start(ctx, framework.Options{
		Nodes: 1, Log: GinkgoWriter, LabelAliases: map[string]string{"owner": "platform.towpath.dev/team", "team": "team"},
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	Expect(cluster.StartManager(ctx)).To(Succeed())
	Expect(install.Catalog(ctx, cluster.Client, config.Manifests{})).To(Succeed())
})

// towpath runs a command line to its end.
func towpath(ctx context.Context, args ...string) (code int, out, err string) {
	GinkgoHelper()
	return run(ctx, append(args, "--kubeconfig", cluster.Plane.AdminKubeconfig())...)
}

// run runs a command line, with the kubeconfig that it names.
func run(ctx context.Context, args ...string) (code int, out, err string) {
	GinkgoHelper()
	session, startErr := gexec.Start(exec.CommandContext(ctx, binary, args...), gbytes.NewBuffer(), gbytes.NewBuffer())
	Expect(startErr).NotTo(HaveOccurred())
	Eventually(ctx, session).Should(gexec.Exit())
	return session.ExitCode(), string(session.Out.Contents()), string(session.Err.Contents())
}
