package manager

import (
	"fmt"
	"net/url"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/towpath-dev/towpath/controllers/budget"
	"github.com/towpath-dev/towpath/controllers/spending"
	"github.com/towpath-dev/towpath/internal/history"
	"github.com/towpath-dev/towpath/internal/notify/send"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// maxAllowedHosts bounds alerts.allowedHosts.
const maxAllowedHosts = 64

// defaultSource is whom events name where nothing else is configured.
const defaultSource = "/towpath"

// validateAlerts checks where alerts may go.
func (c *Configuration) validateAlerts() field.ErrorList {
	path := field.NewPath("alerts")
	var errs field.ErrorList
	if len(c.Alerts.AllowedHosts) > maxAllowedHosts {
		errs = append(errs, field.TooMany(path.Child("allowedHosts"), len(c.Alerts.AllowedHosts), maxAllowedHosts))
	}
	if _, err := outbound.NewRules(c.Alerts.AllowedHosts...); err != nil {
		errs = append(errs, field.Invalid(path.Child("allowedHosts"), c.Alerts.AllowedHosts, err.Error()))
	}
	if _, err := url.Parse(c.Alerts.Source); err != nil {
		errs = append(errs, field.Invalid(path.Child("source"), c.Alerts.Source, "must be a URI reference, such as https://towpath.example or /clusters/prod"))
	}
	return errs
}

// money is what holds teams to their limits on money.
type money struct {
	gate        *spending.Gate
	controllers []interface{ SetupWithManager(ctrl.Manager) error }
	validator   validator
}

// newMoney puts together what holds teams to their limits. The store is the history of daily costs; nil where none is kept.
func newMoney(mgr ctrl.Manager, c *Configuration, store history.Store, now clock.PassiveClock) (*money, error) {
	rules, err := outbound.NewRules(c.Alerts.AllowedHosts...)
	if err != nil {
		return nil, fmt.Errorf("alerts.allowedHosts: %w", err)
	}
	source := c.Alerts.Source
	if source == "" {
		source = defaultSource
	}
	reader := &spending.Reader{Reader: mgr.GetClient(), Store: store}
	notifier := &spending.Notifier{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: now,
		Sender: send.New(send.Options{Rules: rules, Source: source}),
	}
	return &money{
		gate: &spending.Gate{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Reader: reader, Clock: now},
		controllers: []interface{ SetupWithManager(ctrl.Manager) error }{
			&spending.Reconciler{Client: mgr.GetClient(), Reader: reader, Notifier: notifier, Clock: now},
			&budget.Reconciler{Client: mgr.GetClient(), Reader: reader, Notifier: notifier, Clock: now},
		},
		validator: &budget.Validator{Reader: mgr.GetClient(), Clock: now},
	}, nil
}
