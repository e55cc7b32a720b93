package manager

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/towpath-dev/towpath/internal/delivery/remote"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// validateDelivery checks where Releases may be committed to.
func (c *Configuration) validateDelivery() field.ErrorList {
	path := field.NewPath("delivery", "allowedHosts")
	var errs field.ErrorList
	if len(c.Delivery.AllowedHosts) > maxAllowedHosts {
		errs = append(errs, field.TooMany(path, len(c.Delivery.AllowedHosts), maxAllowedHosts))
	}
	if _, err := outbound.NewRules(c.Delivery.AllowedHosts...); err != nil {
		errs = append(errs, field.Invalid(path, c.Delivery.AllowedHosts, err.Error()))
	}
	return errs
}

// newDeliveries is what Releases are committed with.
func newDeliveries(c *Configuration) (*remote.Pool, error) {
	rules, err := outbound.NewRules(c.Delivery.AllowedHosts...)
	if err != nil {
		return nil, fmt.Errorf("delivery.allowedHosts: %w", err)
	}
	return remote.NewPool(remote.Options{Rules: rules, PlainHTTP: c.Delivery.PlainHTTP, Name: c.Delivery.Name, Email: c.Delivery.Email}), nil
}
