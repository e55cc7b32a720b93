package manager

import (
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/towpath-dev/towpath/controllers/source"
	"github.com/towpath-dev/towpath/internal/gitsource"
	"github.com/towpath-dev/towpath/internal/outbound"
	"github.com/towpath-dev/towpath/internal/revision"
)

// newSources puts together what hears of new commits.
func newSources(mgr ctrl.Manager, o *Options, revisions *revision.Compiled) ([]interface{ SetupWithManager(ctrl.Manager) error }, error) {
	rules, err := outbound.NewRules(o.Configuration.Sources.AllowedHosts...)
	if err != nil {
		return nil, fmt.Errorf("sources.allowedHosts: %w", err)
	}
	reconciler := &source.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: o.Clock, Recorder: mgr.GetEventRecorder("towpath"),
		Git:      &gitsource.Client{Rules: rules, PlainHTTP: o.Configuration.Sources.PlainHTTP, Limits: gitsource.DefaultLimits()},
		Schedule: &source.Schedule{Second: o.PollSecond},
	}
	if config := o.Configuration.Pipeline.Actions; config != nil {
		reconciler.Workflows = &source.Workflows{Config: *config, Standard: config.Standard(o.Configuration.standardStages()), Revisions: revisions}
	}
	all := []interface{ SetupWithManager(ctrl.Manager) error }{reconciler}
	if address := o.Configuration.Sources.WebhookBindAddress; address != noAddress {
		all = append(all, source.NewReceiver(reconciler, address))
	}
	return all, nil
}
