// Package kind runs Towpath on a kind cluster as its users do, with pods that really run: what test/e2e and the
// integration suites cannot show, since their nodes are simulated or absent.
//
// make test-e2e starts the cluster and installs what is needed. Without that, as in make test, the suite is skipped.
package kind

import (
	"context"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const (
	// kubeconfigVariable names the administrator's kubeconfig, and managerVariable the manager's image in the node.
	kubeconfigVariable = "TOWPATH_KIND_KUBECONFIG"
	managerVariable    = "TOWPATH_KIND_MANAGER"

	// patience is how long what a user waits for may take: pods start, probes fail, on a machine that does other things too.
	patience = 4 * time.Minute
)

var kind *cluster

func TestKind(t *testing.T) {
	if os.Getenv(kubeconfigVariable) == "" {
		t.Skip("needs a kind cluster: make test-e2e runs this suite")
	}
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(200 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "Kind")
}

// One process installs; the others use what is there.
var _ = SynchronizedBeforeSuite(func(ctx context.Context) {
	kind = connect(ctx)
	kind.install(ctx)
}, func(ctx context.Context) {
	kind = connect(ctx)
})

var _ = JustAfterEach(func(ctx context.Context) {
	if report := CurrentSpecReport(); report.Failed() {
		kind.collect(ctx, report.FullText())
	}
})
