package main

import (
	"context"
	"fmt"
	"time"
)

// restart ends the manager and starts it again, with everything there: it takes the time until the manager is ready and has
// looked at everything, and counts what it writes, which should be nothing.
func (c *cluster) restart(ctx context.Context, got *run) error {
	if err := c.manager.Stop(ctx); err != nil {
		return fmt.Errorf("stopping the manager: %w", err)
	}
	before, err := c.counters(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := c.manager.Start(ctx, c.plane); err != nil {
		return err
	}
	got.RestartReadySeconds = time.Since(start).Seconds()
	at, err := c.settle(ctx)
	if err != nil {
		return err
	}
	got.RestartSettledSeconds = max(at.Sub(start).Seconds(), got.RestartReadySeconds)
	after, err := c.counters(ctx)
	if err != nil {
		return err
	}
	grown := after.since(before)
	users := byUserOf(grown.flows)
	got.Restart, got.RestartRequests = &users, ranked(grown.requests)
	return nil
}
