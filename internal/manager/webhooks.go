package manager

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// validator is an admission webhook that adds itself to the manager's server.
type validator interface {
	SetupWithManager(ctrl.Manager) error
}

// webhooks starts the webhook server once its certificate is there: the server reads the files when
// it starts, and would end the manager if they were missing.
type webhooks struct {
	mgr        ctrl.Manager
	certReady  <-chan struct{}
	validators []validator
	started    atomic.Pointer[healthz.Checker]
}

var _ manager.LeaderElectionRunnable = &webhooks{}

// NeedLeaderElection says that every replica serves the webhooks.
func (w *webhooks) NeedLeaderElection() bool { return false }

// Start waits for the certificate and adds the webhooks, which starts their server.
func (w *webhooks) Start(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-w.certReady:
	}
	for _, v := range w.validators {
		if err := v.SetupWithManager(w.mgr); err != nil {
			return fmt.Errorf("setting up %T: %w", v, err)
		}
	}
	started := w.mgr.GetWebhookServer().StartedChecker()
	w.started.Store(&started)
	<-ctx.Done()
	return nil
}

// ready is the readiness probe: a manager whose webhooks do not answer would hold up every write.
func (w *webhooks) ready(req *http.Request) error {
	started := w.started.Load()
	if started == nil {
		return errors.New("the webhook certificate is not there yet")
	}
	return (*started)(req)
}
