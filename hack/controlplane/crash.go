package controlplane

import (
	"context"
	"fmt"
	"slices"
	"syscall"
)

// Kill ends a component at once, as a crash would, and waits until it is gone. Relaunch starts it again.
func (c *ControlPlane) Kill(ctx context.Context, name string) error {
	i, err := c.find(name)
	if err != nil {
		return err
	}
	if p, alive := c.dir.findProcess(name); alive {
		if err := p.Signal(syscall.SIGKILL); err != nil {
			return fmt.Errorf("killing %s: %w", name, err)
		}
	}
	select {
	case <-c.children[i].done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the end of %s: %w", name, ctx.Err())
	}
}

// Relaunch starts a component that was killed, on the same data and at the same address. It does not wait until that is
// ready.
func (c *ControlPlane) Relaunch(name string) error {
	i, err := c.find(name)
	if err != nil {
		return err
	}
	again := c.children[i].component
	c.children = slices.Delete(c.children, i, i+1)
	return c.launch(again)
}

// find returns the place of a component among those that this process started.
func (c *ControlPlane) find(name string) (int, error) {
	i := slices.IndexFunc(c.children, func(ch *child) bool { return ch.name == name })
	if i < 0 {
		return 0, fmt.Errorf("this process has not started %s", name)
	}
	return i, nil
}
