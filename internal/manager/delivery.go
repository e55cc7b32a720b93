package manager

import (
	"fmt"

	"github.com/towpath-dev/towpath/internal/delivery/remote"
	"github.com/towpath-dev/towpath/internal/outbound"
)

// newDeliveries is what Releases are committed with.
func newDeliveries(c *Configuration) (*remote.Pool, error) {
	rules, err := outbound.NewRules(c.Delivery.AllowedHosts...)
	if err != nil {
		return nil, fmt.Errorf("delivery.allowedHosts: %w", err)
	}
	return remote.NewPool(remote.Options{
		Rules: rules, PlainHTTP: c.Delivery.PlainHTTP, Name: c.Delivery.Name, Email: c.Delivery.Email, MaxFetch: c.Delivery.MaxRepositoryMiB << 20,
	}), nil
}
