// Package uninstall_test takes Towpath out of real clusters: one where the workloads stay, and one
// where they go.
package uninstall_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/towpath-dev/towpath/test/framework"
)

func TestUninstall(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Uninstall")
}

// start brings up a cluster whose manager leads, as one in a pod does.
func start(ctx context.Context) *framework.Cluster {
	GinkgoHelper()
	cluster, err := framework.Start(ctx, framework.Options{Nodes: 1, LeaderElection: true, Log: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	Expect(cluster.StartManager(ctx)).To(Succeed())
	return cluster
}
