// Package upgrade_test shows that an upgrade changes nothing of what runs: from each version in the file versions to the
// present and back, with the managers as processes of their own and with live Components. Its fixtures show that what a
// version stored can still be read, written and reconciled.
//
// An old version is built from its commit, once, into bin/_upgrade. No rights are recorded here (TOWPATH_RIGHTS_DIR): what
// an old manager asks for is not to be held against the roles of today.
package upgrade_test

import (
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/towpath-dev/towpath/config"
	"github.com/towpath-dev/towpath/test/framework"
)

// long says that the suite runs in full; else CI waits for it.
var long = os.Getenv("TOWPATH_UPGRADE") == "long"

// writing says that the suite makes fixtures, of those versions that have none.
var writing = os.Getenv("TOWPATH_UPGRADE_FIXTURES") == "write"

// inLongForm skips what the short form goes without.
func inLongForm() {
	GinkgoHelper()
	if !long {
		Skip("a part of make test-upgrade")
	}
}

// present is the version of this checkout.
var present release

func TestUpgrade(t *testing.T) {
	RegisterFailHandler(Fail)
	framework.SetTimeouts()
	RunSpecs(t, "Upgrade")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	// Before anything asks for it: later, controller-runtime takes none any more.
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	present = release{name: "the present", manifests: config.Manifests{}, manager: buildPresent(ctx)}
})
