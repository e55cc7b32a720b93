// Package manager_test shows on a real cluster what the manager serves beside its controllers: metrics,
// and to whom.
package manager_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/towpath-dev/towpath/test/framework"
)

var (
	cluster *framework.Cluster
	admin   client.Client
)

func TestManager(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Manager")
}

var _ = BeforeSuite(func(ctx context.Context) {
	var err error
	cluster, err = framework.Start(ctx, framework.Options{Metrics: true, LeaderElection: true, Log: GinkgoWriter})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin = cluster.Client
	Expect(cluster.StartManager(ctx)).To(Succeed())
})
