package manager

import (
	"cmp"
	"fmt"
	"net/url"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/towpath-dev/towpath/controllers/budget"
	"github.com/towpath-dev/towpath/controllers/costrecord"
	"github.com/towpath-dev/towpath/controllers/costreport"
	"github.com/towpath-dev/towpath/controllers/costsource"
	"github.com/towpath-dev/towpath/controllers/spending"
	"github.com/towpath-dev/towpath/internal/estimate"
	"github.com/towpath-dev/towpath/internal/notify/send"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// defaultSource is whom events name where nothing else is configured.
const defaultSource = "/towpath"

// validateAlerts checks where alerts may go, and where bills may come from.
func (c *Configuration) validateAlerts() field.ErrorList {
	path := field.NewPath("alerts")
	var errs field.ErrorList
	errs = append(errs, hosts("alerts", c.Alerts.AllowedHosts, outbound.NewRules)...)
	errs = append(errs, hosts("costSources", c.CostSources.AllowedHosts, costsource.Rules)...)
	if _, err := url.Parse(c.Alerts.Source); err != nil {
		errs = append(errs, field.Invalid(path.Child("source"), c.Alerts.Source, "must be a URI reference, such as https://towpath.example or /clusters/prod"))
	}
	return errs
}

// money is what estimates, records and limits what teams spend.
type money struct {
	estimator   *estimate.Estimator
	gate        *spending.Gate
	controllers []interface{ SetupWithManager(ctrl.Manager) error }
	validator   validator
}

// newMoney puts together what has to do with money.
func newMoney(mgr ctrl.Manager, o *Options) (*money, error) {
	c := &o.Configuration
	rules, err := outbound.NewRules(c.Alerts.AllowedHosts...)
	if err != nil {
		return nil, fmt.Errorf("alerts.allowedHosts: %w", err)
	}
	sources, err := costsource.Rules(c.CostSources.AllowedHosts...)
	if err != nil {
		return nil, fmt.Errorf("costSources.allowedHosts: %w", err)
	}
	store, lost := o.History, false
	if store == nil {
		if store, lost, err = openHistory(mgr, &c.History); err != nil {
			return nil, err
		}
	}
	m := &money{estimator: estimate.New(c.Prices.list), validator: &budget.Validator{Reader: mgr.GetClient(), Clock: o.Clock}}
	reader := &spending.Reader{Reader: mgr.GetClient(), Store: store}
	notifier := &spending.Notifier{Client: mgr.GetClient(), Live: mgr.GetAPIReader()}
	sender := send.New(send.Options{Rules: rules, Source: cmp.Or(c.Alerts.Source, defaultSource)})
	courier := func() *spending.Courier { return spending.NewCourier(sender, o.Clock) }
	m.gate = &spending.Gate{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Reader: reader, Clock: o.Clock}
	m.controllers = append(m.controllers,
		&spending.Reconciler{
			Client: mgr.GetClient(), Reader: reader, Notifier: notifier, Courier: courier(), Clock: o.Clock, Recorder: mgr.GetEventRecorder("towpath"),
		},
		&budget.Reconciler{
			Client: mgr.GetClient(), Reader: reader, Notifier: notifier, Courier: courier(), Clock: o.Clock, Recorder: mgr.GetEventRecorder("towpath"),
			HistoryLost: lost,
		},
		&costsource.Reconciler{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), History: store, Clock: o.Clock, Recorder: mgr.GetEventRecorder("towpath"),
			HistoryLost: lost, Rules: sources,
		})
	if store != nil {
		m.controllers = append(m.controllers,
			&costrecord.Recorder{Reader: mgr.GetClient(), History: store, Clock: clock.RealClock{}, Currency: m.estimator.Currency()},
			&costsource.Pruner{History: store, Clock: clock.RealClock{}},
			&costreport.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), History: store, Clock: o.Clock})
	}
	return m, nil
}
