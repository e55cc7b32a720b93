// Package e2e runs the demo as a user does, with the manager as a process of its own, and looks at
// what came of it.
package e2e

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	// The demo starts a control plane: importing it puts this suite among those that need one.
	_ "github.com/towpath-dev/towpath/hack/controlplane"
)

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "End to end")
}
